/* madvise.c: madvise(2), process_madvise(2): what is refused, and what is in the memory afterwards. */
#include "test.h"

static void refused(void)
{
	char *p = pages(hole(4), 4);

	result("unknown advice", madvise(p, PAGE, 77));
	result("negative advice", madvise(p, PAGE, -1));
	result("not at a page", madvise(p + 1, PAGE, MADV_DONTNEED));
	result("length 0", madvise(p, 0, MADV_DONTNEED));
	result("length 0, unknown advice", madvise(p, 0, 77));
	result("length 0, nothing there", madvise(p + 4 * PAGE, 0, MADV_NORMAL));
	result("length wraps", madvise(p, -PAGE, MADV_DONTNEED));
	result("length rounds to 0", madvise(p, -1ul, MADV_DONTNEED));
	result("nothing there", madvise(p + 4 * PAGE, PAGE, MADV_NORMAL));
	result("remove, private", madvise(p, PAGE, MADV_REMOVE));
	say("untouched: %s", letters(p, 4));
	result("process_madvise, no such descriptor",
	       syscall(SYS_process_madvise, 999, NULL, 0ul, MADV_COLD, 0u));
	result("process_madvise, flags",
	       syscall(SYS_process_madvise, 999, NULL, 0ul, MADV_COLD, 1u));
}

static void hints(void)
{
	static const int advice[] = {MADV_NORMAL,   MADV_RANDOM,  MADV_SEQUENTIAL,
	                             MADV_WILLNEED, MADV_COLD,    MADV_DONTDUMP,
	                             MADV_DODUMP,   MADV_PAGEOUT, MADV_NORMAL};
	char *p = pages(hole(8), 8), *f = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, file_of(4), 0);

	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++) {
		result("hint, anonymous", madvise(p, 4 * PAGE, advice[i]));
		result("hint, file", madvise(f, 4 * PAGE, advice[i]));
		say("contents: %s %s", letters(p, 8), letters(f, 4));
	}
	munmap(p + 2 * PAGE, PAGE);
	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++)
		result("hint over a hole", madvise(p, 4 * PAGE, advice[i]));
}

static void dontneed(void)
{
	char *p = pages(hole(8), 8), *f, *s;
	int fd = file_of(4);

	result("dontneed", madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
	say("zero: %s", letters(p, 8));
	munmap(p + 4 * PAGE, PAGE);
	result("dontneed over a hole", madvise(p + 3 * PAGE, 4 * PAGE, MADV_DONTNEED));
	say("after the hole, too: %s", letters(p, 8));
	mprotect(p + 7 * PAGE, PAGE, PROT_NONE);
	result("dontneed without access", madvise(p + 7 * PAGE, PAGE, MADV_DONTNEED));
	mprotect(p + 7 * PAGE, PAGE, RW);
	say("zero: %s", letters(p, 8));
	f = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
	s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	f[0] = f[PAGE] = 'X';
	s[2 * PAGE] = 'Y';
	result("dontneed, private file", madvise(f, PAGE, MADV_DONTNEED));
	result("dontneed, shared file", madvise(s, 4 * PAGE, MADV_DONTNEED));
	say("file's contents again: %s %s", letters(f, 4), letters(s, 4));
}

static void locked(void)
{
	static const int advice[] = {MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT,
	                             MADV_WILLNEED};
	char *p = pages(NULL, 2);

	mlock(p, 2 * PAGE);
	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++)
		result("locked memory", madvise(p, PAGE, advice[i]));
	say("contents: %s", letters(p, 2));
	result("dontneed locked", madvise(p, PAGE, 24));
	say("zero: %s", letters(p, 2));
}

static void lazy_free(void)
{
	char *p = pages(NULL, 4), c;
	char *s = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *f = mmap(NULL, PAGE, RW, MAP_PRIVATE, file_of(1), 0);

	result("free", madvise(p, 3 * PAGE, MADV_FREE));
	c = p[0];
	say("old contents or zero: %s", c == 'a' || c == 0 ? "yes" : "no");
	p[PAGE] = 'X';
	p[PAGE + 1] = 'Y';
	result("pageout", madvise(p, 4 * PAGE, MADV_PAGEOUT));
	say("written after: %c%c, not asked about: %c", p[PAGE], p[PAGE + 1], p[3 * PAGE]);
	result("free, shared", madvise(s, PAGE, MADV_FREE));
	result("free, private file", madvise(f, PAGE, MADV_FREE));
}

static void removing(void)
{
	int fd = memfd_create("removing", 0);
	char *s, *ro;

	result("size", ftruncate(fd, 4 * PAGE));
	s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	fill(s, 4);
	ro = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	result("remove", madvise(s + PAGE, PAGE, MADV_REMOVE));
	say("hole: %s", letters(s, 4));
	result("remove, read-only map", madvise(ro + 2 * PAGE, PAGE, MADV_REMOVE));
	say("hole: %s", letters(s, 4));
	result("remove, private map",
	       madvise(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), PAGE, MADV_REMOVE));
	s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fill(s, 2);
	result("remove, shared anonymous", madvise(s, PAGE, MADV_REMOVE));
	say("hole: %s", letters(s, 2));
}

static void populate(void)
{
	char *p = mmap(hole(4), 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	char *ro = mmap(NULL, PAGE, PROT_READ, ANON, -1, 0),
	     *f = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, file_of(1), 0);
	unsigned char vec[4];

	result("populate write", madvise(p, 2 * PAGE, MADV_POPULATE_WRITE));
	result("mincore", mincore(p, 4 * PAGE, vec));
	say("present: %d %d", vec[0] & 1, vec[1] & 1);
	result("populate read", madvise(p, 4 * PAGE, MADV_POPULATE_READ));
	result("populate write, read-only", madvise(ro, PAGE, MADV_POPULATE_WRITE));
	result("populate beyond the end", madvise(f, 2 * PAGE, MADV_POPULATE_READ));
	munmap(p + PAGE, PAGE);
	result("populate over a hole", madvise(p, 4 * PAGE, MADV_POPULATE_READ));
	say("contents: %s", letters(p, 4));
}

static char *inherited;

static void show(void)
{
	say("child: %s", letters(inherited, 6));
	inherited[0] = 'C';
}

static void forking(void)
{
	char *s = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	inherited = pages(hole(6), 6);
	result("dontfork", madvise(inherited + PAGE, PAGE, MADV_DONTFORK));
	result("wipeonfork", madvise(inherited + 2 * PAGE, 2 * PAGE, MADV_WIPEONFORK));
	result("wipeonfork, shared", madvise(s, PAGE, MADV_WIPEONFORK));
	in_child("child", show);
	say("parent: %s", letters(inherited, 6));
	result("dofork", madvise(inherited + PAGE, PAGE, MADV_DOFORK));
	result("keeponfork", madvise(inherited + 2 * PAGE, PAGE, MADV_KEEPONFORK));
	in_child("child", show);
	say("parent: %s", letters(inherited, 6));
}

int main(void)
{
	refused();
	hints();
	dontneed();
	locked();
	lazy_free();
	removing();
	populate();
	forking();
	return 0;
}
