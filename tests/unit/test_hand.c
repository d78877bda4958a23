/*
 * test_hand.c: where reclaim looks: regions that the hand passes by, for how long, and what makes
 * it look there all the same.
 */
#include "unit.h"

#include "page/age.h"
#include "page/put.h"
#include "reclaim/scan.h"

enum { LIMIT = 8 };

struct machine {
	struct om_system *sys;
	struct om_round round; /* the last one */
};

/* Pages of files, in no file: a walk finds no entry, so nobody uses them but by om_page_touch(). */
static struct om_page *new_page(struct machine *m, unsigned region, unsigned age)
{
	om_pfn_t pfn = region * OM_REGION + 20;
	struct om_page *page;

	do { /* the frames before it are the embedder's */
		page = om_frame_get(m->sys, OM_KIND_USER, 0);
		assert_non_null(page);
	} while (om_page_pfn(m->sys, page) != pfn);
	page->kind = OM_KIND_DATA;
	om_page_set(page, OM_PG_UPTODATE | OM_PG_REFERENCED);
	om_page_set_age(page, age);
	return page;
}

/* Frames are freed backwards, so that they will be taken in their order. */
static void put_in_order(struct om_system *sys)
{
	while (om_frame_get(sys, OM_KIND_USER, 0))
		;
	for (om_pfn_t pfn = sys->nr_frames - 1; pfn > 0; pfn--)
		om_frame_release(sys, om_page_of(sys, pfn));
}

/* A machine of so many regions, without a page. */
static struct machine start(unsigned regions)
{
	struct machine m = {.sys = unit_system(regions * OM_REGION - 1)};

	for (unsigned k = 0; k < OM_NR_AGE_KINDS; k++)
		atomic_store(&m.sys->ages.limit[k], LIMIT);
	put_in_order(m.sys);
	return m;
}

static void finish(struct machine *m)
{
	unit_system_free(m->sys);
}

static unsigned age(const struct om_page *page)
{
	return om_age_of(om_page_flags(page));
}

static void use(struct machine *m, struct om_page *page)
{
	om_page_touch(m->sys, page);
	om_page_touch(m->sys, page);
}

/* The hand goes round; victims stay where they are. Returns how many there were. */
static unsigned go_round(struct machine *m, enum om_scan how, unsigned early)
{
	struct om_victims v = {.n = 0};

	m->round = (struct om_round){.how = how, .left = m->sys->nr_frames, .early = early};
	om_scan(m->sys, &m->round, OM_RECLAIM_BATCH, &v);
	for (unsigned i = 0; i < v.n; i++)
		om_page_unlock_put(m->sys, om_page_of(m->sys, v.page[i]));
	return v.n;
}

/* OLD, with what it must have looked at. */
static void old_round(struct machine *m, size_t looked)
{
	go_round(m, OM_SCAN_OLD, 0);
	assert_int_equal(m->round.looked, looked);
	assert_int_equal(m->round.left, 0);
}

/* Until a page may leave nobody looks there; the look then makes up for the rounds. */
static void test_pass_by(void **state)
{
	struct machine m = start(2);
	struct om_page *near = new_page(&m, 0, 5), *far = new_page(&m, 1, 1);

	(void)state;
	old_round(&m, 2 * OM_REGION); /* ages 6, 2: they may leave in 2 rounds, and in 6 */
	old_round(&m, 0);
	assert_int_equal(age(near), 6);
	assert_int_equal(go_round(&m, OM_SCAN_OLD, 0), 1);
	assert_int_equal(m.round.looked, OM_REGION);
	assert_int_equal(age(near), 8);
	assert_int_equal(age(far), 2);
	use(&m, near);
	for (unsigned i = 0; i < 3; i++)
		go_round(&m, OM_SCAN_OLD, 0);
	assert_int_equal(age(far), 2);
	assert_int_equal(go_round(&m, OM_SCAN_OLD, 0), 1);
	assert_int_equal(age(far), 8);
	finish(&m);
}

