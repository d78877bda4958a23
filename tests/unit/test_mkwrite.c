/*
 * test_mkwrite.c: who may write to a file through a mapping: the store that is asked first, and the
 * files that deny it.
 */
#include "calls.h"
#include "space.h"

#include "store/mapping.h"

/* ---------------------------------------------------------------- page_mkwrite -------------- */

/* A store of shared memory, or of a file in `disk`, that notes what it is asked. */
static struct asked {
	struct sim_store *disk;
	unsigned calls, released;
	uint64_t index; /* of the last one */
	int answer;
	void (*during)(void); /* done once */
} asked;

static int note_mkwrite(void *store, uint64_t index)
{
	struct asked *a = store;
	void (*during)(void) = a->during;

	assert_ptr_equal(a, &asked);
	assert_int_equal(sim_held_locks()->depth, 0);
	a->calls++;
	a->index = index;
	a->during = NULL;
	if (during)
		during();
	return a->answer;
}

static int note_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	return sim_store_ops.read(((struct asked *)store)->disk, first, n, frame);
}

static int note_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	return sim_store_ops.write(((struct asked *)store)->disk, first, n, frame);
}

static int note_punch(void *store, uint64_t first, uint64_t n)
{
	return sim_store_ops.punch(((struct asked *)store)->disk, first, n);
}

static void note_release(void *store)
{
	((struct asked *)store)->released++;
}

static const struct om_store_ops file_ops = {.read = note_read,
                                             .write = note_write,
                                             .page_mkwrite = note_mkwrite,
                                             .punch = note_punch,
                                             .release = note_release};
static const struct om_store_ops memory_ops = {.page_mkwrite = note_mkwrite,
                                               .release = note_release};

static struct om_mapping *asking(struct space *s, bool file, size_t pages)
{
	struct om_mapping *m;

	asked = (struct asked){.disk = file ? sim_store_ram() : NULL};
	assert_int_equal(om_mapping_create(s->sys, file ? &file_ops : &memory_ops, &asked,
	                                   pages << OM_PAGE_SHIFT, &m),
	                 0);
	return m;
}

static void finish(struct space *s, struct om_mapping *m)
{
	om_mapping_put(m);
	space_finish(s);
	assert_int_equal(asked.released, 1);
	if (asked.disk)
		sim_store_free(asked.disk);
}

/* Since the last time it was asked so often, the last time for this page. */
static void expect_asked(unsigned calls, uint64_t index)
{
	assert_int_equal(asked.calls, calls);
	if (calls)
		assert_int_equal(asked.index, index);
	asked.calls = 0;
}

/* Stores ask, reads do not; once for each mapping and each time that the page was written back. */
static void test_first_store(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = asking(&s, true, 16);

	(void)state;
	space_map_file(&s, 0, 16, RW, 0, file, 0);
	space_map_file(&s, 16, 16, RW, 0, file, 0);
	space_map_file(&s, 32, 16, RW, OM_MAP_PRIVATE, file, 0);
	space_put(&s, s.mm, 3, 1);
	expect_asked(1, 3);
	space_put(&s, s.mm, 3, 2);
	expect_asked(0, 0);
	assert_int_equal(space_get(&s, s.mm, 5), 0);
	expect_asked(0, 0);
	space_put(&s, s.mm, 5, 3);
	expect_asked(1, 5);
	space_put(&s, s.mm, 16 + 5, 4);
	expect_asked(1, 5);
	space_put(&s, s.mm, 32 + 5, 5);
	space_put(&s, s.mm, 32 + 6, 6);
	expect_asked(0, 0);
	space_check(&s);
	assert_int_equal(om_mapping_sync(file, 0, 0), 0);
	space_put(&s, s.mm, 3, 7);
	expect_asked(1, 3);
	assert_int_equal(om_mapping_write(file, 8 * SIM_PAGE_SIZE, "x", 1, NULL), 0);
	expect_asked(0, 0);
	space_put(&s, s.mm, 8, 8);
	expect_asked(1, 8);
	/* The library's own writes, and devices', are stores like others. */
	assert_int_equal(om_write(s.mm, at(9), "x", 1, NULL), 0);
	expect_asked(1, 9);
	assert_int_equal(om_madvise(s.mm, at(10), SIM_PAGE_SIZE, OM_MADV_POPULATE_WRITE), 0);
	expect_asked(1, 10);
	assert_int_equal(om_remap_file_pages(s.mm, at(11), SIM_PAGE_SIZE, 0, 2, 0), 0);
	space_put(&s, s.mm, 11, 9);
	expect_asked(1, 2);
	space_check(&s);
	finish(&s, file);
}

