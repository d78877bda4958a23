/*
 * test_lock.c: the rank checks, the two readers-writer locks and the page lock: exclusion, no lost
 * wake-up (a test would hang), no starved writer, no call of the port when nobody waits.
 *
 * The data that a lock guards is plain, so that ThreadSanitizer checks the memory order too.
 */
#include "page/put.h"
#include "unit.h"

#include <sched.h>
#include <unistd.h>

#include "coroutine.h"
#include "page/frame.h"
#include "sim.h"

/* ---- ranks -------------------------------------------------------------------------------- */

static struct om_spinlock spin[4];
static struct om_rwspin rwspin;
static struct om_rwsem sem;

static void test_ranks(void **state)
{
	struct om_system *sys = unit_system(1);

	(void)state;
	if (!OM_DEBUG)
		skip();
	om_rwsem_read(sys, &sem, OM_RANK_MMAP);
	om_read_lock(sys, &rwspin, OM_RANK_MAPPING);
	om_spin_lock(sys, &spin[0], OM_RANK_FRAME);
	om_spin_lock(sys, &spin[1], OM_RANK_FREE);
	assert_true(om_held(sys, &spin[1]));
	assert_false(om_held(sys, &spin[2]));
	expect_bug("lock rank", om_spin_lock(sys, &spin[2], OM_RANK_LRU));
	expect_bug("lock rank", om_spin_lock(sys, &spin[2], OM_RANK_FREE));
	expect_bug("lock rank", om_spin_lock(sys, &spin[0], OM_RANK_FREE + 1));
	/* Released out of order: the record still knows what is left. */
	om_spin_unlock(sys, &spin[0]);
	om_read_unlock(sys, &rwspin);
	assert_true(om_held(sys, &spin[1]));
	expect_bug("lock rank", om_spin_lock(sys, &spin[2], OM_RANK_FRAME));
	expect_bug("lock not held", om_spin_unlock(sys, &spin[0]));
	om_spin_unlock(sys, &spin[1]);
	om_spin_lock(sys, &spin[2], OM_RANK_FRAME);
	om_spin_unlock(sys, &spin[2]);
	om_rwsem_read_done(sys, &sem);
	expect_bug("lock not held", om_rwsem_read_done(sys, &sem));
	unit_system_free(sys);
}

static void test_might_sleep(void **state)
{
	struct om_system *sys = unit_system(2);
	struct om_page *page = om_page_of(sys, 1);

	(void)state;
	if (!OM_DEBUG)
		skip();
	om_might_sleep(sys);
	om_page_lock(sys, page);
	om_might_transfer(sys);
	om_rwsem_write(sys, &sem, OM_RANK_MMAP);
	om_might_sleep(sys);
	expect_bug("lock rank", om_might_transfer(sys));
	expect_bug("lock rank", om_page_lock(sys, om_page_of(sys, 2)));
	om_write_lock(sys, &rwspin, OM_RANK_MAPPING);
	expect_bug("lock rank", om_might_sleep(sys));
	expect_bug("lock rank", om_page_lock(sys, om_page_of(sys, 2)));
	om_write_unlock(sys, &rwspin);
	om_rwsem_write_done(sys, &sem);
	om_page_unlock(sys, page);
	unit_system_free(sys);
}

/* Page locks: a second one by trylock only, and then in any order, even under a spinning lock. */
static void test_trylock(void **state)
{
	struct om_system *sys = unit_system(3);
	struct om_page *a = om_page_of(sys, 1), *b = om_page_of(sys, 2), *c = om_page_of(sys, 3);

	(void)state;
	assert_true(om_page_trylock(sys, b));
	assert_false(om_page_trylock(sys, b));
	assert_true(om_page_trylock(sys, a));
	om_spin_lock(sys, &spin[0], OM_RANK_LRU);
	assert_true(om_page_trylock(sys, c));
	om_spin_unlock(sys, &spin[0]);
	if (OM_DEBUG) {
		assert_true(om_held(sys, &a->flags));
		assert_false(om_held(sys, &a->lock));
	}
	/* The frame lock has the address of the page. */
	om_frame_lock(sys, a);
	om_frame_unlock(sys, a);
	om_page_unlock(sys, a);
	if (OM_DEBUG)
		expect_bug("lock rank", om_page_lock(sys, a));
	om_page_unlock(sys, b);
	om_page_unlock(sys, c);
	assert_int_equal(om_page_flags(a) | om_page_flags(b) | om_page_flags(c), 0);
	unit_system_free(sys);
}

