/*
 * swapoff.c: swap devices come and go.
 *
 * To empty a device: stop giving out its slots; serve, for every address space, a fault at every
 * entry that names one; bring back the shared memory that names one; and take out of the swap
 * cache what is left, which nobody but the cache holds. A fork or a mapping that starts meanwhile
 * can carry a slot past us, so this goes on until no slot is in use.
 */
#include "area/mm.h"
#include "ops/fault.h"
#include "ops/own.h"
#include "ops/truncate.h"
#include "page/put.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"
#include "store/swap.h"

int om_swapon(struct om_system *sys, const struct om_store_ops *ops, void *store, uint32_t slots,
              int priority, unsigned *device)
{
	unsigned tries = 0;
	int err;

	om_might_sleep(sys);
	do
		err = om_swapdev_add(sys, ops, store, slots, priority, device);
	while (om_try_again(sys, &tries, slots / 512 + 2, &err));
	return err;
}

static bool on_device(uint32_t slot, unsigned device)
{
	return slot >> OM_SWAP_DEVICE_SHIFT == device;
}

/* A page only the cache still ties to its slot: its contents stay in memory. Page lock held. */
static void leave_if_cached(struct om_system *sys, struct om_page *page, uint32_t slot)
{
	if (om_page_test(page, OM_PG_SWAPCACHE) && page->slot == slot &&
	    om_slot_count_used(sys, slot) == 1) {
		om_page_set(page, OM_PG_DIRTY);
		om_swapcache_del(sys, page);
	}
}

static void uncache(struct om_system *sys, uint32_t slot)
{
	struct om_page *page = om_swapcache_lookup(sys, slot);

	if (!page)
		return;
	om_page_lock(sys, page);
	leave_if_cached(sys, page, slot);
	om_page_unlock_put(sys, page);
}

/* uncache(), unless somebody has the page: mmap_lock is held, and must not wait for a transfer. */
static void try_uncache(struct om_system *sys, uint32_t slot)
{
	struct om_page *page = om_swapcache_lookup(sys, slot);

	if (!page)
		return;
	if (om_page_trylock(sys, page)) {
		leave_if_cached(sys, page, slot);
		om_page_unlock(sys, page);
	}
	om_page_put(sys, page);
}

/* ---------------------------------------------------------------- address spaces ------------ */

/* Bringing back what an address space has on one device. */
struct swap_in {
	struct om_mm *mm;
	unsigned device;
	uintptr_t addr; /* where to go on */
	struct om_fetch fetch;
};

/* Serve a fault at one entry, whatever the area allows. As the kinds of fault in fault.h. */
static int swap_in_entry(struct swap_in *in, struct om_vma *vma, struct om_page *table,
                         om_pte_t pte)
{
	struct om_fault f = {.sys = vma->mm->sys,
	                     .vma = vma,
	                     .addr = in->addr,
	                     .table = table,
	                     .prot = om_vma_prot(om_vma_flags(vma)),
	                     .pos = om_table_pos(in->addr),
	                     .pte = pte,
	                     .shard = om_shard(vma->mm->sys),
	                     .part = &vma->mm->own,
	                     .fetch = &in->fetch};

	return om_fault_swap(&f);
}

/*
 * The entry at in->addr, whose table is not locked: 0 if it holds no slot of the device any more.
 * -OM_ENOFRAME, -OM_EFETCH, -OM_ESHARED: to be overcome without locks.
 */
static int swap_in_addr(struct swap_in *in, struct om_vma *vma, struct om_page *table)
{
	om_pte_t pte = om_arch_pte_load(om_table_entry(table, om_table_pos(in->addr)));
	int r;

	if (!om_pte_is_swap(pte) || !on_device(om_pte_slot(pte), in->device))
		return 0;
	if (om_table_is_shared(table))
		return -OM_ESHARED;
	r = swap_in_entry(in, vma, table, pte);
	if (r < 0)
		return r;
	if (r != OM_FAULT_MINOR && r != OM_FAULT_MAJOR)
		return r == OM_FAULT_OOM ? -OM_ENOMEM : -OM_EIO;
	/* Reclaim leaves pages of this device alone: let it have those that can go. */
	try_uncache(vma->mm->sys, om_pte_slot(pte));
	return om_dying(vma->mm->sys) ? -OM_EINTR : 0;
}

/* mmap_lock is held. */
static int swap_in_vma(struct swap_in *in, struct om_vma *vma)
{
	om_for_each_table (part, vma->mm, in->addr, vma->end)
		for (in->addr = part.start; in->addr < part.end; in->addr += OM_PAGE_SIZE) {
			int err = swap_in_addr(in, vma, part.table);

			if (err)
				return err;
		}
	return 0;
}

static OM_NOINLINE int swap_in_areas(struct swap_in *in)
{
	struct om_vma *vma;
	int err = 0;

	om_mm_read_lock(in->mm);
	for (vma = om_vma_find(in->mm, in->addr); vma && !err; vma = om_vma_after(vma)) {
		in->addr = in->addr > vma->start ? in->addr : vma->start;
		err = swap_in_vma(in, vma);
		if (!err)
			in->addr = vma->end;
	}
	om_mm_read_unlock(in->mm);
	return err;
}

