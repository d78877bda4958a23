/*
 * t_area.c: areas, growth, limits and arithmetic: rows 34-41, 60, 61, 63, 68, 69.
 */
#include "calls.h"
#include "hazards.h"

#include <string.h>

#include "fail.h"

#define TOP ((uintptr_t)-1)

/* ---------------------------------------------------------------- 34, 35, 61, 69: numbers --- */

/* A file offset does not wrap, however an area grows. */
static void test_h34_offsets_do_not_wrap(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	struct om_mapping *file;
	uintptr_t a = HERE, at;
	/* The last page that has a number. */
	uint64_t last = sizeof(long) == 8 ? ((uint64_t)1 << 52) - 1 : ((uint64_t)1 << 32) - 1;
	int err;

	(void)state;
	file = rig_file(r, 4, 200);
	rig_equal(do_mmap(mm, &a, PAGES(4), RIG_RW, OM_MAP_SHARED | OM_MAP_FIXED, file,
	                  (uint64_t)0 - PAGES(1)),
	          -OM_EOVERFLOW);
	rig_ok(do_mmap(mm, &a, PAGES(1), RIG_RW, OM_MAP_SHARED | OM_MAP_FIXED, file,
	               (last - 1) * RIG_PAGE));
	err = do_mremap(mm, a, PAGES(1), PAGES(8), OM_MREMAP_MAYMOVE, 0, &at);
	rig_check(err == -OM_EINVAL || (!err && sizeof(long) == 8));
	rig_equal(do_mremap(mm, a, PAGES(1), TOP & ~(RIG_PAGE - 1), OM_MREMAP_MAYMOVE, 0, &at),
	          -OM_EINVAL);
	rig_equal(om_remap_file_pages(mm, err ? a : at, PAGES(1), 0, TOP, 0), -OM_EINVAL);
	rig_verify(r);
	rig_destroy(r);
}

static void test_h35_brk_bounds(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	const uintptr_t start = sim_layout.brk_start;
	uintptr_t bad[] = {1,
	                   start - 1,
	                   TOP,
	                   TOP & ~(RIG_PAGE - 1),
	                   sim_layout.highest,
	                   sim_layout.highest + 1,
	                   sim_layout.highest - 1};

	(void)state;
	rig_equal(om_brk(mm, start + 5), start + 5);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		uintptr_t now = om_brk(mm, bad[i]);

		/* The whole of the address space below `highest` is a heap one may have. */
		if (bad[i] == sim_layout.highest || bad[i] == sim_layout.highest - 1)
			rig_check(now == start + 5 || now == bad[i]);
		else
			rig_equal(now, start + 5);
		rig_equal(om_brk(mm, start + 5), start + 5);
		rig_verify(r);
	}
	/* One page must stay free before the next area. */
	rig_map(r, mm, start + PAGES(4), 1, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_equal(om_brk(mm, start + PAGES(4)), start + 5);
	rig_equal(om_brk(mm, start + PAGES(3)), start + PAGES(3));
	om_set_limit(mm, OM_LIMIT_DATA, PAGES(2));
	rig_equal(om_brk(mm, start + PAGES(3) - 1), start + PAGES(3));
	rig_verify(r);
	rig_destroy(r);
}

/* fork of an area whose pages an int cannot count. */
static void test_h61_fork_huge_area(void **state)
{
	const uintptr_t size = (uintptr_t)20 << (sizeof(long) == 8 ? 40 : 24);
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r), *child;
	uintptr_t a = 0;

	(void)state;
	rig_ok(do_mmap(mm, &a, size, RIG_RW, OM_MAP_PRIVATE, NULL, 0));
	rig_put(r, mm, a, 1, 100);
	rig_put(r, mm, a + size / 2, 1, 101);
	rig_put(r, mm, a + size - RIG_PAGE, 1, 102);
	child = rig_fork(r, mm, NULL);
	rig_reclaim(r);
	rig_put(r, mm, a + size / 2, 1, 201);
	rig_expect(r, child, a, 1, 100);
	rig_expect(r, child, a + size / 2, 1, 101);
	rig_expect(r, child, a + size - RIG_PAGE, 1, 102);
	rig_verify(r);
	rig_ok(om_munmap(child, a + RIG_PAGE, size - PAGES(2)));
	rig_expect(r, child, a + size - RIG_PAGE, 1, 102);
	rig_verify(r);
	rig_destroy(r);
}

