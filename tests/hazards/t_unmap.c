/*
 * t_unmap.c: a large range leaves while others fault (area/unmap.c).
 *
 * The range has pages in a table of its own and in one that it shares with an area beside it. While
 * it leaves, what is beside it stays as it was; its own pages are what they were, or not there; and
 * once they are gone they stay so. (Rigs are `eager`: the munmap is large whatever its size.)
 */
#include "area/mm.h"
#include "calls.h"
#include "hazards.h"

#define TOUCHED 3u

/* Pages of the range, the last of them in the table of p->b. */
static uintptr_t leaving_page(const struct play *p, unsigned i)
{
	return i < TOUCHED - 1 ? p->a + PAGES(i) : p->b - RIG_PAGE;
}

static void map_beside(struct play *p)
{
	p->b = HERE + SPAN + PAGES(4);
	rig_map(p->r, p->mm, p->b, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->mm, p->b, 4, 500);
	play_warm(p, p->mm, p->b, 4, true);
}

static void leaving(struct play *p)
{
	size_t pages = SPAN / RIG_PAGE + 4;

	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, pages, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	map_beside(p);
	for (unsigned i = 0; i < TOUCHED; i++) {
		rig_put(p->r, p->mm, leaving_page(p, i), 1, 100 + i);
		play_warm(p, p->mm, leaving_page(p, i), 1, true);
	}
}

static void leaving_file(struct play *p)
{
	size_t pages = SPAN / RIG_PAGE + 4;

	p->mm = rig_mm(p->r);
	p->file = rig_file(p->r, 8, 200);
	p->a = rig_map(p->r, p->mm, HERE, 8, RIG_RW, OM_MAP_PRIVATE, p->file, 0);
	rig_put(p->r, p->mm, p->a, 8, 300); /* copies: their flush may be put off */
	rig_map(p->r, p->mm, HERE + PAGES(8), pages - 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	map_beside(p);
	play_warm(p, p->mm, p->a, 8, true);
}

static void task_unmap(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->a, p->b - p->a));
	p->flag[0] = true;
}

/* How often a fault, or an access, came through while the range was leaving. */
static unsigned let_in;

static void task_beside(struct play *p)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned long word;

		rig_ok(om_madvise(p->mm, p->b + PAGES(i), RIG_PAGE, OM_MADV_DONTNEED));
		rig_equal(set_word(p, p->mm, p->b + PAGES(i), 600 + i), OM_FAULT_MINOR);
		rig_equal(get_word(p, p->mm, p->b + PAGES(i), &word), OM_FAULT_MINOR);
		rig_equal(word, 600 + i);
		let_in += atomic_load(&p->mm->emptying);
	}
}

/* What is there is right, and what is gone stays so. */
static void task_use(struct play *p)
{
	bool gone[TOUCHED] = {false};

	for (unsigned n = 0; n < 3 * TOUCHED; n++) {
		unsigned i = n % TOUCHED;
		unsigned long word;
		bool unmapped = p->flag[0];

		if (get_word(p, p->mm, leaving_page(p, i), &word) == OM_FAULT_MINOR) {
			rig_check(!gone[i] && !unmapped);
			rig_equal(word, 100 + i);
		} else {
			gone[i] = true;
		}
	}
}

/* All other ways to look at it. */
static void task_look(struct play *p)
{
	for (unsigned i = 0; i < TOUCHED; i++) {
		uintptr_t addr = leaving_page(p, i);
		struct om_pageinfo page;
		struct om_mminfo info;
		unsigned long word = 100 + i;
		om_pfn_t pfn;

		om_pageinfo(p->mm, addr, &page);
		rig_ok(om_mminfo(p->mm, 0, HERE + 2 * SPAN, &info));
		rig_check(info.vmas == 1 || info.vmas == 2);
		(void)om_read_nofault(p->mm, addr, &word, sizeof(word), NULL);
		rig_equal(word, 100 + i);
		(void)om_read(p->mm, addr, &word, sizeof(word), NULL);
		rig_equal(word, 100 + i);
		if (!om_pin(p->mm, addr, OM_WRITE, &pfn))
			om_unpin(p->r->sys, pfn, true);
		(void)om_madvise(p->mm, addr, RIG_PAGE, OM_MADV_POPULATE_READ);
	}
}

