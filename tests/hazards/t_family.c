/*
 * t_family.c: the objects behind shared pages: rows 17, 21-26, 53, 62.
 */
#include "calls.h"
#include "hazards.h"

#include <string.h>

/* ---------------------------------------------------------------- 17: random families ------- */

#define POOL   8
#define EXTENT 16 /* pages of address space that are played with */

struct member {
	struct om_mm *mm;
	bool mapped[EXTENT];
	unsigned long tag[EXTENT];
};

struct tree {
	struct rig *r;
	struct member member[POOL];
	struct sim_rand rand;
	unsigned long next_tag;
};

static unsigned below(struct tree *t, unsigned n)
{
	return (unsigned)sim_rand_below(&t->rand, n);
}

static void tree_write(struct tree *t, struct member *m, unsigned i, unsigned n)
{
	for (; n-- && i < EXTENT; i++) {
		if (!m->mapped[i])
			continue;
		m->tag[i] = t->next_tag++;
		rig_put(t->r, m->mm, HERE + PAGES(i), 1, m->tag[i]);
	}
}

static void tree_fork(struct tree *t, const struct member *m)
{
	struct member *free = t->member;

	while (free < t->member + POOL && free->mm)
		free++;
	if (free == t->member + POOL)
		return;
	*free = *m;
	free->mm = rig_fork(t->r, m->mm, NULL);
}

static void tree_exit(struct tree *t, struct member *m)
{
	rig_exit(t->r, m->mm);
	m->mm = NULL;
}

static void tree_unmap(struct member *m, unsigned i, unsigned n)
{
	rig_ok(om_munmap(m->mm, HERE + PAGES(i), PAGES(n)));
	memset(&m->mapped[i], 0, n);
}

static void tree_map(struct tree *t, struct member *m, unsigned i, unsigned n)
{
	rig_map(t->r, m->mm, HERE + PAGES(i), n, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	for (; n--; i++) {
		m->mapped[i] = true;
		m->tag[i] = 0;
	}
}

/* Split, and join again. */
static void tree_protect(struct member *m, unsigned i, unsigned n)
{
	(void)om_mprotect(m->mm, HERE + PAGES(i), PAGES(n), OM_PROT_READ);
	for (; n--; i++)
		(void)om_mprotect(m->mm, HERE + PAGES(i), PAGES(1), RIG_RW);
}

/* Some pages go to another place over what is there. */
static void tree_move(struct member *m, unsigned i, unsigned n)
{
	unsigned to = i < EXTENT / 2 ? EXTENT / 2 : 0;
	uintptr_t at;

	if (do_mremap(m->mm, HERE + PAGES(i), PAGES(n), PAGES(n),
	              OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, HERE + PAGES(to), &at))
		return;
	for (; n--; i++, to++) {
		m->mapped[to] = true;
		m->tag[to] = m->tag[i];
		m->mapped[i] = false;
	}
}

static void tree_check(struct tree *t)
{
	for (struct member *m = t->member; m < t->member + POOL; m++)
		for (unsigned i = 0; m->mm && i < EXTENT; i++)
			if (m->mapped[i])
				rig_expect(t->r, m->mm, HERE + PAGES(i), 1, m->tag[i]);
}

static void tree_step(struct tree *t)
{
	struct member *m = &t->member[below(t, POOL)];
	unsigned i = below(t, EXTENT),
	         n = 1 + below(t, i < EXTENT / 2 ? EXTENT / 2 - i : EXTENT - i);

	if (!m->mm)
		return;
	switch (below(t, 12)) {
	case 0:
	case 1:
		tree_fork(t, m);
		break;
	case 2:
		tree_exit(t, m);
		break;
	case 3:
		tree_unmap(m, i, n);
		break;
	case 4:
		tree_map(t, m, i, n);
		break;
	case 5:
		tree_protect(m, i, n);
		break;
	case 6:
	case 7:
		tree_move(m, i, n);
		break;
	case 8:
		rig_reclaim(t->r);
		break;
	default:
		tree_write(t, m, i, n);
	}
}

static bool tree_extinct(const struct tree *t)
{
	for (unsigned i = 0; i < POOL; i++)
		if (t->member[i].mm)
			return false;
	return true;
}

/* fork, exit, split, merge, move: after each, every mapped page is found from its object (I1, I4).
 */
static void test_h17_random_families(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 4; seed++) {
		struct tree t = {.r = small_rig(), .next_tag = 1};

		snprintf(rig_scene, sizeof(rig_scene), "h17 seed %u", seed);
		sim_rand_seed(&t.rand, sched_seed * 1000 + seed);
		for (unsigned n = 0; n < 250; n++) {
			if (tree_extinct(&t)) {
				t.member[0].mm = rig_mm(t.r);
				tree_map(&t, &t.member[0], 0, EXTENT);
			}
			tree_step(&t);
			rig_verify(t.r);
			if (n % 10 == 0)
				tree_check(&t);
		}
		tree_check(&t);
		rig_destroy(t.r);
	}
}

