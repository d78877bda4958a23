/*
 * t_scale.c: work and memory that must not grow: rows 18-20. The counters are the library's own
 * (OM_EV_RMAP_...), so the bounds do not depend on the machine.
 */
#include "design.h"
#include "hazards.h"

#include <stdlib.h>

static struct om_sysinfo info_of(struct rig *r)
{
	struct om_sysinfo info;

	om_sysinfo(r->sys, &info);
	return info;
}

/*
 * Each generation writes, forks, and dies: no object is left of it. The default has one; chains use
 * theirs again after a generation or two, and always keep the root; others have one for an mm.
 */
static void test_h18_generations(void **state)
{
	struct rig *r = small_rig();
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	size_t bytes = 0;

	(void)state;
	rig_put(r, mm, a, 4, 100);
	for (unsigned generation = 0; generation < 1000; generation++) {
		struct om_mm *child = rig_fork(r, mm, NULL);

		rig_put(r, child, a + PAGES(generation % 4), 1, 1000 + generation);
		rig_exit(r, mm);
		mm = child;
		if (generation == 10)
			bytes = info_of(r).rmap_bytes;
		if (generation > 10) {
			rig_equal(info_of(r).rmap_bytes, bytes);
			rig_check(info_of(r).nr_anon_vma <= (is_default() ? 1 : 6));
		}
	}
	rig_expect(r, mm, a, 4, 1996);
	rig_verify(r);
	rig_destroy(r);
}

struct work {
	uint64_t walks, probes, found;
};

static struct work work_of(struct rig *r)
{
	const struct om_sysinfo info = info_of(r);

	return (struct work){info.event[OM_EV_RMAP_WALKS], info.event[OM_EV_RMAP_PROBES],
	                     info.event[OM_EV_RMAP_FOUND]};
}

#define CHILDREN 1000

/* A thousand children of one parent, each with pages of its own: a page is found with one look. */
static void test_h19_large_family(void **state)
{
	static struct om_mm *child[CHILDREN];
	struct rig *r =
	    rig_create(&(struct rig_config){.frames = 14000, .cpus = 1, .slots = 16384});
	struct om_mm *mm = rig_mm(r);
	uintptr_t a = rig_map(r, mm, HERE, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	struct work before, after;

	(void)state;
	rig_put(r, mm, a, 4, 100);
	for (unsigned i = 0; i < CHILDREN; i++)
		rig_ok(om_fork(mm, NULL, &child[i]));
	for (unsigned i = 0; i < CHILDREN; i++)
		rig_put(r, child[i], a, 3, 1000 * i);
	before = work_of(r);
	for (unsigned i = 0; i < CHILDREN; i++)
		rig_ok(om_madvise(child[i], a, PAGES(3), OM_MADV_PAGEOUT));
	after = work_of(r);
	rig_check(after.found - before.found >= 3 * CHILDREN);
	if (searches_family() || looks_everywhere()) {
		rig_check(after.probes - before.probes <=
		          (after.walks - before.walks) * (CHILDREN + 1));
	} else {
		rig_equal(after.probes - before.probes, after.found - before.found);
		rig_check(after.probes - before.probes <= 2 * 3 * CHILDREN);
	}
	/* What has been shared once may be looked for in the whole family, once in each. */
	before = work_of(r);
	rig_reclaim(r);
	after = work_of(r);
	rig_check(after.probes - before.probes <= (after.walks - before.walks) * (CHILDREN + 1));
	for (unsigned i = 0; i < CHILDREN; i += 100) {
		rig_expect(r, child[i], a, 3, 1000 * i);
		rig_expect(r, child[i], a + PAGES(3), 1, 103);
	}
	for (unsigned i = 0; i < CHILDREN; i++)
		om_mm_destroy(child[i]);
	rig_verify(r);
	rig_destroy(r);
}

#define PIECES 512

/* How many looks walks may have taken: what they found, and `vain` more. */
static void check_looks(const struct work *before, const struct work *after, unsigned vain)
{
	uint64_t looks = after->probes - before->probes;

	if (looks_everywhere())
		rig_check(looks <= (after->walks - before->walks) * 2 * PIECES);
	else
		rig_check(looks <= after->found - before->found + vain);
}

/* An area cut into pages: nobody looks through hundreds of areas for one page. */
static void test_h20_cut_to_pieces(void **state)
{
	struct rig *r = rig_create(&(struct rig_config){.frames = 3000, .cpus = 1, .slots = 4096});
	struct om_mm *mm = rig_mm(r), *child;
	uintptr_t a = rig_map(r, mm, HERE, PIECES, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	struct work before, after;

	(void)state;
	rig_put(r, mm, a, PIECES, 100);
	for (unsigned i = 0; i < PIECES; i += 2)
		rig_ok(om_mprotect(mm, a + PAGES(i), PAGES(1), OM_PROT_READ));
	rig_equal(rig_vmas(mm), PIECES);
	before = work_of(r);
	rig_pageout(r, mm, a, PIECES);
	after = work_of(r);
	check_looks(&before, &after, 0);
	rig_expect(r, mm, a, PIECES, 100);
	/* Shared pages: two areas cover each of them. */
	child = rig_fork(r, mm, NULL);
	before = work_of(r);
	rig_reclaim(r);
	after = work_of(r);
	rig_check(after.found - before.found >= 2 * PIECES);
	check_looks(&before, &after, PIECES);
	rig_expect(r, child, a, PIECES, 100);
	rig_verify(r);
	rig_destroy(r);
}

static const struct CMUnitTest list[] = {
    cmocka_unit_test(test_h18_generations),
    cmocka_unit_test(test_h19_large_family),
    cmocka_unit_test(test_h20_cut_to_pieces),
};
TESTS(scale_tests, list);
