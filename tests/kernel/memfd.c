/* memfd.c: memfd_create(2): files in memory, their seals and their times. */
#include "test.h"

#include <sys/stat.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#define MFD_EXEC        16u
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

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

/* ---- times */

static void old_times(int fd)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	result("set old times", futimens(fd, old));
}

static void look_at_times(const char *what, int fd, const struct stat *before)
{
	struct stat st;

	if (fstat(fd, &st))
		exit(1);
	say("%s: modified %d, changed %d, accessed %d", what, st.st_mtime > 1000,
	    st.st_ctim.tv_sec != before->st_ctim.tv_sec ||
	        st.st_ctim.tv_nsec != before->st_ctim.tv_nsec,
	    st.st_atime > 1000);
}

/* A store through a mapping is a modification; a load is none, nor is a store into a copy. */
static void times(void)
{
	int fd = memfd_create("times", 0);
	struct stat before;
	char *s, *p;

	result("truncate", ftruncate(fd, 8 * PAGE));
	s = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, fd, 0);
	p = mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE, fd, 0);
	old_times(fd);
	fstat(fd, &before);
	usleep(20000);
	touch(s);
	look_at_times("read", fd, &before);
	p[PAGE] = 1;
	look_at_times("copied", fd, &before);
	s[2 * PAGE] = 1;
	look_at_times("stored", fd, &before);
	old_times(fd);
	fstat(fd, &before);
	usleep(20000);
	result("a system call stores", read(open("/dev/zero", O_RDONLY), s + 3 * PAGE, 10));
	look_at_times("stored", fd, &before);
}

/* ---- seals */

static int sealable(const char *name, size_t pages)
{
	int fd = memfd_create(name, MFD_ALLOW_SEALING);

	if (ftruncate(fd, pages * PAGE))
		exit(1);
	return fd;
}

static void add(const char *what, int fd, int seals)
{
	result(what, fcntl(fd, F_ADD_SEALS, seals));
}

static void show_seals(int fd)
{
	say("seals: %#x", (unsigned)fcntl(fd, F_GET_SEALS));
}

/* Which calls may still change the file? */
static void attack(int fd)
{
	char path[64], *s;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result("  write", pwrite(fd, "x", 1, 0));
	result("  write across the end", pwrite(fd, "xx", 2, 4 * PAGE - 1));
	result("  write behind the end", pwrite(fd, "x", 1, 6 * PAGE));
	result("  truncate to the same", ftruncate(fd, 4 * PAGE));
	result("  shorter", ftruncate(fd, 3 * PAGE));
	result("  longer", ftruncate(fd, 4 * PAGE));
	result("  and longer", ftruncate(fd, 5 * PAGE));
	result("  back", ftruncate(fd, 4 * PAGE));
	result("  open with O_TRUNC", open(path, O_RDWR | O_TRUNC) >= 0 ? 0 : -1);
	result("  allocate inside", fallocate(fd, 0, 0, PAGE));
	result("  allocate behind the end", fallocate(fd, FALLOC_FL_KEEP_SIZE, 5 * PAGE, PAGE));
	result("  punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	placed("  map shared, writable", mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), NULL);
	s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	placed("  map shared", s, NULL);
	result("  make it writable", mprotect(s, PAGE, RW));
	placed("  map private, writable", mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), NULL);
}

