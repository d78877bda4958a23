/*
 * test_frame.c: allocating and freeing frames, the watermark, kinds and events, references, lists
 * of frames, and the frame lock of frames that change hands.
 */
#include "page/put.h"
#include "unit.h"

#include "page/frame.h"
#include "page/put.h"

static uint64_t event(struct om_system *sys, enum om_event ev)
{
	struct om_sysinfo info;

	om_sysinfo(sys, &info);
	return info.event[ev];
}

static om_pfn_t nr_kind(struct om_system *sys, unsigned kind)
{
	return om_frames_of_kind(sys, kind);
}

static om_pfn_t nr_free(struct om_system *sys)
{
	return atomic_load(&sys->free.n);
}

static void test_get_and_put(void **state)
{
	struct om_system *sys = unit_system(4);
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, OM_PG_SWAPBACKED | OM_PG_LOCKED);

	(void)state;
	assert_int_equal(page->kind, OM_KIND_DATA);
	assert_int_equal(om_page_flags(page), OM_PG_SWAPBACKED | OM_PG_LOCKED);
	assert_int_equal(om_page_refs(page), 1);
	assert_int_equal(page->mapcount | om_page_pins(page), 0);
	assert_null(page->object);
	assert_int_equal(nr_free(sys), 3);
	assert_int_equal(nr_kind(sys, OM_KIND_DATA), 1);
	om_page_clear(page, OM_PG_LOCKED);

	/* Whatever a page was, the next owner sees none of it. */
	page->index = 77;
	page->slot = 5;
	page->object = sys;
	om_page_set(page, OM_PG_DIRTY | OM_PG_UPTODATE | OM_PG_ANON | OM_PG_DIRECT);
	om_page_put(sys, page);
	unit_assert_all_free(sys);
	assert_ptr_equal(om_frame_get(sys, OM_KIND_INDEX, 0), page);
	assert_int_equal(om_page_flags(page) | page->mapcount | om_page_pins(page), 0);
	assert_null(page->object);
	om_frame_release(sys, page);
	unit_assert_all_free(sys);
	assert_int_equal(event(sys, OM_EV_PGALLOC), 2);
	assert_int_equal(event(sys, OM_EV_PGFREE), 2);
	unit_system_free(sys);
}

static void test_zeroed(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_page *page = om_frame_get_zeroed(sys, OM_KIND_TABLE + 1, 0);
	const char *bytes = om_page_ptr(sys, page);

	(void)state;
	for (size_t i = 0; i < OM_PAGE_SIZE; i++)
		assert_int_equal(bytes[i], 0);
	assert_null(om_frame_get_zeroed(sys, OM_KIND_TABLE + 1, 0));
	om_frame_release(sys, page);
	unit_system_free(sys);
}

