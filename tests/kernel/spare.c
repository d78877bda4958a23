/*
 * spare.c: process 1 asks for memory when there is none. It is not killed: the biggest of the others is.
 * Runs as process 1 itself, so it prints the lines that init.c prints around a program.
 */
#include "test.h"

#include <sys/sysinfo.h>

static size_t wrong(const char *p, size_t n)
{
	size_t bad = 0;

	for (size_t i = 0; i < n; i++)
		bad +=
		    p[i * PAGE] != 'a' + (int)i % 26 || p[i * PAGE + PAGE - 1] != 'a' + (int)i % 26;
	return bad;
}

/* Holds two thirds of all there is, and waits. */
static pid_t start_big(size_t all)
{
	int ready[2];
	char c;
	pid_t pid;

	CHECK(pipe(ready) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		pages(NULL, all / 3 * 2);
		CHECK(write(ready[1], "r", 1) == 1);
		for (;;)
			pause();
	}
	CHECK(read(ready[0], &c, 1) == 1);
	return pid;
}

int main(void)
{
	struct sysinfo info;
	size_t all, mine;
	int status;
	pid_t big;
	char *p;

	say("@@ begin spare");
	CHECK(getpid() == 1);
	CHECK(sysinfo(&info) == 0);
	all = (info.totalram + info.totalswap) * info.mem_unit / PAGE;
	big = start_big(all);
	/* More than what is left, but less than there is when the other one has gone. */
	mine = all / 2;
	p = pages(NULL, mine);
	CHECK(waitpid(big, &status, 0) == big);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(wrong(p, mine) == 0);
	say("ok");
	say("@@ end spare 0");
	return 0;
}
