/*
 * test_frame_cache.c: the CPUs' caches of free frames: when there are any, how frames come and go,
 * and that they change nothing for who asks for the last ones.
 */
#include "unit.h"

#include <objrmap/objrmap.h>

#include "fail.h"
#include "page/frame.h"
#include "page/put.h"
#include "sim.h"

#define FRAMES 2047 /* and the zero page */
#define CPUS   4

static om_pfn_t at_hand(struct om_system *sys)
{
	return atomic_load(&sys->free.n);
}

/* Frames that a CPU's cache holds. */
static om_pfn_t cached(struct om_system *sys, unsigned cpu)
{
	struct om_frame_cache *c = &sys->shard[cpu].cache;

	return atomic_load(&c->list.n) + atomic_load(&c->spare_n);
}

static bool is_open(struct om_system *sys, unsigned cpu)
{
	return sys->shard[cpu].cache.list.max;
}

/* Frames that a test holds, linked through `object`. */
struct held {
	struct om_page *first;
	om_pfn_t n;
};

static bool take(struct om_system *sys, struct held *h, unsigned kind)
{
	struct om_page *page = om_frame_get(sys, kind, 0);

	if (!page)
		return false;
	page->object = h->first;
	h->first = page;
	h->n++;
	return true;
}

static void take_n(struct om_system *sys, struct held *h, om_pfn_t n)
{
	while (n--)
		assert_true(take(sys, h, OM_KIND_USER));
}

static struct om_page *drop(struct held *h)
{
	struct om_page *page = h->first;

	h->first = page->object;
	page->object = NULL;
	h->n--;
	return page;
}

static void give_n(struct om_system *sys, struct held *h, om_pfn_t n)
{
	while (n--)
		om_frame_release(sys, drop(h));
}

static void give_all(struct om_system *sys, struct held *h)
{
	give_n(sys, h, h->n);
}

