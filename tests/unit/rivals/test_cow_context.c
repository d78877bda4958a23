/*
 * test_cow_context.c: where a page is at home, how far a walk goes, which areas have remap records,
 * and what is left of contexts that have ended.
 */
#include "rivals/rival.h"

enum { CONTEXTS, RECORDS };

#define ANYWHERE ((int)OM_MREMAP_MAYMOVE | (int)OM_MREMAP_FIXED)

static struct space start(void)
{
	struct space s = space_start(512, 64);

	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	return s;
}

static void move(struct om_mm *mm, uintptr_t from, uintptr_t to, size_t n)
{
	struct om_remap_request r = {.old_addr = at(from),
	                             .old_len = n << OM_PAGE_SHIFT,
	                             .new_len = n << OM_PAGE_SHIFT,
	                             .flags = ANYWHERE,
	                             .new_addr = at(to)};

	assert_int_equal(om_mremap(mm, &r), 0);
}

/* A walk looks at the home and what is below it, while all are found there. */
static void test_walk_below(void **state)
{
	struct space s = start();
	struct om_mm *child[8], *grandchild;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		child[i] = fork_of(s.mm);
	space_put(&s, child[3], 0, 'c');
	assert_ptr_equal(home_of(child[3], 0), child[3]->anon_mm);
	grandchild = fork_of(child[3]);
	assert_ptr_equal(home_of(grandchild, 0), child[3]->anon_mm);
	assert_int_equal(looks(&s, grandchild, 0, 2), 2);
	assert_ptr_equal(home_of(child[0], 0), s.mm->anon_mm);
	assert_in_range(looks(&s, child[0], 0, 8), 8, 10);
	space_put(&s, grandchild, 0, 'g');
	assert_int_equal(looks(&s, grandchild, 0, 1), 1);
	space_check(&s);
	for (unsigned i = 0; i < 8; i++)
		om_mm_destroy(child[i]);
	om_mm_destroy(grandchild);
	space_finish(&s);
}

/* Swap-in by a grandchild puts the page at home there; those above are found all the same. */
static void test_walk_above(void **state)
{
	struct space s = start();
	struct om_mm *child = fork_of(s.mm), *grandchild = fork_of(child);

	(void)state;
	assert_true(om_reclaim_step(s.sys, 100) >= 4);
	assert_int_equal(space_get(&s, grandchild, 0), 'a');
	assert_ptr_equal(home_of(grandchild, 0), grandchild->anon_mm);
	assert_int_equal(space_get(&s, s.mm, 0), 'a');
	assert_ptr_equal(space_page(s.mm, 0, NULL, NULL), space_page(grandchild, 0, NULL, NULL));
	assert_in_range(looks(&s, s.mm, 0, 2), 2, 3);
	move(child, 0, 100, 4);
	assert_int_equal(space_get(&s, child, 100), 'a');
	assert_ptr_equal(space_page(s.mm, 0, NULL, NULL), space_page(child, 100, NULL, NULL));
	assert_in_range(looks(&s, s.mm, 0, 3), 3, 4);
	assert_int_equal(space_event(s.sys, OM_EV_RMAP_COPY), 0);
	space_check(&s);
	om_mm_destroy(child);
	om_mm_destroy(grandchild);
	space_finish(&s);
}

/* A record for each area that has moved; none for who is at home. */
static void test_records(void **state)
{
	struct space s = start();
	struct om_mm *child;

	(void)state;
	assert_int_equal(objects(&s, RECORDS), 0);
	move(s.mm, 0, 100, 4);
	assert_int_equal(objects(&s, RECORDS), 1);
	assert_int_equal(looks(&s, s.mm, 100, 1), 2); /* here, and where the number says */
	assert_int_equal(om_mprotect(s.mm, at(101), OM_PAGE_SIZE, OM_PROT_READ), 0);
	assert_int_equal(objects(&s, RECORDS), 3);
	child = fork_of(s.mm);
	assert_int_equal(objects(&s, RECORDS), 6);
	assert_in_range(looks(&s, s.mm, 101, 2), 2, 4);
	space_check(&s);
	assert_int_equal(om_mprotect(s.mm, at(101), OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE), 0);
	assert_int_equal(objects(&s, RECORDS), 4);
	assert_int_equal(om_munmap(child, at(100), OM_PAGE_SIZE), 0);
	assert_int_equal(objects(&s, RECORDS), 3);
	move(s.mm, 100, 0, 4); /* home again */
	assert_int_equal(objects(&s, RECORDS), 2);
	assert_int_equal(looks(&s, s.mm, 0, 1), 1);
	space_expect(&s, s.mm, 0, 4, 'a');
	space_expect(&s, child, 101, 3, 'b');
	space_check(&s);
	om_mm_destroy(child);
	assert_int_equal(objects(&s, RECORDS), 0);
	space_finish(&s);
}

/* A private area of a file is numbered by it: the first write makes a record, fork another. */
static void test_private_file(void **state)
{
	struct space s = start();
	struct om_mapping *file = space_file(&s, 8);
	struct om_mm *child;

	(void)state;
	space_map_file(&s, 20, 8, RW, OM_MAP_PRIVATE, file, 0);
	assert_int_equal(space_get(&s, s.mm, 21), 2);
	assert_int_equal(objects(&s, RECORDS), 0);
	space_put(&s, s.mm, 21, 'w');
	assert_int_equal(objects(&s, RECORDS), 1);
	assert_ptr_equal(home_of(s.mm, 21), s.mm->anon_mm);
	assert_int_equal(space_page(s.mm, 21, NULL, NULL)->index, 1);
	assert_in_range(looks(&s, s.mm, 21, 1), 1, 2);
	child = fork_of(s.mm);
	assert_int_equal(objects(&s, RECORDS), 2);
	assert_in_range(looks(&s, child, 21, 2), 2, 4);
	space_put(&s, child, 22, 'x');
	assert_int_equal(objects(&s, RECORDS), 2);
	space_check(&s);
	om_mm_destroy(child);
	om_mapping_put(file);
	space_finish(&s);
}

/* Pages that came from a parent long ended; one context for the family, one for who lives. */
static void test_generations(void **state)
{
	struct space s = start();
	struct om_mm *child;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		space_put(&s, s.mm, i % 3, (int)i);
		child = fork_of(s.mm);
		om_mm_destroy(s.mm);
		s.mm = child;
		assert_true(objects(&s, CONTEXTS) <= 6);
	}
	assert_int_equal(space_get(&s, s.mm, 3), 'd');
	for (uintptr_t i = 0; i < 4; i++) {
		looks(&s, s.mm, i, 1);
		assert_ptr_equal(home_of(s.mm, i), s.mm->anon_mm);
	}
	assert_int_equal(objects(&s, CONTEXTS), 2);
	space_check(&s);
	om_mm_empty(s.mm); /* exec: the family ends */
	assert_int_equal(objects(&s, CONTEXTS), 1);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_walk_below),  cmocka_unit_test(test_walk_above),
	    cmocka_unit_test(test_records),     cmocka_unit_test(test_private_file),
	    cmocka_unit_test(test_generations),
	};

	return unit_run(tests);
}
