/*
 * test_swapcache.c: pages in slots: reading, read-ahead, errors, writing, giving up what nobody
 * wants, and many threads on a few slots with a small reclaim beside them.
 */
#include "page/put.h"
#include "store/swapahead.h"
#include "cache.h"

#include <string.h>

#define SLOTS 62 /* the last window of read-ahead is cut off */

static struct ram ram;

static struct om_system *start(om_pfn_t frames, unsigned cluster)
{
	struct om_system *sys = unit_system(frames);
	unsigned area;

	ram_init(&ram, SLOTS);
	ram_fill(&ram);
	sys->swap_cluster = cluster;
	assert_int_equal(om_swapdev_add(sys, &ram_ops, &ram, SLOTS, 0, &area), 0);
	assert_int_equal(area, 0);
	return sys;
}

static void finish(struct om_system *sys)
{
	assert_int_equal(om_swapcache_pages(sys), 0);
	om_swapdev_remove(sys, 0);
	unit_assert_all_free(sys);
	unit_system_free(sys);
	ram_destroy(&ram);
}

/* Slots [0, n), each held once, as by a page-table entry. */
static void hold_slots(struct om_system *sys, unsigned n)
{
	uint32_t slot;

	assert_int_equal(om_slot_alloc(sys, n, &slot), n);
	assert_int_equal(slot, 0);
	while (n)
		om_slot_set_pfn(sys, --n, OM_NO_PFN);
}

static void free_slots(struct om_system *sys, uint32_t first, unsigned n)
{
	while (n--)
		om_swap_free_entry(sys, first++);
}

/* Read a slot and check what came. */
static struct om_page *get(struct om_system *sys, uint32_t slot, bool transfer)
{
	struct om_page *page;
	bool read;

	assert_int_equal(om_swap_readpage(sys, slot, &page, &read), 0);
	assert_int_equal(read, transfer);
	assert_int_equal(page->slot, slot);
	assert_true(om_page_test(page, OM_PG_SWAPCACHE));
	assert_true(om_page_test(page, OM_PG_UPTODATE));
	assert_false(om_page_test(page, OM_PG_LOCKED | OM_PG_DIRTY | OM_PG_READAHEAD));
	assert_true(ram_is(om_page_ptr(sys, page), ram_byte(slot)));
	assert_int_equal(om_slot_pfn(sys, slot), om_page_pfn(sys, page));
	return page;
}

static void test_read(void **state)
{
	struct om_system *sys = start(10, 0);
	struct om_page *page, *again;
	bool read;

	(void)state;
	assert_int_equal(om_swap_readpage(sys, 3, &page, &read), -OM_EAGAIN);
	hold_slots(sys, 5);
	page = get(sys, 3, true);
	assert_int_equal(om_page_refs(page), 2);
	assert_int_equal(om_slot_count(sys, 3), 2);
	assert_int_equal(om_swapcache_pages(sys), 1);
	again = get(sys, 3, false);
	assert_ptr_equal(page, again);
	assert_int_equal(om_page_refs(page), 3);
	om_page_put(sys, again);
	om_page_put(sys, page);
	assert_int_equal(om_slot_count(sys, 3), 2); /* the cache keeps it */
	page = om_swapcache_lookup(sys, 3);
	assert_non_null(page);
	om_page_put(sys, page);
	assert_null(om_swapcache_lookup(sys, 2));
	assert_int_equal(cache_event(sys, OM_EV_PSWPIN), 1);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_RA), 0);
	free_slots(sys, 0, 5);
	finish(sys);
}

static void test_no_frame(void **state)
{
	struct om_system *sys = start(3, 2);
	struct om_page *page, *user;
	bool read;

	(void)state;
	hold_slots(sys, 4);
	user = om_frame_get(sys, OM_KIND_USER, 0);
	assert_int_equal(atomic_load(&sys->free.n), 0);
	assert_int_equal(om_swap_readpage(sys, 1, &page, &read), -OM_ENOFRAME);
	om_frame_release(sys, user);
	page = get(sys, 1, true); /* the one frame goes to the wanted page */
	om_page_put(sys, page);
	free_slots(sys, 0, 4);
	finish(sys);
}

