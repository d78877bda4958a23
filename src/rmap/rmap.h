/*
 * rmap.h: the reverse map: from a page to the entries that map it. The one interface between the
 * core and a reverse-map design.
 *
 * What is the same in every design lies here: the areas of files (i_mmap.h), the states of an
 * anonymous page (anon_page.h), the walk of a file's page (walk.c). What a design decides, and so
 * where an anonymous page is found, is in design.h. The build links one design.
 *
 * Page calls hold the page's table lock(s), take its frame lock inside, and keep mapcount (I1) and
 * the mlock count (I12). None sleeps, none fails unless it says so. `pos` is the entry's place in
 * `table`, `vma` the area around it.
 *
 * OM_PG_DIRECT says in every design that the page is exclusive: one entry maps it, and no fork and
 * no slot stands for another. The default design keeps the way to that entry in such a page.
 */
#ifndef OM_RMAP_H
#define OM_RMAP_H

#include "rmap/design.h"

/* -------- address spaces -------- */

/*
 * A new mm, of which nobody knows; fork: a child of `parent`, which is locked for writing,
 * otherwise NULL. 0, or -OM_ENOFRAME. And its end, when nothing is mapped.
 */
OM_INLINE int om_rmap_mm_init(struct om_mm *mm, struct om_mm *parent);
OM_INLINE void om_rmap_mm_exit(struct om_mm *mm);

/*
 * Nothing is mapped any more, and what will be has nothing to do with what was: exec. mmap_lock
 * held for writing.
 */
OM_INLINE void om_rmap_mm_emptied(struct om_mm *mm);

/*
 * Tables of mm were unlinked and are about to be freed: waits until no walk can be on its way to
 * one of them that does not know an area over it (I5). mmap_lock held for writing.
 */
OM_INLINE void om_rmap_tables_unlinked(struct om_mm *mm);

/* -------- pages -------- */

/*
 * An area is about to get an anonymous page; marks it. False: no frame is free for what the design
 * needs, and nothing is changed. mmap_lock held for reading.
 */
OM_INLINE bool om_rmap_prepare(struct om_vma *vma);

/*
 * A fresh anonymous page gets its first entry; it is exclusive. Takes over
 * the caller's reference. From now on reclaim may take the page, unless the area is VM_LOCKED.
 */
OM_INLINE void om_rmap_page_new(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos);

/* One more entry maps a file page. False if the page has too many mappers. */
bool om_rmap_file_add(struct om_system *sys, struct om_page *page, struct om_vma *vma);
/* With the frame lock held. */
OM_INLINE bool om_rmap_file_add_locked(struct om_system *sys, struct om_page *page,
                                       struct om_vma *vma);

/*
 * fork: `page`, anonymous and mapped at `pos`, gets a second entry there in the child's table. Both
 * are read-only from now on. *now_shared is incremented if the page was exclusive. False: it is
 * pinned, or has too many mappers, or the design cannot: the child must get a copy.
 */
OM_INLINE bool om_rmap_page_dup(struct om_system *sys, struct om_page *page,
                                const struct om_fork_part *part, unsigned pos, size_t *now_shared);

/*
 * The entry of an anonymous page was cleared, or taken for another one. It counts in the page until
 * om_rmap_page_remove(), but no walk need find it. TABLE held, FRAME not.
 */
OM_INLINE void om_rmap_entry_cleared(struct om_system *sys, struct om_page *page,
                                     struct om_page *table, unsigned pos);

/*
 * An entry of any kind of page went away; `locked`: it was in a VM_LOCKED area. The frame lock is
 * held, and the TLB has been flushed, or the caller has another claim on the page (I7): until
 * this call the entry counts, so the page lives. These calls need no table's lock.
 */
OM_INLINE void om_rmap_page_remove(struct om_system *sys, struct om_page *page, bool locked);

/*
 * Call after that, unless the page dies with others (om_rmap_page_die): with no entry left, an
 * anonymous page names no object. Frame lock held.
 */
OM_INLINE void om_rmap_page_forget(struct om_system *sys, struct om_page *page);

/* Pages of one batch that died: om_page_die(). */
struct om_dead {
	struct om_frame_chain chain;
	om_pfn_t direct; /* of these, so many were exclusive, times OM_PG_DIRECT */
};

/*
 * Instead of both, for the last entry: om_page_die(). The batch begins with none; its end takes
 * FREE.
 */
OM_INLINE bool om_rmap_page_die(struct om_system *sys, struct om_page *page, struct om_dead *dead);
OM_INLINE void om_rmap_dead_init(struct om_dead *dead);
OM_INLINE void om_rmap_dead_done(struct om_system *sys, const struct om_dead *dead);

