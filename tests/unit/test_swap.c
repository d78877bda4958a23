/*
 * test_swap.c: areas and slots: a random run against a plain array, runs and their order,
 * priorities, full areas, full counts, areas that come and go, and all frames given back. Includes
 * swap.c to make counts overflow early, and swapdev.c for the sizes in it.
 */
#define OM_SLOT_COUNT_MAX 5
#include "store/swap.c"
#include "store/swapdev.c"

#include "ram.h"

#define TABLE_SLOTS OM_TABLE_SLOTS
#define DIR_TABLES  OM_DIR_TABLES

static uint32_t slot_of(unsigned area, uint32_t offset)
{
	return area << OM_SWAP_DEVICE_SHIFT | offset;
}

static unsigned add(struct om_system *sys, uint32_t slots, int priority)
{
	unsigned area = 99;

	assert_int_equal(om_swapdev_add(sys, &ram_ops, sys, slots, priority, &area), 0);
	return area;
}

static void end_system(struct om_system *sys)
{
	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX; i++) {
		if (sys->swap.device[i].ops)
			om_swapdev_remove(sys, i);
	}
	assert_int_equal(sys->swap.total, 0);
	assert_int_equal(sys->swap.free, 0);
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

static void test_one_slot(void **state)
{
	struct om_system *sys = unit_system(10);
	uint32_t slot;

	(void)state;
	assert_false(om_swap_has_room(sys));
	assert_int_equal(om_slot_alloc(sys, 4, &slot), 0);
	assert_int_equal(add(sys, 1, 0), 0);
	assert_true(om_swap_has_room(sys));
	assert_int_equal(om_slot_alloc(sys, 0, &slot), 0);
	assert_int_equal(om_slot_alloc(sys, 4, &slot), 1);
	assert_int_equal(slot, 0);
	assert_false(om_swap_has_room(sys));
	assert_int_equal(om_slot_alloc(sys, 4, &slot), 0);

	assert_int_equal(om_slot_count(sys, 0), 1);
	assert_int_equal(om_slot_pfn(sys, 0), OM_NO_PFN);
	assert_false(om_slot_is_unread(sys, 0)); /* reserved */
	assert_false(om_slot_claim(sys, 0, 8));
	om_slot_set_pfn(sys, 0, 7);
	assert_int_equal(om_slot_pfn(sys, 0), 7);
	assert_false(om_slot_claim(sys, 0, 8));
	assert_true(om_slot_dup(sys, 0));
	assert_int_equal(om_slot_uncache(sys, 0), 1);
	assert_int_equal(om_slot_pfn(sys, 0), OM_NO_PFN);
	assert_true(om_slot_is_unread(sys, 0));
	assert_true(om_slot_claim(sys, 0, 0));
	assert_false(om_slot_is_unread(sys, 0));
	assert_int_equal(om_slot_pfn(sys, 0), 0);
	assert_int_equal(om_slot_count(sys, 0), 2);
	assert_int_equal(om_slot_put(sys, 0), 1);
	assert_int_equal(om_slot_uncache(sys, 0), 0);
	assert_true(om_swap_has_room(sys));
	end_system(sys);
}

static void test_count_is_bounded(void **state)
{
	struct om_system *sys = unit_system(10);
	uint32_t slot;

	(void)state;
	add(sys, 10, 0);
	assert_int_equal(om_slot_alloc(sys, 1, &slot), 1);
	for (unsigned i = 1; i < OM_SLOT_COUNT_MAX; i++)
		assert_true(om_slot_dup(sys, slot));
	assert_false(om_slot_dup(sys, slot));
	assert_int_equal(om_slot_count(sys, slot), OM_SLOT_COUNT_MAX);
	/* The cache finds room all the same: swap-in must not fail. */
	om_slot_set_pfn(sys, slot, OM_NO_PFN);
	assert_true(om_slot_claim(sys, slot, 1));
	assert_int_equal(om_slot_uncache(sys, slot), OM_SLOT_COUNT_MAX);
	for (unsigned i = OM_SLOT_COUNT_MAX; i-- > 0;)
		assert_int_equal(om_slot_put(sys, slot), i);
	end_system(sys);
}

/* What a stale page-table entry may ask for. */
static void test_no_such_slot(void **state)
{
	struct om_system *sys = unit_system(10);
	const uint32_t none[] = {0, 9, 10, slot_of(1, 0), slot_of(7, 3), UINT32_MAX};

	(void)state;
	add(sys, 10, 0);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(om_slot_count(sys, none[i]), 0);
		assert_int_equal(om_slot_pfn(sys, none[i]), OM_NO_PFN);
		assert_false(om_slot_is_unread(sys, none[i]));
		assert_false(om_slot_claim(sys, none[i], 1));
	}
	end_system(sys);
}

