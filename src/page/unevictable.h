/*
 * unevictable.h: pages of VM_LOCKED areas, which reclaim passes by (I12).
 *
 * Such a page counts its entries in VM_LOCKED areas. The count goes to OM_MLOCKED_MAX; a page that
 * reaches it stays unevictable until its last entry goes.
 */
#ifndef OM_UNEVICTABLE_H
#define OM_UNEVICTABLE_H

#include "page/page.h"

/* Tests make it smaller. */
#ifndef OM_MLOCKED_MAX
#define OM_MLOCKED_MAX 0xffu
#endif

/*
 * An entry of a VM_LOCKED area maps the page now: the first makes it unevictable. And the reverse.
 * Frame lock held.
 */
void om_page_mlock(struct om_system *sys, struct om_page *page);
void om_page_munlock(struct om_system *sys, struct om_page *page);
/*
 * The page is mapped nowhere any more: whatever `mlocked` says, it is evictable. Frame lock held.
 */
void om_page_munlock_all(struct om_system *sys, struct om_page *page);

#endif
