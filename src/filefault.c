/*
 * filefault.c: a page of a mapping is wanted.
 *
 * The page comes from the page cache locked, so that it can neither be truncated nor written back until its
 * entry is set. A write to a private area copies it at once; a read, or the first access to a shared
 * one, maps it read-only unless it is written now: so OM_PG_DIRTY is set before any entry is writable.
 */
#include "fault.h"

#include "frame.h"
#include "mapping.h"
#include "mem.h"
#include "rmap.h"

/* `from` is locked and referenced; it stays so. */
static int map_copy(struct om_fault *f, struct om_page *from)
{
	struct om_system *sys = f->sys;
	struct om_page *page = om_frame_get(sys, OM_KIND_DATA, 0);

	if (!page)
		return -OM_ENOFRAME;
	memcpy(om_page_ptr(sys, page), om_page_ptr(sys, from), OM_PAGE_SIZE);
	om_vma_mark_anon(f->vma);
	if (!om_fault_lock_same(f)) {
		om_page_put(sys, page);
		return OM_FAULT_MINOR;
	}
	om_entry_install(sys, f->table, f->slot, om_fault_own_pte(f, om_page_pfn(sys, page)));
	om_rmap_page_new(sys, page, f->vma, f->table, f->slot);
	om_table_unlock(sys, f->table);
	atomic_fetch_add_explicit(&f->mm->rss_anon, 1, memory_order_relaxed);
	om_count(sys, OM_EV_FAULT_COW, 1);
	return OM_FAULT_MINOR;
}

static int map_page(struct om_fault *f, struct om_page *page)
{
	struct om_system *sys = f->sys;
	bool write = (f->access & OM_WRITE) && (om_vma_flags(f->vma) & OM_VM_SHARED);
	unsigned prot = write ? f->prot : f->prot & ~(unsigned)OM_PROT_WRITE;
	om_pte_t pte = om_pte_mkyoung(om_pte_make(om_page_pfn(sys, page), prot));

	if (!om_fault_lock_same(f))
		return OM_FAULT_MINOR;
	if (!om_rmap_file_add(sys, page, f->vma)) {
		om_table_unlock(sys, f->table);
		return OM_FAULT_OOM;
	}
	if (write) {
		om_page_set(page, OM_PG_DIRTY);
		pte = om_pte_mkdirty(pte);
	}
	om_entry_install(sys, f->table, f->slot, pte);
	om_table_unlock(sys, f->table);
	atomic_fetch_add_explicit(&f->mm->rss_file, 1, memory_order_relaxed);
	om_count(sys, OM_EV_FAULT_FILE, 1);
	return OM_FAULT_MINOR;
}

int om_fault_file(struct om_fault *f, uintptr_t index)
{
	struct om_system *sys = f->sys;
	bool own = om_fault_wants_own(f) && !(om_vma_flags(f->vma) & OM_VM_SHARED);
	bool read = false;
	struct om_page *page;
	int r = om_mapping_getpage(f->vma->mapping, index, &page, &read);

	if (r == -OM_ENOFRAME)
		return r;
	if (r)
		return OM_FAULT_BUS;
	r = own ? map_copy(f, page) : map_page(f, page);
	om_page_unlock(sys, page);
	om_page_touch(sys, page);
	om_page_put(sys, page);
	return r == OM_FAULT_MINOR && read ? OM_FAULT_MAJOR : r;
}
