/*
 * test_shmem.c: shared memory to swap and back; then threads that use files and shared memory while
 * a small reclaim takes their pages away.
 */
#include "page/put.h"
#include "cache.h"

#include <string.h>

/* ---- shared memory ---- */

/* What reclaim does with a page of shared memory: slot, write, evict. */
static bool swap_out(struct om_mapping *m, uintptr_t index)
{
	struct om_system *sys = m->sys;
	struct om_page *page = om_mapping_lookup(m, index);
	om_pfn_t pfn = om_page_pfn(sys, page);
	uint32_t slot;
	bool done;

	om_page_put(sys, page);
	assert_true(cache_catch(sys, page));
	assert_false(om_mapping_evict(m, page)); /* it has no slot */
	assert_int_equal(om_slot_alloc(sys, 1, &slot), 1);
	om_swapcache_add(sys, page, slot);
	assert_false(om_mapping_evict(m, page)); /* it is not written */
	assert_int_equal(om_swap_write(sys, &pfn, 1), 0);
	done = om_mapping_evict(m, page);
	cache_let_go(sys, page);
	return done;
}

static void test_shmem(void **state)
{
	struct om_system *sys = cache_start(20);
	struct om_mapping *m = cache_shmem(sys, 30);
	struct om_page *page = cache_get(m, 20, false);

	(void)state;
	assert_true(ram_is(om_page_ptr(sys, page), 0));
	assert_true(om_page_test(page, OM_PG_DIRTY));
	assert_int_equal(om_mapping_writepage(m, page), 0);
	assert_true(om_page_test(page, OM_PG_DIRTY));
	assert_int_equal(atomic_load(&sys->nr_shmem), 1);
	memset(om_page_ptr(sys, page), 0x77, OM_PAGE_SIZE);
	cache_release(sys, page);
	cache_add_swap(sys);
	assert_true(swap_out(m, 20));
	assert_int_equal(m->nr_pages, 0);
	assert_int_equal(m->nr_swapped, 1);
	assert_int_equal(atomic_load(&sys->nr_shmem), 0);
	assert_int_equal(sys->swap.total - sys->swap.free, 1);
	assert_null(om_mapping_lookup(m, 20));
	/* And back, out of its slot. */
	page = cache_get(m, 20, true);
	assert_true(ram_is(om_page_ptr(sys, page), 0x77));
	assert_true(om_page_test(page, OM_PG_DIRTY));
	assert_int_equal(m->nr_swapped, 0);
	assert_int_equal(sys->swap.free, sys->swap.total);
	cache_release(sys, page);
	/* What is dropped leaves its slot; so does what the last put finds. */
	assert_true(swap_out(m, 20));
	assert_int_equal(om_mapping_punch(m, 0, 26 * OM_PAGE_SIZE), 0);
	assert_int_equal(m->nr_swapped, 0);
	assert_int_equal(sys->swap.free, sys->swap.total);
	cache_touch(m, 2, false);
	cache_touch(m, 29, false);
	assert_true(swap_out(m, 29));
	om_mapping_put(m);
	cache_finish(sys);
}

static void test_shmem_errors(void **state)
{
	struct om_system *sys = cache_start(20);
	struct om_mapping *m = cache_shmem(sys, 10);
	struct om_page *page, *cached;
	uint32_t slot;

	(void)state;
	cache_add_swap(sys);
	cache_touch(m, 0, false);
	cache_touch(m, 1, false);
	assert_true(swap_out(m, 0));
	atomic_store(&cache_swap_store.fail_reads, 1);
	assert_int_equal(om_mapping_getpage(m, 0, OM_ALONE, &page, NULL), -OM_EIO);
	assert_int_equal(m->nr_swapped, 1);
	/* Removed while it is in the swap cache: that goes, too. */
	cached = cache_get(m, 1, false);
	assert_int_equal(om_slot_alloc(sys, 1, &slot), 1);
	om_swapcache_add(sys, cached, slot);
	cache_release(sys, cached);
	assert_int_equal(om_mapping_punch(m, OM_PAGE_SIZE, OM_PAGE_SIZE), 0);
	assert_int_equal(sys->swap.total - sys->swap.free, 1);
	/* The file has become shorter, but its slots have not been dropped yet. */
	atomic_store(&m->size, 0);
	assert_int_equal(om_mapping_getpage(m, 0, OM_ALONE, &page, NULL), -OM_EFAULT);
	om_mapping_put(m);
	cache_finish(sys);
}

static void note_release(void *store)
{
	++*(unsigned *)store;
}

/* An embedder may hear of the end of shared memory, and find its own object behind an area. */
static void test_shmem_store(void **state)
{
	static const struct om_store_ops ops = {.release = note_release};
	struct om_system *sys = cache_start(20);
	unsigned released = 0;
	struct om_mapping *m;

	(void)state;
	cache_add_swap(sys);
	assert_int_equal(om_mapping_create(sys, &ops, &released, 4 * OM_PAGE_SIZE, &m), 0);
	assert_ptr_equal(m->store, &released);
	cache_touch(m, 3, false);
	assert_int_equal(atomic_load(&sys->nr_shmem), 1);
	assert_true(swap_out(m, 3));
	cache_touch(m, 3, true);
	assert_int_equal(released, 0);
	om_mapping_put(m);
	assert_int_equal(released, 1);
	cache_finish(sys);
}

