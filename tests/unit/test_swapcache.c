/*
 * test_swapcache.c: pages in slots: reading, read-ahead, errors, writing, giving up what nobody
 * wants, and many threads on a few slots with a small reclaim beside them.
 */
#include "page/put.h"
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
	assert_int_equal(atomic_load(&sys->nr_swapcache), 0);
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
	assert_int_equal(atomic_load(&sys->nr_swapcache), 1);
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
	assert_int_equal(atomic_load(&sys->nr_free), 0);
	assert_int_equal(om_swap_readpage(sys, 1, &page, &read), -OM_ENOFRAME);
	om_frame_release(sys, user);
	page = get(sys, 1, true); /* the one frame goes to the wanted page */
	om_page_put(sys, page);
	free_slots(sys, 0, 4);
	finish(sys);
}

static void test_readahead(void **state)
{
	struct om_system *sys = start(40, 3);
	struct om_page *page;

	(void)state;
	hold_slots(sys, 16);
	om_slot_put(sys, 5); /* not in use */
	sys->swap_cluster = 0;
	om_page_put(sys, get(sys, 2, true)); /* cached already */
	sys->swap_cluster = 3;
	atomic_store(&ram.reads, 0);
	page = get(sys, 4, true);
	om_page_put(sys, page);
	assert_int_equal(atomic_load(&ram.reads), 3); /* 0-1, 3-4, 6-7 */
	assert_int_equal(atomic_load(&sys->nr_swapcache), 7);
	assert_int_equal(cache_event(sys, OM_EV_PSWPIN), 7);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_RA), 5);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_RA_HIT), 0);
	assert_true(om_page_test(om_page_of(sys, om_slot_pfn(sys, 6)), OM_PG_READAHEAD));
	om_page_put(sys, get(sys, 6, false));
	om_page_put(sys, get(sys, 6, false));
	om_page_put(sys, get(sys, 2, false));
	assert_int_equal(cache_event(sys, OM_EV_SWAP_RA_HIT), 1);
	free_slots(sys, 0, 5);
	free_slots(sys, 6, 10);
	finish(sys);
}

/* The window is cut off by the end of the area, and by memory getting low. */
static void test_readahead_limits(void **state)
{
	struct om_system *sys = start(80, 5);

	(void)state;
	hold_slots(sys, SLOTS);
	om_page_put(sys, get(sys, SLOTS - 1, true));
	assert_int_equal(atomic_load(&sys->nr_swapcache), SLOTS - 32);
	atomic_store(&sys->mark_low, atomic_load(&sys->nr_free) - 3);
	om_page_put(sys, get(sys, 0, true));
	assert_int_equal(atomic_load(&sys->nr_swapcache), SLOTS - 32 + 4);
	free_slots(sys, 0, SLOTS);
	finish(sys);
}

static void test_read_errors(void **state)
{
	struct om_system *sys = start(40, 3);
	struct om_page *page;
	bool read;

	(void)state;
	hold_slots(sys, 8);
	/* A neighbour is unreadable: the wanted page comes alone. */
	atomic_store(&ram.bad_page, 6);
	om_page_put(sys, get(sys, 1, true));
	assert_int_equal(atomic_load(&sys->nr_swapcache), 1);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_READ_ERR), 1);
	assert_int_equal(cache_event(sys, OM_EV_PSWPIN), 1);
	/* The wanted page itself; its neighbours go with it. */
	assert_int_equal(om_swap_readpage(sys, 6, &page, &read), -OM_EIO);
	assert_int_equal(atomic_load(&sys->nr_swapcache), 2); /* run 0 was readable */
	assert_int_equal(om_slot_count(sys, 6), 1);
	assert_int_equal(om_slot_pfn(sys, 6), OM_NO_PFN);
	atomic_store(&ram.bad_page, RAM_NEVER);
	om_page_put(sys, get(sys, 6, true));
	assert_int_equal(atomic_load(&sys->nr_swapcache), 8);
	free_slots(sys, 0, 8);
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
	uint32_t slot;

	(void)state;
	assert_int_equal(om_slot_alloc(sys, N, &slot), N);
	for (unsigned i = 0; i < N; i++) {
		page[i] = victim(sys, (unsigned char)(200 - i));
		om_swapcache_add(sys, page[i], slot + i);
		assert_true(om_page_test(page[i], OM_PG_DIRTY));
		assert_int_equal(om_page_refs(page[i]), 2);
		assert_int_equal(om_slot_count(sys, slot + i), 1);
	}
	atomic_store(&ram.bad_page, 35);
	assert_int_equal(om_swap_write(sys, page, N), -OM_EIO);
	assert_int_equal(cache_event(sys, OM_EV_SWAP_WRITE_ERR), 1);
	assert_int_equal(cache_event(sys, OM_EV_PSWPOUT), OM_SWAP_RUN);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(om_page_test(page[i], OM_PG_DIRTY), i >= OM_SWAP_RUN);
	atomic_store(&ram.bad_page, RAM_NEVER);
	assert_int_equal(om_swap_write(sys, page, N), 0);
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
	unused = page->mapcount == 0 && om_page_refs(page) == 2 &&
	         om_page_test(page, OM_PG_SWAPCACHE);
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
		struct om_page *page;
		bool read;
		int err = om_swap_readpage(sys, slot, &page, &read);

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
	    cmocka_unit_test(test_readahead),   cmocka_unit_test(test_readahead_limits),
	    cmocka_unit_test(test_read_errors), cmocka_unit_test(test_write),
	    cmocka_unit_test(test_try_free),    cmocka_unit_test(test_bugs),
	    cmocka_unit_test(test_threads),     cmocka_unit_test(test_one_transfer),
	};

	return unit_run(tests);
}
