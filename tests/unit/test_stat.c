/*
 * test_stat.c: figures: of the system, of an address space, of an area, of an entry. Each is
 * compared with a state that was made on purpose.
 */
#include "design.h"
#include "space.h"

#include <string.h>

#include "page/table.h"

static struct om_sysinfo sysinfo(struct space *s)
{
	struct om_sysinfo info;

	memset(&info, 0x5a, sizeof(info));
	om_sysinfo(s->sys, &info);
	return info;
}

static struct om_mminfo mminfo(struct om_mm *mm, uintptr_t first, uintptr_t end)
{
	struct om_mminfo info;

	memset(&info, 0x5a, sizeof(info));
	assert_int_equal(om_mminfo(mm, at(first), at(end), &info), 0);
	return info;
}

static struct om_mminfo whole(struct om_mm *mm)
{
	struct om_mminfo info;

	assert_int_equal(om_mminfo(mm, 0, OM_VA_LIMIT, &info), 0);
	assert_int_equal(om_mm_rss(mm), info.rss);
	return info;
}

/* ---------------------------------------------------------------- the system ---------------- */

static void test_event_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OM_NR_EVENTS; i++) {
		assert_non_null(om_event_name((enum om_event)i));
		assert_true(*om_event_name((enum om_event)i));
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(om_event_name((enum om_event)i),
			                        om_event_name((enum om_event)k));
	}
	assert_null(om_event_name(OM_NR_EVENTS));
	assert_string_equal(om_event_name(OM_EV_PGFAULT), "pgfault");
	assert_string_equal(om_event_name(OM_EV_SWAP_WRITE_ERR), "swap_write_err");
}

static void test_sysinfo(void **state)
{
	struct space s = space_start(128, 64);
	struct om_mapping *file = space_file(&s, 10);
	struct om_mm *child;
	struct om_sysinfo info = sysinfo(&s);

	(void)state;
	assert_int_equal(info.frames, 127);
	assert_int_equal(info.nr_mm, 1);
	assert_int_equal(info.nr_mapping, 1);
	assert_int_equal(info.nr_vma, 0);
	if (space_is_default())
		assert_int_equal(info.nr_anon_vma + info.rmap_bytes, 0);
	assert_int_equal(info.tables, 1);
	assert_int_equal(info.swap_slots, 64);
	assert_int_equal(info.swap_free, 64);

	space_map(&s, 0, 8, RW, 0);
	space_map_file(&s, 20, 5, RW, 0, file, 0);
	space_random(&s, 20, 5);
	space_map(&s, 40, 4, RW, OM_MAP_SHARED);
	space_fill(&s, s.mm, 0, 4, 'a');
	assert_int_equal(space_get(&s, s.mm, 4), 0); /* the zero page */
	space_expect(&s, s.mm, 20, 3, 1);
	space_fill(&s, s.mm, 40, 2, 'm');
	info = sysinfo(&s);
	assert_int_equal(info.anon_direct, 4);
	assert_int_equal(info.anon_shared, 0);
	assert_int_equal(info.file_mapped, 5);
	assert_int_equal(info.file_cached, 5);
	assert_int_equal(info.shmem, 2);
	assert_int_equal(info.nr_vma, 3);
	assert_int_equal(info.nr_mapping, 2);
	assert_int_equal(info.active_anon, 6); /* shared memory, too */
	assert_int_equal(info.active_file, 3);
	assert_int_equal(info.inactive_anon + info.inactive_file, 0);
	assert_int_equal(info.event[OM_EV_FAULT_ANON], 4);
	assert_int_equal(info.event[OM_EV_FAULT_ZERO], 1);
	assert_int_equal(info.event[OM_EV_FAULT_FILE], 5);
	assert_int_equal(info.event[OM_EV_PGMAJFAULT], 3);
	assert_int_equal(info.event[OM_EV_PGPGIN], 3);
	assert_int_equal(info.event[OM_EV_PGFAULT], 10);
	/* Every frame is something: free, the zero page, data, a table, an object, an index, a map.
	 */
	assert_int_equal(info.free + 1 + 9 + info.tables + info.objects + info.index, info.frames);

	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	space_put(&s, child, 0, 'c');
	info = sysinfo(&s);
	assert_int_equal(info.nr_mm, 2);
	assert_int_equal(info.anon_direct, 1);
	assert_int_equal(info.anon_shared, 4);
	if (space_is_default()) {
		assert_int_equal(info.nr_anon_vma, 1);
		assert_int_equal(info.rmap_bytes, OM_PAGE_SIZE);
	}
	assert_int_equal(info.event[OM_EV_FORK], 1);
	assert_int_equal(info.event[OM_EV_DIRECT_TO_SHARED], 4);
	assert_int_equal(info.event[OM_EV_FAULT_COW], 1);

	assert_int_equal(om_mlock(s.mm, at(0), 2 * OM_PAGE_SIZE, 0), 0);
	assert_int_equal(sysinfo(&s).unevictable, 2);
	om_mm_destroy(child);
	om_mapping_put(file);
	space_finish(&s);
}

