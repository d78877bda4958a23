/*
 * t_mixed.c: neighbours that are not alike: rows 76-78, 82, 83. Entries of one area that differ in
 * what they allow, areas that come together again, pages of different owners under one number:
 * whatever is done to them together must leave to each what is its own.
 */
#include "calls.h"
#include "hazards.h"
#include "rmap/rmap.h"

/* ---------------------------------------------------------------- 76: every second page ----- */

#define MIXED 16u

/*
 * After a fork the parent has written every second page again: these are its own, and writable,
 * while the others are shared. The area fills a whole table.
 */
static void every_second(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, SPAN / RIG_PAGE, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->mm, p->a, MIXED, 100);
	p->child = rig_fork(p->r, p->mm, NULL);
	for (unsigned i = 1; i < MIXED; i += 2)
		rig_put(p->r, p->mm, p->a + PAGES(i), 1, 300 + i);
}

/* Each entry allows what its page does. Some designs copy what is shared before it moves. */
static void expect_every_second(struct play *p, uintptr_t a)
{
	bool copied = a != p->a && !om_rmap_traits.moves_shared;

	for (unsigned i = 0; i < MIXED; i++) {
		struct om_pageinfo info = rig_info(p->mm, a + PAGES(i));

		rig_equal(info.kind, i % 2 || copied ? OM_PAGE_DIRECT : OM_PAGE_SHARED);
		rig_equal(info.writable, i % 2 || copied);
	}
	rig_verify(p->r);
}

/* What the parent writes from now on, the child does not see. */
static void write_every_page(struct play *p, uintptr_t a)
{
	for (unsigned i = 0; i < MIXED; i++)
		rig_expect(p->r, p->mm, a + PAGES(i), 1, i % 2 ? 300 + i : 100 + i);
	rig_put(p->r, p->mm, a, MIXED, 500);
	rig_expect(p->r, p->child, p->a, MIXED, 100);
	rig_reclaim(p->r);
	rig_expect(p->r, p->mm, a, MIXED, 500);
	rig_expect(p->r, p->child, p->a, MIXED, 100);
	rig_verify(p->r);
	rig_destroy(p->r);
}

/* In one table, from one to another, at other places of an aligned group; and with the table. */
static void test_h76_mixed_pages_move(void **state)
{
	static const struct {
		uintptr_t to;
		bool whole;
	} move[] = {{HERE + PAGES(64), false},
	            {THERE, false},
	            {THERE + PAGES(3), false},
	            {HERE + SPAN - PAGES(5), false},
	            {THERE, true}};

	(void)state;
	for (unsigned n = 0; n < sizeof(move) / sizeof(*move); n++) {
		struct play p = {.r = small_rig()};
		size_t len = move[n].whole ? SPAN : PAGES(MIXED);
		uintptr_t at = 0;

		every_second(&p);
		play_warm(&p, p.mm, p.a, MIXED, false);
		rig_ok(do_mremap(p.mm, p.a, len, len, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
		                 move[n].to, &at));
		expect_every_second(&p, at);
		write_every_page(&p, at);
	}
}

/* First the group begins with a shared page, then with one of the parent's own. */
static void test_h76_mixed_pages_are_protected(void **state)
{
	(void)state;
	for (unsigned skip = 0; skip < 2; skip++) {
		struct play p = {.r = small_rig()};
		uintptr_t from;

		every_second(&p);
		from = p.a + PAGES(skip);
		rig_ok(om_mprotect(p.mm, from, PAGES(MIXED - skip), RIG_RW | OM_PROT_EXEC));
		expect_every_second(&p, p.a);
		rig_ok(om_mprotect(p.mm, from, PAGES(MIXED - skip), OM_PROT_READ));
		for (unsigned i = skip; i < MIXED; i++)
			rig_check(!rig_info(p.mm, p.a + PAGES(i)).writable);
		rig_verify(p.r);
		rig_ok(om_mprotect(p.mm, from, PAGES(MIXED - skip), RIG_RW));
		rig_verify(p.r);
		write_every_page(&p, p.a);
	}
}

/* ---------------------------------------------------------------- 77: MADV_FREE, given up --- */

/*
 * All is freed with MADV_FREE. The child gets the first half, so the parent shares that with it.
 * The second half is written again, and then each second page of it is protected.
 */
static void freed_halves(struct play *p)
{
	play_anon(p, 8);
	rig_ok(om_madvise(p->mm, p->a + PAGES(4), PAGES(4), OM_MADV_DONTFORK));
	rig_ok(om_madvise(p->mm, p->a, PAGES(8), OM_MADV_FREE));
	p->child = rig_fork(p->r, p->mm, NULL);
	rig_ok(om_madvise(p->mm, p->a + PAGES(4), PAGES(4), OM_MADV_DOFORK));
	rig_put(p->r, p->mm, p->a + PAGES(4), 4, 504);
	for (unsigned i = 5; i < 8; i += 2)
		rig_ok(om_mprotect(p->mm, p->a + PAGES(i), PAGES(1), OM_PROT_READ));
}

