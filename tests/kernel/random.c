/*
 * random.c: a long sequence of calls chosen by lot, the same in every run: after each one the answer and the
 * first byte of all pages. Children are forked in the middle and go on for a while.
 *
 * Linux moves only what lies in one area, and keeps neighbours apart that objrmap makes one; so each page
 * bears a number that the calls which changed its area have made, and only what bears one number is moved.
 */
#include "test.h"

#define PAGES 32
#define STEPS 700
#define FILED 12 /* pages of the file */

static char *arena;
static int fd;
static uint32_t seed;
static unsigned call, area[PAGES]; /* 0: nothing is mapped */

struct range {
	size_t at, n;
	char *p;
};

static struct range any(void)
{
	struct range r;

	r.at = rnd(&seed) % PAGES;
	r.n = 1 + rnd(&seed) % 8;
	if (r.at + r.n > PAGES)
		r.n = PAGES - r.at;
	r.p = arena + r.at * PAGE;
	return r;
}

static void mark(const struct range *r, unsigned number)
{
	for (size_t i = 0; i < r->n; i++)
		area[r->at + i] = number;
}

static void mark_mapped(const struct range *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (area[r->at + i])
			area[r->at + i] = area[r->at + i] * 1000003 + call;
}

static void report(const char *what, const struct range *r, long answer)
{
	say("%u %s %zu+%zu: %s %s", call, what, r->at, r->n,
	    answer == -1 ? strerrorname_np(errno) : "0", letters(arena, PAGES));
}

static void map(void)
{
	static const int prots[] = {RW, RW, RW, RW, RW, RW, PROT_READ, PROT_NONE};
	struct range r = any();
	int prot = prots[rnd(&seed) % 8];
	void *p;

	switch (rnd(&seed) % 4) {
	case 0:
		p = mmap(r.p, r.n * PAGE, prot, MAP_SHARED | MAP_FIXED, fd,
		         (off_t)(rnd(&seed) % 5 * PAGE));
		break;
	case 1:
		p = mmap(r.p, r.n * PAGE, prot, MAP_PRIVATE | MAP_FIXED, fd,
		         (off_t)(rnd(&seed) % 5 * PAGE));
		break;
	case 2:
		p = mmap(r.p, r.n * PAGE, prot, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	default:
		p = mmap(r.p, r.n * PAGE, prot, ANON | MAP_FIXED, -1, 0);
	}
	mark(&r, call);
	report("mmap", &r, p == MAP_FAILED ? -1 : 0);
}

static void unmap(void)
{
	struct range r = any();
	int err = munmap(r.p, r.n * PAGE);

	mark(&r, 0);
	report("munmap", &r, err);
}

static void protect(void)
{
	static const int prots[] = {RW, RW, RW, RW, RW, RW, PROT_READ, PROT_NONE};
	struct range r = any();
	int err = mprotect(r.p, r.n * PAGE, prots[rnd(&seed) % 8]);

	mark_mapped(&r);
	report("mprotect", &r, err);
}

static void move(void)
{
	struct range from = any(), to = any();
	void *p;

	for (size_t i = 0; i < from.n; i++)
		if (area[from.at + i] != area[from.at] || !area[from.at])
			from.n = i;
	if (!from.n || to.at + from.n > PAGES ||
	    (to.at < from.at + from.n && from.at < to.at + from.n))
		return;
	to.n = from.n;
	p = mremap(from.p, from.n * PAGE, to.n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to.p);
	if (p != MAP_FAILED) {
		mark(&to, call);
		mark(&from, 0);
	}
	report("mremap", &from, p == MAP_FAILED ? -1 : 0);
}

static void advise(void)
{
	static const int advice[] = {MADV_DONTNEED, MADV_DONTNEED, MADV_PAGEOUT,  MADV_WILLNEED,
	                             MADV_COLD,     MADV_RANDOM,   MADV_DONTFORK, MADV_DOFORK};
	struct range r = any();
	int err = madvise(r.p, r.n * PAGE, advice[rnd(&seed) % 8]);

	mark_mapped(&r);
	report("madvise", &r, err);
}

static void lock(void)
{
	struct range r = any();
	int err =
	    rnd(&seed) % 2 ? munlock(r.p, r.n * PAGE) : mlock2(r.p, r.n * PAGE, MLOCK_ONFAULT);

	/* over a hole Linux's versions differ in how far they get */
	for (size_t i = 0; i < r.n; i++)
		if (!area[r.at + i])
			munlock(r.p, r.n * PAGE);
	munlockall();
	mark_mapped(&r);
	report("mlock", &r, err);
}

/* Now and then shorter, then long again. */
static void resize(void)
{
	struct range r = any();
	size_t pages = rnd(&seed) % 4 ? FILED : rnd(&seed) % FILED;

	report("ftruncate", &r, ftruncate(fd, (off_t)(pages * PAGE + 100)));
}

static void write_file(void)
{
	struct range r = any();
	char c = (char)('A' + rnd(&seed) % 26);

	report("pwrite", &r, pwrite(fd, &c, 1, (off_t)(rnd(&seed) % FILED * PAGE)) == 1 ? 0 : -1);
}

static void write_memory(void)
{
	struct range r = any();

	for (size_t i = 0; i < r.n; i++)
		poke(r.p + i * PAGE, (char)('a' + (call + i) % 26));
	report("write", &r, 0);
}

static void step(void)
{
	static void (*const calls[])(
	    void) = {map,          map,          map,          map,          map,
	             unmap,        protect,      protect,      move,         move,
	             move,         advise,       advise,       lock,         write_memory,
	             write_memory, write_memory, write_memory, write_memory, write_memory,
	             resize,       write_file};

	call++;
	calls[rnd(&seed) % (sizeof(calls) / sizeof(*calls))]();
}

int main(void)
{
	seed = seed_of(12345);
	arena = hole(PAGES);
	fd = file_of(FILED);
	pages(arena, PAGES);
	for (int i = 1; i <= STEPS; i++) {
		step();
		if (i % 100)
			continue;
		if (fork() == 0) {
			say("child: %s", letters(arena, PAGES));
			for (size_t k = 0; k < PAGES; k++) /* what it has not inherited */
				if (area[k])
					area[k] = 0;
			for (int k = 0; k < 20; k++)
				step();
			_exit(0);
		}
		wait(NULL);
		say("parent: %s", letters(arena, PAGES));
	}
	return 0;
}
