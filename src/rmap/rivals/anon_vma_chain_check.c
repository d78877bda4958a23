/*
 * anon_vma_chain_check.c: om_verify()'s look at anon_vmas and chains: every counter is counted
 * again from the trees, and every chain is looked for in its tree.
 */
#include "rmap/rmap.h"

void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm)
{
	(void)c;
	(void)mm;
}

static const struct om_node *leftmost(const struct om_node *n)
{
	while (n && n->left)
		n = n->left;
	return n;
}

/* Each anon_vma has one chain that stands for it, so what is linked to often is counted once. */
static bool stands_for(const struct om_chain *c)
{
	return leftmost(c->anon_vma->areas) == &c->by_index;
}

/* What is counted again of an anon_vma. All its descendants are chained to areas in its tree. */
struct census {
	uint32_t active, children, family;
};

static void take_census(struct census *s, const struct om_anon_vma *av, const struct om_vma *vma)
{
	s->active += vma->anon_vma == av;
	for (const struct om_chain *c = om_newest_chain(vma); c; c = c->older) {
		s->children += stands_for(c) && c->anon_vma->parent == av;
		s->family += stands_for(c) && c->anon_vma->root == av;
	}
}

/* Looked at once, by the chain that stands for it. */
static void check_anon_vma(struct om_anon_check *c, struct om_anon_vma *av)
{
	struct om_interval_iter it;
	struct census s = {0, 0, 0};
	uint32_t refs = atomic_load(&av->refs);

	c->objects[0]++;
	c->in_trees += c->tree(c, av->areas, &om_chain_tree.tree, av);
	for (struct om_node *n =
	         om_interval_first(&it, c->sys, av->areas, &om_chain_tree, 0, UINTPTR_MAX);
	     n; n = om_interval_next(&it)) {
		if (om_chain_of(n)->anon_vma != av)
			c->fail(c, "I4", av, (uintptr_t)om_chain_of(n), 0);
		take_census(&s, av, om_chain_of(n)->vma);
	}
	if (av->num_active != s.active || av->num_children != s.children)
		c->fail(c, "I4", av, av->num_active, av->num_children);
	if (refs != (av->root == av ? s.family : 1))
		c->fail(c, "I4", av, refs, s.family);
	if (atomic_load(&av->lock.state))
		c->fail(c, "rest", av, atomic_load(&av->lock.state), 0);
}

/* Does iterating over the area's own range come across it? */
static bool is_found(struct om_system *sys, const struct om_chain *c)
{
	struct om_interval_iter it;
	struct om_node *n = om_interval_first(&it, sys, c->anon_vma->areas, &om_chain_tree,
	                                      om_chain_tree.tree.key(&c->by_index),
	                                      om_chain_tree.last(&c->by_index));

	while (n && n != &c->by_index)
		n = om_interval_next(&it);
	return n;
}

static bool has_chain_to(const struct om_vma *vma, const void *av)
{
	const struct om_chain *c = om_newest_chain(vma);

	while (c && c->anon_vma != av)
		c = c->older;
	return c;
}

void om_anon_check_area(struct om_anon_check *c, struct om_vma *vma)
{
	if (!vma->anon_vma != !om_newest_chain(vma) || !vma->anon_vma != !om_vma_had_anon(vma))
		c->fail(c, "I4", vma, vma->start, om_vma_anon(vma));
	if (!vma->anon_vma)
		return;
	if ((om_vma_flags(vma) & OM_VM_SHARED) || !has_chain_to(vma, vma->anon_vma) ||
	    !has_chain_to(vma, vma->anon_vma->root))
		c->fail(c, "I4", vma, vma->start, om_vma_flags(vma));
	for (const struct om_chain *k = om_newest_chain(vma); k; k = k->older) {
		c->queued++;
		c->objects[1]++;
		if (k->vma != vma || !is_found(c->sys, k))
			c->fail(c, "I4", vma, vma->start, (uintptr_t)k->anon_vma);
		if (stands_for(k))
			check_anon_vma(c, k->anon_vma);
	}
}

/* An exclusive page names the area's own anon_vma, any other one of those it is chained to. */
void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos)
{
	bool direct = om_page_test(page, OM_PG_DIRECT);

	if (!page->object || page->index != om_vma_index(vma, om_table_addr(table, pos)) ||
	    (direct ? page->object != vma->anon_vma : !has_chain_to(vma, page->object)))
		c->fail(c, direct ? "I2" : "I4", page, (uintptr_t)page->object, page->index);
}
