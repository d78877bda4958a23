/*
 * fresh.c: fresh memory is zero, whoever had the frame before: anonymous, shared, heap, stack, files made
 * longer. Between the looks, children fill much memory and leave it behind.
 */
#include "test.h"

#define ROUNDS 6
#define N      1500 /* pages a child dirties */

static void check_zero(const char *p, size_t bytes)
{
	const uint64_t *w = (const uint64_t *)p;

	for (size_t i = 0; i < bytes / 8; i++)
		CHECK(w[i] == 0);
}

static void litter(void)
{
	int fd = memfd_create("litter", 0);
	char *p = mmap(NULL, N * PAGE, RW, ANON, -1, 0);
	char *s;

	memset(p, 0xaa, N * PAGE);
	CHECK(ftruncate(fd, N / 4 * PAGE) == 0);
	s = mmap(NULL, N / 4 * PAGE, RW, MAP_SHARED, fd, 0);
	memset(s, 0xbb, N / 4 * PAGE);
}

static void mapped(void)
{
	char *p = mmap(NULL, N * PAGE, RW, ANON, -1, 0),
	     *s = mmap(NULL, N / 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < N; i += 2)
		p[i * PAGE + i % PAGE] = 0; /* a write first, a read first */
	check_zero(p, N * PAGE);
	check_zero(s, N / 4 * PAGE);
}

static void heap(void)
{
	char *p = sbrk(200 * PAGE);

	CHECK(p != (void *)-1);
	check_zero((char *)(((uintptr_t)p + 7) & ~7ul), 199 * PAGE);
}

static void stack(void)
{
	char *sp = __builtin_frame_address(0);
	char *below = (char *)(((uintptr_t)sp - 40 * PAGE) & ~(PAGE - 1));

	check_zero(below, 30 * PAGE); /* not used yet */
}

static void tails(void)
{
	static char buf[3 * PAGE];
	int fd = memfd_create("tails", 0);
	char *s;

	CHECK(write(fd, "x", 1) == 1);
	CHECK(ftruncate(fd, 3 * PAGE) == 0);
	s = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0);
	check_zero(s + 8, 3 * PAGE - 8);
	memset(s, 0xcc, 3 * PAGE);
	CHECK(ftruncate(fd, 16) == 0);
	CHECK(ftruncate(fd, 3 * PAGE) == 0);
	check_zero(s + 16, 3 * PAGE - 16);
	CHECK(pread(fd, buf, 3 * PAGE, 0) == (ssize_t)(3 * PAGE));
	check_zero(buf + 16, 3 * PAGE - 16);
}

int main(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(child(litter) == 0);
		CHECK(child(mapped) == 0);
		CHECK(child(litter) == 0);
		CHECK(child(heap) == 0);
		CHECK(child(stack) == 0);
		CHECK(child(tails) == 0);
	}
	say("ok");
	return 0;
}