static void test_record_full(void **state)
{
	enum { N = sizeof(((struct om_held *)0)->entry) / sizeof(((struct om_held *)0)->entry[0]) };
	struct om_system *sys = unit_system(N + 1);

	(void)state;
	if (!OM_DEBUG)
		skip();
	for (unsigned i = 1; i <= N; i++)
		assert_true(om_page_trylock(sys, om_page_of(sys, i)));
	expect_bug("lock rank", om_page_trylock(sys, om_page_of(sys, N + 1)));
	for (unsigned i = 1; i <= N; i++)
		om_page_unlock(sys, om_page_of(sys, i));
	unit_system_free(sys);
}

/* A port without `held`: no checks, and every lock counts as held. */
static void test_no_record(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_port_ops ops = unit_ops;

	(void)state;
	ops.held = NULL;
	sys->hooks.ops = &ops;
	om_spin_lock(sys, &spin[0], OM_RANK_FREE);
	om_spin_lock(sys, &spin[1], OM_RANK_LRU);
	assert_true(om_held(sys, &spin[2]));
	om_might_sleep(sys);
	om_spin_unlock(sys, &spin[0]);
	om_spin_unlock(sys, &spin[1]);
	unit_system_free(sys);
}

static void test_underflow(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_port_ops ops = unit_ops;

	(void)state;
	if (!OM_DEBUG)
		skip();
	ops.held = NULL;
	sys->hooks.ops = &ops;
	expect_bug("lock not held", om_read_unlock(sys, &rwspin));
	atomic_store(&rwspin.state, 0);
	expect_bug("lock not held", om_write_unlock(sys, &rwspin));
	expect_bug("lock not held", om_rwsem_read_done(sys, &sem));
	atomic_store(&sem.state, 0);
	expect_bug("lock not held", om_rwsem_write_done(sys, &sem));
	expect_bug("lock not held", om_page_unlock(sys, om_page_of(sys, 1)));
	unit_system_free(sys);
}

/* ---- no calls when nobody waits ----------------------------------------------------------- */

static void test_uncontended(void **state)
{
	struct om_system *sys = unit_system(1);
	unsigned calls = unit_waits() + unit_wakes();

	(void)state;
	assert_false(om_rwsem_is_locked(&sem));
	om_rwsem_read(sys, &sem, OM_RANK_MMAP);
	assert_true(om_rwsem_is_locked(&sem));
	assert_false(om_rwsem_is_write_locked(&sem));
	om_rwsem_read_done(sys, &sem);
	om_rwsem_write(sys, &sem, OM_RANK_MMAP);
	assert_true(om_rwsem_is_locked(&sem));
	assert_true(om_rwsem_is_write_locked(&sem));
	om_rwsem_write_done(sys, &sem);
	om_page_lock(sys, om_page_of(sys, 1));
	om_page_unlock(sys, om_page_of(sys, 1));
	assert_int_equal(unit_waits() + unit_wakes(), calls);
	assert_int_equal(atomic_load(&sem.state), 0);
	assert_int_equal(om_page_flags(om_page_of(sys, 1)), 0);
	unit_system_free(sys);
}

/*
 * With a sleeper marked, a release wakes once, and has taken the mark away by then: a mark taken
 * away later might be that of a thread that went to sleep in between.
 */
static struct om_page *woken_page;
static unsigned clean_wakes;

static void check_wake(void *ctx, const void *key)
{
	(void)ctx;
	assert_true(key == &sem || key == woken_page);
	assert_false(atomic_load(&sem.state) & OM_RW_SLEEPERS);
	assert_false(om_page_test(woken_page, OM_PG_WAITERS));
	clean_wakes++;
}