/* Programs ask all the time: no frame is looked at, not even one that somebody holds. */
static void test_no_frame_lock(void **state)
{
	struct space s = space_start(128, 0);
	struct om_page *page;
	struct om_sysinfo info;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	page = space_page(s.mm, 2, NULL, NULL);
	om_frame_lock(s.sys, page);
	om_sysinfo(s.sys, &info);
	om_frame_unlock(s.sys, page);
	assert_int_equal(info.anon_direct, 4);
	space_finish(&s);
}

static void test_swap_figures(void **state)
{
	struct space s = space_start(128, 64);
	struct om_sysinfo info;

	(void)state;
	space_map(&s, 0, 8, RW, 0);
	space_fill(&s, s.mm, 0, 8, 'a');
	assert_int_equal(om_madvise(s.mm, at(0), 8 * OM_PAGE_SIZE, OM_MADV_PAGEOUT), 0);
	info = sysinfo(&s);
	assert_int_equal(info.swap_free, 56);
	assert_int_equal(info.swap_cached, 0);
	assert_int_equal(info.event[OM_EV_PSWPOUT], 8);
	assert_int_equal(info.event[OM_EV_PGSTEAL_ANON], 8);
	assert_int_equal(info.anon_direct, 0);
	assert_int_equal(space_get(&s, s.mm, 2), 'c');
	info = sysinfo(&s);
	assert_int_equal(info.swap_cached, 1);
	assert_int_equal(info.event[OM_EV_PSWPIN], 1);
	assert_int_equal(info.event[OM_EV_FAULT_SWAP], 1);
	assert_int_equal(whole(s.mm).swap, 7);
	space_put(&s, s.mm, 2,
	          'C'); /* differs from its slot now, and lets it go or keeps it dirty */
	space_check(&s);
	space_finish(&s);
}

/* ---------------------------------------------------------------- an address space ---------- */

static void test_mminfo(void **state)
{
	struct space s = space_start(128, 64);
	struct om_mapping *file = space_file(&s, 10);
	struct om_mm *child;
	struct om_mminfo info;

	(void)state;
	info = whole(s.mm);
	assert_int_equal(info.size + info.rss + info.vmas + info.locked + info.data, 0);
	assert_int_equal(info.tables, 1);

	space_map(&s, 0, 8, RW, 0);
	space_map(&s, 20, 4, R, OM_MAP_GROWSDOWN);
	space_map_file(&s, 40, 4, RW, OM_MAP_PRIVATE, file, 0);
	space_random(&s, 40, 4); /* a read brings one page */
	space_fill(&s, s.mm, 0, 4, 'a');
	assert_int_equal(space_get(&s, s.mm, 20), 0);
	assert_int_equal(space_get(&s, s.mm, 40), 1);
	space_put(&s, s.mm, 41, 'P');
	assert_int_equal(om_mlock(s.mm, at(2), 2 * OM_PAGE_SIZE, 0), 0);
	info = whole(s.mm);
	assert_int_equal(info.size, 16);
	assert_int_equal(info.vmas, 5); /* locking cut the first in three */
	assert_int_equal(info.data, 12);
	assert_int_equal(info.locked, 2);
	assert_int_equal(info.rss, 6);
	assert_int_equal(info.pss, 6 * 4096);
	assert_int_equal(info.direct, 5);
	assert_int_equal(info.file, 1);
	assert_int_equal(info.shared, 0);
	assert_int_equal(info.zero, 1);
	assert_int_equal(info.private_dirty, 5);
	assert_int_equal(info.private_clean, 1);
	assert_int_equal(info.referenced, 6);
	assert_int_equal(info.tables, atomic_load(&s.mm->nr_tables));
	assert_int_equal(info.rss,
	                 atomic_load(&s.mm->own.rss_anon) + atomic_load(&s.mm->own.rss_file));

	/* A child has half of everything that is private. */
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	info = whole(child);
	assert_int_equal(info.locked, 0);
	assert_int_equal(info.shared, 5);
	assert_int_equal(info.direct, 0);
	assert_int_equal(info.shared_dirty, 5);
	assert_int_equal(info.pss, 6 * 2048);
	assert_int_equal(whole(s.mm).pss, 6 * 2048);

	/* A part. */
	info = mminfo(s.mm, 3, 42);
	assert_int_equal(info.size, 5 + 4 + 2);
	assert_int_equal(info.rss, 3);
	assert_int_equal(info.locked, 1);
	assert_int_equal(info.tables, 0);
	info = mminfo(s.mm, 10, 10);
	assert_int_equal(info.size + info.rss, 0);
	assert_int_equal(om_mminfo(s.mm, at(1), at(0), &info), -OM_EINVAL);
	assert_int_equal(om_mminfo(s.mm, at(1) + 1, at(2), &info), -OM_EINVAL);
	om_mm_destroy(child);
	om_mapping_put(file);
	space_finish(&s);
}

