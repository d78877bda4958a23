/*
 * slot.h: the table of swap slots, for the files that are about slots: swap.c (who holds one),
 * slots.c (free ones) and swapdev.c (devices).
 *
 * An entry of the table is one atomic word of 64 bits: how many hold the slot, and the page that
 * caches it. Four states of it have no page:
 *
 *     count 0, page 0           free. From here, and to here, it changes under the swap lock alone
 *     count 0, OM_SLOT_RESERVED in a CPU's om_slot_list: nobody uses it, only that list may give it
 *     count n, OM_SLOT_RESERVED allocated, or read over: the page will be named soon, or never
 *     count n, page 0           in use, and not in memory
 *
 * Who holds a slot counts in it, so its device cannot go, and changes the entry by compare and
 * exchange, with no lock. Who comes with just a number, as a stale page-table entry may have it,
 * has his CPU's list locked while he looks. swapdev.c takes a device away in that order: no slot of
 * it is in use; `ops` is NULL; every list has been locked since; the table is freed.
 */
#ifndef OM_SLOT_H
#define OM_SLOT_H

#include "store/swap.h"

#define OM_SLOT_RESERVED UINT32_MAX

typedef _Atomic uint64_t om_slot_t;

static inline uint64_t om_slot_value(uint32_t count, uint32_t page)
{
	return (uint64_t)page << 32 | count;
}
static inline uint32_t om_slot_holders(uint64_t v)
{
	return (uint32_t)v;
}
/* pfn + 1 of the page; 0, or OM_SLOT_RESERVED. */
static inline uint32_t om_slot_page(uint64_t v)
{
	return (uint32_t)(v >> 32);
}
#define OM_SLOT_LISTED om_slot_value(0, OM_SLOT_RESERVED)

static inline uint64_t om_slot_load(const om_slot_t *s)
{
	return atomic_load_explicit(s, memory_order_acquire);
}

/* Replace *v by `next`; false, and *v is what was there instead. */
static inline bool om_slot_change(om_slot_t *s, uint64_t *v, uint64_t next)
{
	return atomic_compare_exchange_weak_explicit(s, v, next, memory_order_acq_rel,
	                                             memory_order_acquire);
}

/* ---- the table -------------------------------------------------------------------------- */

#define OM_TABLE_SLOTS ((uint32_t)(OM_PAGE_SIZE / sizeof(om_slot_t)))
#define OM_DIR_TABLES  ((uint32_t)(OM_PAGE_SIZE / sizeof(om_pfn_t)))

static inline om_pfn_t *om_slot_dir(struct om_system *sys, const om_pfn_t *dir, uint32_t offset)
{
	return om_arch_frame(&sys->arch, dir[offset / OM_TABLE_SLOTS / OM_DIR_TABLES]);
}

static inline om_pfn_t om_slot_table(struct om_system *sys, const struct om_swap_device *device,
                                     uint32_t offset)
{
	om_work(sys, 1);
	return om_slot_dir(sys, device->dir, offset)[offset / OM_TABLE_SLOTS % OM_DIR_TABLES];
}

/*
 * The frame of the table that has the entry of this slot. It has its number in the table in
 * `object`, its slots in `slot`, and of these, those that are not free in `mapcount`.
 */
static inline struct om_page *om_slot_frame(struct om_system *sys,
                                            const struct om_swap_device *device, uint32_t offset)
{
	return om_page_of(sys, om_slot_table(sys, device, offset));
}

static inline om_slot_t *om_slot_entry(struct om_system *sys, const struct om_swap_device *device,
                                       uint32_t offset)
{
	om_slot_t *table = om_arch_frame(&sys->arch, om_slot_table(sys, device, offset));

	return &table[offset % OM_TABLE_SLOTS];
}

/* Of a slot whose device cannot go: its list's lock, or the swap lock, is held, or it is in use. */
static inline struct om_swap_device *om_device_of(struct om_system *sys, uint32_t slot)
{
	return &sys->swap.device[slot >> OM_SWAP_DEVICE_SHIFT];
}

static inline const struct om_store_ops *om_device_ops(const struct om_swap_device *device)
{
	return atomic_load_explicit(&device->ops, memory_order_acquire);
}

static inline bool om_device_is_writable(const struct om_swap_device *device)
{
	return atomic_load_explicit(&device->writable, memory_order_acquire);
}

/* The device of any slot number, or NULL if there is no such slot. Locks as above. */
static inline struct om_swap_device *om_device_find(struct om_system *sys, uint32_t slot)
{
	struct om_swap_device *device;

	if (slot >> OM_SWAP_DEVICE_SHIFT >= OM_SWAP_DEVICES_MAX)
		return NULL;
	device = om_device_of(sys, slot);
	return om_device_ops(device) && om_slot_offset(slot) < device->slots ? device : NULL;
}

/* ---- free slots (slots.c) --------------------------------------------------------------- */

/* This CPU's list, locked. */
static inline struct om_slot_list *om_slots_lock(struct om_system *sys)
{
	struct om_slot_list *list = &om_shard(sys)->slots;

	om_spin_lock(sys, &list->lock, OM_RANK_SLOTS);
	return list;
}

static inline void om_slots_unlock(struct om_system *sys, struct om_slot_list *list)
{
	om_spin_unlock(sys, &list->lock);
}

/* Nobody holds the slot any more: its entry is OM_SLOT_LISTED. List's lock held. Takes SWAP. */
void om_slots_freed(struct om_system *sys, struct om_slot_list *list, uint32_t slot);

/* Empty all lists. Nobody has one locked who locked it before. Takes SLOTS, SWAP. */
void om_slots_drain(struct om_system *sys);

/* Slots in all lists; exact at rest. */
uint32_t om_slots_listed(const struct om_system *sys);

#endif
