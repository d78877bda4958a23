/*
 * calls.h: what the kernel and its programs have in common.
 *
 * A system call is `int $32`, its number in rax, its arguments in rdi and rsi. The answer is in
 * rax, negative for an error.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PAGE        4096ul
#define CALL_VECTOR 32 /* the first after the CPU's own */

enum call {
	CALL_EXIT,      /* status */
	CALL_WRITE,     /* address, length: to the console */
	CALL_FORK,      /* answers 0 in the child */
	CALL_WAIT,      /* answers the status of a child that has ended */
	CALL_YIELD,     /* lets the others run */
	CALL_MMAP,      /* length; answers the address */
	CALL_MUNMAP,    /* address, length */
	CALL_IN_MEMORY, /* address, length; answers how many of the pages have a frame */
};

__attribute__((format(printf, 1, 2))) void print(const char *text, ...);
void write(const char *text, size_t len); /* console.c's, or a system call */
