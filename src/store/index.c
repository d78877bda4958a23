/*
 * index.c: the tree from a page's place in its file to the page, or to its swap slot.
 *
 * A node is one frame of OM_PAGE_SIZE / 4 entries, so with 4 KiB pages each level takes ten bits of
 * the index. Level 0 is a leaf and holds what the caller stored; the nodes above hold the pfn of a
 * child, encoded like a page. The height covers the largest index ever stored until the tree is
 * empty again. Entries below OM_INDEX_DIRECT never enter the tree.
 *
 * om_index_set() first counts the nodes it will need and takes them all, so that it fails before it
 * has changed anything (I10).
 *
 * Whoever peeks without the lock sees a new node's contents, because what leads to it is stored
 * with release; and a node's end, because `top` is changed before the node is freed.
 */
#include "store/index.h"

#include "base/mem.h"

#define NODE_SHIFT   (OM_PAGE_SHIFT - 2)
#define NODE_ENTRIES (1u << NODE_SHIFT)
#define LINE         16 /* entries of a node that are in one line of a cache */
#define WORD_BITS    (sizeof(uintptr_t) * 8)
#define MAX_HEIGHT   ((WORD_BITS + NODE_SHIFT - 1) / NODE_SHIFT)

_Static_assert(MAX_HEIGHT <= 7, "om_index.top has three bits for it");

/* Nodes taken ahead of a change: a new spine above the root, and a new path below it. */
struct spare {
	unsigned n;
	om_pfn_t node[2 * MAX_HEIGHT];
};

void om_index_init(struct om_index *ix)
{
	memset(ix, 0, sizeof(*ix));
}

static om_ientry_t load(const _Atomic om_ientry_t *e)
{
	return atomic_load_explicit(e, memory_order_acquire);
}

static _Atomic om_ientry_t *entries(struct om_system *sys, const struct om_page *node)
{
	return om_page_ptr(sys, node);
}

static struct om_page *child(struct om_system *sys, const struct om_page *node, unsigned d)
{
	om_ientry_t e = load(&entries(sys, node)[d]);

	return e ? om_page_of(sys, om_ientry_value(e)) : NULL;
}

/* NULL: there is none. */
static struct om_page *root_of(struct om_system *sys, uint64_t top)
{
	om_pfn_t root = om_index_root(top);

	return root == OM_NO_PFN ? NULL : om_page_of(sys, root);
}

/* `freed` times more nodes have left the tree, and are about to be free. */
static void set_top(struct om_index *ix, om_pfn_t root, unsigned height, unsigned freed)
{
	uint64_t times = (om_index_top(ix) >> OM_INDEX_FREED_SHIFT) + freed;

	atomic_store_explicit(&ix->top,
	                      times << OM_INDEX_FREED_SHIFT |
	                          (uint64_t)height << OM_INDEX_HEIGHT_SHIFT | (root + 1u),
	                      memory_order_release);
}

uint32_t om_index_nodes(struct om_system *sys, const struct om_index *ix)
{
	struct om_page *root = root_of(sys, om_index_top(ix));

	return root ? root->slot : 0;
}

/* Does a tree of this height have a place for i? */
static bool covers(unsigned height, uintptr_t i)
{
	unsigned bits = height * NODE_SHIFT;

	return bits >= WORD_BITS || i >> bits == 0;
}

static unsigned height_for(uintptr_t i)
{
	unsigned height = 1;

	while (!covers(height, i))
		height++;
	return height;
}

/* Where i goes in a node of that level. */
static unsigned digit(uintptr_t i, unsigned level)
{
	return (unsigned)(i >> (level * NODE_SHIFT)) & (NODE_ENTRIES - 1);
}

/* Write an entry and keep the node's count. */
static om_ientry_t replace_entry(struct om_system *sys, struct om_page *node, unsigned d,
                                 om_ientry_t e)
{
	_Atomic om_ientry_t *p = &entries(sys, node)[d];
	om_ientry_t old = load(p);

	atomic_store_explicit(p, e, memory_order_release);
	if (!old && e)
		node->mapcount++;
	else if (old && !e)
		node->mapcount--;
	return old;
}

