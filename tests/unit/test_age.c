/*
 * test_age.c: ages of pages, what touches them, locked pages (I12), pages that die in a batch (I7),
 * and the hand that goes round.
 */
#include "unit.h"

#include "page/age.h"
#include "page/put.h"
#include "page/unevictable.h"
#include "reclaim/balance.h"
#include "reclaim/scan.h"

static uint64_t event(struct om_system *sys, enum om_event ev)
{
	return atomic_load(&sys->shard[0].event[ev]);
}

/* A page with contents that its only entry holds. */
static struct om_page *new_page(struct om_system *sys, unsigned flags)
{
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, flags | OM_PG_UPTODATE);

	om_frame_lock(sys, page);
	page->mapcount = 1;
	page->holds = 0;
	om_frame_unlock(sys, page);
	return page;
}

/* With the frame lock held, as the contracts want it. */
static void with_lock(struct om_system *sys, struct om_page *page,
                      void (*fn)(struct om_system *sys, struct om_page *page))
{
	om_frame_lock(sys, page);
	fn(sys, page);
	om_frame_unlock(sys, page);
}

/* The last entry goes, as in zap. */
static void unmap(struct om_system *sys, struct om_page *page)
{
	om_frame_lock(sys, page);
	page->mapcount = 0;
	om_page_unlock_or_free(sys, page);
}

static unsigned age(const struct om_page *page)
{
	return om_age_of(om_page_flags(page));
}

/* ---- ages --------------------------------------------------------------------------------- */

