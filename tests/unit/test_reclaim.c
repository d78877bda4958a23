/*
 * test_reclaim.c: which pages reclaim takes, in which order, and what it leaves behind.
 */
#include "space.h"

#include <string.h>

#include "page/frame.h"
#include "page/age.h"
#include "reclaim/reclaim.h"
#include "reclaim/scan.h"
#include "store/swap.h"
#include "page/table.h"
#include "reclaim/unmap.h"

/* Forget all uses of pages [first, first + n), as if some time had passed. */
static void forget(struct space *s, struct om_mm *mm, uintptr_t first, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct om_page *page = space_page(mm, first + i, NULL, NULL);

		om_page_lock(s->sys, page);
		om_page_referenced(s->sys, page, &(struct om_uses){0});
		om_page_clear(page, OM_PG_REFERENCED);
		om_page_unlock(s->sys, page);
	}
	sim_tlb_flush(s->cpu); /* young bits are set by walks */
}

static unsigned age(struct space *s, struct om_mm *mm, uintptr_t i)
{
	(void)s;
	return om_age_of(om_page_flags(space_page(mm, i, NULL, NULL)));
}

static void set_old(struct om_mm *mm, uintptr_t first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		om_page_set_old(mm->sys, space_page(mm, first + i, NULL, NULL));
}

/* The hand goes round once, and passes nothing by. Who has not been told may have used pages without a trace: see forget(). */
static unsigned go_round(struct space *s, enum om_scan how, unsigned n)
{
	struct om_victims v = {.n = 0};
	struct om_round round = {.how = how, .left = s->sys->nr_frames};

	for (om_pfn_t i = 0; i < s->sys->nr_frames; i++)
		om_region_wake(s->sys, &s->sys->page[i]);
	om_scan(s->sys, &round, n, &v);
	for (unsigned i = 0; i < v.n; i++)
		om_page_unlock(s->sys, om_page_of(s->sys, v.page[i]));
	return om_reclaim_pages(s->sys, v.page, v.n);
}

/* ---------------------------------------------------------------- second chance ------------- */

/* A file page starts unused. Used once: it stays, unproven. Used again: young. Not used: gone. */
static void test_second_chance(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mapping *file = space_file(&s, 10);
	const unsigned limit = 8, unused = limit - 1, unproven = limit - 1 - limit / 4;
	struct om_page *page;

	(void)state;
	atomic_store(&s.sys->ages.limit[OM_AGE_FILE], limit);
	space_map_file(&s, 0, 10, R, 0, file, 0);
	space_random(&s, 0, 10);
	assert_int_equal(space_get(&s, s.mm, 3), 4);
	page = space_page(s.mm, 3, NULL, NULL);
	assert_int_equal(age(&s, s.mm, 3), unused);
	assert_int_equal(go_round(&s, OM_SCAN_OLD, 1), 0);
	assert_int_equal(age(&s, s.mm, 3), unproven);
	assert_true(om_page_test(page, OM_PG_REFERENCED));

	sim_tlb_flush(s.cpu);
	assert_int_equal(space_get(&s, s.mm, 3), 4);
	assert_int_equal(go_round(&s, OM_SCAN_OLD, 1), 0);
	assert_int_equal(age(&s, s.mm, 3), 0);
	assert_int_equal(space_event(s.sys, OM_EV_PGACTIVATE), 1);

	forget(&s, s.mm, 3, 1);
	while (!go_round(&s, OM_SCAN_OLD, 1))
		assert_in_range(age(&s, s.mm, 3), 1, unused);
	assert_int_equal(space_kind(s.mm, 3), OM_PAGE_NONE);
	assert_int_equal(space_get(&s, s.mm, 3), 4);
	om_mapping_put(file);
	space_finish(&s);
}