/* Every call with every extreme number: an error or not, but no contradiction. */
static const uintptr_t extreme[] = {
    0,
    1,
    RIG_PAGE - 1,
    RIG_PAGE,
    HERE,
    HERE + PAGES(3),
    (TOP >> 1) & ~(RIG_PAGE - 1),
    (TOP >> 1) + 1,
    TOP - PAGES(1) + 1,
    TOP,
};
#define EXTREMES (sizeof(extreme) / sizeof(*extreme))

static void call_all(struct om_mm *mm, struct om_mapping *file, uintptr_t x, uintptr_t y)
{
	static unsigned char vec[16];
	uintptr_t at = x;
	unsigned long word = 0;
	om_pfn_t pfn;

	if (!do_mmap(mm, &at, y, RIG_RW, OM_MAP_PRIVATE, NULL, 0))
		rig_ok(om_munmap(mm, at, y));
	at = THERE;
	(void)do_mmap(mm, &at, PAGES(2), RIG_RW, OM_MAP_PRIVATE | OM_MAP_FIXED, file, x);
	(void)do_mremap(mm, x, y, PAGES(1), OM_MREMAP_MAYMOVE, 0, &at);
	(void)do_mremap(mm, HERE, PAGES(1), x, 0, 0, &at);
	(void)do_mremap(mm, HERE, PAGES(1), PAGES(1), OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, x, &at);
	(void)om_mprotect(mm, x, y, RIG_RW);
	(void)om_madvise(mm, x, y, OM_MADV_DONTNEED);
	(void)om_madvise(mm, x, y, OM_MADV_COLD);
	(void)om_mlock(mm, x, y, OM_MLOCK_ONFAULT);
	(void)om_munlock(mm, x, y);
	if (y <= PAGES(4))
		(void)om_mincore(mm, x, y, vec);
	(void)om_msync(mm, x, y, OM_MS_SYNC);
	(void)om_remap_file_pages(mm, x, y, 0, 0, 0);
	(void)om_remap_file_pages(mm, THERE, PAGES(1), 0, x, 0);
	(void)om_brk(mm, x);
	(void)om_read(mm, x, &word, sizeof(word), NULL);
	(void)om_write(mm, x, &word, sizeof(word), NULL);
	(void)om_fault(mm, x, OM_WRITE);
	if (!om_pin(mm, x, OM_WRITE, &pfn))
		om_unpin(om_mm_system(mm), pfn, true);
	(void)om_munmap(mm, x, y);
}

static void call_file(struct om_mapping *file, uint64_t x, uint64_t y)
{
	unsigned char byte = 1;

	(void)om_mapping_punch(file, x, y);
	(void)om_mapping_sync(file, x, y);
	(void)om_mapping_read(file, x, &byte, 1, NULL);
	(void)om_mapping_write(file, x, &byte, 1, NULL);
	(void)om_mapping_truncate(file, x);
	(void)om_mapping_truncate(file, PAGES(4));
}

static void test_h69_extreme_numbers(void **state)
{
	struct rig *r = small_rig();
	struct om_mapping *file = rig_file(r, 4, 200), *shmem = rig_shmem(r, 4, 600);

	(void)state;
	for (unsigned i = 0; i < EXTREMES; i++)
		for (unsigned j = 0; j < EXTREMES; j++) {
			struct om_mm *mm = rig_mm(r);

			rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
			rig_put(r, mm, HERE, 4, 100);
			call_all(mm, j % 2 ? file : shmem, extreme[i], extreme[j]);
			call_file(j % 2 ? file : shmem, extreme[i], extreme[j]);
			rig_verify(r);
			rig_exit(r, mm);
		}
	rig_destroy(r);
}

/* ---------------------------------------------------------------- 36-39: stacks ------------- */

static void stack(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE | OM_MAP_GROWSDOWN, NULL, 0);
	rig_put(p->r, p->mm, p->a, 4, 100);
	p->b = rig_map(p->r, p->mm, THERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->mm, p->b, 4, 200);
}

static void task_grow3(struct play *p)
{
	rig_equal(rig_set(sched_cpu(p), p->mm, p->a - PAGES(3), 903), OM_FAULT_MINOR);
}

static void task_grow6(struct play *p)
{
	rig_equal(rig_set(sched_cpu(p), p->mm, p->a - PAGES(6), 906), OM_FAULT_MINOR);
}

