/*
 * test_slots.c: the slots that CPUs have aside: when there are any, that they are in a row, that
 * nobody goes without one that lies in another CPU's list, and that devices can come and go.
 */
#include "ram.h"

#include "sim.h"
#include "store/slot.h"

#define CPUS    4
#define CLUSTER 128
#define PLENTY  (2 * CPUS * (CLUSTER + OM_SLOTS_FREED))
#define SLOTS   (PLENTY + 400)
#define FRAMES  40

static uint32_t got[2 * SLOTS]; /* slots that a test has */
static unsigned nr_got;

static struct om_system *start(unsigned cpus, uint32_t slots)
{
	struct om_system *sys = unit_system_cpus(FRAMES, cpus);
	unsigned device;

	nr_got = 0;
	sim_this_cpu = 0;
	assert_int_equal(om_swapdev_add(sys, &ram_ops, sys, slots, 0, &device), 0);
	return sys;
}

/* Slots in the list of a CPU. */
static uint32_t listed(struct om_system *sys, unsigned cpu)
{
	return atomic_load(&sys->shard[cpu].slots.n);
}

static bool take(struct om_system *sys)
{
	if (om_slot_alloc(sys, 1, &got[nr_got]) != 1)
		return false;
	nr_got++;
	return true;
}

static void give(struct om_system *sys)
{
	assert_int_equal(om_slot_put(sys, got[--nr_got]), 0);
}

static void finish(struct om_system *sys)
{
	while (nr_got)
		give(sys);
	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX; i++)
		if (om_device_ops(&sys->swap.device[i]))
			om_swapdev_remove(sys, i);
	assert_int_equal(om_swap_free(sys), 0);
	assert_int_equal(atomic_load(&sys->swap.total), 0);
	assert_int_equal(atomic_load(&sys->swap.nr_open), 0);
	sim_this_cpu = 0;
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* One CPU, and small devices, have no clusters. */
static void test_which(void **state)
{
	static const struct {
		unsigned cpus;
		uint32_t slots;
		bool lists;
	} machine[] = {{1, SLOTS, false},
	               {CPUS, PLENTY - 1, false},
	               {CPUS, PLENTY, true},
	               {2, PLENTY / 2, true}};

	(void)state;
	for (unsigned i = 0; i < sizeof(machine) / sizeof(machine[0]); i++) {
		struct om_system *sys = start(machine[i].cpus, machine[i].slots);

		assert_true(take(sys));
		assert_int_equal(om_slots_listed(sys), machine[i].lists ? CLUSTER - 1 : 0);
		assert_int_equal(om_swap_free(sys), machine[i].slots - 1);
		finish(sys);
	}
}

/* What a CPU takes one by one is in a row, whatever others take meanwhile. */
static void test_clusters(void **state)
{
	struct om_system *sys = start(CPUS, SLOTS);
	uint32_t slot;

	(void)state;
	for (unsigned i = 0; i < 2 * CLUSTER; i++) {
		sim_this_cpu = i % 2;
		assert_true(take(sys));
		assert_int_equal(got[i], i % 2 * CLUSTER + i / 2);
		assert_int_equal(om_slot_count(sys, got[i]), 1);
		assert_false(om_slot_is_unread(sys, got[i]));
	}
	assert_int_equal(atomic_load(&sys->swap.free), SLOTS - 2 * CLUSTER);
	/* A batch that finds less left than it wants gets that first. */
	assert_int_equal(om_slot_alloc(sys, 100, &slot), 100);
	assert_int_equal(slot, 2 * CLUSTER);
	assert_int_equal(om_slot_alloc(sys, 100, &slot), CLUSTER - 100);
	assert_int_equal(slot, 2 * CLUSTER + 100);
	for (uint32_t i = 0; i < CLUSTER; i++)
		om_slot_put(sys, 2 * CLUSTER + i);
	finish(sys);
}

