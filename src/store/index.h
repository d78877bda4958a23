/*
 * index.h: which page, or swap slot, holds page i of a file.
 *
 * The first OM_INDEX_DIRECT entries are in the mapping; the rest hang in a tree of frames with
 * 1024 entries of 32 bits each, whose heights grow with the largest index. A node's descriptor
 * counts its entries in `mapcount`, the root's all nodes in `slot`; an empty node is freed at
 * once. So the fault path takes whole frames here too, as it does for page tables, and never an
 * object (I6).
 *
 * Guarded by mapping->lock, but for om_index_peek(). Who goes down the tree without the lock may be
 * in a node that is being freed, and is anything by the time it is read. So om_index.top has,
 * beside root and height, a number that grows each time nodes are freed, after they have left the
 * tree and before they are free. What was read from a node counts only if `top` is still the same
 * afterwards: then the node was in the tree when it was read, and what it names was, too.
 */
#ifndef OM_INDEX_H
#define OM_INDEX_H

#include "page/frame.h"

/* Entries: 0 = nothing. */
typedef uint32_t om_ientry_t;

static inline om_ientry_t om_ientry_page(om_pfn_t pfn)
{
	return (pfn + 1) << 1;
}
static inline om_ientry_t om_ientry_slot(uint32_t slot)
{
	return (slot + 1) << 1 | 1;
}
static inline bool om_ientry_is_page(om_ientry_t e)
{
	return e && !(e & 1);
}
static inline bool om_ientry_is_slot(om_ientry_t e)
{
	return e & 1;
}
/* The pfn or the slot. */
static inline uint32_t om_ientry_value(om_ientry_t e)
{
	return (e >> 1) - 1;
}

/* om_index.top: root + 1 (31 bits, as in an entry), height (3), how often nodes were freed (30). */
#define OM_INDEX_HEIGHT_SHIFT 31
#define OM_INDEX_FREED_SHIFT  34

static inline uint64_t om_index_top(const struct om_index *ix)
{
	return atomic_load_explicit(&ix->top, memory_order_acquire);
}
/* OM_NO_PFN: there is no node. */
static inline om_pfn_t om_index_root(uint64_t top)
{
	return (om_pfn_t)(top & ((1u << OM_INDEX_HEIGHT_SHIFT) - 1)) - 1;
}
static inline unsigned om_index_height(uint64_t top)
{
	return (unsigned)(top >> OM_INDEX_HEIGHT_SHIFT) & 7;
}

void om_index_init(struct om_index *ix);

/* Frames of the tree. */
uint32_t om_index_nodes(struct om_system *sys, const struct om_index *ix);

om_ientry_t om_index_get(struct om_system *sys, const struct om_index *ix, uintptr_t i);

/*
 * Set entry i to e (not 0). -OM_ENOFRAME, changing nothing, if a node is missing and no frame is
 * free; replacing an existing entry never fails.
 */
int om_index_set(struct om_system *sys, struct om_index *ix, uintptr_t i, om_ientry_t e);

/* Clear entry i; returns what it was. */
om_ientry_t om_index_clear(struct om_system *sys, struct om_index *ix, uintptr_t i);

/*
 * Without the lock: what entry i was, at some moment since the call; 0 stands for "ask with the
 * lock" as well. So a page that is named here may have left the file since: lock its frame, which
 * exists for ever, and ask the page. Any context. Takes nothing (debug builds: FRAME of a node).
 */
om_ientry_t om_index_peek(struct om_system *sys, const struct om_index *ix, uintptr_t i);
/* om_index_peek() of entries [i, i + n), each at a moment of its own. */
void om_index_peek_many(struct om_system *sys, const struct om_index *ix, uintptr_t i, unsigned n,
                        om_ientry_t e[]);

/* The first entry at or after *i that is not 0; *i is set to its place. 0 if there is none. */
om_ientry_t om_index_next(struct om_system *sys, const struct om_index *ix, uintptr_t *i);

#endif