/* Read `slot`, and with it those of [first, end) that are worth it; how many pages came beside it. */
static unsigned get_near(struct om_system *sys, uint32_t slot, uint32_t first, uint32_t end)
{
	struct om_swap_near near = om_swap_near(slot);
	uint64_t before = cache_event(sys, OM_EV_SWAP_RA);
	struct om_page *page;
	bool read;

	while (first < end)
		om_swap_near_add(sys, &near, first++);
	assert_int_equal(om_swap_readpages(sys, &near, &page, &read), 0);
	assert_true(read);
	assert_true(ram_is(om_page_ptr(sys, page), ram_byte(slot)));
	assert_false(om_page_test(page, OM_PG_LOCKED | OM_PG_READAHEAD));
	om_page_put(sys, page);
	return (unsigned)(cache_event(sys, OM_EV_SWAP_RA) - before);
}

/* The pages of these slots were read ahead, and are what they should be. */
static void expect_ahead(struct om_system *sys, uint32_t first, uint32_t end)
{
	for (; first < end; first++) {
		struct om_page *page = om_page_of(sys, om_slot_pfn(sys, first));

		assert_true(om_page_test(page, OM_PG_READAHEAD));
		assert_false(om_page_test(page, OM_PG_LOCKED));
		assert_true(ram_is(om_page_ptr(sys, page), ram_byte(first)));
	}
}

/* One transfer, over a slot that is free and one whose page is in memory; both stay as they are. */
static void test_readahead(void **state)
{
	struct om_system *sys = start(40, 3);
	struct om_page *page;
	om_pfn_t free;

	(void)state;
	hold_slots(sys, 16);
	om_slot_put(sys, 5);
	get_near(sys, 2, 2, 2);
	page = om_page_of(sys, om_slot_pfn(sys, 2));
	memset(om_page_ptr(sys, page), 0xee, OM_PAGE_SIZE); /* newer than its slot */
	free = atomic_load(&sys->free.n);
	atomic_store(&ram.reads, 0);
	assert_int_equal(get_near(sys, 4, 0, 8), 5);
	assert_int_equal(atomic_load(&ram.reads), 1);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_READ), 2);
	assert_int_equal(cache_event(sys, OM_EV_PSWPIN), 1 + 6);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_OVER), 2);
	assert_int_equal(om_swapcache_pages(sys), 7);
	assert_int_equal(atomic_load(&sys->free.n), free - 6);
	expect_ahead(sys, 0, 2);
	expect_ahead(sys, 3, 4);
	expect_ahead(sys, 6, 8);
	assert_int_equal(om_slot_pfn(sys, 2), om_page_pfn(sys, page));
	assert_true(ram_is(om_page_ptr(sys, page), 0xee));
	assert_false(om_page_test(page, OM_PG_LOCKED));
	assert_int_equal(om_page_refs(page), 1);
	assert_int_equal(om_slot_count(sys, 5), 0);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_RA_HIT), 0);
	om_page_put(sys, get(sys, 6, false));
	om_page_put(sys, get(sys, 6, false));
	assert_int_equal(cache_event(sys, OM_EV_SWAP_RA_HIT), 1);
	free_slots(sys, 0, 5);
	free_slots(sys, 6, 10);
	finish(sys);
}

/* What lies between, is in use and not in memory, comes as well: it is read anyhow. */
static void test_between(void **state)
{
	struct om_system *sys = start(40, 3);
	struct om_swap_near near = om_swap_near(2);
	struct om_page *page;
	bool read;

	(void)state;
	hold_slots(sys, 16);
	assert_true(om_swap_near_add(sys, &near, 5));
	assert_int_equal(om_swap_readpages(sys, &near, &page, &read), 0);
	om_page_put(sys, page);
	expect_ahead(sys, 3, 6);
	assert_int_equal(om_swapcache_pages(sys), 4);
	free_slots(sys, 0, 16);
	finish(sys);
}

/* Not over too much, nor over a page or a slot that is in somebody's hands. */
static void test_gaps(void **state)
{
	struct om_system *sys = start(80, 5);
	struct om_page *page;

	(void)state;
	hold_slots(sys, 60);
	for (uint32_t i = 10; i < 19; i++)
		om_slot_put(sys, i);
	assert_int_equal(get_near(sys, 9, 19, 25), 0); /* nine are too many */
	for (uint32_t i = 30; i < 34; i++)
		om_slot_put(sys, i);
	assert_true(om_slot_reserve(sys, 31));
	assert_int_equal(get_near(sys, 29, 34, 38), 0); /* it is about to be written */
	om_slot_put(sys, 31);
	assert_int_equal(get_near(sys, 34, 28, 29), 1); /* over 29, and what is free again */
	page = om_swapcache_lookup(sys, 34);
	assert_true(om_page_trylock(sys, page));
	assert_int_equal(get_near(sys, 35, 26, 38), 2); /* 36 and 37 */
	om_page_unlock(sys, page);
	om_page_put(sys, page);
	assert_false(om_slot_reserve(sys, 34));
	assert_true(om_swap_has_room(sys));
	free_slots(sys, 0, 10);
	free_slots(sys, 19, 11);
	free_slots(sys, 34, 26);
	finish(sys);
}

