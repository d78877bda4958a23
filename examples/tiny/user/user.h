/* user.h: the kernel's calls as a program sees them, and what its tests are made of. */
#ifndef TINY_USER_H
#define TINY_USER_H

#include <stdbool.h>

#include <objrmap/objrmap.h> /* names of protections, flags and results */

#include "../calls.h"
#include "user_machine.h" /* of the machine */

#define call(n, a, b, c) call6(n, (uintptr_t)(a), (uintptr_t)(b), (uintptr_t)(c), 0, 0, 0)

#define PROT_RW    (OM_PROT_READ | OM_PROT_WRITE)
#define PROT_RX    (OM_PROT_READ | OM_PROT_EXEC)
#define PER_PAGE   (PAGE_BYTES / sizeof(long)) /* words of a page */
#define BAD(fault) (STATUS_FAULT + (fault))    /* the status of a thread that it has ended */

/* A test stops the machine at the first thing that is wrong. */
#define check(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			failed(#cond, __FILE__, __LINE__);                                         \
	} while (0)

void start(void); /* where the program begins */
_Noreturn void failed(const char *cond, const char *file, unsigned long line);
__attribute__((format(printf, 1, 2))) void print(const char *text, ...);
void write(const char *text, size_t n);

_Noreturn void finish(bool success);
_Noreturn void leave(long status);
long fork(void);
void yield(void);
long wait(void); /* for the next child or thread that ends: its status */

/* Maps at `addr`, or where there is room. Must work. */
void *map(void *addr, size_t bytes, int prot, int flags);
void *map_file(size_t bytes, int prot, int flags, size_t offset);
/* Private memory, to be read and written. */
void *get(size_t bytes);
void unmap(const volatile void *p, size_t bytes);
void protect(const volatile void *p, size_t bytes, int prot);
long advise(const volatile void *p, size_t bytes, int advice);
/* How many of its pages are in memory. */
unsigned long resident(const volatile void *p, size_t bytes);

/* What a thread gets, at the lower end of its stack. */
struct thread {
	void (*run)(void *arg);
	void *arg;
};

#define THREAD_STACK (2 * PAGE_BYTES)

/* Starts one; wait() tells its end, and then the stack may go. Returns the stack. */
void *start_thread(void (*run)(void *arg), void *arg);

/* memory.c, sharing.c, several.c: the list. */
void test_demand(void);
void test_stack(void);
void test_faults(void);
void test_protect(void);
void test_code(void);
void test_mremap(void);
void test_mlock(void);
void test_fork(void);
void test_file_private(void);
void test_file_shared(void);
void test_shared(void);
void test_swap(void);
void test_threads(void);
void test_shootdown_protect(void);
void test_shootdown_fork(void);
void test_shootdown_zap(void);
void test_shootdown_move(void);
void test_exits(void);

#endif
