/*
 * mark.c: see mark.h and count.c, which knows these names and the size of the cells.
 */
#include "mark.h"

#define WHO_CELLS 4096

const char *const op_name[NR_OPS] = {
    [OP_NONE] = "none",         [OP_FAULT] = "fault",     [OP_FORK] = "fork",
    [OP_EXIT] = "exit",         [OP_UNMAP] = "unmap",     [OP_MREMAP] = "mremap",
    [OP_MPROTECT] = "mprotect", [OP_RECLAIM] = "reclaim",
};

/* First those of the operations, then those of the processes. */
volatile unsigned char compare_cells[16 + WHO_CELLS];

__attribute__((noinline)) void compare_mark(enum op op, unsigned who)
{
	volatile unsigned char stack; /* shows where the stack is */

	stack = 0;
	(void)stack;
	compare_cells[op] = 1;
	compare_cells[16 + who % WHO_CELLS] = 1;
}
