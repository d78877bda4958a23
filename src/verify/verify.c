/*
 * verify.c: om_verify(), which checks the invariants I1-I12 (docs/design.md) from scratch.
 *
 * It believes nothing that the library keeps up to date: every figure is counted again, from the
 * areas, the page tables read by hand from their roots, the indexes, the lists, and the page array.
 * What has to be counted for each frame goes into the caller's scratch memory, 8 bytes a frame.
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

#include "base/mem.h"

void om_check_fail(struct om_check *c, const char *rule, const char *what, const char *file,
                   int line, const void *object, uintptr_t v0, uintptr_t v1)
{
	if (c->violations++ || !c->bug)
		return;
	c->bug->rule = rule;
	c->bug->what = what;
	c->bug->file = file;
	c->bug->line = line;
	c->bug->object = object;
	c->bug->value[0] = v0;
	c->bug->value[1] = v1;
}

void om_tally_clear(struct om_check *c)
{
	memset(c->tally, 0, c->sys->nr_frames * sizeof(*c->tally));
}

/* ---------------------------------------------------------------- trees --------------------- */

/* In order, with a stack of the nodes whose right side is still to be seen. */
size_t om_check_tree(struct om_check *c, const struct om_node *root, const struct om_tree_ops *ops,
                     const void *owner)
{
	const struct om_node *stack[OM_TREE_DEPTH], *n = root, *prev = NULL;
	unsigned depth = 0;
	size_t count = 0;
	uintptr_t aug, want;

	while (n || depth) {
		while (n) {
			if (!OM_CHECK(c, depth < OM_TREE_DEPTH, "tree", owner, depth, count))
				return count;
			stack[depth++] = n;
			n = n->left;
		}
		n = stack[--depth];
		aug = n->aug;
		want = ops->aug((struct om_node *)(uintptr_t)n);
		OM_CHECK(c, aug == want, "tree", owner, aug, want);
		/* Strictly rising order also ends a walk in a ring of nodes. */
		if (prev && !OM_CHECK(c,
		                      ops->key(prev) < ops->key(n) ||
		                          (ops->key(prev) == ops->key(n) && prev < n),
		                      "tree", owner, ops->key(prev), ops->key(n)))
			return count;
		prev = n;
		count++;
		n = n->right;
	}
	return count;
}

/* ---------------------------------------------------------------- tables -------------------- */

static void scan_table(struct om_check *c, struct om_mm *mm, struct om_page *table, unsigned level,
                       uintptr_t index, const struct om_scan *scan)
{
	struct om_system *sys = c->sys;
	unsigned shift = (level - 1) * OM_TABLE_SHIFT;

	if (scan->table && !scan->table(c, mm, table, level, index))
		return;
	for (unsigned i = 0; i < om_table_ours(level); i++) {
		om_pte_t e = om_arch_pte_load(om_table_entry(table, i));

		if (om_pte_none(e))
			continue;
		if (level == 1)
			scan->entry(c, mm, table, i, e);
		else if (OM_CHECK(c, om_pte_present(e) && om_pte_pfn(e) < sys->nr_frames, "I5",
		                  table, e, i))
			scan_table(c, mm, om_page_of(sys, om_pte_pfn(e)), level - 1,
			           index + ((uintptr_t)i << shift), scan);
	}
}

void om_scan_tables(struct om_check *c, const struct om_scan *scan)
{
	for (struct om_mm *mm = c->sys->mms; mm; mm = mm->next)
		scan_table(c, mm, mm->root, OM_LEVELS, 0, scan);
}

/* ---------------------------------------------------------------- all of it ----------------- */

unsigned om_verify(struct om_system *sys, void *scratch, struct om_bug *bug)
{
	struct om_check c = {.sys = sys, .tally = scratch, .bug = bug};

	om_might_sleep(sys);
	om_tally_clear(&c);
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