/* A frame is needed to read over a slot, beside those of the pages. */
static void test_no_scratch(void **state)
{
	for (om_pfn_t frames = 4; frames <= 5; frames++) {
		struct om_system *sys = start(frames, 2);

		(void)state;
		hold_slots(sys, 3);
		om_slot_put(sys, 1);
		assert_int_equal(get_near(sys, 0, 0, 3), frames - 4);
		assert_int_equal(atomic_load(&sys->free.n), 1);
		free_slots(sys, 0, 1);
		free_slots(sys, 2, 1);
		finish(sys);
	}
}

/* Of slots on both sides that one transfer cannot have all, those that are more. */
static void test_best_run(void **state)
{
	struct om_system *sys = start(80, 5);

	(void)state;
	hold_slots(sys, SLOTS);
	for (uint32_t i = 5; i < 25; i++)
		if (i % 5)
			om_slot_put(sys, i);
	assert_int_equal(get_near(sys, 30, 0, SLOTS), OM_SWAP_RUN - 1);
	expect_ahead(sys, 31, SLOTS);
	assert_int_equal(atomic_load(&ram.reads), 1);
	free_slots(sys, 0, 5);
	for (uint32_t i = 5; i < 25; i += 5)
		free_slots(sys, i, 1);
	free_slots(sys, 25, SLOTS - 25);
	finish(sys);
}

/* What cannot be read ahead is not added. */
static void test_near(void **state)
{
	struct om_system *sys = start(40, 0);
	struct om_swap_near near = om_swap_near(33);

	(void)state;
	hold_slots(sys, SLOTS);
	om_page_put(sys, get(sys, 40, true));
	om_slot_put(sys, 41);
	assert_false(om_swap_near_add(sys, &near, 33));
	assert_false(om_swap_near_add(sys, &near, 40)); /* in memory */
	assert_false(om_swap_near_add(sys, &near, 41)); /* free */
	assert_false(om_swap_near_add(sys, &near, 1));  /* too far */
	assert_false(om_swap_near_add(sys, &near, SLOTS));
	assert_false(om_swap_near_add(sys, &near, 33 + (1u << OM_SWAP_DEVICE_SHIFT)));
	assert_false(om_swap_near_add(sys, &near, UINT32_MAX));
	assert_int_equal(om_swap_near_count(&near), 0);
	assert_true(om_swap_near_add(sys, &near, 2));
	assert_true(om_swap_near_add(sys, &near, SLOTS - 1));
	assert_int_equal(om_swap_near_count(&near), 2);
	assert_int_equal(om_swap_near_add_block(sys, &near, 16), 13); /* 32 to 47 */
	assert_int_equal(om_swap_near_add_block(sys, &near, 16), 0);
	assert_int_equal(om_swap_near_count(&near), 15);
	free_slots(sys, 0, 41);
	free_slots(sys, 42, SLOTS - 42);
	finish(sys);
}

static void test_read_errors(void **state)
{
	struct om_system *sys = start(40, 3);
	struct om_swap_near near = om_swap_near(6);
	struct om_page *page;
	bool read;

	(void)state;
	hold_slots(sys, 8);
	om_slot_put(sys, 3);
	get_near(sys, 4, 4, 4);
	/* A neighbour is unreadable: the wanted page comes alone. */
	atomic_store(&ram.bad_page, 6);
	assert_int_equal(get_near(sys, 1, 0, 8), 0);
	assert_int_equal(om_swapcache_pages(sys), 2);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_READ_ERR), 1);
	assert_int_equal(cache_event(sys, OM_EV_PSWPIN), 2);
	/* The wanted page itself; its neighbours go with it. */
	om_swap_near_add_block(sys, &near, 8);
	assert_int_equal(om_swap_readpages(sys, &near, &page, &read), -OM_EIO);
	assert_int_equal(om_swapcache_pages(sys), 2);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_READ_ERR), 3);
	assert_int_equal(om_slot_count(sys, 6), 1);
	assert_int_equal(om_slot_pfn(sys, 6), OM_NO_PFN);
	assert_int_equal(om_slot_count(sys, 3), 0);
	assert_false(om_page_test(om_page_of(sys, om_slot_pfn(sys, 4)), OM_PG_LOCKED));
	atomic_store(&ram.bad_page, RAM_NEVER);
	assert_int_equal(get_near(sys, 6, 0, 8), 4);
	assert_int_equal(om_swapcache_pages(sys), 7);
	free_slots(sys, 0, 3);
	free_slots(sys, 4, 4);
	finish(sys);
}

