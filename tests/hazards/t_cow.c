/*
 * t_cow.c: copy-on-write: rows 1-3, 51, 52, 65-67, 70-72.
 */
#include "hazards.h"

#include <string.h>

/* ---------------------------------------------------------------- 1-3: write intent --------- */

static void private_file(struct play *p)
{
	play_file(p, 4, OM_MAP_PRIVATE);
	rig_expect(p->r, p->mm, p->a, 4, 200);
}

static void task_write_page(struct play *p)
{
	rig_ok(write_tag(p->mm, p->a + PAGES(1), 900));
}

static void task_dontneed(struct play *p)
{
	rig_ok(om_madvise(p->mm, p->a, PAGES(4), OM_MADV_DONTNEED));
}

static void task_pin_write(struct play *p)
{
	rig_ok(om_pin(p->mm, p->a + PAGES(1), OM_WRITE, &p->pfn));
	sched_step();
	rig_set_tag(sim_frame(p->r->sim, p->pfn), 900);
	sched_step();
	om_unpin(p->r->sys, p->pfn, true);
}

/* Whatever became of the copy, the file has never changed. */
static void check_dirty_cow(struct play *p)
{
	unsigned long tag = get_tag(p, p->mm, p->a + PAGES(1));

	rig_check(tag == 900 || tag == 201);
	rig_equal(rig_file_tag(p->file, 1), 201);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	rig_equal(rig_store_tag(rig_store(p->r, p->file), 1), 201);
}

static void test_h01_dirty_cow(void **state)
{
	(void)state;
	EXPLORE({.name = "h01_write",
	         .setup = private_file,
	         .task = {task_write_page, task_dontneed},
	         .check = check_dirty_cow},
	        {.name = "h01_pin",
	         .setup = private_file,
	         .task = {task_pin_write, task_dontneed},
	         .check = check_dirty_cow});
}

/* Nothing that only reads makes an entry dirty, unless its page is this mm's own. */
static void test_h02_dirty_is_no_proof(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 2, OM_PROT_READ, OM_MAP_PRIVATE, NULL, 0);
	struct om_mapping *file = rig_file(r, 2, 200);
	uintptr_t f = rig_map(r, mm, THERE, 2, OM_PROT_READ, OM_MAP_PRIVATE, file, 0);
	om_pfn_t pfn;

	(void)state;
	rig_expect(r, mm, f, 2, 200);
	rig_check(!rig_info(mm, f).dirty);
	(void)rig_get(sim_cpu(r->sim, 0), mm, a, &(unsigned long){0});
	rig_check(rig_info(mm, a).kind == OM_PAGE_ZERO && !rig_info(mm, a).dirty);
	rig_ok(rig_pin(r, mm, a, OM_READ, &pfn));
	rig_check(rig_info(mm, a).kind == OM_PAGE_DIRECT && !rig_info(mm, a).writable);
	rig_unpin(r, pfn, false);
	rig_ok(rig_pin(r, mm, f, OM_READ, &pfn));
	rig_check(rig_info(mm, f).kind == OM_PAGE_DIRECT && !rig_info(mm, f).writable);
	rig_equal(write_tag(mm, a, 1), -OM_EFAULT);
	rig_equal(write_tag(mm, f, 1), -OM_EFAULT);
	rig_verify(r);
	rig_destroy(r);
}

/* A read-only private view of shared memory, whose pages are dirty: no way to write through it. */
static void test_h03_forced_write_to_shmem(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *owner = rig_mm(r);
	struct om_mapping *shmem = rig_shmem(r, 2, 600);
	uintptr_t a = rig_map(r, mm, HERE, 2, OM_PROT_READ, OM_MAP_PRIVATE, shmem, 0);
	uintptr_t b = rig_map(r, owner, HERE, 2, RIG_RW, OM_MAP_SHARED, shmem, 0);
	om_pfn_t pfn;

	(void)state;
	rig_put(r, owner, b, 2, 700);
	rig_expect(r, mm, a, 2, 700);
	rig_equal(write_tag(mm, a, 1), -OM_EFAULT);
	rig_equal(rig_pin(r, mm, a, OM_WRITE, &pfn), -OM_EFAULT);
	rig_ok(rig_pin(r, mm, a, OM_READ, &pfn));
	rig_check(rig_info(owner, b).value != pfn);
	rig_ok(om_mprotect(mm, a, PAGES(2), RIG_RW));
	rig_put(r, mm, a, 2, 800);
	rig_expect(r, owner, b, 2, 700);
	rig_expect(r, mm, a, 2, 800);
	rig_equal(rig_tag(sim_frame(r->sim, pfn)), 800);
	rig_verify(r);
	rig_destroy(r);
}

