/* tests.c: a program: the list of tests. */
#include "user.h"

static void run_test(const char *name, void (*test)(void))
{
	test();
	check(call(CALL_CHECK, 0, 0, 0));
	print("ok %s\n", name);
}

#define RUN(name) run_test(#name, test_##name)

__attribute__((section(".start"))) void start(void)
{
	RUN(demand);
	RUN(stack);
	RUN(faults);
	RUN(protect);
	RUN(code);
	RUN(mremap);
	RUN(mlock);
	RUN(fork);
	RUN(file_private);
	RUN(file_shared);
	RUN(shared);
	RUN(swap);
	RUN(threads);
	RUN(shootdown_protect);
	RUN(shootdown_fork);
	RUN(shootdown_zap);
	RUN(shootdown_move);
	RUN(exits);
	finish(true);
}
