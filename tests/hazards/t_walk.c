/*
 * t_walk.c: what others can make a walk cost, and what comes between its pieces: row 88, and two
 * that are not in the list.
 *
 * The bounds are numbers of areas and entries, which the library counts (OM_EV_RMAP_PROBES, and
 * om_system.longest_hold in debug builds), so they do not depend on the machine.
 */
#include "base/types.h"
#include "calls.h"
#include "design.h"
#include "hazards.h"

#include <stdlib.h>

static uint64_t probes(struct rig *r)
{
	return rig_event(r, OM_EV_RMAP_PROBES);
}

/* Entries looked at that show another page. */
static uint64_t in_vain(struct rig *r)
{
	return probes(r) - rig_event(r, OM_EV_RMAP_FOUND);
}

/* No lock of a tree was held for more than this. */
static void check_holds(struct rig *r)
{
	NEEDS(OM_DEBUG);
	rig_check(atomic_load(&r->sys->longest_hold) <= OM_HOLD);
	rig_check(atomic_load(&r->sys->longest_hold) > 0);
}

static struct rig *big_rig(om_pfn_t frames, const struct om_port_ops *ops)
{
	return rig_create(&(struct rig_config){
	    .frames = frames, .cpus = 1, .slots = 2048, .hold = OM_HOLD, .ops = ops});
}

/* ---------------------------------------------------------------- 88: nonlinear areas ------- */

#define SHOWN 128 /* pages of a file that an honest program maps */
#define WIDE  PAGES(16384)

struct stranger {
	struct rig *r;
	struct om_mm *good, *bad;
	struct om_mapping *file;
	uintptr_t a, b;
};

/* A program that has `file` in its place, but not its first page. */
static struct stranger honest(struct om_mapping *(*make)(struct rig *, unsigned, unsigned long))
{
	struct stranger s = {.r = big_rig(4096, NULL)};

	s.good = rig_mm(s.r);
	s.bad = rig_mm(s.r);
	s.file = make(s.r, SHOWN + 1, 200);
	s.a = rig_map(s.r, s.good, HERE, SHOWN, OM_PROT_READ, OM_MAP_SHARED, s.file, 1);
	rig_expect(s.r, s.good, s.a, SHOWN, 201);
	return s;
}

/* Another one, that may only read it, shows it in any order. */
static void add_nonlinear(struct stranger *s)
{
	s->b = rig_map(s->r, s->bad, THERE, WIDE / RIG_PAGE, OM_PROT_READ,
	               OM_MAP_SHARED | OM_MAP_FILE_RDONLY, s->file, 0);
	rig_ok(om_remap_file_pages(s->bad, s->b, WIDE, 0, 0, 0));
}

/* Entries looked at for each page of the good program that is paged out. */
static uint64_t pageout_cost(struct stranger *s)
{
	uint64_t before = probes(s->r);

	rig_pageout(s->r, s->good, s->a, SHOWN);
	return (probes(s->r) - before) / SHOWN;
}

static void end_stranger(struct stranger *s)
{
	rig_verify(s->r);
	check_holds(s->r);
	rig_destroy(s->r);
}

/* What the other one does with address space alone costs nothing, whatever kind of file it is. */
static void test_h88_nonlinear_stranger(void **state)
{
	struct om_mapping *(*make[])(struct rig *, unsigned, unsigned long) = {rig_file, rig_shmem};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct stranger s = honest(make[i]);
		uint64_t before = pageout_cost(&s);

		add_nonlinear(&s);
		rig_expect(s.r, s.good, s.a, SHOWN, 201);
		rig_equal(pageout_cost(&s), before);
		end_stranger(&s);
	}
}

/* Frames that go while pages are wanted, with what that may look at. */
static void reclaim_all(struct stranger *s)
{
	struct om_sysinfo info;

	for (unsigned i = 0; i < 64; i++) {
		uint64_t walks = rig_event(s->r, OM_EV_RMAP_WALKS), before = probes(s->r);

		om_reclaim_step(s->r->sys, 1u << 20);
		walks = rig_event(s->r, OM_EV_RMAP_WALKS) - walks;
		rig_check(probes(s->r) - before <= walks * (OM_WINDOW + 2));
		om_sysinfo(s->r->sys, &info);
		if (info.file_mapped == 0)
			return;
	}
	rig_fail(__FILE__, __LINE__, "%lu pages are still mapped", (unsigned long)info.file_mapped);
}

