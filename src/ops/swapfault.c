/*
 * swapfault.c: the entry names a swap slot.
 *
 * The page comes through the swap cache; while it is locked it keeps its slot, and an entry that
 * holds the slot keeps the slot in use, so an entry found unchanged under the table's lock still
 * means this page (hazards 49, 50). The page becomes direct only if this entry took the slot's
 * last reference and nobody maps it: otherwise fork has shared it, and the area has an anon_vma
 * (I4).
 */
#include "base/mem.h"
#include "ops/fault.h"
#include "page/frame.h"
#include "page/put.h"
#include "rmap/rmap.h"
#include "store/swap.h"
#include "store/swapahead.h"

/* How read-ahead has paid in this part of memory. */
static struct om_swap_ahead *account(const struct om_fault *f)
{
	return om_swap_ahead_of_table(f->vma->mm, om_page_pfn(f->sys, f->table));
}

/* Page and table are locked, the entry is unchanged, and stays so if the page is refused. */
static enum om_swapin map_swap_page(struct om_fault *f, struct om_page *page)
{
	struct om_system *sys = f->sys;
	uint32_t slot = om_pte_slot(f->pte);
	enum om_swapin how;
	om_pte_t pte;
	bool direct;

	/*
	 * Held by this entry and the cache alone? Give the slot back only when the page counts
	 * the entry: another mapper that finds itself the sole one must not miss us in between.
	 */
	om_vma_mark_anon(f->vma);
	how = om_rmap_page_swapin(sys, page, f->vma, f->table, f->pos,
	                          om_slot_count_used(sys, slot) == 2);
	if (om_unlikely(how == OM_SWAPIN_REFUSED))
		return how;
	direct = how == OM_SWAPIN_DIRECT;
	om_slot_put(sys, slot);
	pte = om_pte_mkyoung(om_pte_make(om_page_pfn(sys, page),
	                                 direct ? f->prot : f->prot & ~(unsigned)OM_PROT_WRITE));
	if (direct && (f->access & OM_WRITE))
		pte = om_pte_mkdirty(pte);
	om_entry_install(sys, f->table, f->pos, pte);
	atomic_fetch_add_explicit(&f->part->rss_anon, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&f->part->swapents, 1, memory_order_relaxed);
	return how;
}

/* The reverse map could not find the page here, so the area gets one of its own. Page locked. */
static OM_COLD int copy_swap_page(struct om_fault *f, struct om_page *page)
{
	struct om_system *sys = f->sys;
	struct om_page *own = om_frame_take(sys, f->shard, OM_KIND_DATA, 0);

	if (!own)
		return -OM_ENOFRAME;
	memcpy(om_page_ptr(sys, own), om_page_ptr(sys, page), OM_PAGE_SIZE);
	if (!om_fault_lock_absent(f)) {
		om_page_put(sys, own);
		return OM_FAULT_MINOR;
	}
	om_entry_install(sys, f->table, f->pos, om_fault_own_pte(f, om_page_pfn(sys, own)));
	om_rmap_page_new(sys, own, f->vma, f->table, f->pos);
	om_slot_put(sys, om_pte_slot(f->pte));
	om_table_unlock(sys, f->table);
	atomic_fetch_add_explicit(&f->part->rss_anon, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&f->part->swapents, 1, memory_order_relaxed);
	om_count(sys, OM_EV_FAULT_COW, 1);
	om_count(sys, OM_EV_RMAP_COPY, 1);
	return OM_FAULT_MINOR;
}

/* Contents are about to differ from the slot's: give it back. Page lock held. */
static void leave_slot(struct om_system *sys, struct om_page *page)
{
	om_page_set(page, OM_PG_DIRTY);
	om_swapcache_del(sys, page);
}

/*
 * A page that is written needs its slot no more. But where read-ahead pays, its neighbours in
 * memory have the slots beside it, and shall have them again: it is written over in place.
 */
static bool keeps_slot(const struct om_fault *f)
{
	return om_swap_ahead_pays(account(f)) && om_swap_is_roomy(f->sys);
}

static bool is_in_slot(const struct om_page *page, uint32_t slot)
{
	return (om_page_flags(page) & (OM_PG_SWAPCACHE | OM_PG_UPTODATE)) ==
	           (OM_PG_SWAPCACHE | OM_PG_UPTODATE) &&
	       page->slot == slot;
}

