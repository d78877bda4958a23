/*
 * access.c: the core's own hands in an address space: om_read, om_write, pins, mincore.
 *
 * A copy takes place with the table's lock held, through the entry that allows it. So there is no
 * moment in which the page could be unmapped, copied on write or written out between the check
 * and the access: the class of bug that Dirty COW was (hazard 1) has no room.
 */
#include "base/mem.h"
#include "ops/fault.h"
#include "page/put.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "store/mapping.h"
#include "store/swap.h"

/* ---------------------------------------------------------------- copies -------------------- */

struct transfer {
	struct om_mm *mm;
	uintptr_t addr;
	char *buf;
	size_t len;
	bool write;
};

/* May this entry be used as it is? Hardware permissions stand for the area's. */
static bool usable(om_pte_t pte, bool write)
{
	return om_pte_present(pte) && (!write || om_pte_write(pte));
}

/* mmap_lock is held: is there an area, and does it allow the access? */
static bool area_allows(const struct om_vma *vma, bool write)
{
	unsigned flags = vma ? om_vma_flags(vma) : 0;

	return om_vma_prot(flags) && (!write || (flags & OM_VM_WRITE));
}

/* The program's bytes: other threads of it may be at them, which is the program's own affair. */
static void copy_bytes(const struct transfer *t, char *frame, size_t n)
{
	memcpy(t->write ? frame : t->buf, t->write ? t->buf : frame, n);
}

/* Copy up to the end of the page; 0 if the entry must be resolved by a fault first. */
static size_t copy_through(struct transfer *t)
{
	struct om_system *sys = t->mm->sys;
	size_t offset = t->addr & ~OM_PAGE_MASK, n = OM_PAGE_SIZE - offset;
	struct om_page *table = om_table_find(t->mm, t->addr);
	unsigned pos = om_table_pos(t->addr);
	om_pte_t pte;
	char *frame;

	/* What others have, too, is not written (I13). They do not become more: mmap_lock. */
	if (!table || (t->write && om_table_is_shared(table)))
		return 0;
	n = n < t->len ? n : t->len;
	om_table_lock(sys, table);
	pte = om_entry_get(sys, table, pos);
	if (usable(pte, t->write)) {
		frame = (char *)om_arch_frame(&sys->arch, om_pte_pfn(pte)) + offset;
		om_entry_use(sys, table, pos, t->write);
		om_work(sys, OM_WORK_PAGE);
		copy_bytes(t, frame, n);
	} else {
		n = 0;
	}
	om_table_unlock(sys, table);
	return n;
}

static int fault_to_error(enum om_fault_result r)
{
	switch (r) {
	case OM_FAULT_MINOR:
	case OM_FAULT_MAJOR:
		return 0;
	case OM_FAULT_OOM:
	case OM_FAULT_LIMIT:
		return -OM_ENOMEM;
	case OM_FAULT_INTR:
		return -OM_EINTR;
	default:
		return -OM_EFAULT;
	}
}

static int transfer(struct transfer *t, size_t *done)
{
	size_t total = t->len;
	int err = 0;

	om_might_sleep(t->mm->sys);
	while (t->len && !err) {
		struct om_mm_part *part = om_mm_enter(t->mm);
		size_t n = 0;

		if (area_allows(om_vma_at_in(t->mm, part, t->addr), t->write))
			n = copy_through(t);
		om_part_leave(t->mm->sys, part);
		if (!n)
			err =
			    fault_to_error(om_fault(t->mm, t->addr, t->write ? OM_WRITE : OM_READ));
		t->addr += n;
		t->buf += n;
		t->len -= n;
		if (t->len && !err && om_dying(t->mm->sys))
			err = -OM_EINTR;
	}
	if (done)
		*done = total - t->len;
	return err;
}

int om_read(struct om_mm *mm, uintptr_t addr, void *buf, size_t len, size_t *done)
{
	struct transfer t = {mm, addr, buf, len, false};

	return transfer(&t, done);
}

int om_write(struct om_mm *mm, uintptr_t addr, const void *buf, size_t len, size_t *done)
{
	struct transfer t = {mm, addr, (char *)(uintptr_t)buf, len, true};

	return transfer(&t, done);
}

/* ---------------------------------------------------------------- pins ---------------------- */

/* May the page behind this entry be pinned where it is? Anonymous pages must be direct. */
static bool pinnable(struct om_vma *vma, struct om_page *page, om_pte_t pte, enum om_access access)
{
	if (page->kind == OM_KIND_ZERO || ((access & OM_WRITE) && !om_pte_write(pte)))
		return false;
	if (om_vma_flags(vma) & OM_VM_SHARED)
		return true;
	return (om_page_flags(page) & (OM_PG_ANON | OM_PG_DIRECT)) == (OM_PG_ANON | OM_PG_DIRECT);
}