static void test_bugs(void **state)
{
	struct om_system *sys = unit_system(10);
	uint32_t slot;

	(void)state;
	add(sys, 10, 0);
	expect_bug("I11", om_slot_put(sys, 3));
	atomic_store(&sys->swap.lock.state, 0);
	expect_bug("I11", om_slot_dup(sys, slot_of(2, 0)));
	atomic_store(&sys->swap.lock.state, 0);
	assert_int_equal(om_slot_alloc(sys, 1, &slot), 1);
	expect_bug("I11", om_swapdev_remove(sys, 0));
	atomic_store(&sys->swap.lock.state, 0);
	om_slot_set_pfn(sys, slot, 1);
	expect_bug("I11", om_slot_put(sys, slot)); /* freed under its page */
	unit_system_free(sys);
}

/* Slots come in runs, one after the other, round the area. */
static void test_runs(void **state)
{
	struct om_system *sys = unit_system(10);
	uint32_t slot;

	(void)state;
	add(sys, 100, 0);
	for (uint32_t i = 0; i < 100; i += 10) {
		assert_int_equal(om_slot_alloc(sys, 10, &slot), 10);
		assert_int_equal(slot, i);
	}
	assert_int_equal(om_slot_alloc(sys, 10, &slot), 0);
	for (uint32_t i = 20; i < 25; i++)
		om_slot_put(sys, i);
	om_slot_put(sys, 50);
	om_slot_put(sys, 99);
	assert_int_equal(om_slot_alloc(sys, 3, &slot), 3);
	assert_int_equal(slot, 20);
	assert_int_equal(om_slot_alloc(sys, 3, &slot), 2);
	assert_int_equal(slot, 23);
	assert_int_equal(om_slot_alloc(sys, 3, &slot), 1);
	assert_int_equal(slot, 50);
	om_slot_put(sys, 0);
	assert_int_equal(om_slot_alloc(sys, 3, &slot), 1); /* a run does not wrap */
	assert_int_equal(slot, 99);
	assert_int_equal(om_slot_alloc(sys, 3, &slot), 1);
	assert_int_equal(slot, 0);
	assert_int_equal(sys->swap.free, 0);
	for (uint32_t i = 0; i < 100; i++)
		om_slot_put(sys, i);
	assert_int_equal(sys->swap.free, 100);
	end_system(sys);
}

/* Pages that are written together get slots together, though single ones are free before them. */
static void test_clusters(void **state)
{
	const uint32_t slots = 4 * TABLE_SLOTS;
	struct om_system *sys = unit_system(10);
	uint32_t slot;

	(void)state;
	add(sys, slots, 0);
	for (uint32_t n = slots; n; n -= om_slot_alloc(sys, 32, &slot))
		;
	for (uint32_t i = 0; i < TABLE_SLOTS; i += 2) /* the emptiest frame, but no two in a row */
		om_slot_put(sys, i);
	for (uint32_t i = TABLE_SLOTS; i < 2 * TABLE_SLOTS; i += 4)
		om_slot_put(sys, i);
	for (uint32_t i = 3 * TABLE_SLOTS + 100; i < 3 * TABLE_SLOTS + 140; i++)
		om_slot_put(sys, i);
	assert_int_equal(om_slot_alloc(sys, 1, &slot), 1);
	assert_int_equal(slot, 0);
	for (unsigned tries = 0; om_slot_alloc(sys, 40, &slot) == 1; tries++)
		assert_in_range(tries, 0, 2); /* it looks at another frame each time */
	assert_int_equal(slot, 3 * TABLE_SLOTS + 100);
	assert_true(om_slot_count(sys, slot + 39));
	for (uint32_t i = 0; i < slots; i++)
		if (om_slot_count(sys, i))
			om_slot_put(sys, i);
	/* All is free. A run goes on from one frame of the table to the next. */
	sys->swap.device[0].cursor = 0;
	for (uint32_t n = 0; n < TABLE_SLOTS; n += 48)
		assert_int_equal(om_slot_alloc(sys, 48, &slot), 48);
	for (uint32_t i = 0; i < slots; i++)
		if (om_slot_count(sys, i))
			om_slot_put(sys, i);
	end_system(sys);
}

