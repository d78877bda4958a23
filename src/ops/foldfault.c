/*
 * foldfault.c: the first write to what a leaf table maps brings all of it.
 *
 * Frames that lie side by side come at once, filled with zeros, and the table is folded: one fault
 * where there would be one for each page. Nothing is copied to make room, and nothing is
 * reclaimed: where no such frames are free, a page comes as in any other fault.
 */
#include "base/mem.h"
#include "ops/fault.h"
#include "rmap/rmap.h"

/* Is it wanted, and can the table be folded as long as the area is as it is? */
static bool may_fold(const struct om_fault *f)
{
	unsigned huge = atomic_load_explicit(&f->sys->huge, memory_order_relaxed);
	unsigned flags = om_vma_flags(f->vma);
	uintptr_t start = om_table_addr(f->table, 0);

	if (huge == OM_HUGE_NEVER || (huge == OM_HUGE_MADVISE && !(flags & OM_VM_HUGEPAGE)))
		return false;
	/*
	 * Locked pages count their entries. And some processors stop when they find an instruction
	 * by a big entry and by a small one.
	 */
	if ((flags & (OM_VM_WRITE | OM_VM_EXEC | OM_VM_LOCKED | OM_VM_NOHUGEPAGE)) != OM_VM_WRITE)
		return false;
	return !f->vma->mapping && f->vma->start <= start && f->vma->end - start >= OM_TABLE_SPAN;
}

static void free_again(struct om_system *sys, om_pfn_t first)
{
	om_pfn_t n = OM_TABLE_ENTRIES < OM_BLOCK ? OM_TABLE_ENTRIES : OM_BLOCK;

	for (om_pfn_t i = 0; i < OM_TABLE_ENTRIES; i += n)
		om_free_piece(sys, om_piece_range(first + i, n));
}

static void make_zero(struct om_system *sys, om_pfn_t first)
{
	for (om_pfn_t i = 0; i < OM_TABLE_ENTRIES; i++) {
		om_work(sys, OM_WORK_PAGE);
		memset(om_arch_frame(&sys->arch, first + i), 0, OM_PAGE_SIZE);
	}
}

/* A frame that was free is the page of entry `pos`. The table is locked. */
OM_INLINE void fill_entry(struct om_fault *f, om_pfn_t pfn, unsigned pos)
{
	struct om_system *sys = f->sys;
	struct om_page *page = om_page_of(sys, pfn);

	om_frame_lock(sys, page);
	OM_BUG_ON(sys, page->kind != OM_KIND_FREE, "I7", page, page->kind, pfn);
	page->kind = OM_KIND_DATA;
	page->holds = OM_ONE_REF;
	om_frame_unlock(sys, page);
	om_entry_fill(sys, f->table, pos, om_pte_mkold(om_fault_own_pte(f, pfn)));
	om_rmap_page_new(sys, page, f->vma, f->table, pos);
}

/* False: somebody was faster. */
static bool fill(struct om_fault *f, om_pfn_t first)
{
	struct om_system *sys = f->sys;
	bool empty;

	om_table_lock(sys, f->table);
	empty = f->table->mapcount == 0 && om_table_is_sole(f->table, f->vma->mm);
	for (unsigned pos = 0; pos < OM_TABLE_ENTRIES && empty; pos++)
		fill_entry(f, first + pos, pos);
	if (empty)
		om_table_fold(f->vma->mm, f->table);
	om_table_unlock(sys, f->table);
	return empty;
}

/* As far as one can see before there are frames for it. */
static bool is_empty(struct om_system *sys, struct om_page *table)
{
	bool empty;

	om_table_lock(sys, table);
	empty = table->mapcount == 0;
	om_table_unlock(sys, table);
	return empty;
}

bool om_fault_fold(struct om_fault *f)
{
	struct om_system *sys = f->sys;
	om_pfn_t first;

	if (!may_fold(f) || !is_empty(sys, f->table) || OM_FAIL_HOOK(sys))
		return false;
	first = om_free_take_table(sys);
	if (first == OM_NO_PFN)
		return false;
	make_zero(sys, first);
	if (!om_rmap_prepare(f->vma) || !fill(f, first)) {
		free_again(sys, first);
		return false;
	}
	atomic_fetch_add_explicit(&f->part->rss_anon, OM_TABLE_ENTRIES, memory_order_relaxed);
	om_count_mapped(sys, OM_MAPPED_ANON, OM_TABLE_ENTRIES);
	om_count_in(f->shard, OM_EV_TABLE_FOLD, 1);
	return true;
}
