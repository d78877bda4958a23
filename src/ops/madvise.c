/*
 * madvise.c: advice, area by area.
 *
 * Advice about the area changes its flags; advice about its pages acts on the entries that are
 * there. Advice that moves pages from or to a store is in advise_io.c. Holes are passed over and
 * reported at the end (unlike mprotect).
 *
 * Threads give memory back often, so advice about pages keeps nobody from faulting: it has
 * mmap_lock for reading, as a fault has it, in this CPU's part. What it takes away it flushes
 * before it releases the table's lock, so no second caller finds entries gone and returns before
 * the flush (hazard 10).
 */
#include "area/mm.h"
#include "area/trim.h"
#include "area/unshare.h"
#include "area/zap.h"
#include "ops/advise_io.h"
#include "ops/own.h"
#include "page/age.h"
#include "page/fold.h"
#include "page/put.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"
#include "store/swap.h"

/* ---------------------------------------------------------------- flags --------------------- */

static int new_flags(const struct om_vma *vma, int advice, unsigned *flags)
{
	const unsigned order = OM_VM_RAND_READ | OM_VM_SEQ_READ;
	const unsigned huge = OM_VM_HUGEPAGE | OM_VM_NOHUGEPAGE;

	*flags = om_vma_flags(vma);
	switch (advice) {
	case OM_MADV_NORMAL:
		*flags &= ~order;
		break;
	case OM_MADV_RANDOM:
		*flags = (*flags & ~order) | OM_VM_RAND_READ;
		break;
	case OM_MADV_SEQUENTIAL:
		*flags = (*flags & ~order) | OM_VM_SEQ_READ;
		break;
	case OM_MADV_DONTFORK:
		*flags |= OM_VM_DONTFORK;
		break;
	case OM_MADV_DOFORK:
		*flags &= ~(unsigned)OM_VM_DONTFORK;
		break;
	case OM_MADV_HUGEPAGE:
		*flags = (*flags & ~huge) | OM_VM_HUGEPAGE;
		break;
	case OM_MADV_NOHUGEPAGE:
		*flags = (*flags & ~huge) | OM_VM_NOHUGEPAGE;
		break;
	case OM_MADV_WIPEONFORK:
		if (vma->mapping)
			return -OM_EINVAL;
		*flags |= OM_VM_WIPEONFORK;
		break;
	default:
		*flags &= ~(unsigned)OM_VM_WIPEONFORK;
	}
	return 0;
}

static int advise_flags(struct om_vma **vma, uintptr_t start, uintptr_t end, int advice)
{
	struct om_mm *mm = (*vma)->mm;
	unsigned flags;
	int err = new_flags(*vma, advice, &flags);

	if (err || flags == om_vma_flags(*vma))
		return err;
	err = om_vma_cut_for(*vma, start, end, flags);
	if (err)
		return err == -OM_ENOMEM ? -OM_EAGAIN : err;
	*vma = om_vma_find(mm, start);
	om_vma_change_flags(*vma, flags);
	*vma = om_vma_merge(*vma);
	return 0;
}

/* ---------------------------------------------------------------- pages --------------------- */

/* Do something to every entry in use of [start, end). Called with the table's lock held. */
struct visitor {
	void (*visit)(struct visitor *v, struct om_page *table, unsigned pos, om_pte_t pte);
	struct om_vma *vma;
	struct om_mm_part *mm_part; /* where entries are counted */
};

static void visit_part(struct visitor *v, const struct om_table_part *part)
{
	struct om_system *sys = v->vma->mm->sys;

	om_table_lock_entries(sys, part->table);
	for (uintptr_t addr = part->start; addr < part->end; addr += OM_PAGE_SIZE) {
		om_pte_t pte = om_entry_get(sys, part->table, om_table_pos(addr));

		if (om_pte_none(pte) || (om_pte_present(pte) && om_pte_pfn(pte) == sys->zero_pfn))
			continue;
		v->visit(v, part->table, om_table_pos(addr), pte);
	}
	om_table_unlock(sys, part->table);
}

