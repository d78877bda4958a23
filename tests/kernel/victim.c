/*
 * victim.c: memory and swap run out: who is killed? The one that took them, and nobody else: neither the small ones
 * that ask for a page at the wrong moment, nor a big one that is not to be killed. Whoever has put himself forward
 * goes first.
 */
#include "test.h"

#include <sys/swap.h>
#include <sys/sysinfo.h>

#define DISK  "/dev/vdb"
#define SMALL 4
#define STEP  (1ul << 20)

static size_t all; /* bytes of memory and swap */

static void set_score_adj(const char *value)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	CHECK(fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value));
	close(fd);
}

static long score(pid_t pid)
{
	char name[64], text[32] = "";
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/oom_score", pid);
	fd = open(name, O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atol(text);
}

static char *take(size_t bytes)
{
	char *p = mmap(NULL, bytes, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 1, bytes);
	return p;
}

static void hog(void)
{
	for (;;) {
		char *p = mmap(NULL, STEP, RW, ANON, -1, 0);

		if (p != MAP_FAILED)
			memset(p, 1, STEP);
	}
}

/* 64 KiB, touched all the time; pages are given back and taken again, as programs do. */
static void small(void)
{
	char *p = mmap(NULL, 65536, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	for (;;) {
		memset(p, 2, 65536);
		madvise(p, 65536, MADV_DONTNEED);
		usleep(10000);
	}
}

/* Runs fn in a child that is as bad as `adj` says; returns when the child is ready. */
static pid_t start(void (*fn)(void), const char *adj, size_t bytes)
{
	int ready[2];
	char c;
	pid_t pid;

	CHECK(pipe(ready) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		set_score_adj(adj);
		if (bytes)
			take(bytes);
		CHECK(write(ready[1], "r", 1) == 1);
		fn();
	}
	CHECK(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void rest(void)
{
	for (;;)
		pause();
}

static bool was_killed(pid_t pid)
{
	int status;

	return waitpid(pid, &status, WNOHANG) == pid;
}

static void end(pid_t pid)
{
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

static void play(void)
{
	pid_t pid[SMALL], precious, first, culprit;
	int status;

	for (int i = 0; i < SMALL; i++)
		pid[i] = start(small, "0", 0);
	precious = start(rest, "-1000", all / 4);
	first = start(rest, "1000", STEP);
	CHECK(score(precious) == 0);
	CHECK(score(first) > score(pid[0]));
	culprit = start(hog, "0", 0);
	CHECK(waitpid(first, &status, 0) == first);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(waitpid(culprit, &status, 0) == culprit);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	for (int i = 0; i < SMALL; i++)
		CHECK(!was_killed(pid[i]));
	CHECK(!was_killed(precious));
	for (int i = 0; i < SMALL; i++)
		end(pid[i]);
	end(precious);
}

int main(void)
{
	struct sysinfo info;

	CHECK(sysinfo(&info) == 0);
	all = (info.totalram + info.totalswap) * info.mem_unit;
	if (all > 1ul << 30) {
		say("skipped: for a small machine");
		return 0;
	}
	CHECK(score(1) == 0);
	mlockall(MCL_CURRENT);
	set_score_adj("-1000");
	if (info.totalswap) { /* it would only take time to fill it */
		CHECK(swapoff(DISK) == 0);
		all -= info.totalswap * info.mem_unit;
	}
	play();
	CHECK(!info.totalswap || swapon(DISK, 0) == 0);
	say("ok");
	return 0;
}
