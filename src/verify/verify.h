/*
 * verify.h: what the parts of om_verify() share. See verify.c.
 */
#ifndef OM_VERIFY_H
#define OM_VERIFY_H

#include "area/vma.h"
#include "base/tree.h"
#include "page/page.h"
#include "page/table.h"
#include "rmap/rmap.h"

/*
 * What was counted for one frame: 8 bytes of the caller's scratch memory. For a data page the
 * entries that map it, and of these the ones in VM_LOCKED areas; for every other kind `seen` is how
 * often it was reached. Later passes use the words for other sums.
 */
struct om_tally {
	uint32_t seen, locked;
};

struct om_check {
	struct om_system *sys;
	struct om_tally *tally; /* one for each frame; NULL: they are in pieces */
	void *const *piece;     /* each of them a page */
	struct om_bug *bug;     /* NULL, or where the first violation goes */
	unsigned violations;

	/* Sums over all address spaces. */
	size_t mms, vmas;
	size_t owners;                   /* of tables, beside the first */
	size_t file_vmas, file_in_trees; /* areas that must be in a file's tree; found in trees */
	size_t mappings, cached, shmem, swapped;
	size_t nodes;                  /* of the index scanned last */
	size_t tree_nodes;             /* that all trees have: areas, and the design's objects */
	struct om_vma *vma;            /* the area looked at last */
	struct om_anon_check anon;     /* what the reverse-map design checks */
	uint32_t first_slot, nr_slots; /* verify_slot.c: the slots that are being counted */
};

/* Counts a violation; the first one is described in check->bug. */
void om_check_fail(struct om_check *c, const char *rule, const char *what, const char *file,
                   int line, const void *object, uintptr_t v0, uintptr_t v1);

#define OM_CHECK(c, cond, rule, object, v0, v1)                                                    \
	((cond) ? true                                                                             \
	        : (om_check_fail(c, rule, #cond, __FILE__, __LINE__, object, (uintptr_t)(v0),      \
	                         (uintptr_t)(v1)),                                                 \
	           false))

/* Tallies in a piece of scratch memory. */
#define OM_PIECE_TALLIES ((om_pfn_t)(OM_PAGE_SIZE / sizeof(struct om_tally)))

static inline struct om_tally *om_tally_at(const struct om_check *c, om_pfn_t pfn)
{
	struct om_tally *piece = c->tally;

	if (piece)
		return &piece[pfn];
	piece = c->piece[pfn / OM_PIECE_TALLIES];
	return &piece[pfn % OM_PIECE_TALLIES];
}

static inline struct om_tally *om_tally_of(struct om_check *c, const struct om_page *page)
{
	return om_tally_at(c, om_page_pfn(c->sys, page));
}

/*
 * How many entries of a table of this level are the library's: in the top one those from
 * OM_VA_LIMIT on belong to the port's kernel.
 */
static inline unsigned om_table_ours(unsigned level)
{
	unsigned shift = OM_PAGE_SHIFT + (level - 1) * OM_TABLE_SHIFT;

	return level < OM_LEVELS ? OM_TABLE_ENTRIES : (unsigned)((OM_VA_LIMIT - 1) >> shift) + 1;
}

/* The tallies start again from zero. */
void om_tally_clear(struct om_check *c);

/*
 * All page-table entries in use, found from the root by hand. `table` is asked before a table is
 * read, by way of each of its owners, and may refuse; NULL: each is read once. `entry` sees the
 * entries of leaf tables.
 */
struct om_entry_scan {
	bool (*table)(struct om_check *c, struct om_mm *mm, struct om_page *table, unsigned level,
	              uintptr_t index);
	void (*entry)(struct om_check *c, struct om_mm *mm, struct om_page *table, unsigned pos,
	              om_pte_t pte);
};
void om_scan_tables(struct om_check *c, const struct om_entry_scan *scan);

/* For c->tree_nodes, before the first tree is checked. */
size_t om_count_tree_nodes(struct om_system *sys);
/* Are the nodes in order, without a cycle, and their augmented words right? Returns their number.
 */
size_t om_check_tree(struct om_check *c, const struct om_node *root, const struct om_tree_ops *ops,
                     const void *owner);

/* All entries of a file's index; `visit` stops by false. `tally`: count the nodes, too. */
typedef bool om_index_visit(struct om_check *c, struct om_mapping *mapping, uintptr_t index,
                            uint32_t entry);
void om_scan_index(struct om_check *c, struct om_mapping *mapping, om_index_visit *visit,
                   bool tally);

/* The passes. Those in the second group follow pointers that the first has found sound. */
void om_check_areas(struct om_check *c);    /* verify_vma.c: areas, their trees, counters */
void om_check_tables(struct om_check *c);   /* verify_table.c: tables and entries; tallies pages */
void om_check_mappings(struct om_check *c); /* verify_store.c: page caches */
void om_check_swap(struct om_check *c);     /* verify_store.c: tables of swap devices */
void om_check_objects(struct om_check *c);  /* verify_frame.c: object caches */
void om_check_frames(struct om_check *c);   /* verify_frame.c: every frame against its tally */
void om_check_lists(struct om_check *c);    /* verify_frame.c: free frames */

void om_check_walks(
    struct om_check *c); /* verify_table.c: om_rmap_walk() against the tables (I1) */
void om_check_slots(struct om_check *c); /* verify_slot.c: who holds which slot (I11) */

#endif