static void end(struct om_system *sys)
{
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* What frees a batch: n pages of the test, dead, in a chain. */
static void give_chain(struct om_system *sys, struct held *h, om_pfn_t n)
{
	struct om_frame_chain chain;

	om_frame_chain_init(&chain);
	while (n--) {
		struct om_page *page = drop(h);

		om_frame_lock(sys, page);
		page->kind = OM_KIND_FREE;
		page->holds = 0;
		om_frame_unlock(sys, page);
		om_frame_chain_add(sys, &chain, page);
	}
	om_frame_free_chain(sys, &chain);
}

/* Set as the embedder does it. */
static void set_marks(struct om_system *sys, om_pfn_t min, om_pfn_t low, om_pfn_t high)
{
	assert_int_equal(om_set_watermarks(sys, min, low, high), 0);
}

/* ---------------------------------------------------------------- one CPU ------------------- */

/* One CPU and small machines have one list, with all frames. */
static void test_which_machines(void **state)
{
	static const struct {
		om_pfn_t frames;
		unsigned cpus, shards;
		bool caches;
	} machine[] = {{4 * FRAMES, 0, 1, false},
	               {4 * FRAMES, 1, 1, false},
	               {2 * OM_CACHED_FRAMES - 2, 2, 2, false},
	               {2 * OM_CACHED_FRAMES - 1, 2, 2, true},
	               {4 * OM_CACHED_FRAMES - 2, 3, 4, false},
	               {4 * OM_CACHED_FRAMES - 1, 3, 4, true},
	               {FRAMES, 1000, OM_CPUS_MAX, false}};

	(void)state;
	for (unsigned i = 0; i < sizeof(machine) / sizeof(machine[0]); i++) {
		struct om_system *sys = unit_system_cpus(machine[i].frames, machine[i].cpus);
		struct held h = {0};

		assert_int_equal(sys->cpu_mask + 1, machine[i].shards);
		assert_int_equal(atomic_load(&sys->caching), machine[i].caches);
		take_n(sys, &h, 5);
		assert_int_equal(at_hand(sys) + 5 == machine[i].frames, !machine[i].caches);
		assert_int_equal(om_frames_free(sys), machine[i].frames - 5);
		give_all(sys, &h);
		end(sys);
	}
}

/* A bundle comes at a time, and the next one when it is used up. */
static void test_refill(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held h = {0};

	(void)state;
	assert_int_equal(at_hand(sys), FRAMES);
	for (om_pfn_t i = 1; i <= 3 * OM_BUNDLE; i++) {
		om_pfn_t bundles = (i + OM_BUNDLE - 1) / OM_BUNDLE;

		take_n(sys, &h, 1);
		assert_int_equal(at_hand(sys), FRAMES - bundles * OM_BUNDLE);
		assert_int_equal(om_frames_free(sys), FRAMES - i);
		assert_int_equal(om_frames_of_kind(sys, OM_KIND_USER), i);
	}
	assert_int_equal(atomic_load(&sys->nr_open), 1);
	give_all(sys, &h);
	end(sys);
}

/* A cache keeps two bundles; what is more goes to the machine, a bundle at a time. */
static void test_give_back(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held h = {0};
	om_pfn_t most = 0;

	(void)state;
	take_n(sys, &h, 10 * OM_BUNDLE);
	assert_int_equal(cached(sys, 0), 0);
	while (h.n) {
		give_n(sys, &h, 1);
		assert_int_equal(at_hand(sys) % OM_BUNDLE, FRAMES % OM_BUNDLE);
		if (cached(sys, 0) > most)
			most = cached(sys, 0);
	}
	assert_int_equal(most, 2 * OM_BUNDLE);
	/* Back and forth at the edge, the machine's list is not asked. */
	for (unsigned i = 0; i < 5 * OM_BUNDLE; i++) {
		om_pfn_t before = at_hand(sys);

		take_n(sys, &h, OM_BUNDLE);
		give_all(sys, &h);
		assert_int_equal(at_hand(sys), before);
	}
	end(sys);
}

/* A CPU that only frees has a cache, too. */
static void test_only_frees(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held h = {0};

	(void)state;
	take_n(sys, &h, 40);
	sim_this_cpu = 2;
	give_all(sys, &h);
	assert_true(is_open(sys, 2));
	assert_int_equal(cached(sys, 2), 40);
	assert_int_equal(om_frames_of_kind(sys, OM_KIND_USER), 0);
	end(sys);
}

/* Chains: a short one fits in, a long one goes to the machine. */
static void test_chains(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held h = {0};
	om_pfn_t before;

	(void)state;
	for (unsigned i = 0; i < 4 * OM_BUNDLE; i++)
		assert_true(take(sys, &h, OM_KIND_DATA));
	before = at_hand(sys);
	give_chain(sys, &h, 5);
	give_chain(sys, &h, OM_BUNDLE - 5);
	assert_int_equal(cached(sys, 0), OM_BUNDLE);
	give_chain(sys, &h, 7); /* one bundle is the spare */
	assert_int_equal(cached(sys, 0), OM_BUNDLE + 7);
	assert_int_equal(at_hand(sys), before);

	give_chain(sys, &h, OM_BUNDLE + 9);
	assert_int_equal(cached(sys, 0), OM_BUNDLE + 7);
	assert_int_equal(at_hand(sys), before + OM_BUNDLE + 9);
	assert_int_equal(om_frames_of_kind(sys, OM_KIND_DATA), h.n);
	while (h.n)
		om_page_put(sys, drop(&h));
	end(sys);
}

/* ---------------------------------------------------------------- neighbours ---------------- */

static om_pfn_t linked(struct om_system *sys)
{
	return at_hand(sys) - sys->runs.n;
}

/* The next n frames that this CPU gets are one aligned block. */
static void expect_block(struct om_system *sys, struct held *h)
{
	om_pfn_t first;

	take_n(sys, h, 1);
	first = om_page_pfn(sys, h->first);
	assert_int_equal(first % OM_BLOCK, 0);
	for (om_pfn_t i = 1; i < OM_BLOCK; i++) {
		take_n(sys, h, 1);
		assert_int_equal(om_page_pfn(sys, h->first), first + i);
	}
}

static void empty_caches(struct om_system *sys)
{
	set_marks(sys, 0, FRAMES, FRAMES);
	set_marks(sys, 0, 0, 0);
}

/* CPUs have taken frames in turn and freed them anyhow: the next ones are neighbours again. */
static void test_neighbours(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held h[CPUS] = {0};
	uint64_t rand = 1;

	(void)state;
	set_marks(sys, 0, 0, 0);
	for (unsigned i = 0; i < FRAMES - 300; i++) {
		sim_this_cpu = unit_rand(&rand) % CPUS;
		take_n(sys, &h[unit_rand(&rand) % CPUS], 1);
	}
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		sim_this_cpu = cpu;
		give_all(sys, &h[cpu]);
	}
	empty_caches(sys);
	assert_in_range(linked(sys), 1, CPUS * 2 * OM_BUNDLE);
	/* Each refill sorts some of the linked frames, and finds a block. */
	for (unsigned i = 0; i < 4 * CPUS; i++) {
		om_pfn_t before = linked(sys);

		sim_this_cpu = i % CPUS;
		expect_block(sys, &h[i % CPUS]);
		assert_true(!before || linked(sys) + OM_BUNDLE / 4 <= before || !linked(sys));
	}
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		give_all(sys, &h[cpu]);
	end(sys);
}

