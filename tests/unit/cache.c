/*
 * cache.c: the fixture of cache.h.
 */
#include "page/put.h"
#include "reclaim/scan.h"
#include "cache.h"

struct ram cache_file_store, cache_swap_store;

struct om_system *cache_start(om_pfn_t frames)
{
	ram_init(&cache_file_store, CACHE_PAGES);
	ram_fill(&cache_file_store);
	ram_init(&cache_swap_store, CACHE_PAGES);
	return unit_system(frames);
}

void cache_finish(struct om_system *sys)
{
	assert_null(sys->mappings);
	assert_int_equal(atomic_load(&sys->nr_cached), 0);
	assert_int_equal(atomic_load(&sys->nr_shmem), 0);
	assert_int_equal(om_swapcache_pages(sys), 0);
	assert_int_equal(sys->swap.free, sys->swap.total);
	if (sys->swap.total)
		om_swapdev_remove(sys, 0);
	unit_assert_all_free(sys);
	unit_system_free(sys);
	ram_destroy(&cache_file_store);
	ram_destroy(&cache_swap_store);
}

void cache_add_swap(struct om_system *sys)
{
	unsigned area;

	assert_int_equal(om_swapdev_add(sys, &ram_ops, &cache_swap_store, CACHE_PAGES, 0, &area),
	                 0);
}

struct om_mapping *cache_file(struct om_system *sys, uint64_t size)
{
	struct om_mapping *m;

	assert_int_equal(om_mapping_new(sys, &ram_ops, &cache_file_store, size, &m), 0);
	return m;
}

struct om_mapping *cache_shmem(struct om_system *sys, unsigned pages)
{
	struct om_mapping *m;

	assert_int_equal(om_mapping_new(sys, NULL, NULL, pages * OM_PAGE_SIZE, &m), 0);
	return m;
}

uint64_t cache_event(struct om_system *sys, enum om_event ev)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= sys->cpu_mask; i++)
		n += atomic_load(&sys->shard[i].event[ev]);
	return n;
}

void cache_release(struct om_system *sys, struct om_page *page)
{
	om_page_unlock(sys, page);
	om_page_put(sys, page);
}

struct om_page *cache_get(struct om_mapping *m, uintptr_t index, bool transfer)
{
	struct om_page *page;
	bool read = false;

	assert_int_equal(om_mapping_getpage(m, index, OM_ALONE, &page, &read), 0);
	assert_int_equal(read, transfer);
	assert_ptr_equal(page->object, m);
	assert_int_equal(page->index, index);
	assert_true(om_page_test(page, OM_PG_LOCKED));
	assert_true(om_page_test(page, OM_PG_UPTODATE));
	assert_false(om_page_test(page, OM_PG_ANON | OM_PG_SWAPCACHE));
	assert_true(om_page_refs(page) >= 2);
	return page;
}

void cache_touch(struct om_mapping *m, uintptr_t index, bool transfer)
{
	cache_release(m->sys, cache_get(m, index, transfer));
}

bool cache_catch(struct om_system *sys, struct om_page *page)
{
	bool caught;

	om_frame_lock(sys, page);
	caught = om_page_trylock(sys, page);
	if (caught)
		om_page_ref_locked(sys, page);
	om_frame_unlock(sys, page);
	return caught;
}

bool cache_victim(struct om_system *sys, struct om_page **page)
{
	struct om_victims v = {.n = 0};
	struct om_round round = {.how = OM_SCAN_ALL, .left = sys->nr_frames};

	om_scan(sys, &round, 1, &v);
	*page = om_page_of(sys, v.page[0]);
	return v.n;
}

void cache_let_go(struct om_system *sys, struct om_page *page)
{
	om_page_unlock_put(sys, page);
}

bool cache_evict(struct om_mapping *m, uintptr_t index)
{
	struct om_page *page = om_mapping_lookup(m, index);
	bool done;

	assert_non_null(page);
	om_page_put(m->sys, page);
	assert_true(cache_catch(m->sys, page));
	done = om_mapping_evict(m, page);
	cache_let_go(m->sys, page);
	return done;
}