/* Shared memory needs no more than the hook. */
static void test_shared_memory(void **state)
{
	struct space s = space_start(256, 64);
	struct om_mapping *file = asking(&s, false, 16);
	om_pfn_t pfn;

	(void)state;
	space_map_file(&s, 0, 16, RW, 0, file, 0);
	assert_int_equal(space_get(&s, s.mm, 2), 0);
	expect_asked(0, 0);
	space_put(&s, s.mm, 2, 1);
	expect_asked(1, 2);
	assert_int_equal(om_pin(s.mm, at(4), OM_WRITE, &pfn), 0);
	expect_asked(1, 4);
	om_unpin(s.sys, pfn, true);
	/* Out, and in again by a store. */
	assert_int_equal(om_madvise(s.mm, at(0), 16 << OM_PAGE_SHIFT, OM_MADV_PAGEOUT), 0);
	while (om_reclaim_step(s.sys, 32))
		;
	assert_int_equal(file->nr_pages, 0);
	space_put(&s, s.mm, 2, 2);
	expect_asked(1, 2);
	space_check(&s);
	finish(&s, file);
}

/* The store says no: nothing is written, and the page is as clean as it was. */
static void test_refused(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = asking(&s, true, 16);
	struct om_pageinfo info;
	om_pfn_t pfn;

	(void)state;
	space_map_file(&s, 0, 16, RW, 0, file, 0);
	asked.answer = -OM_ENOSPC;
	assert_int_equal(space_try(&s, s.mm, 1, true), OM_FAULT_BUS);
	assert_int_equal(space_get(&s, s.mm, 2), 0);
	assert_int_equal(space_try(&s, s.mm, 2, true), OM_FAULT_BUS);
	om_pageinfo(s.mm, at(2), &info);
	assert_false(info.writable);
	assert_int_equal(om_write(s.mm, at(2), "x", 1, NULL), -OM_EFAULT);
	assert_int_equal(om_pin(s.mm, at(2), OM_WRITE, &pfn), -OM_EFAULT);
	asked.answer = -OM_ENOMEM;
	assert_int_equal(space_try(&s, s.mm, 2, true), OM_FAULT_OOM);
	expect_asked(5, 2);
	assert_false(om_page_test(space_page(s.mm, 2, NULL, NULL), OM_PG_DIRTY));
	space_check(&s);
	asked.answer = 0;
	assert_int_equal(space_try(&s, s.mm, 2, true), OM_FAULT_MINOR);
	space_check(&s);
	finish(&s, file);
}

/* What may happen while it is asked. */
static struct space *scene;
static struct om_mapping *scene_file;

static void write_back(void)
{
	assert_int_equal(om_mapping_sync(scene_file, 0, 0), 0);
}

static void truncate_away(void)
{
	assert_int_equal(om_mapping_truncate(scene_file, 0), 0);
}

static void punch_out(void)
{
	assert_int_equal(om_mapping_punch(scene_file, 0, 16 * SIM_PAGE_SIZE), 0);
}

static void unmap_away(void)
{
	assert_int_equal(om_munmap(scene->mm, at(0), 16 << OM_PAGE_SHIFT), 0);
	om_mapping_put(scene_file); /* the area had the other reference */
}

static void test_meanwhile(void **state)
{
	struct space s = space_start(256, 0);

	(void)state;
	scene = &s;
	scene_file = asking(&s, true, 16);
	space_map_file(&s, 0, 16, RW, 0, scene_file, 0);
	asked.during = write_back;
	assert_int_equal(space_try(&s, s.mm, 1, true), OM_FAULT_MINOR);
	expect_asked(1, 1);
	asked.during = punch_out;
	assert_int_equal(space_get(&s, s.mm, 2), 0);
	assert_int_equal(space_try(&s, s.mm, 2, true), OM_FAULT_MINOR);
	expect_asked(2, 2); /* it was for the page that is gone */
	asked.during = truncate_away;
	assert_int_equal(space_try(&s, s.mm, 3, true), OM_FAULT_BUS);
	expect_asked(1, 3);
	space_check(&s);
	assert_int_equal(om_mapping_truncate(scene_file, 16 << OM_PAGE_SHIFT), 0);
	asked.during = unmap_away;
	assert_int_equal(space_try(&s, s.mm, 4, true), OM_FAULT_MAPERR);
	expect_asked(1, 4);
	assert_int_equal(asked.released, 1);
	sim_store_free(asked.disk);
	space_finish(&s);
}

/* ---------------------------------------------------------------- i_mmap_writable ----------- */

