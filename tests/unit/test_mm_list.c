/*
 * test_mm_list.c: the lists of address spaces, one for each shard: who goes through them meets all
 * of them, wherever they were made and end, and reclaim's turn comes to each.
 */
#include "unit.h"

#include "area/mm.h"
#include "reclaim/tables.h"
#include "sim.h"

#define FRAMES 256
#define CPUS   4
#define SPAN   OM_TABLE_SPAN
#define AT     ((uintptr_t)0x20000000)

static struct om_mm *new_mm(struct om_system *sys, unsigned cpu)
{
	struct om_mm *mm;

	sim_this_cpu = cpu;
	assert_int_equal(om_mm_new(sys, &sim_layout, NULL, NULL, &mm), 0);
	assert_ptr_equal(mm->home, &sys->shard[cpu & sys->cpu_mask].mms);
	return mm;
}

static void end(struct om_system *sys)
{
	sim_this_cpu = 0;
	assert_null(om_mm_after(sys, NULL));
	for (unsigned i = 0; i <= sys->cpu_mask; i++) {
		assert_null(sys->shard[i].mms.first);
		assert_null(sys->shard[i].mms.turn);
	}
	unit_assert_all_free(sys);
	unit_system_free(sys);
}

/* They are met in this order, NULL last; with references, or at rest. */
static void expect_order(struct om_system *sys, struct om_mm *const mms[])
{
	struct om_mm *mm = NULL;

	for (unsigned i = 0; (mm = om_mm_iterate(sys, mm)); i++) {
		assert_ptr_equal(mm, mms[i]);
		assert_int_equal(mm->refs, 2);
	}
	om_for_each_mm (met, sys) {
		assert_ptr_equal(met, *mms++);
		assert_int_equal(met->refs, 1);
	}
	assert_null(*mms);
}

static void test_each_once(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct om_mm *a, *b, *c, *d;

	(void)state;
	expect_order(sys, (struct om_mm *[]){NULL});
	a = new_mm(sys, 2);
	b = new_mm(sys, 0);
	c = new_mm(sys, 2);
	d = new_mm(sys, 3);
	expect_order(sys, (struct om_mm *[]){b, c, a, d, NULL});
	/* Each ends on another CPU than it was made on. */
	sim_this_cpu = 1;
	om_mm_put(c);
	expect_order(sys, (struct om_mm *[]){b, a, d, NULL});
	om_mm_put(b);
	expect_order(sys, (struct om_mm *[]){a, d, NULL});
	om_mm_put(a);
	expect_order(sys, (struct om_mm *[]){d, NULL});
	om_mm_put(d);
	end(sys);
}

/* Who is met may end meanwhile, and is on its list until it is passed. */
static void test_ends_when_passed(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct om_mm *a = new_mm(sys, 1), *b = new_mm(sys, 1), *c = new_mm(sys, 3), *mm;

	(void)state;
	mm = om_mm_iterate(sys, NULL);
	assert_ptr_equal(mm, b);
	om_mm_put(b);
	assert_ptr_equal(sys->shard[1].mms.first, b);
	mm = om_mm_iterate(sys, mm);
	assert_ptr_equal(mm, a);
	assert_ptr_equal(sys->shard[1].mms.first, a);
	mm = om_mm_iterate(sys, mm);
	assert_ptr_equal(mm, c);
	om_mm_put(a);
	assert_null(om_mm_iterate(sys, mm));
	om_mm_put(c);
	end(sys);
}

static void test_reference_wants_lock(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct om_mm *mm = new_mm(sys, 1);

	(void)state;
	if (OM_DEBUG) {
		expect_bug("list lock", om_mm_get(mm));
		mm->refs = 1;
	}
	om_mm_put(mm);
	end(sys);
}

/* ---------------------------------------------------------------- whose turn ---------------- */

/* A table that holds nothing, under an area, which is made with the first one. */
static void add_table(struct om_mm *mm)
{
	om_mm_write_lock(mm);
	if (!mm->vmas) {
		struct om_vma *vma = om_vma_new(mm, AT, AT + SPAN, 0, OM_PROT_READ, NULL);

		assert_non_null(vma);
		om_vma_link(vma);
	}
	assert_non_null(om_table_make(mm, &mm->own, AT));
	om_mm_write_unlock(mm);
}

static bool has_table(struct om_mm *mm)
{
	return om_table_find(mm, AT);
}

