/*
 * cow.c: a write (or an unshare) meets a present entry that does not allow it.
 *
 *     zero page, or file page in a private area    copy: the area gets an anonymous page of its own
 *     anonymous, sole owner                        reuse: direct and writable from now on
 *     anonymous, shared                            copy
 *     file page in a shared area                   the page is dirty from now on: allow the write
 *
 * A direct page is never copied (I2), so a pinned page, which is always direct, never parts from its
 * mapping (hazards 4, 5).
 */
#include "fault.h"

#include "frame.h"
#include "mem.h"
#include "rmap.h"
#include "swap.h"

/* What a page of one's own is mapped with: writable if the area is. */
static om_pte_t own_pte(const struct om_fault *f, om_pfn_t pfn)
{
	om_pte_t pte = om_pte_mkyoung(om_pte_make(pfn, f->prot));

	return f->prot & OM_PROT_WRITE ? om_pte_mkdirty(pte) : pte;
}

/*
 * Put `page` in the place of `old` (NULL: the zero page). The old translation is flushed everywhere before
 * the new entry appears: no thread sees the old contents after another has written the new ones.
 */
static void replace(struct om_fault *f, struct om_page *old, struct om_page *page)
{
	struct om_system *sys = f->mm->sys;

	om_entry_take(sys, f->table, f->slot, 0);
	sys->ops->flush(sys->ctx, f->mm, f->addr, f->addr + OM_PAGE_SIZE);
	om_entry_install(sys, f->table, f->slot, own_pte(f, om_page_pfn(sys, page)));
	om_rmap_page_new(sys, page, f->vma, f->table, f->slot);
	if (!old || !om_page_test(old, OM_PG_ANON))
		atomic_fetch_add_explicit(&f->mm->rss_anon, 1, memory_order_relaxed);
	if (!old)
		return;
	if (!om_page_test(old, OM_PG_ANON))
		atomic_fetch_sub_explicit(&f->mm->rss_file, 1, memory_order_relaxed);
	om_frame_lock(sys, old);
	om_rmap_page_remove(sys, old, om_vma_flags(f->vma) & OM_VM_LOCKED);
	om_frame_unlock(sys, old);
}

static void put_old(struct om_system *sys, struct om_page *old)
{
	if (!old)
		return;
	if (om_page_test(old, OM_PG_SWAPCACHE))
		om_swapcache_try_free(sys, old);
	om_page_put(sys, old);
}

/* `old`, NULL for the zero page, comes with a reference, which is dropped. */
static int copy(struct om_fault *f, struct om_page *old)
{
	struct om_system *sys = f->mm->sys;
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, 0);

	if (!page) {
		put_old(sys, old);
		return -OM_ENOFRAME;
	}
	if (old)
		memcpy(om_page_ptr(sys, page), om_page_ptr(sys, old), OM_PAGE_SIZE);
	else
		memset(om_page_ptr(sys, page), 0, OM_PAGE_SIZE);
	om_vma_mark_anon(f->vma);
	if (om_fault_lock_same(f)) {
		replace(f, old, page);
		om_table_unlock(sys, f->table);
		om_count(sys, OM_EV_FAULT_COW, 1);
	} else {
		om_page_put(sys, page);
	}
	put_old(sys, old);
	return OM_FAULT_MINOR;
}

/* The table is locked, and is unlocked on return. */
static void reuse(struct om_fault *f, struct om_page *page)
{
	struct om_system *sys = f->mm->sys;

	if (f->prot & OM_PROT_WRITE) /* adds permissions only: no flush is owed */
		om_entry_replace(sys, f->table, f->slot, own_pte(f, om_page_pfn(sys, page)));
	om_table_unlock(sys, f->table);
	om_count(sys, OM_EV_FAULT_REUSE, 1);
}

/*
 * First write to a page of a shared file mapping. The page lock keeps write-back and truncation out; the
 * page is marked dirty before the entry allows the write (hazard 15).
 */
static int make_writable(struct om_fault *f, struct om_page *page)
{
	struct om_system *sys = f->mm->sys;

	om_page_lock(sys, page);
	if (om_fault_lock_same(f)) {
		om_page_set(page, OM_PG_DIRTY);
		om_entry_replace(sys, f->table, f->slot, own_pte(f, om_page_pfn(sys, page)));
		om_table_unlock(sys, f->table);
		om_count(sys, OM_EV_FAULT_REUSE, 1);
	}
	om_page_unlock(sys, page);
	om_page_put(sys, page);
	return OM_FAULT_MINOR;
}

int om_fault_write(struct om_fault *f)
{
	struct om_system *sys = f->mm->sys;
	struct om_page *page = om_page_of(sys, om_pte_pfn(f->pte));
	bool anon;

	if (om_pte_pfn(f->pte) == sys->zero_pfn)
		return copy(f, NULL);
	if (!om_fault_lock_same(f))
		return OM_FAULT_MINOR;
	anon = om_page_test(page, OM_PG_ANON);
	if (anon && om_rmap_page_reuse(sys, page, f->table, f->slot)) {
		reuse(f, page);
		return OM_FAULT_MINOR;
	}
	om_page_ref(sys, page);
	om_table_unlock(sys, f->table);
	if (!anon && (om_vma_flags(f->vma) & OM_VM_SHARED))
		return make_writable(f, page);
	return copy(f, page);
}
