/*
 * idle.h: the hooks of a design that has nothing to do in them. One that has defines the function
 * in its header, and a macro of the same name, which says so.
 */
#ifndef OM_IDLE_H
#define OM_IDLE_H

#include "rmap/design.h"

#ifndef om_rmap_mm_init
OM_INLINE int om_rmap_mm_init(struct om_mm *mm, struct om_mm *parent)
{
	(void)mm;
	(void)parent;
	return 0;
}
#endif

#ifndef om_rmap_mm_exit
OM_INLINE void om_rmap_mm_exit(struct om_mm *mm)
{
	(void)mm;
}
#endif

#ifndef om_rmap_mm_emptied
OM_INLINE void om_rmap_mm_emptied(struct om_mm *mm)
{
	(void)mm;
}
#endif

/* A walker knows an area over the table (I5), or comes by a page that it names or that maps it. */
#ifndef om_rmap_tables_unlinked
OM_INLINE void om_rmap_tables_unlinked(struct om_mm *mm)
{
	(void)mm;
}
#endif

#ifndef om_anon_prepare
OM_INLINE bool om_anon_prepare(struct om_vma *vma)
{
	(void)vma;
	return true;
}
#endif

/* An area that was never linked is in no list, and holds nothing. */
#ifndef om_rmap_vma_drop
OM_INLINE void om_rmap_vma_drop(struct om_vma *vma)
{
	(void)vma;
}
#endif

#ifndef om_anon_stock_up
OM_INLINE void om_anon_stock_up(struct om_system *sys, struct om_page *page)
{
	(void)sys;
	(void)page;
}
#endif

#ifndef om_anon_page_table
OM_INLINE struct om_page *om_anon_page_table(const struct om_page *page)
{
	(void)page;
	return NULL;
}
#endif

#ifndef om_anon_entry_cleared
OM_INLINE void om_anon_entry_cleared(struct om_system *sys, struct om_page *page,
                                     struct om_page *table, unsigned pos)
{
	(void)sys;
	(void)page;
	(void)table;
	(void)pos;
}
#endif

#ifndef om_anon_page_leave
OM_INLINE void om_anon_page_leave(struct om_system *sys, struct om_page *page, void *object)
{
	(void)sys;
	(void)page;
	(void)object;
}
#endif

#ifndef om_anon_page_move
OM_INLINE void om_anon_page_move(struct om_system *sys, struct om_page *page, struct om_page *from,
                                 uintptr_t old, struct om_page *table, uintptr_t pos)
{
	(void)sys;
	(void)page;
	(void)from;
	(void)old;
	(void)table;
	(void)pos;
}
#endif

#endif
