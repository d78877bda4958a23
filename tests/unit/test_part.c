/*
 * test_part.c: the CPUs' parts of an address space: when there are any, that they keep writers out
 * and are taken back by them, and that no count is lost.
 */
#include "unit.h"

#include <sched.h>
#include <unistd.h>

#include "area/mm.h"
#include "base/part.h"
#include "page/frame_cache.h"
#include "sim.h"

#define FRAMES 32
#define CPUS   4

static struct om_mm *new_mm(struct om_system *sys)
{
	struct om_mm *mm;

	assert_int_equal(om_mm_new(sys, &sim_layout, NULL, NULL, &mm), 0);
	return mm;
}

/* What om_mm_destroy() does, of an mm without areas. */
static void end_mm(struct om_mm *mm)
{
	om_mm_write_lock(mm);
	om_mm_write_unlock(mm);
	om_mm_put(mm);
}

static void end(struct om_system *sys)
{
	unit_assert_all_free(sys);
	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		assert_null(atomic_load(&sys->shard[i].part.mm));
		assert_int_equal(atomic_load(&sys->shard[i].part.mmap_lock.state), 0);
	}
	unit_system_free(sys);
}

static struct om_mm_part *part(struct om_mm *mm, unsigned cpu)
{
	return &mm->sys->shard[cpu].part;
}

/* A fault on this CPU that counts n pages: true if it was in the CPU's part. */
static bool fault(struct om_mm *mm, unsigned cpu, size_t n)
{
	struct om_mm_part *in = om_part_enter(mm, &mm->sys->shard[cpu]);

	unit_check(om_mm_is_locked(mm));
	unit_check(in == &mm->own || in == part(mm, cpu));
	atomic_fetch_add(&in->rss_anon, n);
	om_part_leave(mm->sys, in);
	return in != &mm->own;
}

static bool has_part(struct om_mm *mm, unsigned cpu)
{
	return atomic_load(&part(mm, cpu)->mm) == mm;
}

/* Faults on CPUs [0, n) in turn until all have parts; how many it takes. */
static unsigned spread(struct om_mm *mm, unsigned n)
{
	unsigned faults = 0;

	for (unsigned in = 0; in < n && faults < 1000; faults++)
		in = fault(mm, faults % n, 0) ? in + 1 : 0;
	return faults - n;
}

/* ---- given and taken back ----------------------------------------------------------------- */

/* The machine's only CPU has no part; nor has one whose other CPUs do not fault. */
static void test_alone(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= CPUS; cpus += CPUS - 1) {
		struct om_system *sys = unit_system_cpus(FRAMES, cpus);
		struct om_mm *mm = new_mm(sys);

		for (unsigned i = 0; i < 100; i++)
			assert_false(fault(mm, 0, 1));
		assert_false(om_parts_exist(mm));
		assert_int_equal(om_mm_sums(mm).anon, 100);
		end_mm(mm);
		end(sys);
	}
}

static void test_given_and_recalled(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct om_mm *mm = new_mm(sys);
	unsigned first = spread(mm, 2), again;

	(void)state;
	/* The first fault moves nothing; one each to be given a part, later. */
	assert_int_equal(first, 1 + OM_PART_MOVES + 2);
	assert_true(has_part(mm, 0) && has_part(mm, 1) && !has_part(mm, 2));
	assert_true(fault(mm, 0, 5) && fault(mm, 1, (size_t)-2));
	assert_int_equal(om_mm_sums(mm).anon, 3);
	assert_int_equal(atomic_load(&mm->own.rss_anon), 0);

	om_mm_write_lock(mm);
	assert_false(om_parts_exist(mm) || has_part(mm, 0) || has_part(mm, 1));
	assert_int_equal(atomic_load(&mm->own.rss_anon), 3);
	om_mm_write_unlock(mm);
	assert_int_equal(om_mm_sums(mm).anon, 3);

	/* Two parts were recalled: they come back two moves later. */
	again = spread(mm, 2);
	assert_in_range(again, first + 1, first + 2);
	/* A writer that finds none changes nothing about that. */
	om_mm_write_lock(mm);
	om_mm_write_unlock(mm);
	om_mm_write_lock(mm);
	om_mm_write_unlock(mm);
	assert_int_equal(mm->recalled, 2);
	end_mm(mm);
	end(sys);
}