/* A page as reclaim has it: referenced, locked, with contents. */
static struct om_page *victim(struct om_system *sys, unsigned char byte)
{
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, OM_PG_SWAPBACKED);

	assert_non_null(page);
	memset(om_page_ptr(sys, page), byte, OM_PAGE_SIZE);
	assert_true(om_page_trylock(sys, page));
	return page;
}

static void test_write(void **state)
{
	enum { N = 40 }; /* more than one transfer takes */
	struct om_system *sys = start(60, 0);
	struct om_page *page[N];
	om_pfn_t pfn[N];
	uint32_t slot;

	(void)state;
	assert_int_equal(om_slot_alloc(sys, N, &slot), N);
	for (unsigned i = 0; i < N; i++) {
		page[i] = victim(sys, (unsigned char)(200 - i));
		pfn[i] = om_page_pfn(sys, page[i]);
		om_swapcache_add(sys, page[i], slot + i);
		assert_true(om_page_test(page[i], OM_PG_DIRTY));
		assert_int_equal(om_page_refs(page[i]), 2);
		assert_int_equal(om_slot_count(sys, slot + i), 1);
	}
	atomic_store(&ram.bad_page, 35);
	assert_int_equal(om_swap_write(sys, pfn, N), -OM_EIO);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_WRITE_ERR), 1);
	assert_int_equal(cache_event(sys, OM_EV_PSWPOUT), OM_SWAP_RUN);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(om_page_test(page[i], OM_PG_DIRTY), i >= OM_SWAP_RUN);
	atomic_store(&ram.bad_page, RAM_NEVER);
	assert_int_equal(om_swap_write(sys, pfn, N), 0);
	assert_int_equal(cache_event(sys, OM_EV_PSWPOUT), OM_SWAP_RUN + N);
	for (unsigned i = 0; i < N; i++) {
		assert_false(om_page_test(page[i], OM_PG_DIRTY));
		assert_true(ram_is(ram.data + i * OM_PAGE_SIZE, (unsigned char)(200 - i)));
		om_swapcache_del(sys, page[i]);
		om_page_unlock_put(sys, page[i]);
	}
	assert_true(om_swap_has_room(sys));
	finish(sys);
}

static bool try_free(struct om_system *sys, struct om_page *page)
{
	om_swapcache_try_free(sys, page);
	return !om_page_test(page, OM_PG_SWAPCACHE);
}

/* Each reason to keep a page and its slot. */
static void test_try_free(void **state)
{
	struct om_system *sys = start(10, 0);
	struct om_page *page;
	bool sole;

	(void)state;
	hold_slots(sys, 1);
	page = get(sys, 0, true);
	assert_false(try_free(sys, page)); /* an entry holds the slot */
	om_slot_put(sys, 0);
	om_frame_lock(sys, page);
	sole = om_swapcache_is_sole(sys, page);
	om_frame_unlock(sys, page);
	assert_true(sole);
	om_page_ref(sys, page);
	assert_false(try_free(sys, page)); /* somebody looks at it */
	om_page_put(sys, page);
	om_page_lock(sys, page);
	assert_false(try_free(sys, page));
	om_page_unlock(sys, page);
	page->holds += OM_ONE_PIN;
	assert_false(try_free(sys, page));
	page->holds -= OM_ONE_PIN;
	page->mapcount = 1;
	assert_false(try_free(sys, page));
	page->mapcount = 0;
	page->object = sys; /* a file has it */
	assert_false(try_free(sys, page));
	page->object = NULL;
	assert_true(try_free(sys, page));
	assert_true(om_swap_has_room(sys));
	assert_true(try_free(sys, page)); /* nothing to do */
	om_page_put(sys, page);
	finish(sys);
}