static void test_wake_after_clear(void **state)
{
	struct om_system *sys = unit_system(1);
	struct om_port_ops ops = unit_ops;

	(void)state;
	ops.wake = check_wake;
	sys->hooks.ops = &ops;
	woken_page = om_page_of(sys, 1);
	clean_wakes = 0;
	om_rwsem_read(sys, &sem, OM_RANK_MMAP);
	atomic_fetch_or(&sem.state, OM_RW_SLEEPERS);
	om_rwsem_read_done(sys, &sem);
	assert_int_equal(clean_wakes, 1);
	om_rwsem_write(sys, &sem, OM_RANK_MMAP);
	atomic_fetch_or(&sem.state, OM_RW_SLEEPERS);
	om_rwsem_write_done(sys, &sem);
	assert_int_equal(clean_wakes, 2);
	om_page_lock(sys, woken_page);
	om_page_set(woken_page, OM_PG_WAITERS);
	om_page_unlock(sys, woken_page);
	assert_int_equal(clean_wakes, 3);
	unit_system_free(sys);
}

/* ---- exclusion ---------------------------------------------------------------------------- */

enum { THREADS = 4 };

struct shared {
	struct om_system *sys;
	unsigned rounds;
	void (*lock)(struct shared *s, bool write);
	void (*unlock)(struct shared *s, bool write);
	uint64_t a, b;      /* equal whenever the lock is free */
	atomic_uint inside; /* readers at this moment */
	struct om_rwspin rwspin;
	struct om_rwsem sem;
	struct om_spinlock spin;
	struct om_page *page;
};

static void rwspin_lock(struct shared *s, bool write)
{
	if (write)
		om_write_lock(s->sys, &s->rwspin, OM_RANK_MAPPING);
	else
		om_read_lock(s->sys, &s->rwspin, OM_RANK_MAPPING);
}

static void rwspin_unlock(struct shared *s, bool write)
{
	if (write)
		om_write_unlock(s->sys, &s->rwspin);
	else
		om_read_unlock(s->sys, &s->rwspin);
}

static void rwsem_lock(struct shared *s, bool write)
{
	if (write)
		om_rwsem_write(s->sys, &s->sem, OM_RANK_MMAP);
	else
		om_rwsem_read(s->sys, &s->sem, OM_RANK_MMAP);
}

static void rwsem_unlock(struct shared *s, bool write)
{
	if (write)
		om_rwsem_write_done(s->sys, &s->sem);
	else
		om_rwsem_read_done(s->sys, &s->sem);
}

/* The exclusive ones exclude readers from each other as well. */
static void spin_lock(struct shared *s, bool write)
{
	(void)write;
	om_spin_lock(s->sys, &s->spin, OM_RANK_LIST);
}

static void spin_unlock(struct shared *s, bool write)
{
	(void)write;
	om_spin_unlock(s->sys, &s->spin);
}

static void page_lock(struct shared *s, bool write)
{
	(void)write;
	if (!om_page_trylock(s->sys, s->page))
		om_page_lock(s->sys, s->page);
}

static void page_unlock(struct shared *s, bool write)
{
	(void)write;
	om_page_unlock(s->sys, s->page);
}

/* Now and then let others run with the lock held, or between two rounds. */
static void dawdle(uint64_t *rand)
{
	if (unit_rand(rand) % 16 == 0)
		sched_yield();
	else if (unit_rand(rand) % 512 == 0)
		usleep(50);
}

static void exclusion_thread(void *arg, unsigned i)
{
	struct shared *s = arg;
	uint64_t rand = i + 1;

	for (unsigned round = 0; round < s->rounds; round++) {
		bool write = unit_rand(&rand) % 4 == 0;

		s->lock(s, write);
		unit_check(s->a == s->b);
		if (write) {
			unit_check(atomic_load(&s->inside) == 0);
			s->a++;
			dawdle(&rand);
			s->b++;
		} else {
			atomic_fetch_add(&s->inside, 1);
			dawdle(&rand);
			unit_check(s->a == s->b);
			atomic_fetch_sub(&s->inside, 1);
		}
		s->unlock(s, write);
		dawdle(&rand);
	}
}