/* Freed perhaps, but what was written since is there; and nobody has the other's. */
static void check_halves(struct play *p)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned long tag = get_tag(p, p->mm, p->a + PAGES(i));

		rig_check(tag == 0 || tag == 100 + i);
		tag = get_tag(p, p->child, p->a + PAGES(i));
		rig_check(tag == 0 || tag == 100 + i);
	}
	rig_expect(p->r, p->mm, p->a + PAGES(4), 4, 504);
	rig_put(p->r, p->mm, p->a, 4, 700);
	for (unsigned i = 0; i < 4; i++)
		rig_check(get_tag(p, p->child, p->a + PAGES(i)) < 700);
	rig_check(rig_info(p->child, p->a + PAGES(4)).kind == OM_PAGE_NONE);
}

/* Reclaim unmaps the pages, sees that they were written, and puts the entries back as they were. */
static void test_h77_free_is_given_up(void **state)
{
	struct play p = {.r = small_rig()};
	struct om_pageinfo before[8];

	(void)state;
	freed_halves(&p);
	for (unsigned i = 0; i < 8; i++) {
		before[i] = rig_info(p.mm, p.a + PAGES(i));
		rig_equal(before[i].kind, i < 4 ? OM_PAGE_SHARED : OM_PAGE_DIRECT);
		rig_equal(before[i].writable, i >= 4 && i % 2 == 0);
	}
	play_warm(&p, p.mm, p.a, 8, false);
	rig_ok(om_madvise(p.mm, p.a, PAGES(8), OM_MADV_PAGEOUT));
	for (unsigned i = 4; i < 8; i++) {
		struct om_pageinfo after = rig_info(p.mm, p.a + PAGES(i));

		rig_equal(after.kind, OM_PAGE_DIRECT);
		rig_equal(after.value, before[i].value);
		rig_equal(after.writable, before[i].writable);
	}
	rig_verify(p.r);
	check_halves(&p);
	rig_reclaim(p.r);
	rig_expect(p.r, p.mm, p.a, 4, 700);
	rig_expect(p.r, p.mm, p.a + PAGES(4), 4, 504);
	rig_verify(p.r);
	rig_destroy(p.r);
}

/* What a child shares is not the parent's to give away. */
static void test_h77_shared_pages_are_kept(void **state)
{
	struct play p = {.r = small_rig()};

	(void)state;
	play_family(&p, 8);
	rig_put(p.r, p.mm, p.a, 4, 500);
	rig_ok(om_madvise(p.mm, p.a, PAGES(8), OM_MADV_FREE));
	rig_reclaim(p.r);
	rig_verify(p.r);
	rig_expect(p.r, p.child, p.a, 8, 100);
	rig_expect(p.r, p.mm, p.a + PAGES(4), 4, 104);
	for (unsigned i = 0; i < 4; i++)
		rig_equal(rig_info(p.mm, p.a + PAGES(i)).kind, OM_PAGE_NONE);
	rig_destroy(p.r);
}

static void half_not_forked(struct play *p)
{
	play_anon(p, 8);
	play_warm(p, p->mm, p->a, 8, true);
	rig_ok(om_madvise(p->mm, p->a + PAGES(4), PAGES(4), OM_MADV_DONTFORK));
	rig_ok(om_madvise(p->mm, p->a, PAGES(8), OM_MADV_FREE));
}

static void task_fork_half(struct play *p)
{
	p->child = rig_fork(p->r, p->mm, NULL);
}

static void task_write_half(struct play *p)
{
	for (unsigned i = 4; i < 8; i++)
		rig_equal(rig_set(sched_cpu(p), p->mm, p->a + PAGES(i), 500 + i), OM_FAULT_MINOR);
}

static void test_h77_free_x_fork_x_reclaim(void **state)
{
	(void)state;
	EXPLORE({.name = "h77",
	         .setup = half_not_forked,
	         .task = {task_fork_half, task_write_half, task_pageout},
	         .check = check_halves},
	        {.name = "h77_step",
	         .setup = half_not_forked,
	         .task = {task_fork_half, task_write_half, task_reclaim},
	         .check = check_halves});
}

/* ---------------------------------------------------------------- 78: moved in between ------ */

/* Who is there beside the one who moves: nobody, a child, or a child that outlives its parent. */
enum relatives { NONE, CHILD, ORPHAN, NR_RELATIVES };

#define HOME (HERE + PAGES(3))

