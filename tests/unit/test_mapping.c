/*
 * test_mapping.c: the page cache of a file: getting pages, errors, two readers of one page,
 * eviction, dropping, write-back, read-ahead.
 */
#include "page/put.h"
#include "cache.h"

#include <string.h>

static void test_getpage(void **state)
{
	struct om_system *sys = cache_start(10);
	struct om_mapping *m = cache_file(sys, 2 * OM_PAGE_SIZE + 1);
	struct om_page *page;

	(void)state;
	assert_int_equal(om_mapping_pages(m), 3);
	assert_null(om_mapping_lookup(m, 1));
	page = cache_get(m, 1, true);
	assert_true(ram_is(om_page_ptr(sys, page), ram_byte(1)));
	assert_false(om_page_test(page, OM_PG_DIRTY | OM_PG_SWAPBACKED));
	cache_release(sys, page);
	assert_ptr_equal(cache_get(m, 1, false), page);
	cache_release(sys, page);
	assert_int_equal(om_page_refs(page), 1);
	cache_touch(m, 2, true);
	assert_int_equal(om_mapping_getpage(m, 3, OM_ALONE, &page, NULL), -OM_EFAULT);
	assert_int_equal(om_mapping_getpage(m, UINTPTR_MAX, OM_ALONE, &page, NULL), -OM_EFAULT);
	assert_int_equal(atomic_load(&sys->nr_cached), 2);
	assert_int_equal(m->nr_pages, 2);
	assert_int_equal(cache_event(sys, OM_EV_PGPGIN), 2);
	om_mapping_put(m);
	assert_int_equal(atomic_load(&cache_file_store.released), 1);
	assert_int_equal(atomic_load(&cache_file_store.writes), 0);
	cache_finish(sys);
}

static void test_errors(void **state)
{
	struct om_system *sys = cache_start(8);
	struct om_mapping *m = cache_file(sys, CACHE_PAGES * OM_PAGE_SIZE);
	struct om_page *page;
	uintptr_t i;

	(void)state;
	atomic_store(&cache_file_store.fail_reads, 1);
	assert_int_equal(om_mapping_getpage(m, 0, OM_ALONE, &page, NULL), -OM_EIO);
	assert_null(om_mapping_lookup(m, 0));
	assert_int_equal(atomic_load(&sys->nr_cached), 0);
	cache_touch(m, 0, true);
	for (i = 1; i < 7; i++)
		cache_touch(m, i, true);
	assert_int_equal(atomic_load(&sys->free.n), 0); /* seven pages, one frame of objects */
	assert_int_equal(om_mapping_getpage(m, i, OM_ALONE, &page, NULL), -OM_ENOFRAME);
	assert_true(cache_evict(m, 3));
	/* A frame for the page but none for its node: */
	assert_int_equal(om_mapping_getpage(m, 20, OM_ALONE, &page, NULL), -OM_ENOFRAME);
	assert_int_equal(atomic_load(&sys->free.n), 1);
	cache_touch(m, i, true);
	om_mapping_put(m);
	cache_finish(sys);
}

static int no_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	(void)store, (void)first, (void)n, (void)frame;
	return -OM_EIO;
}

static int no_punch(void *store, uint64_t first, uint64_t n)
{
	(void)store, (void)first, (void)n;
	return -OM_EIO;
}

static void test_new(void **state)
{
	struct om_system *sys = cache_start(1);
	struct om_page *user = om_frame_get(sys, OM_KIND_USER, 0);
	struct om_mapping *a, *b;

	(void)state;
	assert_int_equal(om_mapping_new(sys, &ram_ops, &cache_file_store, 1, &a), -OM_ENOFRAME);
	om_frame_release(sys, user);
	if (OM_MAPPING_MAX < UINT64_MAX)
		assert_int_equal(om_mapping_new(sys, NULL, NULL, UINT64_MAX, &a), -OM_EOVERFLOW);
	a = cache_file(sys, 100);
	b = cache_shmem(sys, 3);
	assert_ptr_equal(sys->mappings, b);
	assert_int_equal(om_mapping_size(a), 100);
	assert_int_equal(om_mapping_size(b), 3 * OM_PAGE_SIZE);
	om_mapping_get(a);
	om_mapping_put(a);
	om_spin_lock(sys, &sys->list_lock, OM_RANK_LIST);
	assert_true(om_mapping_tryget(a));
	atomic_store(&b->refs, 0);
	assert_false(om_mapping_tryget(b));
	atomic_store(&b->refs, 1);
	om_spin_unlock(sys, &sys->list_lock);
	om_mapping_put(a);
	om_mapping_put(a);
	assert_ptr_equal(sys->mappings, b);
	om_mapping_put(b);
	expect_bug("om_store_ops.read",
	           om_mapping_new(sys, &(struct om_store_ops){.write = no_write}, NULL, 0, &a));
	expect_bug("om_store_ops.write",
	           om_mapping_new(sys,
	                          &(struct om_store_ops){.read = ram_ops.read, .punch = no_punch},
	                          NULL, 0, &a));
	cache_finish(sys);
}

