/*
 * t_parts.c: CPUs' parts of an address space (base/part.h): whoever is in one keeps writers out, and
 * nothing that is remembered or counted there outlives the writer, or the address space.
 *
 * The first scenes lock and unlock, no more, so each interruption can be tried in pairs: a task may
 * lose the CPU at every lock, thus between looking whose part it is and having its lock, too.
 */
#include "area/mm.h"
#include "base/part.h"
#include "calls.h"
#include "hazards.h"

#include <string.h>

/* Who is inside which address space: 0 is p->mm, 1 is p->other. */
static struct {
	unsigned readers, writers;
	unsigned in_parts;
} in[2];

static struct om_mm *mm_of(struct play *p, unsigned which)
{
	return which ? p->other : p->mm;
}

/* What a fault does on a CPU, which counts n pages; the thread goes on where it can. */
static void visit(struct play *p, unsigned which, unsigned cpu, size_t n)
{
	struct om_mm *mm = mm_of(p, which);
	struct om_mm_part *part;

	sched_step();
	part = om_part_enter(mm, &p->r->sys->shard[cpu]);
	in[which].readers++;
	in[which].in_parts += part != &mm->own;
	rig_check(!in[which].writers);
	rig_check(om_mm_is_locked(mm));
	rig_check(part == &mm->own || atomic_load(&part->mm) == mm);
	sched_step();
	atomic_fetch_add(&part->rss_anon, n);
	sched_step();
	rig_check(!in[which].writers);
	in[which].readers--;
	om_part_leave(p->r->sys, part);
}

static void spread(struct play *p, unsigned which)
{
	const unsigned cpus = 3;

	for (unsigned i = 0; i < 3 * cpus; i++)
		visit(p, which, i % cpus, 0);
	for (unsigned i = 0; i < cpus; i++)
		rig_check(atomic_load(&p->r->sys->shard[i].part.mm) == mm_of(p, which));
}

/* Two address spaces, empty; the CPUs have parts of the first. */
static void setup(struct play *p)
{
	memset(in, 0, sizeof(in));
	p->mm = rig_mm(p->r);
	p->other = rig_mm(p->r);
	spread(p, 0);
}

/* The CPUs will have parts, but nobody has been there yet. */
static void setup_none(struct play *p)
{
	setup(p);
	om_mm_write_lock(p->mm);
	om_mm_write_unlock(p->mm);
}

/* And they would be of the second address space as soon as it wants them. */
static void setup_both(struct play *p)
{
	setup(p);
	spread(p, 1);
	spread(p, 0);
}

/* As setup_both(), but the first has a part of CPU 0 alone: its writer finds no other to fold. */
static void setup_one(struct play *p)
{
	setup_both(p);
	om_mm_write_lock(p->mm);
	om_mm_write_unlock(p->mm);
	for (unsigned i = 0; i < 3; i++)
		visit(p, 0, i % 2, 0);
	rig_check(atomic_load(&p->r->sys->shard[0].part.mm) == p->mm);
	rig_check(!atomic_load(&p->r->sys->shard[1].part.mm));
}

static void written(struct play *p, unsigned which)
{
	struct om_mm *mm = mm_of(p, which);

	rig_check(!in[which].writers && !in[which].readers);
	rig_check(!om_parts_exist(mm));
	in[which].writers++;
	sched_step();
	in[which].writers--;
	om_mm_write_unlock(mm);
}

static void write(struct play *p, unsigned which)
{
	sched_step();
	om_mm_write_lock(mm_of(p, which));
	written(p, which);
}

/* What is counted on one CPU and counted down on another is gone. */
static void task_0_then_1(struct play *p)
{
	visit(p, 0, 0, 2);
	visit(p, 0, 1, (size_t)-2);
}

static void task_1_then_0(struct play *p)
{
	visit(p, 0, 1, (size_t)-3);
	visit(p, 0, 0, 3);
}

static void task_other_on_0(struct play *p)
{
	visit(p, 1, 0, 5);
	visit(p, 1, 1, (size_t)-5);
	visit(p, 1, 0, 0);
}

static void task_write(struct play *p)
{
	write(p, 0);
	write(p, 0);
}

static void task_write_other(struct play *p)
{
	write(p, 1);
}

static void task_try(struct play *p)
{
	for (unsigned i = 0; i < 2; i++) {
		sched_step();
		if (i ? om_mm_write_lock_briefly(p->mm) : om_mm_try_write_lock(p->mm))
			written(p, 0);
	}
}