/* `page` is locked. *again: the entry is resolved, but still needs a page of its own. */
static int resolve(struct om_fault *f, struct om_page *page, bool *again)
{
	struct om_system *sys = f->sys;
	enum om_swapin how;

	if (!is_in_slot(page, om_pte_slot(f->pte)) || !om_fault_lock_absent(f))
		return OM_FAULT_MINOR;
	how = map_swap_page(f, page);
	*again = how == OM_SWAPIN_SHARED && om_fault_wants_own(f);
	if (*again)
		f->pte = om_entry_get(sys, f->table, f->pos);
	om_table_unlock(sys, f->table);
	if (om_unlikely(how == OM_SWAPIN_REFUSED))
		return copy_swap_page(f, page);
	om_count(sys, OM_EV_FAULT_SWAP, 1);
	if (how == OM_SWAPIN_DIRECT && (f->access & OM_WRITE) && !keeps_slot(f))
		leave_slot(sys, page);
	return OM_FAULT_MINOR;
}

/* ---------------------------------------------------------------- read-ahead ---------------- */

/* Entries [*first, *end) of the table: the aligned block of n around the fault, in its area. */
static void block(const struct om_fault *f, unsigned n, unsigned *first, unsigned *end)
{
	uintptr_t below = (f->addr - f->vma->start) >> OM_PAGE_SHIFT;
	uintptr_t above = (f->vma->end - f->addr) >> OM_PAGE_SHIFT;

	*first = f->pos & ~(n - 1);
	*end = *first + n;
	if (f->pos - *first > below)
		*first = f->pos - (unsigned)below;
	if (*end - f->pos > above)
		*end = f->pos + (unsigned)above;
}

/*
 * Add the pages in the block that are in swap, near the wanted one. If most are in swap but
 * elsewhere, or the block is mostly empty, memory order means little here; then the slots beside
 * the wanted one are added, because their pages have left memory together. How many there are.
 *
 * The entries are read without the table's lock: mmap_lock keeps the table, and a slot that is
 * given to another page meanwhile is read ahead for that one, which does no harm.
 */
static unsigned add_block(const struct om_fault *f, unsigned n, struct om_swap_near *near)
{
	unsigned first, end, added = 0, apart = 0, others = 0;

	block(f, n, &first, &end);
	for (unsigned pos = first; pos < end; pos++) {
		om_pte_t pte = om_arch_pte_load(om_table_entry(f->table, pos));

		if (pos == f->pos || om_pte_none(pte))
			continue;
		others++;
		if (!om_pte_is_swap(pte))
			continue;
		added += om_swap_near_add(f->sys, near, om_pte_slot(pte));
		apart += !om_swap_near_reaches(near, om_pte_slot(pte));
	}
	if (others < n / 2 || apart > added)
		added += om_swap_near_add_block(f->sys, near, n);
	return added;
}

/* The page must be read: note it, and what is worth reading with it. */
static int fetch_slot(struct om_fault *f, uint32_t slot)
{
	struct om_swap_near near = om_swap_near(slot);
	struct om_swap_ahead *ahead = account(f);
	unsigned n;

	if (!f->fetch)
		return -OM_EFETCH;
	if (om_fetch_slot_error(f->fetch, slot))
		return OM_FAULT_BUS;
	if (!(om_vma_flags(f->vma) & OM_VM_RAND_READ)) {
		n = om_swap_ahead_window(f->sys, ahead, f->addr >> OM_PAGE_SHIFT, slot);
		if (n > 1)
			om_swap_ahead_read(ahead, add_block(f, n, &near));
	}
	return om_fetch_slot(f->fetch, &near);
}

/* ---------------------------------------------------------------- the fault ----------------- */

/*
 * The slot's page, locked, if it is in memory and nobody else has it locked. Otherwise the fault
 * waits, or has waited in vain.
 */
static int lock_cached(struct om_fault *f, struct om_page **page)
{
	struct om_system *sys = f->sys;
	uint32_t slot = om_pte_slot(f->pte);

	*page = om_swapcache_lookup(sys, slot);
	if (!*page)
		return fetch_slot(f, slot);
	if (!om_fetch_trylock(sys, f->fetch, *page))
		return om_fetch_locked(sys, f->fetch, *page);
	if (!om_swapcache_hit(sys, *page, account(f)))
		om_swap_ahead_found(account(f), f->addr >> OM_PAGE_SHIFT);
	return 0;
}

int om_fault_swap(struct om_fault *f)
{
	struct om_system *sys = f->sys;
	bool again = false;
	struct om_page *page;
	int r = lock_cached(f, &page);

	if (r)
		return r;
	r = resolve(f, page, &again);
	om_page_unlock_put(sys, page);
	/* Do not let the program fault twice (hazard 52). */
	return again ? om_fault_write(f) : r;
}
