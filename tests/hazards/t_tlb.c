/*
 * t_tlb.c: translations that outlive their entries, and bits lost in them: rows 8-12, 14-16, 75.
 *
 * The simulated CPUs keep a translation until they are told to drop it, and use it. So a flush that
 * is missing or late shows as a wrong byte, or an access that should have been refused.
 */
#include "calls.h"
#include "hazards.h"

/* ---------------------------------------------------------------- 8: mremap ----------------- */

static void warm4(struct play *p)
{
	play_anon(p, 4);
	play_warm(p, p->mm, p->a, 4, true);
	p->b = THERE;
	p->other = rig_mm(p->r);
	rig_map(p->r, p->other, HERE, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
}

/* Move, unmap at the new place, and let others have the frames. */
static void task_move_away(struct play *p)
{
	uintptr_t at;

	rig_ok(do_mremap(p->mm, p->a, PAGES(4), PAGES(4), OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, p->b,
	                 &at));
	p->flag[0] = true;
	rig_ok(om_munmap(p->mm, p->b, PAGES(4)));
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_set(sched_cpu(p), p->other, HERE + PAGES(i), 666), OM_FAULT_MINOR);
}

/* Another thread uses the old address: it has its page, or nothing. */
static void task_use_old(struct play *p)
{
	for (unsigned n = 0; n < 8; n++) {
		unsigned i = n % 4;
		unsigned long word = 0;
		bool moved = p->flag[0];
		enum om_fault_result result = get_word(p, p->mm, p->a + PAGES(i), &word);

		if (result == OM_FAULT_MINOR) {
			rig_check(!moved);
			rig_equal(word, 100 + i);
		} else {
			rig_equal(result, OM_FAULT_MAPERR);
		}
	}
}

static void check_others(struct play *p)
{
	for (unsigned i = 0; i < 8; i++)
		rig_equal(get_tag(p, p->other, HERE + PAGES(i)), 666);
}

static void cold4(struct play *p)
{
	warm4(p);
	rig_ok(om_madvise(p->mm, p->a, PAGES(4), OM_MADV_COLD)); /* translations stay */
}

static void task_move(struct play *p)
{
	uintptr_t at;

	rig_ok(do_mremap(p->mm, p->a, PAGES(4), PAGES(4), OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, p->b,
	                 &at));
	p->flag[0] = true;
}

/* Reclaim finds a page by its new address, and others get the frame. */
static void task_reclaim_fill(struct play *p)
{
	om_reclaim_step(p->r->sys, 64);
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_set(sched_cpu(p), p->other, HERE + PAGES(i), 666), OM_FAULT_MINOR);
}

static void check_moved(struct play *p)
{
	check_others(p);
	rig_expect(p->r, p->mm, p->b, 4, 100);
}

static void test_h08_mremap_flushes(void **state)
{
	(void)state;
	EXPLORE({.name = "h08",
	         .setup = warm4,
	         .task = {task_move_away, task_use_old},
	         .check = check_others},
	        {.name = "h08_reclaim",
	         .setup = cold4,
	         .task = {task_move, task_reclaim_fill, task_use_old},
	         .check = check_moved});
}

/* ---------------------------------------------------------------- 9: reclaim x mprotect ----- */

static void cold_warm(struct play *p)
{
	play_anon(p, 8);
	play_warm(p, p->mm, p->a, 8, true);
	rig_ok(om_madvise(p->mm, p->a, PAGES(8), OM_MADV_COLD)); /* translations stay */
}

static void task_protect(struct play *p)
{
	rig_ok(om_mprotect(p->mm, p->a, PAGES(8), OM_PROT_READ));
	for (unsigned c = 0; c < 3; c++)
		for (unsigned i = 0; i < 8; i++) {
			unsigned long word = 666;

			sched_step();
			rig_equal(sim_store(sim_cpu(p->r->sim, c), p->mm, p->a + PAGES(i), &word,
			                    sizeof(word)),
			          OM_FAULT_ACCERR);
		}
}

static void check_contents(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 8, 100);
}

static void test_h09_reclaim_x_mprotect(void **state)
{
	(void)state;
	EXPLORE({.name = "h09_step",
	         .setup = cold_warm,
	         .task = {task_reclaim, task_protect},
	         .check = check_contents},
	        {.name = "h09_pageout",
	         .setup = cold_warm,
	         .task = {task_pageout, task_protect},
	         .check = check_contents});
}

/* A thread writes while another takes the permission away, and a third gives it back. */
static void task_write_words(struct play *p)
{
	for (unsigned long n = 1; n <= 5; n++) {
		enum om_fault_result result = set_word(p, p->mm, p->a, 1000 + n);

		rig_check(result == OM_FAULT_MINOR || result == OM_FAULT_ACCERR);
		if (result == OM_FAULT_MINOR)
			p->seen[0] = 1000 + n;
	}
}

