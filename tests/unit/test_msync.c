/*
 * test_msync.c: write-back goes where it was asked to, and takes neighbours along in one transfer.
 */
#include "space.h"

#include "reclaim/reclaim.h"
#include "store/mapping.h"

static struct sim_store_stats stats_of(struct space *s)
{
	struct sim_store_stats stats;

	sim_store_stats(s->file_store, &stats);
	return stats;
}

/* Since the last call: so many pages were written, in so many transfers. */
static void expect_written(struct space *s, uint64_t pages, uint64_t transfers)
{
	static uint64_t pages_before, transfers_before;
	struct sim_store_stats stats = stats_of(s);

	if (stats.pages_written < pages_before)
		pages_before = transfers_before = 0; /* a new machine */
	assert_int_equal(stats.pages_written - pages_before, pages);
	assert_int_equal(stats.writes - transfers_before, transfers);
	pages_before = stats.pages_written;
	transfers_before = stats.writes;
}

/* Pages 0-63 show the file's, and all are dirty. */
static struct om_mapping *dirty_file(struct space *s)
{
	struct om_mapping *file = space_file(s, 64);

	space_map_file(s, 0, 64, RW, 0, file, 0);
	space_fill(s, s->mm, 0, 64, 1);
	expect_written(s, 0, 0);
	return file;
}

static int sync(struct space *s, uintptr_t first, size_t n)
{
	return om_msync(s->mm, at(first), n << OM_PAGE_SHIFT, OM_MS_SYNC);
}

/* The first page of a file, too, is no more than that page. */
static void test_range(void **state)
{
	struct space s = space_start(512, 0);
	struct om_mapping *file = dirty_file(&s);

	(void)state;
	assert_int_equal(sync(&s, 0, 1), 0);
	expect_written(&s, 1, 1);
	assert_int_equal(sync(&s, 0, 1), 0);
	expect_written(&s, 0, 0);
	assert_int_equal(sync(&s, 10, 5), 0);
	expect_written(&s, 5, 1);
	assert_int_equal(sync(&s, 8, 10), 0);
	expect_written(&s, 5, 2); /* 8-9, 15-17 */
	assert_int_equal(om_msync(s.mm, at(0), 64 << OM_PAGE_SHIFT, OM_MS_ASYNC), 0);
	expect_written(&s, 0, 0);
	assert_int_equal(sync(&s, 0, 64), 0);
	expect_written(&s, 53, 2); /* 1-7, 18-63 */
	space_check(&s);
	/* What was written is clean now, and the next store is noticed. */
	space_put(&s, s.mm, 20, 99);
	assert_int_equal(sync(&s, 0, 64), 0);
	expect_written(&s, 1, 1);
	om_mapping_put(file);
	space_finish(&s);
}

/* Any page of the file may be shown in a nonlinear area. */
static void test_nonlinear(void **state)
{
	struct space s = space_start(512, 0);
	struct om_mapping *file = dirty_file(&s);

	(void)state;
	assert_int_equal(om_remap_file_pages(s.mm, at(0), 4 << OM_PAGE_SHIFT, 0, 60, 0), 0);
	assert_int_equal(sync(&s, 0, 1), 0); /* shows page 60 of the file */
	expect_written(&s, 1, 1);
	om_mapping_put(file);
	space_finish(&s);
}

/* A page that cannot be written keeps nobody else from it; it stays dirty, and is tried again. */
static void test_errors(void **state)
{
	struct space s = space_start(512, 0);
	struct om_mapping *file = dirty_file(&s);

	(void)state;
	sim_store_fail(s.file_store, SIM_WRITE, 1, false);
	assert_int_equal(sync(&s, 0, 16), 0); /* each page alone, then */
	assert_int_equal(stats_of(&s).write_errors, 1);
	expect_written(&s, 32, 17);
	sim_store_fail(s.file_store, SIM_WRITE, 1, true);
	assert_int_equal(sync(&s, 16, 4), -OM_EIO);
	sim_store_fail(s.file_store, SIM_WRITE, 0, false);
	expect_written(&s, 8, 5);
	space_check(&s);
	assert_int_equal(sync(&s, 16, 4), 0);
	expect_written(&s, 4, 1);
	om_mapping_put(file);
	space_finish(&s);
}

/* Reclaim and the last reference do the same. */
static void test_others(void **state)
{
	struct space s = space_start(512, 0);
	struct om_mapping *file = dirty_file(&s);
	unsigned char byte;

	(void)state;
	assert_int_equal(om_munmap(s.mm, at(0), 64 << OM_PAGE_SHIFT), 0);
	while (om_reclaim_step(s.sys, 32))
		;
	assert_int_equal(file->nr_pages, 0);
	expect_written(&s, 64, 64 / OM_RECLAIM_BATCH);
	space_map_file(&s, 0, 64, RW, 0, file, 0);
	space_expect(&s, s.mm, 0, 64, 1);
	space_fill(&s, s.mm, 0, 64, 101);
	om_mapping_put(file);
	expect_written(&s, 0, 0);
	assert_int_equal(om_munmap(s.mm, at(0), 64 << OM_PAGE_SHIFT), 0);
	expect_written(&s, 64, 64 / OM_TRANSFER_MAX);
	sim_store_peek(s.file_store, 63 * SIM_PAGE_SIZE + SIM_PAGE_SIZE / 2, &byte, 1);
	assert_int_equal(byte, 164);
	space_finish(&s);
}

/* 16 TiB are 2^32 pages: more than none. */
static void test_willneed(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = space_file(&s, 4);
	const uint64_t bytes = (uint64_t)1 << (32 + OM_PAGE_SHIFT);

	(void)state;
	if (sizeof(uintptr_t) > 4) {
		assert_int_equal(om_mapping_truncate(file, bytes), 0);
		space_map_file(&s, 0, (size_t)(bytes >> OM_PAGE_SHIFT), R, 0, file, 0);
		assert_int_equal(om_madvise(s.mm, at(0), (size_t)bytes, OM_MADV_WILLNEED), 0);
		assert_true(file->nr_pages > 100);
		/* At the first error it ends. */
		assert_int_equal(om_mapping_truncate(file, 0), 0);
		assert_int_equal(om_mapping_truncate(file, bytes), 0);
		sim_store_fail(s.file_store, SIM_READ, 2, true);
		assert_int_equal(om_madvise(s.mm, at(0), (size_t)bytes, OM_MADV_WILLNEED), 0);
		sim_store_fail(s.file_store, SIM_READ, 0, false);
		assert_int_equal(file->nr_pages, OM_TRANSFER_MAX); /* of the first one */
		assert_int_equal(stats_of(&s).read_errors, 1);
	}
	om_mapping_put(file);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_range),    cmocka_unit_test(test_nonlinear),
	    cmocka_unit_test(test_errors),   cmocka_unit_test(test_others),
	    cmocka_unit_test(test_willneed),
	};

	return unit_run(tests);
}