/*
 * It has all pages at the far end of its area as well, and in use: each walk has a bounded cost, the
 * pages go all the same, and who is in the file's right order does not notice.
 */
static void test_h88_nonlinear_and_mapped(void **state)
{
	struct stranger s = honest(rig_shmem);
	uintptr_t far;

	(void)state;
	add_nonlinear(&s);
	far = s.b + WIDE - PAGES(SHOWN);
	rig_ok(om_remap_file_pages(s.bad, far, PAGES(SHOWN), 0, 1, 0));
	rig_expect(s.r, s.bad, far, SHOWN, 201);
	rig_equal(rig_info(s.bad, far).mapcount, 2);
	reclaim_all(&s);
	rig_check(rig_info(s.bad, far).kind == OM_PAGE_OFFSET);
	rig_verify(s.r);
	rig_expect(s.r, s.good, s.a, SHOWN, 201);
	rig_expect(s.r, s.bad, far, SHOWN, 201);
	end_stranger(&s);
}

/* What is in use in a nonlinear area stays, as it does elsewhere, and what is written is not lost. */
static void test_h88_sweep_spares_what_is_used(void **state)
{
	struct stranger s = honest(rig_shmem);
	struct sim_cpu *cpu = sim_cpu(s.r->sim, 0);
	unsigned long tag;

	(void)state;
	rig_ok(om_munmap(s.good, s.a, PAGES(SHOWN)));
	s.a = rig_map(s.r, s.good, HERE, SHOWN, RIG_RW, OM_MAP_SHARED, s.file, 0);
	rig_ok(om_remap_file_pages(s.good, s.a, PAGES(SHOWN), 0, 1, 0));
	rig_put(s.r, s.good, s.a, SHOWN, 301);
	rig_ok(om_madvise(s.good, s.a, PAGES(SHOWN), OM_MADV_COLD));
	for (unsigned i = 0; i < 3; i++) {
		sim_tlb_flush(cpu); /* so that a use is seen in the entry */
		rig_equal(rig_get(cpu, s.good, s.a + PAGES(5), &tag), OM_FAULT_MINOR);
		om_reclaim_step(s.r->sys, 8);
	}
	rig_check(rig_info(s.good, s.a + PAGES(5)).kind == OM_PAGE_FILE);
	reclaim_all(&s);
	rig_verify(s.r);
	rig_expect(s.r, s.good, s.a, SHOWN, 301);
	end_stranger(&s);
}

/* ---------------------------------------------------------------- many areas ---------------- */

#define AREAS 3000

static unsigned flushes;

static void count_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end,
                        enum om_flush what)
{
	flushes++;
	sim_port_ops.flush(ctx, mm, start, end, what);
}

/* Thousands of areas over one page, in turn in one of three processes. */
static struct rig *crowd(struct om_mm *mm[3], struct om_mapping **file, bool touch)
{
	static struct om_port_ops ops;
	struct rig *r;

	ops = sim_port_ops;
	ops.flush = count_flush;
	r = big_rig(4096, &ops);
	*file = rig_file(r, 1, 200);
	for (unsigned i = 0; i < 3; i++)
		mm[i] = rig_mm(r);
	for (unsigned i = 0; i < AREAS; i++) {
		uintptr_t a = HERE + PAGES(2 * i);

		rig_map(r, mm[i % 3], a, 1, RIG_RW, OM_MAP_SHARED, *file, 0);
		if (touch)
			rig_equal(om_fault(mm[i % 3], a, OM_WRITE),
			          i ? OM_FAULT_MINOR : OM_FAULT_MAJOR);
	}
	return r;
}

static void test_walk_lets_others_in(void **state)
{
	struct om_mapping *file;
	struct om_mm *mm[3];
	struct rig *r = crowd(mm, &file, false);
	uint64_t before;

	(void)state;
	rig_expect(r, mm[0], HERE, 1, 200);
	before = probes(r);
	rig_pageout(r, mm[0], HERE, 1);
	rig_check(probes(r) - before <= 2 * AREAS);
	rig_verify(r);
	check_holds(r);
	rig_destroy(r);
}

