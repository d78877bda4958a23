/*
 * test_anon_vma_chain.c: which anon_vma a page names, how many there are and how they are chained,
 * and which is used again.
 */
#include "rivals/rival.h"

enum { ANON_VMAS, CHAINS };

static struct space start(void)
{
	struct space s = space_start(512, 64);

	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'a');
	return s;
}

/* A new page names its area's anon_vma; so does one that a write makes exclusive again. */
static void test_homes(void **state)
{
	struct space s = start();
	struct om_mm *child = fork_of(s.mm);
	struct om_anon_vma *root = anon_vma_at(s.mm, 0), *own = anon_vma_at(child, 0);

	(void)state;
	assert_ptr_equal(root->root, root);
	assert_ptr_equal(own->root, root);
	assert_ptr_equal(own->parent, root);
	assert_ptr_equal(home_of(child, 0), root);
	assert_int_equal(looks(&s, child, 0, 2), 2);
	space_put(&s, child, 0, 'A');
	assert_ptr_equal(home_of(child, 0), own);
	assert_ptr_equal(home_of(s.mm, 0), root);
	assert_int_equal(looks(&s, child, 0, 1), 1);
	assert_in_range(looks(&s, s.mm, 0, 1), 1, 2); /* the child might still have the parent's */
	assert_int_equal(om_munmap(s.mm, at(1), OM_PAGE_SIZE), 0);
	assert_ptr_equal(home_of(child, 1), root);
	space_put(&s, child, 1, 'B');
	assert_ptr_equal(home_of(child, 1), own);
	assert_int_equal(looks(&s, child, 1, 1), 1);
	space_check(&s);
	om_mm_destroy(child);
	space_finish(&s);
}

/* The page of a slot that others hold belongs to the root, whoever comes first (hazard 22). */
static void test_swapin(void **state)
{
	struct space s = start();
	struct om_mm *child, *grandchild;

	(void)state;
	assert_int_equal(om_madvise(s.mm, at(0), 4 * OM_PAGE_SIZE, OM_MADV_PAGEOUT), 0);
	child = fork_of(s.mm);
	grandchild = fork_of(child);
	assert_int_equal(space_get(&s, grandchild, 0), 'a');
	assert_int_equal(space_kind(grandchild, 0), OM_PAGE_SHARED);
	assert_ptr_equal(home_of(grandchild, 0), anon_vma_at(s.mm, 0));
	space_check(&s);
	assert_int_equal(space_get(&s, s.mm, 0), 'a');
	assert_in_range(looks(&s, s.mm, 0, 2), 2, 3);
	om_mm_destroy(grandchild);
	om_mm_destroy(child);
	assert_int_equal(space_get(&s, s.mm, 1), 'b'); /* alone: its own */
	assert_int_equal(space_kind(s.mm, 1), OM_PAGE_DIRECT);
	space_check(&s);
	space_finish(&s);
}

/* A line of processes that all live: chain n has n links. Each piece of a split area has as many. */
static void test_depth(void **state)
{
	struct space s = start();
	struct om_mm *line[10] = {s.mm};

	(void)state;
	assert_int_equal(objects(&s, CHAINS), 1);
	for (unsigned i = 1; i < 10; i++) {
		line[i] = fork_of(line[i - 1]);
		assert_int_equal(objects(&s, ANON_VMAS), i + 1);
		assert_int_equal(objects(&s, CHAINS), (i + 1) * (i + 2) / 2);
	}
	assert_int_equal(om_mprotect(line[9], at(1), OM_PAGE_SIZE, OM_PROT_READ), 0);
	assert_int_equal(objects(&s, CHAINS), 55 + 2 * 10);
	assert_int_equal(objects(&s, ANON_VMAS), 10);
	space_check(&s);
	assert_int_equal(om_mprotect(line[9], at(1), OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE),
	                 0);
	expect_layout(line[9], {0, 4, RW});
	assert_int_equal(objects(&s, CHAINS), 55);
	for (unsigned i = 1; i < 9; i++)
		om_mm_destroy(line[i]);
	assert_int_equal(objects(&s, ANON_VMAS), 10); /* the last one's chain leads to them */
	space_check(&s);
	om_mm_destroy(line[9]);
	assert_int_equal(objects(&s, ANON_VMAS), 1);
	assert_int_equal(objects(&s, CHAINS), 1);
	space_finish(&s);
}

