/*
 * test_request.c: who is refused when memory is short, and long work of threads that are to die.
 */
#include "space.h"

#include <sched.h>
#include <string.h>

#include "base/hooks.h"
#include "reclaim/reclaim.h"
#include "reclaim/tables.h"
#include "reclaim/writers.h"

/* ---------------------------------------------------------------- thrashing ----------------- */

/* A second process, that maps two pages of `file` at page 0, and has one of its own beside them. */
static struct om_mm *other_mm(struct space *s, struct om_mapping *file)
{
	struct om_map_request req = {.addr = at(0),
	                             .len = 2 << OM_PAGE_SHIFT,
	                             .prot = OM_PROT_READ,
	                             .flags = OM_MAP_SHARED | OM_MAP_FIXED,
	                             .file = file};
	struct om_map_request own = {.addr = at(3),
	                             .len = 1 << OM_PAGE_SHIFT,
	                             .prot = OM_PROT_READ | OM_PROT_WRITE,
	                             .flags = OM_MAP_PRIVATE | OM_MAP_FIXED};
	struct om_mm *mm;

	assert_int_equal(om_mm_create(s->sys, &sim_layout, NULL, &mm), 0);
	assert_int_equal(om_mmap(mm, &req), 0);
	assert_int_equal(om_mmap(mm, &own), 0);
	space_put(s, mm, 3, 'o');
	return mm;
}

/*
 * Memory is full of what cannot go, but for one frame. One process fights with itself for it until
 * the next time would be once too often: another one that comes along has done nothing wrong.
 */
static void test_thrashing_is_ones_own(void **state)
{
	const uintptr_t first = 10, n = 2048;
	struct space s = space_start((om_pfn_t)n, 0);
	struct om_mapping *file = space_file(&s, 2);
	struct om_mm *other = other_mm(&s, file);
	uintptr_t i, turns = 0;

	(void)state;
	space_map_file(&s, 0, 2, R, 0, file, 0);
	space_map(&s, first, n, RW, 0);
	assert_int_not_equal(space_try(&s, other, 0, false), OM_FAULT_OOM);
	for (i = first; space_try(&s, s.mm, i, true) != OM_FAULT_OOM; i++)
		;
	assert_int_equal(om_madvise(s.mm, at(first), OM_PAGE_SIZE, OM_MADV_DONTNEED), 0);
	for (; turns < 15; turns++)
		assert_int_not_equal(space_try(&s, s.mm, turns % 2, false), OM_FAULT_OOM);
	for (i = 0; i < 5; i++, turns++)
		assert_int_not_equal(space_try(&s, other, turns % 2, false), OM_FAULT_OOM);
	while (turns < 100 && space_try(&s, s.mm, turns % 2, false) != OM_FAULT_OOM)
		turns++;
	assert_in_range(turns, 16, 60);
	om_mm_destroy(other);
	om_mapping_put(file);
	space_finish(&s);
}

/* ---------------------------------------------------------------- tables -------------------- */

/* A CPU at a fault in `mm`, which does not get on until reclaim waits for it. */
struct slow_fault {
	struct om_mm *mm;
	atomic_bool inside, go_on;
	struct unit_thread *thread;
};

static struct slow_fault slow;

static void be_slow(void *arg, unsigned i)
{
	struct slow_fault *f = arg;

	(void)i;
	om_mm_read_lock(f->mm);
	atomic_store(&f->inside, true);
	while (!atomic_load(&f->go_on))
		sched_yield();
	om_mm_read_unlock(f->mm);
}

static void let_it_go_on(void *ctx, const void *key, bool (*blocked)(const void *arg),
                         const void *arg)
{
	(void)ctx;
	(void)key;
	assert_true(blocked(arg));
	atomic_store(&slow.go_on, true);
	unit_thread_join(slow.thread);
}

