/*
 * test_swapahead.c: how much is read ahead from swap: the account, and what it does for programs
 * that go through memory in several ways, counted in transfers and pages.
 */
#include "space.h"

#include "store/swap.h"
#include "store/swapahead.h"

/* ---- the account ---- */

/* `read` pages were read ahead, and so many asked for: the next window, for this page and slot. */
static unsigned next(struct om_system *sys, struct om_swap_ahead *a, unsigned read, unsigned hits,
                     uintptr_t page, uint32_t slot)
{
	om_swap_ahead_read(a, read);
	while (hits--)
		om_swap_ahead_hit(a);
	return om_swap_ahead_window(sys, a, page, slot);
}

/* Memory is short, so that the account alone decides. */
static struct space start_short(void)
{
	struct space s = space_start(1000, 0);

	s.sys->swap_cluster = 5;
	atomic_store(&s.sys->mark_high, 1000);
	return s;
}

static void test_window(void **state)
{
	struct space s = start_short();
	struct om_system *sys = s.sys;
	struct om_swap_ahead a = {0};

	(void)state;
	assert_int_equal(om_swap_ahead_window(sys, &a, 70, 170), 4);
	assert_int_equal(next(sys, &a, 3, 3, 90, 0), 8);
	assert_int_equal(next(sys, &a, 7, 6, 90, 0), 16);
	assert_int_equal(next(sys, &a, 15, 11, 90, 0), 16); /* less than three quarters */
	assert_int_equal(next(sys, &a, 15, 8, 90, 0), 16);
	assert_int_equal(next(sys, &a, 0, 0, 90, 0), 16); /* there was nothing to read ahead */
	assert_int_equal(next(sys, &a, 15, 200, 90, 0), 32);
	assert_int_equal(next(sys, &a, 31, 31, 90, 0), 32);
	assert_int_equal(next(sys, &a, 31, 15, 90, 0), 16);
	assert_int_equal(next(sys, &a, 2, 0, 90, 0), 8);
	assert_int_equal(next(sys, &a, 7, 0, 90, 0), 4);
	assert_int_equal(next(sys, &a, 1, 0, 90, 0), 2);
	assert_int_equal(next(sys, &a, 1, 0, 90, 500), 1);
	assert_int_equal(next(sys, &a, 0, 0, 92, 600), 1);
	assert_int_equal(next(sys, &a, 0, 0, 92, 600), 1);
	/* The next page, the one before, the next slot. */
	assert_int_equal(next(sys, &a, 0, 0, 93, 700), 2);
	assert_int_equal(next(sys, &a, 1, 0, 1000, 800), 1);
	assert_int_equal(next(sys, &a, 0, 0, 999, 900), 2);
	assert_int_equal(next(sys, &a, 1, 0, 1500, 1000), 1);
	assert_int_equal(next(sys, &a, 0, 0, 1600, 1001), 2);
	assert_int_equal(next(sys, &a, 1, 1, 0, 0), 4);
	space_finish(&s);
}

/* Somebody else has asked for a page of the window first: it was not read in vain. */
static void test_found(void **state)
{
	struct space s = start_short();
	struct om_system *sys = s.sys;
	struct om_swap_ahead a = {0};

	(void)state;
	om_swap_ahead_found(&a, 7); /* of an account that knows nothing */
	assert_int_equal(om_swap_ahead_window(sys, &a, 70, 170), 4);
	om_swap_ahead_read(&a, 3);
	om_swap_ahead_found(&a, 68);
	om_swap_ahead_found(&a, 69);
	om_swap_ahead_found(&a, 71);
	assert_int_equal(om_swap_ahead_window(sys, &a, 90, 0), 8);
	om_swap_ahead_read(&a, 3);
	om_swap_ahead_found(&a, 90); /* the wanted one itself, and the blocks beside it */
	om_swap_ahead_found(&a, 87);
	om_swap_ahead_found(&a, 90);
	om_swap_ahead_found(&a, 96);
	assert_int_equal(om_swap_ahead_window(sys, &a, 90, 0), 4);
	space_finish(&s);
}