/* Of those without areas of their own and with one child at most the oldest, once each. */
static void test_reuse(void **state)
{
	struct space s = start();
	struct om_mm *a = fork_of(s.mm), *b = fork_of(a), *c = fork_of(b), *heir[3];
	struct om_anon_vma *of_a = anon_vma_at(a, 0), *of_b = anon_vma_at(b, 0);

	(void)state;
	om_mm_destroy(a);
	om_mm_destroy(b);
	for (unsigned i = 0; i < 3; i++) {
		heir[i] = fork_of(c);
		space_put(&s, heir[i], 0, 'A' + (int)i);
		space_check(&s);
	}
	assert_ptr_equal(anon_vma_at(heir[0], 0), of_a);
	assert_ptr_equal(anon_vma_at(heir[1], 0), of_b);
	assert_ptr_not_equal(anon_vma_at(heir[2], 0), of_a);
	assert_ptr_not_equal(anon_vma_at(heir[2], 0), of_b);
	assert_int_equal(objects(&s, ANON_VMAS), 5);
	/* What is used again has others in its tree: c, and all three. */
	assert_ptr_equal(home_of(heir[0], 0), of_a);
	assert_int_equal(of_a->num_active, 1);
	assert_int_equal(looks(&s, heir[2], 0, 1), 1);
	/* And again, when those have gone that used it again. */
	om_mm_destroy(heir[0]);
	om_mm_destroy(heir[1]);
	heir[0] = fork_of(heir[2]);
	assert_ptr_equal(anon_vma_at(heir[0], 0), of_a);
	om_mm_destroy(heir[0]);
	om_mm_destroy(heir[2]);
	om_mm_destroy(c);
	assert_int_equal(objects(&s, ANON_VMAS), 1);
	space_finish(&s);
}

/* Pages of two children that have nothing to do with each other must not meet in one tree. */
static void test_no_reuse(void **state)
{
	struct space s = start();
	struct om_mm *child = fork_of(s.mm), *one = fork_of(child), *two = fork_of(child), *heir;
	struct om_anon_vma *av = anon_vma_at(child, 0);

	(void)state;
	om_mm_destroy(child);
	assert_int_equal(av->num_active, 0);
	assert_int_equal(av->num_children, 2);
	heir = fork_of(one);
	assert_ptr_not_equal(anon_vma_at(heir, 0), av);
	om_mm_destroy(two);
	assert_int_equal(av->num_children, 1);
	two = fork_of(one);
	assert_ptr_equal(anon_vma_at(two, 0), av);
	space_check(&s);
	om_mm_destroy(heir);
	om_mm_destroy(one);
	om_mm_destroy(two);
	space_finish(&s);
}

/* The root stays the root's: it is its own child, and has another one. */
static void test_root_is_not_reused(void **state)
{
	struct space s = start();
	struct om_mm *child = fork_of(s.mm), *heir;
	struct om_anon_vma *root = anon_vma_at(s.mm, 0);

	(void)state;
	om_mm_destroy(s.mm);
	s.mm = NULL;
	assert_int_equal(root->num_active, 0);
	heir = fork_of(child);
	assert_ptr_not_equal(anon_vma_at(heir, 0), root);
	space_check(&s);
	om_mm_destroy(child);
	om_mm_destroy(heir);
	space_finish(&s);
}

/* Inherited areas take in nothing that is mapped beside them; nor does that share their anon_vma. */
static void test_merging(void **state)
{
	struct space s = start();
	struct om_mm *parent = s.mm, *child = fork_of(s.mm);

	(void)state;
	space_map(&s, 4, 2, RW, 0);
	expect_layout(s.mm, {0, 6, RW});
	s.mm = child;
	space_map(&s, 4, 2, RW, 0);
	expect_layout(child, {0, 4, RW}, {4, 6, RW});
	space_put(&s, child, 4, 'e');
	assert_ptr_not_equal(anon_vma_at(child, 4), anon_vma_at(child, 0));
	space_map(&s, 6, 2, R, 0); /* this one can share that */
	assert_int_equal(om_mprotect(child, at(6), OM_PAGE_SIZE, OM_PROT_WRITE), 0);
	space_put(&s, child, 6, 'g');
	assert_ptr_equal(anon_vma_at(child, 6), anon_vma_at(child, 4));
	space_check(&s);
	s.mm = parent;
	om_mm_destroy(child);
	space_finish(&s);
}

/* The one without takes over what the other has, on either side. */
static void test_absorb(void **state)
{
	struct space s = start();

	(void)state;
	space_map(&s, 8, 2, RW, 0);
	space_map(&s, 4, 4, RW, 0); /* joins both neighbours: the upper one has none */
	expect_layout(s.mm, {0, 10, RW});
	space_map(&s, 20, 2, R, 0);
	space_map(&s, 22, 2, RW, 0);
	space_put(&s, s.mm, 22, 'w');
	assert_null(anon_vma_at(s.mm, 20));
	assert_int_equal(om_mprotect(s.mm, at(20), 2 * OM_PAGE_SIZE, OM_PROT_READ | OM_PROT_WRITE),
	                 0);
	expect_layout(s.mm, {0, 10, RW}, {20, 24, RW});
	assert_non_null(anon_vma_at(s.mm, 20));
	assert_int_equal(objects(&s, ANON_VMAS), 2);
	assert_int_equal(objects(&s, CHAINS), 2);
	space_check(&s);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_homes),    cmocka_unit_test(test_swapin),
	    cmocka_unit_test(test_depth),    cmocka_unit_test(test_reuse),
	    cmocka_unit_test(test_no_reuse), cmocka_unit_test(test_root_is_not_reused),
	    cmocka_unit_test(test_merging),  cmocka_unit_test(test_absorb),
	};

	return unit_run(tests);
}
