/*
 * pte_chain.h: a page lists the entries that map it: what happens for every page of a fault, fork
 * or unmap. pte_chain.c explains the design and has the rest.
 */
#ifndef OM_RMAP_PTE_CHAIN_H
#define OM_RMAP_PTE_CHAIN_H

#include "rmap/design.h"

/* What this design has to do where others are idle: idle.h. */
#define om_anon_stock_up        om_anon_stock_up
#define om_anon_page_move       om_anon_page_move
#define om_anon_entry_cleared   om_anon_entry_cleared
#define om_anon_page_leave      om_anon_page_leave
#define om_rmap_tables_unlinked om_rmap_tables_unlinked

/* One cache line. Entries fill it from the end; page->index tells how much of the head is free. */
#define OM_CHAIN_ENTRIES 7
struct om_pte_chain {
	struct om_pte_chain *next;       /* (F) of the page */
	om_pte_t *pte[OM_CHAIN_ENTRIES]; /* (F) NULL: free, and only in the head */
};

/* page->object: NULL, the only entry, or a chain's head with this bit. */
#define OM_CHAIN_BIT 1u

OM_INLINE bool om_is_chain(const void *object)
{
	return (uintptr_t)object & OM_CHAIN_BIT;
}

/* FRAME held. Single accesses, because om_anon_stock_up() and walks look without. */
OM_INLINE void om_chain_set(struct om_page *page, void *object, uintptr_t free)
{
	__atomic_store_n(&page->object, object, __ATOMIC_RELAXED);
	__atomic_store_n(&page->index, free, __ATOMIC_RELAXED);
}

/* FRAME held; without, a hint. */
OM_INLINE bool om_chain_has_room(const struct om_page *page)
{
	return om_is_chain(om_rmap_object(page)) &&
	       __atomic_load_n(&page->index, __ATOMIC_RELAXED) != 0;
}

/* Add an entry to those of a mapped page. False: there is no room. FRAME held. */
bool om_chain_add(struct om_page *page, om_pte_t *pte);
/* Have room for another entry, unless no frame is free. Takes FRAME. */
void om_chain_make_room(struct om_system *sys, struct om_page *page);
/* Take FRAME. The entry's table is locked, and so is the new one's. */
void om_chain_remove(struct om_system *sys, struct om_page *page, om_pte_t *pte);
void om_chain_replace(struct om_system *sys, struct om_page *page, om_pte_t *old, om_pte_t *pte);

OM_INLINE void om_anon_stock_up(struct om_system *sys, struct om_page *page)
{
	if (om_rmap_object(page) && !om_chain_has_room(page))
		om_chain_make_room(sys, page);
}

/* A page that was shared names the entry already. */
OM_INLINE void om_anon_page_own(struct om_system *sys, struct om_page *page, struct om_vma *vma,
                                struct om_page *table, unsigned pos)
{
	(void)vma;
	OM_ASSERT(sys,
	          !page->object || om_is_chain(page->object) ||
	              page->object == om_table_entry(table, pos),
	          "I1", page);
	if (!page->object)
		om_chain_set(page, om_table_entry(table, pos), 0);
}

OM_INLINE bool om_anon_page_share(struct om_system *sys, struct om_page *page,
                                  const struct om_fork_part *part, unsigned pos, bool direct)
{
	(void)direct;
	if (om_likely(om_chain_add(page, om_table_entry(part->to, pos))))
		return true;
	om_count(sys, OM_EV_RMAP_COPY, 1);
	return false;
}

/* The entry of an exclusive page, which names nothing else, moves without the page's frame lock. */
OM_INLINE void om_anon_page_move(struct om_system *sys, struct om_page *page, struct om_page *from,
                                 uintptr_t old, struct om_page *table, uintptr_t pos)
{
	om_pte_t *source = om_table_entry(from, (unsigned)old);
	om_pte_t *target = om_table_entry(table, (unsigned)pos);

	if (om_likely(om_page_test(page, OM_PG_DIRECT) && om_rmap_object(page) == source))
		__atomic_store_n(&page->object, (void *)target, __ATOMIC_RELAXED);
	else if (om_page_test(page, OM_PG_ANON))
		om_chain_replace(sys, page, source, target);
}

/*
 * What an exclusive page names stays until it is mapped no more: nobody else can get an entry, and
 * the table outlives the gather.
 */
OM_INLINE void om_anon_entry_cleared(struct om_system *sys, struct om_page *page,
                                     struct om_page *table, unsigned pos)
{
	if (om_unlikely(!om_page_test(page, OM_PG_DIRECT) || om_is_chain(om_rmap_object(page))))
		om_chain_remove(sys, page, om_table_entry(table, pos));
}

/* The last entry has left the list already, and with it the chain. */
OM_INLINE void om_anon_page_leave(struct om_system *sys, struct om_page *page, void *object)
{
	OM_ASSERT(sys, !om_is_chain(object), "I1", page);
	(void)sys;
	(void)page;
	(void)object;
}

OM_INLINE bool om_rmap_has_numbers(const struct om_vma *vma)
{
	(void)vma;
	return false;
}

/* Walks that have copied part of a chain hold the lock. */
OM_INLINE void om_rmap_tables_unlinked(struct om_mm *mm)
{
	om_write_lock(mm->sys, &mm->sys->rmap.lock, OM_RANK_ANON);
	om_write_unlock(mm->sys, &mm->sys->rmap.lock);
}

#endif