/* Memory that nobody needs, a limit by the embedder, and little memory. */
static void test_window_limits(void **state)
{
	struct space s = space_start(1000, 0);
	struct om_system *sys = s.sys;
	struct om_swap_ahead a = {0};

	(void)state;
	sys->swap_cluster = 5;
	assert_int_equal(om_swap_ahead_window(sys, &a, 0, 0), 8);
	assert_int_equal(next(sys, &a, 7, 0, 90, 90), 8);
	sys->swap_cluster = 2;
	assert_int_equal(next(sys, &a, 7, 7, 90, 90), 4);
	sys->swap_cluster = 0;
	assert_int_equal(next(sys, &a, 3, 3, 90, 90), 1);
	sys->swap_cluster = 5;
	sys->nr_owned -= 960;
	assert_int_equal(next(sys, &a, 3, 3, 90, 90), 2);
	sys->nr_owned += 960;
	space_finish(&s);
}

/* ---- programs ---- */

#define FRAMES 1024

struct program {
	struct space s;
	struct sim_rand random;
	uintptr_t pages;
	struct sim_store_stats before;
	uint64_t ahead, hits; /* before */
};

struct figures {
	uint64_t reads, pages, ahead, hits;
};

/* So many pages are written in order, of which the last ones fit. */
static void begin(struct program *p, uintptr_t pages)
{
	*p = (struct program){.s = space_start(FRAMES, 8 * FRAMES), .pages = pages};
	p->s.sys->swap_cluster = 5;
	sim_rand_seed(&p->random, 1);
	space_map(&p->s, 0, pages, RW, 0);
	for (uintptr_t i = 0; i < pages; i++)
		space_put(&p->s, p->s.mm, i, (int)(i % 127));
}

static void count_from_here(struct program *p)
{
	sim_store_stats(p->s.swap, &p->before);
	p->ahead = space_event(p->s.sys, OM_EV_SWAP_RA);
	p->hits = space_event(p->s.sys, OM_EV_SWAP_RA_HIT);
}

/* Another program has pushed all of it out, and is gone. */
static void push_out(struct program *p)
{
	uintptr_t far = 100000, n = FRAMES - 50;

	space_map(&p->s, far, n, RW, 0);
	for (unsigned pass = 0; pass < 3; pass++)
		for (uintptr_t i = 0; i < n; i++)
			space_put(&p->s, p->s.mm, far + i, 1);
	assert_int_equal(om_munmap(p->s.mm, at(far), n << OM_PAGE_SHIFT), 0);
}

/* One access in four is a write. */
static void look(struct program *p, uintptr_t page)
{
	int tag = (int)(page % 127);

	if (sim_rand_chance(&p->random, 25))
		space_put(&p->s, p->s.mm, page, tag);
	else
		assert_int_equal(space_get(&p->s, p->s.mm, page), tag);
}

static struct figures end(struct program *p)
{
	struct sim_store_stats after;
	struct figures f;

	sim_store_stats(p->s.swap, &after);
	f.reads = after.reads - p->before.reads;
	f.pages = after.pages_read - p->before.pages_read;
	f.ahead = space_event(p->s.sys, OM_EV_SWAP_RA) - p->ahead;
	f.hits = space_event(p->s.sys, OM_EV_SWAP_RA_HIT) - p->hits;
	print_message("%llu reads, %llu pages, %llu ahead, %llu hits\n",
	              (unsigned long long)f.reads, (unsigned long long)f.pages,
	              (unsigned long long)f.ahead, (unsigned long long)f.hits);
	space_check(&p->s);
	space_finish(&p->s);
	return f;
}

enum order { FORWARDS, BACKWARDS, STRIDE, UNIFORM, SKEWED };

/* 16 pages further each time, and from the end to the next one of the first 16. */
#define STEP 16

/* A permutation of 0 to n - 1, n a power of two: the hot pages lie anywhere. */
static uintptr_t scattered(uintptr_t i, uintptr_t n)
{
	return (i * 2654435761u + 12345) % n;
}

static uintptr_t nth(struct program *p, enum order order, uintptr_t k)
{
	uintptr_t n = p->pages, i = k % n;

	switch (order) {
	case BACKWARDS:
		return n - 1 - i;
	case STRIDE:
		return i * STEP % n + i * STEP / n;
	case UNIFORM:
		return sim_rand_below(&p->random, n);
	case SKEWED:
		i = sim_rand_chance(&p->random, 80) ? sim_rand_below(&p->random, n / 5)
		                                    : n / 5 + sim_rand_below(&p->random, n - n / 5);
		return scattered(i, n);
	default:
		return i;
	}
}

static struct figures run(uintptr_t pages, enum order order, unsigned passes)
{
	struct program p;

	begin(&p, pages);
	count_from_here(&p);
	for (uintptr_t k = 0; k < passes * pages; k++)
		look(&p, nth(&p, order, k));
	return end(&p);
}

