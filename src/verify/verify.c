/*
 * verify.c: om_verify(), which checks the invariants I1-I12 (docs/design.md) from scratch.
 *
 * It believes nothing that the library keeps up to date: every figure is counted again, from the
 * areas, the page tables read by hand from their roots, the indexes, the lists, and the page array.
 * What has to be counted for each frame goes into the caller's scratch memory, 8 bytes a frame, in
 * one piece or in pages.
 *
 * Two groups of passes. The first looks at structure and never follows a pointer or a frame number
 * before it has seen that it is sane. Only if it finds nothing wrong does the second run, which
 * lets the library itself walk (the reverse map, the swap table) and compares what it says with
 * what was counted.
 *
 * Nothing is changed, but locks are taken and given back, and the counters of reverse-map work are
 * set back to what they were.
 */
#include "verify/verify.h"

/* At rest nobody waits for anything. */
static void check_queues(struct om_check *c)
{
	struct om_system *sys = c->sys;

	for (unsigned i = 0; i < 1u << OM_SPIN_LIST_SHIFT; i++)
		OM_CHECK(c, !sys->spin_list[i].last, "rest", &sys->spin_list[i], i, 0);
	for (unsigned i = 0; i < 1u << OM_SLEEP_QUEUE_SHIFT; i++)
		OM_CHECK(c, !sys->sleep_queue[i].first, "rest", &sys->sleep_queue[i], i, 0);
}

/* What the reverse-map design finds wrong is a violation like any other. */
static void fail_anon(struct om_anon_check *a, const char *rule, const void *object, uintptr_t v0,
                      uintptr_t v1)
{
	struct om_check *c = om_container(a, struct om_check, anon);

	om_check_fail(c, rule, om_rmap_traits.name, __FILE__, __LINE__, object, v0, v1);
}

static size_t read_anon_tree(struct om_anon_check *a, const struct om_node *root,
                             const struct om_tree_ops *ops, const void *owner)
{
	return om_check_tree(om_container(a, struct om_check, anon), root, ops, owner);
}

static unsigned verify(struct om_system *sys, void *scratch, void *const *piece, struct om_bug *bug)
{
	struct om_check c = {.sys = sys,
	                     .tally = scratch,
	                     .piece = piece,
	                     .bug = bug,
	                     .anon = {.sys = sys, .fail = fail_anon, .tree = read_anon_tree}};

	om_might_sleep(sys);
	c.tree_nodes = om_count_tree_nodes(sys);
	om_tally_clear(&c);
	check_queues(&c);
	om_check_areas(&c);
	if (c.violations)
		return c.violations;
	om_check_tables(&c);
	om_check_mappings(&c);
	om_check_swap(&c);
	om_check_objects(&c);
	om_check_lists(&c);
	om_check_frames(&c);
	if (c.violations)
		return c.violations;
	om_check_walks(&c);
	om_check_slots(&c);
	return c.violations;
}

unsigned om_verify(struct om_system *sys, void *scratch, struct om_bug *bug)
{
	return verify(sys, scratch, NULL, bug);
}

unsigned om_verify_pages(struct om_system *sys, void *const scratch[], struct om_bug *bug)
{
	return verify(sys, NULL, scratch, bug);
}