/* Write-back, too; and truncation, which flushes once for each process and piece. */
static void test_truncation_lets_others_in(void **state)
{
	struct om_mapping *file;
	struct om_mm *mm[3];
	struct rig *r = crowd(mm, &file, true);
	unsigned piece = OM_HOLD / 2; /* an area and an entry */

	(void)state;
	rig_ok(om_mapping_sync(file, 0, 0));
	rig_verify(r);
	flushes = 0;
	rig_ok(om_mapping_truncate(file, 0));
	rig_check(flushes <= 3 * (AREAS / piece + 1));
	for (unsigned i = 0; i < AREAS; i++)
		rig_check(rig_info(mm[i % 3], HERE + PAGES(2 * i)).kind == OM_PAGE_NONE);
	rig_verify(r);
	check_holds(r);
	rig_destroy(r);
}

#define RELATIVES 500

static void test_family_walk_lets_others_in(void **state)
{
	static struct om_mm *child[RELATIVES];
	struct rig *r = big_rig(8000, NULL);
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 16, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

	(void)state;
	rig_put(r, mm, a, 16, 100);
	for (unsigned i = 0; i < RELATIVES; i++) {
		rig_ok(om_fork(mm, NULL, &child[i]));
		if (i)
			rig_ok(om_madvise(child[i], a, PAGES(16), OM_MADV_DONTNEED));
	}
	rig_reclaim(r);
	rig_expect(r, mm, a, 16, 100);
	rig_expect(r, child[0], a, 16, 100);
	for (unsigned i = 0; i < RELATIVES; i++)
		om_mm_destroy(child[i]);
	rig_verify(r);
	if (om_rmap_traits.bounded)
		check_holds(r);
	rig_destroy(r);
}

/* A move holds them for as many entries as a table has, however large the area is. */
static void test_move_lets_others_in(void **state)
{
	struct rig *r = big_rig(4096, NULL);
	struct om_mm *mm = rig_mm(r);
	const size_t table = SPAN / RIG_PAGE, pages = 20 * table;
	struct om_mapping *file = rig_shmem(r, 8, 200);
	uintptr_t at = HERE;

	(void)state;
	rig_map(r, mm, at, pages, RIG_RW, OM_MAP_SHARED, file, 0);
	rig_expect(r, mm, at, 8, 200);
	for (unsigned i = 0; i < 2; i++) {
		uintptr_t to = i ? THERE : THERE + 64 * SPAN + RIG_PAGE;

		rig_ok(do_mremap(mm, at, PAGES(pages), PAGES(pages),
		                 OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, to, &at));
		rig_expect(r, mm, at, 8, 200);
		rig_verify(r);
	}
	NEEDS(OM_DEBUG);
	rig_check(atomic_load(&r->sys->longest_hold) <= table);
	rig_destroy(r);
}

/* ---------------------------------------------------------------- siblings ------------------ */

#define SIBLINGS 200

/*
 * Each maps memory where the others do, beside what all have inherited, and forks: a page is looked
 * for in the two that share it, and hardly anywhere else.
 */
