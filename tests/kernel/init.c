/*
 * init.c: process 1 of the test machine: runs the programs given as arguments one after the other; a
 * first argument SEED=n is for their environment. Around what each prints it puts lines that boot.sh
 * looks for:
 *
 *     @@ begin mmap
 *     ...
 *     @@ end mmap 0             exit status; 256 + signal
 *
 * and at the end of all "@@ done". There is no limit of time in here: how long a second is depends on
 * what else the host does. boot.sh sees it if nothing happens any more.
 */
#include "test.h"

#include <sys/mount.h>
#include <sys/stat.h>

static void mounts(void)
{
	struct stat st;

	/* the kernel may have done it */
	if (stat("/proc/self/status", &st))
		mount("proc", "/proc", "proc", 0, NULL);
	if (stat("/dev/null", &st))
		mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	if (access("/tmp", W_OK))
		mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
}

static char *seed = "SEED=0";

static void start(const char *name)
{
	char path[128], *argv[] = {(char *)name, NULL}, *envp[] = {"PATH=/tests", seed, NULL};

	setpgid(0, 0);
	snprintf(path, sizeof(path), "/tests/%s", name);
	execve(path, argv, envp);
	say("%s: %s", path, strerrorname_np(errno));
	_exit(127);
}

/* Children of others come to process 1; they are reaped on the way. */
static int await(pid_t pid)
{
	int status, others;
	pid_t p;

	do
		p = waitpid(-1, &status, 0);
	while (p != pid && (p > 0 || errno == EINTR));
	kill(-pid, SIGKILL);
	while (waitpid(-1, &others, WNOHANG) > 0)
		;
	if (p != pid)
		return 998;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void run(const char *name)
{
	pid_t pid;

	say("@@ begin %s", name);
	pid = fork();
	if (pid == 0)
		start(name);
	say("@@ end %s %d", name, pid < 0 ? 997 : await(pid));
}

int main(int argc, char **argv)
{
	mounts();
	mlockall(MCL_CURRENT); /* so that it asks for no memory when there is none */
	if (argc > 1 && !strncmp(argv[1], "SEED=", 5)) {
		seed = argv[1];
		argv++;
		argc--;
	}
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	say("@@ done");
	return 0;
}
