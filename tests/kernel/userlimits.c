/* userlimits.c: limits that hold for all processes of a user together, and those of files. */
#include "user.h"

#include <pthread.h>

/* ---------------------------------------------------------------- RLIMIT_NPROC -------------- */

static pid_t children[64];
static size_t nr_children;

/* Children until there can be no more; they end at once, or wait. */
static void fork_all(const char *who, bool zombies)
{
	long failed = 0;
	int err = 0;

	nr_children = 0;
	while (!failed && nr_children < 40) {
		pid_t pid = fork();

		if (pid == 0) {
			while (!zombies)
				pause();
			_exit(0);
		}
		err = errno;
		failed = pid < 0;
		if (!failed)
			children[nr_children++] = pid;
		if (zombies && !failed) {
			siginfo_t info;

			waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
		}
	}
	say("%s: %zu children, %s", who, nr_children, failed ? strerrorname_np(err) : "no end");
}

static void reap_all(void)
{
	while (nr_children)
		end(children[--nr_children]);
}

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void one_user(void)
{
	pthread_t thread;
	int err;

	limit(RLIMIT_NPROC, 8);
	become(ANN);
	fork_all("ann", false);
	reap_all();
	fork_all("ann again", false);
	reap_all();
	fork_all("zombies", true);
	reap_all();
	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, sleeper, NULL))
			say("no thread");
	fork_all("beside three threads", false);
	err = pthread_create(&thread, NULL, sleeper, NULL);
	say("one more thread: %s", strerrorname_np(err));
	reap_all();
}

static void many_users(void)
{
	pid_t other[3];

	limit(RLIMIT_NPROC, 8);
	for (int i = 0; i < 3; i++)
		other[i] = start(ANN, NULL);
	other[2] = (end(other[2]), start(BOB, NULL));
	if (fork() == 0) {
		become(ANN);
		fork_all("ann, with two others", false);
		reap_all();
		_exit(0);
	}
	wait(NULL);
	if (fork() == 0) {
		become(BOB);
		fork_all("bob, with one other", false);
		reap_all();
		_exit(0);
	}
	wait(NULL);
	fork_all("root", false);
	reap_all();
	if (fork() == 0) {
		setresuid(-1, ANN, -1);
		fork_all("real root", false);
		setresuid(-1, 0, -1);
		reap_all();
		_exit(0);
	}
	wait(NULL);
	if (fork() == 0) {
		setresuid(ANN, -1, -1);
		fork_all("effective root", false);
		reap_all();
		_exit(0);
	}
	wait(NULL);
	for (int i = 0; i < 3; i++)
		end(other[i]);
}

/* ---------------------------------------------------------------- RLIMIT_SIGPENDING --------- */

static void block(void)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void queue_all(const char *what, pid_t pid, int sig)
{
	int n = 0;

	while (n < 40 && sigqueue(pid, sig, (union sigval){n}) == 0)
		n++;
	say("%s: %d, %s", what, n, n < 40 ? strerrorname_np(errno) : "no end");
}

static void take_all(const char *what)
{
	struct timespec none = {0, 0};
	sigset_t set;
	int n = 0;

	sigfillset(&set);
	while (sigtimedwait(&set, NULL, &none) > 0)
		n++;
	say("%s: %d", what, n);
}

static void wait_blocked(void)
{
	block();
	prctl(PR_SET_DUMPABLE, 1);
}

static void queues(void)
{
	pid_t pid, bob;

	limit(RLIMIT_SIGPENDING, 5);
	bob = start(BOB, wait_blocked);
	if (fork() == 0) {
		become(ANN);
		block();
		pid = start(0, NULL); /* blocks them, too */
		queue_all("to a child", pid, SIGRTMIN);
		queue_all("to itself", getpid(), SIGRTMIN + 1);
		result("a plain one", kill(getpid(), SIGUSR1));
		result("a real-time one by kill", kill(getpid(), SIGRTMIN + 2));
		take_all("taken");
		end(pid);
		queue_all("to itself, after the child's end", getpid(), SIGRTMIN + 1);
		take_all("taken");
		queue_all("a plain one, many times", getpid(), SIGUSR1);
		take_all("taken");
		_exit(0);
	}
	wait(NULL);
	queue_all("to bob, by root", bob, SIGRTMIN);
	end(bob);
}

/* ---------------------------------------------------------------- RLIMIT_FSIZE -------------- */

static char data[3 * PAGE];