/* Bits stand for several shards in a large machine. */
static void test_large(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, OM_CPUS_MAX);
	struct om_mm *mm = new_mm(sys);
	const unsigned cpu[] = {3, OM_PART_BITS + 3, OM_CPUS_MAX - 1, 40};

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		fault(mm, cpu[i % 4], 1);
	for (unsigned i = 0; i < 4; i++)
		assert_true(has_part(mm, cpu[i]));
	assert_int_equal(om_mm_sums(mm).anon, 40);
	om_mm_write_lock(mm);
	for (unsigned i = 0; i < 4; i++)
		assert_false(has_part(mm, cpu[i]));
	assert_int_equal(mm->recalled, 4);
	assert_int_equal(atomic_load(&mm->own.rss_anon), 40);
	om_mm_write_unlock(mm);
	end_mm(mm);
	end(sys);
}

/* A CPU goes on with another program: its part is that one's, and nothing is lost of the first. */
static void test_taken_over(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct om_mm *a = new_mm(sys), *b = new_mm(sys);
	struct om_mm_part *in;

	(void)state;
	spread(a, 2);
	fault(a, 0, 7);
	spread(b, 2);
	assert_true(has_part(b, 0) && has_part(b, 1));
	assert_int_equal(om_mm_sums(a).anon, 7);
	assert_int_equal(om_mm_sums(b).anon, 0);
	assert_int_equal(atomic_load(&a->own.rss_anon), 7);

	/* Nobody takes over a part in which somebody is. */
	in = om_part_enter(b, &sys->shard[0]);
	assert_ptr_equal(in, part(b, 0));
	/* (This thread could not have two; so it asks as another one would.) */
	assert_false(om_rwsem_trywrite(sys, &in->mmap_lock, OM_RANK_PART));
	om_part_leave(sys, in);

	end_mm(a); /* its bits are stale */
	assert_true(has_part(b, 0) && has_part(b, 1));
	end_mm(b);
	end(sys);
}

/* ---- somebody is in a part ---------------------------------------------------------------- */

struct visit {
	struct om_mm *mm;
	unsigned cpu;
	atomic_bool inside, leave, in_part;
	atomic_int order;
	int left;
};

/* The thread may be on another CPU when it leaves. */
static void visitor(void *arg, unsigned i)
{
	struct visit *v = arg;
	struct om_mm_part *in;

	(void)i;
	sim_this_cpu = v->cpu;
	in = om_part_enter(v->mm, om_shard(v->mm->sys));
	atomic_store(&v->in_part, in != &v->mm->own);
	atomic_store(&v->inside, true);
	while (!atomic_load(&v->leave))
		sched_yield();
	sim_this_cpu = (v->cpu + 1) % CPUS;
	v->left = atomic_fetch_add(&v->order, 1);
	om_part_leave(v->mm->sys, in);
}

static struct unit_thread *visit(struct visit *v)
{
	struct unit_thread *thread = unit_thread_start(visitor, v, 0);

	while (!atomic_load(&v->inside))
		sched_yield();
	return thread;
}

static void test_tries(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct visit v = {.mm = new_mm(sys), .cpu = 1};
	struct unit_thread *thread;

	(void)state;
	spread(v.mm, 2);
	fault(v.mm, 0, 3);
	fault(v.mm, 1, 4);
	thread = visit(&v);
	assert_true(atomic_load(&v.in_part));
	/* Another thread of this CPU comes in as well: readers share. */
	assert_true(fault(v.mm, 1, 0));
	assert_false(om_mm_try_write_lock(v.mm));
	assert_false(om_mm_write_lock_briefly(v.mm));
	assert_int_equal(atomic_load(&v.mm->own.mmap_lock.state), 0);
	/* One part is back, the other is not; sums and writers know. */
	assert_true(!has_part(v.mm, 0) && has_part(v.mm, 1) && om_parts_exist(v.mm));
	assert_int_equal(om_mm_sums(v.mm).anon, 7);
	fault(v.mm, 0, 1);
	assert_true(fault(v.mm, 0, 1)); /* the part is given again at once */
	atomic_store(&v.leave, true);
	unit_thread_join(thread);
	assert_true(om_mm_try_write_lock(v.mm));
	assert_false(om_parts_exist(v.mm) || has_part(v.mm, 0) || has_part(v.mm, 1));
	assert_int_equal(atomic_load(&v.mm->own.rss_anon), 9);
	om_mm_write_unlock(v.mm);
	end_mm(v.mm);
	end(sys);
}

