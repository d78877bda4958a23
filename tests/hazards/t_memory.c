/*
 * t_memory.c: who pays when memory runs out, and who waits: row 89, tables that hold nothing against
 * all that may be on its way to them, and transfers that take long or for ever.
 */
#include "calls.h"
#include "hazards.h"

static struct om_mm_usage usage_of(struct om_mm *mm)
{
	struct om_mm_usage usage;

	om_mm_usage(mm, &usage);
	return usage;
}

static enum om_fault_result touch(struct rig *r, unsigned cpu, struct om_mm *mm, uintptr_t addr,
                                  bool write)
{
	char c = 'x';

	return write ? sim_store(sim_cpu(r->sim, cpu), mm, addr, &c, 1)
	             : sim_load(sim_cpu(r->sim, cpu), mm, addr, &c, 1);
}

/* ---------------------------------------------------------------- 89: tables ---------------- */

#define SPANS 8192

/*
 * One byte read in each of 8192 spans: a table each, more than there are frames, and all that the
 * program gets is the zero page. It goes on, and so does everybody else.
 */
static void test_h89_tables_for_nothing(void **state)
{
	struct rig *r;
	struct om_mm *bad, *good;
	uintptr_t a, b;

	(void)state;
	NEEDS(sizeof(long) == 8);
	r = rig_create(&(struct rig_config){.frames = 4096, .cpus = 2, .slots = 8192});
	bad = rig_mm(r);
	good = rig_mm(r);
	b = rig_map(r, good, 0, 512, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(r, good, b, 256, 100);
	a = rig_map(r, bad, 0, SPANS * 512, OM_PROT_READ, OM_MAP_PRIVATE, NULL, 0);
	for (uintptr_t i = 0; i < SPANS; i++) {
		rig_equal(touch(r, 0, bad, a + i * SPAN, false), OM_FAULT_MINOR);
		rig_equal(usage_of(bad).anon + usage_of(bad).file, 0);
	}
	rig_check(usage_of(bad).tables < 4096);
	rig_check(rig_event(r, OM_EV_TABLE_RECLAIM) > SPANS / 2);
	rig_put(r, good, b + PAGES(256), 256, 356);
	rig_expect(r, good, b, 512, 100);
	rig_equal(rig_event(r, OM_EV_OOM), 0);
	rig_verify(r);
	rig_destroy(r);
}

/* Tables in which something is cannot go: they count, and whoever has to choose sees them. */
static void test_h89_tables_that_hold_pages(void **state)
{
	struct rig *r;
	struct om_mm *bad, *good;
	uintptr_t a, b, i;

	(void)state;
	NEEDS(sizeof(long) == 8);
	r = rig_create(&(struct rig_config){.frames = 1024, .cpus = 2, .slots = 8192});
	bad = rig_mm(r);
	good = rig_mm(r);
	b = rig_map(r, good, 0, 256, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(r, good, b, 256, 100);
	a = rig_map(r, bad, 0, SPANS * 512, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	for (i = 0; touch(r, 0, bad, a + i * SPAN, true) == OM_FAULT_MINOR; i++)
		;
	rig_check(i > 900 && i < 1024);
	rig_check(usage_of(bad).tables >= i);
	rig_check(usage_of(bad).anon + usage_of(bad).swap == i);
	rig_check(usage_of(bad).tables > usage_of(good).anon + usage_of(good).tables);
	rig_exit(r, bad);
	rig_expect(r, good, b, 256, 100);
	rig_verify(r);
	rig_destroy(r);
}

/* OM_LIMIT_TABLES: tables that hold nothing make room first; then it is the program's own end. */
static void test_h89_limit_of_tables(void **state)
{
	struct rig *r;
	struct om_mm *mm;
	struct om_mm *child;
	uintptr_t a, other = THERE, far = (uintptr_t)1 << (sizeof(long) * 8 - 24);
	size_t fixed;
	char buf[8];

	(void)state;
	NEEDS(sizeof(long) == 8);
	r = small_rig();
	mm = rig_mm(r);
	a = rig_map(r, mm, HERE, 40 * 512, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(r, mm, a, 1, 100);
	fixed = usage_of(mm).tables;
	om_set_limit(mm, OM_LIMIT_TABLES, (fixed + 9) * RIG_PAGE + RIG_PAGE - 1);
	for (uintptr_t i = 1; i < 20; i++)
		rig_equal(touch(r, 0, mm, a + i * SPAN, false), OM_FAULT_MINOR);
	for (uintptr_t i = 1; i < 10; i++)
		rig_put(r, mm, a + i * SPAN, 1, 100 + i);
	rig_equal(usage_of(mm).tables, fixed + 9);
	rig_equal(touch(r, 0, mm, a + 20 * SPAN, false), OM_FAULT_LIMIT);
	rig_equal(touch(r, 0, mm, a + 20 * SPAN, true), OM_FAULT_LIMIT);
	rig_equal(om_read(mm, a + 20 * SPAN, buf, sizeof(buf), NULL), -OM_ENOMEM);
	rig_equal(om_madvise(mm, a + 20 * SPAN, RIG_PAGE, OM_MADV_POPULATE_WRITE), -OM_ENOMEM);
	rig_equal(do_mremap(mm, a + SPAN, RIG_PAGE, RIG_PAGE, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
	                    other, &other),
	          -OM_ENOMEM);
	rig_check(om_free_frames(r->sys) > 100);
	/* One more is allowed, and three are needed: two of them that hold nothing are no way out. */
	om_set_limit(mm, OM_LIMIT_TABLES, (fixed + 10) * RIG_PAGE);
	rig_map(r, mm, far, 1, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_equal(touch(r, 0, mm, far, true), OM_FAULT_LIMIT);
	rig_equal(touch(r, 0, mm, a + 20 * SPAN, false), OM_FAULT_MINOR);
	rig_ok(om_madvise(mm, a + 20 * SPAN, SPAN, OM_MADV_DONTNEED));
	om_set_limit(mm, OM_LIMIT_TABLES, (fixed + 9) * RIG_PAGE);
	/* The child has the same limit, and as many tables. */
	child = rig_fork(r, mm, NULL);
	rig_equal(om_get_limit(child, OM_LIMIT_TABLES), om_get_limit(mm, OM_LIMIT_TABLES));
	rig_equal(touch(r, 0, child, a + 20 * SPAN, true), OM_FAULT_LIMIT);
	om_set_limit(mm, OM_LIMIT_TABLES, 5 * RIG_PAGE);
	rig_equal(om_fork(mm, NULL, &child), -OM_ENOMEM);
	om_set_limit(mm, OM_LIMIT_TABLES, OM_UNLIMITED);
	rig_equal(touch(r, 0, mm, a + 20 * SPAN, true), OM_FAULT_MINOR);
	for (uintptr_t i = 0; i < 10; i++)
		rig_expect(r, mm, a + i * SPAN, 1, 100 + i);
	rig_verify(r);
	rig_destroy(r);
}

/* MADV_DONTNEED gives back the tables that it has emptied, and those above them. */
static void test_h89_dontneed_frees_tables(void **state)
{
	struct rig *r = rig_create(&(struct rig_config){.frames = 1024, .cpus = 3, .slots = 256});
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, SPAN / RIG_PAGE * 6, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	size_t before = usage_of(mm).tables;

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		rig_put(r, mm, a + i * SPAN + PAGES(7), 2, 100 * i);
	rig_equal(touch(r, 0, mm, a + PAGES(100), false), OM_FAULT_MINOR);
	rig_check(usage_of(mm).tables >= before + 6);
	/* The first and the last are not covered. */
	rig_ok(om_madvise(mm, a + PAGES(8), 6 * SPAN - PAGES(16), OM_MADV_DONTNEED));
	rig_check(usage_of(mm).tables >= before + 2);
	rig_equal(rig_info(mm, a + SPAN + PAGES(7)).kind, OM_PAGE_NONE);
	rig_verify(r);
	rig_expect(r, mm, a + PAGES(7), 1, 0);
	rig_put(r, mm, a + SPAN + PAGES(7), 2, 100);
	rig_ok(om_madvise(mm, a, 6 * SPAN, OM_MADV_DONTNEED));
	rig_equal(usage_of(mm).tables, before);
	rig_verify(r);
	/* What reclaim has emptied goes with it. */
	rig_put(r, mm, a, 1, 5);
	rig_ok(om_madvise(mm, a, RIG_PAGE, OM_MADV_DONTNEED));
	rig_check(usage_of(mm).tables > before);
	rig_reclaim(r);
	rig_equal(usage_of(mm).tables, before);
	rig_verify(r);
	rig_destroy(r);
}

/* mlock() promises that there is no fault; a zero page in use gets a second chance. */
static void test_h89_tables_that_stay(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 4, OM_PROT_READ, OM_MAP_PRIVATE, NULL, 0);
	uintptr_t b = rig_map(r, mm, THERE, 4, OM_PROT_READ, OM_MAP_PRIVATE, NULL, 0);

	(void)state;
	rig_expect(r, mm, a, 1, 0);
	rig_ok(om_mlock(mm, b, PAGES(2), 0));
	rig_equal(rig_info(mm, b).kind, OM_PAGE_ZERO);
	rig_reclaim(r);
	rig_equal(rig_info(mm, a).kind, OM_PAGE_NONE);
	rig_equal(rig_info(mm, b + PAGES(1)).kind, OM_PAGE_ZERO);
	rig_ok(om_munlock(mm, b, PAGES(2)));
	rig_reclaim(r);
	rig_equal(rig_info(mm, b).kind, OM_PAGE_NONE);
	rig_verify(r);
	rig_destroy(r);
}

/*
 * ---- Tables go while others are on their way to them. p->mm: at p->a four pages of a file, at
 * p->b, in the same table, private memory of which zeros have been read; p->other maps the file, too.
 */
static void empty_table(struct play *p, int flags)
{
	p->other = rig_mm(p->r);
	p->file = rig_file(p->r, 4, 200);
	p->c = rig_map(p->r, p->other, THERE, 4, RIG_RW, OM_MAP_SHARED, p->file, 0);
	rig_put(p->r, p->other, p->c, 4, 300);
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, 4, RIG_RW, flags, p->file, 0);
	p->b = rig_map(p->r, p->mm, HERE + PAGES(8), 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_expect(p->r, p->mm, p->b, 1, 0);
}

static void zeros_beside_shared_file(struct play *p)
{
	empty_table(p, OM_MAP_SHARED);
}

static void zeros_beside_private_file(struct play *p)
{
	empty_table(p, OM_MAP_PRIVATE);
}

/* The table holds a page of its own, which truncation takes away. */
static void one_private_page(struct play *p)
{
	empty_table(p, OM_MAP_PRIVATE);
	rig_put(p->r, p->mm, p->a + PAGES(2), 1, 400);
}

static void task_trim(struct play *p)
{
	om_reclaim_step(p->r->sys, 200);
}

static void task_sync(struct play *p)
{
	rig_ok(om_mapping_sync(p->file, 0, 0));
}

static void task_truncate(struct play *p)
{
	rig_ok(om_mapping_truncate(p->file, PAGES(1)));
}

static void task_pageout_other(struct play *p)
{
	(void)om_madvise(p->other, p->c, PAGES(4), OM_MADV_PAGEOUT);
}

static void task_read_zeros(struct play *p)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned long tag = 1;

		rig_equal(rig_get(sched_cpu(p), p->mm, p->b + PAGES(i), &tag), OM_FAULT_MINOR);
		rig_equal(tag, 0);
	}
}

static void task_write_there(struct play *p)
{
	for (unsigned i = 0; i < 4; i++)
		rig_equal(rig_set(sched_cpu(p), p->mm, p->b + PAGES(i), 500 + i), OM_FAULT_MINOR);
	p->flag[0] = true;
}

static void task_fork_and_exit(struct play *p)
{
	struct om_mm *child;

	if (om_fork(p->mm, NULL, &child) == 0)
		om_mm_destroy(child);
}

static void task_unmap_zeros(struct play *p)
{
	rig_ok(om_munmap(p->mm, p->b, PAGES(4)));
	p->flag[1] = true;
}

static void task_move_zeros(struct play *p)
{
	uintptr_t to = HERE + PAGES(32);

	rig_ok(do_mremap(p->mm, p->b, PAGES(4), PAGES(4), OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, to,
	                 &to));
	p->b = to;
}

static void task_dontneed_zeros(struct play *p)
{
	rig_ok(om_madvise(p->mm, p->b, PAGES(4), OM_MADV_DONTNEED));
}

static void task_exit_mm(struct play *p)
{
	rig_exit(p->r, p->mm);
	p->mm = NULL;
}

static void check_contents(struct play *p)
{
	unsigned long tag;

	rig_equal(rig_get(sched_cpu(p), p->other, p->c, &tag), OM_FAULT_MINOR);
	rig_equal(tag, 300);
	if (!p->mm)
		return;
	rig_expect(p->r, p->mm, p->a, 1, 300);
	if (!p->flag[1])
		for (unsigned i = 0; i < 4; i++)
			rig_expect(p->r, p->mm, p->b + PAGES(i), 1, p->flag[0] ? 500 + i : 0);
}

/* An area as large as a table, in which there is one page, of its own. */
static void one_private_page_in_a_span(struct play *p)
{
	p->file = rig_file(p->r, 4, 200);
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, SPAN / RIG_PAGE, RIG_RW, OM_MAP_PRIVATE, p->file, 0);
	rig_put(p->r, p->mm, p->a + PAGES(2), 1, 400);
	p->a += PAGES(2);
	play_cold(p, p->mm, 1);
	p->a -= PAGES(2);
}

static void task_dontneed_span(struct play *p)
{
	rig_ok(om_madvise(p->mm, p->a, SPAN, OM_MADV_DONTNEED));
}

/*
 * Truncation has cleared the entry and not flushed yet, the table is empty and given back, and
 * reclaim comes to it by the pointer of the page.
 */
static void test_h89_table_x_truncate_x_reclaim(void **state)
{
	(void)state;
	EXPLORE({.name = "h89_three",
	         .setup = one_private_page_in_a_span,
	         .task = {task_truncate, task_dontneed_span, task_reclaim}});
}

/* Nearly all memory is tables of p->mm that hold nothing. */
static void memory_full_of_tables(struct play *p)
{
	const unsigned spans = 100;

	p->other = rig_mm(p->r);
	p->c = rig_map(p->r, p->other, THERE, 16, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	rig_put(p->r, p->other, p->c, 1, 300);
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, spans * SPAN / RIG_PAGE, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	for (p->seen[0] = 0; om_free_frames(p->r->sys) > 2; p->seen[0]++)
		rig_equal(touch(p->r, 0, p->mm, p->a + p->seen[0] * SPAN, false), OM_FAULT_MINOR);
	rig_check(p->seen[0] + 4 < spans);
}

static void task_read_more_spans(struct play *p)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned long tag;

		rig_equal(rig_get(sched_cpu(p), p->mm, p->a + (p->seen[0] + i) * SPAN, &tag),
		          OM_FAULT_MINOR);
	}
}