static void task_protect_twice(struct play *p)
{
	rig_ok(om_mprotect(p->mm, p->a, PAGES(4), OM_PROT_READ));
	p->flag[0] = true;
	rig_ok(om_mprotect(p->mm, p->a, PAGES(4), RIG_RW));
}

static void check_last_word(struct play *p)
{
	unsigned long word;

	rig_equal(get_word(p, p->mm, p->a, &word), OM_FAULT_MINOR);
	rig_equal(word, p->seen[0] ? p->seen[0] : 100);
	rig_equal(set_word(p, p->mm, p->a, 5), OM_FAULT_MINOR);
}

static void test_h09_mprotect_x_fault(void **state)
{
	(void)state;
	EXPLORE({.name = "h09_fault",
	         .setup = warm4,
	         .task = {task_write_words, task_protect_twice},
	         .check = check_last_word},
	        {.name = "h09_three",
	         .setup = cold_warm,
	         .task = {task_write_words, task_protect_twice, task_pageout},
	         .check = check_last_word});
}

/* ---------------------------------------------------------------- 10, 11: who flushes ------- */

/* When the call is over the page is gone for this CPU, whoever took it. */
static void task_drop(struct play *p)
{
	unsigned long word;

	rig_ok(om_madvise(p->mm, p->a, PAGES(4), OM_MADV_DONTNEED));
	for (unsigned i = 0; i < 4; i++) {
		rig_equal(get_word(p, p->mm, p->a + PAGES(i), &word), OM_FAULT_MINOR);
		rig_equal(word, 0);
	}
}

static void task_drop_first(struct play *p)
{
	rig_ok(om_madvise(p->mm, p->a, PAGES(1), OM_MADV_DONTNEED));
}

static void task_see_it_dropped(struct play *p)
{
	unsigned long word = 1;

	for (unsigned n = 0; n < 8 && word; n++)
		rig_equal(get_word(p, p->mm, p->a, &word), OM_FAULT_MINOR);
	p->flag[0] = !word;
}

/* The page has been thrown away, as another CPU has seen: what is stored now must stay. */
static void task_store_then(struct play *p)
{
	for (unsigned n = 0; n < 8 && !p->flag[1]; n++) {
		sched_step();
		if (!p->flag[0])
			continue;
		rig_equal(set_word(p, p->mm, p->a, 7), OM_FAULT_MINOR);
		p->flag[1] = true;
	}
}

static void check_stored(struct play *p)
{
	unsigned long word;

	rig_equal(get_word(p, p->mm, p->a, &word), OM_FAULT_MINOR);
	rig_equal(word, p->flag[1] ? 7 : 0);
}

static void test_h10_two_zappers(void **state)
{
	(void)state;
	EXPLORE({.name = "h10", .setup = warm4, .task = {task_drop, task_drop}},
	        {.name = "h10_store",
	         .setup = warm4,
	         .task = {task_drop_first, task_see_it_dropped, task_store_then},
	         .check = check_stored},
	        {.name = "h10_reclaim", .setup = cold_warm, .task = {task_drop, task_pageout}});
}

/* Ranges of many areas, with translations in every CPU. */
static void test_h11_all_areas_are_flushed(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	struct play p = {.r = r};
	unsigned long tag;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 10; i++) {
			rig_map(r, mm, HERE + PAGES(3 * i), 2,
			        i % 2 ? RIG_RW : RIG_RW | OM_PROT_EXEC, OM_MAP_PRIVATE, NULL, 0);
			rig_put(r, mm, HERE + PAGES(3 * i), 2, 100);
			play_warm(&p, mm, HERE + PAGES(3 * i), 2, true);
		}
		if (round)
			rig_equal(om_madvise(mm, HERE, PAGES(29), OM_MADV_DONTNEED), -OM_ENOMEM);
		else
			rig_ok(om_munmap(mm, HERE, PAGES(29)));
		for (unsigned c = 0; c < 3; c++)
			for (unsigned i = 0; i < 30; i++) {
				enum om_fault_result result =
				    rig_get(sim_cpu(r->sim, c), mm, HERE + PAGES(i), &tag);

				rig_equal(result,
				          round && i % 3 < 2 ? OM_FAULT_MINOR : OM_FAULT_MAPERR);
				rig_check(result || tag == 0);
			}
		rig_verify(r);
	}
	rig_destroy(r);
}

/* ---------------------------------------------------------------- 12: munmap x truncate ----- */

static void shared_file(struct play *p)
{
	play_file(p, 4, OM_MAP_SHARED);
	play_warm(p, p->mm, p->a, 4, true);
	p->other = rig_mm(p->r);
	rig_map(p->r, p->other, THERE, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
}

static void task_munmap(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->a, PAGES(4)));
}

