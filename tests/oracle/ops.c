/*
 * ops.c: the table of operations: names, frequencies; records from numbers, bytes and text.
 */
#include "ops.h"

#include <string.h>

static const struct {
	const char *name;
	op_function *run;
	unsigned weight; /* how often, relative to the others */
} table[] = {
    {"load", op_load, 60},
    {"store", op_store, 120},
    {"exec", op_exec, 4},
    {"fill", op_fill, 70},
    {"read", op_read, 15},
    {"write", op_write, 30},
    {"pin", op_pin, 12},
    {"unpin", op_unpin, 14},
    {"dma", op_dma, 8},
    {"mincore", op_mincore, 4},
    {"tlb_flush", op_tlb_flush, 2},
    {"mmap", op_mmap, 60},
    {"munmap", op_munmap, 20},
    {"mprotect", op_mprotect, 25},
    {"brk", op_brk, 8},
    {"remap", op_remap, 12},
    {"mremap", op_mremap, 36},
    {"create", op_create, 8},
    {"fork", op_fork, 20},
    {"exit", op_exit, 12},
    {"empty", op_empty, 2},
    {"limit", op_limit, 10},
    {"mlock", op_mlock, 10},
    {"munlock", op_munlock, 10},
    {"mlockall", op_mlockall, 1},
    {"munlockall", op_munlockall, 3},
    {"mminfo", op_mminfo, 3},
    {"madvise", op_madvise, 45},
    {"msync", op_msync, 12},
    {"open", op_open, 8},
    {"close", op_close, 4},
    {"truncate", op_truncate, 12},
    {"punch", op_punch, 6},
    {"fread", op_fread, 10},
    {"fwrite", op_fwrite, 16},
    {"fsync", op_fsync, 14},
    {"swapon", op_swapon, 6},
    {"swapoff", op_swapoff, 3},
    {"reclaim", op_reclaim, 25},
    {"frame", op_frame, 6},
    {"watermarks", op_watermarks, 1},
    {"io_error", op_io_error, 8},
    {"check", op_check, 10},
};

#define NR_OPS ((unsigned)(sizeof(table) / sizeof(table[0])))

unsigned op_codes(void)
{
	return NR_OPS;
}

static unsigned random_code(struct sim_rand *r)
{
	unsigned total = 0, at, code = 0;

	for (unsigned i = 0; i < NR_OPS; i++)
		total += table[i].weight;
	at = (unsigned)sim_rand_below(r, total);
	while (at >= table[code].weight)
		at -= table[code++].weight;
	return code;
}

void op_random(struct sim_rand *r, struct op *op)
{
	op->code = random_code(r);
	for (unsigned i = 0; i < OP_ARGS; i++)
		op->a[i] = (uint32_t)sim_rand(r) >> 8;
}

/* One byte for the code, two for each number. */
size_t op_from_bytes(struct op *op, const uint8_t *bytes, size_t n)
{
	if (n < OP_BYTES)
		return 0;
	op->code = bytes[0] % NR_OPS;
	for (unsigned i = 0; i < OP_ARGS; i++) {
		uint32_t x = bytes[1 + 2 * i] | (uint32_t)bytes[2 + 2 * i] << 8;

		/* The high bits matter, too. */
		op->a[i] = x | (x & 0xff00) << 8;
	}
	return OP_BYTES;
}

void op_print(FILE *out, const struct op *op)
{
	fprintf(out, "%s", table[op->code].name);
	for (unsigned i = 0; i < OP_ARGS; i++)
		fprintf(out, " %u", op->a[i]);
	fputc('\n', out);
}

bool op_parse(const char *line, struct op *op)
{
	char name[32];
	uint32_t *a = op->a;

	if (sscanf(line, "%31s %u %u %u %u %u %u", name, a, a + 1, a + 2, a + 3, a + 4, a + 5) != 7)
		return false;
	for (op->code = 0; op->code < NR_OPS; op->code++)
		if (!strcmp(name, table[op->code].name))
			return true;
	return false;
}

void op_run(struct world *w, const struct op *op)
{
	w->op = table[op->code].name;
	w->oom = event(w, OM_EV_OOM);
	w->stalls = event(w, OM_EV_ALLOCSTALL);
	w->io_errors = io_errors(w);
	world_trace(w, "%5u  %s", w->step, w->op);
	table[op->code].run(w, op->a);
	check_always(w);
	if (++w->step % w->check_every == 0)
		check_contents(w);
}