om_ientry_t om_index_get(struct om_system *sys, const struct om_index *ix, uintptr_t i)
{
	uint64_t top = om_index_top(ix);
	struct om_page *node = root_of(sys, top);
	unsigned level;

	if (i < OM_INDEX_DIRECT)
		return load(&ix->direct[i]);
	if (!node || !covers(om_index_height(top), i))
		return 0;
	for (level = om_index_height(top) - 1u; level > 0; level--) {
		node = child(sys, node, digit(i, level));
		if (!node)
			return 0;
	}
	return load(&entries(sys, node)[digit(i, 0)]);
}

/* ---------------------------------------------------------------- without the lock ---------- */

/*
 * Whoever frees a node has changed `top` before he took its frame lock. Debug builds check that,
 * and so give schedules a step, before and after a node is read.
 */
static void check_node(struct om_system *sys, const struct om_index *ix, uint64_t top,
                       om_pfn_t node)
{
	struct om_page *page = om_page_of(sys, node);

	om_frame_lock(sys, page);
	OM_ASSERT(sys, page->kind == OM_KIND_INDEX || om_index_top(ix) != top, "index", page);
	om_frame_unlock(sys, page);
}

/* Where the frame of a node is read, which was in the tree when `top` was. */
static inline const _Atomic om_ientry_t *peek_entry(struct om_system *sys,
                                                    const struct om_index *ix, uint64_t top,
                                                    om_pfn_t node, uintptr_t at)
{
	const _Atomic om_ientry_t *e = om_arch_frame(&sys->arch, node);

	if (OM_DEBUG)
		check_node(sys, ix, top, node);
	return &e[at & (NODE_ENTRIES - 1)];
}

/*
 * Was it still in the tree when it was read? The loads of what was read have acquire, so none is
 * later than this one.
 */
static inline bool was_there(struct om_system *sys, const struct om_index *ix, uint64_t top,
                             om_pfn_t node)
{
	if (OM_DEBUG)
		check_node(sys, ix, top, node);
	return om_likely(om_index_top(ix) == top);
}

/* The leaf for i, which is not in the mapping itself. OM_NO_PFN: none, or the tree has changed. */
static inline om_pfn_t peek_leaf(struct om_system *sys, const struct om_index *ix, uint64_t top,
                                 uintptr_t i)
{
	om_pfn_t node = om_index_root(top);
	unsigned shift = om_index_height(top) * NODE_SHIFT;

	/* Without a root, the height covers place 0 alone. */
	if (shift < WORD_BITS && i >> shift)
		return OM_NO_PFN;
	while ((shift -= NODE_SHIFT)) {
		om_ientry_t e = load(peek_entry(sys, ix, top, node, i >> shift));

		if (!was_there(sys, ix, top, node) || !e)
			return OM_NO_PFN;
		node = om_ientry_value(e);
	}
	return node;
}

om_ientry_t om_index_peek(struct om_system *sys, const struct om_index *ix, uintptr_t i)
{
	uint64_t top;
	om_pfn_t leaf;
	om_ientry_t e;

	if (i < OM_INDEX_DIRECT)
		return load(&ix->direct[i]);
	top = om_index_top(ix);
	leaf = peek_leaf(sys, ix, top, i);
	if (leaf == OM_NO_PFN)
		return 0;
	e = load(peek_entry(sys, ix, top, leaf, i));
	return was_there(sys, ix, top, leaf) ? e : 0;
}

/* Of n entries, those that one leaf has; returns how many. */
static unsigned peek_in_leaf(struct om_system *sys, const struct om_index *ix, uintptr_t i,
                             unsigned n, om_ientry_t e[])
{
	uint64_t top = om_index_top(ix);
	om_pfn_t leaf = peek_leaf(sys, ix, top, i);
	unsigned left = NODE_ENTRIES - digit(i, 0);

	n = n < left ? n : left;
	if (leaf != OM_NO_PFN) {
		const _Atomic om_ientry_t *at = peek_entry(sys, ix, top, leaf, i);

		for (unsigned k = 0; k < n; k++)
			e[k] = load(&at[k]);
	}
	if (leaf == OM_NO_PFN || !was_there(sys, ix, top, leaf))
		memset(e, 0, n * sizeof(*e));
	return n;
}

