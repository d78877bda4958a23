/*
 * forkbomb.c: processes of a user fork as long as they can, under RLIMIT_NPROC. (It does not hold for root,
 * so there is an end to it here, too.) Afterwards all are gone, and a new process works.
 */
#include "test.h"

#include <sys/resource.h>

#define MANY 80

static int *count; /* shared */

static void bomb(void)
{
	while (__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST) <= MANY) {
		pid_t pid = fork();

		if (pid < 0 && errno != EAGAIN && errno != ENOMEM)
			_exit(1);
		if (pid < 0)
			break;
	}
	for (;;)
		pause();
}

static void round_of_it(void)
{
	pid_t pid;

	*count = 0;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct rlimit l = {60, 60};

		setpgid(0, 0);
		CHECK(setrlimit(RLIMIT_NPROC, &l) == 0 && setuid(12345) == 0);
		bomb();
	}
	setpgid(pid, pid);
	for (int last = -1; last != *count || *count < 10; usleep(100000))
		last = *count;
	CHECK(kill(-pid, SIGKILL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	/* the orphans go to init */
	for (int i = 0; kill(-pid, 0) == 0 && i < 100; i++)
		usleep(20000);
	CHECK(kill(-pid, 0) < 0 && errno == ESRCH);
}

static void nothing(void)
{
}

int main(void)
{
	count = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 3; i++)
		round_of_it();
	CHECK(child(nothing) == 0);
	say("ok");
	return 0;
}