/* Looks through the areas all the time. */
static void task_look(struct play *p)
{
	struct om_vmainfo info;

	for (unsigned n = 0; n < 4; n++) {
		unsigned areas = 0;

		rig_equal(get_tag(p, p->mm, p->b + PAGES(n)), 200 + n);
		rig_equal(get_tag(p, p->mm, p->a + PAGES(n)), 100 + n);
		for (uintptr_t at = 0; om_vma_next(p->mm, at, &info); at = info.end)
			areas++;
		rig_equal(areas, 2);
	}
}

static void check_grown(struct play *p)
{
	struct om_vmainfo info;

	rig_equal(get_tag(p, p->mm, p->a - PAGES(3)), 903);
	rig_check(om_vma_next(p->mm, 0, &info));
	rig_equal(info.end, p->a + PAGES(4));
	if (!p->flag[0]) {
		rig_equal(get_tag(p, p->mm, p->a - PAGES(6)), 906);
		rig_equal(info.start, p->a - PAGES(6));
	}
	rig_expect(p->r, p->mm, p->a, 4, 100);
}

static void stack_one(struct play *p)
{
	stack(p);
	p->flag[0] = true;
}

static void test_h36_growth_x_lookups(void **state)
{
	(void)state;
	EXPLORE({.name = "h36",
	         .setup = stack_one,
	         .task = {task_grow3, task_look},
	         .check = check_grown});
}

static void test_h37_two_faults_grow_one_stack(void **state)
{
	(void)state;
	EXPLORE(
	    {.name = "h37", .setup = stack, .task = {task_grow3, task_grow6}, .check = check_grown},
	    {.name = "h37_look",
	     .setup = stack,
	     .task = {task_grow3, task_grow6, task_look},
	     .check = check_grown});
}

/* Below the stack lies something that goes away; its tables are the stack's, too. */
static void stack_over_area(struct play *p)
{
	stack(p);
	p->c = rig_map(p->r, p->mm, p->a - PAGES(20), 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->mm, p->c, 8, 300);
}

static void task_unmap_below(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->c, PAGES(8)));
}

/* Into the range that is, or was, the area's. */
static void task_grow_into(struct play *p)
{
	enum om_fault_result result = rig_set(sched_cpu(p), p->mm, p->a - PAGES(14), 914);

	rig_check(result == OM_FAULT_MINOR || result == OM_FAULT_MAPERR);
}

/* And above it, where the guard gap forbids to grow as long as the area is there. */
static void task_grow_above(struct play *p)
{
	enum om_fault_result result = rig_set(sched_cpu(p), p->mm, p->a - PAGES(10), 910);

	p->flag[1] = result == OM_FAULT_MINOR;
	rig_check(result == OM_FAULT_MINOR || result == OM_FAULT_MAPERR);
}

/* The stack has grown or can grow now; a store that hit the area went away with it. */
static void check_grown_into(struct play *p)
{
	unsigned long tag = get_tag(p, p->mm, p->a - PAGES(14));

	rig_check(tag == 0 || tag == 914);
	rig_equal(get_tag(p, p->mm, p->a - PAGES(13)), 0);
	rig_equal(get_tag(p, p->mm, p->a - PAGES(10)), p->flag[1] ? 910 : 0);
	rig_expect(p->r, p->mm, p->a, 4, 100);
	rig_equal(rig_vmas(p->mm), 2);
}

static void test_h38_munmap_x_growth(void **state)
{
	(void)state;
	EXPLORE({.name = "h38",
	         .setup = stack_over_area,
	         .task = {task_unmap_below, task_grow_into},
	         .check = check_grown_into},
	        {.name = "h38_three",
	         .setup = stack_over_area,
	         .task = {task_unmap_below, task_grow_into, task_grow_above},
	         .check = check_grown_into});
}