/*
 * mremap moved an entry of a page of any kind from `old` of table `from` to `pos` of `table`. Both
 * tables' locks are held.
 */
OM_INLINE void om_rmap_page_move(struct om_system *sys, struct om_page *page, struct om_page *from,
                                 uintptr_t old, struct om_page *table, uintptr_t pos);

/*
 * A write fault on a page of any kind: if it is anonymous, this entry is its only one and no swap
 * slot is held by others, make it exclusive and return true. Otherwise return false, with a
 * reference for the caller, who copies it.
 */
OM_INLINE bool om_rmap_page_reuse(struct om_system *sys, struct om_shard *shard,
                                  struct om_page *page, struct om_vma *vma, struct om_page *table,
                                  unsigned pos);

/*
 * A swapped page is mapped again. `exclusive`: this entry took the slot's last reference. Becomes
 * exclusive if so and mapped nowhere, shared otherwise. Refused, and nothing changed: the design
 * cannot find it at this place, and the caller makes a copy. Page lock held.
 */
enum om_swapin { OM_SWAPIN_DIRECT, OM_SWAPIN_SHARED, OM_SWAPIN_REFUSED };
enum om_swapin om_rmap_page_swapin(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                   struct om_page *table, unsigned pos, bool exclusive);

/* -------- areas; mm->mmap_lock held for writing -------- */

/*
 * fork: allocate what `parent` needs to share pages with a child: -OM_ENOFRAME, or 0. Changes
 * nothing that a caller could see. Called before `child` is linked.
 */
int om_rmap_vma_fork(struct om_vma *child, struct om_vma *parent);

/*
 * A new area that continues `from` (split, mremap): it inherits its object. Not linked yet.
 * -OM_ENOFRAME, or 0. An area that is freed before it was linked is dropped.
 */
int om_rmap_vma_copy(struct om_vma *to, const struct om_vma *from);
OM_INLINE void om_rmap_vma_drop(struct om_vma *vma);

/* `to`, a stranger that is never linked, is asked about as if it were part of `from`. */
void om_rmap_vma_pretend(struct om_vma *to, const struct om_vma *from);

/* Could the two be one area as far as the reverse map is concerned? */
bool om_rmap_can_merge(const struct om_vma *a, const struct om_vma *b);

/*
 * Are pages found by the area's numbers (pgoff)? Then these must stay; otherwise an anonymous area
 * may get others.
 */
OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma);

/* The area `gone` becomes part of `vma`: inside om_rmap_change_begin() of the two. */
void om_rmap_vma_absorb(struct om_vma *vma, struct om_vma *gone);

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
 * anon_vma or none; what is empty is in no tree. Takes SHAPE for reading, MAPPING, ANON; may sleep
 * before that.
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

/*
 * Visit every entry that maps the page, once each (I1), stopping when mapcount entries have been
 * found. Page lock held; takes MAPPING or ANON for reading, then TABLE. Unless it is complete it
 * may miss an entry that changes its place, and looks into nonlinear areas through a window: the
 * caller looks at mapcount afterwards.
 */
void om_rmap_walk(struct om_system *sys, struct om_page *page, struct om_walk *w);

/* What a walk costs, as events; who finds entries without a walk counts itself. Any context. */
static inline void om_rmap_count(struct om_system *sys, unsigned walks, unsigned probed,
                                 unsigned found)
{
	om_count(sys, OM_EV_RMAP_WALKS, walks);
	om_count(sys, OM_EV_RMAP_PROBES, probed);
	om_count(sys, OM_EV_RMAP_FOUND, found);
}

/* Pages that are mapped now, by kind. Exact at rest. Any context. */
struct om_mapped_pages {
	om_pfn_t direct, shared, file;
};
void om_rmap_mapped(struct om_system *sys, struct om_mapped_pages *mapped);

/* Bytes the reverse map uses beyond areas and page descriptors. */
size_t om_rmap_bytes(struct om_system *sys);

/* -------- for om_verify() -------- */

/* Of each mm, then of its areas; then of entries of anonymous pages; then of the system. */
void om_anon_check_mm(struct om_anon_check *c, struct om_mm *mm);
void om_anon_check_area(struct om_anon_check *c, struct om_vma *vma);
void om_anon_check_entry(struct om_anon_check *c, struct om_page *page, struct om_vma *vma,
                         struct om_page *table, unsigned pos);

#include "rmap/anon_page.h" /* the bodies of the inline ones, and the design */

#endif