/* Areas that are shared and may be written count, whatever becomes of them. */
static void test_writable_areas(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = space_file(&s, 16);
	struct om_mm *child;
	uintptr_t addr = at(32);

	(void)state;
	space_map_file(&s, 0, 8, R, OM_MAP_PRIVATE, file, 0);
	space_map_file(&s, 8, 8, R, OM_MAP_FILE_RDONLY, file, 0);
	assert_int_equal(om_mapping_writably_mapped(file), 0);
	space_map_file(&s, 16, 8, R, 0, file, 0);
	assert_int_equal(om_mapping_writably_mapped(file), 1);
	assert_int_equal(om_mprotect(s.mm, at(18), 2 << OM_PAGE_SHIFT, OM_PROT_NONE), 0);
	assert_int_equal(om_mapping_writably_mapped(file), 3);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	assert_int_equal(om_mapping_writably_mapped(file), 6);
	space_check(&s);
	assert_int_equal(om_mprotect(s.mm, at(16), 8 << OM_PAGE_SHIFT, OM_PROT_READ), 0);
	assert_int_equal(om_mapping_writably_mapped(file), 4);
	assert_int_equal(do_mremap(s.mm, at(16), 0, 4 << OM_PAGE_SHIFT,
	                           OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, addr, &addr),
	                 0);
	assert_int_equal(om_mapping_writably_mapped(file), 5);
	space_check(&s);
	assert_int_equal(om_mapping_deny_writable(file), -OM_EBUSY);
	om_mm_destroy(child);
	assert_int_equal(om_munmap(s.mm, at(16), 32 << OM_PAGE_SHIFT), 0);
	assert_int_equal(om_mapping_writably_mapped(file), 0);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

static int try_map(struct space *s, int prot, int flags, struct om_mapping *file)
{
	uintptr_t addr = at(64);

	return do_mmap(s->mm, &addr, SIM_PAGE_SIZE, prot, flags | OM_MAP_FIXED, file, 0);
}

/* Denied: no shared mapping can be written, private ones as ever. Denials are counted. */
static void test_denied(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mapping *file = space_file(&s, 16);
	om_pfn_t pfn;

	(void)state;
	space_map_file(&s, 0, 8, R, 0, file, 0);
	assert_int_equal(om_pin(s.mm, at(3), OM_READ, &pfn), 0);
	assert_int_equal(om_munmap(s.mm, at(0), 8 << OM_PAGE_SHIFT), 0);
	assert_int_equal(om_mapping_deny_writable(file), -OM_EBUSY); /* a device may still write */
	om_unpin(s.sys, pfn, false);
	assert_int_equal(om_mapping_deny_writable(file), 0);
	assert_int_equal(om_mapping_deny_writable(file), 0);
	assert_int_equal(om_mapping_writably_mapped(file), 0);
	assert_int_equal(try_map(&s, OM_PROT_READ | OM_PROT_WRITE, OM_MAP_SHARED, file), -OM_EPERM);
	assert_int_equal(try_map(&s, OM_PROT_READ | OM_PROT_WRITE,
	                         OM_MAP_SHARED | OM_MAP_FILE_RDONLY, file),
	                 -OM_EACCES);
	assert_int_equal(try_map(&s, OM_PROT_READ, OM_MAP_SHARED, file), 0);
	assert_int_equal(om_mprotect(s.mm, at(64), SIM_PAGE_SIZE, RW), -OM_EACCES);
	space_check(&s);
	assert_int_equal(try_map(&s, OM_PROT_READ | OM_PROT_WRITE, OM_MAP_PRIVATE, file), 0);
	om_mapping_allow_writable(file);
	assert_int_equal(try_map(&s, OM_PROT_READ | OM_PROT_WRITE, OM_MAP_SHARED, file), -OM_EPERM);
	om_mapping_allow_writable(file);
	assert_int_equal(try_map(&s, OM_PROT_READ | OM_PROT_WRITE, OM_MAP_SHARED, file), 0);
	assert_int_equal(om_mapping_writably_mapped(file), 1);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/* /dev/zero opened for reading gives shared memory that nobody can write. */
static void test_readonly_memory(void **state)
{
	struct space s = space_start(256, 0);
	const int flags = OM_MAP_SHARED | OM_MAP_FILE_RDONLY;

	(void)state;
	assert_int_equal(try_map(&s, OM_PROT_READ | OM_PROT_WRITE, flags, NULL), -OM_EACCES);
	assert_int_equal(try_map(&s, OM_PROT_READ, flags, NULL), 0);
	assert_int_equal(om_mprotect(s.mm, at(64), SIM_PAGE_SIZE, RW), -OM_EACCES);
	assert_int_equal(space_try(&s, s.mm, 64, true), OM_FAULT_ACCERR);
	assert_int_equal(try_map(&s, OM_PROT_READ, OM_MAP_PRIVATE | OM_MAP_FILE_RDONLY, NULL), 0);
	assert_int_equal(om_mprotect(s.mm, at(64), SIM_PAGE_SIZE, RW), 0);
	space_check(&s);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first_store),     cmocka_unit_test(test_shared_memory),
	    cmocka_unit_test(test_refused),         cmocka_unit_test(test_meanwhile),
	    cmocka_unit_test(test_writable_areas),  cmocka_unit_test(test_denied),
	    cmocka_unit_test(test_readonly_memory),
	};

	return unit_run(tests);
}