/* 0, -OM_EAGAIN (no pin left), or -OM_EFAULT: a fault must resolve the entry first. */
static int try_pin(struct om_mm *mm, struct om_vma *vma, uintptr_t addr, enum om_access access,
                   om_pfn_t *pfn)
{
	struct om_system *sys = mm->sys;
	struct om_page *table, *page;
	int err = -OM_EFAULT;
	om_pte_t pte;

	if (!area_allows(vma, access & OM_WRITE))
		return -OM_EFAULT;
	table = om_table_find(mm, addr);
	if (!table || om_table_is_shared(table))
		return -OM_EFAULT;
	om_table_lock(sys, table);
	pte = om_entry_get(sys, table, om_table_pos(addr));
	page = om_page_of(sys, om_pte_pfn(pte));
	if (om_pte_present(pte) && pinnable(vma, page, pte, access)) {
		om_frame_lock(sys, page);
		err = om_page_pins(page) < OM_PINS_MAX ? 0 : -OM_EAGAIN;
		if (!err)
			page->holds += OM_ONE_PIN;
		om_frame_unlock(sys, page);
		om_table_note(sys, table, OM_TABLE_HELD);
		*pfn = om_pte_pfn(pte);
	}
	om_table_unlock(sys, table);
	return err;
}

/* The fault that makes a page pinnable. */
static int make_pinnable(struct om_mm *mm, uintptr_t addr, enum om_access access)
{
	unsigned how = access & OM_WRITE ? OM_WRITE : OM_READ | OM_UNSHARE;

	return om_populate_access(mm, addr & OM_PAGE_MASK, (addr & OM_PAGE_MASK) + OM_PAGE_SIZE,
	                          how);
}

int om_pin(struct om_mm *mm, uintptr_t addr, enum om_access access, om_pfn_t *pfn)
{
	int err;

	om_might_sleep(mm->sys);
	if (addr >= mm->layout.highest)
		return -OM_EFAULT;
	for (;;) {
		struct om_mm_part *part = om_mm_enter(mm);

		err = try_pin(mm, om_vma_at_in(mm, part, addr), addr, access, pfn);
		om_part_leave(mm->sys, part);
		if (err != -OM_EFAULT)
			return err;
		err = make_pinnable(mm, addr, access);
		if (err)
			return err;
	}
}

void om_unpin(struct om_system *sys, om_pfn_t pfn, bool dirtied)
{
	struct om_page *page = om_page_of(sys, pfn);

	om_frame_lock(sys, page);
	OM_BUG_ON(sys, om_page_pins(page) == 0, "om_unpin", page, pfn, page->mapcount);
	om_page_ref_locked(sys, page);
	page->holds -= OM_ONE_PIN;
	om_frame_unlock(sys, page);
	if (dirtied)
		om_page_set(page, OM_PG_DIRTY);
	if (om_page_test(page, OM_PG_SWAPCACHE))
		om_swapcache_try_free(sys, page);
	om_page_put(sys, page);
}

/* ---------------------------------------------------------------- mincore ------------------- */

static bool page_in_cache(struct om_mapping *mapping, uintptr_t index)
{
	struct om_page *page = om_mapping_lookup(mapping, index);
	bool in;

	if (!page)
		return false;
	in = om_page_test(page, OM_PG_UPTODATE);
	om_page_put(mapping->sys, page);
	return in;
}

static bool in_core(struct om_vma *vma, uintptr_t addr)
{
	struct om_system *sys = vma->mm->sys;
	struct om_page *table = om_table_find(vma->mm, addr);
	om_pte_t pte = 0;

	if (table)
		pte = om_arch_pte_load(om_table_entry(table, om_table_pos(addr)));
	if (om_pte_present(pte))
		return true;
	if (om_pte_is_swap(pte))
		return om_slot_pfn(sys, om_pte_slot(pte)) != OM_NO_PFN;
	if (!vma->mapping)
		return false;
	return page_in_cache(vma->mapping,
	                     om_pte_is_file(pte) ? om_pte_pgoff(pte) : om_vma_index(vma, addr));
}

int om_mincore(struct om_mm *mm, uintptr_t addr, size_t len, unsigned char *vec)
{
	struct om_mm_part *part;
	uintptr_t end;
	int err = 0;

	om_might_sleep(mm->sys);
	if (addr & ~OM_PAGE_MASK)
		return -OM_EINVAL;
	if (!om_range(addr, len, &end) || end > mm->layout.highest)
		return -OM_ENOMEM;
	part = om_mm_enter(mm);
	for (; addr < end && !err; addr += OM_PAGE_SIZE) {
		struct om_vma *vma = om_vma_at_in(mm, part, addr);

		if (!vma)
			err = -OM_ENOMEM;
		else
			*vec++ = (om_vma_flags(vma) & OM_VM_HIDE_CACHE) || in_core(vma, addr);
	}
	om_part_leave(mm->sys, part);
	return err;
}