static struct figures run_roomy(enum order order)
{
	struct program p;

	begin(&p, FRAMES / 2);
	push_out(&p);
	count_from_here(&p);
	for (uintptr_t k = 0; k < p.pages; k++)
		look(&p, nth(&p, order, k));
	return end(&p);
}

/* In order, and what is needed is always what has just left: nearly all is read ahead and used. */
static void test_sequential(void **state)
{
	const uintptr_t n = FRAMES * 3 / 2;

	(void)state;
	for (enum order order = FORWARDS; order <= BACKWARDS; order++) {
		struct figures f = run(n, order, 4);

		assert_in_range(f.pages, n, 4 * n * 5 / 4);
		assert_in_range(f.reads, 1, f.pages / 6);
		assert_true(f.hits * 10 >= f.ahead * 9);
	}
}

/*
 * A parent and its child go through what they share together, and take turns at each page in who
 * comes first: each finds half of what it has read ahead used by the other one before.
 */
static void test_family(void **state)
{
	const uintptr_t n = FRAMES * 3 / 2;
	struct om_mm *child, *mm;
	struct program p;
	struct figures f;

	(void)state;
	begin(&p, n);
	assert_int_equal(om_fork(p.s.mm, NULL, &child), 0);
	count_from_here(&p);
	for (uintptr_t k = 0; k < 4 * n; k++) {
		mm = k % 2 ? child : p.s.mm;
		assert_int_equal(space_get(&p.s, mm, k % n), (int)(k % n % 127));
		mm = k % 2 ? p.s.mm : child;
		assert_int_equal(space_get(&p.s, mm, k % n), (int)(k % n % 127));
	}
	om_mm_destroy(child);
	f = end(&p);
	assert_in_range(f.reads, 1, f.pages / 6);
}

/* Neighbours are of no use: one request each, and hardly a page in vain. */
static void test_scattered(void **state)
{
	(void)state;
	for (enum order order = UNIFORM; order <= SKEWED; order++) {
		struct figures f = run(2 * FRAMES, order, 8);

		assert_true(f.pages * 100 <= f.reads * 103);
	}
}

/* Memory is free again: everything comes back, in large pieces, whatever the order. */
static void test_roomy(void **state)
{
	(void)state;
	for (enum order order = FORWARDS; order <= UNIFORM; order++) {
		struct figures f = run_roomy(order);

		assert_true(f.pages <= FRAMES / 2 + FRAMES / 16);
		assert_true(f.reads <= FRAMES / 2 / 5);
	}
}

/* Only every 16th page has ever been touched: the neighbours are those beside it in swap. */
static void test_sparse(void **state)
{
	struct program p;
	struct figures f;

	(void)state;
	begin(&p, 1);
	space_map(&p.s, 1, 200 * STEP, RW, 0);
	for (uintptr_t i = 0; i < 200 * STEP; i += STEP)
		space_put(&p.s, p.s.mm, i, (int)(i % 127));
	push_out(&p);
	count_from_here(&p);
	for (uintptr_t i = 0; i < 200 * STEP; i += STEP)
		look(&p, i);
	f = end(&p);
	assert_in_range(f.pages, 180, 210);
	assert_in_range(f.reads, 1, 25);
}

/* What shall be read is known: it takes as few transfers as there are runs of slots. */
static void test_willneed(void **state)
{
	const size_t bytes = 48 << OM_PAGE_SHIFT;
	struct program p;
	struct figures f;

	(void)state;
	begin(&p, 64);
	p.s.sys->swap_cluster = 0; /* no window */
	assert_int_equal(om_madvise(p.s.mm, at(8), bytes, OM_MADV_PAGEOUT), 0);
	count_from_here(&p);
	assert_int_equal(om_madvise(p.s.mm, at(8), bytes, OM_MADV_WILLNEED), 0);
	for (uintptr_t i = 0; i < 64; i++)
		look(&p, i);
	f = end(&p);
	assert_int_equal(f.pages, 48);
	assert_in_range(f.reads, 2, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_window),     cmocka_unit_test(test_window_limits),
	    cmocka_unit_test(test_found),      cmocka_unit_test(test_family),
	    cmocka_unit_test(test_sequential), cmocka_unit_test(test_scattered),
	    cmocka_unit_test(test_roomy),      cmocka_unit_test(test_sparse),
	    cmocka_unit_test(test_willneed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