/* Too few were found: those that were passed by in this round are looked at, the others are not. */
static void test_rest(void **state)
{
	struct machine m = start(3);
	struct om_page *page[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		page[i] = new_page(&m, i, 1);
	old_round(&m, 3 * OM_REGION);
	go_round(&m, OM_SCAN_REST, OM_AGE_MAX);
	assert_int_equal(m.round.looked, 0);
	om_page_set_unused(m.sys, page[1]);
	old_round(&m, OM_REGION);
	assert_int_equal(age(page[1]), LIMIT);
	go_round(&m, OM_SCAN_REST, 4);
	assert_int_equal(m.round.looked, 0);
	go_round(&m, OM_SCAN_REST, 5);
	assert_int_equal(m.round.looked, 2 * OM_REGION);
	assert_int_equal(m.round.stay[LIMIT - 3], 2);
	for (unsigned i = 0; i < 3; i += 2)
		assert_int_equal(age(page[i]), 3);
	go_round(&m, OM_SCAN_REST, OM_AGE_MAX);
	assert_int_equal(m.round.looked, 0);
	finish(&m);
}

/* The next ones are where something has so little time left. */
static void test_next(void **state)
{
	struct machine m = start(2);
	struct om_page *near = new_page(&m, 0, 4), *far = new_page(&m, 1, 1);

	(void)state;
	old_round(&m, 2 * OM_REGION);
	assert_int_equal(go_round(&m, OM_SCAN_NEXT, 2), 0);
	assert_int_equal(m.round.looked, 0);
	assert_int_equal(go_round(&m, OM_SCAN_NEXT, 3), 1);
	assert_int_equal(m.round.looked, OM_REGION);
	assert_int_equal(go_round(&m, OM_SCAN_NEXT, 6), 2);
	assert_int_equal(go_round(&m, OM_SCAN_ALL, 0), 2);
	assert_int_equal(m.round.looked, 2 * OM_REGION);
	assert_int_equal(age(near), 5);
	assert_int_equal(age(far), 2);
	finish(&m);
}

/* Nothing may leave, as far as is known: looked at after twice the time, each time, up to a limit. */
static void test_in_use(void **state)
{
	struct machine m = start(1);
	struct om_page *page = new_page(&m, 0, 0);
	static const unsigned after[] = {1, 2, 4, 8, OM_AGE_MAX, OM_AGE_MAX};

	(void)state;
	for (unsigned k = 0; k < OM_NR_AGE_KINDS; k++)
		atomic_store(&m.sys->ages.limit[k], 1);
	for (unsigned i = 0; i < sizeof(after) / sizeof(*after); i++) {
		om_page_set(page, OM_PG_UNEVICTABLE);
		for (unsigned k = 1; k < after[i]; k++)
			old_round(&m, 0);
		old_round(&m, OM_REGION);
	}
	om_page_clear(page, OM_PG_UNEVICTABLE);
	finish(&m);
}

/* Who makes a page older without a look sees to it that there is one; who makes it young does not. */
static void test_wake(void **state)
{
	struct machine m = start(2);
	struct om_page *page = new_page(&m, 0, 0), *other = new_page(&m, 1, 0);

	(void)state;
	old_round(&m, 2 * OM_REGION);
	om_page_set_age(page, 0);
	old_round(&m, 0);
	om_page_set_old(m.sys, page);
	assert_int_equal(go_round(&m, OM_SCAN_OLD, 0), 1);
	assert_int_equal(m.round.looked, OM_REGION);
	om_page_set_unproven(m.sys, other);
	om_page_set_age(page, 0);
	old_round(&m, OM_REGION);
	finish(&m);
}

/* A page that is locked, or whose frame nobody came to, does not make the hand stay away. */
static void test_not_looked_at(void **state)
{
	struct machine m = start(1);
	struct om_page *page = new_page(&m, 0, 7);
	struct om_victims v = {.n = 0};
	struct om_claim claim;

	(void)state;
	om_page_lock(m.sys, page);
	old_round(&m, OM_REGION);
	om_page_unlock(m.sys, page);
	om_page_set_age(page, 0); /* its own time is longer now */
	old_round(&m, OM_REGION);
	old_round(&m, 0);

	om_region_wake(m.sys, page);
	m.round = (struct om_round){.how = OM_SCAN_OLD, .left = 32};
	assert_true(om_hand_claim(m.sys, &m.round, &claim));
	om_scan(m.sys, &m.round, 1, &v); /* somebody else goes on, so ours cannot go back */
	om_hand_done(m.sys, &claim, claim.first + 1, &(struct om_findings){.nearest = 0});
	assert_int_equal(atomic_load(&m.sys->region[0].nearest), 1);
	finish(&m);
}

/* What a region that is passed by had is counted as in the round before. */
static void test_unused(void **state)
{
	struct machine m = start(2);

	(void)state;
	new_page(&m, 0, 0);
	new_page(&m, 1, 0);
	for (unsigned i = 0; i < 3; i++) {
		go_round(&m, OM_SCAN_OLD, 0);
		assert_int_equal(atomic_load(&m.sys->ages.unused[1][OM_AGE_FILE]), 2);
	}
	finish(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pass_by), cmocka_unit_test(test_rest),
	    cmocka_unit_test(test_next),    cmocka_unit_test(test_in_use),
	    cmocka_unit_test(test_wake),    cmocka_unit_test(test_not_looked_at),
	    cmocka_unit_test(test_unused),
	};

	return unit_run(tests);
}