/* ---------------------------------------------------------------- 21, 22 -------------------- */

/* An area that fork has given an object takes in a neighbour that has none. */
static void test_h21_merge_with_object(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *child, *late;
	uintptr_t a = rig_map(r, mm, HERE, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

	(void)state;
	rig_put(r, mm, a, 8, 100);
	child = rig_fork(r, mm, NULL);
	rig_ok(om_munmap(mm, a + PAGES(4), PAGES(4)));
	rig_map(r, mm, a + PAGES(4), 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(r, mm, a + PAGES(4), 4, 200);
	rig_verify(r);
	late = rig_fork(r, mm, NULL);
	rig_reclaim(r);
	rig_verify(r);
	rig_equal(rig_info(late, a + PAGES(5)).kind, OM_PAGE_SWAP);
	rig_expect(r, mm, a, 4, 100);
	rig_expect(r, late, a + PAGES(4), 4, 200);
	rig_expect(r, child, a, 8, 100);
	rig_verify(r);
	rig_destroy(r);
}

/* Two faulted areas with a hole, each of which has got an object of its own, do not merge wrongly.
 */
static void test_h21_different_objects(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *one, *two;
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	uintptr_t b = rig_map(r, mm, HERE + PAGES(5), 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

	(void)state;
	rig_put(r, mm, a, 4, 100);
	rig_put(r, mm, b, 4, 200);
	one = rig_fork(r, mm, NULL);
	rig_map(r, mm, a + PAGES(4), 1, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(r, mm, a + PAGES(4), 1, 300);
	rig_verify(r);
	two = rig_fork(r, mm, NULL);
	rig_reclaim(r);
	rig_verify(r);
	rig_expect(r, mm, a, 4, 100);
	rig_expect(r, two, a + PAGES(4), 1, 300);
	rig_expect(r, two, b, 4, 200);
	rig_expect(r, one, b, 4, 200);
	rig_verify(r);
	rig_destroy(r);
}

/* The child brings the page back first, the parent later: both are found from it. */
static void test_h22_child_swaps_in_first(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *child, *deep;
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

	(void)state;
	rig_put(r, mm, a, 4, 100);
	child = rig_fork(r, mm, NULL);
	deep = rig_fork(r, child, NULL);
	rig_reclaim(r);
	rig_expect(r, deep, a, 4, 100);
	rig_verify(r);
	rig_exit(r, child);
	rig_expect(r, mm, a, 4, 100);
	rig_equal(rig_info(mm, a).value, rig_info(deep, a).value);
	rig_equal(rig_info(mm, a).mapcount, 2);
	rig_verify(r);
	rig_reclaim(r);
	rig_equal(rig_info(mm, a).kind, OM_PAGE_SWAP);
	rig_equal(rig_info(deep, a).kind, OM_PAGE_SWAP);
	rig_expect(r, mm, a, 4, 100);
	rig_expect(r, deep, a, 4, 100);
	rig_verify(r);
	rig_destroy(r);
}

/* ---------------------------------------------------------------- 23-26, 53 ----------------- */

static void cold_anon(struct play *p)
{
	play_anon(p, 8);
	play_cold(p, p->mm, 8);
}

static void check_parent_child(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 8, 100);
	rig_expect(p->r, p->other, p->a, 8, 100);
	rig_put(p->r, p->mm, p->a, 8, 300);
	rig_expect(p->r, p->other, p->a, 8, 100);
}

static void cold_family(struct play *p)
{
	play_family(p, 8);
	play_cold(p, p->mm, 8);
	play_cold(p, p->child, 8);
}

static void swapped_anon(struct play *p)
{
	play_anon(p, 8);
	rig_pageout(p->r, p->mm, p->a, 8);
	rig_expect(p->r, p->mm, p->a, 4, 100);
	play_cold(p, p->mm, 8);
}

/* The object of the pages is made while reclaim looks at them. */
static void test_h23_fork_x_reclaim(void **state)
{
	(void)state;
	EXPLORE({.name = "h23_step",
	         .setup = cold_anon,
	         .task = {task_fork, task_reclaim},
	         .check = check_parent_child},
	        {.name = "h23_pageout",
	         .setup = cold_anon,
	         .task = {task_fork, task_pageout},
	         .check = check_parent_child},
	        {.name = "h23_swapped",
	         .setup = swapped_anon,
	         .task = {task_fork, task_pageout},
	         .check = check_parent_child});
}

/* The child has copies of its own, so a walk makes the parent's pages exclusive again. */
static void cold_parent(struct play *p)
{
	play_family(p, 8);
	rig_put(p->r, p->child, p->a, 8, 500);
	play_cold(p, p->mm, 8);
}

/* The second fork, of an area that has its object, and pages that are shared already, or were. */
static void test_h53_second_fork_x_reclaim(void **state)
{
	(void)state;
	EXPLORE({.name = "h53",
	         .setup = cold_family,
	         .task = {task_fork, task_reclaim},
	         .check = check_parent_child},
	        {.name = "h53_alone",
	         .setup = cold_parent,
	         .task = {task_fork, task_reclaim},
	         .check = check_parent_child});
}

static void task_exit_mm(struct play *p)
{
	rig_exit(p->r, p->mm);
}

static void task_exit_child(struct play *p)
{
	rig_exit(p->r, p->child);
}

static void check_third(struct play *p)
{
	rig_expect(p->r, p->other, p->a, 8, 100);
}

static void cold_three(struct play *p)
{
	play_family(p, 8);
	p->other = rig_fork(p->r, p->child, NULL);
	play_cold(p, p->mm, 8);
	play_cold(p, p->child, 8);
	play_cold(p, p->other, 8);
}

/* Reclaim holds on to the object of a page that everybody leaves. */
static void test_h24_exit_x_reclaim(void **state)
{
	(void)state;
	EXPLORE({.name = "h24_family",
	         .setup = cold_family,
	         .task = {task_exit_child, task_reclaim}},
	        {.name = "h24_three",
	         .setup = cold_three,
	         .task = {task_exit_mm, task_exit_child, task_reclaim},
	         .check = check_third});
}

static void task_munmap_refill(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->a, PAGES(8)));
	p->other = rig_mm(p->r);
	rig_map(p->r, p->other, p->a, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 8; i++)
		rig_equal(rig_set(sched_cpu(p), p->other, p->a + PAGES(i), 100 + i),
		          OM_FAULT_MINOR);
}

/* The last entry goes while reclaim has the page in hand; the frame is used again at once. */
static void test_h25_munmap_x_reclaim(void **state)
{
	(void)state;
	EXPLORE({.name = "h25_step",
	         .setup = cold_anon,
	         .task = {task_munmap_refill, task_reclaim},
	         .check = check_third},
	        {.name = "h25_pageout",
	         .setup = cold_family,
	         .task = {task_munmap_refill, task_reclaim},
	         .check = check_third},
	        {.name = "h25_swapped",
	         .setup = swapped_anon,
	         .task = {task_munmap_refill, task_reclaim},
	         .check = check_third});
}

static void cold_page(struct play *p)
{
	play_anon(p, 1);
	play_cold(p, p->mm, 1);
}

static void task_munmap_page(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->a, PAGES(1)));
}

