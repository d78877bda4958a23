/*
 * test_lock.c: the spinning lock, the two readers-writer locks and the page lock: exclusion, no lost
 * wake-up (a test would hang), who comes after whom, no call of the port when nobody waits.
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

/* ---- no calls when nobody waits ----------------------------------------------------------- */

static void test_uncontended(void **state)
{
	struct om_system *sys = unit_system(1);
	unsigned calls = unit_waits() + unit_wakes();
	struct om_rwsem sem = {0};

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

/* ---- exclusion ---------------------------------------------------------------------------- */

enum { THREADS = 4 };

struct shared {
	struct om_system *sys;
	unsigned rounds;
	void (*lock)(struct shared *s, bool write);
	void (*unlock)(struct shared *s, bool write);
	uint64_t a, b;      /* equal whenever the lock is free */
	atomic_uint inside; /* readers at this moment */
	atomic_bool begun;  /* the writer has the lock, or has had it */
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
	assert_int_equal(atomic_load(&s.spin.state), 0);
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

/* A writer goes out as a reader: what it has written stays until it has gone. */
static void downgrade_unlock(struct shared *s, bool write)
{
	if (write) {
		uint64_t a = s->a;

		om_rwsem_downgrade(s->sys, &s->sem);
		unit_check(om_rwsem_is_locked(&s->sem));
		sched_yield();
		unit_check(s->a == a && s->b == a);
	}
	om_rwsem_read_done(s->sys, &s->sem);
}

static void test_downgrade(void **state)
{
	(void)state;
	exclusion(&unit_ops, 20000, rwsem_lock, downgrade_unlock);
}

static void test_page_lock(void **state)
{
	(void)state;
	exclusion(&unit_ops, 20000, page_lock, page_unlock);
}

static void hasty_wait(void *ctx, const void *key, bool (*blocked)(const void *arg),
                       const void *arg)
{
	(void)ctx;
	(void)key;
	if (blocked(arg))
		sched_yield();
}

/*
 * A port whose sleepers wake for no reason, and one with one thread at a time or without sleeping:
 * om_wait() spins.
 */
static void test_no_wait_hook(void **state)
{
	struct om_port_ops ops = unit_ops;

	(void)state;
	ops.wait = hasty_wait;
	exclusion(&ops, 300, rwsem_lock, rwsem_unlock);
	exclusion(&ops, 300, page_lock, page_unlock);
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

/* Readers that sleep come in, and have gone, while the writer is still inside, as a reader. */
static void write_then_read(void *arg, unsigned i)
{
	struct shared *s = arg;

	if (i) {
		while (!atomic_load(&s->begun))
			sched_yield();
		s->lock(s, false);
		atomic_fetch_add(&s->inside, 1);
		s->unlock(s, false);
		return;
	}
	s->lock(s, true);
	atomic_store(&s->begun, true);
	while (unit_waits() == s->a) /* one of them sleeps */
		sched_yield();
	om_rwsem_downgrade(s->sys, &s->sem);
	while (atomic_load(&s->inside) < THREADS - 1)
		sched_yield();
	s->unlock(s, false);
}

static void test_downgrade_wakes(void **state)
{
	struct shared s = {.lock = rwsem_lock, .unlock = rwsem_unlock};

	(void)state;
	s.sys = unit_system(1);
	s.sys->hooks.ops = &unit_ops;
	s.a = unit_waits();
	unit_threads(THREADS, write_then_read, &s);
	assert_int_equal(atomic_load(&s.sem.state), 0);
	unit_system_free(s.sys);
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
 * Threads that come to a lock one after the other: each is started when the one before it waits,
 * which the queues of the system show. They note in which order they got in.
 */
enum { COMERS = 6 };

struct line {
	struct shared s;
	atomic_uint in;          /* how many have got in */
	unsigned place[COMERS];  /* by comer: how many were in before */
	unsigned inside[COMERS]; /* by comer: readers inside with it */
	bool write[COMERS];
	atomic_uint readers;
	atomic_bool stay; /* readers do not leave */
	struct unit_thread *thread[COMERS];
};

static void comer(void *arg, unsigned i)
{
	struct line *l = arg;

	l->s.lock(&l->s, l->write[i]);
	l->place[i] = atomic_fetch_add(&l->in, 1);
	if (!l->write[i]) {
		atomic_fetch_add(&l->readers, 1);
		while (atomic_load(&l->stay))
			sched_yield();
		atomic_fetch_sub(&l->readers, 1);
	}
	l->inside[i] = atomic_load(&l->readers);
	l->s.unlock(&l->s, l->write[i]);
}

/* Changes whenever somebody joins a queue of spinners. */
static uintptr_t tails(struct om_system *sys)
{
	uintptr_t sum = 0;

	for (unsigned i = 0; i < 1u << OM_SPIN_LIST_SHIFT; i++) {
		struct om_spin_list *list = &sys->spin_list[i];

		while (atomic_exchange(&list->closed, true))
			sched_yield();
		sum += (uintptr_t)list->last;
		atomic_store(&list->closed, false);
	}
	return sum;
}

/* Start a thread; returns when it waits, spinning or asleep. */
static void come(struct line *l, unsigned i, bool write)
{
	uintptr_t before = tails(l->s.sys);
	unsigned waits = unit_waits();

	l->write[i] = write;
	l->thread[i] = unit_thread_start(comer, l, i);
	while (tails(l->s.sys) == before && unit_waits() == waits)
		sched_yield();
}

/*
 * The main thread has the lock; it releases it and wants it again at once, `times` times. Then n
 * others must have got in: nobody is overtaken any more often.
 */
static void cycle(struct line *l, unsigned n, unsigned times)
{
	while (times--) {
		l->s.unlock(&l->s, true);
		l->s.lock(&l->s, true);
	}
	assert_int_equal(atomic_load(&l->in), n);
	l->s.unlock(&l->s, true);
	for (unsigned i = 0; i < COMERS; i++)
		if (l->thread[i])
			unit_thread_join(l->thread[i]);
	unit_system_free(l->s.sys);
}

/* A writer that sleeps may be overtaken so often, until it has woken; see sleep.c. */
#define OVERTAKES 16u

/* First come, first served; who comes back is the last. */
static void check_order(void (*lock)(struct shared *s, bool write),
                        void (*unlock)(struct shared *s, bool write), bool same, unsigned times)
{
	struct line l = {.s = {.lock = lock, .unlock = unlock}};

	l.s.sys = unit_system(1);
	l.s.page = om_page_of(l.s.sys, 1);
	l.s.lock(&l.s, true);
	for (unsigned i = 0; i < COMERS; i++)
		come(&l, i, same || i % 2);
	cycle(&l, COMERS, times);
	for (unsigned i = 0; i < COMERS && same; i++)
		assert_int_equal(l.place[i], i);
}

static void test_order(void **state)
{
	(void)state;
	check_order(spin_lock, spin_unlock, true, 1);
	check_order(rwspin_lock, rwspin_unlock, true, 1);
	check_order(rwspin_lock, rwspin_unlock, false, 1);
	check_order(rwsem_lock, rwsem_unlock, true, COMERS * (OVERTAKES + 1));
	check_order(rwsem_lock, rwsem_unlock, false, COMERS * (OVERTAKES + 1));
	check_order(page_lock, page_unlock, true, 1);
}

/* Writers that alternate keep no reader out: the one that came first has its turn, and then it. */
static void test_reader_not_starved(void **state)
{
	struct line l = {.s = {.lock = rwspin_lock, .unlock = rwspin_unlock}};

	(void)state;
	l.s.sys = unit_system(1);
	l.s.lock(&l.s, true);
	come(&l, 0, true);
	come(&l, 1, false);
	come(&l, 2, true);
	come(&l, 3, false);
	come(&l, 4, false);
	cycle(&l, 5, 1);
	assert_int_equal(l.place[0], 0);
	assert_int_equal(l.place[1], 1);
	assert_int_equal(l.place[2], 2);
}

/*
 * The sleeping lock: all readers that wait follow a writer, at once, then the next writer has its
 * turn, and readers that have come meanwhile after that.
 */
static void test_phases(void **state)
{
	struct line l = {.s = {.lock = rwsem_lock, .unlock = rwsem_unlock}};

	(void)state;
	l.s.sys = unit_system(1);
	atomic_store(&l.stay, true);
	l.s.lock(&l.s, true);
	come(&l, 0, true);
	come(&l, 1, false);
	come(&l, 2, true);
	come(&l, 3, false);
	assert_int_equal(atomic_load(&l.s.sem.state), OM_RW_WRITER | OM_RW_WAITED);
	l.s.unlock(&l.s, true);
	assert_int_equal(atomic_load(&l.s.sem.state), 2 | OM_RW_WAITED);
	come(&l, 4, false); /* behind the writers */
	assert_int_equal(atomic_load(&l.s.sem.state), 2 | OM_RW_WAITED);
	atomic_store(&l.stay, false);
	for (unsigned i = 0; i < 5; i++)
		unit_thread_join(l.thread[i]);
	assert_int_equal(l.place[1] + l.place[3], 1);
	assert_int_equal(l.place[0], 2);
	assert_int_equal(l.place[4], 3);
	assert_int_equal(l.place[2], 4);
	assert_int_equal(atomic_load(&l.s.sem.state), 0);
	unit_system_free(l.s.sys);
}

/* The page lock stays locked from one to the next, and each release wakes one thread. */
static void test_page_handed_over(void **state)
{
	struct line l = {.s = {.lock = page_lock, .unlock = page_unlock}};
	unsigned wakes;

	(void)state;
	l.s.sys = unit_system(1);
	l.s.page = om_page_of(l.s.sys, 1);
	atomic_store(&l.stay, true);
	l.s.lock(&l.s, true);
	come(&l, 0, false);
	come(&l, 1, false);
	wakes = unit_wakes();
	l.s.unlock(&l.s, true);
	assert_false(om_page_trylock(l.s.sys, l.s.page));
	assert_int_equal(om_page_flags(l.s.page), OM_PG_LOCKED | OM_PG_WAITERS);
	assert_int_equal(unit_wakes(), wakes + 1);
	atomic_store(&l.stay, false);
	for (unsigned i = 0; i < 2; i++)
		unit_thread_join(l.thread[i]);
	assert_int_equal(om_page_flags(l.s.page), 0);
	assert_int_equal(unit_wakes(), wakes + 2);
	assert_int_equal(l.place[0], 0);
	unit_system_free(l.s.sys);
}

/*
 * The mark that somebody waits for a spinning lock is wiped by a newcomer and made again. One that
 * finds the lock free and waited for must not keep it.
 */
static void test_mark(void **state)
{
	struct line l = {.s = {.lock = spin_lock, .unlock = spin_unlock}};

	(void)state;
	l.s.sys = unit_system(1);
	l.s.lock(&l.s, true);
	for (unsigned i = 0; i < 3; i++) {
		come(&l, i, true);
		assert_int_equal(atomic_load(&l.s.spin.state), OM_SPIN_LOCKED | OM_SPIN_WAITED);
	}
	cycle(&l, 3, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(l.place[i], i);
	assert_int_equal(atomic_load(&l.s.spin.state), 0);
	l.s.sys = unit_system(1);
	atomic_store(&l.s.spin.state, OM_SPIN_WAITED);
	l.s.lock(&l.s, true);
	assert_int_equal(atomic_load(&l.s.spin.state), OM_SPIN_LOCKED);
	l.s.unlock(&l.s, true);
	unit_system_free(l.s.sys);
}

/* Who waits for one lock never waits for another, though there are more locks than lists. */
enum { LOCKS = (1 << OM_SPIN_LIST_SHIFT) + 16 };

struct row {
	struct om_system *sys;
	struct om_spinlock lock[LOCKS];
};

static void row_thread(void *arg, unsigned i)
{
	struct row *r = arg;

	om_spin_lock(r->sys, &r->lock[i], OM_RANK_FRAME);
	om_spin_unlock(r->sys, &r->lock[i]);
}

static void test_queues_apart(void **state)
{
	struct row r = {.sys = unit_system(1)};
	struct om_port_ops ops = unit_ops;
	struct unit_thread *thread[LOCKS];

	(void)state;
	ops.held = NULL; /* nobody else may hold so many */
	r.sys->hooks.ops = &ops;
	for (unsigned i = 0; i < LOCKS; i++) {
		uintptr_t before = tails(r.sys);

		om_spin_lock(r.sys, &r.lock[i], OM_RANK_FRAME);
		thread[i] = unit_thread_start(row_thread, &r, i);
		while (tails(r.sys) == before)
			sched_yield();
	}
	for (unsigned i = LOCKS; i-- > 0;) {
		om_spin_unlock(r.sys, &r.lock[i]);
		unit_thread_join(thread[i]);
	}
	assert_int_equal(tails(r.sys), 0);
	unit_system_free(r.sys);
}

/* Many locks, whose sleepers share the queues, and crowds whose members come and go. */
struct many {
	struct om_system *sys;
	struct om_rwsem sem[64];
	unsigned count[64];
};

static void many_thread(void *arg, unsigned i)
{
	struct many *m = arg;
	uint64_t rand = i + 77;

	for (unsigned round = 0; round < 3000; round++) {
		unsigned k = unit_rand(&rand) % (round % 2 ? 64 : 3);

		if (unit_rand(&rand) % 2) {
			om_rwsem_write(m->sys, &m->sem[k], OM_RANK_MMAP);
			m->count[k]++;
			dawdle(&rand);
			om_rwsem_write_done(m->sys, &m->sem[k]);
		} else {
			om_rwsem_read(m->sys, &m->sem[k], OM_RANK_MMAP);
			dawdle(&rand);
			om_rwsem_read_done(m->sys, &m->sem[k]);
		}
	}
}

static void test_many_locks(void **state)
{
	struct many m = {.sys = unit_system(1)};

	(void)state;
	unit_threads(2 * THREADS, many_thread, &m);
	for (unsigned k = 0; k < 64; k++)
		assert_int_equal(atomic_load(&m.sem[k].state), 0);
	for (unsigned i = 0; i < 1u << OM_SLEEP_QUEUE_SHIFT; i++)
		assert_null(m.sys->sleep_queue[i].first);
	assert_int_equal(tails(m.sys), 0);
	unit_system_free(m.sys);
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
	    cmocka_unit_test(test_uncontended),
	    cmocka_unit_test(test_spinlock),
	    cmocka_unit_test(test_rwspin),
	    cmocka_unit_test(test_rwsem),
	    cmocka_unit_test(test_downgrade),
	    cmocka_unit_test(test_downgrade_wakes),
	    cmocka_unit_test(test_page_lock),
	    cmocka_unit_test(test_no_wait_hook),
	    cmocka_unit_test(test_readers_together),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_reader_not_starved),
	    cmocka_unit_test(test_phases),
	    cmocka_unit_test(test_page_handed_over),
	    cmocka_unit_test(test_mark),
	    cmocka_unit_test(test_queues_apart),
	    cmocka_unit_test(test_many_locks),
	    cmocka_unit_test(test_writer_not_starved),
	    cmocka_unit_test(test_handover),
	};

	return unit_run(tests);
}