/* Slots that are put are gathered, and go back together. */
static void test_freed(void **state)
{
	struct om_system *sys = start(CPUS, SLOTS);
	uint32_t free;

	(void)state;
	for (unsigned i = 0; i < CLUSTER; i++)
		assert_true(take(sys));
	free = atomic_load(&sys->swap.free);
	for (unsigned i = 1; i <= OM_SLOTS_FREED; i++) {
		give(sys);
		assert_int_equal(listed(sys, 0), i);
		assert_int_equal(om_slot_count(sys, got[nr_got]), 0);
		assert_false(om_slot_is_free(sys, got[nr_got]));
	}
	assert_int_equal(atomic_load(&sys->swap.free), free);
	give(sys);
	assert_int_equal(listed(sys, 0), 0);
	assert_int_equal(atomic_load(&sys->swap.free), free + OM_SLOTS_FREED + 1);
	assert_true(om_slot_is_free(sys, got[nr_got]));
	/* To read over a slot that was just freed here, or that nobody has. */
	give(sys);
	assert_true(om_slot_reserve(sys, got[nr_got]));
	assert_false(om_slot_reserve(sys, got[nr_got]));
	om_slot_put(sys, got[nr_got]);
	/* A CPU that only frees has a list as well. */
	sim_this_cpu = 2;
	give(sys);
	give(sys);
	assert_int_equal(listed(sys, 2), 1);
	finish(sys);
}

/* One CPU gets all slots, those that others have aside, too. */
static void test_last_slots(void **state)
{
	struct om_system *sys = start(CPUS, SLOTS);

	(void)state;
	for (unsigned i = 0; i < CPUS; i++) {
		sim_this_cpu = i;
		for (unsigned k = 0; k < 20; k++)
			assert_true(take(sys));
		give(sys);
	}
	sim_this_cpu = 0;
	while (nr_got < SLOTS) {
		assert_true(om_swap_has_room(sys));
		assert_true(take(sys));
		assert_int_equal(om_swap_free(sys), SLOTS - nr_got);
	}
	assert_false(take(sys));
	assert_false(om_swap_has_room(sys));
	sim_this_cpu = 3;
	give(sys);
	sim_this_cpu = 1;
	assert_true(om_swap_has_room(sys));
	assert_true(take(sys));
	assert_false(take(sys));
	finish(sys);
}

/* swapoff: nobody has slots of the device aside any more, nor gets any. */
static void test_not_writable(void **state)
{
	struct om_system *sys = start(CPUS, SLOTS);

	(void)state;
	for (unsigned i = 0; i < CPUS; i++) {
		sim_this_cpu = i;
		for (unsigned k = 0; k < 5; k++)
			assert_true(take(sys));
		give(sys);
	}
	assert_int_equal(om_swapdev_set_writable(sys, 0, false), 0);
	assert_int_equal(om_slots_listed(sys), 0);
	assert_int_equal(sys->swap.device[0].used, nr_got);
	assert_false(take(sys));
	assert_false(om_slot_dup_out(sys, got[0]));
	assert_true(om_slot_dup(sys, got[0]));
	om_slot_put(sys, got[0]);
	give(sys);
	assert_int_equal(om_slots_listed(sys), 0);
	assert_int_equal(sys->swap.device[0].used, nr_got);
	assert_int_equal(om_swap_free(sys), 0);
	assert_int_equal(om_swapdev_set_writable(sys, 0, true), 0);
	assert_int_equal(om_swap_free(sys), SLOTS - nr_got);
	assert_true(take(sys));
	finish(sys);
}

/* A better device is used as soon as it is there. */
static void test_priorities(void **state)
{
	struct om_system *sys = start(CPUS, SLOTS);
	unsigned device;

	(void)state;
	assert_true(take(sys));
	assert_int_equal(om_swapdev_add(sys, &ram_ops, sys, SLOTS, 1, &device), 0);
	assert_int_equal(device, 1);
	/* Until what is left of it is in the lists of others. */
	while (nr_got < SLOTS - CPUS * CLUSTER) {
		sim_this_cpu = nr_got % CPUS;
		assert_true(take(sys));
		assert_ptr_equal(om_slot_device(sys, got[nr_got - 1]), &sys->swap.device[1]);
	}
	while (nr_got < 2 * SLOTS)
		assert_true(take(sys));
	assert_false(om_swap_has_room(sys));
	finish(sys);
}