static void start_slow_fault(struct space *s)
{
	static struct om_port_ops ops;

	ops = *s->sys->hooks.ops;
	ops.wait_briefly = let_it_go_on;
	s->sys->hooks.ops = &ops;
	slow.mm = s->mm;
	slow.thread = unit_thread_start(be_slow, &slow, 0);
	while (!atomic_load(&slow.inside))
		sched_yield();
}

/*
 * All memory there is to be had is tables that hold nothing, and their address space is busy: only
 * the program text of others would be left, and once taken it is read back in, again and again.
 */
static void test_waits_for_tables(void **state)
{
	const uintptr_t spans = 64;
	struct space s = space_start(512, 0);
	size_t freed = 0;

	(void)state;
	space_map(&s, 0, spans * OM_TABLE_ENTRIES, R, 0);
	for (uintptr_t i = 0; i < spans; i++)
		(void)space_get(&s, s.mm, i * OM_TABLE_ENTRIES);
	start_slow_fault(&s);
	for (unsigned i = 0; i < 6; i++)
		freed += om_reclaim_tables(s.sys, OM_TABLES_FREE, spans);
	assert_int_equal(freed, 0);
	assert_false(atomic_load(&slow.go_on));
	for (unsigned i = 0; i < 6; i++)
		freed += om_reclaim_tables(s.sys, OM_TABLES_UNUSED, spans);
	assert_true(atomic_load(&slow.go_on));
	assert_true(freed >= spans);
	s.sys->hooks.ops = &sim_port_ops;
	space_check(&s);
	space_finish(&s);
}

/* ---------------------------------------------------------------- threads that are to die --- */

static unsigned asked, lives; /* how often the hook says no */

static bool dying(void *ctx)
{
	(void)ctx;
	return asked++ >= lives;
}

/* From now on the hook says no `n` times. */
static void die_after(struct space *s, unsigned n)
{
	static struct om_port_ops ops;

	ops = *s->sys->hooks.ops;
	ops.dying = dying;
	s->sys->hooks.ops = &ops;
	asked = 0;
	lives = n;
}

static size_t present(struct om_mm *mm)
{
	return om_mm_rss(mm);
}

static void test_populate_ends(void **state)
{
	struct space s = space_start(256, 0);

	(void)state;
	space_map(&s, 0, 100, RW, 0);
	die_after(&s, 9);
	assert_int_equal(om_mlock(s.mm, at(0), 50 << OM_PAGE_SHIFT, 0), -OM_EINTR);
	assert_int_equal(present(s.mm), 10);
	expect_layout(s.mm, {0, 50, RW | LK}, {50, 100, RW});
	assert_int_equal(om_madvise(s.mm, at(60), 20 << OM_PAGE_SHIFT, OM_MADV_POPULATE_WRITE),
	                 -OM_EINTR);
	assert_int_equal(present(s.mm), 11);
	/* The last page of the work is no reason to end. */
	assert_int_equal(om_madvise(s.mm, at(70), OM_PAGE_SIZE, OM_MADV_POPULATE_WRITE), 0);
	assert_int_equal(om_mlockall(s.mm, OM_MCL_CURRENT), 0);
	assert_int_equal(present(s.mm), 12);
	space_map(&s, 200, 20, RW, OM_MAP_POPULATE);
	assert_int_equal(present(s.mm), 13);
	die_after(&s, 1000);
	assert_int_equal(om_mlock(s.mm, at(0), 50 << OM_PAGE_SHIFT, 0), 0);
	space_check(&s);
	space_finish(&s);
}

static void test_copies_end(void **state)
{
	struct space s = space_start(128, 0);
	static char buf[20 * SIM_PAGE_SIZE];
	size_t done = 0;

	(void)state;
	space_map(&s, 0, 20, RW, 0);
	memset(buf, 'x', sizeof(buf));
	die_after(&s, 4);
	assert_int_equal(om_write(s.mm, at(0) + 100, buf, sizeof(buf) - 200, &done), -OM_EINTR);
	/* Each page takes a fault first, and is asked after twice. */
	assert_int_equal(done, 2 * OM_PAGE_SIZE - 100);
	die_after(&s, 0);
	assert_int_equal(om_read(s.mm, at(0), buf, 2 * OM_PAGE_SIZE, &done), -OM_EINTR);
	assert_int_equal(done, OM_PAGE_SIZE);
	assert_int_equal(om_read(s.mm, at(0), buf, OM_PAGE_SIZE, &done), 0);
	space_finish(&s);
}