/* ---------------------------------------------------------------- 51, 52: across swap ------- */

/* A page that was exclusive comes back exclusive: the first store needs no fault. */
static void test_h51_exclusive_across_swap(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *child;
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	struct sim_cpu_stats before, after;
	unsigned long word;

	(void)state;
	rig_put(r, mm, a, 4, 100);
	rig_pageout(r, mm, a, 4);
	rig_ok(sim_load(sim_cpu(r->sim, 0), mm, a, &word, sizeof(word)));
	rig_equal(rig_info(mm, a).kind, OM_PAGE_DIRECT);
	sim_cpu_stats(sim_cpu(r->sim, 0), &before);
	rig_put(r, mm, a, 1, 900);
	sim_cpu_stats(sim_cpu(r->sim, 0), &after);
	rig_equal(after.faults, before.faults);
	/* And a shared one does not. */
	child = rig_fork(r, mm, NULL);
	rig_reclaim(r);
	rig_equal(rig_info(mm, a + PAGES(1)).kind, OM_PAGE_SWAP);
	rig_expect(r, mm, a + PAGES(1), 1, 101);
	rig_equal(rig_info(mm, a + PAGES(1)).kind, OM_PAGE_SHARED);
	rig_expect(r, child, a + PAGES(1), 1, 101);
	rig_verify(r);
	rig_destroy(r);
}

static void test_h52_one_fault_breaks_cow(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *child;
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	enum om_fault_result result;

	(void)state;
	rig_put(r, mm, a, 4, 100);
	child = rig_fork(r, mm, NULL);
	rig_reclaim(r);
	rig_equal(rig_info(child, a).kind, OM_PAGE_SWAP);
	result = om_fault(child, a, OM_WRITE);
	rig_check(result == OM_FAULT_MINOR || result == OM_FAULT_MAJOR);
	rig_check(rig_info(child, a).writable);
	rig_put(r, child, a, 1, 900);
	rig_expect(r, mm, a, 4, 100);
	rig_verify(r);
	rig_destroy(r);
}

/* ---------------------------------------------------------------- 65-67, 70-72 -------------- */

/* Grandchildren that share an ancestor's page keep it when one of them gets a copy. */
static void test_h65_siblings_keep_the_page(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *one, *two;
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	struct play p = {.r = r, .a = a};

	(void)state;
	rig_put(r, mm, a, 4, 100);
	one = rig_fork(r, mm, NULL);
	two = rig_fork(r, mm, NULL);
	play_warm(&p, one, a, 4, false);
	play_warm(&p, two, a, 4, false);
	rig_exit(r, mm);
	for (unsigned i = 0; i < 4; i++) {
		rig_put(r, one, a + PAGES(i), 1, 900 + i);
		rig_expect(r, two, a, 4, 100);
		rig_verify(r);
	}
	rig_reclaim(r);
	rig_expect(r, two, a, 4, 100);
	rig_expect(r, one, a, 4, 900);
	rig_verify(r);
	rig_destroy(r);
}

/* After MADV_FREE: the newest contents or zeros, never those of the time before the fork. */
static void test_h66_free_does_not_rewind(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *child;
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

	(void)state;
	rig_put(r, mm, a, 4, 100);
	child = rig_fork(r, mm, NULL);
	rig_put(r, child, a, 4, 200);
	rig_ok(om_madvise(child, a, PAGES(4), OM_MADV_FREE));
	rig_put(r, child, a, 1, 300);
	rig_reclaim(r);
	for (unsigned i = 1; i < 4; i++) {
		unsigned long tag;

		rig_ok(rig_get(sim_cpu(r->sim, 0), child, a + PAGES(i), &tag));
		rig_check(tag == 0 || tag == 200 + i);
	}
	rig_expect(r, child, a, 1, 300);
	rig_expect(r, mm, a, 4, 100);
	rig_verify(r);
	rig_destroy(r);
}