/* ---- threads ---- */

#define ROUNDS 3000
#define MINE   300

/* Takes, shares and puts slots; every fourth thread of them empties a device now and then. */
static void play(void *arg, unsigned i)
{
	struct om_system *sys = arg;
	uint32_t mine[MINE], slot, slots, free;
	uint64_t seed = i + 1;
	unsigned n = 0;

	sim_this_cpu = i;
	for (unsigned k = 0; k < ROUNDS; k++) {
		unsigned want = unit_rand(&seed) % 8 + 1, have;

		if (unit_rand(&seed) % 2 && n + want <= MINE) {
			have = om_slot_alloc(sys, want, &slot);
			for (unsigned s = 0; s < have; s++)
				mine[n++] = slot + s;
		} else if (n) {
			slot = mine[--n];
			unit_check(om_slot_dup(sys, slot));
			unit_check(om_slot_count_used(sys, slot) == 2);
			unit_check(om_slot_put(sys, slot) == 1);
			unit_check(om_slot_put(sys, slot) == 0);
		}
		om_slot_pfn(sys, unit_rand(&seed));
		om_swap_figures(sys, &slots, &free);
		unit_check(free <= slots);
		if (i == 0 && k % 500 == 7 && !om_swapdev_set_writable(sys, 1, false))
			unit_check(!om_swapdev_set_writable(sys, 1, true));
	}
	while (n)
		om_slot_put(sys, mine[--n]);
}

static void test_threads(void **state)
{
	struct om_system *sys = start(CPUS, SLOTS);
	unsigned device;

	(void)state;
	assert_int_equal(om_swapdev_add(sys, &ram_ops, sys, SLOTS, 0, &device), 0);
	unit_threads(CPUS, play, sys);
	assert_int_equal(om_swap_free(sys), 2 * SLOTS);
	finish(sys);
}

/* A device comes and goes, while others look at numbers of slots that it had. */
static void come_and_go(void *arg, unsigned i)
{
	struct om_system *sys = arg;
	uint64_t seed = i + 1;

	sim_this_cpu = i;
	for (unsigned k = 0; k < ROUNDS / 4; k++) {
		uint32_t slot = 1u << OM_SWAP_DEVICE_SHIFT | unit_rand(&seed) % SLOTS;
		unsigned device;

		if (i) {
			unit_check(!om_slot_claim(sys, slot, 1));
			unit_check(om_slot_pfn(sys, slot) == OM_NO_PFN);
			if (om_slot_reserve(sys, slot))
				unit_check(om_slot_put(sys, slot) == 0);
			continue;
		}
		unit_check(!om_swapdev_add(sys, &ram_ops, sys, 600, -1, &device) && device == 1);
		unit_check(!om_swapdev_set_writable(sys, 1, false));
		for (uint32_t at = 0; om_swapdev_next_used(sys, 1, &at);)
			om_arch_pause();
		om_swapdev_remove(sys, 1);
	}
}

static void test_device_goes(void **state)
{
	struct om_system *sys = start(CPUS, SLOTS);

	(void)state;
	unit_threads(CPUS, come_and_go, sys);
	assert_int_equal(om_swap_free(sys), SLOTS);
	finish(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_which),        cmocka_unit_test(test_clusters),
	    cmocka_unit_test(test_freed),        cmocka_unit_test(test_last_slots),
	    cmocka_unit_test(test_not_writable), cmocka_unit_test(test_priorities),
	    cmocka_unit_test(test_threads),      cmocka_unit_test(test_device_goes),
	};

	return unit_run(tests);
}
