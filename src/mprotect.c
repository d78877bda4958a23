/*
 * mprotect.c: changing what an area allows.
 *
 * Area by area, so a hole or a refusal leaves everything before it changed, as on Linux. A call that ran out
 * of frames half way starts again from the beginning: what is already as wanted is passed over.
 *
 * An entry only ever loses permissions here, or gets read and execute ones: write permission comes back by a
 * fault, which knows whether the page may be written (I3).
 */
#include "mm.h"
#include "reclaim.h"
#include "rmap.h"
#include "zap.h"

#define PROT_BITS (OM_VM_READ | OM_VM_WRITE | OM_VM_EXEC)

/* Entries of one table: [addr, end) lies in it. */
static void protect_table(struct om_gather *g, struct om_page *table, uintptr_t addr, uintptr_t end,
                          unsigned prot)
{
	struct om_system *sys = g->mm->sys;

	om_table_lock(sys, table);
	for (; addr < end; addr += OM_PAGE_SIZE) {
		unsigned slot = om_table_slot(addr);
		om_pte_t pte = om_entry_get(sys, table, slot);

		if (!om_pte_present(pte))
			continue;
		if (om_pte_write(pte))
			om_entry_protect(sys, table, slot, prot);
		else
			om_entry_protect(sys, table, slot, prot & ~(unsigned)OM_PROT_WRITE);
		om_gather_flush_later(g, addr, addr + OM_PAGE_SIZE);
	}
	om_table_unlock(sys, table);
}

static void protect_entries(struct om_vma *vma)
{
	unsigned prot = om_vma_prot(om_vma_flags(vma));
	uintptr_t addr = vma->start;
	struct om_gather g;
	struct om_page *table;

	om_gather_init(&g, vma->mm);
	while ((table = om_table_next(vma->mm, addr, vma->end))) {
		uintptr_t base = om_table_addr(table, 0);
		uintptr_t end = vma->end - base > OM_TABLE_SPAN ? base + OM_TABLE_SPAN : vma->end;

		protect_table(&g, table, addr > base ? addr : base, end, prot);
		addr = end;
	}
	om_gather_finish(&g);
}

/* Change the part of `vma` inside [start, end); *vma becomes the area that covers it afterwards. */
static int protect_vma(struct om_vma **vma, uintptr_t start, uintptr_t end, unsigned prot)
{
	struct om_mm *mm = (*vma)->mm;
	unsigned old = om_vma_flags(*vma), flags = (old & ~(unsigned)PROT_BITS) | prot;
	uintptr_t from = (*vma)->start > start ? (*vma)->start : start;
	uintptr_t to = (*vma)->end < end ? (*vma)->end : end;
	int err;

	if ((prot & OM_VM_WRITE) && !(old & OM_VM_MAYWRITE))
		return -OM_EACCES;
	if (flags == old)
		return 0;
	if (om_flags_are_data(flags) && !om_flags_are_data(old) &&
	    mm->data_vm + ((to - from) >> OM_PAGE_SHIFT) > om_get_limit(mm, OM_LIMIT_DATA) >> OM_PAGE_SHIFT)
		return -OM_ENOMEM;
	err = om_vma_cut_out(mm, from, to);
	if (err)
		return err;
	*vma = om_vma_find(mm, from);
	om_vma_change_flags(*vma, flags);
	protect_entries(*vma);
	*vma = om_vma_merge(*vma);
	return 0;
}

static int protect_range(struct om_mm *mm, uintptr_t start, uintptr_t end, unsigned prot, bool down)
{
	struct om_vma *vma = om_vma_find(mm, start);

	if (down) {
		if (!vma || vma->start >= end)
			return -OM_ENOMEM;
		if (!(om_vma_flags(vma) & OM_VM_GROWSDOWN))
			return -OM_EINVAL;
		start = vma->start;
	}
	while (start < end) {
		int err;

		if (!vma || vma->start > start)
			return -OM_ENOMEM;
		err = protect_vma(&vma, start, end, prot);
		if (err)
			return err;
		start = vma->end;
		vma = om_vma_find(mm, start);
	}
	return 0;
}

static int protect_once(struct om_mm *mm, uintptr_t start, uintptr_t end, unsigned prot, bool down)
{
	int err;

	om_mm_write_lock(mm);
	err = protect_range(mm, start, end, prot, down);
	om_mm_write_unlock(mm);
	return err;
}

int om_mprotect(struct om_mm *mm, uintptr_t addr, size_t len, int prot)
{
	const int grows = OM_PROT_GROWSDOWN | OM_PROT_GROWSUP;
	uintptr_t end;
	int err;

	om_might_sleep(mm->sys);
	if ((prot & grows) == grows || (addr & ~OM_PAGE_MASK))
		return -OM_EINVAL;
	if (len == 0)
		return 0;
	if (!om_range(addr, len, &end) || end == addr)
		return -OM_ENOMEM;
	if (prot & ~(int)(PROT_BITS | (unsigned)grows))
		return -OM_EINVAL;
	if (prot & OM_PROT_GROWSUP)
		return -OM_EINVAL;
	OM_RETRY_NOFRAME(mm->sys, 2, err,
	                 protect_once(mm, addr, end, (unsigned)prot & PROT_BITS,
	                              prot & OM_PROT_GROWSDOWN));
	return err;
}