static void test_shmem_readahead(void **state)
{
	struct om_system *sys = cache_start(20);
	struct om_mapping *m = cache_shmem(sys, 10);

	(void)state;
	cache_add_swap(sys);
	for (uintptr_t i = 0; i < 6; i++)
		cache_touch(m, i, false);
	for (uintptr_t i = 1; i < 5; i++)
		assert_true(swap_out(m, i));
	om_mapping_readahead(m, 0, 4);
	assert_int_equal(om_swapcache_pages(sys), 3);
	assert_int_equal(m->nr_swapped, 4);
	cache_touch(m, 1, false); /* no transfer: it is here already */
	assert_int_equal(om_swapcache_pages(sys), 2);
	om_mapping_put(m);
	cache_finish(sys);
}

#define CELLS (OM_PAGE_SIZE / sizeof(uint32_t))

struct shared {
	struct om_system *sys;
	struct om_mapping *m;
	unsigned pages;
};

/* Reclaim one page. */
static void shrink(struct om_system *sys)
{
	struct om_mapping *m;
	struct om_page *page;
	om_pfn_t pfn;
	uint32_t slot;

	if (!cache_victim(sys, &page))
		return;
	pfn = om_page_pfn(sys, page);
	om_frame_lock(sys, page);
	m = page->object;
	om_frame_unlock(sys, page);
	if (m && om_mapping_is_shmem(m)) {
		if (!om_page_test(page, OM_PG_SWAPCACHE) && om_slot_alloc(sys, 1, &slot))
			om_swapcache_add(sys, page, slot);
		if (om_page_test(page, OM_PG_SWAPCACHE) && om_page_test(page, OM_PG_DIRTY))
			om_swap_write(sys, &pfn, 1);
		om_mapping_evict(m, page);
	} else if (m) {
		if (om_page_test(page, OM_PG_DIRTY))
			om_mapping_writepage(m, page);
		om_mapping_evict(m, page);
	} else if (om_page_test(page, OM_PG_SWAPCACHE)) {
		bool unused;

		om_frame_lock(sys, page);
		unused = om_page_refs(page) == 2;
		om_frame_unlock(sys, page);
		if (unused)
			om_swapcache_del(sys, page);
	}
	cache_let_go(sys, page);
}

/* Each thread owns one cell of every page and counts it up; nobody else's writing may undo that. */
static void count_up(void *arg, unsigned i)
{
	struct shared *s = arg;
	uint32_t expected[CACHE_PAGES] = {0};
	uint64_t seed = i + 77;

	for (unsigned step = 0; step < 4000; step++) {
		unsigned index = unit_rand(&seed) % s->pages;
		struct om_page *page;
		uint32_t *cell;
		int err = om_mapping_getpage(s->m, index, OM_ALONE, &page, NULL);

		if (unit_rand(&seed) % 2)
			shrink(s->sys);
		if (err) {
			unit_check(err == -OM_ENOFRAME);
			continue;
		}
		cell = (uint32_t *)om_page_ptr(s->sys, page) + i * CELLS / 8 + index;
		unit_check(*cell == expected[index]);
		*cell = ++expected[index];
		om_page_set(page, OM_PG_DIRTY);
		cache_release(s->sys, page);
	}
}

static void test_threads_file(void **state)
{
	struct shared s = {.pages = CACHE_PAGES};

	(void)state;
	s.sys = cache_start(30);
	memset(cache_file_store.data, 0, CACHE_PAGES * OM_PAGE_SIZE);
	s.m = cache_file(s.sys, CACHE_PAGES * OM_PAGE_SIZE);
	unit_threads(4, count_up, &s);
	assert_true(atomic_load(&cache_file_store.writes) > 0);
	om_mapping_put(s.m);
	cache_finish(s.sys);
}

static void test_threads_shmem(void **state)
{
	struct shared s = {.pages = 30};

	(void)state;
	s.sys = cache_start(24);
	s.sys->swap_cluster = 2;
	cache_add_swap(s.sys);
	s.m = cache_shmem(s.sys, 30);
	unit_threads(4, count_up, &s);
	assert_true(atomic_load(&cache_swap_store.writes) > 0);
	om_mapping_put(s.m);
	cache_finish(s.sys);
}

static void shrink_on(void *arg, unsigned i)
{
	struct om_system *sys = arg;

	(void)i;
	for (unsigned n = 0; n < 3000; n++)
		shrink(sys);
}

/* Mappings come and go while reclaim takes their pages: reclaim holds no reference to them. */
static void test_put_against_reclaim(void **state)
{
	struct om_system *sys = cache_start(60);
	struct unit_thread *thread[2];

	(void)state;
	cache_add_swap(sys);
	for (unsigned i = 0; i < 2; i++)
		thread[i] = unit_thread_start(shrink_on, sys, i);
	for (unsigned round = 0; round < 300; round++) {
		struct om_mapping *m =
		    round % 2 ? cache_shmem(sys, 20) : cache_file(sys, CACHE_PAGES * OM_PAGE_SIZE);
		struct om_page *page;

		for (uintptr_t i = 0; i < 20; i++) {
			if (om_mapping_getpage(m, i, OM_ALONE, &page, NULL) == 0) {
				om_page_set(page, OM_PG_DIRTY);
				cache_release(sys, page);
			}
		}
		om_mapping_put(m);
	}
	for (unsigned i = 0; i < 2; i++)
		unit_thread_join(thread[i]);
	cache_finish(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shmem),
	    cmocka_unit_test(test_shmem_errors),
	    cmocka_unit_test(test_shmem_store),
	    cmocka_unit_test(test_shmem_readahead),
	    cmocka_unit_test(test_threads_file),
	    cmocka_unit_test(test_threads_shmem),
	    cmocka_unit_test(test_put_against_reclaim),
	};

	return unit_run(tests);
}
