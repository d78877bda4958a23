/*
 * pids.c: which numbers new processes get, once around: none by which a process group is called, though the
 * process that had it is gone; but those of groups that have ended.
 */
#include "test.h"

#define MOST 65536 /* numbers there may be */

static int pid_max(void)
{
	int fd = open("/proc/sys/kernel/pid_max", O_RDONLY);
	char text[16] = "";

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoi(text);
}

static void reap(pid_t pid)
{
	CHECK(waitpid(pid, NULL, 0) == pid);
}

/* A group whose leader has ended. With a member, which waits until it is killed, or with none. */
static pid_t group(bool member)
{
	pid_t leader = fork();

	CHECK(leader >= 0);
	if (leader == 0) {
		CHECK(setpgid(0, 0) == 0);
		if (member && fork() == 0)
			for (;;)
				pause();
		_exit(0);
	}
	reap(leader);
	return leader;
}

static pid_t next_number(void)
{
	pid_t pid = vfork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(0);
	reap(pid);
	return pid;
}

int main(void)
{
	pid_t empty, full, pid, last = 0;
	bool again = false;
	int rounds = 0;

	if (pid_max() > MOST) {
		say("skipped: too many numbers");
		return 0;
	}
	empty = group(false);
	full = group(true);
	CHECK(empty < full);
	do {
		pid = next_number();
		CHECK(pid != full);
		again |= pid == empty;
		rounds += pid < last;
		last = pid;
	} while (!rounds || pid < full);
	CHECK(again && rounds == 1);
	CHECK(kill(-full, SIGKILL) == 0);
	say("ok");
	return 0;
}
