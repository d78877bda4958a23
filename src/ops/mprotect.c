/*
 * mprotect.c: changing what an area allows.
 *
 * Area by area, so a hole or a refusal leaves everything before it changed, as on Linux. A call
 * that ran out of frames half way starts again from the beginning: what is already as wanted is
 * passed over.
 *
 * An entry only ever loses permissions here, or gets read and execute ones: write permission
 * comes back by a fault, which knows whether the page may be written (I3).
 */
#include "area/limits.h"
#include "area/mm.h"
#include "area/unshare.h"
#include "area/zap.h"
#include "ops/fault.h"
#include "page/fold.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"

#define PROT_BITS (OM_VM_READ | OM_VM_WRITE | OM_VM_EXEC)

/* The table is locked. A big entry is changed as one, but never gets execute permission (I14). */
static bool protect_big(struct om_gather *g, const struct om_table_part *part, unsigned prot)
{
	if (!om_table_is_folded(part->table) || part->end - part->start != OM_TABLE_SPAN ||
	    (prot & OM_PROT_EXEC))
		return false;
	om_table_protect_big(g->mm, part->table, prot, false);
	om_gather_flush_later(g, part->start, part->end);
	return true;
}

/* The table is locked. */
static void protect_small(struct om_gather *g, const struct om_table_part *part, unsigned prot)
{
	struct om_system *sys = g->mm->sys;
	struct om_page *table = part->table;
	uintptr_t end = part->end;
	unsigned read_only = prot & ~(unsigned)OM_PROT_WRITE;
	unsigned pos = om_table_pos(part->start);

	om_table_show(sys, table);
	for (uintptr_t addr = part->start; addr < end; addr += OM_PAGE_SIZE, pos++) {
		om_pte_t pte = om_entry_get(sys, table, pos);

		if (!om_pte_present(pte))
			continue;
		om_entry_protect(sys, table, pos, om_pte_write(pte) ? prot : read_only);
		om_gather_flush_later(g, addr, addr + OM_PAGE_SIZE);
	}
}

static void protect_part(struct om_gather *g, const struct om_table_part *part, unsigned prot)
{
	struct om_system *sys = g->mm->sys;

	om_table_lock(sys, part->table);
	if (!protect_big(g, part, prot))
		protect_small(g, part, prot);
	om_table_unlock(sys, part->table);
}

static void protect_entries(struct om_vma *vma)
{
	unsigned prot = om_vma_prot(om_vma_flags(vma));
	struct om_gather g;

	om_gather_init(&g, vma->mm, NULL, 0); /* no page leaves */
	om_for_each_table (part, vma->mm, vma->start, vma->end)
		protect_part(&g, &part, prot);
	om_gather_finish(&g);
}

/* Locked memory that has become writable, first to last. */
struct to_fill {
	uintptr_t start, end;
};

struct protect {
	struct om_mm *mm;
	uintptr_t start, end;
	unsigned prot;
	bool down; /* from the start of the stack on */
	bool up;   /* to the end of a stack that grows up: there are none */
	struct to_fill *fill;
};

/* Locked private memory that can be written from now on: its pages are to be copied. */
static void note_fill(struct protect *p, unsigned old, uintptr_t from, uintptr_t to)
{
	if ((old & (OM_VM_WRITE | OM_VM_SHARED | OM_VM_LOCKED)) != OM_VM_LOCKED ||
	    !(p->prot & OM_VM_WRITE))
		return;
	if (!p->fill->end)
		p->fill->start = from;
	p->fill->end = to;
}

/* Change the part of `vma` inside the range; *vma becomes the area that covers it afterwards. */
static int protect_vma(struct protect *p, struct om_vma **vma)
{
	struct om_mm *mm = p->mm;
	unsigned old = om_vma_flags(*vma), flags = (old & ~(unsigned)PROT_BITS) | p->prot;
	uintptr_t from = (*vma)->start > p->start ? (*vma)->start : p->start;
	uintptr_t to = (*vma)->end < p->end ? (*vma)->end : p->end;
	size_t pages = (to - from) >> OM_PAGE_SHIFT;
	int err;

	if ((p->prot & OM_VM_WRITE) && !(old & OM_VM_MAYWRITE))
		return -OM_EACCES;
	if (flags == old)
		return 0;
	/* Only what becomes data is asked about: all of it is there already. */
	if ((p->prot & OM_VM_WRITE) && om_check_limits(mm, pages, flags) &&
	    !om_check_limits(mm, pages, old))
		return -OM_ENOMEM;
	err = om_unshare(*vma, from, to);
	if (!err)
		err = om_vma_cut_for(*vma, from, to, flags);
	if (err)
		return err;
	*vma = om_vma_find(mm, from);
	om_vma_change_flags(*vma, flags);
	protect_entries(*vma);
	*vma = om_vma_merge(*vma);
	note_fill(p, old, from, to);
	return 0;
}

static int protect_range(struct protect *p)
{
	struct om_vma *vma = om_vma_find(p->mm, p->start);

	if (p->down) {
		if (!vma || vma->start >= p->end)
			return -OM_ENOMEM;
		if (!(om_vma_flags(vma) & OM_VM_GROWSDOWN))
			return -OM_EINVAL;
		p->start = vma->start;
	}
	if (p->up)
		return vma && vma->start <= p->start ? -OM_EINVAL : -OM_ENOMEM;
	for (uintptr_t at = p->start; at < p->end;) {
		int err;

		if (!vma || vma->start > at)
			return -OM_ENOMEM;
		err = protect_vma(p, &vma);
		if (err)
			return err;
		at = vma->end;
		vma = om_vma_find(p->mm, at);
	}
	return 0;
}

static OM_NOINLINE int protect_once(struct om_mm *mm, uintptr_t start, uintptr_t end, int prot,
                                    struct to_fill *fill)
{
	struct protect p = {.mm = mm,
	                    .start = start,
	                    .end = end,
	                    .prot = (unsigned)prot & PROT_BITS,
	                    .down = prot & OM_PROT_GROWSDOWN,
	                    .up = prot & OM_PROT_GROWSUP,
	                    .fill = fill};
	int err;

	om_mm_write_lock(mm);
	err = protect_range(&p);
	om_mm_write_unlock(mm);
	return err;
}

/* So that no fault is left to do it. Other areas between are passed over. */
static void populate_locked(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	const unsigned mask = OM_VM_LOCKED | OM_VM_SHARED | OM_VM_WRITE;
	uintptr_t stop = end;
	unsigned flags;

	for (; start < end && om_populate_area(mm, start, &stop, &flags); start = stop, stop = end)
		if ((flags & mask) == (OM_VM_LOCKED | OM_VM_WRITE))
			(void)om_populate(mm, start, stop);
}

int om_mprotect(struct om_mm *mm, uintptr_t addr, size_t len, int prot)
{
	const int grows = OM_PROT_GROWSDOWN | OM_PROT_GROWSUP;
	struct to_fill fill = {0, 0};
	uintptr_t end;
	unsigned tries = 0;
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
	do
		err = protect_once(mm, addr, end, prot, &fill);
	while (om_try_again(mm->sys, &tries, 2, &err));
	populate_locked(mm, fill.start, fill.end);
	return err;
}
