/* user.c: what programs have in common: calls that take more than a line. */
#include "user.h"

void failed(const char *cond, const char *file, unsigned long line)
{
	print("FAILED: %s:%lu: %s\n", file, line, cond);
	finish(false);
}

void write(const char *text, size_t n)
{
	call(CALL_WRITE, text, n, 0);
}

void finish(bool success)
{
	for (;;)
		call(CALL_FINISH, success, 0, 0);
}

void leave(long status)
{
	for (;;)
		call(CALL_EXIT, status, 0, 0);
}

long fork(void)
{
	long child = call(CALL_FORK, 0, 0, 0);

	check(child >= 0);
	return child;
}

void yield(void)
{
	call(CALL_YIELD, 0, 0, 0);
}

long wait(void)
{
	long status;

	while ((status = call(CALL_WAIT, true, 0, 0)) == -OM_EAGAIN)
		;
	return status;
}

static void *map_anything(void *addr, size_t bytes, int prot, int flags, bool file, size_t offset)
{
	long p = call6(CALL_MMAP, (uintptr_t)addr, bytes, (unsigned long)prot, (unsigned long)flags,
	               file, offset);

	check(p > 0);
	return (void *)p;
}

void *map(void *addr, size_t bytes, int prot, int flags)
{
	return map_anything(addr, bytes, prot, flags | (addr ? OM_MAP_FIXED : 0), false, 0);
}

void *map_file(size_t bytes, int prot, int flags, size_t offset)
{
	return map_anything(NULL, bytes, prot, flags, true, offset);
}

void *get(size_t bytes)
{
	return map(NULL, bytes, PROT_RW, OM_MAP_PRIVATE);
}

void unmap(const volatile void *p, size_t bytes)
{
	check(!call(CALL_MUNMAP, p, bytes, 0));
}

void protect(const volatile void *p, size_t bytes, int prot)
{
	check(!call(CALL_MPROTECT, p, bytes, prot));
}

long advise(const volatile void *p, size_t bytes, int advice)
{
	return call(CALL_MADVISE, p, bytes, advice);
}

unsigned long resident(const volatile void *p, size_t bytes)
{
	return (unsigned long)call(CALL_RESIDENT, p, bytes, 0);
}

static void thread_main(struct thread *thread)
{
	thread->run(thread->arg);
	leave(0);
}

void *start_thread(void (*run)(void *arg), void *arg)
{
	char *stack = get(THREAD_STACK);
	struct thread *thread = (void *)stack;

	thread->run = run;
	thread->arg = arg;
	check(call(CALL_THREAD, thread_main, stack + THREAD_STACK, thread) > 0);
	return stack;
}
