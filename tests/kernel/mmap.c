/* mmap.c: mmap(2): what is refused, where things go, and what is in them. */
#include "test.h"

static char *map(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	return mmap(at, len, prot, flags, fd, offset);
}

static void refused(void)
{
	placed("length 0", map(NULL, 0, RW, ANON, -1, 0), NULL);
	placed("no type", map(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), NULL);
	placed("type 3, anonymous", map(NULL, PAGE, RW, 3 | MAP_ANONYMOUS, -1, 0), NULL);
	placed("offset not a page", (void *)syscall(SYS_mmap, 0, PAGE, RW, ANON, -1, 100), NULL);
	placed("fixed not at a page", map((void *)0x10000100, PAGE, RW, ANON | MAP_FIXED, -1, 0),
	       NULL);
	placed("fixed beyond user space",
	       map((void *)0x7ffffffff000, PAGE, RW, ANON | MAP_FIXED, -1, 0), NULL);
	placed("fixed in kernel space",
	       map((void *)0xffff800000000000, PAGE, RW, ANON | MAP_FIXED, -1, 0), NULL);
	placed("huge length", map(NULL, 1ul << 47, RW, ANON, -1, 0), NULL);
	placed("length wraps", map(NULL, -100ul, RW, ANON, -1, 0), NULL);
	placed("no such file", map(NULL, PAGE, RW, MAP_PRIVATE, 999, 0), NULL);
	placed("file -1", map(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), NULL);
	placed("length 0 of no such file", map(NULL, 0, RW, MAP_PRIVATE, 999, 0), NULL);
	placed("grows down, shared",
	       map(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0), NULL);
}

static void refused_files(void)
{
	int rw = file_of(1), ro, wo, fds[2], dir = open("/", O_RDONLY);
	char name[64];

	snprintf(name, sizeof(name), "/tmp/kernel-test-mmap-%d", (int)getpid());
	close(open(name, O_CREAT | O_RDWR, 0600));
	ro = open(name, O_RDONLY);
	wo = open(name, O_WRONLY);
	unlink(name);
	if (pipe(fds))
		exit(1);
	placed("directory", map(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0), NULL);
	placed("pipe", map(NULL, PAGE, PROT_READ, MAP_PRIVATE, fds[0], 0), NULL);
	placed("shared writable, file read-only", map(NULL, PAGE, RW, MAP_SHARED, ro, 0), NULL);
	placed("shared, file read-only", map(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0), NULL);
	placed("private writable, file read-only", map(NULL, PAGE, RW, MAP_PRIVATE, ro, 0), NULL);
	placed("file write-only", map(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0), NULL);
	placed("file write-only, shared", map(NULL, PAGE, PROT_WRITE, MAP_SHARED, wo, 0), NULL);
	placed("file write-only, huge", map(NULL, 1ul << 47, PROT_READ, MAP_PRIVATE, wo, 0), NULL);
	placed("file without type", map(NULL, PAGE, RW, 0, rw, 0), NULL);
	placed("grows down, file", map(NULL, PAGE, RW, MAP_PRIVATE | MAP_GROWSDOWN, rw, 0), NULL);
	placed("offset + length wrap", map(NULL, 2 * PAGE, RW, MAP_PRIVATE, rw, -(off_t)PAGE),
	       NULL);
	placed("shared, unknown flag", map(NULL, PAGE, RW, MAP_SHARED | 0x200000, rw, 0), NULL);
	placed("validated, unknown flag",
	       map(NULL, PAGE, RW, MAP_SHARED_VALIDATE | 0x200000, rw, 0), NULL);
	placed("validated", map(NULL, PAGE, RW, MAP_SHARED_VALIDATE, rw, 0), NULL);
	placed("validated, sync", map(NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, rw, 0), NULL);
	placed("/dev/null", map(NULL, PAGE, RW, MAP_PRIVATE, open("/dev/null", O_RDWR), 0), NULL);
}

