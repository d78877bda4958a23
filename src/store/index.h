/*
 * index.h: which page, or swap slot, holds page i of a file.
 *
 * The first OM_INDEX_DIRECT entries are in the mapping; the rest hang in a tree of frames with
 * 1024 entries of 32 bits each, whose heights grow with the largest index. A node's descriptor
 * counts its entries in `mapcount`; an empty node is freed at once. So the fault path takes whole
 * frames here too, as it does for page tables, and never an object (I6).
 *
 * Guarded by mapping->lock.
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

void om_index_init(struct om_index *ix);

om_ientry_t om_index_get(struct om_system *sys, const struct om_index *ix, uintptr_t i);

/*
 * Set entry i to e (not 0). -OM_ENOFRAME, changing nothing, if a node is missing and no frame is
 * free; replacing an existing entry never fails.
 */
int om_index_set(struct om_system *sys, struct om_index *ix, uintptr_t i, om_ientry_t e);

/* Clear entry i; returns what it was. */
om_ientry_t om_index_clear(struct om_system *sys, struct om_index *ix, uintptr_t i);

/* The first entry at or after *i that is not 0; *i is set to its place. 0 if there is none. */
om_ientry_t om_index_next(struct om_system *sys, const struct om_index *ix, uintptr_t *i);

#endif