/* If no block is wholly free, a cache gets pieces, and LEAST frames of them. */
static void test_pieces(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held all = {0}, some[2] = {{0}, {0}};
	om_pfn_t before;

	(void)state;
	set_marks(sys, 0, 0, 0);
	take_n(sys, &all, FRAMES);
	while (all.n) { /* two frames of sixteen */
		struct om_page *page = drop(&all);
		struct held *to = &some[om_page_pfn(sys, page) % 16 < 14];

		page->object = to->first;
		to->first = page;
		to->n++;
	}
	assert_in_range(some[0].n, FRAMES / 8 - 2, FRAMES / 8 + 2);
	give_all(sys, &some[0]);
	empty_caches(sys);
	before = at_hand(sys);
	take_n(sys, &some[0], 1);
	assert_int_equal(at_hand(sys), before - OM_BUNDLE / 4);
	for (unsigned i = 1; i < OM_BUNDLE / 4; i++) {
		om_pfn_t last = om_page_pfn(sys, some[0].first);

		take_n(sys, &some[0], 1);
		if (i % 2)
			assert_int_equal(om_page_pfn(sys, some[0].first), last + 1);
	}
	give_all(sys, &some[0]);
	give_all(sys, &some[1]);
	end(sys);
}

/* One CPU: what was freed last is taken first, then blocks in order. */
static void test_one_cpu(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, 1);
	struct held h = {0};
	om_pfn_t last;

	(void)state;
	for (om_pfn_t i = 0; i < 3; i++)
		expect_block(sys, &h);
	assert_int_equal(linked(sys), 0);
	last = om_page_pfn(sys, h.first);
	give_n(sys, &h, 2);
	assert_int_equal(linked(sys), 2);
	take_n(sys, &h, 1);
	assert_int_equal(om_page_pfn(sys, h.first), last - 1);
	give_all(sys, &h);
	assert_int_equal(linked(sys), 3 * OM_BLOCK);
	end(sys);
}

/* ---------------------------------------------------------------- short of memory ----------- */

/* Each CPU gets a full cache. */
static void fill_caches(struct om_system *sys)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		struct held h = {0};

		sim_this_cpu = cpu;
		take_n(sys, &h, 2 * OM_BUNDLE);
		give_all(sys, &h);
		assert_int_equal(cached(sys, cpu), 2 * OM_BUNDLE);
	}
	assert_int_equal(atomic_load(&sys->nr_open), CPUS);
	sim_this_cpu = 0;
}

static void expect_no_caches(struct om_system *sys)
{
	assert_false(atomic_load(&sys->caching));
	assert_int_equal(atomic_load(&sys->nr_open), 0);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		assert_int_equal(cached(sys, cpu), 0);
		assert_false(is_open(sys, cpu));
	}
	assert_int_equal(at_hand(sys), om_frames_free(sys));
}

