/*
 * test_filefault.c: faults on files: what a read maps around the page that is wanted, and what not.
 */
#include "page/put.h"
#include "space.h"

#include "store/mapping.h"

/* A file of n pages, all of them in the cache. */
static struct om_mapping *cached_file(struct space *s, size_t n)
{
	struct om_mapping *file = space_file(s, n);
	char byte;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(om_mapping_read(file, (uint64_t)i << OM_PAGE_SHIFT, &byte, 1,
		                                 NULL),
		                 0);
	return file;
}

/* Pages [first, end) and no others of [0, 64) are present. */
static void expect_present(struct space *s, uintptr_t first, uintptr_t end)
{
	for (uintptr_t i = 0; i < 64; i++)
		assert_int_equal(space_kind(s->mm, i) == OM_PAGE_FILE, i >= first && i < end);
}

static void test_neighbours(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = cached_file(&s, 40);
	struct om_pageinfo info;

	(void)state;
	space_map_file(&s, 0, 40, RW, OM_MAP_PRIVATE, file, 0);
	assert_int_equal(space_get(&s, s.mm, 20), 21);
	expect_present(&s, 16, 32);
	assert_int_equal(space_event(s.sys, OM_EV_FAULT_FILE), 1);
	/* Only what was used is young; nothing is writable. */
	om_pageinfo(s.mm, at(20), &info);
	assert_true(info.young && !info.writable);
	om_pageinfo(s.mm, at(21), &info);
	assert_false(info.young || info.writable);
	space_check(&s);
	/* They are the right pages, and cost no fault. */
	for (unsigned i = 16; i < 32; i++)
		assert_int_equal(space_get(&s, s.mm, i), (int)i + 1);
	assert_int_equal(space_event(s.sys, OM_EV_FAULT_FILE), 1);
	om_mapping_put(file);
	space_finish(&s);
}

