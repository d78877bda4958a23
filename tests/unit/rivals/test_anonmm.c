/*
 * test_anonmm.c: where a page is at home, what mremap and swap-in cost, and how families begin and
 * end.
 */
#include "rivals/rival.h"

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

static uintptr_t index_at(struct om_mm *mm, uintptr_t page)
{
	return space_page(mm, page, NULL, NULL)->index;
}

/* At home with who faulted it, or wrote to it as the last one; an exclusive page costs one look. */
static void test_homes(void **state)
{
	struct space s = start();
	struct om_mm *child = fork_of(s.mm), *other = fork_of(s.mm);

	(void)state;
	assert_ptr_equal(child->anon_mm->kin.head, &s.mm->anon_mm->kin);
	assert_ptr_equal(home_of(child, 0), s.mm->anon_mm);
	assert_int_equal(index_at(child, 0), at(0) >> OM_PAGE_SHIFT);
	assert_int_equal(looks(&s, child, 0, 3), 3);
	space_put(&s, child, 0, 'A');
	assert_ptr_equal(home_of(child, 0), child->anon_mm);
	assert_int_equal(looks(&s, child, 0, 1), 1);
	/* Two of three have it: the third may be looked into. */
	assert_in_range(looks(&s, s.mm, 0, 2), 2, 3);
	space_put(&s, s.mm, 1, 'P');
	assert_ptr_equal(home_of(s.mm, 1), s.mm->anon_mm);
	assert_int_equal(om_munmap(child, at(1), OM_PAGE_SIZE), 0);
	space_put(&s, other, 1, 'O'); /* the last one: no copy */
	assert_ptr_equal(home_of(other, 1), other->anon_mm);
	assert_int_equal(looks(&s, other, 1, 1), 1);
	space_check(&s);
	om_mm_destroy(child);
	om_mm_destroy(other);
	space_finish(&s);
}

/* An exclusive page takes its index along; a shared one is copied, and others keep theirs. */
static void test_move(void **state)
{
	struct space s = start();
	struct om_page *page = space_page(s.mm, 0, NULL, NULL);
	struct om_mm *child;

	(void)state;
	move(s.mm, 0, 100, 4);
	assert_ptr_equal(space_page(s.mm, 100, NULL, NULL), page);
	assert_int_equal(page->index, at(100) >> OM_PAGE_SHIFT);
	assert_int_equal(looks(&s, s.mm, 100, 1), 1);
	child = fork_of(s.mm);
	move(child, 100, 200, 4);
	assert_int_equal(space_event(s.sys, OM_EV_RMAP_COPY), 4);
	assert_int_equal(index_at(child, 200), at(200) >> OM_PAGE_SHIFT);
	assert_int_equal(index_at(s.mm, 100), at(100) >> OM_PAGE_SHIFT);
	space_expect(&s, child, 200, 4, 'a');
	space_expect(&s, s.mm, 100, 4, 'a');
	/* Memory of any past merges. */
	space_map(&s, 104, 2, RW, 0);
	expect_layout(s.mm, {100, 106, RW});
	space_check(&s);
	om_mm_destroy(child);
	space_finish(&s);
}

/* Shared slots move; who comes second, at another address, gets a copy. */
static void test_swapin_elsewhere(void **state)
{
	struct space s = start();
	struct om_mm *child = fork_of(s.mm), *third = fork_of(s.mm);

	(void)state;
	assert_true(om_reclaim_step(s.sys, 100) >= 4);
	assert_int_equal(space_kind(s.mm, 0), OM_PAGE_SWAP);
	move(s.mm, 0, 100, 4);
	assert_int_equal(space_event(s.sys, OM_EV_RMAP_COPY), 0);
	assert_int_equal(space_get(&s, s.mm, 100), 'a');
	assert_int_equal(space_kind(s.mm, 100), OM_PAGE_SHARED);
	assert_int_equal(space_get(&s, child, 0), 'a');
	assert_int_equal(space_event(s.sys, OM_EV_RMAP_COPY), 1);
	assert_int_equal(space_kind(child, 0), OM_PAGE_DIRECT);
	space_check(&s);
	/* And where the addresses agree, the page. */
	assert_int_equal(space_get(&s, child, 1), 'b');
	assert_int_equal(space_get(&s, third, 1), 'b');
	assert_ptr_equal(space_page(third, 1, NULL, NULL), space_page(child, 1, NULL, NULL));
	assert_ptr_equal(home_of(third, 1), child->anon_mm);
	assert_in_range(looks(&s, third, 1, 2), 2, 3);
	space_expect(&s, s.mm, 100, 4, 'a');
	space_expect(&s, third, 0, 4, 'a');
	space_check(&s);
	om_mm_destroy(child);
	om_mm_destroy(third);
	space_finish(&s);
}

/* One that has ended stays while pages are at home there; a walk takes them to who has them. */
static void test_ended(void **state)
{
	struct space s = start();
	struct om_mm *child = fork_of(s.mm), *grandchild = fork_of(child);

	(void)state;
	space_put(&s, child, 0, 'c');
	om_mm_destroy(grandchild);
	grandchild = fork_of(child);
	om_mm_destroy(child);
	assert_int_equal(objects(&s, 0), 3);
	assert_ptr_not_equal(home_of(grandchild, 0), grandchild->anon_mm);
	space_check(&s);
	looks(&s, grandchild, 0, 1);
	assert_ptr_equal(home_of(grandchild, 0), grandchild->anon_mm);
	assert_int_equal(objects(&s, 0), 2);
	space_check(&s);
	/* The head stays to the end. */
	om_mm_destroy(s.mm);
	s.mm = NULL;
	looks(&s, grandchild, 1, 1);
	assert_int_equal(objects(&s, 0), 2);
	om_mm_destroy(grandchild);
	assert_int_equal(objects(&s, 0), 0);
	space_finish(&s);
}

/* An exec that keeps its mm begins a family, if there is memory for a head. */
static void test_exec(void **state)
{
	struct space s = start();
	struct om_mm *child = fork_of(s.mm);
	struct om_kin *parent = &s.mm->anon_mm->kin;

	(void)state;
	om_mm_empty(s.mm);
	assert_ptr_equal(s.mm->anon_mm->kin.head, &s.mm->anon_mm->kin);
	assert_ptr_not_equal(&s.mm->anon_mm->kin, parent);
	assert_ptr_equal(child->anon_mm->kin.head, parent); /* which has ended */
	assert_null(parent->mm);
	space_map(&s, 0, 4, RW, 0);
	space_fill(&s, s.mm, 0, 4, 'n');
	assert_int_equal(looks(&s, s.mm, 0, 1), 1);
	space_expect(&s, child, 0, 4, 'a');
	space_check(&s);
	om_mm_destroy(child);
	assert_int_equal(objects(&s, 0), 1);
	parent = &s.mm->anon_mm->kin;
	om_mm_empty(s.mm); /* alone: nothing to leave */
	assert_ptr_equal(&s.mm->anon_mm->kin, parent);
	space_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_homes),
	    cmocka_unit_test(test_move),
	    cmocka_unit_test(test_swapin_elsewhere),
	    cmocka_unit_test(test_ended),
	    cmocka_unit_test(test_exec),
	};

	return unit_run(tests);
}