static void task_truncate(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, 0));
}

static void task_fill_other(struct play *p)
{
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_set(sched_cpu(p), p->other, THERE + PAGES(i), 700 + i),
		          OM_FAULT_MINOR);
}

/* Writes where it may until it may not: nobody else's frame is hit. */
static void task_scribble(struct play *p)
{
	for (unsigned n = 0; n < 8; n++)
		(void)set_word(p, p->mm, p->a + PAGES(n % 4), 666);
}

static void check_filled(struct play *p)
{
	rig_expect(p->r, p->other, THERE, 8, 700);
}

static void task_truncate_fill(struct play *p)
{
	task_truncate(p);
	task_fill_other(p);
}

static void test_h12_munmap_x_truncate(void **state)
{
	(void)state;
	EXPLORE({.name = "h12",
	         .setup = shared_file,
	         .task = {task_munmap, task_truncate_fill, task_scribble},
	         .check = check_filled});
}

/* ---------------------------------------------------------------- 14, 15: dirty bits -------- */

static void task_sync(struct play *p)
{
	rig_ok(om_mapping_sync(p->file, 0, 0));
}

/* Writes larger and larger numbers until the page is gone. */
static void task_write_until_gone(struct play *p)
{
	for (unsigned long n = 1; n <= 6; n++) {
		if (set_word(p, p->mm, p->a, 1000 + n))
			break;
		p->seen[0] = 1000 + n;
	}
}

/* The last store that took place is in the file, and on disk after a sync. */
static void check_file_word(struct play *p)
{
	unsigned long word = 0, want = p->seen[0] ? p->seen[0] : 200;

	rig_ok(om_mapping_read(p->file, 0, &word, sizeof(word), NULL));
	rig_equal(word, want);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	sim_store_peek(rig_store(p->r, p->file), 0, &word, sizeof(word));
	rig_equal(word, want);
}

static void task_write_shared(struct play *p)
{
	p->seen[0] = 0;
	task_write_until_gone(p);
}

static void task_drop_shared(struct play *p)
{
	rig_ok(om_madvise(p->mm, p->a, PAGES(4), OM_MADV_DONTNEED));
}

static void task_pageout_twice(struct play *p)
{
	for (unsigned n = 0; n < 2; n++)
		(void)om_madvise(p->mm, p->a, PAGES(4), OM_MADV_PAGEOUT);
}

static void clean_file(struct play *p)
{
	play_file(p, 4, OM_MAP_SHARED);
	rig_expect(p->r, p->mm, p->a, 4, 200);
}

static void one_shared_page(struct play *p)
{
	play_file(p, 1, OM_MAP_SHARED);
	play_warm(p, p->mm, p->a, 1, true);
}

static void task_drop_page(struct play *p)
{
	rig_ok(om_madvise(p->mm, p->a, PAGES(1), OM_MADV_DONTNEED));
}

/* What has been stored before a sync is on disk after it, through whatever translation it went. */
static void task_write_durably(struct play *p)
{
	unsigned long word = 0;

	rig_equal(set_word(p, p->mm, p->a, 1001), OM_FAULT_MINOR);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	sim_store_peek(rig_store(p->r, p->file), 0, &word, sizeof(word));
	rig_equal(word, 1001);
}

static void test_h14_no_dirty_bit_is_lost(void **state)
{
	(void)state;
	EXPLORE({.name = "h14_munmap",
	         .setup = shared_file,
	         .task = {task_munmap, task_sync, task_write_until_gone},
	         .check = check_file_word},
	        {.name = "h14_dontneed",
	         .setup = shared_file,
	         .task = {task_drop_shared, task_sync, task_write_shared},
	         .check = check_file_word},
	        {.name = "h14_durable",
	         .setup = one_shared_page,
	         .task = {task_drop_page, task_sync, task_write_durably}},
	        {.name = "h14_pageout",
	         .setup = shared_file,
	         .task = {task_pageout_twice, task_write_shared},
	         .check = check_file_word});
}

static void task_msync(struct play *p)
{
	rig_ok(om_msync(p->mm, p->a, PAGES(4), OM_MS_SYNC));
}

static void test_h15_msync_x_write_fault(void **state)
{
	(void)state;
	EXPLORE({.name = "h15",
	         .setup = clean_file,
	         .task = {task_msync, task_write_shared},
	         .check = check_file_word},
	        {.name = "h15_two",
	         .setup = shared_file,
	         .task = {task_msync, task_write_shared, task_sync},
	         .check = check_file_word});
}

/* ---------------------------------------------------------------- 16: stores x copying away - */

static void task_store_words(struct play *p)
{
	for (unsigned long n = 1; n <= 6; n++) {
		rig_equal(set_word(p, p->mm, p->a, 1000 + n), OM_FAULT_MINOR);
		p->seen[0] = 1000 + n;
	}
}

