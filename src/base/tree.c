/*
 * tree.c: the treap of tree.h.
 *
 * A node's priority is a keyed hash of its address, so the shape depends on nothing but which
 * nodes are in: no rotation, no balance word. Insertion goes down to where the new node's
 * priority ranks and splits what hangs there into its two subtrees; removal joins the two
 * subtrees in the node's place. Both go along one path, from the root down through the split or
 * joined spines, of exactly the nodes whose subtrees change; the augmented words are then
 * recomputed along it, bottom-up, once each.
 *
 * The words on the path are out of date from the first change on. Until they are recomputed, each
 * holds the node above: the way back needs no stack, so a path may have any length.
 *
 * No recomputation stops early, even where the word came out as before: `aug` may look deeper than
 * at its children's words, or keep more than the word (vma_place.c).
 */
#include "base/tree.h"

#include "base/hooks.h"
#include "base/lock.h"

/*
 * Multiplicative hashing by the seed, which is odd. One multiplication is not enough: nodes lie at
 * equal distances (objects of a slab), whose multiples may form long rising runs, which become deep
 * trees when the keys rise along. Folding the upper half down and multiplying again breaks them. A
 * bijection, so there are no ties.
 */
static inline uintptr_t priority(uintptr_t seed, const struct om_node *n)
{
	uintptr_t x = (uintptr_t)n * seed;

	x ^= x >> (sizeof(x) * 4);
	return x * seed;
}

/* Does node a, of the given key, come before b? */
static inline bool before(uintptr_t key, const struct om_node *a, const struct om_node *b,
                          const struct om_tree_ops *ops)
{
	uintptr_t other = ops->key(b);

	return key < other || (key == other && (uintptr_t)a < (uintptr_t)b);
}

/* The path goes on from `end` (NULL: begins) to n, which is its end now. */
static inline struct om_node *extend(struct om_node *end, struct om_node *n)
{
	n->aug = (uintptr_t)end;
	return n;
}

static void recompute(struct om_system *sys, struct om_node *end, const struct om_tree_ops *ops)
{
	while (end) {
		struct om_node *above = (struct om_node *)end->aug;

		om_work(sys, 1);
		end->aug = ops->aug(end);
		end = above;
	}
}

/* The link that points to n; *end is the end of the path to the node that has the link. */
static struct om_node **find_link(struct om_system *sys, struct om_node **link, struct om_node *n,
                                  const struct om_tree_ops *ops, struct om_node **end)
{
	uintptr_t key = ops->key(n);

	*end = NULL;
	while (*link != n) {
		struct om_node *at = *link;

		OM_BUG_ON(sys, !at, "tree", n, key, 0);
		*end = extend(*end, at);
		link = before(key, n, at, ops) ? &at->left : &at->right;
	}
	return link;
}

void om_tree_insert(struct om_system *sys, struct om_node **root, struct om_node *n,
                    const struct om_tree_ops *ops)
{
	uintptr_t seed = om_hooks(sys)->seed, key = ops->key(n), rank = priority(seed, n);
	struct om_node **link = root, **left = &n->left, **right = &n->right, *at, *end = NULL;

	while ((at = *link) && priority(seed, at) > rank) {
		end = extend(end, at);
		link = before(key, n, at, ops) ? &at->left : &at->right;
	}
	/* No ties: only n itself has its priority, and it would be found right here. */
	OM_BUG_ON(sys, at == n, "tree", n, key, 0);
	end = extend(end, n);
	*link = n;
	while (at) {
		end = extend(end, at);
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
	recompute(sys, end, ops);
}

void om_tree_remove(struct om_system *sys, struct om_node **root, struct om_node *n,
                    const struct om_tree_ops *ops)
{
	uintptr_t seed = om_hooks(sys)->seed;
	struct om_node *left = n->left, *right = n->right, *end;
	struct om_node **link = find_link(sys, root, n, ops, &end);

	while (left && right) {
		if (priority(seed, left) > priority(seed, right)) {
			end = extend(end, left);
			*link = left;
			link = &left->right;
			left = left->right;
		} else {
			end = extend(end, right);
			*link = right;
			link = &right->left;
			right = right->left;
		}
	}
	*link = left ? left : right;
	n->left = n->right = NULL;
	recompute(sys, end, ops);
}

void om_tree_update(struct om_system *sys, struct om_node **root, struct om_node *n,
                    const struct om_tree_ops *ops)
{
	struct om_node *end;

	find_link(sys, root, n, ops, &end);
	recompute(sys, extend(end, n), ops);
}

/* ---- intervals ---------------------------------------------------------------------------- */

#define NEXT_MAX (sizeof(((struct om_interval_iter *)0)->next) / sizeof(struct om_node *))

/* n comes before all on `next`. With no room left, the farthest of them is forgotten. */
static void push(struct om_interval_iter *it, const struct om_node *n)
{
	if (om_unlikely(it->n == NEXT_MAX)) {
		for (unsigned i = 1; i < NEXT_MAX; i++)
			it->next[i - 1] = it->next[i];
		it->n--;
		it->forgotten = true;
	}
	it->next[it->n++] = n;
}

/*
 * Push n and the nodes down its left spine: those that come next, in this order. Leaves out
 * subtrees that end before the interval, and nodes that begin after it with all to their right.
 */
static void push_spine(struct om_interval_iter *it, const struct om_node *n)
{
	for (; n && n->aug >= it->first; n = n->left) {
		om_work(it->sys, 1);
		if (it->ops->tree.key(n) <= it->last)
			push(it, n);
	}
}

/* Push what comes behind (key, node), from the root on. */
static void push_behind(struct om_interval_iter *it, uintptr_t key, uintptr_t node)
{
	const struct om_node *n = it->root;

	it->forgotten = false;
	while (n && n->aug >= it->first) {
		uintptr_t at = it->ops->tree.key(n);

		om_work(it->sys, 1);
		if (at < key || (at == key && (uintptr_t)n <= node)) {
			n = n->right;
			continue;
		}
		if (at <= it->last)
			push(it, n);
		n = n->left;
	}
}

struct om_node *om_interval_next(struct om_interval_iter *it)
{
	while (it->n) {
		const struct om_node *n = it->next[--it->n];

		push_spine(it, n->right);
		if (om_unlikely(!it->n && it->forgotten))
			push_behind(it, it->ops->tree.key(n), (uintptr_t)n);
		if (it->ops->last(n) >= it->first)
			return (struct om_node *)(uintptr_t)n;
	}
	return NULL;
}

struct om_node *om_interval_resume(struct om_interval_iter *it, struct om_system *sys,
                                   const struct om_node *root, const struct om_interval_ops *ops,
                                   uintptr_t first, uintptr_t last, uintptr_t key, uintptr_t node)
{
	it->sys = sys;
	it->ops = ops;
	it->root = root;
	it->first = first;
	it->last = last;
	it->n = 0;
	it->forgotten = false;
	push_behind(it, key, node);
	return om_interval_next(it);
}

/* No node is at address 0. */
struct om_node *om_interval_first(struct om_interval_iter *it, struct om_system *sys,
                                  const struct om_node *root, const struct om_interval_ops *ops,
                                  uintptr_t first, uintptr_t last)
{
	return om_interval_resume(it, sys, root, ops, first, last, 0, 0);
}
