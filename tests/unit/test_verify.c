/*
 * test_verify.c: om_verify() finds what is wrong. Each test breaks one thing in a healthy system, looks
 * whether the checker names the invariant, and mends it again.
 */
#include "space.h"

#include <string.h>

#include "store/mapping.h"
#include "rmap/rmap.h"
#include "store/swap.h"
#include "page/table.h"

static struct om_bug first;

/* With the scratch memory in pages that lie in no order. */
static unsigned verify_pages(struct space *s, struct om_bug *bug)
{
	const size_t pages = (s->sys->nr_frames * 8 + OM_PAGE_SIZE - 1) / OM_PAGE_SIZE;
	void **page = calloc(pages, sizeof(*page));
	unsigned n;

	assert_non_null(page);
	for (size_t i = pages; i-- > 0;) {
		page[i] = malloc(OM_PAGE_SIZE);
		assert_non_null(page[i]);
		memset(page[i], 0xa5, OM_PAGE_SIZE);
	}
	n = om_verify_pages(s->sys, page, bug);
	for (size_t i = 0; i < pages; i++)
		free(page[i]);
	free(page);
	return n;
}

/* Exactly `rule` is reported first. */
static void expect_violation(struct space *s, const char *rule)
{
	struct om_bug again = {0};
	unsigned n = om_verify(s->sys, s->scratch, &first);

	assert_int_equal(verify_pages(s, &again), n);
	if (n)
		assert_string_equal(again.what, first.what);

	if (!n || strcmp(first.rule, rule))
		fail_msg("%u violations, first %s (%s), expected %s", n, n ? first.rule : "-",
		         n ? first.what : "-", rule);
}

/* Break `lvalue` by setting it to `wrong`, expect the violation, mend. */
#define broken(s, lvalue, wrong, rule)                                                             \
	do {                                                                                       \
		__typeof__(lvalue) keep_ = (lvalue);                                               \
		(lvalue) = (wrong);                                                                \
		expect_violation(s, rule);                                                         \
		(lvalue) = keep_;                                                                  \
		space_check(s);                                                                    \
	} while (0)

/* Pages 0-3 direct, 4-7 shared with a child, 8-11 a file, 12-15 swapped out, 16 locked. */
struct scene {
	struct space s;
	struct om_mm *child;
	struct om_mapping *file;
};

static struct scene scene_start(void)
{
	struct scene c = {.s = space_start(256, 64)};
	struct space *s = &c.s;

	space_map(s, 4, 4, RW, 0);
	space_fill(s, s->mm, 4, 4, 1);
	assert_int_equal(om_fork(s->mm, NULL, &c.child), 0);
	space_map(s, 20, 4, RW, 0);
	space_fill(s, s->mm, 20, 4, 2);
	c.file = space_file(s, 4);
	space_map_file(s, 8, 4, RW, 0, c.file, 0);
	space_fill(s, s->mm, 8, 4, 3);
	space_map(s, 12, 4, RW, 0);
	space_fill(s, s->mm, 12, 4, 4);
	assert_int_equal(om_madvise(s->mm, at(12), 4 << OM_PAGE_SHIFT, OM_MADV_PAGEOUT), 0);
	space_map(s, 30, 1, RW, OM_MAP_LOCKED);
	space_check(s);
	return c;
}

static void scene_end(struct scene *c)
{
	om_mm_destroy(c->child);
	om_mm_destroy(c->s.mm);
	c->s.mm = NULL;
	om_mapping_put(c->file);
	space_finish(&c->s);
}

static void test_pages(void **state)
{
	struct scene c = scene_start();
	struct space *s = &c.s;
	struct om_page *direct = space_page(s->mm, 20, NULL, NULL), *other;
	struct om_page *shared = space_page(s->mm, 4, NULL, NULL);
	struct om_page *file = space_page(s->mm, 8, NULL, NULL);
	struct om_page *locked = space_page(s->mm, 30, NULL, NULL);

	(void)state;
	other = space_page(s->mm, 21, NULL, NULL);
	broken(s, direct->counts, 2, "I1");
	broken(s, shared->counts, 1, "I1");
	broken(s, direct->object, (void *)other, "I2");
	broken(s, direct->index, direct->index + 1, "I2");
	broken(s, shared->object, NULL, "I4");
	broken(s, shared->index, (uintptr_t)1 << 30, "I4");
	broken(s, file->index, file->index + 1, "I4");
	broken(s, locked->counts, locked->mapcount | 2u << 24, "I12");
	broken(s, direct->holds, OM_ONE_REF, "refs");
	scene_end(&c);
}