/*
 * munmap has cleared the entry, flushes, and frees the table, while reclaim comes to that table by
 * the pointer of the page, which was mapped just now.
 */
static void test_table_goes_x_reclaim(void **state)
{
	(void)state;
	EXPLORE({.name = "table_goes",
	         .all_pairs = true,
	         .setup = cold_page,
	         .task = {task_munmap_page, task_reclaim}});
}

/* Two untouched areas, neighbours that mprotect() could make one. */
static void untouched(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	p->b = rig_map(p->r, p->mm, HERE + PAGES(4), 4, RIG_RW | OM_PROT_EXEC, OM_MAP_PRIVATE, NULL,
	               0);
}

static void task_first_store(struct play *p)
{
	rig_ok(write_tag(p->mm, p->a, 100));
}

static void task_second_store(struct play *p)
{
	rig_ok(write_tag(p->mm, p->a + PAGES(1), 101));
}

/* Nobody else has to do with the page, so the walk that follows must find it. */
static void task_store_pageout(struct play *p)
{
	uintptr_t a = p->a + PAGES(1);

	rig_ok(write_tag(p->mm, a, 101));
	rig_ok(om_madvise(p->mm, a, PAGES(1), OM_MADV_PAGEOUT));
	rig_check(rig_info(p->mm, a).kind == OM_PAGE_SWAP);
}

static void task_store_beside(struct play *p)
{
	rig_ok(write_tag(p->mm, p->b, 104));
}

static void check_stores(struct play *p)
{
	rig_reclaim(p->r);
	rig_expect(p->r, p->mm, p->a, 2, 100);
	rig_ok(write_tag(p->mm, p->b, 104));
	rig_ok(om_mprotect(p->mm, p->b, PAGES(4), RIG_RW));
	p->other = rig_fork(p->r, p->mm, NULL);
	rig_put(p->r, p->mm, p->a, 8, 300);
	rig_expect(p->r, p->other, p->a, 2, 100);
	rig_expect(p->r, p->other, p->b, 1, 104);
}

