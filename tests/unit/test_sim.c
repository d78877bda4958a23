/*
 * test_sim.c: the simulated machine by itself: stores, hooks, failing allocations. test_mmu.c has its
 * MMU.
 */
#include "toy.h"

#include <unistd.h>

#include "fail.h"

/* ---------------------------------------------------------------- hooks --------------------- */

static jmp_buf panicked;
static struct om_bug last_bug;

static void on_panic(void *arg, const struct om_bug *bug)
{
	(void)arg;
	last_bug = *bug;
	longjmp(panicked, 1);
}

static void test_panic(void **state)
{
	struct om_mm *mm = *state;

	sim_on_panic(mm->sim, on_panic, NULL);
	if (!setjmp(panicked)) {
		sim_get(sim_cpu(mm->sim, 0), mm, ADDR);
		fail();
	}
	assert_string_equal(last_bug.rule, "sim MMU");
	assert_int_equal(last_bug.value[0], ADDR);
	assert_int_equal(last_bug.value[1], OM_FAULT_MAPERR);
}

static _Atomic int flag;

static bool flag_is_clear(const void *arg)
{
	return !atomic_load((const _Atomic int *)arg);
}

static void *sleeper(void *arg)
{
	struct om_system *sys = sim_system(arg);

	while (flag_is_clear(&flag))
		sys->ops->wait(sys->ctx, &flag, flag_is_clear, &flag);
	return NULL;
}

static void test_wait_and_wake(void **state)
{
	struct om_mm *mm = *state;
	struct om_system *sys = sim_system(mm->sim);

	for (unsigned i = 0; i < 200; i++) {
		pthread_t thread[3];

		flag = 0;
		for (unsigned t = 0; t < 3; t++)
			pthread_create(&thread[t], NULL, sleeper, mm->sim);
		if (i % 2)
			usleep(100);
		flag = 1;
		sys->ops->wake(sys->ctx, &flag);
		for (unsigned t = 0; t < 3; t++)
			pthread_join(thread[t], NULL);
	}
}

static void test_kswapd(void **state)
{
	struct om_mm *mm = *state;
	struct om_system *sys = sim_system(mm->sim);

	sys->free = 10;
	assert_int_equal(sim_kswapd_start(mm->sim, 100), 0);
	assert_int_equal(sim_kswapd_start(mm->sim, 100), -OM_EBUSY);
	for (unsigned round = 1; round <= 3; round++) {
		sys->free = 10;
		sys->ops->low_memory(sys->ctx);
		while (sys->steps < 3 * round)
			usleep(1000);
		assert_int_equal(sys->steps, 3 * round);
	}
	sim_kswapd_stop(mm->sim);
	assert_int_equal(sys->free, 10 + 3 * 32);
}

/* ---------------------------------------------------------------- stores -------------------- */

/* The middle one of three pages; and behind the end there is nothing to do. */
static void check_punch(struct sim_store *store)
{
	static unsigned char page[3][4096];
	void *const frame[] = {page[0], page[1], page[2]};

	memset(page, 9, sizeof(page));
	assert_int_equal(sim_store_ops.write(store, 20, 3, frame), 0);
	assert_int_equal(sim_store_ops.punch(store, 21, 1), 0);
	assert_int_equal(sim_store_ops.punch(store, 5000, 1u << 20), 0);
	assert_int_equal(sim_store_ops.read(store, 20, 3, frame), 0);
	assert_int_equal(page[0][4095], 9);
	assert_int_equal(page[1][0] | page[1][4095], 0);
	assert_int_equal(page[2][0], 9);
	sim_store_fail(store, SIM_PUNCH, 1, false);
	assert_int_equal(sim_store_ops.punch(store, 20, 1), -OM_EIO);
	assert_int_equal(sim_store_ops.read(store, 20, 1, frame), 0);
	assert_int_equal(page[0][0], 9);
}