/* Memory from a device that was opened read-only is no more writable than a file would be. */
static void device_read_only(void)
{
	int fd = open("/dev/zero", O_RDONLY);
	char *s, *p;

	placed("shared writable", map(NULL, PAGE, RW, MAP_SHARED, fd, 0), NULL);
	s = map(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	look("shared", s);
	result("make it writable", mprotect(s, PAGE, RW));
	store("store", s, 'x');
	result("and executable", mprotect(s, PAGE, PROT_READ | PROT_EXEC));
	p = map(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	result("private", mprotect(p, PAGE, RW));
	store("store", p, 'x');
}

static void places(void)
{
	char *p = hole(8), *q;

	placed("hint that is free", map(p + 4 * PAGE, PAGE, RW, ANON, -1, 0), p + 4 * PAGE);
	placed("hint rounded", map(p + 6 * PAGE + 123, PAGE, RW, ANON, -1, 0), p + 6 * PAGE);
	q = map(p + 4 * PAGE, PAGE, RW, ANON, -1, 0);
	placed("hint that is taken", q, p + 4 * PAGE);
	placed("fixed", map(p, PAGE, RW, ANON | MAP_FIXED, -1, 0), p);
	placed("noreplace, free", map(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0),
	       p + PAGE);
	placed("noreplace, taken", map(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), p);
	placed("noreplace, overlap", map(p - PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0),
	       NULL);
	placed("noreplace, not at a page",
	       map(p + 2 * PAGE + 5, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), NULL);
	q = map(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0);
	say("32bit: %s", (uintptr_t)q < 1ul << 31 ? "low" : "high");
	say("length rounded up: %s", letters(pages(p, 1), 1));
	q = map(p, PAGE + 1, RW, ANON | MAP_FIXED, -1, 0);
	say("fixed replaces: %s", letters(q, 2));
	placed("locked", map(NULL, PAGE, RW, ANON | MAP_LOCKED, -1, 0), NULL);
	placed("noreserve, stack", map(NULL, PAGE, RW, ANON | MAP_NORESERVE | MAP_STACK, -1, 0),
	       NULL);
	placed("populate", map(NULL, 4 * PAGE, RW, ANON | MAP_POPULATE, -1, 0), NULL);
}

/* `at` is a hint. */
static void low(const char *what, uintptr_t at, size_t len, int flags)
{
	char *p = map((void *)at, len, RW, ANON | MAP_32BIT | flags, -1, 0);

	if (p == MAP_FAILED)
		placed(what, p, NULL);
	else
		say("%s: %s", what,
		    (uintptr_t)p == (at & -PAGE)               ? "there"
		    : (uintptr_t)p + len <= (uintptr_t)1 << 31 ? "elsewhere, low"
		                                               : "high");
}

static void low_places(void)
{
	uintptr_t a = 0x50000000, stack = 0x70000000, end = 0x80000000;

	low("32bit, last page", end - PAGE, PAGE, 0);
	low("32bit, no hint", 0, PAGE, 0);
	low("32bit, hint that is free", a, PAGE, 0);
	low("32bit, hint that is taken", a, PAGE, 0);
	low("32bit, hint rounded", a + 3 * PAGE + 0x123, PAGE, 0);
	low("32bit, hint before what is taken", a - PAGE, 2 * PAGE, 0);
	low("32bit, hint below 1 GiB", 0x30000000, PAGE, 0);
	low("32bit, hint over the end", end - PAGE, 2 * PAGE, 0);
	low("32bit, hint at the end", end, PAGE, 0);
	low("32bit, hint far above", 0x7f0000000000, PAGE, 0);
	low("32bit, fixed above", (uintptr_t)hole(1), PAGE, MAP_FIXED);
	low("32bit, fixed not at a page", a + 5, PAGE, MAP_FIXED);
	low("32bit, noreplace, taken", a, PAGE, MAP_FIXED_NOREPLACE);
	low("32bit, 2 GiB", 0, end, 0);
	low("32bit, more", 0, end + PAGE, 0);
	low("32bit, length 0", a, 0, 0);
	low("32bit, length wraps", a, -PAGE, 0);
	low("32bit, a stack", stack, PAGE, MAP_GROWSDOWN);
	low("32bit, hint in its gap", stack - PAGE, PAGE, 0);
	low("32bit, hint below its gap", stack - 257 * PAGE, PAGE, 0);
	placed("32bit, file",
	       map((void *)(a + 8 * PAGE), PAGE, RW, MAP_SHARED | MAP_32BIT, file_of(1), 0),
	       (void *)(a + 8 * PAGE));
}

static void anonymous(void)
{
	char *p = pages(NULL, 4);
	char *none = map(NULL, PAGE, PROT_NONE, ANON, -1, 0);
	char *ro = map(NULL, PAGE, PROT_READ, ANON, -1, 0);
	char *wo = map(NULL, PAGE, PROT_WRITE, ANON, -1, 0);
	char *shared = map(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	say("anonymous: %s", letters(p, 4));
	look("none, read", none);
	store("none, write", none, 1);
	look("read-only, read", ro);
	store("read-only, write", ro, 1);
	store("write-only, write", wo, 'w');
	look("write-only, read", wo);
	look("shared, fresh", shared);
	store("shared, write", shared, 's');
	look("shared, read", shared);
}

static void zero_device(void)
{
	int fd = open("/dev/zero", O_RDWR), ro = open("/dev/zero", O_RDONLY);
	char *p = map(NULL, PAGE, RW, MAP_PRIVATE, fd, 0),
	     *s = map(NULL, PAGE, RW, MAP_SHARED, fd, 0);

	placed("/dev/zero private", p, NULL);
	look("/dev/zero private, read", p);
	store("/dev/zero private, write", p + 1, 'z');
	look("/dev/zero private, read again", p + 1);
	store("/dev/zero shared, write", s, 'z');
	look("/dev/zero shared, read", s);
	placed("/dev/zero at an offset", map(NULL, PAGE, RW, MAP_PRIVATE, fd, 5 * PAGE), NULL);
	placed("/dev/zero shared writable, read-only", map(NULL, PAGE, RW, MAP_SHARED, ro, 0),
	       NULL);
}

static void files(void)
{
	int fd = file_of(4);
	char *p = map(NULL, 6 * PAGE, RW, MAP_PRIVATE, fd, 0),
	     *s = map(NULL, 6 * PAGE, RW, MAP_SHARED, fd, 0);
	char *second = map(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);

	say("private: %s", letters(p, 6));
	say("shared: %s", letters(s, 6));
	say("at an offset: %s", letters(second, 2));
	look("beyond the end, read", p + 4 * PAGE);
	store("beyond the end, write", s + 5 * PAGE, 1);
	store("private write", p, 'P');
	say("file after private write: %c", file_byte(fd, 0));
	store("shared write", s + PAGE, 'S');
	say("file after shared write: %c", file_byte(fd, PAGE));
	say("private sees shared write: %s", letters(p, 4));
	say("write() to page 2: %zd", pwrite(fd, "W", 1, 2 * PAGE));
	say("both see write(): %s %s", letters(p, 4), letters(s, 4));
	say("write() to page 0: %zd", pwrite(fd, "W", 1, 0));
	say("a copy stays: %s", letters(p, 4));
	close(fd);
	say("after close: %s", letters(s, 4));
}

static void truncation(void)
{
	int fd = file_of(4);
	char *p = map(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0),
	     *s = map(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);

	p[3 * PAGE] = 'X';
	p[PAGE] = 'Y';
	result("truncate", ftruncate(fd, PAGE + 100));
	say("private after: %s", letters(p, 4));
	say("shared after: %s", letters(s, 4));
	look("tail of the last page", s + PAGE + 100);
	look("before the tail", s + PAGE + 99);
	look("below the cut", s + 2 * PAGE);
	result("grow", ftruncate(fd, 4 * PAGE));
	say("private grown: %s", letters(p, 4));
	say("shared grown: %s", letters(s, 4));
}

static void growing(void)
{
	char *p = hole(900), *top = p + 880 * PAGE;

	placed("grows down", map(top, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0), top);
	store("one below", top - 1, 1);
	store("many below", top - 50 * PAGE, 2);
	look("between", top - 20 * PAGE);
	map(p + 500 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	store("within the guard gap", p + 600 * PAGE, 3);
	store("just outside it", p + (501 + 256) * PAGE, 3);
	mprotect(p + 500 * PAGE, PAGE, PROT_NONE);
	store("gap to memory without access", p + 510 * PAGE, 3);
}

int main(void)
{
	refused();
	refused_files();
	device_read_only();
	low_places();
	places();
	anonymous();
	zero_device();
	files();
	truncation();
	growing();
	return 0;
}
