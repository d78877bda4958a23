/*
 * verify_scan.c: what all passes of om_verify() stand on: reporting, tallies, and reading trees
 * and page tables by hand.
 */
#include "base/mem.h"
#include "verify/verify.h"

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
