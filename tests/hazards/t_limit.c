/*
 * t_limit.c: row 90: at the limit of areas a program can still give areas back, and every call is
 * refused exactly where Linux refuses it.
 *
 * Linux counts in different ways on different paths, so the table says for each call how many areas
 * below the most that mmap gives (one more than the limit) there must be; measured on Linux 6.18.
 */
#include "calls.h"
#include "hazards.h"

#define LIMIT 24
#define MOST  (LIMIT + 1)
#define STEP  PAGES(16) /* areas of 8 pages, 8 pages apart */

static uintptr_t area(unsigned i)
{
	return HERE + i * STEP;
}

static int map_at(struct om_mm *mm, uintptr_t addr, unsigned pages, int prot)
{
	const int flags = OM_MAP_PRIVATE | OM_MAP_FIXED;

	return do_mmap(mm, &addr, PAGES(pages), prot, flags, NULL, 0);
}

static int move(struct om_mm *mm, uintptr_t from, unsigned old, unsigned new, int flags,
                uintptr_t to)
{
	return do_mremap(mm, from, PAGES(old), PAGES(new), flags, to, &to);
}

#define MAY   OM_MREMAP_MAYMOVE
#define FIXED (OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED)

/*
 * The calls. Area 0 is read-only and area 1 begins where it ends; area 2 is shared memory; 3 and 4
 * are like any other.
 */
#define CALL(name, expression)                                                                     \
	static int name(struct om_mm *mm)                                                          \
	{                                                                                          \
		return expression;                                                                 \
	}
CALL(map_new, map_at(mm, THERE, 1, OM_PROT_READ))
CALL(map_beside, map_at(mm, area(3) + PAGES(8), 1, RIG_RW))
CALL(map_over, map_at(mm, area(3), 8, OM_PROT_READ))
CALL(map_over_head, map_at(mm, area(3), 1, OM_PROT_READ))
CALL(map_over_tail, map_at(mm, area(3) + PAGES(7), 1, OM_PROT_READ))
CALL(map_over_middle, map_at(mm, area(3) + PAGES(3), 1, OM_PROT_READ))
CALL(map_over_middle_same, map_at(mm, area(3) + PAGES(3), 1, RIG_RW))
CALL(map_over_two, map_at(mm, area(3) + PAGES(3), 16, OM_PROT_READ))
CALL(grow_heap, om_brk(mm, sim_layout.brk_start + 1) == sim_layout.brk_start ? -OM_ENOMEM : 0)
CALL(unmap, om_munmap(mm, area(3), PAGES(8)))
CALL(unmap_two, om_munmap(mm, area(3), STEP + PAGES(8)))
CALL(unmap_head, om_munmap(mm, area(3), PAGES(1)))
CALL(unmap_tail, om_munmap(mm, area(3) + PAGES(7), PAGES(1)))
CALL(unmap_middle, om_munmap(mm, area(3) + PAGES(3), PAGES(1)))
CALL(unmap_over_two, om_munmap(mm, area(3) + PAGES(3), STEP))
CALL(protect, om_mprotect(mm, area(3), PAGES(8), OM_PROT_READ))
CALL(protect_head, om_mprotect(mm, area(3), PAGES(1), OM_PROT_READ))
CALL(protect_tail, om_mprotect(mm, area(3) + PAGES(7), PAGES(1), OM_PROT_READ))
CALL(protect_middle, om_mprotect(mm, area(3) + PAGES(3), PAGES(1), OM_PROT_READ))
CALL(protect_as_below, om_mprotect(mm, area(1) - PAGES(8), PAGES(1), OM_PROT_READ))
CALL(protect_as_above, om_mprotect(mm, area(1) - PAGES(9), PAGES(1), RIG_RW))
CALL(protect_both_none, om_mprotect(mm, area(1) - PAGES(9), PAGES(2), OM_PROT_NONE))
CALL(protect_both_read, om_mprotect(mm, area(1) - PAGES(9), PAGES(2), OM_PROT_READ))
CALL(lock, om_mlock(mm, area(3), PAGES(8), OM_MLOCK_ONFAULT))
CALL(lock_head, om_mlock(mm, area(3), PAGES(1), OM_MLOCK_ONFAULT))
CALL(lock_middle, om_mlock(mm, area(3) + PAGES(3), PAGES(1), OM_MLOCK_ONFAULT))
CALL(advise, om_madvise(mm, area(3), PAGES(8), OM_MADV_DONTFORK))
CALL(advise_head, om_madvise(mm, area(3), PAGES(1), OM_MADV_DONTFORK))
CALL(advise_middle, om_madvise(mm, area(3) + PAGES(3), PAGES(1), OM_MADV_DONTFORK))
CALL(shrink, move(mm, area(3), 8, 1, 0, 0))
CALL(shrink_hole, move(mm, area(3), 4, 1, 0, 0))
CALL(grow, move(mm, area(3), 8, 10, 0, 0))
CALL(move_to_grow, move(mm, area(3), 8, 20, MAY, 0))
CALL(move_middle, move(mm, area(3) + PAGES(2), 2, 4, MAY, 0))
CALL(move_fixed, move(mm, area(3), 8, 8, FIXED, THERE))
CALL(move_into_middle, move(mm, area(3) + PAGES(2), 2, 2, FIXED, area(4) + PAGES(2)))
CALL(move_over, move(mm, area(3), 8, 8, FIXED, area(4)))
CALL(move_and_keep, move(mm, area(3), 8, 8, MAY | OM_MREMAP_DONTUNMAP, 0))
CALL(map_again, move(mm, area(2), 0, 8, MAY, 0))
CALL(map_again_fixed, move(mm, area(2), 0, 8, FIXED, THERE))

