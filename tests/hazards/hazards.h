/*
 * hazards.h: what the tests of hazards.md share. A test is called test_hNN_name after its row
 * there; docs/testing.md has the table.
 */
#ifndef HAZARDS_H
#define HAZARDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rig.h"
#include "sched.h"

#define PAGES(n) ((size_t)(n)*RIG_PAGE)
/* Bytes under one page table. */
#define SPAN  (sizeof(long) == 8 ? PAGES(512) : PAGES(1024))
#define HERE  ((uintptr_t)0x20000000)
#define THERE ((uintptr_t)0x40000000)

/* Each file's tests. */
struct tests {
	const struct CMUnitTest *test;
	size_t n;
};
#define TESTS(name, list) const struct tests name = {list, sizeof(list) / sizeof(*(list))}
extern const struct tests cow_tests, pin_tests, tlb_tests, family_tests, move_tests, area_tests,
    lock_tests, swap_tests, file_tests, scale_tests, pair_tests, limit_tests, walk_tests,
    attack_tests, mixed_tests, fork_tests, write_back_tests, memory_tests, frame_tests, part_tests,
    index_tests, slot_tests, unmap_tests, fast_tests, mm_list_tests, share_tests;

/* A rig for a test without tasks: 256 frames, 3 CPUs, 256 slots. */
struct rig *small_rig(void);

/* Setting up plays: p->mm with `pages` private pages at p->a = HERE that hold 100 + i. */
void play_anon(struct play *p, unsigned pages);
/* The same, and p->child = fork(p->mm). */
void play_family(struct play *p, unsigned pages);
/* p->mm maps p->file, whose pages hold 200 + i, at p->a; `flags` as for om_mmap. */
void play_file(struct play *p, unsigned pages, int flags);
/* The same with shared memory, which remap_file_pages() makes nonlinear. */
void play_shmem(struct play *p, unsigned pages);
/* Nothing has been used lately, so reclaim takes it. */
void play_cold(struct play *p, struct om_mm *mm, unsigned pages);
/* All CPUs have translations of the pages, for writing if `write`. */
void play_warm(struct play *p, struct om_mm *mm, uintptr_t addr, unsigned pages, bool write);

/* Tasks that many scenes have. */
void task_reclaim(struct play *p); /* a step big enough to take all there is */
void task_pageout(struct play *p); /* the first 8 pages at p->a in p->mm, by advice */
void task_fork(struct play *p);    /* p->other = fork(p->mm) */
void task_swapoff(struct play *p); /* area 0 of the rig */

/* One word of a page through the running task's CPU. */
enum om_fault_result get_word(struct play *p, struct om_mm *mm, uintptr_t addr,
                              unsigned long *word);
enum om_fault_result set_word(struct play *p, struct om_mm *mm, uintptr_t addr, unsigned long word);
/* A whole page by om_write(), and by the task's CPU. */
int write_tag(struct om_mm *mm, uintptr_t addr, unsigned long tag);
unsigned long get_tag(struct play *p, struct om_mm *mm, uintptr_t addr);
/* Wait a while for a hole to be seen at `addr`, and store there; true if it was. */
bool fill_hole(struct play *p, uintptr_t addr, unsigned long tag);

/* Skip a test that needs the scheduler, or 64 bits. */
#define NEEDS(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			skip();                                                                    \
	} while (0)

/* Play all scenes of a test. */
#define EXPLORE(...)                                                                               \
	do {                                                                                       \
		const struct scene scenes_[] = {__VA_ARGS__};                                      \
                                                                                                   \
		NEEDS(sched_possible());                                                           \
		for (size_t i_ = 0; i_ < sizeof(scenes_) / sizeof(*scenes_); i_++)                 \
			explore(&scenes_[i_]);                                                     \
	} while (0)

#endif
