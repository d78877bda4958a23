/*
 * put.h: dropping a hold on a data page, and freeing it with the last (see page.h for what holds
 * one).
 */
#ifndef OM_PUT_H
#define OM_PUT_H

#include "page/page.h"

/* Drop a reference, and the page with the last. Takes frame, LRU and free-list locks. */
void om_page_put(struct om_system *sys, struct om_page *page);

static inline void om_page_unlock_put(struct om_system *sys, struct om_page *page)
{
	om_page_unlock(sys, page);
	om_page_put(sys, page);
}

/* Frame lock held, released on return: free the page if it is dead. True if it was. */
bool om_page_unlock_or_free(struct om_system *sys, struct om_page *page);

/*
 * Return a dead data page; its frame lock is held and is released. Takes LRU (if listed), FREE.
 */
void om_frame_release_dead(struct om_system *sys, struct om_page *page);

/*
 * End of isolation: back to a list (or freed, if dead; or left unevictable). Takes FRAME, LRU,
 * FREE.
 */
void om_lru_putback(struct om_system *sys, struct om_page *page);

#endif