/* Each reason to keep a page. */
static void test_evict(void **state)
{
	struct om_system *sys = cache_start(10);
	struct om_mapping *m = cache_file(sys, CACHE_PAGES * OM_PAGE_SIZE);
	struct om_page *page = cache_get(m, 5, true);

	(void)state;
	cache_release(sys, page);
	page->mapcount = 1;
	assert_false(cache_evict(m, 5));
	page->mapcount = 0;
	page->holds += OM_ONE_PIN;
	assert_false(cache_evict(m, 5));
	page->holds -= OM_ONE_PIN;
	om_page_ref(sys, page);
	assert_false(cache_evict(m, 5));
	om_page_put(sys, page);
	om_page_set(page, OM_PG_DIRTY);
	assert_false(cache_evict(m, 5));
	om_page_lock(sys, page);
	assert_int_equal(om_mapping_writepage(m, page), 0);
	om_page_unlock(sys, page);
	assert_true(cache_evict(m, 5));
	assert_null(om_mapping_lookup(m, 5));
	assert_int_equal(page->kind, OM_KIND_FREE);
	assert_int_equal(atomic_load(&sys->nr_cached), 0);
	cache_touch(m, 5, true);
	om_mapping_put(m);
	cache_finish(sys);
}

static void test_writepage(void **state)
{
	struct om_system *sys = cache_start(10);
	struct om_mapping *m = cache_file(sys, CACHE_PAGES * OM_PAGE_SIZE), *readonly;
	struct om_page *page = cache_get(m, 7, true);

	(void)state;
	memset(om_page_ptr(sys, page), 0xee, OM_PAGE_SIZE);
	om_page_set(page, OM_PG_DIRTY);
	atomic_store(&cache_file_store.fail_writes, 1);
	assert_int_equal(om_mapping_writepage(m, page), -OM_EIO);
	assert_true(om_page_test(page, OM_PG_DIRTY));
	assert_int_equal(cache_event(sys, OM_EV_PGPGOUT), 0);
	assert_int_equal(om_mapping_writepage(m, page), 0);
	assert_false(om_page_test(page, OM_PG_DIRTY));
	assert_int_equal(cache_event(sys, OM_EV_PGPGOUT), 1);
	assert_true(ram_is(cache_file_store.data + 7 * OM_PAGE_SIZE, 0xee));
	cache_release(sys, page);
	/* The last put writes what is dirty; what cannot be written is lost. */
	page = cache_get(m, 8, true);
	memset(om_page_ptr(sys, page), 0xdd, OM_PAGE_SIZE);
	om_page_set(page, OM_PG_DIRTY);
	cache_release(sys, page);
	page = cache_get(m, 9, true);
	om_page_set(page, OM_PG_DIRTY);
	cache_release(sys, page);
	atomic_store(&cache_file_store.bad_page, 9);
	om_mapping_put(m);
	assert_true(ram_is(cache_file_store.data + 8 * OM_PAGE_SIZE, 0xdd));
	atomic_store(&cache_file_store.bad_page, RAM_NEVER);
	/* A store that cannot write keeps its pages dirty. */
	assert_int_equal(om_mapping_new(sys, &ram_ops_readonly, &cache_file_store, OM_PAGE_SIZE,
	                                &readonly),
	                 0);
	page = cache_get(readonly, 0, true);
	om_page_set(page, OM_PG_DIRTY);
	assert_int_equal(om_mapping_writepage(readonly, page), -OM_EIO);
	assert_true(om_page_test(page, OM_PG_DIRTY));
	cache_release(sys, page);
	assert_int_equal(om_mapping_punch(readonly, 0, OM_PAGE_SIZE), -OM_EOPNOTSUPP);
	om_mapping_put(readonly);
	cache_finish(sys);
}