/* A table of many frames: full ones are stepped over, the cut-off last one, too. */
static void test_big_area(void **state)
{
	const uint32_t slots = TABLE_SLOTS * (DIR_TABLES + 2) + 5;
	struct om_system *sys = unit_system(nr_tables(slots) + 2);
	uint32_t slot, offset = 0;

	(void)state;
	assert_int_equal(add(sys, slots, 0), 0);
	assert_int_equal(atomic_load(&sys->free.n), 0);
	for (uint32_t i = 0; i < slots; i += TABLE_SLOTS) {
		uint32_t want = slots - i < TABLE_SLOTS ? slots - i : TABLE_SLOTS;

		assert_int_equal(om_slot_alloc(sys, TABLE_SLOTS, &slot), want);
		assert_int_equal(slot, i);
	}
	assert_false(om_swap_has_room(sys));
	om_slot_put(sys, slots - 1);
	assert_int_equal(om_slot_alloc(sys, 8, &slot), 1);
	assert_int_equal(slot, slots - 1);
	om_slot_put(sys, 3 * TABLE_SLOTS - 1);
	assert_int_equal(om_slot_alloc(sys, 8, &slot), 1);
	assert_int_equal(slot, 3 * TABLE_SLOTS - 1);
	for (uint32_t i = 0; i < slots - 2; i++)
		om_slot_put(sys, i);
	assert_true(om_swapdev_next_used(sys, 0, &offset));
	assert_int_equal(offset, slots - 2);
	om_slot_put(sys, slots - 2);
	assert_true(om_swapdev_next_used(sys, 0, &offset));
	assert_int_equal(offset, slots - 1);
	om_slot_put(sys, slots - 1);
	assert_false(om_swapdev_next_used(sys, 0, &offset));
	end_system(sys);
}

static uint64_t looks(struct om_system *sys)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= sys->cpu_mask; i++)
		n += atomic_load(&sys->shard[i].event[OM_EV_SWAP_SCAN]);
	return n;
}

/*
 * A large device is full but for one slot, anywhere: the search for it looks at two frames of the
 * table at most, not at all of them under a lock that everybody needs.
 */
static void test_nearly_full(void **state)
{
	const uint32_t slots = TABLE_SLOTS * (DIR_TABLES + 2) + 5;
	struct om_system *sys = unit_system(nr_tables(slots) + 2);
	uint64_t seed = 1, before;
	uint32_t slot, one;

	(void)state;
	add(sys, slots, 0);
	for (uint32_t n = slots; n; n -= om_slot_alloc(sys, n < 32 ? n : 32, &slot))
		;
	for (unsigned i = 0; i < 1000; i++) {
		one = unit_rand(&seed) % slots;
		om_slot_put(sys, one);
		before = looks(sys);
		assert_int_equal(om_slot_alloc(sys, 8, &slot), 1);
		assert_int_equal(slot, one);
		assert_in_range(looks(sys) - before, 1, 2 * (TABLE_SLOTS + 1));
	}
	for (uint32_t i = 0; i < slots; i++)
		om_slot_put(sys, i);
	end_system(sys);
}

static unsigned records;

static struct om_held *count_records(void *ctx)
{
	records++;
	return unit_ops.held(ctx);
}

/* The search for a slot in use lets others have the lock on its way through an empty device. */
static void test_next_used_in_pieces(void **state)
{
	const uint32_t slots = TABLE_SLOTS * DIR_TABLES * 4;
	struct om_system *sys = unit_system(nr_tables(slots) + 4);
	struct om_port_ops ops = unit_ops;
	uint32_t slot, offset = 0;

	(void)state;
	add(sys, slots, 0);
	for (uint32_t n = slots; n; n -= om_slot_alloc(sys, n < 32 ? n : 32, &slot))
		;
	for (uint32_t i = 0; i < slots - 1; i++)
		om_slot_put(sys, i);
	ops.held = count_records;
	sys->hooks.ops = &ops;
	records = 0;
	assert_true(om_swapdev_next_used(sys, 0, &offset));
	assert_int_equal(offset, slots - 1);
	if (OM_DEBUG) /* a record for each lock taken and released */
		assert_true(records >= 2 * slots / TABLE_SLOTS / SCAN_STEPS);
	sys->hooks.ops = &unit_ops;
	om_slot_put(sys, slots - 1);
	end_system(sys);
}