static void task_need_pages(struct play *p)
{
	for (unsigned i = 1; i < 9; i++)
		rig_equal(rig_set(sched_cpu(p), p->other, p->c + PAGES(i), 300 + i),
		          OM_FAULT_MINOR);
}

static void check_pages(struct play *p)
{
	rig_expect(p->r, p->other, p->c, 9, 300);
	rig_equal(rig_event(p->r, OM_EV_OOM), 0);
}

/* Whoever needs a frame meets the owner of the tables at work, again and again. */
static void test_h89_tables_x_owner(void **state)
{
	(void)state;
	EXPLORE({.name = "h89_owner",
	         .frames = 64,
	         .slots = 1,
	         .setup = memory_full_of_tables,
	         .task = {task_read_more_spans, task_need_pages},
	         .check = check_pages});
}

static void test_h89_tables_x_others(void **state)
{
	(void)state;
	EXPLORE({.name = "h89_sync",
	         .setup = zeros_beside_shared_file,
	         .task = {task_sync, task_trim},
	         .check = check_contents},
	        {.name = "h89_sync_fault",
	         .setup = zeros_beside_shared_file,
	         .task = {task_sync, task_trim, task_read_zeros},
	         .check = check_contents},
	        {.name = "h89_pageout",
	         .setup = zeros_beside_private_file,
	         .task = {task_pageout_other, task_trim, task_write_there},
	         .check = check_contents},
	        {.name = "h89_truncate",
	         .setup = one_private_page,
	         .task = {task_truncate, task_trim, task_reclaim},
	         .check = check_contents},
	        {.name = "h89_truncate_fault",
	         .setup = one_private_page,
	         .task = {task_truncate, task_trim, task_write_there},
	         .check = check_contents},
	        {.name = "h89_fork",
	         .setup = zeros_beside_private_file,
	         .task = {task_fork_and_exit, task_trim, task_trim},
	         .check = check_contents},
	        {.name = "h89_exit",
	         .setup = zeros_beside_shared_file,
	         .task = {task_exit_mm, task_trim, task_sync},
	         .check = check_contents},
	        {.name = "h89_munmap",
	         .setup = zeros_beside_shared_file,
	         .task = {task_unmap_zeros, task_trim, task_sync},
	         .check = check_contents},
	        {.name = "h89_mremap",
	         .setup = zeros_beside_shared_file,
	         .task = {task_move_zeros, task_trim, task_sync},
	         .check = check_contents},
	        {.name = "h89_dontneed",
	         .setup = zeros_beside_shared_file,
	         .task = {task_dontneed_zeros, task_trim, task_read_zeros},
	         .check = check_contents});
}

