/*
 * fuzz.c: the operations of the oracle, chosen by a fuzzer.
 *
 * The first two bytes shape the machine, then each OP_BYTES bytes are one operation (ops.h).
 * Everything is checked as in the oracle; a difference ends in abort(), which the fuzzer takes for
 * a crash.
 */
#include "oracle/ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world_config config = {0};
	struct world *w;
	struct op op;
	size_t n;

	if (size < 2)
		return 0;
	config.frames = 72 + data[0];
	config.swap_cluster = data[1] % 6;
	w = world_new(&config);
	for (data += 2, size -= 2; (n = op_from_bytes(&op, data, size)) != 0; data += n, size -= n)
		op_run(w, &op);
	check_contents(w);
	world_end(w);
	return 0;
}