static void test_h39_guard_gap(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	const size_t gap = sim_layout.guard_gap;
	uintptr_t a, at;
	unsigned long tag;

	(void)state;
	a = rig_map(r, mm, THERE, 4, RIG_RW, OM_MAP_PRIVATE | OM_MAP_GROWSDOWN, NULL, 0);
	rig_map(r, mm, a - gap - PAGES(8), 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(r, mm, a - PAGES(4), 1, 900);
	rig_equal(rig_get(sim_cpu(r->sim, 0), mm, a - PAGES(5), &tag), OM_FAULT_MAPERR);
	/* What may not be touched cannot be run into. */
	rig_ok(om_mprotect(mm, a - gap - PAGES(8), PAGES(4), OM_PROT_NONE));
	rig_put(r, mm, a - PAGES(6), 1, 901);
	rig_verify(r);
	/* Nobody is placed into the gap. */
	for (unsigned i = 0; i < 64; i++) {
		at = a - PAGES(16);
		rig_ok(do_mmap(mm, &at, PAGES(4), RIG_RW, OM_MAP_PRIVATE, NULL, 0));
		rig_check(at + PAGES(4) <= a - PAGES(6) - gap || at >= a + PAGES(4));
	}
	rig_verify(r);
	rig_destroy(r);
}

/* ---------------------------------------------------------------- 40, 41, 60 ---------------- */

static void swapped_family(struct play *p)
{
	play_family(p, 8);
	rig_reclaim(p->r);
	rig_ok(rig_swapon(p->r, 256) == 1 ? 0 : 1);
}

static void task_exit_child(struct play *p)
{
	rig_exit(p->r, p->child);
}

static void task_exit_parent(struct play *p)
{
	rig_exit(p->r, p->mm);
}

static void check_parent(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 8, 100);
	rig_equal(rig_info(p->mm, p->a).kind == OM_PAGE_SWAP, 0);
}

/* swapoff goes through the address spaces of others while they end. */
static void test_h40_exit_x_swapoff(void **state)
{
	(void)state;
	EXPLORE({.name = "h40",
	         .setup = swapped_family,
	         .task = {task_exit_child, task_swapoff},
	         .check = check_parent},
	        {.name = "h40_both",
	         .setup = swapped_family,
	         .task = {task_exit_child, task_swapoff, task_exit_parent}});
}

static void neighbours(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	p->b = rig_map(p->r, p->mm, HERE + PAGES(4), 4, OM_PROT_READ, OM_MAP_PRIVATE, NULL, 0);
}

static void task_first_fault(struct play *p)
{
	for (unsigned i = 0; i < 4; i++)
		rig_equal(rig_set(sched_cpu(p), p->mm, p->a + PAGES(i), 100 + i), OM_FAULT_MINOR);
}

/* The neighbour goes, another comes and merges. */
static void task_neighbour(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->b, PAGES(4)));
	rig_map(p->r, p->mm, p->b, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_equal(rig_set(sched_cpu(p), p->mm, p->b, 900), OM_FAULT_MINOR);
}

static void check_neighbours(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 4, 100);
	rig_expect(p->r, p->mm, p->b, 1, 900);
	rig_equal(rig_vmas(p->mm), 1);
}

static void test_h41_fault_x_neighbour(void **state)
{
	(void)state;
	EXPLORE({.name = "h41",
	         .setup = neighbours,
	         .task = {task_first_fault, task_neighbour},
	         .check = check_neighbours});
}

