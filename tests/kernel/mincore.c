/* mincore.c: mincore(2). */
#include "test.h"

static unsigned char vec[2048];

static void ask(const char *what, void *p, size_t n)
{
	char text[64] = "";

	memset(vec, 0xee, sizeof(vec));
	if (mincore(p, n * PAGE, vec)) {
		say("%s: %s", what, strerrorname_np(errno));
		return;
	}
	for (size_t i = 0; i < n; i++)
		text[i] = '0' + (vec[i] & 1);
	say("%s: %s, then %#x", what, text, vec[n]);
}

int main(void)
{
	char *p = mmap(hole(8), 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0), *f, *s, *big;
	int fd = file_of(4);

	ask("untouched", p, 4);
	p[PAGE] = 1;
	ask("one written", p, 4);
	touch(p + 2 * PAGE);
	ask("one read", p, 4);
	mprotect(p + PAGE, PAGE, PROT_NONE);
	ask("without access", p, 4);
	madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED);
	ask("dontneed", p, 4);
	f = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
	ask("file in the cache, private", f, 4);
	s = mmap(NULL, 6 * PAGE, RW, MAP_SHARED, fd, 0);
	ask("file in the cache, shared", s, 6);
	s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ask("shared anonymous", s, 4);
	s[3 * PAGE] = 1;
	ask("one written", s, 4);
	result("length not a page", mincore(p, PAGE + 1, vec));
	result("not at a page", mincore(p + 1, PAGE, vec));
	result("length 0", mincore(p, 0, vec));
	result("length 0, bad vector", mincore(p, 0, NULL));
	result("bad vector", mincore(p, PAGE, NULL));
	result("vector in kernel space", mincore(p, PAGE, (void *)0xffff800000000000));
	result("vector read-only", mincore(p, PAGE, mmap(NULL, PAGE, PROT_READ, ANON, -1, 0)));
	result("huge length", mincore(p, 1ul << 48, vec));
	result("kernel space", mincore((void *)0xffff800000000000, PAGE, vec));
	result("nothing there", mincore(hole(1), PAGE, vec));
	munmap(p + 4 * PAGE, PAGE);
	ask("hole", p, 8);
	big = mmap(NULL, 1000 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	big[999 * PAGE] = big[300 * PAGE] = 1;
	result("1000 pages", mincore(big, 1000 * PAGE, vec));
	say("those touched: %d %d %d %d", vec[299] & 1, vec[300] & 1, vec[998] & 1, vec[999] & 1);
	return 0;
}
