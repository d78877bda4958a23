/*
 * lru.h: the page lists: active and inactive, for anonymous (swap-backed) and file pages, and the
 * unevictable state that locked pages leave them for.
 *
 * Reclaim isolates pages into an array, not a list: OM_PG_ISOLATED then stands for a reference, and the
 * link words are free for the `mlocked` count of a page that becomes unevictable meanwhile. Locked pages
 * are on no list: they are counted, and found through their page tables alone.
 */
#ifndef OM_LRU_H
#define OM_LRU_H

#include "page.h"

void om_lru_init(struct om_system *sys);

/*
 * Put a page on the list its flags (SWAPBACKED, ACTIVE) say, at the head, unless it is listed, isolated
 * or unevictable. Frame lock held. Takes LRU.
 */
void om_lru_add(struct om_system *sys, struct om_page *page);

/* Take a page off its list, if it is on one. Frame lock held. Takes LRU. */
void om_lru_del(struct om_system *sys, struct om_page *page);

/*
 * Take n pages, to each of which the caller has the only reference, off their lists; pages that are isolated
 * stay so. No frame lock is needed: nobody can find them but through a list. Takes LRU once.
 */
void om_lru_del_batch(struct om_system *sys, struct om_page *const page[], unsigned n);

/*
 * Move a listed page to the list that results from setting and clearing flags (ACTIVE, SWAPBACKED); at
 * the head, or at the tail (next to be reclaimed). An isolated or unevictable page just changes its
 * flags. Frame lock held. Takes LRU.
 */
void om_lru_move(struct om_system *sys, struct om_page *page, unsigned set, unsigned clear,
                 bool tail);

/*
 * Isolate up to n pages from the tail of a list into batch[]; returns how many. They may be dead
 * already: om_lru_putback() frees such a page. Takes LRU.
 */
unsigned om_lru_isolate(struct om_system *sys, enum om_lru_list list, struct om_page **batch,
                        unsigned n);

/* Isolate this page if it is on a list. Frame lock held. Takes LRU. */
bool om_lru_isolate_page(struct om_system *sys, struct om_page *page);

/* End of isolation: back to a list (or freed, if dead; or left unevictable). Takes FRAME, LRU, FREE. */
void om_lru_putback(struct om_system *sys, struct om_page *page);

/*
 * A PTE of a VM_LOCKED area maps the page now: first time, it leaves the LRU (I12). And the reverse; the
 * last takes it back to a list. Frame lock held. Take LRU.
 */
void om_page_mlock(struct om_system *sys, struct om_page *page);
void om_page_munlock(struct om_system *sys, struct om_page *page);
/* The page is mapped nowhere any more: whatever `mlocked` says, it is evictable. Frame lock held. */
void om_page_munlock_all(struct om_system *sys, struct om_page *page);

/*
 * Mark a page as used: unreferenced -> REFERENCED -> ACTIVE (second chance). Takes nothing, or FRAME and
 * LRU when it activates.
 */
void om_page_touch(struct om_system *sys, struct om_page *page);

#endif
