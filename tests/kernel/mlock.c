/* mlock.c: mlock(2), mlock2(2), munlock(2), mlockall(2): VmLck, and what locking makes present. */
#include "test.h"

static long before;

static void locked(const char *what)
{
	say("%s: %ld kB locked", what, status_kb("VmLck") - before);
}

static const char *present(char *p, size_t n)
{
	static char text[32];
	unsigned char vec[32];

	if (mincore(p, n * PAGE, vec))
		return "?";
	for (size_t i = 0; i < n; i++)
		text[i] = '0' + (vec[i] & 1);
	text[n] = 0;
	return text;
}

static void ranges(void)
{
	char *p = mmap(hole(8), 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0);

	result("one byte", mlock(p + 100, 1));
	locked("its page");
	say("present: %s", present(p, 8));
	result("over an edge", mlock(p + PAGE - 1, 2));
	locked("two pages");
	result("again", mlock(p, 2 * PAGE));
	locked("no more");
	result("length 0", mlock(p + 4 * PAGE, 0));
	result("on fault", mlock2(p + 4 * PAGE, 2 * PAGE, MLOCK_ONFAULT));
	locked("counted");
	say("but not present: %s", present(p, 8));
	p[5 * PAGE] = 1;
	say("touched: %s", present(p, 8));
	result("unlock one", munlock(p, PAGE));
	locked("one less");
	result("unlock what is not locked", munlock(p + 6 * PAGE, 2 * PAGE));
	result("unlock all", munlock(p, 8 * PAGE));
	locked("none");
	result("unlock length 0", munlock(p, 0));
	result("lock, then unmap", mlock(p, 2 * PAGE));
	munmap(p, 2 * PAGE);
	locked("none");
}

static void refused(void)
{
	char *p = pages(hole(8), 8), *none = mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0);
	char *f = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, file_of(1), 0);

	munmap(p + 2 * PAGE, PAGE);
	result("over a hole", mlock(p, 4 * PAGE));
	locked("the part before it");
	munlock(p, 2 * PAGE);
	result("nothing there", mlock(p + 2 * PAGE, PAGE));
	result("length wraps", mlock(p + 4 * PAGE, -PAGE));
	result("mlock2, flag", mlock2(p, PAGE, 2));
	result("mlockall, 0", mlockall(0));
	result("mlockall, on fault alone", mlockall(MCL_ONFAULT));
	result("mlockall, flag", mlockall(8));
	result("without access", mlock(none, PAGE));
	locked("but locked");
	munlock(none, PAGE);
	result("beyond the end", mlock(f, 2 * PAGE));
	locked("but locked");
	munlock(f, 2 * PAGE);
	locked("none");
}

static void in_the_child(void)
{
	say("child: %ld kB locked", status_kb("VmLck"));
}

static void inheritance(void)
{
	char *p = pages(NULL, 2);

	result("lock", mlock(p, 2 * PAGE));
	in_child("child", in_the_child);
	locked("parent");
	p = mremap(p, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	locked("grown");
	say("present: %s", present(p, 4));
	munmap(p, 4 * PAGE);
	locked("none");
}

static void all(void)
{
	char *p = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0), *q;

	result("mlockall current", mlockall(MCL_CURRENT));
	say("present: %s", present(p, 4));
	say("locked: %s", status_kb("VmLck") >= 16 ? "much" : "little");
	result("munlockall", munlockall());
	locked("none");
	result("mlockall future", mlockall(MCL_FUTURE));
	q = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
	locked("new memory");
	say("present: %s", present(q, 4));
	munmap(q, 4 * PAGE);
	result("future, on fault", mlockall(MCL_FUTURE | MCL_ONFAULT));
	q = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
	locked("new memory");
	say("present: %s", present(q, 4));
	result("munlockall", munlockall());
	locked("none");
	q = mmap(NULL, 4 * PAGE, RW, ANON | MAP_LOCKED, -1, 0);
	locked("MAP_LOCKED");
	say("present: %s", present(q, 4));
}

int main(void)
{
	before = status_kb("VmLck");
	say("at the start: %ld", before);
	ranges();
	refused();
	inheritance();
	all();
	return 0;
}
