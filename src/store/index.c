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
 */
#include "store/index.h"

#include "base/mem.h"

#define NODE_SHIFT   (OM_PAGE_SHIFT - 2)
#define NODE_ENTRIES (1u << NODE_SHIFT)
#define LINE         16 /* entries of a node that are in one line of a cache */
#define WORD_BITS    (sizeof(uintptr_t) * 8)
#define MAX_HEIGHT   ((WORD_BITS + NODE_SHIFT - 1) / NODE_SHIFT)

/* Nodes taken ahead of a change: a new spine above the root, and a new path below it. */
struct spare {
	unsigned n;
	struct om_page *node[2 * MAX_HEIGHT];
};

void om_index_init(struct om_index *ix)
{
	memset(ix, 0, sizeof(*ix));
	ix->root = OM_NO_PFN;
}

static om_ientry_t *entries(struct om_system *sys, const struct om_page *node)
{
	return om_page_ptr(sys, node);
}

static struct om_page *child(struct om_system *sys, const struct om_page *node, unsigned d)
{
	om_ientry_t e = entries(sys, node)[d];

	return e ? om_page_of(sys, om_ientry_value(e)) : NULL;
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
	om_ientry_t *p = &entries(sys, node)[d];
	om_ientry_t old = *p;

	*p = e;
	if (!old && e)
		node->mapcount++;
	else if (old && !e)
		node->mapcount--;
	return old;
}

om_ientry_t om_index_get(struct om_system *sys, const struct om_index *ix, uintptr_t i)
{
	struct om_page *node;
	unsigned level;

	if (i < OM_INDEX_DIRECT)
		return ix->direct[i];
	if (ix->root == OM_NO_PFN || !covers(ix->height, i))
		return 0;
	node = om_page_of(sys, ix->root);
	for (level = ix->height - 1u; level > 0; level--) {
		node = child(sys, node, digit(i, level));
		if (!node)
			return 0;
	}
	return entries(sys, node)[digit(i, 0)];
}

/* How many nodes an entry at i still needs. */
static unsigned missing(struct om_system *sys, const struct om_index *ix, uintptr_t i)
{
	struct om_page *node;
	unsigned level;

	if (ix->root == OM_NO_PFN)
		return height_for(i);
	/* A taller tree branches at its new root: i is beyond all that was there. */
	if (!covers(ix->height, i))
		return height_for(i) - ix->height + height_for(i) - 1;
	node = om_page_of(sys, ix->root);
	for (level = ix->height - 1u; level > 0; level--) {
		node = child(sys, node, digit(i, level));
		if (!node)
			return level;
	}
	return 0;
}

static bool spare_fill(struct om_system *sys, struct spare *spare, unsigned n)
{
	for (spare->n = 0; spare->n < n; spare->n++) {
		struct om_page *node = om_frame_get_zeroed(sys, OM_KIND_INDEX, 0);

		if (!node)
			break;
		spare->node[spare->n] = node;
	}
	if (spare->n == n)
		return true;
	while (spare->n)
		om_frame_release(sys, spare->node[--spare->n]);
	return false;
}

static struct om_page *spare_take(struct spare *spare)
{
	return spare->node[--spare->n];
}

/* Put new roots on top until the tree covers i. */
static void grow(struct om_system *sys, struct om_index *ix, uintptr_t i, struct spare *spare)
{
	unsigned height = height_for(i);
	struct om_page *root;

	if (ix->root == OM_NO_PFN) {
		ix->root = om_page_pfn(sys, spare_take(spare));
		ix->height = height & 15;
	}
	while (ix->height < height) {
		root = spare_take(spare);
		replace_entry(sys, root, 0, om_ientry_page(ix->root));
		ix->root = om_page_pfn(sys, root);
		ix->height++;
	}
}

/* The leaf for i, with the nodes above it made where they are missing. */
static struct om_page *make_leaf(struct om_system *sys, struct om_index *ix, uintptr_t i,
                                 struct spare *spare)
{
	struct om_page *node = om_page_of(sys, ix->root), *next;
	unsigned level;

	for (level = ix->height - 1u; level > 0; level--) {
		next = child(sys, node, digit(i, level));
		if (!next) {
			next = spare_take(spare);
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
		ix->direct[i] = e;
		return 0;
	}
	need = missing(sys, ix, i);
	if (!spare_fill(sys, &spare, need))
		return -OM_ENOFRAME;
	ix->nodes = (ix->nodes + need) & OM_INDEX_NODES_MAX;
	grow(sys, ix, i, &spare);
	replace_entry(sys, make_leaf(sys, ix, i, &spare), digit(i, 0), e);
	OM_BUG_ON(sys, spare.n != 0, "index", ix, spare.n, need);
	return 0;
}

/* The leaf path[0] has lost an entry: free it if it is empty, and then what only led to it. */
static void prune(struct om_system *sys, struct om_index *ix, struct om_page *const path[],
                  uintptr_t i)
{
	unsigned level;

	for (level = 0; level < ix->height; level++) {
		if (path[level]->mapcount)
			return;
		om_frame_release(sys, path[level]);
		ix->nodes--;
		if (level + 1u < ix->height)
			replace_entry(sys, path[level + 1], digit(i, level + 1), 0);
	}
	ix->root = OM_NO_PFN;
	ix->height = 0;
}

om_ientry_t om_index_clear(struct om_system *sys, struct om_index *ix, uintptr_t i)
{
	struct om_page *path[MAX_HEIGHT], *node;
	om_ientry_t old;
	unsigned level;

	if (i < OM_INDEX_DIRECT) {
		old = ix->direct[i];
		ix->direct[i] = 0;
		return old;
	}
	if (ix->root == OM_NO_PFN || !covers(ix->height, i))
		return 0;
	node = om_page_of(sys, ix->root);
	for (level = ix->height - 1u;; level--) {
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
	const struct om_page *node = om_page_of(sys, ix->root);
	unsigned level, d;

	for (level = ix->height - 1u;; level--) {
		const om_ientry_t *e = entries(sys, node);

		for (d = digit(*i, level); d < NODE_ENTRIES && !e[d]; d++)
			;
		om_work(sys, 1 + (d - digit(*i, level)) / LINE);
		if (d == NODE_ENTRIES)
			return skip_node(i, level);
		if (d > digit(*i, level)) {
			uintptr_t above = (uintptr_t)digit(*i, level);

			*i = ((*i >> (level * NODE_SHIFT)) + (d - above)) << (level * NODE_SHIFT);
		}
		if (level == 0) {
			*found = e[d];
			return true;
		}
		node = om_page_of(sys, om_ientry_value(e[d]));
	}
}

om_ientry_t om_index_next(struct om_system *sys, const struct om_index *ix, uintptr_t *i)
{
	om_ientry_t found = 0;

	for (; *i < OM_INDEX_DIRECT; ++*i) {
		if (ix->direct[*i])
			return ix->direct[*i];
	}
	if (ix->root == OM_NO_PFN)
		return 0;
	while (!found && covers(ix->height, *i)) {
		if (!descend_to_leaf(sys, ix, i, &found))
			return 0;
	}
	return found;
}