static void writer(void *arg, unsigned i)
{
	struct visit *v = arg;

	(void)i;
	om_mm_write_lock(v->mm);
	atomic_fetch_add(&v->order, 1);
	om_mm_write_unlock(v->mm);
}

/* A writer sleeps until the thread in the part has left; whoever faults meanwhile, behind it. */
static void test_writer_waits(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct visit v = {.mm = new_mm(sys), .cpu = 1};
	unsigned waits = unit_waits();
	struct unit_thread *thread[2];

	(void)state;
	spread(v.mm, 2);
	thread[0] = visit(&v);
	thread[1] = unit_thread_start(writer, &v, 0);
	while (unit_waits() == waits)
		sched_yield();
	assert_int_equal(atomic_load(&v.order), 0);
	assert_true(om_rwsem_is_write_locked(&v.mm->own.mmap_lock));
	assert_false(has_part(v.mm, 0)); /* recalled already: a fault there would have to wait */
	atomic_store(&v.leave, true);
	unit_thread_join(thread[0]);
	unit_thread_join(thread[1]);
	assert_int_equal(v.left, 0);
	end_mm(v.mm);
	end(sys);
}

/* Debug builds know that the lock is held, and that nobody has two. */
static void test_ranks(void **state)
{
	struct om_system *sys;
	struct om_mm *mm, *other;
	struct om_mm_part *in;

	(void)state;
	if (!OM_DEBUG)
		skip();
	sys = unit_system_cpus(FRAMES, CPUS);
	mm = new_mm(sys);
	other = new_mm(sys);
	spread(mm, 2);
	in = om_part_enter(mm, &sys->shard[0]);
	assert_true(om_held(sys, &in->mmap_lock));
	expect_bug("lock rank", om_part_enter(mm, &sys->shard[0]));
	expect_bug("lock rank", om_mm_read_lock(other));
	om_part_leave(sys, in);
	assert_false(om_held(sys, &in->mmap_lock));
	expect_bug("lock not held", om_part_leave(sys, in));
	end_mm(mm);
	end_mm(other);
	end(sys);
}

/* ---- many threads ------------------------------------------------------------------------- */

enum { THREADS = 4, MMS = 2 };

struct crowd {
	struct om_mm *mm[MMS];
	size_t a[MMS], b[MMS]; /* equal whenever nobody writes */
	atomic_size_t counted[MMS];
	atomic_uint inside[MMS]; /* readers */
	atomic_uint in_parts;
	unsigned rounds;
};

static void dawdle(uint64_t *rand)
{
	if (unit_rand(rand) % 32 == 0)
		sched_yield();
	else if (unit_rand(rand) % 1024 == 0)
		usleep(50);
}

static void write_once(struct crowd *c, unsigned k, uint64_t *rand)
{
	unsigned how = unit_rand(rand) % 4;
	struct om_mm *mm = c->mm[k];

	if (how == 0 ? !om_mm_try_write_lock(mm) : how == 1 && !om_mm_write_lock_briefly(mm))
		return;
	if (how > 1)
		om_mm_write_lock(mm);
	unit_check(atomic_load(&c->inside[k]) == 0 && c->a[k] == c->b[k]);
	unit_check(atomic_load(&mm->own.rss_anon) == atomic_load(&c->counted[k]));
	c->a[k]++;
	dawdle(rand);
	c->b[k]++;
	om_mm_write_unlock(mm);
}