static void test_age(void **state)
{
	struct om_system *sys = unit_system(4);
	struct om_page *page = new_page(sys, OM_PG_DIRTY);

	(void)state;
	assert_int_equal(age(page), 0);
	om_page_set_age(page, 5);
	assert_int_equal(age(page), 5);
	assert_int_equal(om_page_flags(page) & ~(unsigned)OM_PG_AGE, OM_PG_DIRTY | OM_PG_UPTODATE);
	om_page_set_old(sys, page);
	assert_int_equal(age(page), OM_AGE_MAX);
	atomic_store(&sys->ages.limit[OM_AGE_FILE], 8);
	om_page_set_unused(sys, page);
	assert_int_equal(age(page), 7);
	om_page_set_unproven(sys, page);
	assert_int_equal(age(page), 5);
	assert_int_equal(om_age_kind_of(om_page_flags(page)), OM_AGE_FILE);
	om_page_set(page, OM_PG_SWAPBACKED);
	assert_int_equal(om_age_kind_of(om_page_flags(page)), OM_AGE_ANON);
	unmap(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* Used once: that is noted. Used twice: young. */
static void test_touch(void **state)
{
	struct om_system *sys = unit_system(4);
	struct om_page *page = new_page(sys, 0);

	(void)state;
	om_page_set_age(page, 3);
	om_page_touch(sys, page);
	assert_true(om_page_test(page, OM_PG_REFERENCED));
	assert_int_equal(age(page), 3);
	om_page_touch(sys, page);
	assert_int_equal(age(page), 0);
	assert_false(om_page_test(page, OM_PG_REFERENCED));
	assert_int_equal(event(sys, OM_EV_PGACTIVATE), 1);
	om_page_touch(sys, page);
	om_page_touch(sys, page); /* it is young: nothing to do */
	assert_int_equal(event(sys, OM_EV_PGACTIVATE), 1);
	unmap(sys, page);
	unit_system_free(sys);
}

/* ---- locked pages (I12) ------------------------------------------------------------------- */

static void test_mlock(void **state)
{
	struct om_system *sys = unit_system(4);
	struct om_page *page = new_page(sys, 0);

	(void)state;
	with_lock(sys, page, om_page_mlock);
	with_lock(sys, page, om_page_mlock);
	assert_true(om_page_test(page, OM_PG_UNEVICTABLE));
	assert_int_equal(page->mlocked, 2);
	assert_int_equal(page->mapcount, 1);
	assert_int_equal(atomic_load(&sys->nr_unevictable), 1);
	with_lock(sys, page, om_page_munlock);
	assert_true(om_page_test(page, OM_PG_UNEVICTABLE));
	with_lock(sys, page, om_page_munlock);
	assert_false(om_page_test(page, OM_PG_UNEVICTABLE));
	assert_int_equal(atomic_load(&sys->nr_unevictable), 0);
	expect_bug("I12", with_lock(sys, page, om_page_munlock));
	atomic_store(&page->lock.state, 0);
	unmap(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* More entries than can be counted: it stays, until it is mapped nowhere. */
static void test_mlock_full(void **state)
{
	struct om_system *sys = unit_system(4);
	struct om_page *page = new_page(sys, 0);

	(void)state;
	for (unsigned i = 0; i < OM_MLOCKED_MAX + 5; i++)
		with_lock(sys, page, om_page_mlock);
	assert_int_equal(page->mlocked, OM_MLOCKED_MAX);
	assert_int_equal(page->mapcount, 1);
	for (unsigned i = 0; i < OM_MLOCKED_MAX + 5; i++)
		with_lock(sys, page, om_page_munlock);
	assert_true(om_page_test(page, OM_PG_UNEVICTABLE));
	unmap(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void test_mlock_rules(void **state)
{
	struct om_system *sys = unit_system(4);
	struct om_page *page = new_page(sys, 0);

	(void)state;
	if (!OM_DEBUG)
		skip();
	expect_bug("frame lock", om_page_mlock(sys, page));
	expect_bug("I12", with_lock(sys, page, om_page_munlock_all)); /* it is mapped */
	atomic_store(&page->lock.state, 0);
	unmap(sys, page);
	unit_system_free(sys);
}

/* ---- dying in a batch ---------------------------------------------------------------------- */

static bool die(struct om_system *sys, struct om_page *page, struct om_frame_chain *chain)
{
	bool dead;

	om_frame_lock(sys, page);
	dead = om_page_die(sys, page, om_page_flags(page), chain);
	om_frame_unlock(sys, page);
	return dead;
}

static void test_die(void **state)
{
	const unsigned plain = OM_PG_ANON | OM_PG_DIRECT | OM_PG_SWAPBACKED | OM_PG_DIRTY;
	struct om_system *sys = unit_system(4);
	struct om_page *page[3], *held = new_page(sys, plain);
	struct om_frame_chain chain;

	(void)state;
	om_frame_chain_init(&chain);
	held->holds = OM_ONE_REF;
	assert_false(die(sys, held, &chain));
	held->holds = 0;
	om_page_set(held, OM_PG_SWAPCACHE);
	assert_false(die(sys, held, &chain));
	om_page_clear(held, OM_PG_SWAPCACHE);
	with_lock(sys, held, om_page_mlock);
	assert_false(die(sys, held, &chain));
	with_lock(sys, held, om_page_munlock);
	om_page_clear(held, OM_PG_ANON);
	assert_false(die(sys, held, &chain)); /* a file's */
	assert_int_equal(chain.n, 0);
	unmap(sys, held);

	for (unsigned i = 0; i < 3; i++) {
		page[i] = new_page(sys, plain);
		om_page_set_age(page[i], i);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(die(sys, page[i], &chain));
	assert_int_equal(chain.n, 3);
	om_frame_free_chain(sys, &chain);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* ---- the hand ----------------------------------------------------------------------------- */

/* Files' pages in no file: a walk finds no entry, as mapcount is 0. */
static struct om_page *cached_page(struct om_system *sys, unsigned flags, unsigned at_age)
{
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, flags | OM_PG_UPTODATE);

	om_page_set_age(page, at_age);
	return page;
}

static void drop(struct om_system *sys, struct om_victims *v)
{
	for (unsigned i = 0; i < v->n; i++)
		om_page_unlock_put(sys, om_page_of(sys, v->page[i]));
	v->n = 0;
}

static unsigned scan(struct om_system *sys, enum om_scan how, size_t budget)
{
	struct om_round round = {.how = how, .left = budget};
	struct om_victims v = {.n = 0};
	unsigned n;

	om_region_wake(sys, sys->page); /* there is one region */
	om_scan(sys, &round, OM_RECLAIM_BATCH, &v);
	n = v.n;
	drop(sys, &v);
	return n;
}

/* Each round makes a page older; at the limit it leaves. */
static void test_grow_old(void **state)
{
	struct om_system *sys = unit_system(40);
	struct om_page *page = cached_page(sys, 0, 0);

	(void)state;
	atomic_store(&sys->ages.limit[OM_AGE_FILE], 3);
	assert_int_equal(scan(sys, OM_SCAN_OLD, sys->nr_frames), 0);
	assert_int_equal(age(page), 1);
	assert_int_equal(event(sys, OM_EV_PGDEACTIVATE), 1);
	assert_int_equal(scan(sys, OM_SCAN_OLD, sys->nr_frames), 0);
	assert_int_equal(age(page), 2);
	assert_int_equal(scan(sys, OM_SCAN_OLD, sys->nr_frames), 1);
	om_page_put(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* A round says how long the others have; the next one takes them earlier, and makes nothing older. */
static void test_leave_early(void **state)
{
	struct om_system *sys = unit_system(40);
	struct om_page *page[3];
	struct om_round round = {.left = sys->nr_frames};
	struct om_victims v = {.n = 0};

	(void)state;
	atomic_store(&sys->ages.limit[OM_AGE_FILE], 8);
	for (unsigned i = 0; i < 3; i++)
		page[i] = cached_page(sys, 0, 2 * i);
	om_scan(sys, &round, OM_RECLAIM_BATCH, &v);
	assert_int_equal(v.n, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(age(page[i]), 2 * i + 1);
		assert_int_equal(round.stay[8 - (2 * i + 1)], 1);
	}
	round = (struct om_round){.how = OM_SCAN_NEXT, .left = sys->nr_frames, .early = 3};
	om_scan(sys, &round, OM_RECLAIM_BATCH, &v);
	assert_int_equal(v.n, 1);
	assert_int_equal(v.page[0], om_page_pfn(sys, page[2]));
	assert_int_equal(age(page[1]), 3);
	drop(sys, &v);
	for (unsigned i = 0; i < 3; i++)
		om_page_put(sys, page[i]);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* Each for a reason of its own. */
static void test_passed_by(void **state)
{
	struct om_system *sys = unit_system(40);
	struct om_page *page = cached_page(sys, 0, OM_AGE_MAX), *empty;

	(void)state;
	om_page_lock(sys, page);
	assert_int_equal(scan(sys, OM_SCAN_ALL, sys->nr_frames), 0);
	om_page_unlock(sys, page);
	page->holds += OM_ONE_PIN;
	assert_int_equal(scan(sys, OM_SCAN_ALL, sys->nr_frames), 0);
	page->holds -= OM_ONE_PIN;
	with_lock(sys, page, om_page_mlock);
	assert_int_equal(scan(sys, OM_SCAN_ALL, sys->nr_frames), 0);
	with_lock(sys, page, om_page_munlock);
	om_page_set(page, OM_PG_SWAPBACKED); /* there is no swap */
	assert_int_equal(scan(sys, OM_SCAN_ALL, sys->nr_frames), 0);
	om_page_clear(page, OM_PG_SWAPBACKED);
	empty = om_frame_get(sys, OM_KIND_DATA, 0);
	assert_int_equal(scan(sys, OM_SCAN_ALL, sys->nr_frames), 1);
	om_page_put(sys, empty);
	om_page_put(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* Three at a time, and none twice before the hand has been round. */
static void test_hand(void **state)
{
	enum { N = 30 };
	struct om_system *sys = unit_system(40);
	struct om_page *page[N];
	struct om_round round = {.left = sys->nr_frames};

	(void)state;
	for (unsigned i = 0; i < N; i++)
		page[i] = cached_page(sys, 0, OM_AGE_MAX);
	for (unsigned i = 0; i < N / 3; i++) {
		struct om_victims v = {.n = 0};

		om_scan(sys, &round, 3, &v);
		assert_int_equal(v.n, 3);
		for (unsigned k = 0; k < 3; k++) {
			struct om_page *old = om_page_of(sys, v.page[k]);

			assert_int_not_equal(age(old), 0);
			om_page_set_age(old, 0);
		}
		drop(sys, &v);
	}
	assert_in_range(round.left, 0, sys->nr_frames - N);
	for (unsigned i = 0; i < N; i++)
		om_page_put(sys, page[i]);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* What is missed more of all that went is kept longer. */
static void test_balance(void **state)
{
	struct om_system *sys = unit_system(64);
	unsigned first = om_age_limit(sys, OM_AGE_ANON);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		for (unsigned k = 0; k < 4; k++)
			om_age_note_refault(sys, OM_AGE_ANON);
		om_balance(sys, 20, (const unsigned[]){[OM_AGE_ANON] = 4, [OM_AGE_FILE] = 4});
	}
	assert_true(om_age_limit(sys, OM_AGE_ANON) > first);
	assert_int_equal(om_age_limit(sys, OM_AGE_FILE), 1);
	for (unsigned i = 0; i < 40; i++) {
		for (unsigned k = 0; k < 4; k++)
			om_age_note_refault(sys, OM_AGE_FILE);
		om_balance(sys, 20, (const unsigned[]){[OM_AGE_ANON] = 4, [OM_AGE_FILE] = 4});
	}
	assert_true(om_age_limit(sys, OM_AGE_FILE) > 1);
	assert_int_equal(om_age_limit(sys, OM_AGE_ANON), 1);
	/* Where nothing is missed, the effort decides: many looks for a victim, and none is kept long. */
	for (unsigned i = 0; i < 40; i++)
		om_balance(sys, 1000, (const unsigned[]){4, 4});
	assert_int_equal(om_age_limit(sys, OM_AGE_FILE), 1);
	for (unsigned i = 0; i < 40; i++)
		om_balance(sys, 8, (const unsigned[]){4, 4});
	assert_int_equal(om_age_limit(sys, OM_AGE_FILE), OM_AGE_MAX);
	unit_system_free(sys);
}

/* ---- threads ------------------------------------------------------------------------------ */

struct shared {
	struct om_system *sys;
	struct om_page *page[64];
	_Atomic unsigned victims;
};

/* Each page is somebody's while it is locked: nobody else gets it. */
static void scan_and_touch(void *arg, unsigned i)
{
	struct shared *s = arg;
	uint64_t seed = i;

	for (unsigned step = 0; step < 2000; step++) {
		struct om_victims v = {.n = 0};
		struct om_round round = {.left = 40};

		om_scan(s->sys, &round, 4, &v);
		for (unsigned k = 0; k < v.n; k++) {
			struct om_page *page = om_page_of(s->sys, v.page[k]);

			unit_check(om_page_test(page, OM_PG_LOCKED));
			om_page_set_age(page, 0);
		}
		atomic_fetch_add(&s->victims, v.n);
		drop(s->sys, &v);
		om_page_touch(s->sys, s->page[unit_rand(&seed) % 64]);
	}
}

static void test_threads(void **state)
{
	struct shared s = {.sys = unit_system(80)};

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		s.page[i] = cached_page(s.sys, 0, 0);
	unit_threads(4, scan_and_touch, &s);
	assert_true(atomic_load(&s.victims) > 0);
	for (unsigned i = 0; i < 64; i++)
		om_page_put(s.sys, s.page[i]);
	unit_assert_all_free(s.sys);
	unit_system_free(s.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_age),         cmocka_unit_test(test_touch),
	    cmocka_unit_test(test_mlock),       cmocka_unit_test(test_mlock_full),
	    cmocka_unit_test(test_mlock_rules), cmocka_unit_test(test_die),
	    cmocka_unit_test(test_grow_old),    cmocka_unit_test(test_leave_early),
	    cmocka_unit_test(test_passed_by),   cmocka_unit_test(test_hand),
	    cmocka_unit_test(test_balance),     cmocka_unit_test(test_threads),
	};

	return unit_run(tests);
}