static void test_bugs(void **state)
{
	struct om_system *sys = start(10, 0);
	struct om_page *page;

	(void)state;
	hold_slots(sys, 2);
	page = get(sys, 0, true);
	om_page_lock(sys, page);
	expect_bug("I11", om_swapcache_add(sys, page, 1));
	atomic_store(&page->lock.state, 0);
	om_swapcache_del(sys, page);
	expect_bug("I11", om_swapcache_del(sys, page));
	atomic_store(&page->lock.state, 0);
	om_page_unlock(sys, page);
	om_page_put(sys, page);
	free_slots(sys, 0, 2);
	finish(sys);
}

/* ---- threads ---- */

/* Take an unused page out of the cache, as reclaim does. */
static void shrink(struct om_system *sys)
{
	struct om_page *page;
	bool unused;

	if (!cache_victim(sys, &page))
		return;
	om_frame_lock(sys, page);
	unused =
	    page->mapcount == 0 && om_page_refs(page) == 2 && om_page_test(page, OM_PG_SWAPCACHE);
	om_frame_unlock(sys, page);
	if (unused)
		om_swapcache_del(sys, page);
	om_page_unlock_put(sys, page);
}

static void reader(void *arg, unsigned i)
{
	struct om_system *sys = arg;
	uint64_t seed = i;

	for (unsigned step = 0; step < 3000; step++) {
		uint32_t slot = unit_rand(&seed) % 12;
		struct om_swap_near near = om_swap_near(slot);
		struct om_page *page;
		bool read;
		int err;

		for (unsigned n = unit_rand(&seed) % 4; n; n--)
			om_swap_near_add(sys, &near, unit_rand(&seed) % 12);
		err = om_swap_readpages(sys, &near, &page, &read);
		if (unit_rand(&seed) % 3 == 0)
			shrink(sys);
		if (err) {
			unit_check(err == -OM_EAGAIN || err == -OM_EIO || err == -OM_ENOFRAME);
			continue;
		}
		om_page_lock(sys, page);
		if (om_page_test(page, OM_PG_SWAPCACHE)) {
			unit_check(page->slot == slot && om_page_test(page, OM_PG_UPTODATE));
			unit_check(ram_is(om_page_ptr(sys, page), ram_byte(slot)));
		}
		om_page_unlock(sys, page);
		om_page_put(sys, page);
		/* An entry comes and goes. */
		if (unit_rand(&seed) % 4 == 0 && om_slot_dup(sys, slot))
			om_swap_free_entry(sys, slot);
		if (i == 0 && step % 200 == 0)
			atomic_store(&ram.fail_reads, 2);
	}
}

static void test_threads(void **state)
{
	struct om_system *sys = start(14, 2);

	(void)state;
	hold_slots(sys, 12);
	unit_threads(4, reader, sys);
	atomic_store(&ram.fail_reads, 0);
	free_slots(sys, 0, 12);
	finish(sys);
}

static void read_same(void *arg, unsigned i)
{
	struct om_system *sys = arg;
	struct om_page *page;
	bool read;

	(void)i;
	unit_check(om_swap_readpage(sys, 1, &page, &read) == 0);
	unit_check(ram_is(om_page_ptr(sys, page), ram_byte(1)));
	om_page_put(sys, page);
}

/* Whoever comes second waits for the first one's transfer. */
static void test_one_transfer(void **state)
{
	struct om_system *sys = start(20, 1);

	(void)state;
	hold_slots(sys, 2);
	atomic_store(&ram.delay, 20000);
	unit_threads(6, read_same, sys);
	assert_int_equal(atomic_load(&ram.reads), 1);
	free_slots(sys, 0, 2);
	finish(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_read),        cmocka_unit_test(test_no_frame),
	    cmocka_unit_test(test_readahead),   cmocka_unit_test(test_between),
	    cmocka_unit_test(test_gaps),        cmocka_unit_test(test_no_scratch),
	    cmocka_unit_test(test_best_run),    cmocka_unit_test(test_near),
	    cmocka_unit_test(test_read_errors), cmocka_unit_test(test_write),
	    cmocka_unit_test(test_try_free),    cmocka_unit_test(test_bugs),
	    cmocka_unit_test(test_threads),     cmocka_unit_test(test_one_transfer),
	};

	return unit_run(tests);
}