/* The page is written to swap while a CPU has a translation and uses it. */
static void test_h16_reclaim_x_stores(void **state)
{
	(void)state;
	EXPLORE({.name = "h16_pageout",
	         .setup = cold_warm,
	         .task = {task_pageout, task_store_words},
	         .check = check_last_word},
	        {.name = "h16_step",
	         .setup = cold_warm,
	         .task = {task_reclaim, task_store_words},
	         .check = check_last_word},
	        {.name = "h16_mprotect",
	         .setup = cold_warm,
	         .task = {task_pageout, task_write_words, task_protect_twice},
	         .check = check_last_word});
}

/* ---------------------------------------------------------------- 75: somebody else's flush -- */

/* Private copies of a file's pages, which all CPUs can write: 300 and so on. */
static void private_copies(struct play *p)
{
	play_file(p, 4, OM_MAP_PRIVATE);
	rig_put(p->r, p->mm, p->a, 4, 300);
	play_warm(p, p->mm, p->a, 4, true);
}

static void task_forbid(struct play *p)
{
	rig_ok(om_mprotect(p->mm, p->a, PAGES(4), OM_PROT_NONE));
	for (unsigned i = 0; i < 4; i++)
		rig_equal(set_word(p, p->mm, p->a + PAGES(i), 900), OM_FAULT_ACCERR);
}

/* The copies are gone: the file is there, or its end is before. */
static void task_drop_copies(struct play *p)
{
	unsigned long word;

	rig_ok(om_madvise(p->mm, p->a, PAGES(4), OM_MADV_DONTNEED));
	for (unsigned i = 0; i < 4; i++)
		if (get_word(p, p->mm, p->a + PAGES(i), &word) != OM_FAULT_BUS)
			rig_equal(word, 200 + i);
}

static void task_move_copies(struct play *p)
{
	uintptr_t at;
	unsigned long word;

	rig_ok(do_mremap(p->mm, p->a, PAGES(4), PAGES(4), OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
	                 THERE, &at));
	for (unsigned i = 0; i < 4; i++)
		rig_equal(get_word(p, p->mm, p->a + PAGES(i), &word), OM_FAULT_MAPERR);
}

/* Behind the end of the file nothing can be read, whoever has cleared the entry. */
static void task_truncate_look(struct play *p)
{
	unsigned long word;

	task_truncate(p);
	for (unsigned i = 0; i < 4; i++)
		rig_check(get_word(p, p->mm, p->a + PAGES(i), &word) != OM_FAULT_MINOR);
}

/*
 * Writes to the file: 900. Once the program can see that, by way of the page tables, no CPU shows the
 * copy that was there before.
 */
static void task_append_look(struct play *p)
{
	unsigned long word = 900;

	rig_ok(om_mapping_write(p->file, 0, &word, sizeof(word), NULL));
	sched_step();
	if (om_read(p->mm, p->a, &word, sizeof(word), NULL) || word != 900)
		return;
	if (get_word(p, p->mm, p->a, &word) == OM_FAULT_MINOR)
		rig_check(word != 300);
}

/* The entry is gone, and whoever took it has not flushed yet. */
static void test_h75_flush_of_another_call(void **state)
{
	(void)state;
	EXPLORE({.name = "h75_mprotect",
	         .setup = private_copies,
	         .task = {task_truncate, task_forbid}},
	        {.name = "h75_dontneed",
	         .setup = private_copies,
	         .task = {task_truncate, task_drop_copies}},
	        {.name = "h75_mremap",
	         .setup = private_copies,
	         .task = {task_truncate, task_move_copies}},
	        {.name = "h75_fault",
	         .setup = private_copies,
	         .task = {task_truncate, task_append_look}},
	        {.name = "h75_truncate_1",
	         .setup = private_copies,
	         .task = {task_munmap, task_truncate_look}},
	        {.name = "h75_truncate_2",
	         .setup = private_copies,
	         .task = {task_drop_shared, task_truncate_look}});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h08_mremap_flushes),
    cmocka_unit_test(test_h09_reclaim_x_mprotect),
    cmocka_unit_test(test_h09_mprotect_x_fault),
    cmocka_unit_test(test_h10_two_zappers),
    cmocka_unit_test(test_h11_all_areas_are_flushed),
    cmocka_unit_test(test_h12_munmap_x_truncate),
    cmocka_unit_test(test_h14_no_dirty_bit_is_lost),
    cmocka_unit_test(test_h15_msync_x_write_fault),
    cmocka_unit_test(test_h16_reclaim_x_stores),
    cmocka_unit_test(test_h75_flush_of_another_call),
};
TESTS(tlb_tests, list);