static bool can_be_overcome(int err)
{
	return err == -OM_ENOFRAME || err == -OM_EFETCH || err == -OM_ESHARED;
}

/* What stopped us at in->addr is dealt with, without locks. */
static OM_NOINLINE int overcome(struct swap_in *in, int err, unsigned *tries)
{
	struct om_system *sys = in->mm->sys;

	om_fetch_unlock(sys, &in->fetch);
	if (err == -OM_EFETCH)
		err = om_fetch_wait(sys, &in->fetch);
	if (err == -OM_ESHARED)
		err = om_own_tables(in->mm, in->addr, in->addr + OM_PAGE_SIZE, false);
	return err == -OM_ENOFRAME ? om_reclaim_retry(sys, tries, 1) : err;
}

/* A whole address space may need any number of rounds of reclaim, as long as it gets on. */
static OM_NOINLINE int swap_in_mm(struct om_mm *mm, unsigned device)
{
	struct swap_in in = {.mm = mm, .device = device};
	uintptr_t last = 0;
	unsigned tries = 0;
	int err;

	while (can_be_overcome(err = swap_in_areas(&in))) {
		if (in.addr != last)
			tries = 0;
		last = in.addr;
		err = overcome(&in, err, &tries);
		if (err)
			break;
	}
	om_fetch_end(mm->sys, &in.fetch);
	return err;
}

static int swap_in_mms(struct om_system *sys, unsigned device)
{
	struct om_mm *mm = NULL;
	int err = 0;

	while ((mm = om_mm_iterate(sys, mm))) {
		err = swap_in_mm(mm, device);
		if (err) {
			om_mm_put(mm);
			break;
		}
	}
	return err;
}

/* ---------------------------------------------------------------- shared memory ------------- */

/*
 * Bring back the page at *i, if the index names a slot of the device; -OM_EAGAIN when there is no
 * more.
 */
static int swap_in_next(struct om_mapping *mapping, unsigned device, uintptr_t *i)
{
	struct om_system *sys = mapping->sys;
	struct om_page *page;
	om_ientry_t e = om_mapping_next(mapping, i, UINTPTR_MAX, &page);
	int err = 0;

	if (!e)
		return -OM_EAGAIN;
	if (page) {
		om_page_put(sys, page);
	} else if (on_device(om_ientry_value(e), device)) {
		err = om_file_getpage(mapping, *i, OM_ALONE, &page, NULL);
		if (err)
			return err == -OM_EFAULT ? 0 : err;
		om_page_unlock_put(sys, page);
	}
	++*i;
	return om_dying(sys) ? -OM_EINTR : 0;
}

static int swap_in_mapping(struct om_mapping *mapping, unsigned device)
{
	uintptr_t i = 0;
	unsigned tries = 0;
	int err = 0;

	while (!err)
		do
			err = swap_in_next(mapping, device, &i);
		while (om_try_again(mapping->sys, &tries, 1, &err));
	return err == -OM_EAGAIN ? 0 : err;
}

/*
 * The shared memory after `m` (NULL: the first), referenced; drops the reference on `m`. Files with
 * a store have no slots, and none is held here: its end is not put off until swapoff has gone by.
 */
static struct om_mapping *next_mapping(struct om_system *sys, struct om_mapping *m)
{
	struct om_mapping *next;

	om_spin_lock(sys, &sys->list_lock, OM_RANK_LIST);
	next = m ? m->next : sys->mappings;
	/* Some may be on their way out: as long as they are in the list they are there. */
	while (next && !(om_mapping_is_shmem(next) && om_mapping_tryget(next))) {
		next = next->next;
		om_work(sys, 1);
	}
	om_spin_unlock(sys, &sys->list_lock);
	if (m)
		om_mapping_put(m);
	return next;
}

static OM_NOINLINE int swap_in_mappings(struct om_system *sys, unsigned device)
{
	struct om_mapping *m = NULL;
	int err = 0;

	while ((m = next_mapping(sys, m))) {
		err = swap_in_mapping(m, device);
		if (err) {
			om_mapping_put(m);
			break;
		}
	}
	return err;
}

/* ---------------------------------------------------------------- swap cache ---------------- */

/* Returns whether a slot is left in use. */
static OM_NOINLINE bool uncache_device(struct om_system *sys, unsigned device)
{
	uint32_t offset = 0;

	for (; om_swapdev_next_used(sys, device, &offset); offset++)
		uncache(sys, device << OM_SWAP_DEVICE_SHIFT | offset);
	offset = 0;
	return om_swapdev_next_used(sys, device, &offset);
}

int om_swapoff(struct om_system *sys, unsigned device)
{
	int err = om_swapdev_set_writable(sys, device, false);

	om_might_sleep(sys);
	if (err)
		return err;
	do {
		err = om_dying(sys) ? -OM_EINTR : swap_in_mms(sys, device);
		if (!err)
			err = swap_in_mappings(sys, device);
	} while (!err && uncache_device(sys, device));
	if (err)
		om_swapdev_set_writable(sys, device, true);
	else
		om_swapdev_remove(sys, device);
	return err;
}