static void test_fork_ends(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mm *child;

	(void)state;
	for (uintptr_t i = 0; i < 10; i++) {
		space_map(&s, 4 * i, 2, RW, 0);
		space_fill(&s, s.mm, 4 * i, 2, (int)i);
	}
	die_after(&s, 4);
	assert_int_equal(om_fork(s.mm, NULL, &child), -OM_EINTR);
	space_check(&s);
	die_after(&s, 1000);
	assert_int_equal(om_fork(s.mm, NULL, &child), 0);
	space_expect(&s, child, 4, 2, 1);
	om_mm_destroy(child);
	space_finish(&s);
}

static void test_swapoff_ends(void **state)
{
	struct space s = space_start(256, 64);
	struct om_mapping *shmem;
	struct om_sysinfo info;
	unsigned left;

	(void)state;
	assert_int_equal(om_mapping_create(s.sys, NULL, NULL, 20 << OM_PAGE_SHIFT, &shmem), 0);
	space_map(&s, 0, 20, RW, 0);
	space_map_file(&s, 30, 20, RW, 0, shmem, 0);
	space_fill(&s, s.mm, 0, 20, 'a');
	space_fill(&s, s.mm, 30, 20, 'A');
	while (om_reclaim_step(s.sys, 100))
		;
	for (unsigned n = 1; n < 20; n += 7) {
		die_after(&s, n);
		assert_int_equal(om_swapoff(s.sys, s.area), -OM_EINTR);
		om_sysinfo(s.sys, &info);
		assert_int_equal(info.swap_slots, 64);
		left = info.swap_slots - info.swap_free;
		assert_in_range(left, 1, 39);
		space_check(&s);
	}
	/* It is in use as before. */
	while (om_reclaim_step(s.sys, 100))
		;
	space_expect(&s, s.mm, 0, 20, 'a');
	space_expect(&s, s.mm, 30, 20, 'A');
	die_after(&s, 1000);
	om_mapping_put(shmem);
	space_finish(&s);
}

/* Memory is out: a thread that is to die is not told so, and does not count as a refusal. */
static void test_no_memory_ends(void **state)
{
	struct space s = space_start(64, 0);
	struct om_mm *mm;
	om_pfn_t pfn;
	uintptr_t i;
	char c = 1;

	(void)state;
	space_map(&s, 0, 100, RW, 0);
	die_after(&s, 0);
	for (i = 0; i < 100 && space_try(&s, s.mm, i, true) == OM_FAULT_MINOR; i++)
		;
	assert_in_range(i, 40, 63);
	assert_int_equal(space_try(&s, s.mm, i, true), OM_FAULT_INTR);
	assert_int_equal(om_write(s.mm, at(i), &c, 1, NULL), -OM_EINTR);
	assert_int_equal(om_mm_create(s.sys, &sim_layout, NULL, &mm), -OM_EINTR);
	assert_int_equal(om_frame_alloc(s.sys, &pfn), -OM_EINTR);
	assert_int_equal(om_madvise(s.mm, at(i), OM_PAGE_SIZE, OM_MADV_POPULATE_WRITE), -OM_EINTR);
	assert_int_equal(om_pin(s.mm, at(i), OM_WRITE, &pfn), -OM_EINTR);
	assert_int_equal(space_event(s.sys, OM_EV_OOM), 0);
	/* If there is something to reclaim, it goes on as others do. */
	assert_int_equal(om_madvise(s.mm, at(0), 10 << OM_PAGE_SHIFT, OM_MADV_FREE), 0);
	assert_int_equal(space_try(&s, s.mm, i, true), OM_FAULT_MINOR);
	space_check(&s);
	space_finish(&s);
}