static void test_priorities(void **state)
{
	struct om_system *sys = unit_system(10);
	uint32_t slot;

	(void)state;
	assert_int_equal(add(sys, 8, -1), 0);
	assert_int_equal(add(sys, 8, 5), 1);
	assert_int_equal(add(sys, 8, 5), 2);
	assert_int_equal(sys->swap.total, 24);
	/* The two best in turn, until they are full. */
	assert_int_equal(om_slot_alloc(sys, 4, &slot), 4);
	assert_int_equal(slot, slot_of(1, 0));
	assert_int_equal(om_slot_alloc(sys, 4, &slot), 4);
	assert_int_equal(slot, slot_of(2, 0));
	assert_int_equal(om_slot_alloc(sys, 6, &slot), 4);
	assert_int_equal(slot, slot_of(1, 4));
	assert_int_equal(om_slot_alloc(sys, 1, &slot), 1);
	assert_int_equal(slot, slot_of(2, 4));
	assert_int_equal(om_slot_alloc(sys, 8, &slot), 3);
	assert_int_equal(slot, slot_of(2, 5));
	assert_int_equal(om_slot_alloc(sys, 8, &slot), 8);
	assert_int_equal(slot, slot_of(0, 0));
	assert_int_equal(om_slot_alloc(sys, 8, &slot), 0);
	for (unsigned a = 0; a < 3; a++) {
		for (uint32_t i = 0; i < 8; i++)
			om_slot_put(sys, slot_of(a, i));
	}
	end_system(sys);
}

/* swapoff: nothing new goes there; what goes away is not free for others. */
static void test_not_writable(void **state)
{
	struct om_system *sys = unit_system(10);
	uint32_t slot;

	(void)state;
	add(sys, 8, 0);
	assert_int_equal(om_slot_alloc(sys, 3, &slot), 3);
	assert_int_equal(om_swapdev_set_writable(sys, 0, true), -OM_EINVAL);
	assert_int_equal(om_swapdev_set_writable(sys, 1, false), -OM_EINVAL);
	assert_int_equal(om_swapdev_set_writable(sys, OM_SWAP_DEVICES_MAX, false), -OM_EINVAL);
	assert_int_equal(om_swapdev_set_writable(sys, 0, false), 0);
	assert_int_equal(om_swapdev_set_writable(sys, 0, false), -OM_EINVAL);
	assert_int_equal(sys->swap.total, 0);
	assert_int_equal(sys->swap.free, 0);
	assert_int_equal(om_slot_alloc(sys, 3, &slot), 0);
	om_slot_set_pfn(sys, 1, OM_NO_PFN);
	assert_true(om_slot_claim(sys, 1, 1)); /* reading goes on */
	assert_int_equal(om_slot_uncache(sys, 1), 1);
	om_slot_put(sys, 0);
	assert_int_equal(sys->swap.free, 0);
	assert_int_equal(om_swapdev_set_writable(sys, 0, true), 0);
	assert_int_equal(sys->swap.total, 8);
	assert_int_equal(sys->swap.free, 6);
	om_slot_put(sys, 1);
	om_slot_put(sys, 2);
	assert_int_equal(om_swapdev_set_writable(sys, 0, false), 0);
	end_system(sys);
}

static void test_areas(void **state)
{
	static const struct om_store_ops no_write = {.read = NULL};
	struct om_system *sys = unit_system(30);
	om_pfn_t free = atomic_load(&sys->free.n);
	unsigned area;

	(void)state;
	assert_int_equal(om_swapdev_add(sys, NULL, NULL, 8, 0, &area), -OM_EINVAL);
	assert_int_equal(om_swapdev_add(sys, &no_write, NULL, 8, 0, &area), -OM_EINVAL);
	assert_int_equal(om_swapdev_add(sys, &ram_ops_readonly, NULL, 8, 0, &area), -OM_EINVAL);
	assert_int_equal(om_swapdev_add(sys, &ram_ops, NULL, 0, 0, &area), -OM_EINVAL);
	assert_int_equal(om_swapdev_add(sys, &ram_ops, NULL, MAX_SLOTS + 1, 0, &area), -OM_EINVAL);
	/* Too large for the memory there is: everything comes back. */
	for (uint32_t n = 30; n < 40; n++) {
		assert_int_equal(om_swapdev_add(sys, &ram_ops, NULL, n * TABLE_SLOTS, 0, &area),
		                 -OM_ENOFRAME);
		assert_int_equal(atomic_load(&sys->free.n), free);
	}
	for (unsigned i = 0; i < OM_SWAP_DEVICES_MAX; i++)
		assert_int_equal(add(sys, 8, 0), i);
	free = atomic_load(&sys->free.n);
	assert_int_equal(om_swapdev_add(sys, &ram_ops, NULL, 8, 0, &area), -OM_ENOSPC);
	assert_int_equal(atomic_load(&sys->free.n), free);
	om_swapdev_remove(sys, 3);
	assert_int_equal(add(sys, 9, 0), 3);
	assert_ptr_equal(om_slot_device(sys, slot_of(3, 8)), &sys->swap.device[3]);
	assert_ptr_equal(om_slot_device(sys, slot_of(3, 8))->store, sys);
	end_system(sys);
}