/* All levels of tables are one figure; every other kind has its own. */
static void test_kinds(void **state)
{
	static const unsigned kinds[] = {OM_KIND_DATA, OM_KIND_OBJECT,    OM_KIND_INDEX,
	                                 OM_KIND_USER, OM_KIND_TABLE + 1, OM_KIND_TABLE + 4};
	enum { N = sizeof(kinds) / sizeof(kinds[0]) };
	struct om_system *sys = unit_system(N);
	struct om_page *page[N];

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		page[i] = om_frame_get(sys, kinds[i], 0);
		assert_int_equal(page[i]->kind, kinds[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(nr_kind(sys, kinds[i]), 1);
	assert_int_equal(nr_kind(sys, OM_KIND_TABLE), 2);
	assert_null(om_frame_get(sys, OM_KIND_TABLE + 1, 0));
	for (unsigned i = 0; i < N; i++)
		om_frame_release(sys, page[i]);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* The last mark_min frames are not for data. */
static void test_watermark(void **state)
{
	struct om_system *sys = unit_system(5);
	struct om_page *page[5];

	(void)state;
	unit_set_reserve(sys, 2);
	atomic_store(&sys->free.low, 4);
	assert_false(om_frames_low(om_shard(sys)));
	for (unsigned i = 0; i < 3; i++)
		page[i] = om_frame_get(sys, OM_KIND_DATA, 0);
	assert_true(om_frames_low(om_shard(sys)));
	assert_null(om_frame_get(sys, OM_KIND_DATA, 0));
	page[3] = om_frame_get(sys, OM_KIND_INDEX, 0);
	page[4] = om_frame_get(sys, OM_KIND_USER, 0);
	assert_non_null(page[3]);
	assert_non_null(page[4]);
	assert_null(om_frame_get(sys, OM_KIND_OBJECT, 0));
	assert_int_equal(nr_free(sys), 0);
	for (unsigned i = 0; i < 5; i++)
		om_frame_release(sys, page[i]);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* What holds a page, holds it; the last to go frees it. */
static void test_lifetime(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, 0);

	(void)state;
	om_page_ref(sys, page);
	assert_int_equal(om_page_refs(page), 2);
	om_page_put(sys, page);
	om_frame_lock(sys, page);
	page->mapcount = 1;
	om_frame_unlock(sys, page);
	om_page_put(sys, page);
	assert_int_equal(nr_free(sys), 0);
	om_frame_lock(sys, page);
	page->mapcount = 0;
	page->holds += OM_ONE_PIN;
	assert_false(om_page_unlock_or_free(sys, page));
	om_frame_lock(sys, page);
	page->holds -= OM_ONE_PIN;
	om_page_ref_locked(sys, page);
	assert_false(om_page_unlock_or_free(sys, page));
	om_frame_lock(sys, page);
	page->holds = 0;
	assert_true(om_page_unlock_or_free(sys, page));
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* A page that ever had too many references to count keeps them: it is never freed. */
static void test_many_references(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, 0);

	(void)state;
	for (unsigned i = 0; i < OM_REFS_MAX + 5; i++)
		om_page_ref(sys, page);
	for (unsigned i = 0; i < OM_REFS_MAX + 6; i++)
		om_page_put(sys, page);
	assert_int_equal(om_page_refs(page), OM_REFS_MAX);
	assert_int_equal(om_page_pins(page), 0);
	assert_int_equal(page->kind, OM_KIND_DATA);
	for (page->holds = OM_ONE_REF; om_page_refs(page) < OM_REFS_MAX;)
		om_page_ref(sys, page);
	page->holds -= OM_ONE_REF;
	for (unsigned i = 0; i < OM_REFS_MAX - 1; i++)
		om_page_put(sys, page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void unlock_stuck(struct om_page *page)
{
	atomic_store(&page->lock.state, 0);
}

static void test_misuse(void **state)
{
	struct om_system *sys = unit_system(2);
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, 0);

	(void)state;
	page->mapcount = 1;
	expect_bug("I7", om_frame_release(sys, page));
	unlock_stuck(page);
	page->mapcount = 0;
	page->holds = 2 * OM_ONE_REF;
	expect_bug("I7", om_frame_release(sys, page));
	unlock_stuck(page);
	page->holds = 0;
	expect_bug("refs underflow", om_page_put(sys, page));
	unlock_stuck(page);
	page->holds = OM_ONE_REF;
	om_page_set(page, OM_PG_SWAPCACHE);
	expect_bug("I7", om_page_put(sys, page));
	unlock_stuck(page);
	page->holds = OM_ONE_REF;
	om_page_clear(page, OM_PG_SWAPCACHE);
	om_page_set(page, OM_PG_UNEVICTABLE);
	expect_bug("I7", om_frame_release(sys, page));
	unlock_stuck(page);
	om_page_clear(page, OM_PG_UNEVICTABLE);
	om_page_put(sys, page);
	expect_bug("I7", om_frame_release(sys, page));
	unlock_stuck(page);
	expect_bug("I7", om_frames_donate(sys, om_page_pfn(sys, page), 1));
	unlock_stuck(page);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* Rules that only debug builds look after. */
static void test_assertions(void **state)
{
	struct om_system *sys = unit_system(2);
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, OM_PG_LOCKED);

	(void)state;
	if (!OM_DEBUG)
		skip();
	expect_bug("I7", om_page_put(sys, page));
	unlock_stuck(page);
	om_page_clear(page, OM_PG_LOCKED);
	page->holds = 0;
	expect_bug("frame lock", om_page_unlock_or_free(sys, page));
	expect_bug("frame lock", om_frame_release_dead(sys, page));
	expect_bug("frame lock", om_page_ref_locked(sys, page));
	unit_system_free(sys);
}

/* ---- lists -------------------------------------------------------------------------------- */

static void check_list(struct om_system *sys, const struct om_pfn_list *list, const om_pfn_t *want,
                       om_pfn_t n)
{
	om_pfn_t pfn = list->head, prev = OM_NO_PFN;

	assert_int_equal(list->count, n);
	for (om_pfn_t i = 0; i < n; i++) {
		assert_int_equal(pfn, want[i]);
		assert_int_equal(om_page_of(sys, pfn)->link.prev, prev);
		prev = pfn;
		pfn = om_page_of(sys, pfn)->link.next;
	}
	assert_int_equal(pfn, OM_NO_PFN);
	assert_int_equal(list->tail, prev);
}

#define CHECK_LIST(...)                                                                            \
	check_list(sys, &list, (const om_pfn_t[]){__VA_ARGS__},                                    \
	           sizeof((const om_pfn_t[]){__VA_ARGS__}) / sizeof(om_pfn_t))

static void test_lists(void **state)
{
	struct om_system *sys = unit_system(5);
	struct om_pfn_list list;

	(void)state;
	om_pfn_list_init(&list);
	check_list(sys, &list, NULL, 0);
	om_pfn_list_push(sys, &list, om_page_of(sys, 3));
	CHECK_LIST(3);
	om_pfn_list_push(sys, &list, om_page_of(sys, 2));
	om_pfn_list_push_tail(sys, &list, om_page_of(sys, 4));
	om_pfn_list_push_tail(sys, &list, om_page_of(sys, 5));
	/* Frame 0 is a frame like any other. */
	om_pfn_list_push(sys, &list, om_page_of(sys, 0));
	CHECK_LIST(0, 2, 3, 4, 5);
	om_pfn_list_del(sys, &list, om_page_of(sys, 3));
	CHECK_LIST(0, 2, 4, 5);
	om_pfn_list_del(sys, &list, om_page_of(sys, 0));
	om_pfn_list_del(sys, &list, om_page_of(sys, 5));
	CHECK_LIST(2, 4);
	om_pfn_list_del(sys, &list, om_page_of(sys, 4));
	om_pfn_list_del(sys, &list, om_page_of(sys, 2));
	check_list(sys, &list, NULL, 0);
	om_pfn_list_push_tail(sys, &list, om_page_of(sys, 1));
	CHECK_LIST(1);
	unit_system_free(sys);
}

/* ---- threads ------------------------------------------------------------------------------ */

enum { FRAMES = 24, THREADS = 3, ROUNDS = 100000 };

struct stress {
	struct om_system *sys;
	atomic_uint owner[FRAMES + 1]; /* no frame has two */
	atomic_bool stop;
};

static void release(struct stress *s, struct om_page *page, unsigned me)
{
	unit_check(atomic_exchange(&s->owner[om_page_pfn(s->sys, page)], 0) == me);
	if (page->kind == OM_KIND_DATA)
		om_page_put(s->sys, page);
	else
		om_frame_release(s->sys, page);
}

static void stress_thread(void *arg, unsigned i)
{
	struct stress *s = arg;
	struct om_page *mine[FRAMES] = {0};
	uint64_t rand = i;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct om_page **p = &mine[unit_rand(&rand) % FRAMES];

		if (*p) {
			release(s, *p, i + 1);
			*p = NULL;
			continue;
		}
		*p = om_frame_get(s->sys, unit_rand(&rand) % 2 ? OM_KIND_DATA : OM_KIND_INDEX, 0);
		if (*p)
			unit_check(!atomic_exchange(&s->owner[om_page_pfn(s->sys, *p)], i + 1));
	}
	for (unsigned k = 0; k < FRAMES; k++)
		if (mine[k])
			release(s, mine[k], i + 1);
}

/* A walker with stale frame numbers: locks any frame and believes only what it then sees. */
static void stale_thread(void *arg, unsigned i)
{
	struct stress *s = arg;
	uint64_t rand = i;

	while (!atomic_load(&s->stop)) {
		struct om_page *page = om_page_of(s->sys, 1 + unit_rand(&rand) % FRAMES);

		om_frame_lock(s->sys, page);
		unit_check(page->kind == OM_KIND_FREE || page->kind == OM_KIND_DATA ||
		           page->kind == OM_KIND_INDEX);
		unit_check(om_page_refs(page) == (page->kind == OM_KIND_FREE ? 0 : 1));
		unit_check(page->mapcount == 0 && !page->object && om_page_flags(page) == 0);
		om_frame_unlock(s->sys, page);
	}
}

static void test_threads(void **state)
{
	struct stress s = {.sys = unit_system(FRAMES)};
	struct unit_thread *stale = unit_thread_start(stale_thread, &s, 9);

	(void)state;
	unit_set_reserve(s.sys, 3);
	unit_threads(THREADS, stress_thread, &s);
	atomic_store(&s.stop, true);
	unit_thread_join(stale);
	unit_assert_all_free(s.sys);
	assert_int_equal(event(s.sys, OM_EV_PGALLOC), event(s.sys, OM_EV_PGFREE));
	unit_system_free(s.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_get_and_put), cmocka_unit_test(test_zeroed),
	    cmocka_unit_test(test_kinds),       cmocka_unit_test(test_watermark),
	    cmocka_unit_test(test_lifetime),    cmocka_unit_test(test_many_references),
	    cmocka_unit_test(test_misuse),      cmocka_unit_test(test_assertions),
	    cmocka_unit_test(test_lists),       cmocka_unit_test(test_threads),
	};

	return unit_run(tests);
}