/* ---------------------------------------------------------------- writers ------------------- */

/* A store of which every write hangs, while one more thread after the other needs memory. */
static struct {
	struct om_system *sys;
	unsigned inside, most;
} hung;

static int hung_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	struct om_held *held = sim_port_ops.held(NULL), mine = *held;

	if (++hung.inside > hung.most)
		hung.most = hung.inside;
	held->depth = 0; /* it is another thread */
	om_reclaim_step(hung.sys, 1);
	*held = mine;
	hung.inside--;
	return sim_store_ops.write(store, first, n, frame);
}

static void hang(unsigned nr_cpus, unsigned most)
{
	struct space s = space_start_cpus(512, 512, nr_cpus);
	struct om_store_ops ops = sim_store_ops;

	ops.write = hung_write;
	hung.sys = s.sys;
	hung.inside = hung.most = 0;
	s.sys->swap.device[s.area].ops = &ops;
	space_map(&s, 0, 400, RW, 0);
	space_fill(&s, s.mm, 0, 400, 'a');
	assert_true(om_reclaim_step(s.sys, 1) > 0);
	assert_int_equal(hung.most, most);
	/* They come back. */
	hung.most = 0;
	om_reclaim_step(s.sys, 1);
	assert_int_equal(hung.most, most);
	s.sys->swap.device[s.area].ops = &sim_store_ops;
	space_expect(&s, s.mm, 0, 400, 'a');
	space_finish(&s);
}

/* What hangs takes some threads, not all: the others find that nothing can be freed. */
static void test_swap_that_hangs(void **state)
{
	(void)state;
	hang(1, OM_SWAP_WRITERS);
	hang(8, 8); /* CPUs do not wait for each other */
}

/* As many write to swap as may, and this happens to one of them when somebody waits for it. */
static struct {
	struct om_system *sys;
	unsigned device;
	_Atomic uint8_t *place; /* of one of them */
	bool ends;
	unsigned waits;
} busy;

static void wait_for_writer(void *ctx, const void *key, bool (*blocked)(const void *arg),
                            const void *arg)
{
	(void)ctx;
	if (key != &busy.sys->reclaimers.swap_waiters[busy.device])
		return;
	assert_true(blocked(arg));
	busy.waits++;
	if (busy.ends) {
		om_swap_writer_end(busy.sys, busy.device, busy.place);
		assert_false(blocked(arg));
	}
}

/*
 * A device that is busy is waited for, so that what is old leaves, and not what is in use. One that
 * hangs is waited for once; and who finds it busy does not make the pages young for that.
 */
static void test_swap_that_is_busy(void **state)
{
	struct space s = space_start(512, 512);
	struct om_port_ops ops = *s.sys->hooks.ops;
	uint64_t aged;

	(void)state;
	ops.wait_briefly = wait_for_writer;
	s.sys->hooks.ops = &ops;
	/* High enough that a page which was used once has an age: at 0 it would have been made young. */
	atomic_store(&s.sys->ages.limit[OM_AGE_ANON], 8);
	busy.sys = s.sys;
	busy.device = s.area;
	busy.ends = false;
	busy.waits = 0;
	for (unsigned i = 0; i < OM_SWAP_WRITERS; i++)
		busy.place = om_swap_writer_begin(s.sys, s.area);
	space_map(&s, 0, 400, RW, 0);
	space_fill(&s, s.mm, 0, 400, 'a');
	assert_int_equal(om_reclaim_step(s.sys, 32), 0);
	assert_int_equal(busy.waits, 1);
	aged = space_event(s.sys, OM_EV_PGDEACTIVATE);
	assert_int_equal(om_reclaim_step(s.sys, 32), 0);
	assert_int_equal(busy.waits, 1);
	assert_int_equal(space_event(s.sys, OM_EV_PGDEACTIVATE), aged);
	/* One is through, and then there is reason to wait again. */
	om_swap_writer_end(s.sys, s.area, busy.place);
	assert_ptr_equal(om_swap_writer_begin(s.sys, s.area), busy.place);
	busy.ends = true;
	assert_true(om_reclaim_step(s.sys, 32) >= 32);
	assert_int_equal(busy.waits, 2);
	for (unsigned i = 1; i < OM_SWAP_WRITERS; i++)
		om_swap_writer_end(s.sys, s.area, busy.place);
	assert_int_equal(atomic_load(busy.place), 0);
	s.sys->hooks.ops = &sim_port_ops;
	space_expect(&s, s.mm, 0, 400, 'a');
	space_finish(&s);
}