/* Somebody maps the place again as soon as it is free: what is stored there is new, and stays. */
static void task_map_again(struct play *p)
{
	uintptr_t addr = p->a;
	unsigned long word;

	for (unsigned n = 0; n < 8 && !p->flag[1]; n++) {
		int err = do_mmap(p->mm, &addr, SPAN, RIG_RW,
		                  OM_MAP_PRIVATE | OM_MAP_FIXED_NOREPLACE, NULL, 0);

		rig_check(!err || err == -OM_EEXIST);
		p->flag[1] = !err;
		sched_step();
	}
	if (!p->flag[1])
		return;
	rig_equal(get_word(p, p->mm, p->a, &word), OM_FAULT_MINOR);
	rig_equal(word, 0);
	rig_equal(set_word(p, p->mm, p->a, 7), OM_FAULT_MINOR);
}

/* Another thread has a translation of the first page, and stores where it may. */
static void task_store(struct play *p)
{
	for (unsigned n = 0; n < 4 && !p->flag[1]; n++)
		(void)set_word(p, p->mm, p->a + PAGES(1), 9);
}

static void check_again(struct play *p)
{
	unsigned long word;

	if (p->flag[1]) {
		rig_equal(get_word(p, p->mm, p->a, &word), OM_FAULT_MINOR);
		rig_equal(word, 7);
	}
}

static void check_beside(struct play *p)
{
	unsigned long word;

	for (unsigned i = 0; i < 4; i++) {
		rig_equal(get_word(p, p->mm, p->b + PAGES(i), &word), OM_FAULT_MINOR);
		rig_check(word == 500 + i || word == 600 + i);
	}
	if (!p->flag[1])
		for (unsigned i = 0; i < TOUCHED; i++)
			rig_equal(get_word(p, p->mm, leaving_page(p, i), &word), OM_FAULT_MAPERR);
}

/* A child has all of it, or nothing. */
static void check_child(struct play *p)
{
	unsigned there = 0;

	for (unsigned i = 0; i < TOUCHED; i++) {
		unsigned long word;

		if (get_word(p, p->other, leaving_page(p, i), &word) == OM_FAULT_MINOR) {
			rig_equal(word, 100 + i);
			there++;
		}
	}
	rig_check(there == 0 || there == TOUCHED);
	check_beside(p);
}

/* A page beyond the end of its file is nobody's, whoever took its entry away. */
static void task_truncate(struct play *p)
{
	unsigned long word;

	rig_ok(om_mapping_truncate(p->file, 0));
	for (unsigned i = 0; i < 8; i++)
		rig_check(get_word(p, p->mm, p->a + PAGES(i), &word) != OM_FAULT_MINOR);
}

static void test_unmap_lets_faults_in(void **state)
{
	(void)state;
	let_in = 0;
	EXPLORE({.name = "unmap_x_faults",
	         .setup = leaving,
	         .task = {task_unmap, task_beside, task_use},
	         .check = check_beside},
	        {.name = "unmap_x_looks",
	         .setup = leaving,
	         .task = {task_unmap, task_look},
	         .check = check_beside});
	assert_true(let_in > 0);
}

static void test_unmap_x_others(void **state)
{
	(void)state;
	EXPLORE({.name = "unmap_x_map",
	         .setup = leaving,
	         .task = {task_unmap, task_map_again, task_store},
	         .check = check_again},
	        {.name = "unmap_x_unmap",
	         .setup = leaving,
	         .task = {task_unmap, task_unmap, task_beside},
	         .check = check_beside},
	        {.name = "unmap_x_fork",
	         .setup = leaving,
	         .task = {task_unmap, task_fork, task_beside},
	         .check = check_child},
	        {.name = "unmap_x_reclaim",
	         .setup = leaving,
	         .task = {task_unmap, task_reclaim, task_use},
	         .check = check_beside},
	        {.name = "unmap_x_truncate",
	         .setup = leaving_file,
	         .task = {task_unmap, task_truncate}});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_unmap_lets_faults_in),
    cmocka_unit_test(test_unmap_x_others),
};
TESTS(unmap_tests, list);