/* Frames in other CPUs' caches are found: a machine of n frames hands out n. */
static void test_found_elsewhere(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held h = {0};

	(void)state;
	fill_caches(sys);
	for (om_pfn_t i = 0; i < FRAMES; i++) {
		assert_true(take(sys, &h, i % 2 ? OM_KIND_DATA : OM_KIND_INDEX));
		assert_int_equal(om_frames_free(sys), FRAMES - 1 - i);
	}
	assert_false(take(sys, &h, OM_KIND_INDEX));
	expect_no_caches(sys);
	/* One comes back on another CPU, and is the one that there is. */
	sim_this_cpu = 3;
	give_n(sys, &h, 1);
	assert_int_equal(at_hand(sys), 1);
	sim_this_cpu = 1;
	take_n(sys, &h, 1);
	give_all(sys, &h);
	end(sys);
}

/* The caches are gone before the low watermark is reached; "low" is said then, and not before. */
static void test_low(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held h = {0};

	(void)state;
	set_marks(sys, 20, 100, 200);
	fill_caches(sys);
	while (om_frames_free(sys) >= 100) {
		assert_false(om_frames_low(om_shard(sys)));
		assert_true(!atomic_load(&sys->caching) || at_hand(sys) >= 100);
		take_n(sys, &h, 1);
	}
	expect_no_caches(sys);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		sim_this_cpu = cpu;
		assert_true(om_frames_low(om_shard(sys)));
	}
	/* Back only when there are plenty. */
	while (at_hand(sys) < 100 + 50 + 2 * OM_BUNDLE) {
		give_n(sys, &h, 1);
		expect_no_caches(sys);
	}
	give_n(sys, &h, 1);
	assert_true(atomic_load(&sys->caching));
	give_all(sys, &h);
	end(sys);
}

/* The last `min` frames are not for data, whatever the caches hold. */
static void test_reserve(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held h = {0};

	(void)state;
	set_marks(sys, 10, 10, 10);
	fill_caches(sys);
	for (om_pfn_t i = 0; i < FRAMES - 10; i++) {
		sim_this_cpu = i % CPUS;
		assert_true(take(sys, &h, OM_KIND_DATA));
	}
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		sim_this_cpu = cpu;
		assert_false(take(sys, &h, OM_KIND_DATA));
	}
	for (unsigned i = 0; i < 10; i++)
		assert_true(take(sys, &h, OM_KIND_TABLE + 1));
	assert_false(take(sys, &h, OM_KIND_TABLE + 1));
	assert_int_equal(om_frames_of_kind(sys, OM_KIND_TABLE), 10);
	assert_int_equal(om_frames_of_kind(sys, OM_KIND_DATA), FRAMES - 10);
	give_all(sys, &h);
	end(sys);
}

/* Watermarks that move take the caches away, or give them back. */
static void test_watermarks(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);

	(void)state;
	fill_caches(sys);
	set_marks(sys, 0, FRAMES - 50, FRAMES);
	expect_no_caches(sys);
	assert_int_equal(at_hand(sys), FRAMES);
	set_marks(sys, 0, 0, 0);
	fill_caches(sys);
	/* Refused: nothing changes. */
	assert_int_equal(om_set_watermarks(sys, 2, 1, FRAMES), -OM_EINVAL);
	assert_int_equal(atomic_load(&sys->nr_open), CPUS);
	end(sys);
}

/* A request that the hook lets fail changes nothing, though the cache has frames. */
static void test_failing(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct held h = {0};

	(void)state;
	if (!OM_DEBUG)
		skip();
	fill_caches(sys);
	sim_fail_arm(sys, 2, false);
	assert_true(take(sys, &h, OM_KIND_DATA));
	assert_false(take(sys, &h, OM_KIND_DATA));
	assert_int_equal(om_frames_free(sys), FRAMES - 1);
	assert_int_equal(atomic_load(&sys->nr_open), CPUS);
	assert_true(take(sys, &h, OM_KIND_DATA));
	assert_int_equal(sim_fail_disarm(), 3);
	give_all(sys, &h);
	end(sys);
}

/* ---------------------------------------------------------------- the checker --------------- */