static void exclusion(const struct om_port_ops *ops, unsigned rounds,
                      void (*lock)(struct shared *s, bool write),
                      void (*unlock)(struct shared *s, bool write))
{
	struct shared s = {.sys = unit_system(1), .rounds = rounds, .lock = lock, .unlock = unlock};

	s.sys->hooks.ops = ops;
	s.page = om_frame_get(s.sys, OM_KIND_DATA, 0);
	unit_threads(THREADS, exclusion_thread, &s);
	assert_int_equal(s.a, s.b);
	assert_int_equal(atomic_load(&s.rwspin.state), 0);
	assert_int_equal(atomic_load(&s.spin.locked), 0);
	assert_int_equal(om_page_flags(s.page), 0);
	assert_int_equal(atomic_load(&s.sem.state), 0);
	om_page_put(s.sys, s.page);
	unit_assert_all_free(s.sys);
	unit_system_free(s.sys);
}

static void test_spinlock(void **state)
{
	(void)state;
	exclusion(&unit_ops, 2000, spin_lock, spin_unlock);
}

static void test_rwspin(void **state)
{
	(void)state;
	exclusion(&unit_ops, 2000, rwspin_lock, rwspin_unlock);
}

static void test_rwsem(void **state)
{
	(void)state;
	exclusion(&unit_ops, 20000, rwsem_lock, rwsem_unlock);
}

static void test_page_lock(void **state)
{
	(void)state;
	exclusion(&unit_ops, 20000, page_lock, page_unlock);
}

/* A port with one thread at a time or without sleeping: om_wait() spins. */
static void test_no_wait_hook(void **state)
{
	struct om_port_ops ops = unit_ops;

	(void)state;
	ops.wait = NULL;
	ops.wake = NULL;
	exclusion(&ops, 300, rwsem_lock, rwsem_unlock);
	exclusion(&ops, 300, page_lock, page_unlock);
}

static void read_once(void *arg, unsigned i)
{
	struct shared *s = arg;

	(void)i;
	s->lock(s, false);
	s->unlock(s, false);
}

/* A second reader comes and goes while the first is inside. */
static void test_readers_together(void **state)
{
	struct shared a = {.lock = rwsem_lock, .unlock = rwsem_unlock};
	struct shared b = {.lock = rwspin_lock, .unlock = rwspin_unlock};

	(void)state;
	a.sys = b.sys = unit_system(1);
	a.lock(&a, false);
	b.lock(&b, false);
	unit_threads(2, read_once, &a);
	unit_threads(2, read_once, &b);
	b.unlock(&b, false);
	a.unlock(&a, false);
	unit_system_free(a.sys);
}

/* ---- order -------------------------------------------------------------------------------- */

/*
 * A reader is inside, a writer comes, then another reader: the writer goes first, even if the
 * reader tries first when the lock is free again. The three are coroutines, with a record of held
 * locks each: who waits, asleep or spinning, lets flow 0 go on, which is the test itself.
 */
enum { TEST, WRITER, READER, FLOWS };

static struct {
	struct coroutine *coroutine;
	struct om_held held;
	unsigned turn; /* 1: it had the lock first */
} flow[FLOWS];
static unsigned running, turns, naps, wakes;

static void go_on(unsigned with)
{
	unsigned self = running;

	running = with;
	coroutine_switch(flow[with].coroutine);
	running = self;
}

static struct om_held *flow_held(void *ctx)
{
	(void)ctx;
	return &flow[running].held;
}

static void flow_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	(void)ctx;
	(void)key;
	naps++;
	if (blocked(arg))
		go_on(TEST);
}

static void flow_wake(void *ctx, const void *key)
{
	(void)ctx;
	(void)key;
	wakes++;
}

static void flow_spins(void *arg)
{
	(void)arg;
	go_on(TEST);
}

static void flow_main(void *arg)
{
	struct shared *s = arg;
	bool write = running == WRITER;

	s->lock(s, write);
	flow[running].turn = ++turns;
	s->unlock(s, write);
}

