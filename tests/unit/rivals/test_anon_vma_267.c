/*
 * test_anon_vma_267.c: one anon_vma for a family, from the first fault on, in which everything is
 * looked for.
 */
#include "rivals/rival.h"

static void test_first_fault(void **state)
{
	struct space s = space_start(128, 0);

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_map(&s, 4, 4, R, 0);
	space_map(&s, 8, 4, RW, OM_MAP_GROWSDOWN);
	assert_int_equal(space_get(&s, s.mm, 0), 0); /* the zero page needs none */
	assert_int_equal(objects(&s, 0), 0);
	space_put(&s, s.mm, 0, 'a');
	assert_int_equal(objects(&s, 0), 1);

	/* A neighbour that mprotect() could make equal shares it; one of another kind does not. */
	assert_int_equal(om_mprotect(s.mm, at(4), 4 * OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE),
	                 0);
	expect_layout(s.mm, {0, 8, RW}, {8, 12, RW | GD});
	assert_int_equal(om_mprotect(s.mm, at(6), OM_PAGE_SIZE, OM_PROT_READ), 0);
	space_put(&s, s.mm, 8, 'i');
	assert_int_equal(objects(&s, 0), 2);
	assert_ptr_not_equal(anon_vma_at(s.mm, 8), anon_vma_at(s.mm, 0));
	space_check(&s);
	space_finish(&s);
}

/* Below and above; and in the middle of both, where the upper one is asked first. */
static void test_neighbours(void **state)
{
	struct space s = space_start(128, 0);
	struct om_anon_vma *av;

	(void)state;
	space_map(&s, 4, 4, RX, 0);
	space_map(&s, 8, 4, RW, 0);
	space_put(&s, s.mm, 8, 'i');
	av = anon_vma_at(s.mm, 8);
	assert_int_equal(om_mprotect(s.mm, at(4), 4 * OM_PAGE_SIZE, OM_PROT_WRITE), 0);
	space_put(&s, s.mm, 4, 'e');
	assert_ptr_equal(anon_vma_at(s.mm, 4), av);
	space_map(&s, 12, 4, R | W | X, 0);
	space_put(&s, s.mm, 12, 'm');
	assert_ptr_equal(anon_vma_at(s.mm, 12), av);
	assert_int_equal(objects(&s, 0), 1);
	expect_layout(s.mm, {4, 8, W}, {8, 12, RW}, {12, 16, R | W | X});

	/* That is what it is for. */
	assert_int_equal(om_mprotect(s.mm, at(4), 12 * OM_PAGE_SIZE, OM_PROT_READ), 0);
	expect_layout(s.mm, {4, 16, R});
	space_check(&s);
	space_finish(&s);
}

/* A page stays where it was, after a write has made it exclusive, and is looked for in all. */
static void test_family(void **state)
{
	struct space s = space_start(256, 0);
	struct om_mm *child[8];

	(void)state;
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	for (unsigned i = 0; i < 8; i++)
		child[i] = fork_of(s.mm);
	assert_int_equal(objects(&s, 0), 1);
	assert_int_equal(looks(&s, s.mm, 0, 9), 9);
	for (unsigned i = 0; i < 8; i++)
		space_put(&s, child[i], 0, 'A');
	space_put(&s, s.mm, 0, 'B'); /* reused: nobody else has it */
	assert_int_equal(space_kind(s.mm, 0), OM_PAGE_DIRECT);
	assert_ptr_equal(home_of(s.mm, 0), home_of(child[0], 0));
	assert_ptr_equal(home_of(s.mm, 0), anon_vma_at(child[7], 0));
	assert_int_equal(looks(&s, s.mm, 0, 1),
	                 9); /* the parent's area was queued first, and is seen last */
	assert_int_equal(looks(&s, child[7], 0, 1), 1);
	space_check(&s);
	for (unsigned i = 0; i < 8; i++)
		om_mm_destroy(child[i]);
	assert_int_equal(looks(&s, s.mm, 0, 1), 1);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first_fault),
	    cmocka_unit_test(test_neighbours),
	    cmocka_unit_test(test_family),
	};

	return unit_run(tests);
}