/*
 * ---------------------------------------------------------------- transfers that hang ---------
 *
 * A store whose writes take as long as the scene wants. No swap is of use; the tasks fault until
 * they are told that there is no memory.
 */
#define DIRTY 40 /* pages of the file, more than one reclaimer takes at a time */

static struct {
	struct sim *sim;
	_Atomic bool over;      /* the disk answers at last */
	_Atomic unsigned ticks; /* or it does after so many times of a wait that is brief */
	_Atomic unsigned inside;
} disk;

static bool disk_waits(const void *arg)
{
	(void)arg;
	return !disk.over;
}

static int disk_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	disk.inside++;
	while (!disk.over && disk.ticks != 1) {
		if (disk.ticks) {
			disk.ticks--;
			sched_ops.wait_briefly(disk.sim, &disk, disk_waits, NULL);
		} else {
			sched_ops.wait(disk.sim, &disk, disk_waits, NULL);
		}
	}
	disk.inside--;
	return sim_store_ops.write(store, first, n, frame);
}

static int disk_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	return sim_store_ops.read(store, first, n, frame);
}

static void disk_release(void *store)
{
	sim_store_ops.release(store);
}

static const struct om_store_ops slow_disk = {.read = disk_read,
                                              .write = disk_write,
                                              .release = disk_release};