void om_index_peek_many(struct om_system *sys, const struct om_index *ix, uintptr_t i, unsigned n,
                        om_ientry_t e[])
{
	unsigned k = 0;

	for (; k < n && i + k < OM_INDEX_DIRECT; k++)
		e[k] = load(&ix->direct[i + k]);
	while (k < n)
		k += peek_in_leaf(sys, ix, i + k, n - k, &e[k]);
}

/* ---------------------------------------------------------------- setting ------------------- */

/* How many nodes an entry at i still needs. */
static unsigned missing(struct om_system *sys, const struct om_index *ix, uintptr_t i)
{
	uint64_t top = om_index_top(ix);
	unsigned height = om_index_height(top), level;
	struct om_page *node = root_of(sys, top);

	if (!node)
		return height_for(i);
	/* A taller tree branches at its new root: i is beyond all that was there. */
	if (!covers(height, i))
		return height_for(i) - height + height_for(i) - 1;
	for (level = height - 1u; level > 0; level--) {
		node = child(sys, node, digit(i, level));
		if (!node)
			return level;
	}
	return 0;
}

static struct om_page *spare_take(struct om_system *sys, struct spare *spare)
{
	return om_page_of(sys, spare->node[--spare->n]);
}

static bool spare_fill(struct om_system *sys, struct spare *spare, unsigned n)
{
	for (spare->n = 0; spare->n < n; spare->n++) {
		struct om_page *node = om_frame_get_zeroed(sys, OM_KIND_INDEX, 0);

		if (!node)
			break;
		node->slot = 0;
		spare->node[spare->n] = om_page_pfn(sys, node);
	}
	if (spare->n == n)
		return true;
	while (spare->n)
		om_frame_release(sys, spare_take(sys, spare));
	return false;
}

/* Put new roots on top until the tree covers i. */
static void grow(struct om_system *sys, struct om_index *ix, uintptr_t i, struct spare *spare)
{
	uint64_t top = om_index_top(ix);
	struct om_page *root = root_of(sys, top), *above;
	unsigned need = height_for(i), height = om_index_height(top);

	if (root && height >= need)
		return;
	if (!root) {
		root = spare_take(sys, spare);
		height = need;
	}
	for (; height < need; height++) {
		above = spare_take(sys, spare);
		replace_entry(sys, above, 0, om_ientry_page(om_page_pfn(sys, root)));
		above->slot = root->slot;
		root->slot = 0;
		root = above;
	}
	set_top(ix, om_page_pfn(sys, root), height, 0);
}

/* The leaf for i, with the nodes above it made where they are missing. */
static struct om_page *make_leaf(struct om_system *sys, struct om_index *ix, uintptr_t i,
                                 struct spare *spare)
{
	uint64_t top = om_index_top(ix);
	struct om_page *node = root_of(sys, top), *next;
	unsigned level;

	for (level = om_index_height(top) - 1u; level > 0; level--) {
		next = child(sys, node, digit(i, level));
		if (!next) {
			next = spare_take(sys, spare);
			replace_entry(sys, node, digit(i, level),
			              om_ientry_page(om_page_pfn(sys, next)));
		}
		node = next;
	}
	return node;
}

int om_index_set(struct om_system *sys, struct om_index *ix, uintptr_t i, om_ientry_t e)
{
	struct spare spare;
	unsigned need;

	OM_ASSERT(sys, e, "index", ix);
	if (i < OM_INDEX_DIRECT) {
		atomic_store_explicit(&ix->direct[i], e, memory_order_release);
		return 0;
	}
	need = missing(sys, ix, i);
	if (!spare_fill(sys, &spare, need))
		return -OM_ENOFRAME;
	grow(sys, ix, i, &spare);
	root_of(sys, om_index_top(ix))->slot += need;
	replace_entry(sys, make_leaf(sys, ix, i, &spare), digit(i, 0), e);
	OM_BUG_ON(sys, spare.n != 0, "index", ix, spare.n, need);
	return 0;
}