/* The area and the file end before the window does. */
static void test_edges(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = cached_file(&s, 40);

	(void)state;
	space_map_file(&s, 18, 6, R, 0, file, 0);
	assert_int_equal(space_get(&s, s.mm, 20), 3);
	expect_present(&s, 18, 24);
	assert_int_equal(om_munmap(s.mm, at(18), 6 << OM_PAGE_SHIFT), 0);
	space_map_file(&s, 32, 16, R, 0, file, 34);
	assert_int_equal(space_get(&s, s.mm, 33), 36);
	expect_present(&s, 32, 38);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/* What is there is found, mapped and copied while somebody has the file's lock, and reads do, too. */
static void test_without_the_lock(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = cached_file(&s, 40);
	unsigned char byte = 0;
	uintptr_t refs;

	(void)state;
	space_map_file(&s, 0, 40, RW, OM_MAP_PRIVATE, file, 0);
	space_map_file(&s, 48, 8, RW, 0, file, 0);
	refs = atomic_load(&file->refs);
	atomic_store(&file->lock.state, OM_RW_WRITER);
	assert_int_equal(space_get(&s, s.mm, 20), 21);
	expect_present(&s, 16, 32);
	space_put(&s, s.mm, 35, 'c');
	assert_int_equal(space_try(&s, s.mm, 49, true), OM_FAULT_MINOR);
	assert_int_equal(om_mapping_read(file, 3 << OM_PAGE_SHIFT, &byte, 1, NULL), 0);
	assert_int_equal(byte, 4);
	assert_int_equal(atomic_load(&file->lock.state), OM_RW_WRITER);
	atomic_store(&file->lock.state, 0);
	assert_int_equal(atomic_load(&file->refs), refs);
	assert_int_equal(space_get(&s, s.mm, 35), 'c');
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/* While truncation may owe a flush, nothing is mapped around, and an entry is filled with the lock. */
static void test_flush_is_owed(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = cached_file(&s, 40);

	(void)state;
	space_map_file(&s, 0, 40, RW, OM_MAP_PRIVATE, file, 0);
	atomic_store(&s.mm->flush_pending, 1);
	assert_int_equal(space_get(&s, s.mm, 20), 21);
	expect_present(&s, 20, 21);
	space_put(&s, s.mm, 21, 'c');
	atomic_store(&s.mm->flush_pending, 0);
	assert_int_equal(space_get(&s, s.mm, 22), 23);
	assert_int_equal(space_kind(s.mm, 31), OM_PAGE_FILE);
	assert_int_equal(space_get(&s, s.mm, 21), 'c');
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/* What is not in memory is not read, what somebody holds is not waited for, what is there stays. */
static void test_left_out(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = space_file(&s, 40);
	struct om_page *held;

	(void)state;
	space_map_file(&s, 0, 40, RW, OM_MAP_PRIVATE, file, 0);
	space_random(&s, 0, 40);
	space_put(&s, s.mm, 17, 'x'); /* a private copy; page 17 comes into the cache */
	assert_int_equal(space_kind(s.mm, 17), OM_PAGE_DIRECT);
	assert_int_equal(space_get(&s, s.mm, 18), 19);
	assert_int_equal(space_get(&s, s.mm, 17), 'x');
	assert_int_equal(space_kind(s.mm, 19), OM_PAGE_NONE);
	held = om_mapping_lookup(file, 17);
	assert_non_null(held);
	assert_int_equal(om_munmap(s.mm, at(0), 40 << OM_PAGE_SHIFT), 0);

	/* As if another thread had it: this one could not take a fault with a page lock held. */
	om_page_set(held, OM_PG_LOCKED);
	space_map_file(&s, 0, 40, R, 0, file, 0);
	assert_int_equal(space_get(&s, s.mm, 18), 19);
	assert_int_equal(space_kind(s.mm, 17), OM_PAGE_NONE);
	om_page_clear(held, OM_PG_LOCKED);
	om_page_put(s.sys, held);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/* ---------------------------------------------------------------- what is read along -------- */

static struct sim_store_stats stats_of(struct space *s)
{
	struct sim_store_stats stats;

	sim_store_stats(s->file_store, &stats);
	return stats;
}

/* A miss reads the block around it in one transfer; what is there already is left out. */
static void test_read_ahead(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = space_file(&s, 72);

	(void)state;
	space_map_file(&s, 0, 72, R, 0, file, 0);
	assert_int_equal(space_get(&s, s.mm, 19), 20);
	assert_int_equal(space_event(s.sys, OM_EV_PGMAJFAULT), 1);
	assert_int_equal(stats_of(&s).reads, 1);
	assert_int_equal(stats_of(&s).pages_read, 32);
	expect_present(&s, 16, 32); /* as many as one fault maps, when the transfer was over */
	space_expect(&s, s.mm, 0, 32, 1);
	assert_int_equal(space_event(s.sys, OM_EV_PGMAJFAULT), 1);
	assert_int_equal(space_event(s.sys, OM_EV_FILE_RA), 31);
	assert_int_equal(space_event(s.sys, OM_EV_FILE_RA_HIT),
	                 1); /* the second fault; the others: when they age */
	/* The last block is no longer than the file. */
	assert_int_equal(space_get(&s, s.mm, 70), 71);
	assert_int_equal(stats_of(&s).pages_read, 40);
	/* A page alone, and then all but it. */
	space_random(&s, 40, 1);
	assert_int_equal(space_get(&s, s.mm, 40), 41);
	assert_int_equal(stats_of(&s).pages_read, 41);
	assert_int_equal(space_get(&s, s.mm, 50), 51);
	assert_int_equal(stats_of(&s).pages_read, 72);
	assert_int_equal(stats_of(&s).reads, 4);
	space_expect(&s, s.mm, 0, 72, 1);
	assert_int_equal(stats_of(&s).reads, 4);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

static void test_read_alone(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = space_file(&s, 40);

	(void)state;
	space_map_file(&s, 0, 40, RW, OM_MAP_PRIVATE, file, 0);
	/* Together they cannot be read, the first alone can. */
	sim_store_fail(s.file_store, SIM_READ, 1, false);
	assert_int_equal(space_get(&s, s.mm, 3), 4);
	assert_int_equal(stats_of(&s).reads, 2);
	assert_int_equal(file->nr_pages, 1);
	sim_store_fail(s.file_store, SIM_READ, 1, true);
	assert_int_equal(space_try(&s, s.mm, 9, true), OM_FAULT_BUS);
	sim_store_fail(s.file_store, SIM_READ, 0, false);
	space_check(&s);
	/* Nobody wants its neighbours, or there is no room for them. */
	space_random(&s, 0, 40);
	assert_int_equal(space_get(&s, s.mm, 9), 10);
	assert_int_equal(file->nr_pages, 2);
	assert_int_equal(om_madvise(s.mm, at(0), 40 << OM_PAGE_SHIFT, OM_MADV_NORMAL), 0);
	unit_set_reserve(s.sys, atomic_load(&s.sys->free.n) - 1);
	assert_int_equal(space_get(&s, s.mm, 20), 21);
	assert_int_equal(file->nr_pages, 3);
	om_mapping_put(file);
	space_finish(&s);
}

/* read(2) brings the pages it wants in one transfer. */
static void test_read_call(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = space_file(&s, 40);
	static char buf[8 * SIM_PAGE_SIZE];

	(void)state;
	assert_int_equal(om_mapping_read(file, 5 * SIM_PAGE_SIZE, buf, sizeof(buf), NULL), 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 6 + i / SIM_PAGE_SIZE);
	assert_int_equal(stats_of(&s).reads, 1);
	assert_int_equal(stats_of(&s).pages_read, 8);
	assert_int_equal(om_mapping_read(file, 30 * SIM_PAGE_SIZE, buf, 1, NULL), 0);
	/* A whole page, and no more: neither does a write. */
	assert_int_equal(om_mapping_read(file, 20 * SIM_PAGE_SIZE, buf, SIM_PAGE_SIZE, NULL), 0);
	assert_int_equal(om_mapping_write(file, 25 * SIM_PAGE_SIZE, buf, SIM_PAGE_SIZE, NULL), 0);
	assert_int_equal(stats_of(&s).pages_read, 11);
	om_mapping_put(file);
	space_finish(&s);
}

/* Pages of a locked area are counted as locked, whoever's fault brought them (I12). */
static void test_locked(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = cached_file(&s, 16);
	struct om_mminfo info;

	(void)state;
	space_map_file(&s, 0, 16, R, 0, file, 0);
	assert_int_equal(om_mlock(s.mm, at(0), 16 << OM_PAGE_SHIFT, OM_MLOCK_ONFAULT), 0);
	assert_int_equal(space_get(&s, s.mm, 3), 4);
	expect_present(&s, 0, 16);
	assert_int_equal(om_mminfo(s.mm, 0, UINTPTR_MAX, &info), 0);
	assert_int_equal(info.rss, 16);
	space_check(&s);
	assert_int_equal(om_munlock(s.mm, at(0), 16 << OM_PAGE_SHIFT), 0);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

static struct om_mapping *hollow(struct space *s, size_t pages)
{
	struct om_mapping *m;

	assert_int_equal(om_mapping_create(s->sys, NULL, NULL, pages << OM_PAGE_SHIFT, &m), 0);
	return m;
}

/* A hole of shared memory, read or written through a private area, takes no page of the file. */
static void test_holes(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = hollow(&s, 40);
	char byte = 7, buf[2];
	om_pfn_t free;

	(void)state;
	space_map_file(&s, 0, 40, RW, OM_MAP_PRIVATE, file, 0);
	space_put(&s, s.mm, 39, 1); /* the table */
	assert_int_equal(file->nr_pages, 0);
	free = om_free_frames(s.sys);
	assert_int_equal(space_get(&s, s.mm, 20), 0);
	assert_int_equal(space_kind(s.mm, 20), OM_PAGE_ZERO);
	assert_int_equal(om_mapping_read(file, 21 * SIM_PAGE_SIZE, buf, 1, NULL), 0);
	assert_int_equal(buf[0], 0);
	assert_int_equal(om_free_frames(s.sys), free);
	space_put(&s, s.mm, 20, 5);
	space_put(&s, s.mm, 22, 6);
	assert_int_equal(space_kind(s.mm, 22), OM_PAGE_DIRECT);
	assert_int_equal(file->nr_pages, 0);
	assert_int_equal(om_free_frames(s.sys), free - 2);
	space_check(&s);
	/* What fills the hole is seen, but not where there is a copy. */
	assert_int_equal(space_get(&s, s.mm, 25), 0);
	for (unsigned i = 20; i < 26; i++)
		assert_int_equal(om_mapping_write(file, i * SIM_PAGE_SIZE + SIM_PAGE_SIZE / 2,
		                                  &byte, 1, NULL),
		                 0);
	space_check(&s);
	assert_int_equal(space_get(&s, s.mm, 20), 5);
	assert_int_equal(space_get(&s, s.mm, 22), 6);
	assert_int_equal(space_get(&s, s.mm, 25), 7);
	/* And a hole again, behind the end and not. */
	assert_int_equal(om_mapping_punch(file, 25 * SIM_PAGE_SIZE, SIM_PAGE_SIZE), 0);
	assert_int_equal(space_get(&s, s.mm, 25), 0);
	assert_int_equal(space_get(&s, s.mm, 30), 0);
	assert_int_equal(om_mapping_truncate(file, 28 * SIM_PAGE_SIZE), 0);
	space_check(&s);
	assert_int_equal(space_kind(s.mm, 30), OM_PAGE_NONE);
	assert_int_equal(space_try(&s, s.mm, 30, false), OM_FAULT_BUS);
	assert_int_equal(space_try(&s, s.mm, 30, true), OM_FAULT_BUS);
	om_mapping_put(file);
	space_finish(&s);
}

/* Whoever fills it, by whatever way; and the child of a fork sees it, too. */
static void test_filled_holes(void **state)
{
	struct space s = space_start(256, 64);
	struct om_mapping *file = hollow(&s, 8);
	struct om_mm *child;
	om_pfn_t pfn;

	(void)state;
	space_map_file(&s, 0, 8, R, OM_MAP_PRIVATE, file, 0);
	space_map_file(&s, 8, 8, RW, 0, file, 0);
	space_map_file(&s, 16, 8, RW, OM_MAP_PRIVATE, file, 0);
	space_put(&s, s.mm, 23, 9);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(space_get(&s, s.mm, i), 0);
		assert_int_equal(space_get(&s, s.mm, 16 + i), i == 7 ? 9 : 0);
	}
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_int_equal(space_kind(child, 17), OM_PAGE_ZERO);
	space_check(&s);
	space_put(&s, s.mm, 8, 1);
	assert_int_equal(om_pin(s.mm, at(9), OM_WRITE, &pfn), 0);
	*((char *)sim_frame(s.sim, pfn) + SIM_PAGE_SIZE / 2) = 2;
	om_unpin(s.sys, pfn, true);
	assert_int_equal(space_get(&s, s.mm, 10), 0); /* only read, through the shared area */
	space_check(&s);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(space_get(&s, child, i), i < 2 ? i + 1 : 0);
		assert_int_equal(space_get(&s, s.mm, 16 + i), i < 2 ? i + 1 : i == 7 ? 9 : 0);
	}
	/* A page in swap is no hole. */
	assert_int_equal(om_madvise(s.mm, at(8), 2 << OM_PAGE_SHIFT, OM_MADV_PAGEOUT), 0);
	while (om_reclaim_step(s.sys, 32))
		;
	assert_true(file->nr_swapped);
	space_check(&s);
	assert_int_equal(space_get(&s, s.mm, 1), 2);
	om_mm_destroy(child);
	om_mapping_put(file);
	space_finish(&s);
}

/* Locked memory has a page even there: the fault of whoever fills the hole does not take it away. */
static void test_locked_hole(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = hollow(&s, 4);

	(void)state;
	space_map_file(&s, 0, 4, R, OM_MAP_PRIVATE, file, 0);
	assert_int_equal(om_mlock(s.mm, at(0), 4 << OM_PAGE_SHIFT, 0), 0);
	assert_int_equal(file->nr_pages, 4);
	assert_int_equal(space_kind(s.mm, 2), OM_PAGE_FILE);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/* What others have in memory is nobody's business who may only read the file. */
static void test_hidden_cache(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = cached_file(&s, 4);
	unsigned char vec[8] = {0};
	struct om_vmainfo info;

	(void)state;
	assert_int_equal(om_mapping_truncate(file, 8 << OM_PAGE_SHIFT), 0);
	space_map_file(&s, 0, 8, R, 0, file, 0);
	space_map_file(&s, 8, 8, R, OM_MAP_HIDE_CACHE, file, 0);
	space_map(&s, 16, 8, RW, OM_MAP_HIDE_CACHE);
	assert_int_equal(om_mincore(s.mm, at(0), 8 << OM_PAGE_SHIFT, vec), 0);
	assert_memory_equal(vec, "\1\1\1\1\0\0\0\0", 8);
	assert_int_equal(om_mincore(s.mm, at(8), 8 << OM_PAGE_SHIFT, vec), 0);
	assert_memory_equal(vec, "\1\1\1\1\1\1\1\1", 8);
	assert_int_equal(om_mincore(s.mm, at(16), 8 << OM_PAGE_SHIFT, vec), 0);
	assert_memory_equal(vec, "\0\0\0\0\0\0\0\0", 8);
	assert_true(om_vma_next(s.mm, at(8), &info) && (info.flags & OM_VM_HIDE_CACHE));
	om_mapping_put(file);
	space_finish(&s);
}

/* Too many entries to count: a private area gets a copy, a shared one has to do without. */
static void test_no_room_in_mapcount(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = cached_file(&s, 4);
	struct om_page *page = om_mapping_lookup(file, 2);

	(void)state;
	om_page_put(s.sys, page); /* the cache has it */
	space_map_file(&s, 0, 4, R, OM_MAP_PRIVATE, file, 0);
	space_map_file(&s, 8, 4, R, 0, file, 0);
	page->mapcount = OM_MAPCOUNT_MAX;
	assert_int_equal(space_get(&s, s.mm, 2), 3);
	assert_int_equal(space_kind(s.mm, 2), OM_PAGE_DIRECT);
	assert_int_equal(space_try(&s, s.mm, 10, false), OM_FAULT_OOM);
	assert_int_equal(space_kind(s.mm, 10), OM_PAGE_NONE);
	page->mapcount = 0;
	assert_int_equal(space_get(&s, s.mm, 10), 3);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_neighbours),
	    cmocka_unit_test(test_edges),
	    cmocka_unit_test(test_without_the_lock),
	    cmocka_unit_test(test_flush_is_owed),
	    cmocka_unit_test(test_left_out),
	    cmocka_unit_test(test_read_ahead),
	    cmocka_unit_test(test_read_alone),
	    cmocka_unit_test(test_read_call),
	    cmocka_unit_test(test_locked),
	    cmocka_unit_test(test_no_room_in_mapcount),
	    cmocka_unit_test(test_holes),
	    cmocka_unit_test(test_filled_holes),
	    cmocka_unit_test(test_locked_hole),
	    cmocka_unit_test(test_hidden_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
