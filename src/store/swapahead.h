/*
 * swapahead.h: how many pages, and which, are read from swap together with the one that is wanted.
 *
 * A request costs as much as forty pages in it, so pages that will be wanted soon should come
 * along; but each that is not takes a frame from a page that is. Only what became of the pages read
 * ahead tells: if most of the last ones have been asked for since, the next window is twice as
 * large, if fewer than half of them, half as large; down to the one page that is wanted. From there
 * a window of two is tried when a page, or slot, follows the last one. While there is memory that
 * nobody needs, a page that is read in vain costs next to nothing, so the window does not become
 * small.
 *
 * The window is an aligned block: of pages in memory order, and if their contents lie in swap apart
 * from each other, of slots. So it serves going forwards, backwards and in between alike.
 *
 * The account is kept for each page table, because a heap has parts that are gone through in order
 * and parts that are not; shared memory has one for as many slots.
 */
#ifndef OM_SWAPAHEAD_H
#define OM_SWAPAHEAD_H

#include "base/types.h"

static inline struct om_swap_ahead *om_swap_ahead_hash(struct om_shard *shard, uint32_t key)
{
	return &shard->ahead[key * 0x9e3779b1u >> (32 - OM_SWAP_AHEAD_SHIFT)];
}

/*
 * The account for a page table, or for the slots around one. Tables of address spaces that were
 * made on different CPUs have theirs on different lines.
 */
static inline struct om_swap_ahead *om_swap_ahead_of_table(const struct om_mm *mm, om_pfn_t table)
{
	return om_swap_ahead_hash(om_container(mm->home, struct om_shard, mms), table);
}

static inline struct om_swap_ahead *om_swap_ahead_of_slot(struct om_system *sys, uint32_t slot)
{
	uint32_t key = slot >> OM_TABLE_SHIFT;

	return om_swap_ahead_hash(&sys->shard[key & sys->cpu_mask], key);
}

/*
 * The window for a transfer, in pages: a power of two, 1 to 2^om_config.swap_cluster, and no more
 * than memory can bear. It also settles the account of the pages read ahead the last time. `page`
 * is the number of the page, if it is one of a program, else of the slot. Context: any; takes
 * nothing.
 */
unsigned om_swap_ahead_window(struct om_system *sys, struct om_swap_ahead *ahead, uintptr_t page,
                              uint32_t slot);

/* Was the last window a large one? */
static inline bool om_swap_ahead_pays(const struct om_swap_ahead *ahead)
{
	return atomic_load_explicit(&ahead->window, memory_order_relaxed) > 3;
}

/* So many pages are going to be read ahead. */
void om_swap_ahead_read(struct om_swap_ahead *ahead, unsigned n);

/* One of them has been asked for. */
void om_swap_ahead_hit(struct om_swap_ahead *ahead);

/*
 * This page, of memory, was in the cache already, and somebody has asked for it before. If it lies
 * in the last window, and is not the one that was wanted then, it is a hit, too: those who share
 * memory read ahead for each other.
 */
void om_swap_ahead_found(struct om_swap_ahead *ahead, uintptr_t page);

/*
 * The slot that is wanted, and those near it that are worth reading in the same transfer: bit
 * OM_SWAP_NEAR + d stands for the slot d above it.
 */
#define OM_SWAP_NEAR 32
struct om_swap_near {
	uint32_t slot;
	uint64_t others;
};

static inline struct om_swap_near om_swap_near(uint32_t slot)
{
	return (struct om_swap_near){.slot = slot};
}

/* Can one transfer have both slots? `other` may be any number. */
static inline bool om_swap_near_reaches(const struct om_swap_near *near, uint32_t other)
{
	uint32_t above = other - near->slot + OM_SWAP_NEAR;

	return above - 1 < 2 * OM_SWAP_NEAR - 1 && !((other ^ near->slot) >> OM_SWAP_DEVICE_SHIFT);
}

/*
 * Is another slot near enough, in use, and not in memory? Then it is added. `other` may be any
 * number. Takes SWAP.
 */
bool om_swap_near_add(struct om_system *sys, struct om_swap_near *near, uint32_t other);

/* How many others there are. */
static inline unsigned om_swap_near_count(const struct om_swap_near *near)
{
	unsigned n = 0;

	for (uint64_t left = near->others; left; left &= left - 1)
		n++;
	return n;
}

/* Add the aligned block of n slots (a power of two) around the wanted one; how many were added. */
unsigned om_swap_near_add_block(struct om_system *sys, struct om_swap_near *near, unsigned n);

#endif