static void task_sums(struct play *p)
{
	for (unsigned i = 0; i < 3; i++) {
		size_t n;

		sched_step();
		n = om_mm_sums(p->mm).anon;
		rig_check(n == 0 || n == 2);
	}
}

static void task_only_2(struct play *p)
{
	visit(p, 0, 0, 2);
}

static void task_end(struct play *p)
{
	struct om_mm *mm = p->mm;

	sched_step();
	p->mm = NULL;
	rig_exit(p->r, mm);
}

static void check(struct play *p)
{
	for (unsigned i = 0; i < 2; i++) {
		rig_check(!in[i].readers && !in[i].writers);
		if (mm_of(p, i))
			rig_equal(om_mm_rss(mm_of(p, i)), 0);
	}
}

/* The two pages are there, and go, or else om_verify() would miss them. */
static void task_minus_2(struct play *p)
{
	visit(p, 0, 2, (size_t)-2);
}

static void task_2_and_write(struct play *p)
{
	task_only_2(p);
	write(p, 0);
	task_minus_2(p);
}

static void test_parts_exclude_writers(void **state)
{
	(void)state;
	EXPLORE({.name = "parts_writer",
	         .setup = setup,
	         .task = {task_0_then_1, task_write},
	         .all_pairs = true,
	         .check = check},
	        {.name = "parts_none",
	         .setup = setup_none,
	         .task = {task_0_then_1, task_1_then_0, task_write},
	         .check = check},
	        {.name = "parts_crowd",
	         .setup = setup,
	         .task = {task_0_then_1, task_1_then_0, task_write},
	         .check = check},
	        {.name = "parts_try",
	         .setup = setup,
	         .task = {task_0_then_1, task_try},
	         .all_pairs = true,
	         .check = check},
	        {.name = "parts_try_crowd",
	         .setup = setup,
	         .task = {task_0_then_1, task_write, task_try},
	         .check = check},
	        {.name = "parts_sums",
	         .setup = setup,
	         .task = {task_2_and_write, task_sums},
	         .all_pairs = true,
	         .check = check});
}

static void test_parts_of_two(void **state)
{
	(void)state;
	EXPLORE({.name = "parts_change",
	         .setup = setup_both,
	         .task = {task_0_then_1, task_other_on_0},
	         .check = check},
	        {.name = "parts_change_x_writer",
	         .setup = setup_both,
	         .task = {task_other_on_0, task_write, task_1_then_0},
	         .check = check},
	        {.name = "parts_change_x_writers",
	         .setup = setup_both,
	         .task = {task_other_on_0, task_write, task_write_other},
	         .check = check},
	        {.name = "parts_change_x_exit",
	         .setup = setup_both,
	         .task = {task_other_on_0, task_end},
	         .all_pairs = true,
	         .check = check},
	        {.name = "part_changes_x_exit",
	         .setup = setup_one,
	         .task = {task_other_on_0, task_end},
	         .all_pairs = true,
	         .check = check},
	        {.name = "parts_sums_x_change",
	         .setup = setup_both,
	         .task = {task_2_and_write, task_sums, task_other_on_0},
	         .check = check});
}

/* ---------------------------------------------------------------- faults -------------------- */

/* Tables of their own for two threads, and parts on all CPUs. */
static void threads(struct play *p)
{
	memset(in, 0, sizeof(in));
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	p->b = rig_map(p->r, p->mm, HERE + SPAN, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->mm, p->a, 4, 100);
	rig_put(p->r, p->mm, p->b, 4, 200);
	spread(p, 0);
}

static void task_fault_a(struct play *p)
{
	for (unsigned i = 2; i < 8; i++)
		rig_equal(set_word(p, p->mm, p->a + PAGES(i) + 64, i), OM_FAULT_MINOR);
}

/* The other thread's memory may be gone. */
static void task_fault_b(struct play *p)
{
	for (unsigned i = 2; i < 8; i++)
		(void)set_word(p, p->mm, p->b + PAGES(i) + 64, i);
}

static void task_unmap_b(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->b, PAGES(8)));
	sched_step();
	rig_map(p->r, p->mm, p->b, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
}

static void task_move_b(struct play *p)
{
	uintptr_t to;

	rig_ok(do_mremap(p->mm, p->b, PAGES(8), PAGES(8), OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
	                 p->b + SPAN, &to));
}