/* Contents may go from now on, until they are written again. Page lock and frame lock held. */
static void mark_lazyfree(struct om_system *sys, struct om_page *page)
{
	om_page_set(page, OM_PG_LAZYFREE);
	om_page_clear(page, OM_PG_DIRTY | OM_PG_REFERENCED | OM_PG_SWAPBACKED);
	om_page_set_old(sys, page);
	om_count(sys, OM_EV_PGLAZYFREE, 1);
}

/*
 * A page that others share is left alone, and so is a pinned one. The entry becomes clean and
 * read-only, and is flushed before the page is marked: a store that comes later sets the dirty bit
 * again, and reclaim, which flushes what it takes before it looks, finds it.
 */
static void free_present(struct visitor *v, struct om_page *table, unsigned pos, om_pte_t pte)
{
	struct om_system *sys = v->vma->mm->sys;
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));
	bool ours;

	if (!om_page_trylock(sys, page))
		return;
	om_frame_lock(sys, page);
	ours = om_page_test(page, OM_PG_DIRECT) && !om_page_pins(page);
	om_frame_unlock(sys, page);
	if (ours) {
		if (om_page_test(page, OM_PG_SWAPCACHE))
			om_swapcache_del(sys, page);
		om_entry_clean(sys, table, pos);
		om_tlb_flush_page(v->vma->mm, om_table_addr(table, pos));
		om_frame_lock(sys, page);
		mark_lazyfree(sys, page);
		om_frame_unlock(sys, page);
		om_table_note(sys, table, OM_TABLE_HELD);
	}
	om_page_unlock(sys, page);
}

static void visit_free(struct visitor *v, struct om_page *table, unsigned pos, om_pte_t pte)
{
	struct om_system *sys = v->vma->mm->sys;

	if (om_pte_present(pte)) {
		free_present(v, table, pos, pte);
	} else if (om_pte_is_swap(pte)) {
		om_entry_take(sys, table, pos, 0);
		om_swap_free_entry(sys, om_pte_slot(pte));
		atomic_fetch_sub_explicit(&v->mm_part->swapents, 1, memory_order_relaxed);
	}
}

/* Pages mapped by others too keep their place: they may be hot there. Frame lock held. */
static bool is_private_use(const struct om_page *page)
{
	return page->mapcount == 1 && !om_page_pins(page);
}

static void visit_cold(struct visitor *v, struct om_page *table, unsigned pos, om_pte_t pte)
{
	struct om_system *sys = v->vma->mm->sys;
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

	if (!om_pte_present(pte))
		return;
	om_entry_age(sys, table, pos);
	om_frame_lock(sys, page);
	if (is_private_use(page) && !om_table_is_shared(table)) {
		om_page_clear(page, OM_PG_REFERENCED);
		om_page_set_old(sys, page);
	}
	om_frame_unlock(sys, page);
}

static void advise_entries(struct om_vma *vma, struct om_mm_part *mm_part, uintptr_t start,
                           uintptr_t end,
                           void (*visit)(struct visitor *, struct om_page *, unsigned, om_pte_t))
{
	struct visitor v = {.visit = visit, .vma = vma, .mm_part = mm_part};

	om_for_each_table (part, vma->mm, start, end)
		visit_part(&v, &part);
}

/* What truncation has taken here, and not flushed yet, must be gone for the caller, too. */
static void dontneed(struct om_vma *vma, struct om_mm_part *mm_part, uintptr_t start, uintptr_t end)
{
	const struct om_zap_filter filter = {.keep_offsets = true};
	bool nonlinear = om_vma_flags(vma) & OM_VM_NONLINEAR;
	uintptr_t page[OM_GATHER_PAGES];
	struct om_gather g;

	om_gather_init_shared(&g, vma->mm, mm_part, page, OM_GATHER_PAGES);
	om_zap(&g, vma, start, end, nonlinear ? &filter : NULL);
	om_gather_finish(&g);
	if (om_unlikely(om_mm_flush_pending(vma->mm)))
		om_tlb_flush(vma->mm, start, end, OM_FLUSH_PAGES);
}

/* ---------------------------------------------------------------- one area ------------------ */

static bool discards(int advice)
{
	return advice == OM_MADV_DONTNEED || advice == OM_MADV_DONTNEED_LOCKED;
}

/* Then the tables must be the caller's alone (I13). */
static bool takes_contents(int advice)
{
	return discards(advice) || advice == OM_MADV_FREE;
}

