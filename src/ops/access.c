/*
 * access.c: the core's own hands in an address space: om_read, om_write and their kin, pins,
 * mincore.
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

enum copy {
	COPY_IN,     /* to the caller */
	COPY_STRING, /* up to a NUL, with it */
	COPY_OUT,    /* to the program */
};

struct transfer {
	struct om_mm *mm;
	uintptr_t addr;
	char *buf;
	size_t len;
	enum copy how;
	bool ended; /* the NUL has been copied */
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

/* Each byte is looked at as it was copied: another thread of the program may change it. */
static size_t copy_string(struct transfer *t, const char *frame, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		t->buf[i] = *(const volatile char *)&frame[i];
		if (!t->buf[i]) {
			t->ended = true;
			return i + 1;
		}
	}
	return n;
}

/* The program's bytes: other threads of it may be at them, which is the program's own affair. */
static size_t copy_bytes(struct transfer *t, char *frame, size_t n)
{
	if (t->how == COPY_STRING)
		return copy_string(t, frame, n);
	if (t->how == COPY_OUT)
		memcpy(frame, t->buf, n);
	else
		memcpy(t->buf, frame, n);
	return n;
}

/* The table is locked: copy up to the end of the page; 0 if the entry needs a fault first. */
static size_t copy_page(struct transfer *t, struct om_page *table)
{
	struct om_system *sys = t->mm->sys;
	size_t offset = t->addr & ~OM_PAGE_MASK, n = OM_PAGE_SIZE - offset;
	unsigned pos = om_table_pos(t->addr);
	om_pte_t pte = om_entry_get(sys, table, pos);
	bool write = t->how == COPY_OUT;

	/* What other address spaces have, too, is not written (I13). */
	if (!usable(pte, write) || (write && om_table_is_shared(table)))
		return 0;
	om_entry_use(sys, table, pos, write);
	om_work(sys, OM_WORK_PAGE);
	return copy_bytes(t, (char *)om_arch_frame(&sys->arch, om_pte_pfn(pte)) + offset,
	                  n < t->len ? n : t->len);
}

static size_t copy_through(struct transfer *t)
{
	struct om_page *table = om_table_find(t->mm, t->addr);
	size_t n;

	if (!table)
		return 0;
	om_table_lock(t->mm->sys, table);
	n = copy_page(t, table);
	om_table_unlock(t->mm->sys, table);
	return n;
}

static void advance(struct transfer *t, size_t n)
{
	t->addr += n;
	t->buf += n;
	t->len -= n;
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
	const bool write = t->how == COPY_OUT;
	size_t total = t->len;
	int err = 0;

	om_might_sleep(t->mm->sys);
	while (t->len && !t->ended && !err) {
		struct om_mm_part *part = om_mm_enter(t->mm);
		size_t n = 0;

		if (area_allows(om_vma_at_in(t->mm, part, t->addr), write))
			n = copy_through(t);
		om_part_leave(t->mm->sys, part);
		if (!n)
			err = fault_to_error(om_fault(t->mm, t->addr, write ? OM_WRITE : OM_READ));
		advance(t, n);
		if (t->len && !t->ended && !err && om_dying(t->mm->sys))
			err = -OM_EINTR;
	}
	if (done)
		*done = total - t->len;
	return err;
}

int om_read(struct om_mm *mm, uintptr_t addr, void *buf, size_t len, size_t *done)
{
	struct transfer t = {mm, addr, buf, len, COPY_IN, false};

	return transfer(&t, done);
}

int om_write(struct om_mm *mm, uintptr_t addr, const void *buf, size_t len, size_t *done)
{
	struct transfer t = {mm, addr, (char *)(uintptr_t)buf, len, COPY_OUT, false};

	return transfer(&t, done);
}

int om_read_string(struct om_mm *mm, uintptr_t addr, char *buf, size_t size, size_t *len)
{
	struct transfer t = {mm, addr, buf, size, COPY_STRING, false};
	size_t copied;
	int err = transfer(&t, &copied);

	if (len)
		*len = copied - t.ended;
	return err || t.ended ? err : -OM_ENAMETOOLONG;
}

/* ---------------------------------------------------------------- without sleeping ---------- */

/*
 * Copy up to the end of the page, if nobody has to be waited for: not even for a spinning lock,
 * whose holder may be waiting for this CPU, with its interrupts off, to answer a flush.
 */
static size_t copy_now(struct transfer *t)
{
	struct om_mm *mm = t->mm;
	struct om_page *table;
	size_t n = 0;

	if (!om_mm_try_read_lock(mm))
		return 0;
	if (area_allows(om_vma_at(mm, t->addr), t->how == COPY_OUT)) {
		table = om_table_find_now(mm, t->addr);
		if (table && om_table_trylock(mm->sys, table)) {
			n = copy_page(t, table);
			om_table_unlock(mm->sys, table);
		}
	}
	om_mm_read_unlock(mm);
	return n;
}

static int transfer_nofault(struct transfer *t, size_t *done)
{
	size_t total = t->len, n = 1;

	om_atomic_begin(t->mm->sys, t);
	while (t->len && n) {
		n = copy_now(t);
		advance(t, n);
	}
	om_atomic_end(t->mm->sys, t);
	if (done)
		*done = total - t->len;
	return t->len ? -OM_EAGAIN : 0;
}

int om_read_nofault(struct om_mm *mm, uintptr_t addr, void *buf, size_t len, size_t *done)
{
	struct transfer t = {mm, addr, buf, len, COPY_IN, false};

	return transfer_nofault(&t, done);
}

int om_write_nofault(struct om_mm *mm, uintptr_t addr, const void *buf, size_t len, size_t *done)
{
	struct transfer t = {mm, addr, (char *)(uintptr_t)buf, len, COPY_OUT, false};

	return transfer_nofault(&t, done);
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