static void check_queue(struct shared *s)
{
	struct om_port_ops ops = unit_ops;

	ops.held = flow_held;
	ops.wait = flow_wait;
	ops.wake = flow_wake;
	turns = naps = wakes = 0;
	s->sys = unit_system(1);
	s->sys->hooks.ops = &ops;
	s->lock(s, false);
	for (unsigned i = WRITER; i < FLOWS; i++) {
		flow[i].turn = 0;
		flow[i].coroutine = coroutine_create(flow_main, s);
		go_on(i);
	}
	assert_int_equal(turns, 0);
	s->unlock(s, false);
	for (unsigned i = READER; turns < 2; i = i == READER ? WRITER : READER)
		if (!flow[i].turn)
			go_on(i);
	assert_int_equal(flow[WRITER].turn, 1);
	for (unsigned i = 0; i < FLOWS; i++)
		assert_int_equal(flow[i].held.depth, 0);
	for (unsigned i = WRITER; i < FLOWS; i++)
		coroutine_destroy(flow[i].coroutine);
	unit_system_free(s->sys);
}

static void test_writer_first(void **state)
{
	struct shared a = {.lock = rwsem_lock, .unlock = rwsem_unlock};
	struct shared b = {.lock = rwspin_lock, .unlock = rwspin_unlock};

	(void)state;
	check_queue(&a);
	assert_true(naps >= 2 && wakes >= 1);
	if (!OM_DEBUG)
		return; /* spinning is not seen */
	sim_on_pause(flow_spins, NULL);
	check_queue(&b);
	sim_on_pause(NULL, NULL);
	assert_int_equal(naps, 0);
}

/* Readers that overlap all the time, and one writer that must get through. */
struct crowd {
	struct shared s;
	atomic_bool stop;
};

static void crowd_thread(void *arg, unsigned i)
{
	struct crowd *c = arg;
	bool write = i == 0;

	for (unsigned round = 0; write ? round < 300 : !atomic_load(&c->stop); round++) {
		c->s.lock(&c->s, write);
		sched_yield();
		c->s.unlock(&c->s, write);
	}
	if (write)
		atomic_store(&c->stop, true);
}

static void test_writer_not_starved(void **state)
{
	struct crowd a = {.s = {.lock = rwsem_lock, .unlock = rwsem_unlock}};
	struct crowd b = {.s = {.lock = rwspin_lock, .unlock = rwspin_unlock}};

	(void)state;
	a.s.sys = b.s.sys = unit_system(1);
	unit_threads(THREADS, crowd_thread, &a);
	unit_threads(THREADS, crowd_thread, &b);
	unit_system_free(a.s.sys);
}

/* Many sleepers of both kinds on one word, woken by one release each time. */
static void handover_thread(void *arg, unsigned i)
{
	struct shared *s = arg;

	for (unsigned round = 0; round < s->rounds; round++) {
		bool write = (round + i) % 3 == 0;

		s->lock(s, write);
		usleep(i * 10);
		if (write)
			s->a++;
		s->unlock(s, write);
	}
}

static void test_handover(void **state)
{
	struct shared s = {.rounds = 100, .lock = rwsem_lock, .unlock = rwsem_unlock};

	(void)state;
	s.sys = unit_system(1);
	unit_threads(2 * THREADS, handover_thread, &s);
	assert_in_range(s.a, 2 * THREADS * 33, 2 * THREADS * 34);
	unit_system_free(s.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ranks),
	    cmocka_unit_test(test_might_sleep),
	    cmocka_unit_test(test_trylock),
	    cmocka_unit_test(test_record_full),
	    cmocka_unit_test(test_no_record),
	    cmocka_unit_test(test_uncontended),
	    cmocka_unit_test(test_wake_after_clear),
	    cmocka_unit_test(test_spinlock),
	    cmocka_unit_test(test_rwspin),
	    cmocka_unit_test(test_rwsem),
	    cmocka_unit_test(test_page_lock),
	    cmocka_unit_test(test_no_wait_hook),
	    cmocka_unit_test(test_readers_together),
	    cmocka_unit_test(test_writer_first),
	    cmocka_unit_test(test_writer_not_starved),
	    cmocka_unit_test(test_handover),
	    cmocka_unit_test(test_underflow), /* leaves the locks in disorder: last */
	};

	return unit_run(tests);
}