static void test_h67_read_only_shared(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	struct om_mapping *file = rig_file(r, 2, 200);
	uintptr_t a = rig_map(r, mm, HERE, 2, OM_PROT_READ, OM_MAP_SHARED, file, 0);
	om_pfn_t pfn;

	(void)state;
	rig_expect(r, mm, a, 2, 200);
	rig_equal(write_tag(mm, a, 1), -OM_EFAULT);
	rig_equal(om_pin(mm, a, OM_WRITE, &pfn), -OM_EFAULT);
	rig_equal(om_fault(mm, a, OM_WRITE), OM_FAULT_ACCERR);
	rig_equal(om_madvise(mm, a, PAGES(2), OM_MADV_POPULATE_WRITE), -OM_EINVAL);
	rig_equal(rig_file_tag(file, 0), 200);
	rig_check(!rig_info(mm, a).writable);
	/* What may not be read is not read either, though it is there. */
	rig_ok(om_mprotect(mm, a, PAGES(1), OM_PROT_NONE));
	rig_equal(rig_info(mm, a).kind, OM_PAGE_FILE);
	rig_equal(om_read(mm, a, &pfn, sizeof(pfn), NULL), -OM_EFAULT);
	rig_equal(om_pin(mm, a, OM_READ, &pfn), -OM_EFAULT);
	rig_verify(r);
	rig_destroy(r);
}

/* What has been copied, or handed to a device, does not change when the file behind it does. */
static void test_h70_copies_do_not_change(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	struct om_mapping *file = rig_file(r, 4, 200);
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, file, 0);
	unsigned char page[RIG_PAGE];
	om_pfn_t pfn;

	(void)state;
	rig_put(r, mm, a, 1, 900);
	rig_ok(rig_pin(r, mm, a + PAGES(1), OM_READ, &pfn));
	memset(page, 0, sizeof(page));
	rig_set_tag(page, 7);
	for (unsigned i = 0; i < 3; i++)
		rig_ok(om_mapping_write(file, PAGES(i), page, sizeof(page), NULL));
	rig_expect(r, mm, a, 1, 900);
	rig_equal(rig_tag(sim_frame(r->sim, pfn)), 201);
	rig_expect(r, mm, a + PAGES(1), 1, 201);
	rig_expect(r, mm, a + PAGES(2), 1, 7);
	rig_pageout(r, mm, a, 1);
	rig_ok(om_mapping_sync(file, 0, 0));
	rig_expect(r, mm, a, 1, 900);
	rig_verify(r);
	rig_destroy(r);
}

/* Fork again before anybody wrote: what the hardware may not write, the program may all the same.
 */
static void test_h71_chained_forks(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm[6] = {rig_mm(r)};
	uintptr_t a = rig_map(r, mm[0], HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

	(void)state;
	rig_put(r, mm[0], a, 4, 100);
	for (unsigned i = 1; i < 6; i++)
		mm[i] = rig_fork(r, mm[i - 1], NULL);
	for (unsigned i = 6; i-- > 0;) {
		rig_put(r, mm[i], a, 4, 1000 * i);
		rig_verify(r);
	}
	for (unsigned i = 0; i < 6; i++)
		rig_expect(r, mm[i], a, 4, 1000 * i);
	rig_destroy(r);
}

static void expect_rss(struct om_mm *mm, size_t file, size_t anon)
{
	struct om_mminfo info;

	rig_ok(om_mminfo(mm, 0, UINTPTR_MAX & ~(RIG_PAGE - 1), &info));
	rig_equal(info.file, file);
	rig_equal(info.direct + info.shared, anon);
	rig_equal(info.rss, file + anon);
}

/* A page turns from file to anonymous once, however often it is copied afterwards. */
static void test_h72_rss_classes(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *child;
	struct om_mapping *file = rig_file(r, 4, 200);
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, file, 0);

	(void)state;
	rig_expect(r, mm, a, 4, 200);
	expect_rss(mm, 4, 0);
	rig_put(r, mm, a, 2, 900);
	expect_rss(mm, 2, 2);
	child = rig_fork(r, mm, NULL);
	rig_put(r, child, a, 1, 901);
	rig_put(r, mm, a, 1, 902);
	expect_rss(mm, 2, 2);
	rig_expect(r, child, a + PAGES(1), 1, 901);
	rig_expect(r, child, a + PAGES(2), 2, 202);
	expect_rss(child, 2, 2);
	rig_verify(r); /* recounts rss_anon and rss_file */
	rig_destroy(r);
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h01_dirty_cow),
    cmocka_unit_test(test_h02_dirty_is_no_proof),
    cmocka_unit_test(test_h03_forced_write_to_shmem),
    cmocka_unit_test(test_h51_exclusive_across_swap),
    cmocka_unit_test(test_h52_one_fault_breaks_cow),
    cmocka_unit_test(test_h65_siblings_keep_the_page),
    cmocka_unit_test(test_h66_free_does_not_rewind),
    cmocka_unit_test(test_h67_read_only_shared),
    cmocka_unit_test(test_h70_copies_do_not_change),
    cmocka_unit_test(test_h71_chained_forks),
    cmocka_unit_test(test_h72_rss_classes),
};
TESTS(cow_tests, list);