static void test_entries(void **state)
{
	struct scene c = scene_start();
	struct space *s = &c.s;
	struct om_page *table;
	unsigned slot;
	om_pte_t *e;

	(void)state;
	space_page(s->mm, 4, &table, &slot);
	e = om_table_entry(table, slot);
	broken(s, *e, om_pte_mkwrite(*e), "I3");
	broken(s, table->counts, table->mapcount + 1, "I5");
	broken(s, table->index, table->index + 1, "I5");
	scene_end(&c);
}

static void test_areas(void **state)
{
	struct scene c = scene_start();
	struct space *s = &c.s;
	struct om_vma *vma = om_vma_find(s->mm, at(4));

	(void)state;
	broken(s, s->sys->sleep_queue[5].first, (struct om_crowd *)s, "rest");
	broken(s, s->mm->total_vm, s->mm->total_vm + 1, "vma");
	broken(s, s->mm->locked_vm, 0, "I12");
	broken(s, s->mm->nr_vmas, 1, "vma");
	broken(s, vma->by_addr.aug, vma->by_addr.aug + 1, "tree");
	broken(s, s->mm->own.rss_anon, 1, "rss");
	broken(s, s->mm->own.swapents, 1, "rss");
	scene_end(&c);
}

static void test_slots(void **state)
{
	struct scene c = scene_start();
	struct space *s = &c.s;
	struct om_pageinfo info;
	uint32_t slot;

	(void)state;
	om_pageinfo(s->mm, at(12), &info);
	assert_int_equal(info.kind, OM_PAGE_SWAP);
	slot = (uint32_t)info.value;
	assert_true(om_slot_dup(s->sys, slot));
	expect_violation(s, "I11");
	om_slot_put(s->sys, slot);
	space_check(s);
	scene_end(&c);
}

static void test_frames(void **state)
{
	struct scene c = scene_start();
	struct space *s = &c.s;
	struct om_page *free = om_page_of(s->sys, s->sys->free.head);

	(void)state;
	broken(s, free->counts, 1, "I7");
	broken(s, free->flags, OM_PG_DIRTY, "I7");
	broken(s, s->sys->free.n, s->sys->free.n - 1, "I7");
	broken(s, s->sys->free.floor, s->sys->free.floor + 1, "I7");
	broken(s, om_page_of(s->sys, s->sys->zero_pfn)->counts, 1, "I8");
	scene_end(&c);
}

/* A frame is in one place, and its run on the list where it belongs. */
static void test_runs(void **state)
{
	struct scene c = scene_start();
	struct space *s = &c.s;
	struct om_system *sys = s->sys;
	om_pfn_t linked = sys->free.head;
	struct om_frame_run *run, *last = &sys->frame_run[(sys->nr_frames - 1) / OM_RUN];
	uint64_t *bits;

	(void)state;
	assert_int_not_equal(linked, OM_NO_PFN);
	run = &sys->frame_run[linked / OM_RUN];
	assert_int_not_equal(run->n, 0);
	bits = &run->free[linked % OM_RUN / OM_BLOCK];
	broken(s, *bits, *bits | 1ull << linked % OM_BLOCK, "I7"); /* twice */
	broken(s, *bits, *bits ^ 1ull << s->sys->zero_pfn % OM_BLOCK, "I7");
	broken(s, run->n, (uint16_t)(run->n - 1), "I7");
	broken(s, run->whole, (uint8_t)(run->whole + 1), "I7");
	broken(s, run->prev, 0, "I7");
	broken(s, sys->runs.n, sys->runs.n - 1, "I7");
	broken(s, sys->runs.head[om_run_list(run)], UINT32_MAX, "I7");
	bits = &last->free[OM_RUN / OM_BLOCK - 1];
	if (sys->nr_frames % OM_RUN)
		broken(s, *bits, *bits | 1ull << (OM_BLOCK - 1), "I7"); /* no such frame */
	scene_end(&c);
}

static void count(void *arg)
{
	++*(unsigned *)arg;
}

/* Calls at locks that a check of so many areas makes, with no page in them. */
static unsigned locks_of_check(size_t areas)
{
	struct space s = space_start(256, 0);
	unsigned calls = 0;

	for (size_t i = 0; i < areas; i++)
		space_map(&s, 2 * i, 1, RW, 0);
	space_on_lock_arg = &calls;
	space_on_lock = count;
	space_check(&s);
	space_on_lock = NULL;
	space_finish(&s);
	return calls;
}

/* Objects are in a slab of each CPU, so whoever counts them for each node has a long way. */
static void test_cost_of_areas(void **state)
{
	(void)state;
	if (!OM_DEBUG)
		skip();
	assert_int_equal(locks_of_check(10), locks_of_check(100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pages),         cmocka_unit_test(test_entries),
	    cmocka_unit_test(test_areas),         cmocka_unit_test(test_slots),
	    cmocka_unit_test(test_frames),        cmocka_unit_test(test_runs),
	    cmocka_unit_test(test_cost_of_areas),
	};

	return unit_run(tests);
}