/* ---------------------------------------------------------------- areas --------------------- */

static void test_vma_next(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mapping *file = space_file(&s, 10);
	struct om_vmainfo info;

	(void)state;
	assert_false(om_vma_next(s.mm, 0, &info));
	space_map(&s, 0, 2, RX, 0);
	space_map_file(&s, 10, 2, RW, 0, file, 3);
	space_map(&s, 20, 2, RW, OM_MAP_SHARED | OM_MAP_NORESERVE);

	assert_true(om_vma_next(s.mm, 0, &info));
	assert_int_equal(info.start, at(0));
	assert_int_equal(info.end, at(2));
	assert_int_equal(info.flags, OM_VM_READ | OM_VM_EXEC | OM_VM_MAYWRITE);
	assert_null(info.mapping);
	assert_null(info.store);

	assert_true(om_vma_next(s.mm, at(2), &info));
	assert_int_equal(info.start, at(10));
	assert_int_equal(info.flags, OM_VM_READ | OM_VM_WRITE | OM_VM_SHARED | OM_VM_MAYWRITE);
	assert_ptr_equal(info.mapping, file);
	assert_ptr_equal(info.store, s.file_store);
	assert_int_equal(info.pgoff, 3);

	assert_true(om_vma_next(s.mm, at(12) - 1, &info)); /* inside */
	assert_int_equal(info.start, at(10));
	assert_true(om_vma_next(s.mm, at(12), &info));
	assert_int_equal(info.start, at(20));
	assert_non_null(info.mapping); /* memory has one, too */
	assert_null(info.store);
	assert_int_equal(info.pgoff, 0);
	assert_true(info.flags & OM_VM_NORESERVE);
	assert_false(om_vma_next(s.mm, at(22), &info));
	assert_false(om_vma_next(s.mm, UINTPTR_MAX, &info));
	om_mapping_put(file);
	space_finish(&s);
}

/* ---------------------------------------------------------------- entries ------------------- */

static void test_pageinfo(void **state)
{
	struct space s = space_start(128, 64);
	struct om_mapping *file = space_file(&s, 10);
	struct om_pageinfo info;
	struct om_mm *child;

	(void)state;
	space_map(&s, 20, 4, RW, OM_MAP_SHARED);
	memset(&info, 0x5a, sizeof(info));
	om_pageinfo(s.mm, at(0), &info);
	assert_int_equal(info.kind, OM_PAGE_NONE);
	assert_int_equal(info.mapcount, 0);
	assert_false(info.writable || info.dirty || info.young);
	om_pageinfo(s.mm, UINTPTR_MAX, &info);
	assert_int_equal(info.kind, OM_PAGE_NONE);

	space_map(&s, 0, 4, RW, 0);
	space_map_file(&s, 10, 4, RW, 0, file, 0);
	assert_int_equal(space_get(&s, s.mm, 0), 0);
	om_pageinfo(s.mm, at(0) + 5, &info);
	assert_int_equal(info.kind, OM_PAGE_ZERO);
	assert_int_equal(info.value, s.sys->zero_pfn);
	assert_int_equal(info.mapcount, 0);
	assert_false(info.writable);

	space_put(&s, s.mm, 0, 'a');
	om_pageinfo(s.mm, at(0), &info);
	assert_int_equal(info.kind, OM_PAGE_DIRECT);
	assert_int_equal(info.value, om_page_pfn(s.sys, space_page(s.mm, 0, NULL, NULL)));
	assert_int_equal(info.mapcount, 1);
	assert_true(info.writable && info.dirty && info.young);

	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	om_pageinfo(s.mm, at(0), &info);
	assert_int_equal(info.kind, OM_PAGE_SHARED);
	assert_int_equal(info.mapcount, 2);
	assert_false(info.writable);
	assert_true(info.dirty);
	om_mm_destroy(child);

	assert_int_equal(space_get(&s, s.mm, 12), 3);
	om_pageinfo(s.mm, at(12), &info);
	assert_int_equal(info.kind, OM_PAGE_FILE);
	assert_false(info.writable || info.dirty);
	space_put(&s, s.mm, 12, 'f');
	om_pageinfo(s.mm, at(12), &info);
	assert_true(info.writable && info.dirty);
	assert_int_equal(om_mapping_sync(file, 0, 0), 0);
	om_pageinfo(s.mm, at(12), &info);
	assert_false(info.writable || info.dirty);

	assert_int_equal(om_remap_file_pages(s.mm, at(21), OM_PAGE_SIZE, 0, 3, 0), 0);
	om_pageinfo(s.mm, at(21), &info);
	assert_int_equal(info.kind, OM_PAGE_OFFSET);
	assert_int_equal(info.value, 3);

	assert_int_equal(om_madvise(s.mm, at(0), OM_PAGE_SIZE, OM_MADV_PAGEOUT), 0);
	om_pageinfo(s.mm, at(0), &info);
	assert_int_equal(info.kind, OM_PAGE_SWAP);
	assert_int_equal(info.value >> OM_SWAP_DEVICE_SHIFT, s.area);
	om_mapping_put(file);
	space_finish(&s);
}