/* Pages leave the file by a hole, or by a new end: nothing is written, and who holds one keeps it. */
static void test_drop(void **state)
{
	struct om_system *sys = cache_start(50);
	struct om_mapping *m = cache_file(sys, CACHE_PAGES * OM_PAGE_SIZE);
	struct om_page *held;

	(void)state;
	for (uintptr_t i = 0; i < CACHE_PAGES; i++)
		cache_touch(m, i, true);
	held = om_mapping_lookup(m, 26);
	om_page_set(held, OM_PG_DIRTY);
	assert_int_equal(om_mapping_punch(m, 20 * OM_PAGE_SIZE, 10 * OM_PAGE_SIZE), 0);
	assert_int_equal(m->nr_pages, CACHE_PAGES - 10);
	assert_int_equal(atomic_load(&cache_file_store.writes), 0); /* dropped means dropped */
	assert_null(om_mapping_lookup(m, 20));
	assert_null(om_mapping_lookup(m, 29));
	assert_null(held->object);
	om_page_put(sys, held);
	assert_int_equal(om_mapping_truncate(m, 20 * OM_PAGE_SIZE), 0);
	assert_int_equal(m->nr_pages, 20);
	assert_int_equal(om_mapping_punch(m, 30 * OM_PAGE_SIZE, OM_PAGE_SIZE), 0);
	assert_int_equal(m->nr_pages, 20);
	om_mapping_put(m);
	cache_finish(sys);
}

/* Pages that are not in memory yet. */
static void dirty(struct om_mapping *m, uintptr_t first, unsigned n)
{
	for (uintptr_t i = first; i < first + n; i++) {
		struct om_page *page = cache_get(m, i, true);

		om_page_set(page, OM_PG_DIRTY);
		cache_release(m->sys, page);
	}
}

/* As a table of inodes has it: a pointer without a reference, cleared by `release`. */
static struct om_mapping *kept;
static unsigned refused;

static int write_asks(void *store, uint64_t first, unsigned n, void *const frame[])
{
	refused += !om_mapping_tryget(kept);
	return ram_ops.write(store, first, n, frame);
}

static void release_asks(void *store)
{
	refused += !om_mapping_tryget(kept);
	kept = NULL;
	ram_ops.release(store);
}

/* Between the last put and the end of `release` nobody gets it, though it is there. */
static void test_tryget(void **state)
{
	struct om_system *sys = cache_start(50);
	struct om_store_ops ops = ram_ops;

	(void)state;
	ops.write = write_asks;
	ops.release = release_asks;
	refused = 0;
	assert_int_equal(om_mapping_create(sys, &ops, &cache_file_store, OM_PAGE_SIZE, &kept), 0);
	dirty(kept, 0, 1);
	assert_true(om_mapping_tryget(kept));
	om_mapping_put(kept);
	assert_int_equal(refused, 0);
	om_mapping_put(kept);
	assert_int_equal(refused, 2); /* while the page was written, and at the end */
	assert_null(kept);
	cache_finish(sys);
}

/* The next run is n pages from `first` on; n 0: there is none. */
static void expect_run(struct om_mapping *m, struct om_run *run, uintptr_t first, unsigned n)
{
	assert_int_equal(om_mapping_next_dirty(m, run), n != 0);
	if (!n)
		return;
	assert_int_equal(run->n, n);
	for (unsigned i = 0; i < n; i++) {
		struct om_page *page = om_page_of(m->sys, run->page[i]);

		assert_int_equal(page->index, first + i);
		assert_true(om_page_test(page, OM_PG_LOCKED));
	}
	om_run_put(m->sys, run);
}

#define BIG (OM_TRANSFER_MAX + 8u)