/* One use keeps an anonymous page, however old it was. */
static void test_anon_used(void **state)
{
	struct space s = space_start(128, 64);

	(void)state;
	space_map(&s, 0, 2, RW, 0);
	space_fill(&s, s.mm, 0, 2, 'a');
	forget(&s, s.mm, 0, 2);
	set_old(s.mm, 0, 2);
	space_put(&s, s.mm, 1, 'B');
	assert_int_equal(go_round(&s, OM_SCAN_OLD, 2), 1);
	assert_int_equal(space_kind(s.mm, 0), OM_PAGE_SWAP);
	assert_int_equal(space_kind(s.mm, 1), OM_PAGE_DIRECT);
	assert_int_not_equal(age(&s, s.mm, 1), OM_AGE_MAX);
	/* Unless there is need. */
	assert_int_equal(go_round(&s, OM_SCAN_ALL, 1), 1);
	assert_int_equal(space_get(&s, s.mm, 0), 'a');
	assert_int_equal(space_get(&s, s.mm, 1), 'B');
	space_check(&s);
	space_finish(&s);
}

/* A round in which nothing was old enough makes those leave that are nearest to it. */
static void test_next_ones(void **state)
{
	struct space s = space_start(128, 64);

	(void)state;
	atomic_store(&s.sys->ages.limit[OM_AGE_ANON], OM_AGE_MAX);
	space_map(&s, 0, 16, RW, 0);
	space_fill(&s, s.mm, 0, 16, 'a');
	forget(&s, s.mm, 0, 16);
	for (uintptr_t i = 12; i < 16; i++)
		om_page_set_age(space_page(s.mm, i, NULL, NULL), 5);
	assert_int_equal(om_reclaim_step(s.sys, 4), 4);
	for (uintptr_t i = 0; i < 16; i++)
		assert_int_equal(space_kind(s.mm, i), i < 12 ? OM_PAGE_DIRECT : OM_PAGE_SWAP);
	space_check(&s);
	space_finish(&s);
}

/* The hand finds out by itself: the cold half goes, the hot half stays. */
static void test_hot_and_cold(void **state)
{
	struct space s = space_start(256, 128);
	unsigned hot = 0, cold = 0;

	(void)state;
	space_map(&s, 0, 64, RW, 0);
	space_fill(&s, s.mm, 0, 64, 0);
	forget(&s, s.mm, 0, 64);
	for (unsigned round = 0; round < 16 && cold < 24; round++) {
		sim_tlb_flush(s.cpu);
		for (uintptr_t i = 0; i < 32; i++)
			space_put(&s, s.mm, i, (int)i);
		om_reclaim_step(s.sys, 4);
		for (uintptr_t i = hot = cold = 0; i < 64; i++)
			*(i < 32 ? &hot : &cold) += space_kind(s.mm, i) == OM_PAGE_SWAP;
	}
	assert_true(cold >= 24);
	assert_true(hot < cold / 2);
	space_expect(&s, s.mm, 0, 64, 0);
	space_check(&s);
	space_finish(&s);
}

/* ---------------------------------------------------------------- what stays ---------------- */

static void test_mlocked(void **state)
{
	struct space s = space_start(128, 64);
	struct om_page *page;
	om_pfn_t pfn;

	(void)state;
	space_map(&s, 0, 8, RW, 0);
	space_fill(&s, s.mm, 0, 8, 'a');
	assert_int_equal(om_mlock(s.mm, at(2), 3 * OM_PAGE_SIZE, 0), 0);
	page = space_page(s.mm, 2, NULL, NULL);
	assert_true(om_page_test(page, OM_PG_UNEVICTABLE));
	assert_int_equal(atomic_load(&s.sys->nr_unevictable), 3);
	while (om_reclaim_step(s.sys, 100))
		;
	for (uintptr_t i = 0; i < 8; i++)
		assert_int_equal(space_kind(s.mm, i),
		                 i >= 2 && i < 5 ? OM_PAGE_DIRECT : OM_PAGE_SWAP);
	space_check(&s);

	/* A page that is locked while reclaim has it stays. */
	assert_int_equal(om_munlock(s.mm, at(2), 3 * OM_PAGE_SIZE), 0);
	pfn = om_page_pfn(s.sys, page);
	om_frame_lock(s.sys, page);
	om_page_ref_locked(s.sys, page);
	om_frame_unlock(s.sys, page);
	assert_int_equal(om_mlock(s.mm, at(2), OM_PAGE_SIZE, 0), 0);
	assert_int_equal(om_reclaim_pages(s.sys, &pfn, 1), 0);
	assert_int_equal(space_kind(s.mm, 2), OM_PAGE_DIRECT);
	space_check(&s);
	space_expect(&s, s.mm, 0, 8, 'a');
	space_finish(&s);
}