/* A file of DIRTY dirty pages on the slow disk, and more private memory than there is. */
static void dirty_file(struct play *p, unsigned pages, unsigned ticks)
{
	const struct om_store_ops *usual = p->r->store_ops;

	disk.sim = p->r->sim;
	disk.over = false;
	disk.ticks = ticks;
	disk.inside = 0;
	p->r->store_ops = &slow_disk;
	p->file = rig_file(p->r, pages, 0);
	p->r->store_ops = usual;
	p->mm = rig_mm(p->r);
	p->a = rig_map(p->r, p->mm, HERE, pages, RIG_RW, OM_MAP_SHARED, p->file, 0);
	rig_put(p->r, p->mm, p->a, pages, 200);
	p->other = rig_mm(p->r);
	p->b = rig_map(p->r, p->other, HERE, 256, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	p->child = rig_mm(p->r);
	p->c = rig_map(p->r, p->child, HERE, 256, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
}

static void disk_hangs(struct play *p)
{
	dirty_file(p, DIRTY, 0);
}

static void disk_is_slow(struct play *p)
{
	dirty_file(p, 4, 50);
}

static void heal_disk(struct play *p)
{
	disk.over = true;
	sched_ops.wake(p->r->sim, &disk);
}

/* One of the three tasks is in the transfer: when the others are done, the disk answers. */
static void one_is_done(struct play *p)
{
	if (++p->seen[1] == 2)
		heal_disk(p);
}

static void task_write_back(struct play *p)
{
	om_reclaim_step(p->r->sys, 32);
	one_is_done(p);
}

/* Until there is no memory; once more: while the disk is known to hang, nobody waits for it long. */
static void fill(struct play *p, struct om_mm *mm, uintptr_t addr)
{
	enum om_fault_result result = OM_FAULT_MINOR;
	unsigned i;

	for (i = 0; i < 256 && result == OM_FAULT_MINOR; i++)
		result = rig_set(sched_cpu(p), mm, addr + PAGES(i), 1);
	rig_equal(result, OM_FAULT_OOM);
	/* The one slot of swap may have been left for a page that somebody else had locked. */
	for (unsigned end = i + 2; i < end; i++) {
		result = rig_set(sched_cpu(p), mm, addr + PAGES(i), 1);
		if (result != OM_FAULT_MINOR)
			break;
	}
	rig_check(result == OM_FAULT_OOM || disk.over);
	rig_check(disk.inside <= 1);
	one_is_done(p);
}

static void task_fill(struct play *p)
{
	fill(p, p->other, p->b);
}

static void task_fill_too(struct play *p)
{
	fill(p, p->child, p->c);
}

static void nothing(struct play *p)
{
	(void)p;
}

static void check_dirty_file(struct play *p)
{
	rig_equal(disk.inside, 0);
	rig_exit(p->r, p->other);
	rig_exit(p->r, p->child);
	rig_expect(p->r, p->mm, p->a, DIRTY, 200);
}

/*
 * One write-back never ends: whoever asks for memory is told that there is none, and is not caught
 * in a transfer to the same file himself.
 */
static void test_hung_disk_x_no_memory(void **state)
{
	(void)state;
	EXPLORE({.name = "hung_disk",
	         .frames = 112,
	         .slots = 1,
	         .setup = disk_hangs,
	         .task = {task_write_back, task_fill, task_fill_too},
	         .check = check_dirty_file});
}

static void task_fill_slowly(struct play *p)
{
	/* As many pages as fit when the file's are free. */
	for (unsigned i = 0; i < p->seen[0]; i++)
		rig_equal(rig_set(sched_cpu(p), p->other, p->b + PAGES(i), 1), OM_FAULT_MINOR);
}

static void disk_is_slow_and_memory_full(struct play *p)
{
	disk_is_slow(p);
	/* More than there is without two pages of the file; its tables and a slot of swap help, too. */
	p->seen[0] = om_free_frames(p->r->sys) + 3;
}

static void check_slow(struct play *p)
{
	rig_equal(rig_event(p->r, OM_EV_OOM), 0);
	heal_disk(p);
}

/* A disk that takes its time is no reason to say that there is no memory. */
static void test_slow_disk_x_memory(void **state)
{
	(void)state;
	EXPLORE({.name = "slow_disk",
	         .frames = 64,
	         .slots = 1,
	         .setup = disk_is_slow_and_memory_full,
	         .task = {task_write_back, task_fill_slowly, nothing},
	         .check = check_slow});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h89_tables_for_nothing),
    cmocka_unit_test(test_h89_tables_that_hold_pages),
    cmocka_unit_test(test_h89_limit_of_tables),
    cmocka_unit_test(test_h89_dontneed_frees_tables),
    cmocka_unit_test(test_h89_tables_that_stay),
    cmocka_unit_test(test_h89_tables_x_others),
    cmocka_unit_test(test_h89_table_x_truncate_x_reclaim),
    cmocka_unit_test(test_h89_tables_x_owner),
    cmocka_unit_test(test_hung_disk_x_no_memory),
    cmocka_unit_test(test_slow_disk_x_memory),
};
TESTS(memory_tests, list);
