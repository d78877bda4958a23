/*
 * rmap.h: the reverse map: from a page to the entries that map it. The one interface between the
 * core and a reverse-map design; src/rmap/ holds a pair of files for each design, and the build
 * links one. What they have in common is in i_mmap.h.
 *
 * Page calls hold the page's table lock(s), take its frame lock inside, and keep mapcount (I1) and
 * the mlock count (I12). None allocates, none sleeps, none fails unless it says so. `pos` is the
 * entry's place in `table`, `vma` the area around it.
 */
#ifndef OM_RMAP_H
#define OM_RMAP_H

#include "page/table.h"
#include "rmap/i_mmap.h"

/*
 * A fresh anonymous page gets its first entry; it is exclusive. The page is not on a list yet.
 * Takes over the caller's reference, and puts the page on the active list (or makes it
 * unevictable).
 */
OM_INLINE void om_rmap_page_new(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos);

/* One more entry maps a file page. False if the page has too many mappers. */
bool om_rmap_file_add(struct om_system *sys, struct om_page *page, struct om_vma *vma);

/*
 * fork: `page`, anonymous and mapped in `parent` at linear index `index`, gets a second entry in
 * the child's table. Both are read-only from now on; both tables' locks are held, and both areas
 * are in one anon_vma. *now_shared is incremented if the page was direct. False: it is pinned, or
 * has too many mappers, and the child must get a copy.
 */
OM_INLINE bool om_rmap_page_dup(struct om_system *sys, struct om_page *page, struct om_vma *parent,
                                uintptr_t index, size_t *now_shared);

/*
 * An entry of any kind of page went away; `locked`: it was in a VM_LOCKED area. The frame lock is
 * held, and the TLB has been flushed, or the caller has another claim on the page (I7): until
 * this call the entry counts, so the page lives. These two calls need no table's lock.
 */
OM_INLINE void om_rmap_page_remove(struct om_system *sys, struct om_page *page, bool locked);

/*
 * Call after that, unless the page dies with others (om_lru_page_die): with no entry left, an
 * anonymous page names no object. Frame lock held.
 */
OM_INLINE void om_rmap_page_forget(struct om_system *sys, struct om_page *page);

/* mremap moved an entry of a page of any kind to `pos` of `table`. Both tables' locks are held. */
OM_INLINE void om_rmap_page_move(struct om_system *sys, struct om_page *page, struct om_page *table,
                                 uintptr_t pos);

/*
 * A write fault on a page of any kind: if it is anonymous, this entry is its only one and no swap
 * slot is held by others, make it direct and return true. Otherwise return false, with a
 * reference for the caller, who copies it.
 */
OM_INLINE bool om_rmap_page_reuse(struct om_system *sys, struct om_page *page,
                                  struct om_page *table, unsigned pos);

/*
 * A swapped page is mapped again. `exclusive`: this entry took the slot's last reference. Becomes
 * direct if it is exclusive and mapped nowhere, shared otherwise (the area then has an anon_vma).
 * Page lock held. Returns true if direct.
 */
bool om_rmap_page_swapin(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos, bool exclusive);

/* -------- areas; mm->mmap_lock held for writing -------- */

/*
 * fork: allocate what `parent` needs to share pages with a child: -OM_ENOFRAME, or 0. Changes
 * nothing that a caller could see. Called before `child` is linked.
 */
int om_rmap_vma_fork(struct om_vma *child, struct om_vma *parent);

/* A new area that continues `from` (split, mremap): it inherits its object. Not linked yet. */
void om_rmap_vma_copy(struct om_vma *to, const struct om_vma *from);

/* Could the two be one area as far as the reverse map is concerned? */
bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b);

/*
 * Queue the area in its objects' trees before its first entry is set, and take it out after the
 * last is gone and flushed (I5). The last to leave an anon_vma frees it (I4). Take MAPPING, ANON.
 */
void om_rmap_vma_link(struct om_vma *vma);
void om_rmap_vma_unlink(struct om_vma *vma);

/*
 * Around a change of start, end, pgoff, or of the trees the area belongs to: takes the area out
 * of its trees and holds their locks for writing; `end` queues it again and lets go. With
 * `partner` (may be NULL) the two change together: they have the same mapping, and the same
 * anon_vma or none. Takes SHAPE for reading, MAPPING, ANON; may sleep before that.
 */
void om_rmap_change_begin(struct om_vma *vma, struct om_vma *partner);
void om_rmap_change_end(struct om_vma *vma, struct om_vma *partner);

/*
 * Around a move of entries to `vma` from another area in its trees (mremap), a table of them at a
 * time, or so. Takes what om_rmap_change_begin() takes; nothing is taken out of a tree.
 */
void om_rmap_move_begin(struct om_vma *vma);
void om_rmap_move_end(struct om_vma *vma);

/* -------- walking -------- */

enum om_walk_verdict { OM_WALK_GO, OM_WALK_STOP };

struct om_walk {
	/*
	 * Called for each entry that maps the page, with the table's lock held. `vma` is NULL
	 * when the design finds the entry without one. May take FRAME and leaves, and flush.
	 */
	enum om_walk_verdict (*visit)(struct om_walk *w, struct om_page *page, struct om_vma *vma,
	                              struct om_page *table, unsigned pos);
	void *arg;
	bool complete; /* of a file's page, no entry may be missed: holds SHAPE, and may sleep */
	struct om_system *sys;
	unsigned probed, found; /* out: entries looked at; of these, entries that map the page */
};

/*
 * Visit every entry that maps the page, once each (I1), stopping when mapcount entries have been
 * found. Page lock held; takes MAPPING or ANON for reading, then TABLE. Unless it is complete it
 * may miss an entry that changes its place, and looks into nonlinear areas through a window: the
 * caller looks at mapcount afterwards.
 */
void om_rmap_walk(struct om_system *sys, struct om_page *page, struct om_walk *w);

/* Pages that are mapped now, by kind. Exact at rest. Any context. */
struct om_mapped_pages {
	om_pfn_t direct, shared, file;
};
void om_rmap_mapped(struct om_system *sys, struct om_mapped_pages *mapped);

/* Bytes the reverse map uses beyond areas and page descriptors. */
size_t om_rmap_bytes(struct om_system *sys);

/* The order of the areas in an anon_vma, for verify.c. */
extern const struct om_interval_ops om_anon_tree;

/*
 * The bodies of the inline ones. A design is a pair of files in src/rmap/; the build names
 * another one with -DOM_RMAP_DESIGN.
 */
#ifndef OM_RMAP_DESIGN
#define OM_RMAP_DESIGN "rmap/objrmap.h"
#endif
#include OM_RMAP_DESIGN

#endif
