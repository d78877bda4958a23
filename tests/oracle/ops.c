/*
 * ops.c: the table of operations: names, frequencies; records from numbers, bytes and text.
 */
#include "ops.h"

#include <string.h>

static const struct {
	const char *name;
	op_function *run;
	unsigned weight; /* how often, relative to the others */
	int errors[8];   /* that a long run should meet */
} table[] = {
    {"load", op_load, 60, {0}},
    {"store", op_store, 120, {0}},
    {"exec", op_exec, 4, {0}},
    {"fill", op_fill, 70, {0}},
    {"read", op_read, 15, {0}},
    {"write", op_write, 30, {0}},
    {"pin", op_pin, 12, {0}},
    {"unpin", op_unpin, 14, {0}},
    {"dma", op_dma, 8, {0}},
    {"mincore", op_mincore, 4, {0}},
    {"tlb_flush", op_tlb_flush, 2, {0}},
    {"mmap",
     op_mmap,
     60,
     {OM_ENOMEM, OM_EINVAL, OM_EEXIST, OM_EOVERFLOW, OM_EACCES, OM_EAGAIN, OM_EPERM}},
    {"munmap", op_munmap, 20, {OM_EINVAL, OM_ENOMEM}},
    {"mprotect", op_mprotect, 25, {OM_EINVAL, OM_ENOMEM, OM_EACCES}},
    {"brk", op_brk, 8, {0}},
    {"remap", op_remap, 12, {OM_EINVAL, OM_ENOMEM}},
    {"mremap", op_mremap, 36, {OM_EINVAL, OM_ENOMEM, OM_EFAULT, OM_EAGAIN}},
    {"create", op_create, 8, {0}},
    {"fork", op_fork, 20, {OM_ENOMEM}},
    {"exit", op_exit, 12, {0}},
    {"empty", op_empty, 2, {0}},
    {"limit", op_limit, 10, {0}},
    {"mlock", op_mlock, 10, {OM_EINVAL, OM_ENOMEM, OM_EPERM}},
    {"munlock", op_munlock, 10, {OM_ENOMEM}},
    {"mlockall", op_mlockall, 4, {OM_EINVAL, OM_EPERM, OM_ENOMEM}},
    {"munlockall", op_munlockall, 3, {0}},
    {"mminfo", op_mminfo, 3, {0}},
    {"madvise",
     op_madvise,
     45,
     {OM_EINVAL, OM_ENOMEM, OM_EAGAIN, OM_EACCES, OM_EFAULT, OM_EOPNOTSUPP}},
    {"msync", op_msync, 12, {OM_EINVAL, OM_ENOMEM, OM_EBUSY}},
    {"open", op_open, 8, {0}},
    {"close", op_close, 4, {0}},
    {"truncate", op_truncate, 12, {0}},
    {"punch", op_punch, 6, {0}},
    {"fread", op_fread, 10, {0}},
    {"fwrite", op_fwrite, 16, {0}},
    {"fsync", op_fsync, 14, {0}},
    {"swapon", op_swapon, 6, {0}},
    {"swapoff", op_swapoff, 3, {0}},
    {"reclaim", op_reclaim, 25, {0}},
    {"frame", op_frame, 6, {0}},
    {"watermarks", op_watermarks, 1, {0}},
    {"io_error", op_io_error, 8, {0}},
    {"check", op_check, 10, {0}},
};

#define NR_OPS ((unsigned)(sizeof(table) / sizeof(table[0])))

unsigned op_codes(void)
{
	return NR_OPS;
}

void op_print_answers(const answers *a, bool all)
{
	for (unsigned code = 0; code < NR_OPS; code++)
		for (const int *e = table[code].errors; *e; e++)
			if (all || !a[code][*e])
				printf("  %-10s -%-7d %u\n", table[code].name, *e, a[code][*e]);
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
	w->answers = w->all_answers ? w->all_answers[op->code] : NULL;
	w->oom = event(w, OM_EV_OOM);
	w->stalls = event(w, OM_EV_ALLOCSTALL);
	w->io_errors = io_errors(w);
	world_trace(w, "%5u  %s", w->step, w->op);
	table[op->code].run(w, op->a);
	check_always(w);
	if (++w->step % w->check_every == 0)
		check_contents(w);
}
