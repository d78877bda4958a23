/* munmap.c: munmap(2): ranges, holes, what is left. */
#include "test.h"

static void refused(void)
{
	char *p = pages(NULL, 2);

	result("length 0", munmap(p, 0));
	result("not at a page", munmap(p + 1, PAGE));
	result("beyond user space", munmap((void *)0x7fffffffe000, 3 * PAGE));
	result("kernel space", munmap((void *)0xffff800000000000, PAGE));
	result("length wraps", munmap(p, -1ul));
	result("not at a page and length 0", munmap(p + 1, 0));
	say("still there: %s", letters(p, 2));
}

static void pieces(void)
{
	char *p = pages(hole(16), 16);

	result("middle", munmap(p + 4 * PAGE, 2 * PAGE));
	say("after: %s", letters(p, 16));
	look("in the hole", p + 4 * PAGE + 7);
	store("in the hole, write", p + 5 * PAGE + 7, 1);
	result("again", munmap(p + 4 * PAGE, 2 * PAGE));
	result("over the hole", munmap(p + 3 * PAGE, 4 * PAGE));
	say("after: %s", letters(p, 16));
	result("length rounded up", munmap(p, PAGE + 1));
	say("after: %s", letters(p, 16));
	result("end", munmap(p + 15 * PAGE, PAGE));
	say("after: %s", letters(p, 16));
	pages(p + PAGE, 1);
	say("mapped again: %s", letters(p, 16));
	result("everything", munmap(p, 16 * PAGE));
	say("after: %s", letters(p, 16));
	result("nothing there", munmap(p, 16 * PAGE));
}

static void several(void)
{
	char *p = hole(8);
	int fd = file_of(2);

	pages(p, 2);
	mmap(p + 2 * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	mmap(p + 5 * PAGE, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	mprotect(p, PAGE, PROT_READ);
	say("several kinds: %s", letters(p, 8));
	result("unmap most", munmap(p + PAGE, 5 * PAGE));
	say("after: %s", letters(p, 8));
}

static void fresh(void)
{
	char *p = pages(NULL, 8);

	munmap(p, 8 * PAGE);
	p = mmap(p, 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	say("fresh after unmap: %s", letters(p, 8));
}

int main(void)
{
	refused();
	pieces();
	several();
	fresh();
	return 0;
}
