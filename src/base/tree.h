/*
 * tree.h: ordered trees of nodes embedded in their objects, with one augmented word.
 *
 * A treap: nodes are ordered by (key, address) and heap-ordered by a hash of their address, so a
 * node is three words: no parent, no colour. The hash is keyed by the system's seed, so nobody can
 * choose addresses that make a deep tree. Depth is about 1.4 log2 n on average; no function here
 * depends on it but in its cost. The augmented word summarizes the subtree: the largest gap below a
 * VMA, or the last index an interval reaches.
 */
#ifndef OM_TREE_H
#define OM_TREE_H

#include "base/bug.h"

struct om_node {
	struct om_node *left, *right;
	uintptr_t aug;
};

/* The seed of a system's trees (hooks.h), odd and not too simple, from any word. */
static inline uintptr_t om_tree_seed(uintptr_t word)
{
	return (word ^ (uintptr_t)0x9e3779b97f4a7c15u) | 1;
}

struct om_tree_ops {
	uintptr_t (*key)(const struct om_node *n);
	/*
	 * The word for the subtree at n, from n itself and its children. May keep more of the
	 * kind in n's object. Called for a node after its children.
	 */
	uintptr_t (*aug)(struct om_node *n);
};

/*
 * All three: O(log n), no allocation, cannot fail. Nobody may read the tree meanwhile: the
 * augmented words of the nodes above the change are in use for other things.
 */
void om_tree_insert(struct om_system *sys, struct om_node **root, struct om_node *n,
                    const struct om_tree_ops *ops);
void om_tree_remove(struct om_system *sys, struct om_node **root, struct om_node *n,
                    const struct om_tree_ops *ops);
/*
 * n's own contribution to `aug` has changed (its key has not): recompute on the path to the root.
 */
void om_tree_update(struct om_system *sys, struct om_node **root, struct om_node *n,
                    const struct om_tree_ops *ops);

/*
 * Interval trees: key is the first index of a node, aug the largest last index in the subtree.
 * Usage:
 *     struct om_interval_iter it;
 *     for (n = om_interval_first(&it, sys, root, ops, first, last); n; n = om_interval_next(&it))
 * visits every node that meets [first, last], by (key, address). The tree must not change
 * meanwhile.
 */
struct om_interval_ops {
	struct om_tree_ops tree;
	uintptr_t (*last)(const struct om_node *n);
};

/* The augmented word of a node that reaches to `last` itself. */
static inline uintptr_t om_interval_aug(const struct om_node *n, uintptr_t last)
{
	if (n->left && n->left->aug > last)
		last = n->left->aug;
	if (n->right && n->right->aug > last)
		last = n->right->aug;
	return last;
}

struct om_interval_iter {
	struct om_system *sys;
	const struct om_interval_ops *ops;
	const struct om_node *root;
	uintptr_t first, last;
	unsigned n;     /* nodes on `next` */
	bool forgotten; /* there are more, above those on `next` */
	/* What is to be seen, the nearest last. A tree of 2^8 nodes seldom has more on a path. */
	const struct om_node *next[8];
};

struct om_node *om_interval_first(struct om_interval_iter *it, struct om_system *sys,
                                  const struct om_node *root, const struct om_interval_ops *ops,
                                  uintptr_t first, uintptr_t last);
struct om_node *om_interval_next(struct om_interval_iter *it);

/*
 * As om_interval_first(), but only of what comes behind (key, node) in the order of the tree. That
 * is a place, not a node: between two visits the tree may change, and what was there may be gone.
 */
struct om_node *om_interval_resume(struct om_interval_iter *it, struct om_system *sys,
                                   const struct om_node *root, const struct om_interval_ops *ops,
                                   uintptr_t first, uintptr_t last, uintptr_t key, uintptr_t node);

#endif