static void check_a(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 4, 100);
	for (unsigned i = 2; i < 8; i++) {
		unsigned long word = 0;

		rig_equal(get_word(p, p->mm, p->a + PAGES(i) + 64, &word), OM_FAULT_MINOR);
		rig_equal(word, i);
	}
}

static void test_parts_faults(void **state)
{
	(void)state;
	EXPLORE({.name = "parts_faults_x_munmap",
	         .setup = threads,
	         .task = {task_fault_a, task_fault_b, task_unmap_b},
	         .check = check_a},
	        {.name = "parts_faults_x_mremap",
	         .setup = threads,
	         .task = {task_fault_a, task_fault_b, task_move_b},
	         .check = check_a},
	        {.name = "parts_faults_x_fork",
	         .setup = threads,
	         .task = {task_fault_a, task_fault_b, task_fork},
	         .check = check_a},
	        {.name = "parts_faults_x_reclaim",
	         .setup = threads,
	         .task = {task_fault_a, task_fault_b, task_reclaim},
	         .check = check_a});
}

/* ---------------------------------------------------------------- calls --------------------- */

/* Calls of the threads' own that look, or make present; the memory may go at any time. */
static void look(struct om_mm *mm, uintptr_t addr)
{
	unsigned char vec[2];
	unsigned long word;
	om_pfn_t pfn;

	(void)om_read(mm, addr, &word, sizeof(word), NULL);
	(void)om_write(mm, addr + 128, &word, sizeof(word), NULL);
	(void)om_madvise(mm, addr + PAGES(5), PAGES(2), OM_MADV_POPULATE_WRITE);
	(void)om_mincore(mm, addr, PAGES(2), vec);
	(void)om_madvise(mm, addr, PAGES(2), OM_MADV_COLD);
	(void)om_madvise(mm, addr, PAGES(2), OM_MADV_WILLNEED);
	(void)om_msync(mm, addr, PAGES(2), OM_MS_SYNC);
	if (!om_pin(mm, addr + PAGES(1), OM_WRITE, &pfn))
		om_unpin(om_mm_system(mm), pfn, true);
}

static struct om_mm *watched;
static unsigned own_locks;

static struct om_held *watch(void *ctx)
{
	struct om_held *held = sim_port_ops.held(ctx);

	for (unsigned i = 0; watched && i < held->depth; i++)
		own_locks += held->entry[i].lock == &watched->own.mmap_lock;
	return held;
}

/* They lock the address space in their CPU's part, and find what they did where CPUs have none. */
static void test_parts_calls(void **state)
{
	struct om_port_ops ops = *rig_ops();
	struct play p = {0};

	(void)state;
	NEEDS(OM_DEBUG);
	ops.held = watch;
	p.r = rig_create(&(struct rig_config){.frames = 256, .cpus = 3, .slots = 256, .ops = &ops});
	threads(&p);
	sim_run_on(sim_cpu(p.r->sim, 1));
	watched = p.mm;
	own_locks = 0;
	look(p.mm, p.a);
	rig_equal(own_locks, 0);
	om_mm_write_lock(p.mm);
	om_mm_write_unlock(p.mm);
	rig_check(own_locks);
	watched = NULL;
	rig_verify(p.r);
	rig_expect(p.r, p.mm, p.a, 4, 100);
	rig_destroy(p.r);
}

static void task_look_a(struct play *p)
{
	sched_step();
	sim_run_on(sched_cpu(p));
	look(p->mm, p->a);
}

static void task_look_b(struct play *p)
{
	sched_step();
	sim_run_on(sched_cpu(p));
	look(p->mm, p->b);
}

static void check_looked(struct play *p)
{
	rig_expect(p->r, p->mm, p->a, 4, 100);
}

static void test_parts_calls_x_writers(void **state)
{
	(void)state;
	EXPLORE({.name = "parts_calls_x_munmap",
	         .setup = threads,
	         .task = {task_look_a, task_look_b, task_unmap_b},
	         .check = check_looked},
	        {.name = "parts_calls_x_mremap",
	         .setup = threads,
	         .task = {task_look_a, task_look_b, task_move_b},
	         .check = check_looked},
	        {.name = "parts_calls_x_fork",
	         .setup = threads,
	         .task = {task_look_a, task_fork, task_unmap_b},
	         .check = check_looked});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_parts_exclude_writers), cmocka_unit_test(test_parts_of_two),
    cmocka_unit_test(test_parts_faults),          cmocka_unit_test(test_parts_calls),
    cmocka_unit_test(test_parts_calls_x_writers),
};
TESTS(part_tests, list);
