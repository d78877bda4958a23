/* user.h: the system calls as a program sees them. What its main() returns is its status. */
#pragma once

#include "../calls.h"

static inline long call(enum call number, uintptr_t a, uintptr_t b)
{
	long answer = number;

	__asm__ volatile("int %1" : "+a"(answer) : "i"(CALL_VECTOR), "D"(a), "S"(b) : "memory");
	return answer;
}

#define exit(status)         call(CALL_EXIT, status, 0)
#define fork()               call(CALL_FORK, 0, 0)
#define yield()              call(CALL_YIELD, 0, 0)
#define mmap(len)            ((void *)call(CALL_MMAP, len, 0))
#define munmap(addr, len)    call(CALL_MUNMAP, (uintptr_t)(addr), len)
#define in_memory(addr, len) call(CALL_IN_MEMORY, (uintptr_t)(addr), len)

long wait(void);
long main(void);
void start(void);
