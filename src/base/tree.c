/*
 * tree.c: the treap of tree.h.
 *
 * A node's priority is a hash of its address, so the shape depends on nothing but which nodes are
 * in: no rotation, no balance word. Insertion goes down to where the new node's priority ranks and
 * splits what hangs there into its two subtrees; removal joins the two subtrees in the node's
 * place. Both leave behind one path, from the root down through the split or joined spines, of
 * exactly the nodes whose subtrees have changed; the augmented words are then recomputed along it,
 * bottom-up, once each.
 *
 * No recomputation stops early, even where the word came out as before: `aug` may look deeper than
 * at its children's words, or keep more than the word (vma_place.c).
 */
#include "base/tree.h"

/* Multiplicative hashing; odd, near 2^32 and 2^64 over the golden ratio. */
#define HASH_MULTIPLIER ((uintptr_t)0x9e3779b97f4a7c15u)

struct path {
	unsigned depth;
	struct om_node *node[OM_TREE_DEPTH];
};

/*
 * One multiplication is not enough: nodes lie at equal distances (objects of a slab), and multiples
 * of a distance like 144 times the golden ratio form long rising runs, which become deep trees when
 * the keys rise along. Folding the upper half down and multiplying again breaks them. A bijection,
 * so there are no ties.
 */
static inline uintptr_t priority(const struct om_node *n)
{
	uintptr_t x = (uintptr_t)n * HASH_MULTIPLIER;

	x ^= x >> (sizeof(x) * 4);
	return x * HASH_MULTIPLIER;
}

/* Does node a, of the given key, come before b? */
static inline bool before(uintptr_t key, const struct om_node *a, const struct om_node *b,
                          const struct om_tree_ops *ops)
{
	uintptr_t other = ops->key(b);

	return key < other || (key == other && (uintptr_t)a < (uintptr_t)b);
}

static inline void path_add(struct om_system *sys, struct path *path, struct om_node *n)
{
	OM_BUG_ON(sys, path->depth == OM_TREE_DEPTH, "tree", n, path->depth, 0);
	path->node[path->depth++] = n;
}

static void path_recompute(const struct path *path, const struct om_tree_ops *ops)
{
	for (unsigned i = path->depth; i-- > 0;)
		path->node[i]->aug = ops->aug(path->node[i]);
}

/* The link that points to n, with the nodes above n in *path. */
static struct om_node **find_link(struct om_system *sys, struct om_node **link, struct om_node *n,
                                  const struct om_tree_ops *ops, struct path *path)
{
	uintptr_t key = ops->key(n);

	path->depth = 0;
	while (*link != n) {
		struct om_node *at = *link;

		OM_BUG_ON(sys, !at, "tree", n, key, path->depth);
		path_add(sys, path, at);
		link = before(key, n, at, ops) ? &at->left : &at->right;
	}
	return link;
}

void om_tree_insert(struct om_system *sys, struct om_node **root, struct om_node *n,
                    const struct om_tree_ops *ops)
{
	uintptr_t key = ops->key(n), rank = priority(n);
	struct om_node **link = root, **left = &n->left, **right = &n->right, *at;
	struct path path;

	path.depth = 0;
	while ((at = *link) && priority(at) > rank) {
		path_add(sys, &path, at);
		link = before(key, n, at, ops) ? &at->left : &at->right;
	}
	/* No ties: only n itself has its priority, and it would be found right here. */
	OM_BUG_ON(sys, at == n, "tree", n, key, path.depth);
	path_add(sys, &path, n);
	*link = n;
	while (at) {
		path_add(sys, &path, at);
		if (before(key, n, at, ops)) {
			*right = at;
			right = &at->left;
			at = at->left;
		} else {
			*left = at;
			left = &at->right;
			at = at->right;
		}
	}
	*left = *right = NULL;
	path_recompute(&path, ops);
}

void om_tree_remove(struct om_system *sys, struct om_node **root, struct om_node *n,
                    const struct om_tree_ops *ops)
{
	struct om_node **link, *left = n->left, *right = n->right;
	struct path path;

	link = find_link(sys, root, n, ops, &path);
	while (left && right) {
		if (priority(left) > priority(right)) {
			path_add(sys, &path, left);
			*link = left;
			link = &left->right;
			left = left->right;
		} else {
			path_add(sys, &path, right);
			*link = right;
			link = &right->left;
			right = right->left;
		}
	}
	*link = left ? left : right;
	n->left = n->right = NULL;
	path_recompute(&path, ops);
}

void om_tree_update(struct om_system *sys, struct om_node **root, struct om_node *n,
                    const struct om_tree_ops *ops)
{
	struct path path;

	find_link(sys, root, n, ops, &path);
	path_add(sys, &path, n);
	path_recompute(&path, ops);
}

/*
 * Push n and the nodes down its left spine: those that come next, in this order. Leaves out
 * subtrees that end before the interval, and nodes that begin after it with all to their right.
 */
static void interval_push(struct om_interval_iter *it, const struct om_node *n)
{
	for (; n && n->aug >= it->first; n = n->left) {
		if (it->ops->tree.key(n) > it->last)
			continue;
		OM_BUG_ON(it->sys, it->depth == OM_TREE_DEPTH, "tree", n, it->depth, 0);
		it->stack[it->depth++] = n;
	}
}

struct om_node *om_interval_next(struct om_interval_iter *it)
{
	while (it->depth) {
		const struct om_node *n = it->stack[--it->depth];

		interval_push(it, n->right);
		if (it->ops->last(n) >= it->first)
			return (struct om_node *)(uintptr_t)n;
	}
	return NULL;
}

/* Down to the place, keeping what comes behind it: as interval_push(), but past what is before. */
struct om_node *om_interval_resume(struct om_interval_iter *it, struct om_system *sys,
                                   const struct om_node *root, const struct om_interval_ops *ops,
                                   uintptr_t first, uintptr_t last, uintptr_t key, uintptr_t node)
{
	const struct om_node *n = root;

	it->sys = sys;
	it->ops = ops;
	it->first = first;
	it->last = last;
	it->depth = 0;
	while (n && n->aug >= first) {
		uintptr_t at = ops->tree.key(n);

		if (at < key || (at == key && (uintptr_t)n <= node)) {
			n = n->right;
			continue;
		}
		if (at <= last) {
			OM_BUG_ON(sys, it->depth == OM_TREE_DEPTH, "tree", n, it->depth, 0);
			it->stack[it->depth++] = n;
		}
		n = n->left;
	}
	return om_interval_next(it);
}

/* No node is at address 0. */
struct om_node *om_interval_first(struct om_interval_iter *it, struct om_system *sys,
                                  const struct om_node *root, const struct om_interval_ops *ops,
                                  uintptr_t first, uintptr_t last)
{
	return om_interval_resume(it, sys, root, ops, first, last, 0, 0);
}
