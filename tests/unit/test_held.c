/*
 * test_held.c: the record of the locks that a thread holds: their ranks, how long they are held, and
 * who may sleep.
 */
#include "page/put.h"
#include "unit.h"

#include "page/frame.h"
#include "sim.h"

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
	expect_bug("lock rank", om_spin_lock(sys, &spin[2], OM_RANK_SLAB));
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

/* A lock that is held over too much work is reported, and among several the one that is worst. */
static void test_held_too_long(void **state)
{
	struct om_system *sys = unit_system(1);

	(void)state;
	if (!OM_DEBUG)
		skip();
	om_work(sys, 1000000); /* nothing is held */
	om_rwsem_write(sys, &sem, OM_RANK_MMAP);
	om_spin_lock(sys, &spin[0], OM_RANK_TABLE);
	om_work(sys, (4 << OM_TABLE_SHIFT) + 16 * OM_WORK_PAGE);
	expect_bug("held too long", om_work(sys, 1));
	om_spin_unlock(sys, &spin[0]);
	om_work(sys, 1000000); /* sleeping locks have all the time there is */
	om_spin_lock(sys, &spin[0], OM_RANK_TABLE);
	om_spin_lock(sys, &spin[1], OM_RANK_SLAB);
	om_work(sys, 16);
	expect_bug("held too long", om_work(sys, 1));
	om_spin_unlock(sys, &spin[1]);
	om_work(sys, 1);
	om_spin_unlock(sys, &spin[0]);
	om_rwsem_write_done(sys, &sem);
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
	om_spin_lock(sys, &spin[0], OM_RANK_SLAB);
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
	om_spin_lock(sys, &spin[1], OM_RANK_SLAB);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ranks),       cmocka_unit_test(test_held_too_long),
	    cmocka_unit_test(test_might_sleep), cmocka_unit_test(test_trylock),
	    cmocka_unit_test(test_record_full), cmocka_unit_test(test_no_record),
	    cmocka_unit_test(test_underflow), /* leaves the locks in disorder: last */
	};

	return unit_run(tests);
}
