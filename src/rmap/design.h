/*
 * design.h: what a reverse-map design provides: where an anonymous page says that it is mapped, and
 * how that is kept true while areas and entries change.
 *
 * A design is a header, with the inline ones of these functions, and a source, with the others and
 * om_rmap_traits. It may use page->object and page->index of a mapped anonymous page, vma->anon_vma
 * and vma->by_anon, mm->anon_mm, sys->rmap, and objects of its own from the caches OM_CACHE_RMAP
 * and on.
 *
 * Everything else is done by anon_page.h, area.c and walk.c, for all designs: mapcount, flags,
 * lists, counters, the trees of files. So a function here says where, and nothing more.
 */
#ifndef OM_DESIGN_H
#define OM_DESIGN_H

#include "base/vma_fields.h"
#include "page/put.h"
#include "page/slab.h"
#include "rmap/probe.h"

/* What a design can do, and what it needs. The core asks this, and nothing else, about designs. */
struct om_rmap_traits {
	const char *name;
	uint16_t object_bytes[OM_NR_RMAP_CACHES]; /* sizes of its objects; 0: it has no such */
	uint8_t vma_bytes, mm_bytes;              /* of an area's and an mm's fields that it uses */
	/* mremap may move the entry of a page that others map, too; or else it is copied first. */
	bool moves_shared;
	bool moves_tables; /* a table may get another address without a look at its pages */
	bool bounded;      /* holds no spinning lock for more than OM_HOLD entries and areas */
	/* What other designs of the rest of the library could build on. */
	bool shares_tables; /* an exclusive page needs no look when its table gets another owner */
	/* A direct page names its table by `object`: so big entries lead to it. */
	bool folds_tables;
	bool objectless_fault; /* a fault allocates nothing but the page (I6) */
};
extern const struct om_rmap_traits om_rmap_traits;

/* ------- pages; TABLE and the page's FRAME lock are held, so nothing can be allocated ------- */

/* Without FRAME, before a page may get another entry: a chance to have ready what that takes. */
OM_INLINE void om_anon_stock_up(struct om_system *sys, struct om_page *page);

/*
 * The entry at `pos` of `table` is the page's only one: it is new (object is NULL), comes from swap
 * (object is NULL), or was shared until the others went.
 */
OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos);

/* fork: entries of one area and one table. Both tables are locked; the two areas are related. */
struct om_fork_part {
	struct om_vma *parent, *child;
	struct om_page *from, *to;
	uintptr_t index; /* linear index of entry 0 */
};

/*
 * fork: the page, `direct` or shared already, gets an entry in part->to, too. False, and nothing
 * changed: it cannot be shared.
 */
OM_INLINE bool om_anon_page_share(struct om_system *sys, struct om_page *page,
                                  const struct om_fork_part *part, unsigned pos, bool direct);

/*
 * Swap-in of a page of which others may have entries, or slots: mapcount tells if it has one (and
 * then an object, else NULL). False, and nothing changed: it could not be found here.
 */
bool om_anon_page_join(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                       struct om_page *table, unsigned pos);

/*
 * The table that has the only entry of this exclusive page, at page->index; NULL: it is not
 * exclusive, or the design does not know without a search. FRAME is held, TABLE is not.
 */
OM_INLINE struct om_page *om_anon_page_table(const struct om_page *page);

/* Of any kind of page: see om_rmap_page_move(), om_rmap_entry_cleared(). FRAME is not held. */
OM_INLINE void om_anon_page_move(struct om_system *sys, struct om_page *page, struct om_page *from,
                                 uintptr_t old, struct om_page *table, uintptr_t pos);
OM_INLINE void om_anon_entry_cleared(struct om_system *sys, struct om_page *page,
                                     struct om_page *table, unsigned pos);

/*
 * The page has no entry left; `object` is what it named until now, perhaps no more than a frame
 * lock ago. It may be dead (kind FREE). TABLE need not be held.
 */
OM_INLINE void om_anon_page_leave(struct om_system *sys, struct om_page *page, void *object);

/* ------- areas: the design's part of the functions of rmap.h; MAPPING is held ------- */

OM_INLINE bool om_anon_prepare(struct om_vma *vma); /* without MAPPING */

void om_anon_link(struct om_vma *vma);
void om_anon_unlink(struct om_vma *vma);
void om_anon_change_begin(struct om_vma *vma, struct om_vma *partner);
void om_anon_change_end(struct om_vma *vma, struct om_vma *partner);
void om_anon_move_begin(struct om_vma *vma);
void om_anon_move_end(struct om_vma *vma);

/* Of two areas that change together, at least one knows the anon_vma, if there is any. */
static inline struct om_anon_vma *om_common_anon_vma(const struct om_vma *vma,
                                                     const struct om_vma *partner)
{
	return vma->anon_vma || !partner ? vma->anon_vma : partner->anon_vma;
}

/* Must it be queued? Who has no anon_vma yet may get one meanwhile, by om_rmap_vma_absorb(). */
static inline bool om_is_member(const struct om_vma *vma)
{
	return vma && vma->anon_vma && vma->start != vma->end;
}

/* ------- walking ------- */

/*
 * om_rmap_walk() of an anonymous page: visit the entries by om_probe(), and stop when it says so or
 * t->mapcount of them are found. Page lock held. An entry that is there all the time, and whose
 * page is not moved meanwhile, must be visited.
 */
void om_anon_walk(struct om_walk *w, struct om_page *page);

/* ------- checking: om_verify() ------- */

/*
 * A check of everything at rest. The design reports what contradicts its own rules by fail(), and
 * has the trees that it keeps read by tree(), which returns how many nodes there are.
 */
struct om_anon_check {
	struct om_system *sys;
	void (*fail)(struct om_anon_check *c, const char *rule, const void *object, uintptr_t v0,
	             uintptr_t v1);
	size_t (*tree)(struct om_anon_check *c, const struct om_node *root,
	               const struct om_tree_ops *ops, const void *owner);
	size_t queued, in_trees;           /* areas that must be in a tree; found in trees */
	size_t objects[OM_NR_RMAP_CACHES]; /* objects that were reached */
};

#endif
