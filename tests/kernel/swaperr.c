/*
 * swaperr.c: a page cannot be read back from swap: SIGBUS for the process that touches it, nothing for
 * others. The kernel was started with swap_fail=FIRST-LAST, slots of which every read fails.
 */
#include "test.h"

#include <sched.h>

#define N 400

/* Each CPU has slots aside: from one alone the pages get all slots from the first on. */
static void stay_on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
}

int main(void)
{
	char *p = pages(NULL, N), *mine = pages(NULL, 16);
	int lost = 0, status;
	pid_t pid;

	stay_on_one_cpu();
	madvise(p, N * PAGE, MADV_PAGEOUT);
	for (size_t i = 0; i < N; i++) {
		int sig = touch(p + i * PAGE);

		CHECK(sig == 0 || sig == SIGBUS);
		if (sig)
			lost++;
		else
			CHECK(p[i * PAGE] == 'a' + (int)i % 26);
	}
	say("some pages lost: %s, not all: %s", lost > 0 ? "yes" : "no",
	    lost < N / 2 ? "yes" : "no");
	CHECK(lost > 0 && lost < N / 2);
	/* without a handler it ends the process, and a new page at the place is good again */
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		for (size_t i = 0; i < N; i++)
			(void)*(volatile char *)(p + i * PAGE);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	CHECK(madvise(p, N * PAGE, MADV_DONTNEED) == 0);
	for (size_t i = 0; i < N; i++)
		CHECK(p[i * PAGE] == 0);
	CHECK(!strcmp(letters(mine, 16), "abcdefghijklmnop"));
	say("ok");
	return 0;
}
