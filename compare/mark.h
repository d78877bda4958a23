/*
 * mark.h: what the program is doing at this moment, for the plugin that counts instructions.
 */
#ifndef COMPARE_MARK_H
#define COMPARE_MARK_H

enum op {
	OP_NONE, /* not measured */
	OP_FAULT,
	OP_FORK,
	OP_EXIT,
	OP_UNMAP,
	OP_MREMAP,
	OP_MPROTECT,
	OP_RECLAIM,
	NR_OPS
};

extern const char *const op_name[NR_OPS];

/*
 * From here on `op` is done on behalf of process `who`; 0 is the kernel itself. The plugin sees the
 * stores of this function, whose addresses say which.
 */
void compare_mark(enum op op, unsigned who);

#endif