static void test_siblings(void **state)
{
	static struct om_mm *mm[2 * SIBLINGS];
	struct rig *r = big_rig(8000, NULL);
	struct om_mm *parent = rig_mm(r);
	uintptr_t a = rig_map(r, parent, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	uint64_t before, walks;

	(void)state;
	rig_put(r, parent, a, 4, 100);
	for (unsigned i = 0; i < SIBLINGS; i++) {
		rig_ok(om_fork(parent, NULL, &mm[i]));
		rig_map(r, mm[i], a + PAGES(4), 2, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
		rig_map(r, mm[i], a - PAGES(2), 2, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
		rig_put(r, mm[i], a + PAGES(4), 2, 1000 * i);
		rig_put(r, mm[i], a - PAGES(2), 2, 1000 * i + 10);
		rig_ok(om_fork(mm[i], NULL, &mm[SIBLINGS + i]));
	}
	rig_equal(om_verify(r->sys, r->scratch, NULL), 0); /* the rig does not know these mms */
	before = in_vain(r);
	walks = rig_event(r, OM_EV_RMAP_WALKS);
	rig_reclaim(r);
	walks = rig_event(r, OM_EV_RMAP_WALKS) - walks;
	rig_check(walks >= 4 * SIBLINGS);
	if (siblings_grow())
		rig_check(in_vain(r) - before <= walks * 2 * SIBLINGS);
	else if (looks_everywhere())
		rig_check(in_vain(r) - before <= walks * 8 * 2 * SIBLINGS);
	else
		rig_check(in_vain(r) - before <= walks);
	for (unsigned i = 0; i < 2 * SIBLINGS; i++) {
		rig_expect(r, mm[i], a + PAGES(4), 2, 1000 * (i % SIBLINGS));
		rig_expect(r, mm[i], a - PAGES(2), 2, 1000 * (i % SIBLINGS) + 10);
	}
	for (unsigned i = 0; i < 2 * SIBLINGS; i++)
		om_mm_destroy(mm[i]);
	rig_destroy(r);
}

static void expect_areas(struct om_mm *mm, unsigned n)
{
	if (is_default())
		rig_equal(rig_vmas(mm), n);
}

/* Not so the parent, nor who is left alone with what it inherited: their memory stays one area. */
static void test_siblings_merge(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *parent = rig_mm(r), *child;
	uintptr_t a = rig_map(r, parent, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);

	(void)state;
	rig_put(r, parent, a, 4, 100);
	child = rig_fork(r, parent, NULL);
	rig_map(r, parent, a + PAGES(4), 2, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	expect_areas(parent, 1);
	rig_map(r, child, a + PAGES(4), 2, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	expect_areas(child, 2);
	rig_map(r, child, a + PAGES(6), 2, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	expect_areas(child, 2);
	rig_exit(r, parent);
	rig_ok(om_munmap(child, a + PAGES(4), PAGES(4)));
	rig_map(r, child, a + PAGES(4), 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_map(r, child, a - PAGES(2), 2, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	expect_areas(child, 1);
	rig_put(r, child, a - PAGES(2), 10, 200);
	rig_verify(r);
	rig_destroy(r);
}

/* ---------------------------------------------------------------- between the pieces -------- */

/*
 * Eight areas over the same pages, so that those who go through them do it in several pieces, in the
 * order in which they lie in memory; and a place free before them, where the next area will be.
 */
#define COPIES 8

static uintptr_t copy_at(unsigned i)
{
	return HERE + i * PAGES(16);
}

static void many_copies(struct play *p, int flags, int prot)
{
	const uintptr_t dummy = THERE + SPAN;

	p->mm = rig_mm(p->r);
	p->file = rig_file(p->r, 8, 200);
	rig_map(p->r, p->mm, dummy, 1, OM_PROT_NONE, OM_MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < COPIES; i++)
		rig_map(p->r, p->mm, copy_at(i), 4, prot, flags, p->file, 2);
	rig_ok(om_munmap(p->mm, dummy, PAGES(1)));
	p->a = copy_at(0);
	p->b = copy_at(COPIES - 1);
}

/* The last one alone has written. */
static void dirty_copies(struct play *p)
{
	many_copies(p, OM_MAP_SHARED, RIG_RW);
	rig_put(p->r, p->mm, p->b, 4, 300);
}

static void task_sync(struct play *p)
{
	p->err[0] = om_mapping_sync(p->file, 0, 0);
}

static void task_move_away(struct play *p)
{
	uintptr_t to = THERE;

	rig_ok(do_mremap(p->mm, p->b, PAGES(4), PAGES(4), OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, to,
	                 &p->b));
}

/* Below it comes memory that shows what is before it in the file, and the two become one. */
static void task_grow_down(struct play *p)
{
	rig_map(p->r, p->mm, p->b - PAGES(2), 2, RIG_RW, OM_MAP_SHARED, p->file, 0);
}

static void task_split(struct play *p)
{
	rig_ok(om_mprotect(p->mm, p->b, PAGES(1), OM_PROT_READ));
	rig_ok(om_mprotect(p->mm, p->b, PAGES(1), RIG_RW));
}

/*
 * om_verify() has seen that no entry lets a program write to a page that is not dirty. What is
 * written now must get to the store.
 */
static void check_synced(struct play *p)
{
	rig_ok(p->err[0]);
	rig_put(p->r, p->mm, p->b, 4, 400);
	rig_ok(om_mapping_sync(p->file, 0, 0));
	for (unsigned i = 0; i < 4; i++)
		rig_equal(rig_store_tag(rig_store(p->r, p->file), 2 + i), 400 + i);
}

static void test_sync_between_pieces(void **state)
{
	(void)state;
	EXPLORE({.name = "sync_x_move",
	         .setup = dirty_copies,
	         .task = {task_sync, task_move_away},
	         .check = check_synced},
	        {.name = "sync_x_grow_down",
	         .setup = dirty_copies,
	         .task = {task_sync, task_grow_down},
	         .check = check_synced},
	        {.name = "sync_x_split",
	         .setup = dirty_copies,
	         .task = {task_sync, task_split},
	         .check = check_synced});
}

/* The last one has copies of its own. */
static void private_copies(struct play *p)
{
	many_copies(p, OM_MAP_PRIVATE, RIG_RW);
	rig_put(p->r, p->mm, p->b, 4, 300);
	rig_expect(p->r, p->mm, p->a, 1, 202);
}

static void task_truncate(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, PAGES(3)));
}

/* Below it comes private memory of the pages before. */
static void task_grow_down_private(struct play *p)
{
	rig_map(p->r, p->mm, p->b - PAGES(2), 2, RIG_RW, OM_MAP_PRIVATE, p->file, 0);
}

static void expect_cut(struct play *p, struct om_mm *mm, uintptr_t at)
{
	unsigned long tag;

	rig_expect(p->r, mm, at, 1, 300);
	for (unsigned i = 1; i < 4; i++)
		rig_equal(rig_get(sim_cpu(p->r->sim, 0), mm, at + PAGES(i), &tag), OM_FAULT_BUS);
}

static void check_cut(struct play *p)
{
	expect_cut(p, p->mm, p->b);
	if (p->other)
		expect_cut(p, p->other, p->b);
}

static void test_truncate_between_pieces(void **state)
{
	(void)state;
	EXPLORE({.name = "truncate_x_move",
	         .setup = private_copies,
	         .task = {task_truncate, task_move_away},
	         .check = check_cut},
	        {.name = "truncate_x_grow_down",
	         .setup = private_copies,
	         .task = {task_truncate, task_grow_down_private},
	         .check = check_cut},
	        {.name = "truncate_x_fork",
	         .setup = private_copies,
	         .task = {task_truncate, task_fork},
	         .check = check_cut});
}

static void drop_copies(struct play *p)
{
	for (unsigned i = 0; i < COPIES; i += 2)
		rig_ok(om_munmap(p->mm, copy_at(i), PAGES(4)));
	for (unsigned i = 0; i < COPIES; i += 2)
		rig_map(p->r, p->mm, copy_at(i), 4, RIG_RW, OM_MAP_SHARED, p->file, 2);
}

/* Areas go, and others come to be where they were, in memory and in the address space. */
static void test_areas_go_between_pieces(void **state)
{
	(void)state;
	EXPLORE({.name = "sync_x_unmap",
	         .setup = dirty_copies,
	         .task = {task_sync, drop_copies},
	         .check = check_synced},
	        {.name = "reclaim_x_unmap",
	         .setup = dirty_copies,
	         .task = {task_reclaim, drop_copies},
	         .check = check_synced});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h88_nonlinear_stranger),
    cmocka_unit_test(test_h88_nonlinear_and_mapped),
    cmocka_unit_test(test_h88_sweep_spares_what_is_used),
    cmocka_unit_test(test_walk_lets_others_in),
    cmocka_unit_test(test_truncation_lets_others_in),
    cmocka_unit_test(test_family_walk_lets_others_in),
    cmocka_unit_test(test_move_lets_others_in),
    cmocka_unit_test(test_siblings),
    cmocka_unit_test(test_siblings_merge),
    cmocka_unit_test(test_sync_between_pieces),
    cmocka_unit_test(test_truncate_between_pieces),
    cmocka_unit_test(test_areas_go_between_pieces),
};
TESTS(walk_tests, list);