/*
 * The leaf path[0] has lost an entry: free it if it is empty, and then what only led to it. They
 * leave the tree, then `top` tells so, and then they are free.
 */
static void prune(struct om_system *sys, struct om_index *ix, struct om_page *const path[],
                  uintptr_t i)
{
	uint64_t top = om_index_top(ix);
	unsigned height = om_index_height(top), n;

	for (n = 0; n < height && !path[n]->mapcount; n++)
		if (n + 1 < height)
			replace_entry(sys, path[n + 1], digit(i, n + 1), 0);
	if (n == height) {
		set_top(ix, OM_NO_PFN, 0, 1);
	} else if (n) {
		path[height - 1]->slot -= n;
		set_top(ix, om_index_root(top), height, 1);
	}
	OM_ASSERT(sys, !n || om_index_top(ix) != top, "index", ix);
	while (n)
		om_frame_release(sys, path[--n]);
}

om_ientry_t om_index_clear(struct om_system *sys, struct om_index *ix, uintptr_t i)
{
	uint64_t top = om_index_top(ix);
	struct om_page *path[MAX_HEIGHT], *node = root_of(sys, top);
	om_ientry_t old;
	unsigned level;

	if (i < OM_INDEX_DIRECT) {
		old = load(&ix->direct[i]);
		atomic_store_explicit(&ix->direct[i], 0, memory_order_release);
		return old;
	}
	if (!node || !covers(om_index_height(top), i))
		return 0;
	for (level = om_index_height(top) - 1u;; level--) {
		path[level] = node;
		if (level == 0)
			break;
		node = child(sys, node, digit(i, level));
		if (!node)
			return 0;
	}
	old = replace_entry(sys, node, digit(i, 0), 0);
	if (old)
		prune(sys, ix, path, i);
	return old;
}

/* ---------------------------------------------------------------- the next one -------------- */

/* Move *i to the start of the next node of that level; false if the indexes end there. */
static bool skip_node(uintptr_t *i, unsigned level)
{
	unsigned bits = (level + 1) * NODE_SHIFT;

	if (bits >= WORD_BITS)
		return false;
	*i = ((*i >> bits) + 1) << bits;
	return *i != 0;
}

/*
 * One descent for the first entry at or after *i. It is found (*i is its place), or *i moves behind
 * the node that turned out to have nothing more; false at the end of the tree.
 */
static bool descend_to_leaf(struct om_system *sys, const struct om_index *ix, uintptr_t *i,
                            om_ientry_t *found)
{
	uint64_t top = om_index_top(ix);
	const struct om_page *node = root_of(sys, top);
	unsigned level, d;

	for (level = om_index_height(top) - 1u;; level--) {
		const _Atomic om_ientry_t *e = entries(sys, node);

		for (d = digit(*i, level); d < NODE_ENTRIES && !load(&e[d]); d++)
			;
		om_work(sys, 1 + (d - digit(*i, level)) / LINE);
		if (d == NODE_ENTRIES)
			return skip_node(i, level);
		if (d > digit(*i, level)) {
			uintptr_t above = (uintptr_t)digit(*i, level);

			*i = ((*i >> (level * NODE_SHIFT)) + (d - above)) << (level * NODE_SHIFT);
		}
		if (level == 0) {
			*found = load(&e[d]);
			return true;
		}
		node = om_page_of(sys, om_ientry_value(load(&e[d])));
	}
}

om_ientry_t om_index_next(struct om_system *sys, const struct om_index *ix, uintptr_t *i)
{
	om_ientry_t found = 0;

	for (; *i < OM_INDEX_DIRECT; ++*i) {
		found = load(&ix->direct[*i]);
		if (found)
			return found;
	}
	if (!root_of(sys, om_index_top(ix)))
		return 0;
	while (!found && covers(om_index_height(om_index_top(ix)), *i)) {
		if (!descend_to_leaf(sys, ix, i, &found))
			return 0;
	}
	return found;
}
