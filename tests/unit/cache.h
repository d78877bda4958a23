/*
 * cache.h: what the tests of the page cache share: a system with a file and a swap device in plain
 * memory, and the steps of a reclaim, one by one.
 */
#ifndef CACHE_H
#define CACHE_H

#include "ram.h"

#include "store/mapping.h"
#include "store/swap.h"

#define CACHE_PAGES 40 /* of either store */

extern struct ram cache_file_store, cache_swap_store;

/* Page i of the file store is full of ram_byte(i). */
struct om_system *cache_start(om_pfn_t frames);
/* No mapping may be left, and no page or slot in use. */
void cache_finish(struct om_system *sys);
void cache_add_swap(struct om_system *sys);

struct om_mapping *cache_file(struct om_system *sys, uint64_t size);
struct om_mapping *cache_shmem(struct om_system *sys, unsigned pages);

uint64_t cache_event(struct om_system *sys, enum om_event ev);

/* Get a page that must be there to be had, and check it; `transfer` says whether that takes one. */
struct om_page *cache_get(struct om_mapping *m, uintptr_t index, bool transfer);
/* Unlock and drop it. */
void cache_release(struct om_system *sys, struct om_page *page);
/* Both. */
void cache_touch(struct om_mapping *m, uintptr_t index, bool transfer);

/* What reclaim does before om_mapping_evict(): isolate and lock. False if it cannot. */
bool cache_catch(struct om_system *sys, struct om_page *page);
/* The next page that can be reclaimed, locked and referenced. */
bool cache_victim(struct om_system *sys, struct om_page **page);
void cache_let_go(struct om_system *sys, struct om_page *page);
/* Evict the page at `index` if possible. */
bool cache_evict(struct om_mapping *m, uintptr_t index);

#endif