static int advise_pages(struct om_vma *vma, struct om_mm_part *mm_part, uintptr_t start,
                        uintptr_t end, int advice)
{
	int err = om_check_pages_advice(om_vma_flags(vma), vma->mapping, advice);

	if (err)
		return err;
	if (takes_contents(advice) && om_is_shared(vma->mm, start, end))
		return -OM_ESHARED;
	switch (advice) {
	case OM_MADV_DONTNEED:
	case OM_MADV_DONTNEED_LOCKED:
		dontneed(vma, mm_part, start, end);
		break;
	case OM_MADV_FREE:
		advise_entries(vma, mm_part, start, end, visit_free);
		break;
	default:
		advise_entries(vma, mm_part, start, end, visit_cold);
	}
	return 0;
}

static bool is_flag_advice(int advice)
{
	return advice <= OM_MADV_SEQUENTIAL ||
	       (advice >= OM_MADV_DONTFORK && advice <= OM_MADV_DOFORK) ||
	       (advice >= OM_MADV_HUGEPAGE && advice <= OM_MADV_KEEPONFORK);
}

/* ---------------------------------------------------------------- ranges -------------------- */

/* mmap_lock is held: for reading in `mm_part`, or for writing, and that is NULL. */
static int advise_range(struct om_mm *mm, struct om_mm_part *mm_part, uintptr_t start,
                        uintptr_t end, int advice)
{
	int hole = 0;

	while (start < end) {
		struct om_vma *vma = om_vma_find(mm, start);
		uintptr_t stop = end;
		int err;

		if (!vma || vma->start > start)
			hole = -OM_ENOMEM;
		if (!vma || vma->start >= end)
			break;
		om_clip(&start, &stop, vma->start, vma->end);
		err = mm_part ? advise_pages(vma, mm_part, start, stop, advice)
		              : advise_flags(&vma, start, stop, advice);
		if (err)
			return err;
		start = stop;
	}
	return hole;
}

static int advise_areas(struct om_mm *mm, uintptr_t start, uintptr_t end, int advice)
{
	int err;

	om_mm_write_lock(mm);
	err = advise_range(mm, NULL, start, end, advice);
	om_mm_write_unlock(mm);
	return err;
}

static int advise_contents(struct om_mm *mm, uintptr_t start, uintptr_t end, int advice)
{
	struct om_mm_part *mm_part = om_mm_enter(mm);
	int err = advise_range(mm, mm_part, start, end, advice);

	om_part_leave(mm->sys, mm_part);
	if (err == -OM_ESHARED)
		return err;
	if (discards(advice))
		om_trim_range(mm, start, end);
	return err;
}

static OM_NOINLINE int advise_once(struct om_mm *mm, uintptr_t start, uintptr_t end, int advice)
{
	int err;

	if (is_flag_advice(advice))
		return advise_areas(mm, start, end, advice);
	while ((err = advise_contents(mm, start, end, advice)) == -OM_ESHARED) {
		err = om_own_tables(mm, start, end, discards(advice));
		if (err)
			return err;
	}
	return err;
}

static bool is_known(int advice)
{
	return (advice >= OM_MADV_NORMAL && advice <= OM_MADV_DONTNEED) ||
	       (advice >= OM_MADV_FREE && advice <= OM_MADV_DOFORK) || advice == OM_MADV_HUGEPAGE ||
	       advice == OM_MADV_NOHUGEPAGE ||
	       (advice >= OM_MADV_WIPEONFORK && advice <= OM_MADV_DONTNEED_LOCKED);
}

int om_madvise(struct om_mm *mm, uintptr_t addr, size_t len, int advice)
{
	uintptr_t end;
	unsigned tries = 0;
	int err;

	om_might_sleep(mm->sys);
	if (!is_known(advice) || !om_range(addr, len, &end))
		return -OM_EINVAL;
	if (end == addr)
		return 0;
	if (om_is_io_advice(advice))
		return om_advise_io(mm, addr, end, advice);
	while ((err = advise_once(mm, addr, end, advice)) == -OM_ENOFRAME) {
		err = om_reclaim_retry(mm->sys, &tries, 2);
		if (err)
			return err == -OM_ENOMEM ? -OM_EAGAIN : err;
	}
	return err;
}
