/*
 * calls.h: what the kernel and its program have in common. The number of a call and up to six
 * arguments are in registers, the machine's header says which; the answer, negative for an error,
 * comes back in the register of the first one.
 */
#ifndef TINY_CALLS_H
#define TINY_CALLS_H

#include <stddef.h>
#include <stdint.h>

#include "om_arch.h"

#define PAGE_BYTES  (1ul << OM_PAGE_SHIFT)
#define TEXT        0x400000ul /* where the program is: user/program.ld */
#define USER_END    OM_VA_LIMIT
#define KERNEL_CODE ((uintptr_t)KERNEL_BASE + KERNEL_LOAD) /* tiny.mk says which */

enum call {
	CALL_EXIT,     /* status: end this thread */
	CALL_WRITE,    /* address, length: to the console */
	CALL_FORK,     /* answers 0 in the child */
	CALL_THREAD,   /* where it begins, top of its stack, its argument */
	CALL_WAIT,     /* sleep or not; answers the status of one that has ended, or EAGAIN */
	CALL_YIELD,    /* lets others run */
	CALL_MMAP,     /* address or 0, length, protection, flags, file or not, offset */
	CALL_MUNMAP,   /* address, length */
	CALL_MPROTECT, /* address, length, protection */
	CALL_MREMAP,   /* address, length, new length, flags; answers the new address */
	CALL_MADVISE,  /* address, length, advice */
	CALL_MLOCK,    /* address, length */
	CALL_MUNLOCK,  /* address, length */
	CALL_MSYNC,    /* address, length */
	CALL_RESIDENT, /* address, length; answers how many of the pages have a frame */
	CALL_DISK,     /* offset; answers the byte of the file that is on the disk */
	CALL_CHECK,    /* om_verify(): nobody else may be running */
	CALL_FINISH,   /* 0 or 1: the machine stops, all tests have passed or not */
};

/* The status of a thread that a fault has ended: this and the result of om_fault(). */
#define STATUS_FAULT 100
#define STATUS_TRAP  200 /* whatever else it did wrong */

/* How far the stack of the first thread grows, and its children's. */
#define STACK_LIMIT (64 * PAGE_BYTES)

#define FILE_BYTES (9 * PAGE_BYTES + 100)

/* Byte n of the file at first. */
static inline uint8_t file_byte(uint64_t n)
{
	return (uint8_t)(n * 7 + n / 256);
}

#endif