static void adding_seals(void)
{
	int fd = memfd_create("plain", 0), ro, fds[2];
	char path[64];

	show_seals(fd);
	add("not sealable", fd, F_SEAL_SHRINK);
	fd = sealable("sealable", 1);
	show_seals(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	add("opened read-only", ro, F_SEAL_SHRINK);
	add("opened read-only, unknown", ro, 0x100);
	add("unknown", fd, 0x100);
	add("none", fd, 0);
	add("shrink", fd, F_SEAL_SHRINK);
	add("shrink again, and grow", fd, F_SEAL_SHRINK | F_SEAL_GROW);
	show_seals(fd);
	show_seals(ro);
	add("seal", fd, F_SEAL_SEAL);
	add("after that", fd, F_SEAL_WRITE);
	add("not even none", fd, 0);
	show_seals(fd);
	if (pipe(fds))
		exit(1);
	result("of a pipe", fcntl(fds[1], F_GET_SEALS));
	add("on a pipe", fds[1], F_SEAL_SHRINK);
	add("on its other end", fds[0], F_SEAL_SHRINK);
	snprintf(path, sizeof(path), "/dev/shm/kernel-test-memfd-%d", (int)getpid());
	fd = open(path, O_CREAT | O_RDWR, 0600);
	unlink(path);
	result("of a file with a name", fcntl(fd, F_GET_SEALS));
	add("on a file with a name", fd, F_SEAL_SHRINK);
	result("of nothing", fcntl(99, F_GET_SEALS));
}

static void what_seals_forbid(void)
{
	static const struct {
		const char *name;
		int seals;
	} kinds[] = {{"no seal", 0},
	             {"shrink", F_SEAL_SHRINK},
	             {"grow", F_SEAL_GROW},
	             {"write", F_SEAL_WRITE},
	             {"future write", F_SEAL_FUTURE_WRITE},
	             {"write, grow, shrink", F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int fd = sealable("kinds", 4);

		add(kinds[i].name, fd, kinds[i].seals);
		attack(fd);
		close(fd);
	}
}

static char *shared;
static int shared_fd;

static void maps_it(void)
{
	char *s = mmap(NULL, PAGE, RW, MAP_SHARED, shared_fd, 0);

	add("mapped here alone", shared_fd, F_SEAL_WRITE);
	munmap(s, PAGE);
}

static void has_it_from_its_parent(void)
{
	munmap(shared, PAGE);
	add("mapped by the parent", shared_fd, F_SEAL_WRITE);
}

/* While somebody could write through a mapping, nobody can promise that the file stays. */
static void write_seal_and_mappings(void)
{
	int fd = sealable("mapped", 4), ro;
	char path[64], *s, *q;

	s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	fill(s, 4);
	add("shared, writable", fd, F_SEAL_WRITE);
	mprotect(s, 4 * PAGE, PROT_READ);
	add("shared, may become writable", fd, F_SEAL_WRITE);
	munmap(s + PAGE, PAGE);
	munmap(s, PAGE);
	add("a part of it", fd, F_SEAL_WRITE);
	munmap(s, 4 * PAGE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	s = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, ro, 0);
	q = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
	add("shared read-only, and private", fd, F_SEAL_WRITE);
	show_seals(fd);
	q[0] = 'Q';
	say("shared, private: %s %s", letters(s, 4), letters(q, 4));
	store("through the shared one", s, 'S');
	result("sealed again", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));

	shared_fd = sealable("family", 1);
	in_child("child", maps_it);
	shared = mmap(NULL, PAGE, RW, MAP_SHARED, shared_fd, 0);
	in_child("child", has_it_from_its_parent);
	munmap(shared, PAGE);
	add("nobody any more", shared_fd, F_SEAL_WRITE);
}

/* Mappings that are there go on. */
static void future_write(void)
{
	int fd = sealable("future", 2);
	char *s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0), *again;

	add("future write, mapped", fd, F_SEAL_FUTURE_WRITE);
	store("through the old mapping", s, 'a');
	result("protect it", mprotect(s, 2 * PAGE, PROT_READ));
	result("and back", mprotect(s, 2 * PAGE, RW));
	store("through it", s + PAGE, 'b');
	again = mremap(s, 2 * PAGE, PAGE, 0);
	placed("shrink it", again, s);
	result("write", pwrite(fd, "c", 1, 0));
	placed("map it again", mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), NULL);
	add("write, still mapped", fd, F_SEAL_WRITE);
	munmap(s, PAGE);
	add("write", fd, F_SEAL_WRITE);
	show_seals(fd);
}

static void exec_seal(void)
{
	int fd = memfd_create("not to be run", MFD_NOEXEC_SEAL);
	struct stat st;

	fstat(fd, &st);
	say("mode %o", st.st_mode & 07777);
	show_seals(fd);
	result("make it executable", fchmod(fd, 0700));
	result("other bits", fchmod(fd, 0600));
	add("shrink", fd, F_SEAL_SHRINK);
	show_seals(fd);
	fd = memfd_create("to be run", MFD_EXEC | MFD_ALLOW_SEALING);
	fstat(fd, &st);
	say("mode %o", st.st_mode & 07777);
	add("seal it", fd, F_SEAL_EXEC);
	show_seals(fd);
	result("take a bit", fchmod(fd, 0666));
	result("take another", fchmod(fd, 0711));
	result("both kinds", memfd_create("x", MFD_EXEC | MFD_NOEXEC_SEAL));
}

int main(void)
{
	naming();
	contents();
	punching();
	shared_with_child();
	times();
	adding_seals();
	what_seals_forbid();
	write_seal_and_mappings();
	future_write();
	exec_seal();
	return 0;
}