static void write_beyond(void)
{
	int fd = memfd_create("file", 0);

	limit(RLIMIT_FSIZE, PAGE + 100);
	result("up to the limit", write(fd, data, PAGE + 100));
	(void)!write(fd, data, 1);
	say("not reached");
}

static void cut_beyond(void)
{
	int fd = memfd_create("file", 0);

	limit(RLIMIT_FSIZE, PAGE);
	result("up to the limit", ftruncate(fd, PAGE));
	(void)!ftruncate(fd, PAGE + 1);
	say("not reached");
}

static off_t size(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

/* Standard output may be a file: nothing is printed under this limit. */
static void with_none(int fd)
{
	struct rlimit none = {0, 2 * PAGE + 100}, some = {2 * PAGE + 100, 2 * PAGE + 100};
	int fds[2], wrote, cut, piped, err;

	if (pipe(fds))
		exit(1);
	setrlimit(RLIMIT_FSIZE, &none);
	wrote = (int)pwrite(fd, data, 1, 0);
	err = errno;
	cut = ftruncate(fd, 0);
	piped = (int)write(fds[1], data, 1);
	setrlimit(RLIMIT_FSIZE, &some);
	say("with none: write %d %s, shrink %d, pipe %d", wrote, strerrorname_np(err), cut, piped);
}

static void sizes(void)
{
	int fd = memfd_create("file", 0), big = memfd_create("big", 0),
	    from = memfd_create("from", 0);
	int append;
	char path[64];
	off_t at;

	signal(SIGXFSZ, SIG_IGN);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", big);
	(void)!ftruncate(from, 4 * PAGE);
	append = open(path, O_RDWR | O_APPEND);
	result("big", ftruncate(big, 8 * PAGE));
	limit(RLIMIT_FSIZE, 2 * PAGE + 100);
	result("over the limit", write(fd, data, 3 * PAGE));
	result("at the limit", write(fd, data, 1));
	result("at the limit, nothing", write(fd, data, 0));
	result("far behind", pwrite(fd, data, 1, 10 * PAGE));
	result("before it", pwrite(fd, data, 200, 2 * PAGE));
	say("size %ld", (long)size(fd));
	result("over it in pages", pwrite(fd, data, 3 * PAGE, 0));
	result("truncate to it", ftruncate(fd, 2 * PAGE + 100));
	result("truncate beyond", ftruncate(fd, 2 * PAGE + 101));
	result("shrink", ftruncate(fd, PAGE));
	result("allocate to it", fallocate(fd, 0, 0, 2 * PAGE + 100));
	result("allocate beyond", fallocate(fd, 0, 0, 2 * PAGE + 101));
	result("allocate beyond, keep the size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 3 * PAGE));
	result("punch beyond",
	       fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 3 * PAGE));
	say("size %ld", (long)size(fd));
	result("big, within", pwrite(big, data, PAGE, 0));
	result("big, beyond, but there", pwrite(big, data, 1, 4 * PAGE));
	result("big, append", write(append, data, 1));
	result("big, shrink", ftruncate(big, 4 * PAGE));
	result("big, grow", ftruncate(big, 5 * PAGE));
	result("big, allocate what is there", fallocate(big, 0, 0, 4 * PAGE));
	at = 0;
	lseek(fd, PAGE, SEEK_SET);
	result("copy over it", copy_file_range(from, &at, fd, NULL, 3 * PAGE, 0));
	result("copy beyond", copy_file_range(from, &at, fd, NULL, PAGE, 0));
	with_none(fd);
}

/* ---------------------------------------------------------------- RLIMIT_NOFILE ------------- */

static void files(void)
{
	int fds[2], n = 0;

	close_range(3, ~0u, 0);
	limit(RLIMIT_NOFILE, 20);
	become(ANN);
	while (dup(0) >= 0)
		n++;
	result("dup", dup(0));
	say("so many: %d", n);
	result("pipe", pipe(fds));
	result("memfd", memfd_create("file", 0));
	result("fcntl", fcntl(0, F_DUPFD, 19));
	result("fcntl beyond", fcntl(0, F_DUPFD, 20));
	close(19);
	result("pipe with one left", pipe(fds));
	result("dup", dup(0));
}

int main(void)
{
	be_root();
	in_child("processes", one_user);
	in_child("of several users", many_users);
	in_child("queues", queues);
	in_child("writing", write_beyond);
	in_child("truncating", cut_beyond);
	in_child("sizes", sizes);
	in_child("files", files);
	return 0;
}