static void check_store(struct sim_store *store)
{
	static unsigned char in[3][4096], out[3][4096];
	void *const from[] = {in[0], in[1], in[2]}, *const to[] = {out[0], out[1], out[2]};
	struct sim_store_stats stats;

	memset(in[0], 1, sizeof(in[0]));
	memset(in[1], 2, sizeof(in[1]));
	memset(in[2], 3, sizeof(in[2]));
	memset(out, 0xff, sizeof(out));
	assert_int_equal(sim_store_ops.read(store, 7, 1, to), 0);
	assert_int_equal(out[0][0] | out[0][4095], 0);
	assert_int_equal(sim_store_ops.write(store, 1000, 3, from), 0);
	assert_int_equal(sim_store_ops.read(store, 1000, 3, to), 0);
	assert_memory_equal(in, out, sizeof(in));

	sim_store_poke(store, 1000 * 4096 + 4094, "peek", 4);
	sim_store_peek(store, 1000 * 4096 + 4093, out, 6);
	assert_memory_equal(out, "\1peek\2", 6);
	sim_store_truncate(store, 1001 * 4096 + 1);
	assert_int_equal(sim_store_ops.read(store, 1001, 2, to), 0);
	assert_int_equal(out[0][0], 'e');
	assert_int_equal(out[0][1] | out[0][2] | out[1][0], 0);

	sim_store_latency(store, 1, 1);
	sim_store_fail(store, SIM_WRITE, 2, false);
	assert_int_equal(sim_store_ops.write(store, 0, 1, from), 0);
	assert_int_equal(sim_store_ops.write(store, 0, 2, from + 1), -OM_EIO);
	assert_int_equal(sim_store_ops.read(store, 0, 1, to), 0);
	assert_memory_equal(out[0], in[0], 4096);
	assert_int_equal(sim_store_ops.write(store, 0, 1, from), 0);
	sim_store_fail(store, SIM_READ, 1, true);
	assert_int_equal(sim_store_ops.read(store, 0, 1, to), -OM_EIO);
	assert_memory_not_equal(out[0], in[0], 4096);
	assert_int_equal(sim_store_ops.read(store, 0, 1, to), -OM_EIO);
	sim_store_fail(store, SIM_READ, 0, false);
	assert_int_equal(sim_store_ops.read(store, 0, 1, to), 0);

	sim_store_ops.release(store);
	sim_store_stats(store, &stats);
	assert_int_equal(stats.reads, 7);
	assert_int_equal(stats.pages_read, 10);
	assert_int_equal(stats.writes, 4);
	assert_int_equal(stats.pages_written, 7);
	assert_int_equal(stats.read_errors, 2);
	assert_int_equal(stats.write_errors, 1);
	assert_int_equal(stats.released, 1);
	check_punch(store);
	sim_store_free(store);
}

static void test_ram_store(void **state)
{
	(void)state;
	check_store(sim_store_ram());
}

static void test_file_store(void **state)
{
	char path[] = "/tmp/objrmap-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	check_store(sim_store_file(path));
	unlink(path);
	assert_null(sim_store_file("/nonexistent/store"));
}

/* ---------------------------------------------------------------- failing, random numbers --- */

static void test_failing_allocations(void **state)
{
	struct om_system *sys = sim_system(((struct om_mm *)*state)->sim);
	struct om_system other;

	assert_false(sim_fail_alloc(sys));
	sim_fail_arm(sys, 3, false);
	assert_false(sim_fail_alloc(sys) || sim_fail_alloc(&other) || sim_fail_alloc(sys));
	assert_true(sim_fail_alloc(sys));
	assert_false(sim_fail_alloc(sys));
	assert_int_equal(sim_fail_disarm(), 4);
	assert_false(sim_fail_alloc(sys));

	sim_fail_arm(NULL, 2, true);
	assert_false(sim_fail_alloc(sys));
	assert_true(sim_fail_alloc(&other) && sim_fail_alloc(sys));
	assert_int_equal(sim_fail_disarm(), 3);
	sim_fail_arm(NULL, 0, false);
	assert_false(sim_fail_alloc(sys));
	assert_int_equal(sim_fail_disarm(), 1);
}

static void test_random_numbers(void **state)
{
	struct sim_rand a, b;
	unsigned count[10] = {0}, chances = 0;

	(void)state;
	sim_rand_seed(&a, 42);
	sim_rand_seed(&b, 42);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(sim_rand(&a) == sim_rand(&b));
	for (unsigned i = 0; i < 10000; i++) {
		count[sim_rand_below(&a, 10)]++;
		chances += sim_rand_chance(&a, 25);
	}
	for (unsigned i = 0; i < 10; i++)
		assert_in_range(count[i], 850, 1150);
	assert_in_range(chances, 2300, 2700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ram_store),
	    cmocka_unit_test(test_file_store),
	    cmocka_unit_test_setup_teardown(test_panic, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wait_and_wake, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_kswapd, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failing_allocations, setup, teardown),
	    cmocka_unit_test(test_random_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