/*
 * Three pages are used, at `origin`, and go away; beside the place between pages 3 and 5 of 9 areas
 * are mapped that have never been used; and there they come, back home or for the first time.
 */
static void move_between(struct play *p, uintptr_t origin, enum relatives relatives)
{
	const int fixed = OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED;
	uintptr_t at = 0;

	p->mm = rig_mm(p->r);
	p->a = HERE;
	rig_map(p->r, p->mm, origin - PAGES(3), 9, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->mm, origin, 3, 303);
	if (relatives != NONE)
		p->child = rig_fork(p->r, p->mm, NULL);
	rig_ok(do_mremap(p->mm, origin, PAGES(3), PAGES(3), fixed, THERE, &at));
	rig_ok(om_munmap(p->mm, origin - PAGES(3), PAGES(9)));
	rig_map(p->r, p->mm, HERE, 3, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_map(p->r, p->mm, HERE + PAGES(6), 3, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_verify(p->r);
	rig_ok(do_mremap(p->mm, THERE, PAGES(3), PAGES(3), fixed, HOME, &at));
	rig_verify(p->r);
	rig_equal(rig_vmas(p->mm), 1);
}

/* The area that has become one finds all its pages, those that it shares with a new child, too. */
static void moved_in_between(uintptr_t origin, enum relatives relatives)
{
	struct play p = {.r = small_rig()};

	move_between(&p, origin, relatives);
	rig_put(p.r, p.mm, p.a, 3, 300);
	rig_put(p.r, p.mm, p.a + PAGES(6), 3, 306);
	p.other = rig_fork(p.r, p.mm, NULL);
	rig_verify(p.r);
	if (relatives == ORPHAN)
		rig_exit(p.r, p.mm);
	rig_reclaim(p.r);
	rig_verify(p.r);
	for (unsigned i = 0; i < 9; i++)
		rig_equal(rig_info(p.other, p.a + PAGES(i)).kind, OM_PAGE_SWAP);
	rig_expect(p.r, p.other, p.a, 9, 300);
	if (relatives != ORPHAN)
		rig_expect(p.r, p.mm, p.a, 9, 300);
	if (relatives != NONE)
		rig_expect(p.r, p.child, origin, 3, 303);
	rig_verify(p.r);
	rig_destroy(p.r);
}

static void test_h78_moved_in_between(void **state)
{
	(void)state;
	for (enum relatives n = NONE; n < NR_RELATIVES; n++) {
		moved_in_between(HOME, n);
		moved_in_between(THERE + PAGES(40), n);
	}
}

/* ---------------------------------------------------------------- 82: locked, not there ----- */

/* A private file: two pages were written, one was read, one never used. All have gone. */
static void locked_and_absent(struct play *p)
{
	play_file(p, 4, OM_MAP_PRIVATE);
	rig_put(p->r, p->mm, p->a, 2, 300);
	rig_expect(p->r, p->mm, p->a + PAGES(2), 1, 202);
	rig_pageout(p->r, p->mm, p->a, 4);
	rig_equal(rig_info(p->mm, p->a).kind, OM_PAGE_SWAP);
	rig_ok(om_mlock(p->mm, p->a, PAGES(4), OM_MLOCK_ONFAULT));
	rig_equal(rig_info(p->mm, p->a).kind, OM_PAGE_SWAP);
}

static void expect_absent(struct play *p, struct om_mm *mm)
{
	rig_expect(p->r, mm, p->a, 2, 300);
	rig_expect(p->r, mm, p->a + PAGES(2), 2, 202);
}

static om_pfn_t unevictable(struct rig *r)
{
	struct om_sysinfo info;

	om_sysinfo(r->sys, &info);
	return info.unevictable;
}

/* Child and grandchild are forked before anybody has touched a page; the last one looks first. */
static void test_h82_locked_but_absent(void **state)
{
	struct play p = {.r = small_rig()};
	struct om_mm *grandchild, *second;

	(void)state;
	locked_and_absent(&p);
	p.child = rig_fork(p.r, p.mm, NULL);
	grandchild = rig_fork(p.r, p.child, NULL);
	second = rig_fork(p.r, p.mm, NULL);
	rig_verify(p.r);
	expect_absent(&p, grandchild);
	rig_put(p.r, grandchild, p.a, 4, 900);
	expect_absent(&p, p.child);
	rig_equal(unevictable(p.r), 0);
	expect_absent(&p, p.mm);
	rig_equal(unevictable(p.r), 4);
	rig_verify(p.r);
	rig_exit(p.r, p.child);
	rig_reclaim(p.r);
	expect_absent(&p, second);
	expect_absent(&p, p.mm);
	rig_expect(p.r, grandchild, p.a, 4, 900);
	rig_verify(p.r);
	rig_destroy(p.r);
}

static void task_touch(struct play *p)
{
	rig_equal(get_tag(p, p->mm, p->a), 300);
	rig_equal(rig_set(sched_cpu(p), p->mm, p->a + PAGES(1), 301), OM_FAULT_MINOR);
	rig_equal(get_tag(p, p->mm, p->a + PAGES(3)), 203);
}

static void check_absent(struct play *p)
{
	expect_absent(p, p->other);
	rig_put(p->r, p->other, p->a, 4, 900);
	expect_absent(p, p->mm);
	rig_equal(unevictable(p->r), 4);
}

static void test_h82_fork_x_touch(void **state)
{
	(void)state;
	EXPLORE({.name = "h82",
	         .setup = locked_and_absent,
	         .task = {task_fork, task_touch, task_reclaim},
	         .check = check_absent},
	        {.name = "h82_swapoff",
	         .setup = locked_and_absent,
	         .task = {task_fork, task_touch, task_swapoff},
	         .check = check_absent});
}

/* ---------------------------------------------------------------- 83: a twin's numbers ------ */

/*
 * After a fork the parent (or the child) maps its middle anew, where the other still has the pages
 * of the time before: equal addresses, and in the parent's area equal numbers in one object.
 */
static void map_middle_again(struct play *p, struct om_mm *mm)
{
	rig_ok(om_munmap(mm, p->a + PAGES(3), PAGES(3)));
	rig_map(p->r, mm, p->a + PAGES(3), 3, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, mm, p->a + PAGES(3), 3, 703);
	rig_verify(p->r);
}

static void expect_old(struct play *p, struct om_mm *mm)
{
	rig_expect(p->r, mm, p->a, 9, 100);
}

static void expect_new(struct play *p, struct om_mm *mm)
{
	rig_expect(p->r, mm, p->a, 3, 100);
	rig_expect(p->r, mm, p->a + PAGES(3), 3, 703);
	rig_expect(p->r, mm, p->a + PAGES(6), 3, 106);
}

/* Both share their middle with a child each, and one of the two ends. */
static void twins_fork(struct play *p, struct om_mm *changed, struct om_mm *old, bool old_ends)
{
	struct om_mm *new_child = rig_fork(p->r, changed, NULL);
	struct om_mm *old_child = rig_fork(p->r, old, NULL);

	rig_verify(p->r);
	for (unsigned i = 3; i < 6; i++) {
		rig_equal(rig_info(changed, p->a + PAGES(i)).mapcount, 2);
		rig_check(rig_info(changed, p->a + PAGES(i)).value !=
		          rig_info(old, p->a + PAGES(i)).value);
	}
	rig_exit(p->r, old_ends ? old : changed);
	rig_verify(p->r);
	rig_reclaim(p->r);
	rig_equal(rig_info(new_child, p->a + PAGES(4)).kind, OM_PAGE_SWAP);
	rig_equal(rig_info(old_child, p->a + PAGES(4)).kind, OM_PAGE_SWAP);
	expect_new(p, new_child);
	expect_old(p, old_child);
	old_ends ? expect_new(p, changed) : expect_old(p, old);
	rig_verify(p->r);
}

static void test_h83_numbers_of_a_twin(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 4; n++) {
		struct play p = {.r = small_rig()};
		bool by_child = n & 1, old_ends = n & 2;

		play_family(&p, 9);
		map_middle_again(&p, by_child ? p.child : p.mm);
		twins_fork(&p, by_child ? p.child : p.mm, by_child ? p.mm : p.child, old_ends);
		rig_destroy(p.r);
	}
}

/* The scene as it was found: the child ends at once, and the parent's new pages must stay. */
static void test_h83_child_exits(void **state)
{
	struct play p = {.r = small_rig()};

	(void)state;
	play_family(&p, 9);
	map_middle_again(&p, p.mm);
	rig_exit(p.r, p.child);
	rig_verify(p.r);
	expect_new(&p, p.mm);
	rig_reclaim(p.r);
	expect_new(&p, p.mm);
	rig_verify(p.r);
	rig_destroy(p.r);
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h76_mixed_pages_move),
    cmocka_unit_test(test_h76_mixed_pages_are_protected),
    cmocka_unit_test(test_h77_free_is_given_up),
    cmocka_unit_test(test_h77_shared_pages_are_kept),
    cmocka_unit_test(test_h77_free_x_fork_x_reclaim),
    cmocka_unit_test(test_h78_moved_in_between),
    cmocka_unit_test(test_h82_locked_but_absent),
    cmocka_unit_test(test_h82_fork_x_touch),
    cmocka_unit_test(test_h83_numbers_of_a_twin),
    cmocka_unit_test(test_h83_child_exits),
};
TESTS(mixed_tests, list);
