/* memfd.c: memfd_create(2): files in memory. */
#include "test.h"

#include <sys/stat.h>

static void naming(void)
{
	char name[300], path[64], link[300] = "";
	int fd = memfd_create("a name", 0);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result("link", readlink(path, link, sizeof(link) - 1));
	say("it: %s", link);
	memset(name, 'x', sizeof(name));
	name[249] = 0;
	result("249 characters", memfd_create(name, 0) >= 0);
	name[249] = 'x';
	name[250] = 0;
	result("250 characters", memfd_create(name, 0));
	result("no name", memfd_create("", 0) >= 0);
	result("bad name", syscall(SYS_memfd_create, NULL, 0));
	result("unknown flag", memfd_create("x", 0x100));
	result("unknown flag, bad name", syscall(SYS_memfd_create, NULL, 0x100));
	result("close on exec", fcntl(memfd_create("x", MFD_CLOEXEC), F_GETFD));
	result("not close on exec", fcntl(memfd_create("x", 0), F_GETFD));
}

static void contents(void)
{
	int fd = memfd_create("contents", 0), again;
	char *s, *p, buf[8] = "", path[64];
	struct stat st;

	result("fstat", fstat(fd, &st));
	say("a file: %d, size %ld, links %ld", S_ISREG(st.st_mode), (long)st.st_size,
	    (long)st.st_nlink);
	s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	look("empty", s);
	result("truncate", ftruncate(fd, 2 * PAGE + 10));
	say("zero: %s", letters(s, 4));
	look("beyond the end, in the page", s + 2 * PAGE + 10);
	result("write", write(fd, "hello", 5));
	say("mapped: %.5s", s);
	memcpy(s + PAGE, "world", 5);
	result("read", pread(fd, buf, 5, PAGE));
	say("read: %s", buf);
	result("write beyond the end", pwrite(fd, "end", 3, 3 * PAGE));
	result("size", fstat(fd, &st) ? -1 : st.st_size);
	say("mapped: %s", letters(s, 4));
	p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
	p[0] = 'P';
	say("private, shared: %s %s", letters(p, 4), letters(s, 4));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	result("opened again", pread(again, buf, 5, 0));
	placed("shared writable of read-only", mmap(NULL, PAGE, RW, MAP_SHARED, again, 0), NULL);
	result("seek", lseek(fd, 0, SEEK_END));
	result("truncate to 0", ftruncate(fd, 0));
	say("gone: %s %s", letters(p, 4), letters(s, 4));
}

static void punching(void)
{
	int fd = memfd_create("punching", 0);
	struct stat st;
	char *s;

	result("allocate", fallocate(fd, 0, 0, 4 * PAGE));
	s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	fill(s, 4);
	result("punch",
	       fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE + 10, 2 * PAGE));
	say("hole: %s", letters(s, 4));
	say("edges: %c %d %d %c", s[PAGE + 9], s[PAGE + 10], s[3 * PAGE + 9], s[3 * PAGE + 10]);
	result("size", fstat(fd, &st) ? -1 : st.st_size);
}

static void shared_with_child(void)
{
	int fd = memfd_create("shared", 0);
	char *s;

	result("truncate", ftruncate(fd, PAGE));
	s = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	if (fork() == 0) {
		char *mine = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);

		strcpy(mine, "from the child");
		_exit(0);
	}
	wait(NULL);
	say("%s", s);
}

int main(void)
{
	naming();
	contents();
	punching();
	shared_with_child();
	return 0;
}