static const struct {
	const char *name;
	int (*call)(struct om_mm *mm);
	unsigned below; /* areas fewer than MOST that it takes */
	int error;      /* with more */
} calls[] = {
#define ROW(name, below)                                                                           \
	{                                                                                          \
#name, name, below, -OM_ENOMEM                                                     \
	}
#define ROW_AGAIN(name, below)                                                                     \
	{                                                                                          \
#name, name, below, -OM_EAGAIN                                                     \
	}
    ROW(map_new, 1),
    ROW(map_beside, 1),
    ROW(map_over, 1),
    ROW(map_over_head, 1),
    ROW(map_over_tail, 1),
    ROW(map_over_middle, 2),
    ROW(map_over_middle_same, 2),
    ROW(map_over_two, 1),
    ROW(grow_heap, 1),
    ROW(unmap, 0),
    ROW(unmap_two, 0),
    ROW(unmap_head, 0),
    ROW(unmap_tail, 0),
    ROW(unmap_middle, 2),
    ROW(unmap_over_two, 0),
    ROW(protect, 0),
    ROW(protect_head, 2),
    ROW(protect_tail, 2),
    ROW(protect_middle, 3),
    ROW(protect_as_below, 0),
    ROW(protect_as_above, 0),
    ROW(protect_both_none, 2),
    ROW(protect_both_read, 0),
    ROW(lock, 0),
    ROW(lock_head, 2),
    ROW(lock_middle, 3),
    ROW_AGAIN(advise, 0),
    ROW_AGAIN(advise_head, 2),
    ROW_AGAIN(advise_middle, 3),
    ROW(shrink, 0),
    ROW(shrink_hole, 2),
    ROW(grow, 0),
    ROW(move_to_grow, 5),
    ROW(move_middle, 5),
    ROW(move_fixed, 7),
    ROW(move_into_middle, 7),
    ROW(move_over, 7),
    ROW(move_and_keep, 7),
    ROW(map_again, 5),
    ROW(map_again_fixed, 7),
};
#define NR_CALLS (sizeof(calls) / sizeof(*calls))

/* All the areas that mmap gives, less `below`. */
static struct om_mm *full(struct rig *r, unsigned below)
{
	struct om_mm *mm = rig_mm(r);
	unsigned n;

	om_set_limit(mm, OM_LIMIT_VMAS, LIMIT);
	rig_ok(map_at(mm, area(1) - PAGES(16), 8, OM_PROT_READ));
	rig_ok(map_at(mm, area(1) - PAGES(8), 16, RIG_RW));
	rig_map(r, mm, area(2), 8, RIG_RW, OM_MAP_SHARED, NULL, 0);
	for (n = 3; map_at(mm, area(n), 8, RIG_RW) == 0; n++)
		;
	rig_equal(rig_vmas(mm), MOST);
	for (unsigned i = 1; i <= below; i++)
		rig_ok(om_munmap(mm, area(n - i), PAGES(8)));
	rig_equal(rig_vmas(mm), MOST - below);
	return mm;
}

static void test_h90_area_limit(void **state)
{
	struct rig *r = small_rig();

	(void)state;
	for (unsigned below = 0; below < 9; below++) {
		for (unsigned i = 0; i < NR_CALLS; i++) {
			struct om_mm *mm = full(r, below);
			int want = below < calls[i].below ? calls[i].error : 0;
			int got = calls[i].call(mm);

			if (got != want)
				rig_fail(__FILE__, __LINE__, "%s with %u areas left: %d, not %d",
				         calls[i].name, below, got, want);
			if (want)
				rig_equal(rig_vmas(mm), MOST - below);
			rig_check(rig_vmas(mm) <= MOST);
			rig_verify(r);
			rig_exit(r, mm);
		}
	}
	rig_destroy(r);
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h90_area_limit),
};
TESTS(limit_tests, list);