static void read_once(struct crowd *c, unsigned k, uint64_t *rand)
{
	struct om_mm *mm = c->mm[k];
	struct om_mm_part *in = om_part_enter(mm, om_shard(mm->sys));
	int n = (int)(unit_rand(rand) % 5) - 2;

	atomic_fetch_add(&c->inside[k], 1);
	atomic_fetch_add(&c->in_parts, in != &mm->own);
	unit_check(c->a[k] == c->b[k]);
	dawdle(rand);
	sim_this_cpu = unit_rand(rand) % CPUS;
	atomic_fetch_add(&in->rss_anon, (size_t)n);
	atomic_fetch_add(&c->counted[k], (size_t)n);
	unit_check(c->a[k] == c->b[k]);
	atomic_fetch_sub(&c->inside[k], 1);
	om_part_leave(mm->sys, in);
}

static void crowd_thread(void *arg, unsigned i)
{
	struct crowd *c = arg;
	uint64_t rand = i + 1;

	sim_this_cpu = i % CPUS;
	for (unsigned n = 0; n < c->rounds; n++) {
		unsigned k = unit_rand(&rand) % MMS;

		if (unit_rand(&rand) % 32 == 0)
			write_once(c, k, &rand);
		else
			read_once(c, k, &rand);
	}
}

static void test_exclusion(void **state)
{
	(void)state;
	for (unsigned eager = 0; eager < 2; eager++) {
		struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
		struct crowd c = {.mm = {new_mm(sys), new_mm(sys)}, .rounds = 20000};

		sys->eager_parts = eager;
		unit_threads(THREADS, crowd_thread, &c);
		assert_true(atomic_load(&c.in_parts) > 0);
		for (unsigned k = 0; k < MMS; k++) {
			assert_int_equal(om_mm_sums(c.mm[k]).anon, atomic_load(&c.counted[k]));
			end_mm(c.mm[k]);
		}
		end(sys);
	}
}

/* Parts go, back or to another mm, and the sum is what it is all the time. */
struct steady {
	struct om_mm *mm, *other;
	atomic_uint phase; /* odd: counts are only moved */
	atomic_bool stop;
};

enum { PAGES = 50 };

static void move_counts(struct steady *s, unsigned n)
{
	unsigned cpu = n % 3;

	spread(s->mm, 3);
	fault(s->mm, cpu, PAGES);
	atomic_fetch_add(&s->phase, 1);
	if (n % 2)
		spread(s->other, 3);
	om_mm_write_lock(s->mm);
	om_mm_write_unlock(s->mm);
	atomic_fetch_add(&s->phase, 1);
	fault(s->mm, cpu, (size_t)-PAGES);
}

static void look(struct steady *s)
{
	unsigned phase = atomic_load(&s->phase);
	size_t n = om_mm_sums(s->mm).anon;

	/* While entries come and go the sum may be of no moment: it looks at one part after another. */
	if (phase % 2 && phase == atomic_load(&s->phase))
		unit_check(n == PAGES);
}

static void steady_thread(void *arg, unsigned i)
{
	struct steady *s = arg;

	if (i == 0) {
		for (unsigned n = 0; n < 4000; n++)
			move_counts(s, n);
		atomic_store(&s->stop, true);
	}
	while (!atomic_load(&s->stop))
		look(s);
}

static void test_sums(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct steady s = {.mm = new_mm(sys), .other = new_mm(sys)};

	(void)state;
	sys->eager_parts = true;
	unit_threads(2, steady_thread, &s);
	end_mm(s.mm);
	end_mm(s.other);
	end(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alone), cmocka_unit_test(test_given_and_recalled),
	    cmocka_unit_test(test_large), cmocka_unit_test(test_taken_over),
	    cmocka_unit_test(test_tries), cmocka_unit_test(test_writer_waits),
	    cmocka_unit_test(test_ranks), cmocka_unit_test(test_exclusion),
	    cmocka_unit_test(test_sums),
	};

	return unit_run(tests);
}