/* ---------------------------------------------------------------- who holds what ------------ */

/* The cheap figures are those of the table by table count. */
static void test_mm_usage(void **state)
{
	struct space s = space_start(128, 64);
	struct om_mapping *file = space_file(&s, 10);
	struct om_mm_usage usage;
	struct om_mminfo info;
	om_pfn_t pfn;

	(void)state;
	space_map(&s, 0, 20, RW, 0);
	space_map_file(&s, 30, 10, R, 0, file, 0);
	space_fill(&s, s.mm, 0, 8, 'a');
	om_reclaim_step(s.sys, 3);
	space_random(&s, 30, 10);
	assert_int_equal(space_get(&s, s.mm, 34), 5);
	assert_int_equal(om_pin(s.mm, at(12), OM_WRITE, &pfn), 0);
	info = whole(s.mm);
	om_mm_usage(s.mm, &usage);
	assert_int_equal(usage.anon + usage.file, info.rss);
	assert_int_equal(usage.anon, info.direct);
	assert_int_equal(usage.file, 1);
	assert_int_equal(usage.swap, info.swap);
	assert_int_equal(usage.swap + usage.anon, 9);
	assert_int_equal(usage.tables, info.tables);
	assert_int_equal(usage.tables, OM_LEVELS);
	assert_int_equal(info.pinned, 1);
	om_unpin(s.sys, pfn, false);
	assert_int_equal(whole(s.mm).pinned, 0);
	om_mapping_put(file);
	space_finish(&s);
}

static struct om_mapping_usage usage_of(struct om_mapping *mapping)
{
	struct om_mapping_usage usage;

	om_mapping_usage(mapping, &usage);
	return usage;
}

/* Pages that lie far apart take nodes of the index with them. */
static void test_mapping_usage(void **state)
{
	static const struct {
		uint64_t page;
		size_t nodes; /* then */
	} step[] = {{3, 0}, {20, 1}, {900, 1}, {5000, 3}, {5001, 3}, {70000, 4}};
	struct space s = space_start(128, 64);
	struct om_mapping *shmem;
	size_t n = 0;

	(void)state;
	assert_int_equal(om_mapping_create(s.sys, NULL, NULL, 100000 << OM_PAGE_SHIFT, &shmem), 0);
	for (unsigned i = 0; i < sizeof(step) / sizeof(*step); i++) {
		assert_int_equal(om_mapping_write(shmem, step[i].page << OM_PAGE_SHIFT, "x", 1,
		                                  NULL),
		                 0);
		assert_int_equal(usage_of(shmem).pages, ++n);
		assert_int_equal(usage_of(shmem).nodes, step[i].nodes);
	}
	while (om_reclaim_step(s.sys, 100))
		;
	assert_int_equal(usage_of(shmem).pages, 0);
	assert_int_equal(usage_of(shmem).swap, n);
	assert_int_equal(usage_of(shmem).nodes, 4);
	assert_int_equal(om_mapping_punch(shmem, 70000 << OM_PAGE_SHIFT, OM_PAGE_SIZE), 0);
	assert_int_equal(usage_of(shmem).nodes, 3);
	space_check(&s);
	assert_int_equal(om_mapping_truncate(shmem, 10 << OM_PAGE_SHIFT), 0);
	assert_int_equal(usage_of(shmem).swap, 1);
	assert_int_equal(usage_of(shmem).nodes, 0);
	om_mapping_put(shmem);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_event_names),   cmocka_unit_test(test_sysinfo),
	    cmocka_unit_test(test_no_frame_lock), cmocka_unit_test(test_swap_figures),
	    cmocka_unit_test(test_mminfo),        cmocka_unit_test(test_vma_next),
	    cmocka_unit_test(test_pageinfo),      cmocka_unit_test(test_mm_usage),
	    cmocka_unit_test(test_mapping_usage),
	};

	return unit_run(tests);
}