/* Neighbours go together, as many as fit; a page that somebody holds begins the next run. */
static void test_runs(void **state)
{
	struct om_system *sys = cache_start(2 * BIG);
	struct om_mapping *m = cache_file(sys, BIG * OM_PAGE_SIZE);
	struct om_run run = {.last = UINTPTR_MAX};
	struct om_page *page;

	(void)state;
	expect_run(m, &run, 0, 0);
	dirty(m, 0, 5);
	cache_touch(m, 5, true);
	dirty(m, 7, 1);
	dirty(m, 20, 20);
	run = (struct om_run){.last = UINTPTR_MAX};
	expect_run(m, &run, 0, 5);
	expect_run(m, &run, 7, 1);
	expect_run(m, &run, 20, 20);
	expect_run(m, &run, 0, 0);
	/* No more than was asked for. */
	run = (struct om_run){.next = 3, .last = 22};
	expect_run(m, &run, 3, 2);
	expect_run(m, &run, 7, 1);
	expect_run(m, &run, 20, 3);
	expect_run(m, &run, 0, 0);
	/* With others locked a lock is not waited for: nobody would unlock it here. */
	page = om_mapping_lookup(m, 22);
	om_page_set(page, OM_PG_LOCKED); /* by another thread */
	run = (struct om_run){.next = 20, .last = 22};
	assert_true(om_mapping_next_dirty(m, &run));
	assert_int_equal(run.n, 2);
	assert_int_equal(run.next, 22);
	om_run_put(sys, &run);
	om_page_clear(page, OM_PG_LOCKED);
	om_page_put(sys, page);
	/* And no more than fits a transfer. */
	assert_int_equal(om_mapping_sync(m, 0, 0), 0);
	om_mapping_readahead(m, 0, BIG);
	for (uintptr_t i = 0; i < BIG; i++) {
		page = cache_get(m, i, false);
		om_page_set(page, OM_PG_DIRTY);
		cache_release(sys, page);
	}
	run = (struct om_run){.last = UINTPTR_MAX};
	expect_run(m, &run, 0, OM_TRANSFER_MAX);
	expect_run(m, &run, OM_TRANSFER_MAX, BIG - OM_TRANSFER_MAX);
	expect_run(m, &run, 0, 0);
	om_mapping_put(m);
	cache_finish(sys);
}

/* One transfer for neighbours, each alone if that fails; and nothing beside what was asked for. */
static void test_sync(void **state)
{
	struct om_system *sys = cache_start(60);
	struct om_mapping *m = cache_file(sys, CACHE_PAGES * OM_PAGE_SIZE);

	(void)state;
	dirty(m, 8, 32);
	assert_int_equal(om_mapping_sync(m, 0, 8 * OM_PAGE_SIZE), 0);
	assert_int_equal(atomic_load(&cache_file_store.writes), 0);
	assert_int_equal(om_mapping_sync(m, 8 * OM_PAGE_SIZE, 1), 0);
	assert_int_equal(atomic_load(&cache_file_store.writes), 1);
	assert_int_equal(atomic_load(&cache_file_store.pages_written), 1);
	atomic_store(&cache_file_store.bad_page, 11);
	assert_int_equal(om_mapping_sync(m, 8 * OM_PAGE_SIZE, 8 * OM_PAGE_SIZE), -OM_EIO);
	assert_int_equal(atomic_load(&cache_file_store.pages_written), 7);
	assert_int_equal(atomic_load(&cache_file_store.writes), 1 + 1 + 7);
	atomic_store(&cache_file_store.bad_page, RAM_NEVER);
	atomic_store(&cache_file_store.writes, 0);
	assert_int_equal(om_mapping_sync(m, 0, 0), 0);
	assert_int_equal(atomic_load(&cache_file_store.pages_written), 32);
	assert_int_equal(atomic_load(&cache_file_store.writes), 1 + 1); /* page 11; 16-39 */
	om_mapping_put(m);
	cache_finish(sys);
}

static void test_next(void **state)
{
	struct om_system *sys = cache_start(10);
	struct om_mapping *m = cache_file(sys, CACHE_PAGES * OM_PAGE_SIZE);
	struct om_page *page;
	uintptr_t i = 0;

	(void)state;
	cache_touch(m, 3, true);
	cache_touch(m, 30, true);
	assert_true(om_ientry_is_page(om_mapping_next(m, &i, 29, &page)));
	assert_int_equal(i, 3);
	om_page_put(sys, page);
	i++;
	assert_int_equal(om_mapping_next(m, &i, 29, &page), 0);
	i = 4;
	assert_int_not_equal(om_mapping_next(m, &i, 30, &page), 0);
	assert_int_equal(i, 30);
	om_page_put(sys, page);
	i = 31;
	assert_int_equal(om_mapping_next(m, &i, UINTPTR_MAX, &page), 0);
	om_mapping_put(m);
	cache_finish(sys);
}