/* ---- a random run against plain arrays ---- */

#define MODEL_AREAS 3
#define MODEL_SLOTS 700

struct model_slot {
	unsigned count;
	om_pfn_t pfn;
};

static struct model_slot model[MODEL_AREAS][MODEL_SLOTS];

static void model_alloc(struct om_system *sys, uint64_t *seed)
{
	uint32_t first;
	unsigned n = om_slot_alloc(sys, unit_rand(seed) % 40 + 1, &first);

	for (uint32_t slot = first; n; n--, slot++) {
		struct model_slot *m = &model[slot >> OM_SWAP_DEVICE_SHIFT][om_slot_offset(slot)];

		assert_int_equal(m->count, 0);
		m->count = 1;
		m->pfn = OM_NO_PFN;
		om_slot_set_pfn(sys, slot, OM_NO_PFN);
	}
}

static void model_change(struct om_system *sys, struct model_slot *m, uint32_t slot, unsigned what)
{
	if (what == 0 && m->count < OM_SLOT_COUNT_MAX) {
		assert_true(om_slot_dup(sys, slot));
		m->count++;
	} else if (what == 1 && m->pfn == OM_NO_PFN) {
		assert_true(om_slot_claim(sys, slot, slot % 1000));
		m->pfn = slot % 1000;
		m->count++;
	} else if (what == 2 && m->pfn != OM_NO_PFN) {
		m->pfn = OM_NO_PFN;
		assert_int_equal(om_slot_uncache(sys, slot), --m->count);
	} else if (what > 2 && m->count > (m->pfn != OM_NO_PFN)) {
		assert_int_equal(om_slot_put(sys, slot), --m->count);
	}
}

static void model_check(struct om_system *sys)
{
	uint32_t free = 0;

	for (unsigned a = 0; a < MODEL_AREAS; a++) {
		uint32_t offset = 0, expected = 0;

		for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
			const struct model_slot *m = &model[a][i];

			assert_int_equal(om_slot_count(sys, slot_of(a, i)), m->count);
			free += !m->count;
			if (!m->count)
				continue;
			assert_int_equal(om_slot_pfn(sys, slot_of(a, i)), m->pfn);
			assert_true(om_swapdev_next_used(sys, a, &offset));
			assert_int_equal(offset, i);
			offset++;
			expected = i + 1;
		}
		assert_false(om_swapdev_next_used(sys, a, &offset) && offset >= expected);
	}
	assert_int_equal(sys->swap.free, free);
}

static void test_random(void **state)
{
	struct om_system *sys = unit_system(10);
	uint64_t seed = 3;

	(void)state;
	for (unsigned a = 0; a < MODEL_AREAS; a++)
		add(sys, MODEL_SLOTS, a == 0);
	for (unsigned step = 0; step < 100000; step++) {
		unsigned a = unit_rand(&seed) % MODEL_AREAS;
		uint32_t i = unit_rand(&seed) % MODEL_SLOTS;

		if (unit_rand(&seed) % (step / 5000 % 2 ? 8 : 100) == 0)
			model_alloc(sys, &seed);
		if (model[a][i].count)
			model_change(sys, &model[a][i], slot_of(a, i), unit_rand(&seed) % 6);
		if (step % 1000 == 0)
			model_check(sys);
	}
	for (unsigned a = 0; a < MODEL_AREAS; a++) {
		for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
			struct model_slot *m = &model[a][i];

			if (m->count)
				model_change(sys, m, slot_of(a, i), 2);
			while (m->count)
				model_change(sys, m, slot_of(a, i), 3);
		}
	}
	end_system(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_slot),
	    cmocka_unit_test(test_count_is_bounded),
	    cmocka_unit_test(test_no_such_slot),
	    cmocka_unit_test(test_bugs),
	    cmocka_unit_test(test_runs),
	    cmocka_unit_test(test_clusters),
	    cmocka_unit_test(test_big_area),
	    cmocka_unit_test(test_nearly_full),
	    cmocka_unit_test(test_next_used_in_pieces),
	    cmocka_unit_test(test_priorities),
	    cmocka_unit_test(test_not_writable),
	    cmocka_unit_test(test_areas),
	    cmocka_unit_test(test_random),
	};

	return unit_run(tests);
}