static void end_mm(struct om_mm *mm)
{
	om_mm_write_lock(mm);
	om_unmap_areas(mm, 0, OM_VA_LIMIT, false);
	om_mm_write_unlock(mm);
	om_mm_put(mm);
}

/* Wherever the turn is, reclaim comes to every list, whether others are empty or not. */
static void test_turn_comes_to_all(void **state)
{
	for (unsigned begin = 0; begin < CPUS; begin++) {
		struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
		struct om_mm *mm[3] = {new_mm(sys, 1), new_mm(sys, 3), new_mm(sys, 1)};

		atomic_store(&sys->tables_shard, begin);
		for (unsigned i = 0; i < 3; i++)
			add_table(mm[i]);
		assert_true(om_reclaim_tables(sys, OM_TABLES_ALL, FRAMES) >= 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_false(has_table(mm[i]));
			end_mm(mm[i]);
		}
		end(sys);
	}
	(void)state;
}

/* A target that is met stops there, and the next one who looks goes on behind it. */
static void test_turn_goes_on(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct om_mm *mm[3] = {new_mm(sys, 1), new_mm(sys, 1), new_mm(sys, 2)};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		add_table(mm[i]);
	assert_true(om_reclaim_tables(sys, OM_TABLES_ALL, 1) > 0);
	assert_true(has_table(mm[0]) && !has_table(mm[1]) && has_table(mm[2]));
	assert_ptr_equal(sys->shard[1].mms.turn, mm[0]);
	add_table(mm[1]);
	assert_true(om_reclaim_tables(sys, OM_TABLES_ALL, 1) > 0);
	assert_true(!has_table(mm[0]) && has_table(mm[1]) && has_table(mm[2]));
	assert_true(om_reclaim_tables(sys, OM_TABLES_ALL, 1) > 0);
	assert_true(has_table(mm[1]) && !has_table(mm[2]));
	for (unsigned i = 0; i < 3; i++)
		end_mm(mm[i]);
	end(sys);
}

/* Whose turn it is ends: then it is the next one's, from its first table on. */
static void test_turn_of_who_ends(void **state)
{
	struct om_system *sys = unit_system_cpus(FRAMES, CPUS);
	struct om_mm *a = new_mm(sys, 2), *b = new_mm(sys, 2);
	struct om_mm_list *list = &sys->shard[2].mms;

	(void)state;
	list->turn = b;
	list->turn_addr = AT;
	om_mm_put(b);
	assert_ptr_equal(list->turn, a);
	assert_int_equal(list->turn_addr, 0);
	om_mm_put(a);
	assert_null(list->turn);
	assert_int_equal(om_reclaim_tables(sys, OM_TABLES_ALL, 1), 0);
	end(sys);
}

/* ---------------------------------------------------------------- threads ------------------- */

struct crowd {
	struct om_system *sys;
	struct om_mm *stays;
};

/* Threads 0 and 1 go through the lists; the others make address spaces and end them elsewhere. */
static void in_a_crowd(void *arg, unsigned i)
{
	struct crowd *c = arg;

	for (unsigned step = 0; step < 2000; step++) {
		struct om_mm *mm = NULL;
		unsigned met = 0;

		if (i == 0) {
			while ((mm = om_mm_iterate(c->sys, mm)))
				met += mm == c->stays;
			unit_check(met == 1);
		} else if (i == 1) {
			(void)om_reclaim_tables(c->sys, OM_TABLES_ALL, 1);
		} else {
			sim_this_cpu = (i + step) % CPUS;
			unit_check(!om_mm_new(c->sys, &sim_layout, NULL, NULL, &mm));
			sim_this_cpu = (i + step / 3) % CPUS;
			end_mm(mm);
		}
	}
}

static void test_crowd(void **state)
{
	struct crowd c = {.sys = unit_system_cpus(FRAMES, CPUS)};

	(void)state;
	c.stays = new_mm(c.sys, 2);
	unit_threads(5, in_a_crowd, &c);
	om_mm_put(c.stays);
	end(c.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_once),
	    cmocka_unit_test(test_ends_when_passed),
	    cmocka_unit_test(test_reference_wants_lock),
	    cmocka_unit_test(test_turn_comes_to_all),
	    cmocka_unit_test(test_turn_goes_on),
	    cmocka_unit_test(test_turn_of_who_ends),
	    cmocka_unit_test(test_crowd),
	};

	return unit_run(tests);
}
