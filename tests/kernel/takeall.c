/*
 * takeall.c: what a program can make the kernel remember for it has an end, each with its error: zombies, names,
 * locks, pipes, open files. Afterwards there is room again.
 */
#include "test.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#define DIR "/tmp/takeall"

static size_t frames; /* of memory, about */

#define USER 4711 /* root may have as many as there are */

/* Children that have ended count until they are waited for. */
static void zombies(void)
{
	struct rlimit l = {60, 60};
	int n = 0;
	pid_t pid;

	CHECK(setrlimit(RLIMIT_NPROC, &l) == 0 && setuid(USER) == 0);
	while ((pid = fork()) > 0)
		if (++n > 100)
			_exit(1);
	if (pid == 0)
		_exit(0);
	CHECK(errno == EAGAIN && n > 20 && n < 60);
	while (wait(NULL) > 0)
		;
	pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid);
	_exit(0);
}

static void names(void)
{
	struct statvfs before, after;
	char name[64];
	size_t n = 0;
	int fd;

	CHECK(mkdir(DIR, 0700) == 0 && statvfs(DIR, &before) == 0);
	fd = open(DIR "/file", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	close(fd);
	do
		snprintf(name, sizeof(name), DIR "/%zu", n);
	while (link(DIR "/file", name) == 0 && ++n < frames);
	CHECK(errno == ENOSPC && n > frames / 4 && n < frames);
	CHECK(mkdir(DIR "/dir", 0700) < 0 && errno == ENOSPC);
	CHECK(symlink("x", DIR "/link") < 0 && errno == ENOSPC);
	CHECK(statvfs(DIR, &after) == 0 && after.f_ffree == 0);
	while (n-- > 0) {
		snprintf(name, sizeof(name), DIR "/%zu", n);
		CHECK(unlink(name) == 0);
	}
	CHECK(unlink(DIR "/file") == 0);
	CHECK(statvfs(DIR, &after) == 0 && after.f_ffree == before.f_ffree);
	CHECK(rmdir(DIR) == 0);
}

static void locks(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_len = 1};
	int fd = file_of(1);

	while (fcntl(fd, F_SETLK, &l) == 0 && l.l_start < 100000)
		l.l_start += 2;
	CHECK(errno == ENOLCK && l.l_start > 1000);
	l = (struct flock){.l_type = F_UNLCK};
	CHECK(fcntl(fd, F_SETLK, &l) == 0);
	l.l_type = F_WRLCK;
	CHECK(fcntl(fd, F_SETLK, &l) == 0);
	close(fd);
}

static void pipes(void)
{
	const int usual = 65536;
	int end[2], n = 0, last = usual;

	while (last == usual && pipe(end) == 0) {
		last = fcntl(end[0], F_GETPIPE_SZ);
		n++;
	}
	CHECK(last == 2 * (int)PAGE && n > 10);
	CHECK(fcntl(end[0], F_SETPIPE_SZ, usual) < 0 && errno == EPERM);
	CHECK(fcntl(end[0], F_SETPIPE_SZ, (int)PAGE) == (int)PAGE);
	/* As good as any other, but for its size. */
	CHECK(write(end[1], "hello", 5) == 5);
	CHECK(close_range(3, 2000, 0) == 0);
	CHECK(pipe(end) == 0 && fcntl(end[0], F_GETPIPE_SZ) == usual);
	CHECK(fcntl(end[0], F_SETPIPE_SZ, 2 * usual) == 2 * usual);
	close(end[0]);
	close(end[1]);
}

/* Opens what it can and waits; its answer is 1 if there were too many of all processes. */
static pid_t open_many(int ready, int go)
{
	pid_t pid = fork();
	char c = 0;

	CHECK(pid >= 0);
	if (pid)
		return pid;
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	c = errno == ENFILE ? 'E' : errno == EMFILE ? 'e' : '?';
	CHECK(write(ready, &c, 1) == 1);
	CHECK(read(go, &c, 1) == 0);
	_exit(0);
}

static void open_files(void)
{
	int ready[2], go[2], n = 0;
	char c = 'e';

	CHECK(pipe(ready) == 0 && pipe(go) == 0);
	while (c == 'e') {
		pid_t pid = fork();

		CHECK(pid >= 0 && n++ < 100);
		if (pid == 0) {
			close(go[1]);
			open_many(ready[1], go[0]);
			_exit(0);
		}
		CHECK(waitpid(pid, NULL, 0) == pid);
		CHECK(read(ready[0], &c, 1) == 1);
	}
	CHECK(c == 'E' && n > 1);
	CHECK(open("/dev/null", O_RDONLY) < 0 && errno == ENFILE);
	CHECK(pipe(ready) < 0 && errno == ENFILE);
	close(go[1]);
	for (int fd = -1; fd < 0; usleep(10000))
		fd = open("/dev/null", O_RDONLY);
}

int main(void)
{
	struct sysinfo info;

	CHECK(sysinfo(&info) == 0);
	frames = info.totalram * info.mem_unit / PAGE;
	if (frames > (256 << 20) / PAGE) {
		say("skipped: for a small machine");
		return 0;
	}
	CHECK(child(zombies) == 0);
	names();
	locks();
	pipes();
	open_files();
	say("ok");
	return 0;
}