/* The area found last is forgotten when it goes. */
static void task_remap_there(struct play *p)
{
	for (unsigned n = 0; n < 3; n++) {
		rig_ok(om_munmap(p->mm, p->a, PAGES(4)));
		rig_map(p->r, p->mm, p->a, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
		rig_map(p->r, p->mm, p->a + PAGES(2), 1, OM_PROT_READ, OM_MAP_PRIVATE, NULL, 0);
	}
}

static void task_touch(struct play *p)
{
	for (unsigned n = 0; n < 8; n++) {
		unsigned long word;
		enum om_fault_result result = set_word(p, p->mm, p->a + PAGES(n % 4), 900);

		rig_check(result == OM_FAULT_MINOR || result == OM_FAULT_MAPERR ||
		          (result == OM_FAULT_ACCERR && n % 4 == 2));
		result = get_word(p, p->mm, p->a + PAGES(n % 4), &word);
		rig_check(result == OM_FAULT_MAPERR || word == 0 || word == 900 ||
		          word == 100 + n % 4);
	}
}

static void anon4(struct play *p)
{
	play_anon(p, 4);
}

static void test_h60_area_cache(void **state)
{
	(void)state;
	EXPLORE({.name = "h60", .setup = anon4, .task = {task_remap_there, task_touch}});
}

/* ---------------------------------------------------------------- 63: error paths of mmap --- */

/* MAP_FIXED over parts of two areas, without memory for the k-th frame: nothing has happened. */
static void test_h63_failing_mmap(void **state)
{
	unsigned long k = 0, asked = 1;

	(void)state;
	for (k = 1; k <= asked; k++) {
		struct rig *r = small_rig();
		struct om_mm *mm = rig_mm(r);
		uintptr_t a = rig_map(r, mm, HERE, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0), at;
		struct om_mapping *file = rig_file(r, 4, 200);
		int err;

		/* No room is left in the frames of areas: fill them up. */
		for (unsigned i = 0; i < 64; i++)
			rig_map(r, mm, THERE + PAGES(2 * i), 1, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
		rig_put(r, mm, a, 8, 100);
		for (unsigned n = 0; n < 40; n++) {
			unsigned vmas = rig_vmas(mm);

			at = a + PAGES(2);
			sim_fail_arm(r->sys, k, true);
			err = do_mmap(mm, &at, PAGES(3), OM_PROT_READ, OM_MAP_SHARED | OM_MAP_FIXED,
			              file, 0);
			asked = sim_fail_disarm();
			rig_verify(r);
			if (err) {
				rig_equal(err, -OM_ENOMEM);
				rig_equal(rig_vmas(mm), vmas);
				rig_expect(r, mm, a, 8, 100);
				break;
			}
			rig_expect(r, mm, a + PAGES(2), 3, 200);
			rig_map(r, mm, a + PAGES(2), 3, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
			rig_put(r, mm, a + PAGES(2), 3, 102);
			rig_map(r, mm, THERE + PAGES(2 * n + 128), 1, RIG_RW, OM_MAP_PRIVATE, NULL,
			        0);
		}
		rig_destroy(r);
	}
}

/* ---------------------------------------------------------------- 68: revalidation ---------- */

static void big_buffer(struct play *p)
{
	play_anon(p, 4);
	p->file = rig_file(p->r, 4, 200);
	rig_expect(p->r, p->mm, p->a, 4, 100);
}

static void task_write_all(struct play *p)
{
	unsigned char buf[PAGES(4)];

	memset(buf, 0, sizeof(buf));
	for (unsigned i = 0; i < 4; i++)
		rig_set_tag(buf + PAGES(i), 900 + i);
	p->err[0] = om_write(p->mm, p->a, buf, sizeof(buf), NULL);
	rig_check(p->err[0] == 0 || p->err[0] == -OM_EFAULT);
}

/* Under the writer's hands the buffer turns into a file that may only be read. */
static void task_replace(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->a, PAGES(4)));
	rig_map(p->r, p->mm, p->a, 4, OM_PROT_READ, OM_MAP_SHARED | OM_MAP_FILE_RDONLY, p->file, 0);
	rig_equal(get_tag(p, p->mm, p->a + PAGES(2)), 202);
}

static void check_file_untouched(struct play *p)
{
	for (unsigned i = 0; i < 4; i++)
		rig_equal(rig_file_tag(p->file, i), 200 + i);
	rig_expect(p->r, p->mm, p->a, 4, 200);
}

static void task_protect(struct play *p)
{
	rig_ok(om_mprotect(p->mm, p->a, PAGES(4), OM_PROT_READ));
	for (unsigned i = 0; i < 4; i++)
		p->seen[i] = get_tag(p, p->mm, p->a + PAGES(i));
	p->flag[0] = true;
}

/* After mprotect has returned nothing is written any more. */
static void check_frozen(struct play *p)
{
	rig_check(p->flag[0]);
	for (unsigned i = 0; i < 4; i++)
		rig_equal(get_tag(p, p->mm, p->a + PAGES(i)), p->seen[i]);
}

static void test_h68_write_x_replace(void **state)
{
	(void)state;
	EXPLORE({.name = "h68_replace",
	         .setup = big_buffer,
	         .task = {task_write_all, task_replace},
	         .check = check_file_untouched},
	        {.name = "h68_protect",
	         .setup = big_buffer,
	         .task = {task_write_all, task_protect},
	         .check = check_frozen});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h34_offsets_do_not_wrap),
    cmocka_unit_test(test_h35_brk_bounds),
    cmocka_unit_test(test_h36_growth_x_lookups),
    cmocka_unit_test(test_h37_two_faults_grow_one_stack),
    cmocka_unit_test(test_h38_munmap_x_growth),
    cmocka_unit_test(test_h39_guard_gap),
    cmocka_unit_test(test_h40_exit_x_swapoff),
    cmocka_unit_test(test_h41_fault_x_neighbour),
    cmocka_unit_test(test_h60_area_cache),
    cmocka_unit_test(test_h61_fork_huge_area),
    cmocka_unit_test(test_h63_failing_mmap),
    cmocka_unit_test(test_h68_write_x_replace),
    cmocka_unit_test(test_h69_extreme_numbers),
};
TESTS(area_tests, list);
