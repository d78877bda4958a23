/*
 * oominit.c: process 1 keeps a small working set while its child eats memory in page tables, which nothing can
 * swap. Those that hold nothing are no harm to anybody; for those that do, the child goes, every time, and
 * process 1 goes on. Runs as process 1 itself, so it prints the lines that init.c prints around a program.
 */
#include "test.h"

#include <sys/swap.h>

#define GIB    (1ul << 30)
#define READS  9000 /* two tables each: more than 64 MiB hold */
#define ROUNDS 2

/* One byte in each GiB: a page, and two tables for it. */
static volatile char *next_gib(void)
{
	static volatile char *p;
	static size_t i = 64;

	if (i == 64) {
		p = mmap(NULL, 64 * GIB, RW, ANON | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			_exit(2);
		i = 0;
	}
	return p + i++ * GIB;
}

static void read_bytes(void)
{
	for (int i = 0; i < READS; i++)
		(void)*next_gib();
	_exit(0);
}

static void write_bytes(void)
{
	for (;;)
		*next_gib() = 1;
}

/* What a small process 1 does: it runs its code and gets a page now and then. */
static void live(void)
{
	char *p = mmap(NULL, 65536, RW, ANON, -1, 0);

	if (p == MAP_FAILED)
		return;
	memset(p, 1, 65536);
	munmap(p, 65536);
}

static int round_of(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		fn();
	while (waitpid(pid, &status, WNOHANG) == 0)
		live();
	return status;
}

int main(void)
{
	say("@@ begin oominit");
	CHECK(getpid() == 1);
	swapoff("/dev/vdb"); /* it would only take time to fill it */
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(round_of(read_bytes) == 0);
		CHECK(WTERMSIG(round_of(write_bytes)) == SIGKILL);
	}
	say("ok");
	say("@@ end oominit 0");
	return 0;
}
