/*
 * t_index.c: pages of a file that are found without its lock, while the page leaves, the node of
 * the index that names it is freed, and its frame becomes something else.
 *
 * The file has a few pages behind those that the mapping itself names, so they hang in one node,
 * which goes with the last of them.
 */
#include <string.h>

#include "calls.h"
#include "hazards.h"

#include "base/types.h"

#define DIRECT OM_INDEX_DIRECT
#define BEHIND 4u /* pages in the node */
#define LEAF   (OM_PAGE_SIZE / sizeof(uint32_t))

/* Shared memory that is empty at first. */
static struct om_mapping *other;

/* All pages are in memory, and none is mapped. */
static void in_memory(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->file = rig_file(p->r, DIRECT + BEHIND, 200);
	for (unsigned i = 0; i < DIRECT + BEHIND; i++)
		rig_equal(rig_file_tag(p->file, i), 200 + i);
	other = rig_shmem(p->r, 0, 0);
	rig_ok(om_mapping_truncate(other, 8 * LEAF * OM_PAGE_SIZE));
	p->a = rig_map(p->r, p->mm, HERE, DIRECT + BEHIND, RIG_RW, OM_MAP_SHARED, p->file, 0);
	p->b = rig_map(p->r, p->mm, THERE, DIRECT + BEHIND, RIG_RW, OM_MAP_PRIVATE, p->file, 0);
}

/* Two steps of height: what is named above is looked for in a leaf. */
static void in_two_levels(struct play *p)
{
	in_memory(p);
	rig_ok(om_mapping_truncate(p->file, (LEAF + BEHIND) * OM_PAGE_SIZE));
	p->a = rig_map(p->r, p->mm, 0, BEHIND, RIG_RW, OM_MAP_SHARED, p->file, LEAF);
	p->b = rig_map(p->r, p->mm, 0, BEHIND, RIG_RW, OM_MAP_PRIVATE, p->file, LEAF);
	p->a -= PAGES(DIRECT);
	p->b -= PAGES(DIRECT);
	rig_put(p->r, p->mm, p->a + PAGES(DIRECT), BEHIND, 200 + DIRECT);
	rig_ok(om_madvise(p->mm, p->a + PAGES(DIRECT), PAGES(BEHIND), OM_MADV_DONTNEED));
}

/* The last pages, or what was there when they were cut off, or what came after that. */
static bool may_be(unsigned long tag, unsigned i)
{
	return tag == 200 + i || tag == 0 || tag == 900 + i;
}

static void look(struct play *p, uintptr_t addr, unsigned i)
{
	unsigned long tag;
	enum om_fault_result result = rig_get(sched_cpu(p), p->mm, addr + PAGES(i), &tag);

	rig_check(result == OM_FAULT_BUS || (result == OM_FAULT_MINOR && may_be(tag, i)) ||
	          (result == OM_FAULT_MAJOR && may_be(tag, i)));
}

/* A read maps what is around, a write takes the page alone. */
static void task_look(struct play *p)
{
	for (unsigned i = DIRECT; i < DIRECT + 2; i++)
		look(p, p->a, i);
}

static void task_copy(struct play *p)
{
	for (unsigned i = DIRECT; i < DIRECT + 2; i++) {
		enum om_fault_result r = rig_set(sched_cpu(p), p->mm, p->b + PAGES(i), 900 + i);

		rig_check(r == OM_FAULT_BUS || r == OM_FAULT_MINOR || r == OM_FAULT_MAJOR);
	}
}

/* The pages go, and their node. What comes is empty. */
static void task_cut_and_grow(struct play *p)
{
	uint64_t size = om_mapping_size(p->file);

	rig_ok(om_mapping_truncate(p->file, size - PAGES(BEHIND)));
	rig_ok(om_mapping_truncate(p->file, size));
}

/* The first four are named by the mapping itself. */
static uint64_t place(unsigned i)
{
	return i < 4 ? i : i * LEAF;
}

/*
 * Frames of the first file's become nodes and pages of another one. Who takes what is in these
 * pages for entries is sent to a frame that does not exist.
 */
static void task_reuse(struct play *p)
{
	unsigned char page[RIG_PAGE];

	(void)p;
	memset(page, 0xfe, sizeof(page));
	for (unsigned i = 0; i < 6; i++) {
		rig_set_tag(page, 700 + i);
		rig_ok(om_mapping_write(other, place(i) * OM_PAGE_SIZE, page, sizeof(page), NULL));
	}
}

/* The other file has lost nothing, and no page of it is shown in the first. */
static void check(struct play *p)
{
	for (unsigned i = 0; i < 6; i++) {
		unsigned long tag = rig_file_tag(other, (unsigned)place(i));

		rig_check(tag == 0 || tag == 700 + i);
	}
	for (unsigned i = DIRECT; i < DIRECT + BEHIND; i++) {
		look(p, p->a, i);
		look(p, p->b, i);
	}
}

static void test_found_without_the_lock(void **state)
{
	(void)state;
	EXPLORE({.name = "peek_truncate",
	         .setup = in_memory,
	         .task = {task_look, task_cut_and_grow, task_reuse},
	         .check = check},
	        {.name = "peek_truncate_copy",
	         .setup = in_memory,
	         .task = {task_copy, task_cut_and_grow, task_reuse},
	         .check = check},
	        {.name = "peek_truncate_deep",
	         .setup = in_two_levels,
	         .task = {task_look, task_cut_and_grow, task_reuse},
	         .check = check},
	        {.name = "peek_truncate_deep_copy",
	         .setup = in_two_levels,
	         .task = {task_copy, task_cut_and_grow, task_reuse},
	         .check = check},
	        {.name = "peek_reclaim",
	         .setup = in_memory,
	         .task = {task_look, task_reclaim, task_reuse},
	         .check = check},
	        {.name = "peek_reclaim_copy",
	         .setup = in_memory,
	         .task = {task_copy, task_reclaim, task_look},
	         .check = check});
}

/* ---------------------------------------------------------------- flushes that are owed ----- */

/* A private area shows shared memory; all CPUs have translations for reading. */
static void warm_shmem(struct play *p)
{
	p->mm = rig_mm(p->r);
	p->file = rig_shmem(p->r, 4, 200);
	p->a = rig_map(p->r, p->mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, p->file, 0);
	play_warm(p, p->mm, p->a, 4, false);
}

static void task_punch(struct play *p)
{
	rig_ok(om_mapping_punch(p->file, 0, PAGES(4)));
}

static void task_write_own(struct play *p)
{
	rig_equal(set_word(p, p->mm, p->a, 900), OM_FAULT_MINOR);
	p->flag[0] = true;
}

/* Once the program has written its copy, no CPU shows what was there before. */
static void task_read_after(struct play *p)
{
	unsigned long word;

	for (unsigned i = 0; i < 30 && !p->flag[0]; i++)
		sched_step();
	if (!p->flag[0])
		return;
	rig_equal(get_word(p, p->mm, p->a, &word), OM_FAULT_MINOR);
	rig_equal(word, 900);
}

static void test_h75_copy_before_the_flush(void **state)
{
	(void)state;
	EXPLORE({.name = "h75_copy",
	         .setup = warm_shmem,
	         .task = {task_punch, task_write_own, task_read_after}});
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_found_without_the_lock),
    cmocka_unit_test(test_h75_copy_before_the_flush),
};
TESTS(index_tests, list);
