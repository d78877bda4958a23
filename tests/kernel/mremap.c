/* mremap.c: mremap(2): shrinking, growing, moving, sharing. */
#include "test.h"

#define MAY   MREMAP_MAYMOVE
#define FIX   (MREMAP_MAYMOVE | MREMAP_FIXED)
#define LEAVE (MREMAP_MAYMOVE | MREMAP_DONTUNMAP)

/* With five arguments, always: libc passes garbage otherwise. */
static char *remap(void *old, size_t len, size_t new_len, int flags, void *to)
{
	return (char *)syscall(SYS_mremap, old, len, new_len, flags, to);
}

static void refused(void)
{
	char *p = pages(hole(8), 4), *to = hole(4);
	char *s = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	placed("old length 0, private", remap(p, 0, PAGE, MAY, NULL), NULL);
	placed("old length 0, shared, may not move", remap(s, 0, PAGE, 0, NULL), NULL);
	placed("not at a page", remap(p + 1, PAGE, 2 * PAGE, MAY, NULL), NULL);
	placed("new length 0", remap(p, PAGE, 0, MAY, NULL), NULL);
	placed("unknown flag", remap(p, PAGE, PAGE, 8, NULL), NULL);
	placed("fixed, may not move", remap(p, PAGE, PAGE, MREMAP_FIXED, to), NULL);
	placed("dontunmap, may not move", remap(p, PAGE, PAGE, MREMAP_DONTUNMAP, NULL), NULL);
	placed("fixed not at a page", remap(p, PAGE, PAGE, FIX, to + 1), NULL);
	placed("fixed overlaps", remap(p, 2 * PAGE, 2 * PAGE, FIX, p + PAGE), NULL);
	placed("fixed onto itself", remap(p, PAGE, PAGE, FIX, p), NULL);
	placed("fixed in kernel space", remap(p, PAGE, PAGE, FIX, (void *)0xffff800000000000),
	       NULL);
	placed("nothing there", remap(p + 4 * PAGE, PAGE, 2 * PAGE, MAY, NULL), NULL);
	placed("dontunmap and another size", remap(p, PAGE, 2 * PAGE, LEAVE, NULL), NULL);
	placed("beyond the area", remap(p, 5 * PAGE, 6 * PAGE, MAY, NULL), NULL);
	say("untouched: %s", letters(p, 4));
}

static void in_place(void)
{
	char *p = pages(hole(16), 4);

	placed("same size", remap(p, 4 * PAGE, 4 * PAGE, 0, NULL), p);
	placed("grow", remap(p, 4 * PAGE, 6 * PAGE, 0, NULL), p);
	say("new pages are fresh: %s", letters(p, 7));
	placed("shrink", remap(p, 6 * PAGE, 2 * PAGE, 0, NULL), p);
	say("after: %s", letters(p, 7));
	placed("grow again", remap(p, 2 * PAGE, 4 * PAGE, 0, NULL), p);
	say("tail is fresh: %s", letters(p, 7));
	pages(p + 5 * PAGE, 1);
	placed("grow by one", remap(p, 4 * PAGE, 5 * PAGE, 0, NULL), p);
	placed("grow against a neighbour", remap(p, 5 * PAGE, 6 * PAGE, 0, NULL), NULL);
	placed("a part, not at the end", remap(p, PAGE, 2 * PAGE, 0, NULL), NULL);
	placed("lengths rounded up", remap(p, 5 * PAGE - 10, 5 * PAGE - 20, 0, NULL), p);
	say("after: %s", letters(p, 7));
}

static void moving(void)
{
	char *p = pages(hole(16), 4), *to = hole(16), *q;

	pages(p + 4 * PAGE, 1);
	mprotect(p + 4 * PAGE, PAGE, PROT_READ);
	q = remap(p, 4 * PAGE, 8 * PAGE, MAY, NULL);
	say("grow elsewhere: %s, contents %s", q == p ? "in place" : "moved", letters(q, 8));
	say("left: %s", letters(p, 5));
	placed("to a place", remap(q, 8 * PAGE, 8 * PAGE, FIX, to), to);
	say("there: %s", letters(to, 9));
	say("left: %s", letters(q, 8));
	placed("and shorter", remap(to, 8 * PAGE, 3 * PAGE, FIX, p + 6 * PAGE), p + 6 * PAGE);
	say("there: %s", letters(p + 6 * PAGE, 4));
	say("left: %s", letters(to, 8));
	pages(to, 4);
	placed("over something", remap(p + 6 * PAGE, PAGE, PAGE, FIX, to + PAGE), to + PAGE);
	say("there: %s", letters(to, 5));
	placed("a middle page", remap(to + 2 * PAGE, PAGE, PAGE, FIX, to + 8 * PAGE),
	       to + 8 * PAGE);
	say("there: %s", letters(to, 10));
	placed("and longer", remap(to + 8 * PAGE, PAGE, 3 * PAGE, FIX, to + 10 * PAGE),
	       to + 10 * PAGE);
	say("there: %s", letters(to, 14));
	store("moved memory is writable", to + 10 * PAGE, 'M');
}

static void leaving(void)
{
	char *p = pages(hole(4), 2), *to = hole(4);
	int fd = file_of(2);
	char *f = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
	char *s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);

	placed("dontunmap", remap(p, 2 * PAGE, 2 * PAGE, LEAVE | MREMAP_FIXED, to), to);
	say("moved: %s", letters(to, 2));
	say("old place: %s", letters(p, 2));
	f[0] = 'X';
	to = remap(f, 2 * PAGE, 2 * PAGE, LEAVE, NULL);
	say("private file, moved: %s", letters(to, 2));
	say("old place: %s", letters(f, 2));
	to = remap(s, 2 * PAGE, 2 * PAGE, LEAVE, NULL);
	say("shared file, moved: %s", letters(to, 2));
	say("old place: %s", letters(s, 2));
}

static void sharing(void)
{
	char *s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *alias;

	fill(s, 2);
	alias = remap(s, 0, 2 * PAGE, MAY, NULL);
	say("alias: %s", letters(alias, 2));
	alias[0] = 'X';
	say("the same memory: %s", letters(s, 2));
	alias = remap(alias, 2 * PAGE, 4 * PAGE, MAY, NULL);
	say("grown past the end: %s", letters(alias, 4));
	look("touched there", alias + 3 * PAGE);
}

static void after_fork(void)
{
	char *p = pages(hole(4), 2), *to = hole(4);

	if (fork() == 0) {
		placed("child moves", remap(p, 2 * PAGE, 2 * PAGE, FIX, to), to);
		to[0] = 'C';
		say("child: %s", letters(to, 2));
		_exit(0);
	}
	wait(NULL);
	say("parent: %s %s", letters(p, 2), letters(to, 2));
}

int main(void)
{
	refused();
	in_place();
	moving();
	leaving();
	sharing();
	after_fork();
	return 0;
}
