/*
 * verify_scan.c: what all passes of om_verify() stand on: reporting, tallies, and reading trees
 * and page tables by hand.
 */
#include "area/mm.h"
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
	for (om_pfn_t i = 0; i < c->sys->nr_frames; i++)
		memset(om_tally_at(c, i), 0, sizeof(struct om_tally));
}

/* ---------------------------------------------------------------- trees --------------------- */

static bool in_order(const struct om_node *a, const struct om_node *b,
                     const struct om_tree_ops *ops)
{
	return ops->key(a) < ops->key(b) || (ops->key(a) == ops->key(b) && a < b);
}

size_t om_count_tree_nodes(struct om_system *sys)
{
	size_t n = om_slab_sum(sys, OM_CACHE_VMA).objects;

	for (unsigned i = 0; i < OM_NR_RMAP_CACHES; i++)
		n += om_slab_sum(sys, OM_CACHE_RMAP + i).objects;
	return n;
}

/*
 * The node that comes after `prev` (NULL: the first), by a descent, so that a tree may have any
 * depth: but not more than there are nodes, or it is a ring.
 */
static const struct om_node *next_node(struct om_check *c, const struct om_node *root,
                                       const struct om_node *prev, const struct om_tree_ops *ops,
                                       const void *owner)
{
	const struct om_node *next = NULL;
	size_t depth = 0;

	for (const struct om_node *n = root; n; depth++) {
		bool after = !prev || in_order(prev, n, ops);

		if (!OM_CHECK(c, depth < c->tree_nodes, "tree", owner, depth, c->tree_nodes))
			return NULL;
		if (after)
			next = n;
		n = after ? n->left : n->right;
	}
	return next;
}

/* A node in a wrong place is not found by a descent, so the caller misses it in the number. */
size_t om_check_tree(struct om_check *c, const struct om_node *root, const struct om_tree_ops *ops,
                     const void *owner)
{
	const struct om_node *n = NULL;
	size_t count = 0;

	while ((n = next_node(c, root, n, ops, owner))) {
		uintptr_t aug = n->aug, want = ops->aug((struct om_node *)(uintptr_t)n);

		OM_CHECK(c, aug == want, "tree", owner, aug, want);
		OM_CHECK(c, !n->left || in_order(n->left, n, ops), "tree", owner, n, n->left);
		OM_CHECK(c, !n->right || in_order(n, n->right, ops), "tree", owner, n, n->right);
		count++;
	}
	return count;
}

/* ---------------------------------------------------------------- tables -------------------- */

static void scan_table(struct om_check *c, struct om_mm *mm, struct om_page *table, unsigned level,
                       uintptr_t index, const struct om_entry_scan *scan)
{
	struct om_system *sys = c->sys;
	unsigned shift = (level - 1) * OM_TABLE_SHIFT;

	if (scan->table ? !scan->table(c, mm, table, level, index) : om_table_mm(table) != mm)
		return;
	for (unsigned i = 0; i < om_table_ours(level); i++) {
		om_pte_t e = om_arch_pte_load(om_table_entry(table, i));

		if (om_pte_none(e))
			continue;
		if (level == 1)
			scan->entry(c, mm, table, i, e);
		else if (OM_CHECK(c, om_pte_present(e) && om_pte_pfn(e) < sys->nr_frames, "I5",
		                  table, e, i))
			scan_table(c, mm, om_table_behind(sys, e), level - 1,
			           index + ((uintptr_t)i << shift), scan);
	}
}

void om_scan_tables(struct om_check *c, const struct om_entry_scan *scan)
{
	om_for_each_mm (mm, c->sys)
		scan_table(c, mm, mm->root, OM_LEVELS, 0, scan);
}