#define expect_violation(sys, scratch)                                                             \
	do {                                                                                       \
		struct om_bug bug_ = {0};                                                          \
                                                                                                   \
		assert_int_not_equal(om_verify(sys, scratch, &bug_), 0);                           \
		assert_string_equal(bug_.rule, "I7");                                              \
	} while (0)

#define VERIFIED (2048 + 2) /* frame 0, and the zero page */

/* om_verify() looks into caches, and a machine with full ones is idle. */
static void test_verify(void **state)
{
	struct sim *sim = sim_create(&(struct sim_config){.nr_frames = VERIFIED, .nr_cpus = CPUS});
	struct om_system *sys = sim_system(sim);
	void *scratch = malloc(VERIFIED * 8);
	struct om_frame_cache *c = &sys->shard[1].cache;
	struct om_bug bug;

	(void)state;
	fill_caches(sys);
	assert_int_equal(om_verify(sys, scratch, &bug), 0);
	atomic_fetch_sub(&c->list.n, 1);
	expect_violation(sys, scratch);
	atomic_fetch_add(&c->list.n, 1);
	atomic_fetch_sub(&c->spare_n, 1);
	expect_violation(sys, scratch);
	atomic_fetch_add(&c->spare_n, 1);
	c->list.last = c->spare_last;
	expect_violation(sys, scratch);
	c->list.last = c->list.head;
	for (unsigned i = 1; i < c->list.n; i++)
		c->list.last = om_page_of(sys, c->list.last)->link.next;
	atomic_fetch_add(&sys->nr_open, 1);
	expect_violation(sys, scratch);
	atomic_fetch_sub(&sys->nr_open, 1);
	assert_int_equal(om_verify(sys, scratch, &bug), 0);
	free(scratch);
	assert_int_equal(sim_destroy(sim), 0);
}

/* ---------------------------------------------------------------- threads ------------------- */

enum { THREADS = 3, ROUNDS = 300000, SHARE = FRAMES / THREADS };

struct stress {
	struct om_system *sys;
	atomic_uint owner[FRAMES + 1]; /* no frame has two */
	om_pfn_t want[THREADS];
};

/* Nearly all frames are in use at times. There is one for each request, so none may fail. */
static void stress_thread(void *arg, unsigned me)
{
	struct stress *s = arg;
	struct held h = {0};
	uint64_t rand = me;
	om_pfn_t want = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		if (h.n == want)
			want = unit_rand(&rand) % (SHARE + 1);
		if (unit_rand(&rand) % 16 == 0)
			sim_this_cpu = unit_rand(&rand) % CPUS;
		if (h.n < want) {
			unit_check(
			    take(s->sys, &h, unit_rand(&rand) % 2 ? OM_KIND_DATA : OM_KIND_INDEX));
			unit_check(
			    !atomic_exchange(&s->owner[om_page_pfn(s->sys, h.first)], me + 1));
		} else if (h.n > want) {
			unit_check(atomic_exchange(&s->owner[om_page_pfn(s->sys, h.first)], 0) ==
			           me + 1);
			om_frame_release(s->sys, drop(&h));
		}
	}
	while (h.n) {
		atomic_store(&s->owner[om_page_pfn(s->sys, h.first)], 0);
		om_frame_release(s->sys, drop(&h));
	}
}

static void test_no_request_fails(void **state)
{
	struct stress s = {.sys = unit_system_cpus(FRAMES, CPUS)};

	(void)state;
	unit_threads(THREADS, stress_thread, &s);
	end(s.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_which_machines),   cmocka_unit_test(test_refill),
	    cmocka_unit_test(test_give_back),        cmocka_unit_test(test_only_frees),
	    cmocka_unit_test(test_chains),           cmocka_unit_test(test_neighbours),
	    cmocka_unit_test(test_pieces),           cmocka_unit_test(test_one_cpu),
	    cmocka_unit_test(test_found_elsewhere),  cmocka_unit_test(test_low),
	    cmocka_unit_test(test_reserve),          cmocka_unit_test(test_watermarks),
	    cmocka_unit_test(test_failing),          cmocka_unit_test(test_verify),
	    cmocka_unit_test(test_no_request_fails),
	};

	return unit_run(tests);
}