/* Each CPU has a place of its own, and another one's only while that is taken. */
static void test_swap_writers_by_cpu(void **state)
{
	for (unsigned cpus = 1; cpus <= 16; cpus *= 4) {
		const unsigned all = cpus > OM_SWAP_WRITERS ? cpus : OM_SWAP_WRITERS;
		struct om_system *sys = unit_system_cpus(16, cpus);
		_Atomic uint8_t *place[16];

		for (unsigned i = 0; i < cpus; i++) {
			sim_this_cpu = cpus - 1 - i;
			place[i] = om_swap_writer_begin(sys, 1);
			assert_ptr_equal(place[i], &sys->shard[sim_this_cpu].swap_writers[1]);
		}
		for (unsigned i = 0; i < cpus; i++)
			om_swap_writer_end(sys, 1, place[i]);
		for (unsigned i = 0; i < all; i++) {
			place[i] = om_swap_writer_begin(sys, 1);
			assert_non_null(place[i]);
		}
		assert_null(om_swap_writer_begin(sys, 1));
		/* The devices do not know of one another. */
		om_swap_writer_end(sys, 0, om_swap_writer_begin(sys, 0));
		for (unsigned i = 0; i < all; i++)
			om_swap_writer_end(sys, 1, place[i]);
		for (unsigned i = 0; i < cpus; i++)
			assert_int_equal(atomic_load(&sys->shard[i].swap_writers[1]), 0);
		sim_this_cpu = 0;
		unit_system_free(sys);
	}
	(void)state;
}

/* ---------------------------------------------------------------- waiting ------------------- */

static unsigned waited, waited_briefly;

static void note_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	(void)ctx, (void)key, (void)arg, (void)blocked;
	waited++;
}

static void note_wait_briefly(void *ctx, const void *key, bool (*blocked)(const void *arg),
                              const void *arg)
{
	(void)ctx, (void)key, (void)arg, (void)blocked;
	waited_briefly++;
}

static bool never(const void *arg)
{
	(void)arg;
	return false;
}

static void test_wait_briefly(void **state)
{
	struct space s = space_start(64, 0);
	struct om_port_ops ops = *s.sys->hooks.ops;

	(void)state;
	ops.wait = note_wait;
	ops.wait_briefly = note_wait_briefly;
	s.sys->hooks.ops = &ops;
	assert_true(om_wait_briefly(s.sys, &s, never, NULL));
	assert_int_equal(waited_briefly, 1);
	ops.wait_briefly = NULL;
	assert_false(om_wait_briefly(s.sys, &s, never, NULL));
	assert_int_equal(waited, 1);
	ops.wait = NULL;
	assert_false(om_wait_briefly(s.sys, &s, never, NULL));
	s.sys->hooks.ops = &sim_port_ops;
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_thrashing_is_ones_own),
	    cmocka_unit_test(test_waits_for_tables),
	    cmocka_unit_test(test_populate_ends),
	    cmocka_unit_test(test_copies_end),
	    cmocka_unit_test(test_fork_ends),
	    cmocka_unit_test(test_swapoff_ends),
	    cmocka_unit_test(test_no_memory_ends),
	    cmocka_unit_test(test_swap_that_hangs),
	    cmocka_unit_test(test_swap_that_is_busy),
	    cmocka_unit_test(test_swap_writers_by_cpu),
	    cmocka_unit_test(test_wait_briefly),
	};

	return unit_run(tests);
}
