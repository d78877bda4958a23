/* brk.c: brk(2), the system call: it returns the end, new or old. */
#include "test.h"

static char *start;

static char *set(void *end)
{
	return (char *)syscall(SYS_brk, end);
}

static void to(const char *what, char *end)
{
	say("%s: %+ld", what, (long)(set(end) - start));
}

int main(void)
{
	char *p;

	/* stay clear of the libc's part of the heap */
	start = (char *)(((uintptr_t)set(NULL) + 16 * PAGE) & ~(PAGE - 1));
	to("0", set(start));
	to("0 again", NULL);
	to("grow", start + 3 * PAGE);
	say("fresh: %s", letters(start, 3));
	fill(start, 3);
	to("to the byte", start + 3 * PAGE + 17);
	look("last page", start + 3 * PAGE + 4095);
	look("beyond", start + 4 * PAGE);
	to("shrink", start + PAGE + 1);
	say("after: %s", letters(start, 4));
	to("grow again", start + 4 * PAGE);
	say("fresh again: %s", letters(start, 4));
	to("before the start", (char *)PAGE);
	to("kernel space", (char *)0xffff800000000000);
	to("huge", start + (1ul << 47));
	p = mmap(start + 8 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	to("into a mapping", start + 9 * PAGE);
	to("up to a mapping", start + 8 * PAGE);
	to("one page before", start + 7 * PAGE);
	munmap(p, PAGE);
	to("now free", start + 9 * PAGE);
	start[8 * PAGE] = 'h';
	if (fork() == 0) {
		to("child grows", start + 12 * PAGE);
		start[8 * PAGE] = 'c';
		_exit(0);
	}
	wait(NULL);
	to("parent unchanged", NULL);
	look("parent's byte", start + 8 * PAGE);
	munmap(start + 4 * PAGE, PAGE);
	to("hole in the heap", start + 10 * PAGE);
	say("heap: %s", letters(start, 10));
	to("shrink over the hole", start);
	return 0;
}
