/*
 * i_mmap.h: the areas of a file, and how to go through them, or those of a family, in pieces.
 */
#ifndef OM_I_MMAP_H
#define OM_I_MMAP_H

#include "page/table.h"

/*
 * A file or a family may have any number of areas, and anybody may add to them. So whoever goes
 * through them holds the tree's lock, which spins, for so many areas or entries at a time, and then
 * lets others in. What is remembered is a place in the tree, (key, address of the node), which is
 * only compared: the area that was there may be gone, and another one have its address.
 *
 * What keeps its place is thus met exactly once, whatever comes and goes around it. What changes
 * its place may be missed: an area that grows downwards or is merged into its lower neighbour, an
 * entry that mremap moves or fork copies to an area that was passed already. There are two answers:
 *
 *   - A walk for reclaim looks at mapcount afterwards, and is tried again.
 *   - Whoever must miss nothing (write-back, truncation) holds mapping->shape for writing from the
 *     first piece to the last. The four that change places hold it for reading (lock.h), so each
 *     comes before all pieces or after them. Areas may be queued meanwhile, but empty ones, and
 *     leave, but emptied ones (I5). Entries can come by faults alone, which need the page lock:
 *     write-back holds it, truncation takes it afterwards, of each page that is still in the file
 *     (ops/truncate.c).
 */
#define OM_HOLD 64

OM_INLINE unsigned om_hold(const struct om_system *sys)
{
	return OM_DEBUG && sys->hold ? sys->hold : OM_HOLD;
}

/* So many areas and entries were looked at: a test can see that it never is more. */
OM_INLINE void om_note_hold(struct om_system *sys, unsigned looked)
{
	if (OM_DEBUG && looked > atomic_load_explicit(&sys->longest_hold, memory_order_relaxed))
		atomic_store_explicit(&sys->longest_hold, looked, memory_order_relaxed);
}

/* The order of the areas in mapping->i_mmap. */
extern const struct om_interval_ops om_file_tree;

/* Where somebody is who goes through them; {0} is the beginning. */
struct om_cursor {
	uintptr_t key, node; /* what lies behind this place in i_mmap is still to come ... */
	uintptr_t addr;      /* ... from here on, in the area at node + 1 */
	bool done;
};

/* Entries of one area in one table. */
struct om_part {
	struct om_vma *vma;
	struct om_page *table;
	uintptr_t start, end;
};

/* The index of all nonlinear areas in i_mmap, behind that of every page. */
#define OM_NONLINEAR_INDEX UINTPTR_MAX

/*
 * The next entries that show pages [first, last] in linear areas, and all entries of nonlinear ones
 * if `last` is OM_NONLINEAR_INDEX. *left is what may still be looked at with the lock held; it
 * decreases by the entries, and by one for each area. False when nothing is left of either: c->done
 * tells. mapping->lock held. Cost: O(log areas), and the upper tables without entries in between.
 */
bool om_i_mmap_next(struct om_mapping *mapping, struct om_cursor *c, uintptr_t first,
                    uintptr_t last, unsigned *left, struct om_part *part);

/*
 * A page can be anywhere in a nonlinear area, so each of its walks would scan them all. Instead, a
 * walk that is not complete looks, if linear areas do not account for all of mapcount, at so many
 * of their entries from the mapping's hand on. Reclaim sweeps the same entries of other pages that
 * it has not seen used, and moves the hand (reclaim/sweep.c): so an entry costs others one look,
 * and its owner a fault.
 */
#define OM_WINDOW 512

struct om_cursor om_i_mmap_hand(const struct om_mapping *mapping);
void om_i_mmap_set_hand(struct om_mapping *mapping, const struct om_cursor *c);

/*
 * Call fn for the parts of nonlinear areas in the window that begins at c, which it moves; behind
 * the last area the window goes on with the first. fn has mapping->lock for reading, and returns
 * false to end it. Takes MAPPING.
 */
typedef bool om_part_fn(void *arg, const struct om_part *part);
void om_i_mmap_window(struct om_mapping *mapping, struct om_cursor *c, om_part_fn *fn, void *arg);

/*
 * As om_i_mmap_window(), for as many as one hold of the lock is for, and not round. False: fn has
 * ended it.
 */
bool om_i_mmap_hold(struct om_mapping *mapping, struct om_cursor *c, om_part_fn *fn, void *arg);

#endif