static void test_pinned(void **state)
{
	struct space s = space_start(128, 64);
	om_pfn_t pfn;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	assert_int_equal(om_pin(s.mm, at(1), OM_WRITE, &pfn), 0);
	while (om_reclaim_step(s.sys, 100))
		;
	assert_int_equal(space_kind(s.mm, 1), OM_PAGE_DIRECT);
	assert_int_equal(om_page_pfn(s.sys, space_page(s.mm, 1, NULL, NULL)), pfn);
	assert_int_equal(space_kind(s.mm, 0), OM_PAGE_SWAP);
	((char *)sim_frame(s.sim, pfn))[SIM_PAGE_SIZE / 2] = 'P'; /* the device */
	om_unpin(s.sys, pfn, true);
	assert_true(om_reclaim_step(s.sys, 100) >= 1);
	assert_int_equal(space_kind(s.mm, 1), OM_PAGE_SWAP);
	assert_int_equal(space_get(&s, s.mm, 1), 'P');
	space_finish(&s);
}

/* Without swap anonymous pages stay; with files beside them, these go. */
static void test_no_swap(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mapping *file = space_file(&s, 10);

	(void)state;
	space_map(&s, 0, 10, RW, 0);
	space_fill(&s, s.mm, 0, 10, 'a');
	assert_int_equal(om_reclaim_step(s.sys, 100), 0);
	space_map_file(&s, 20, 10, R, 0, file, 0);
	space_expect(&s, s.mm, 20, 10, 1);
	assert_int_equal(om_reclaim_step(s.sys, 100), 10);
	space_expect(&s, s.mm, 0, 10, 'a');
	for (uintptr_t i = 0; i < 10; i++)
		assert_int_equal(space_kind(s.mm, i), OM_PAGE_DIRECT);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/*
 * Memory is full of what cannot go, but for one frame, and two pages of a file in turn evict each other. Each
 * eviction frees a page; that is not progress for ever.
 */
static void test_few_left(void **state)
{
	const uintptr_t first = 10, n = 2048;
	struct space s = space_start((om_pfn_t)n, 0);
	struct om_mapping *file = space_file(&s, 2);
	uintptr_t i, turns = 0;

	(void)state;
	space_map_file(&s, 0, 2, R, 0, file, 0);
	space_map(&s, first, n, RW, 0);
	for (i = first; space_try(&s, s.mm, i, true) != OM_FAULT_OOM; i++)
		;
	assert_int_equal(om_madvise(s.mm, at(first), OM_PAGE_SIZE, OM_MADV_DONTNEED), 0);
	while (turns < 1000 && space_try(&s, s.mm, turns % 2, false) != OM_FAULT_OOM)
		turns++;
	assert_in_range(turns, 10, 100);
	/* Others may try again at once, and with two frames there is no more trouble. */
	assert_int_not_equal(space_try(&s, s.mm, turns % 2, false), OM_FAULT_OOM);
	assert_int_equal(om_madvise(s.mm, at(first), 4 << OM_PAGE_SHIFT, OM_MADV_DONTNEED), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(space_get(&s, s.mm, i % 2), i % 2 + 1);
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/* A swap device that fills up: the pages it has no room for stay. */
static void test_full_swap(void **state)
{
	struct space s = space_start(128, 8);
	unsigned out = 0;

	(void)state;
	space_map(&s, 0, 20, RW, 0);
	space_fill(&s, s.mm, 0, 20, 'a');
	while (om_reclaim_step(s.sys, 100))
		;
	for (uintptr_t i = 0; i < 20; i++)
		out += space_kind(s.mm, i) == OM_PAGE_SWAP;
	assert_int_equal(out, 8);
	space_check(&s);
	space_expect(&s, s.mm, 0, 20, 'a');
	space_check(&s);
	space_finish(&s);
}

/* ---------------------------------------------------------------- writing ------------------- */

/* A dirty page of a shared file mapping is written before it goes, a clean one just goes. */
static void test_file_write(void **state)
{
	struct space s = space_start(128, 0);
	struct om_mapping *file = space_file(&s, 4);
	struct sim_store_stats stats;
	unsigned char byte;

	(void)state;
	space_map_file(&s, 0, 4, RW, 0, file, 0);
	space_expect(&s, s.mm, 0, 4, 1);
	space_put(&s, s.mm, 2, 'd');
	assert_int_equal(om_reclaim_step(s.sys, 4), 4);
	sim_store_stats(s.file_store, &stats);
	assert_int_equal(stats.pages_written, 1);
	sim_store_peek(s.file_store, 2 * SIM_PAGE_SIZE + SIM_PAGE_SIZE / 2, &byte, 1);
	assert_int_equal(byte, 'd');
	assert_int_equal(space_get(&s, s.mm, 2), 'd');
	om_mapping_put(file);
	space_finish(&s);
}

/* A write that fails: the page stays in memory, dirty, and can still be used. */
static void test_write_fails(void **state)
{
	struct space s = space_start(128, 64);
	struct om_mapping *file = space_file(&s, 2);

	(void)state;
	space_map_file(&s, 0, 2, RW, 0, file, 0);
	space_map(&s, 10, 2, RW, 0);
	space_fill(&s, s.mm, 0, 2, 'f');
	space_fill(&s, s.mm, 10, 2, 's');
	sim_store_fail(s.file_store, SIM_WRITE, 1, true);
	sim_store_fail(s.swap, SIM_WRITE, 1, true);
	assert_int_equal(om_reclaim_step(s.sys, 100), 0);
	assert_true(space_event(s.sys, OM_EV_SWAP_WRITE_ERR) > 0);
	space_check(&s);
	space_expect(&s, s.mm, 0, 2, 'f');
	space_expect(&s, s.mm, 10, 2, 's');
	sim_store_fail(s.file_store, SIM_WRITE, 0, false);
	sim_store_fail(s.swap, SIM_WRITE, 0, false);
	assert_int_equal(om_reclaim_step(s.sys, 4), 4);
	space_expect(&s, s.mm, 0, 2, 'f');
	space_expect(&s, s.mm, 10, 2, 's');
	space_check(&s);
	om_mapping_put(file);
	space_finish(&s);
}

/*
 * A store that is asked by a thread inside a transaction, and says "not now": `calls` counts how
 * often. `left` is for how many calls more; -1: for ever.
 */
static _Thread_local int not_now_left;
static _Thread_local unsigned not_now_calls;

static int write_not_now(void *store, uint64_t first, unsigned n, void *const frame[])
{
	if (!not_now_left)
		return sim_store_ops.write(store, first, n, frame);
	not_now_left -= not_now_left > 0;
	not_now_calls++;
	return -OM_EAGAIN;
}

static struct om_store_ops not_now_ops(void)
{
	struct om_store_ops ops = sim_store_ops;

	ops.write = write_not_now;
	not_now_left = 0;
	not_now_calls = 0;
	return ops;
}

static bool is_dirty(struct om_mm *mm, uintptr_t page)
{
	return om_page_flags(space_page(mm, page, NULL, NULL)) & OM_PG_DIRTY;
}

/* Its pages stay, dirty, and no older or younger than they are; others go. Then it writes. */
static void test_not_now(void **state)
{
	const struct om_store_ops ops = not_now_ops();
	struct space s = space_start(128, 64);
	struct sim_store *store = sim_store_ram();
	struct om_mapping *file;
	unsigned char byte;

	(void)state;
	assert_int_equal(om_mapping_create(s.sys, &ops, store, 8 * OM_PAGE_SIZE, &file), 0);
	space_map_file(&s, 0, 8, RW, 0, file, 0);
	space_map(&s, 10, 4, RW, 0);
	space_fill(&s, s.mm, 0, 8, 'f');
	space_fill(&s, s.mm, 10, 4, 's');
	not_now_left = -1;
	assert_int_equal(om_reclaim_step(s.sys, 100), 4); /* those of anonymous memory */
	assert_in_range(not_now_calls, 1, 40);
	assert_int_equal(space_event(s.sys, OM_EV_PSWPOUT), 4);
	assert_int_equal(space_event(s.sys, OM_EV_PGPGOUT), 0);
	space_check(&s);
	space_expect(&s, s.mm, 0, 8, 'f');
	for (uintptr_t i = 0; i < 8; i++)
		assert_true(is_dirty(s.mm, i));
	/* Whoever wants to be sure is told, and nothing is lost. */
	assert_int_equal(om_mapping_sync(file, 0, 0), -OM_EAGAIN);
	assert_int_equal(om_msync(s.mm, at(0), OM_PAGE_SIZE, OM_MS_SYNC), -OM_EAGAIN);
	assert_int_equal(om_mapping_sync(file, 0, 0), -OM_EAGAIN);
	not_now_left = 1;
	assert_int_equal(om_reclaim_step(s.sys, 8),
	                 8); /* the first call says no: it is asked again */
	assert_int_equal(not_now_left, 0);
	sim_store_peek(store, 7 * SIM_PAGE_SIZE + SIM_PAGE_SIZE / 2, &byte, 1);
	assert_int_equal(byte, 'f' + 7);
	space_expect(&s, s.mm, 0, 8, 'f');
	space_expect(&s, s.mm, 10, 4, 's');
	space_check(&s);
	om_mapping_put(file);
	assert_int_equal(om_munmap(s.mm, at(0), 8 * OM_PAGE_SIZE), 0);
	space_finish(&s);
	sim_store_free(store);
}

/* A swap device may say so as well. It is not asked for each page, and no error is counted. */
static void test_swap_not_now(void **state)
{
	const struct om_store_ops ops = not_now_ops();
	struct space s = space_start(128, 0);
	struct sim_store *store = sim_store_ram();
	unsigned area;

	(void)state;
	assert_int_equal(om_swapon(s.sys, &ops, store, 64, 0, &area), 0);
	space_map(&s, 0, 16, RW, 0);
	space_fill(&s, s.mm, 0, 16, 's');
	not_now_left = -1;
	assert_int_equal(om_reclaim_step(s.sys, 100), 0);
	assert_in_range(not_now_calls, 1, 40);
	assert_int_equal(space_event(s.sys, OM_EV_SWAP_WRITE_ERR), 0);
	space_check(&s);
	space_expect(&s, s.mm, 0, 16, 's');
	not_now_left = 0;
	assert_int_equal(om_reclaim_step(s.sys, 16), 16);
	space_expect(&s, s.mm, 0, 16, 's');
	space_check(&s);
	om_mm_destroy(s.mm);
	s.mm = NULL;
	assert_int_equal(om_swapoff(s.sys, area), 0);
	space_finish(&s);
	sim_store_free(store);
}

/* Dirty pages of a file fill the memory, and this thread cannot write them. */
static struct om_mapping *fill_with_dirty(struct space *s, const struct om_store_ops *ops,
                                          struct sim_store *store, size_t n)
{
	struct om_mapping *file;

	assert_int_equal(om_mapping_create(s->sys, ops, store, n * OM_PAGE_SIZE, &file), 0);
	space_map_file(s, 0, n, RW, 0, file, 0);
	space_map(s, n, n, RW, 0);
	for (uintptr_t i = 0; i < n && om_free_frames(s->sys) > 8; i++)
		space_put(s, s->mm, i, (int)i);
	not_now_left = -1;
	return file;
}

/* Nobody else is there: the request fails, after a bounded number of calls. */
static void test_not_now_for_ever(void **state)
{
	const struct om_store_ops ops = not_now_ops();
	struct space s = space_start(128, 0);
	struct sim_store *store = sim_store_ram();
	struct om_mapping *file = fill_with_dirty(&s, &ops, store, 128);
	enum om_fault_result r = OM_FAULT_MINOR;

	(void)state;
	for (uintptr_t i = 128; i < 256 && r == OM_FAULT_MINOR; i++)
		r = space_try(&s, s.mm, i, true);
	assert_int_equal(r, OM_FAULT_OOM);
	assert_in_range(not_now_calls, 1, 1000);
	space_check(&s);
	not_now_left = 0;
	assert_int_equal(space_try(&s, s.mm, 255, true), OM_FAULT_MINOR);
	assert_int_equal(space_get(&s, s.mm, 50), 50);
	om_mapping_put(file);
	om_mm_destroy(s.mm);
	s.mm = NULL;
	space_finish(&s);
	sim_store_free(store);
}

/* The background thread may write: it is woken, and waited for. */
static void test_not_now_here(void **state)
{
	const struct om_store_ops ops = not_now_ops();
	struct space s = space_start(128, 0);
	struct sim_store *store = sim_store_ram();
	struct om_mapping *file = fill_with_dirty(&s, &ops, store, 128);

	(void)state;
	sim_store_latency(store, 0, 20000);
	assert_int_equal(sim_kswapd_start(s.sim, 16), 0);
	for (uintptr_t i = 128; i < 200; i++)
		assert_int_equal(space_try(&s, s.mm, i, true), OM_FAULT_MINOR);
	sim_kswapd_stop(s.sim);
	not_now_left = 0;
	for (uintptr_t i = 0; i < 50; i++)
		assert_int_equal(space_get(&s, s.mm, i), (int)i);
	om_mapping_put(file);
	om_mm_destroy(s.mm);
	s.mm = NULL;
	space_finish(&s);
	sim_store_free(store);
}

/* Pages of one batch get slots side by side, and go out in one transfer. */
static void test_clusters(void **state)
{
	struct space s = space_start(128, 64);
	struct sim_store_stats stats;
	struct om_pageinfo info;
	uint64_t first;

	(void)state;
	space_map(&s, 0, 16, RW, 0);
	space_fill(&s, s.mm, 0, 16, 'a');
	forget(&s, s.mm, 0, 16);
	set_old(s.mm, 0, 16);
	assert_int_equal(go_round(&s, OM_SCAN_OLD, 16), 16);
	sim_store_stats(s.swap, &stats);
	assert_int_equal(stats.writes, 1);
	assert_int_equal(stats.pages_written, 16);
	om_pageinfo(s.mm, at(0), &info);
	assert_int_equal(info.kind, OM_PAGE_SWAP);
	first = info.value;
	for (uintptr_t i = 1; i < 16; i++) {
		om_pageinfo(s.mm, at(i), &info);
		assert_int_equal(info.value > first ? info.value - first : first - info.value, i);
	}
	space_expect(&s, s.mm, 0, 16, 'a');
	space_finish(&s);
}

/* A page that is still in swap unchanged goes out again without a transfer. */
static void test_clean_swap(void **state)
{
	struct space s = space_start(128, 64);
	struct sim_store_stats stats;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	assert_int_equal(om_reclaim_step(s.sys, 4), 4);
	space_expect(&s, s.mm, 0, 4, 'a'); /* read: the slots stay */
	space_put(&s, s.mm, 3, 'D');       /* written: its slot does not hold this */
	assert_int_equal(om_reclaim_step(s.sys, 4), 4);
	sim_store_stats(s.swap, &stats);
	assert_int_equal(stats.pages_written, 5);
	space_expect(&s, s.mm, 0, 3, 'a');
	assert_int_equal(space_get(&s, s.mm, 3), 'D');
	space_check(&s);
	space_finish(&s);
}

/* ---------------------------------------------------------------- MADV_FREE ----------------- */

/* Dropped without a transfer; what was written since is kept. */
static void test_lazyfree(void **state)
{
	struct space s = space_start(128, 64);
	struct sim_store_stats stats;

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	assert_int_equal(om_madvise(s.mm, at(0), 3 * OM_PAGE_SIZE, OM_MADV_FREE), 0);
	assert_int_equal(age(&s, s.mm, 0), OM_AGE_MAX);
	space_put(&s, s.mm, 1, 'N');
	while (om_reclaim_step(s.sys, 100))
		;
	sim_store_stats(s.swap, &stats);
	assert_int_equal(stats.pages_written, 2);
	assert_int_equal(space_event(s.sys, OM_EV_PGLAZYFREED), 2);
	assert_int_equal(space_get(&s, s.mm, 0), 0);
	assert_int_equal(space_get(&s, s.mm, 1), 'N');
	assert_int_equal(space_get(&s, s.mm, 2), 0);
	assert_int_equal(space_get(&s, s.mm, 3), 'd');
	space_check(&s);
	space_finish(&s);
}

/* ---------------------------------------------------------------- the outside --------------- */

/* More data than memory, in several processes, without anybody asking for it. */
static void test_direct(void **state)
{
	struct space s = space_start(128, 1024);
	struct om_mm *child[3];

	(void)state;
	space_map(&s, 0, 200, RW, 0);
	space_fill(&s, s.mm, 0, 200, 0);
	for (int k = 0; k < 3; k++) {
		assert_int_equal(om_fork(s.mm, NULL, &child[k]), 0);
		space_fill(&s, child[k], (uintptr_t)k * 50, 60, 100 + k);
		space_check(&s);
	}
	space_expect(&s, s.mm, 0, 200, 0);
	for (int k = 0; k < 3; k++) {
		space_expect(&s, child[k], (uintptr_t)k * 50, 60, 100 + k);
		om_mm_destroy(child[k]);
	}
	assert_true(space_event(s.sys, OM_EV_ALLOCSTALL) > 0);
	assert_int_equal(space_event(s.sys, OM_EV_OOM), 0);
	space_finish(&s);
}

/* Nothing left: the fault says so, and everything else still works. */
static void test_oom(void **state)
{
	struct space s = space_start(64, 0);
	uintptr_t i;

	(void)state;
	space_map(&s, 0, 100, RW, 0);
	for (i = 0; i < 100 && space_try(&s, s.mm, i, true) == OM_FAULT_MINOR; i++)
		;
	assert_true(i > 40 && i < 64);
	assert_int_equal(space_try(&s, s.mm, i, true), OM_FAULT_OOM);
	assert_true(space_event(s.sys, OM_EV_OOM) > 0);
	space_check(&s);
	assert_int_equal(om_munmap(s.mm, at(0), 4 * OM_PAGE_SIZE), 0);
	assert_int_equal(space_try(&s, s.mm, i, true), OM_FAULT_MINOR);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_second_chance),    cmocka_unit_test(test_anon_used),
	    cmocka_unit_test(test_next_ones),        cmocka_unit_test(test_hot_and_cold),
	    cmocka_unit_test(test_mlocked),          cmocka_unit_test(test_pinned),
	    cmocka_unit_test(test_no_swap),          cmocka_unit_test(test_few_left),
	    cmocka_unit_test(test_full_swap),        cmocka_unit_test(test_file_write),
	    cmocka_unit_test(test_not_now),          cmocka_unit_test(test_swap_not_now),
	    cmocka_unit_test(test_not_now_for_ever), cmocka_unit_test(test_not_now_here),
	    cmocka_unit_test(test_write_fails),      cmocka_unit_test(test_clusters),
	    cmocka_unit_test(test_clean_swap),       cmocka_unit_test(test_lazyfree),
	    cmocka_unit_test(test_direct),           cmocka_unit_test(test_oom),
	};

	return unit_run(tests);
}