static void test_readahead(void **state)
{
	struct om_system *sys = cache_start(60);
	struct om_mapping *m = cache_file(sys, CACHE_PAGES * OM_PAGE_SIZE);

	(void)state;
	cache_touch(m, 5, true);
	atomic_store(&cache_file_store.reads, 0);
	om_mapping_readahead(m, 0, 0);
	om_mapping_readahead(m, CACHE_PAGES, 7);
	assert_int_equal(atomic_load(&cache_file_store.reads), 0);
	om_mapping_readahead(m, 2, 20); /* 2-4, 6-21 */
	assert_int_equal(atomic_load(&cache_file_store.reads), 2);
	assert_int_equal(m->nr_pages, 20);
	for (uintptr_t i = 2; i < 22; i++) {
		struct om_page *page = cache_get(m, i, false);

		assert_true(ram_is(om_page_ptr(sys, page), ram_byte(i)));
		cache_release(sys, page);
	}
	/* An error takes its run along, and nobody hears of it. */
	atomic_store(&cache_file_store.bad_page, 39);
	om_mapping_readahead(m, 36, 100);
	assert_int_equal(m->nr_pages, 20);
	om_mapping_readahead(m, 36, 3);
	assert_int_equal(m->nr_pages, 23);
	/* Not more than half of what is free above the reserve; and nothing of that. */
	unit_set_reserve(sys, atomic_load(&sys->free.n) - 4);
	om_mapping_readahead(m, 22, 3);
	assert_int_equal(m->nr_pages, 26);
	unit_set_reserve(sys, atomic_load(&sys->free.n));
	om_mapping_readahead(m, 30, 3);
	assert_int_equal(m->nr_pages, 26);
	om_mapping_put(m);
	cache_finish(sys);
}

/* ---- threads ---- */

static void read_page_3(void *arg, unsigned i)
{
	struct om_mapping *m = arg;
	struct om_page *page;

	(void)i;
	unit_check(om_mapping_getpage(m, 3, OM_ALONE, &page, NULL) == 0);
	unit_check(ram_is(om_page_ptr(m->sys, page), ram_byte(3)));
	cache_release(m->sys, page);
}

static atomic_uint nr_errors;

static void read_page_4(void *arg, unsigned i)
{
	struct om_mapping *m = arg;
	struct om_page *page;
	int err = om_mapping_getpage(m, 4, OM_ALONE, &page, NULL);

	(void)i;
	if (err) {
		unit_check(err == -OM_EIO);
		atomic_fetch_add(&nr_errors, 1);
	} else {
		cache_release(m->sys, page);
	}
}

/* Who finds a page being read waits; if the transfer fails, the next one tries again. */
static void test_two_readers(void **state)
{
	struct om_system *sys = cache_start(20);
	struct om_mapping *m = cache_file(sys, CACHE_PAGES * OM_PAGE_SIZE);

	(void)state;
	atomic_store(&cache_file_store.delay, 20000);
	unit_threads(6, read_page_3, m);
	assert_int_equal(atomic_load(&cache_file_store.reads), 1);
	atomic_store(&cache_file_store.fail_reads, 2);
	atomic_store(&nr_errors, 0);
	unit_threads(6, read_page_4, m);
	assert_int_equal(atomic_load(&nr_errors), 2);
	assert_int_equal(atomic_load(&cache_file_store.reads), 4);
	om_mapping_put(m);
	cache_finish(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_getpage),   cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_new),       cmocka_unit_test(test_evict),
	    cmocka_unit_test(test_writepage), cmocka_unit_test(test_tryget),
	    cmocka_unit_test(test_drop),      cmocka_unit_test(test_runs),
	    cmocka_unit_test(test_sync),      cmocka_unit_test(test_next),
	    cmocka_unit_test(test_readahead), cmocka_unit_test(test_two_readers),
	};

	return unit_run(tests);
}
