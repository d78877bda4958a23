/*
 * ops.h: operations on a world, as plain records.
 *
 * A record is a code and six numbers, which say what to act on: "the a[0]-th space there is", "the
 * a[1]-th mapped page". So any record means something in any state, and a failing sequence can be
 * cut down, or made from the bytes of a fuzzer. Each operation does the same to the machine and to
 * the model and compares.
 */
#ifndef OPS_H
#define OPS_H

#include "world.h"

#define OP_ARGS 6

struct op {
	unsigned code;
	uint32_t a[OP_ARGS];
};

unsigned op_codes(void);
/* The errors that the operations should meet, with how often they have; or those they never have. */
#define OP_CODES 64 /* at least op_codes() */
void op_print_answers(const answers *a, bool all);
void op_random(struct sim_rand *r, struct op *op);
/* From `n` bytes, consuming at most OP_BYTES of them; returns how many, 0 if there are too few. */
#define OP_BYTES 13
size_t op_from_bytes(struct op *op, const uint8_t *bytes, size_t n);
void op_print(FILE *out, const struct op *op);
/* False if the line is no operation. */
bool op_parse(const char *line, struct op *op);

/* Do it, and compare what is cheap to compare; every now and then, all contents. */
void op_run(struct world *w, const struct op *op);

typedef void op_function(struct world *w, const uint32_t *a);

/* ops_access.c */
op_function op_load, op_store, op_exec, op_fill, op_read, op_write, op_pin, op_unpin, op_dma,
    op_mincore, op_tlb_flush;
/* ops_map.c */
op_function op_mmap, op_munmap, op_mprotect, op_brk, op_remap;
/* ops_mremap.c */
op_function op_mremap;
/* ops_mm.c */
op_function op_create, op_fork, op_exit, op_empty, op_limit, op_mlock, op_munlock, op_mlockall,
    op_munlockall, op_mminfo;
/* ops_advise.c */
op_function op_madvise, op_msync;
/* ops_file.c */
op_function op_open, op_close, op_truncate, op_punch, op_fread, op_fwrite, op_fsync;
/* ops_system.c */
op_function op_swapon, op_swapoff, op_reclaim, op_frame, op_watermarks, op_io_error, op_check;

#endif