/*
 * The first stores to an area, and to the one beside it, at once: where a fault makes an object for
 * the area, there is one in the end, and it is found by whoever looks for the pages of the others.
 */
static void test_first_stores(void **state)
{
	(void)state;
	EXPLORE({.name = "first_stores",
	         .all_pairs = true,
	         .setup = untouched,
	         .task = {task_first_store, task_second_store},
	         .check = check_stores},
	        {.name = "first_stores_beside",
	         .setup = untouched,
	         .task = {task_first_store, task_second_store, task_store_beside},
	         .check = check_stores},
	        {.name = "first_stores_walk",
	         .all_pairs = true,
	         .setup = untouched,
	         .task = {task_first_store, task_store_pageout},
	         .check = check_stores},
	        {.name = "first_stores_reclaim",
	         .setup = untouched,
	         .task = {task_first_store, task_second_store, task_pageout},
	         .check = check_stores});
}

static void swapped_family(struct play *p)
{
	play_family(p, 8);
	rig_reclaim(p->r);
	rig_expect(p->r, p->mm, p->a, 3, 100);
	rig_expect(p->r, p->child, p->a + PAGES(2), 3, 102);
}

/* Pages of a file, mapped by two, that both leave while they are written back and dropped. */
static void shared_file(struct play *p)
{
	play_file(p, 4, OM_MAP_SHARED);
	p->child = rig_mm(p->r);
	rig_map(p->r, p->child, p->a, 4, RIG_RW, OM_MAP_SHARED, p->file, 0);
	rig_put(p->r, p->mm, p->a, 4, 300);
	rig_put(p->r, p->child, p->a, 2, 400);
	play_cold(p, p->mm, 4);
	play_cold(p, p->child, 4);
}

static void check_file(struct play *p)
{
	rig_ok(om_mapping_sync(p->file, 0, 0));
	for (unsigned i = 0; i < 4; i++)
		rig_equal(rig_store_tag(rig_store(p->r, p->file), i), (i < 2 ? 400 : 300) + i);
}

static void task_child_reads(struct play *p)
{
	for (unsigned i = 0; i < 8; i++)
		rig_equal(get_tag(p, p->child, p->a + PAGES(i)), 100 + i);
}

/* A pin outlives the area, whose end it crosses. */
static void task_pin_unpin(struct play *p)
{
	om_pfn_t pfn;

	for (unsigned i = 0; i < 2; i++) {
		int err = om_pin(p->child, p->a + PAGES(i), OM_WRITE, &pfn);

		rig_check(err == 0 || err == -OM_EFAULT);
		sched_step();
		if (!err)
			om_unpin(p->r->sys, pfn, true);
	}
}

static void task_unmap_child(struct play *p)
{
	rig_ok(om_munmap(p->child, p->a, PAGES(8)));
}

static void check_mm(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 8, 100);
}

/* Objects, tables, frames and slots are all free when both are over: rig_destroy() sees to it. */
static void test_h26_two_last_exits(void **state)
{
	(void)state;
	EXPLORE({.name = "h26", .setup = cold_family, .task = {task_exit_mm, task_exit_child}},
	        {.name = "h26_swapped",
	         .setup = swapped_family,
	         .task = {task_exit_mm, task_exit_child}},
	        {.name = "h26_reclaim",
	         .setup = swapped_family,
	         .task = {task_exit_mm, task_exit_child, task_reclaim}},
	        {.name = "h26_ahead",
	         .cluster = 3,
	         .setup = swapped_family,
	         .task = {task_child_reads, task_exit_mm, task_reclaim}},
	        {.name = "h26_file",
	         .setup = shared_file,
	         .task = {task_exit_mm, task_exit_child, task_reclaim},
	         .check = check_file},
	        {.name = "h26_pin",
	         .setup = swapped_family,
	         .task = {task_unmap_child, task_pin_unpin, task_reclaim},
	         .check = check_mm});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h17_random_families),   cmocka_unit_test(test_h21_merge_with_object),
    cmocka_unit_test(test_h21_different_objects), cmocka_unit_test(test_h22_child_swaps_in_first),
    cmocka_unit_test(test_h23_fork_x_reclaim),    cmocka_unit_test(test_h24_exit_x_reclaim),
    cmocka_unit_test(test_h25_munmap_x_reclaim),  cmocka_unit_test(test_table_goes_x_reclaim),
    cmocka_unit_test(test_h26_two_last_exits),    cmocka_unit_test(test_h53_second_fork_x_reclaim),
    cmocka_unit_test(test_first_stores),
};
TESTS(family_tests, list);
