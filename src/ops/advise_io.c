/*
 * advise_io.c: WILLNEED, PAGEOUT, REMOVE and POPULATE: advice that reads, writes or drops what is
 * in stores.
 *
 * No lock is held meanwhile. So the range is gone through in pieces: under mmap_lock a piece is
 * found, and what it needs afterwards is held by references; then the lock is given
 * up, and the work done.
 */
#include "ops/advise_io.h"

#include "area/mm.h"
#include "ops/fault.h"
#include "page/put.h"
#include "page/table.h"
#include "reclaim/reclaim.h"
#include "store/mapping.h"
#include "store/swap.h"
#include "store/swapahead.h"

/* ---------------------------------------------------------------- pieces -------------------- */

/* What is to be done to one piece, up to address `next`. */
struct piece {
	uintptr_t next;
	struct om_mapping *mapping; /* WILLNEED: referenced; read `pages` from `index` on */
	uintptr_t index;
	size_t pages;
	unsigned slots, victims;
	union {
		uint32_t slot[OM_TRANSFER_MAX];  /* WILLNEED: read these */
		om_pfn_t page[OM_RECLAIM_BATCH]; /* PAGEOUT: referenced */
	};
};

/* The swap slots in the tables of [start, p->next), as many as there is room for. */
static void find_slots(struct om_mm *mm, uintptr_t start, struct piece *p)
{
	om_for_each_table (part, mm, start, p->next)
		for (uintptr_t a = part.start; a < part.end; a += OM_PAGE_SIZE) {
			om_pte_t pte =
			    om_arch_pte_load(om_table_entry(part.table, om_table_pos(a)));

			if (!om_pte_is_swap(pte))
				continue;
			if (p->slots == OM_TRANSFER_MAX) {
				p->next = a;
				return;
			}
			p->slot[p->slots++] = om_pte_slot(pte);
		}
}

static void find_reads(struct om_vma *vma, uintptr_t start, struct piece *p)
{
	find_slots(vma->mm, start, p);
	if (!vma->mapping)
		return;
	om_mapping_get(vma->mapping);
	p->mapping = vma->mapping;
	p->index = om_vma_index(vma, start);
	p->pages = (p->next - start) >> OM_PAGE_SHIFT;
}

/* Pages mapped by others too keep their place: they may be hot there. */
static void find_victim(struct om_system *sys, om_pte_t pte, struct piece *p)
{
	struct om_page *page = om_page_of(sys, om_pte_pfn(pte));

	if (!om_pte_present(pte) || om_pte_pfn(pte) == sys->zero_pfn)
		return;
	om_frame_lock(sys, page);
	if (page->mapcount == 1 && !om_page_pins(page) && !om_page_test(page, OM_PG_UNEVICTABLE)) {
		om_page_ref_locked(sys, page);
		p->page[p->victims++] = om_pte_pfn(pte);
	}
	om_frame_unlock(sys, page);
}

static void find_victims(struct om_vma *vma, uintptr_t start, struct piece *p)
{
	struct om_system *sys = vma->mm->sys;

	om_for_each_table (part, vma->mm, start, p->next) {
		uintptr_t a = part.start;

		if (om_table_is_shared(part.table))
			continue;
		om_table_lock(sys, part.table);
		for (; a < part.end && p->victims < OM_RECLAIM_BATCH; a += OM_PAGE_SIZE)
			find_victim(sys, om_entry_get(sys, part.table, om_table_pos(a)), p);
		om_table_unlock(sys, part.table);
		if (p->victims == OM_RECLAIM_BATCH) {
			p->next = a;
			return;
		}
	}
}

/* The first piece of [start, end). *hole becomes -OM_ENOMEM if it does not begin at `start`. */
static int find_piece(struct om_mm *mm, uintptr_t start, uintptr_t end, int advice, struct piece *p,
                      int *hole)
{
	struct om_vma *vma = om_vma_find(mm, start);
	int err;

	p->next = end;
	p->mapping = NULL;
	p->slots = p->victims = 0;
	if (!vma || vma->start > start)
		*hole = -OM_ENOMEM;
	if (!vma || vma->start >= end)
		return 0;
	om_clip(&start, &p->next, vma->start, vma->end);
	err = om_check_pages_advice(om_vma_flags(vma), vma->mapping, advice);
	if (err)
		return err;
	if (advice == OM_MADV_WILLNEED)
		find_reads(vma, start, p);
	else
		find_victims(vma, start, p);
	return 0;
}

/* Of the others, all that a transfer can have. What a slot holds by now does no harm (fetch.c). */
static void read_slot(struct om_system *sys, const struct piece *p, uint32_t slot)
{
	struct om_swap_near near = om_swap_near(slot);
	struct om_page *page;
	bool read;

	for (unsigned i = 0; i < p->slots; i++)
		om_swap_near_add(sys, &near, p->slot[i]);
	if (!om_swap_readpages(sys, &near, &page, &read))
		om_page_put(sys, page);
}

static void do_piece(struct om_system *sys, struct piece *p)
{
	if (p->mapping) {
		om_mapping_readahead(p->mapping, p->index, p->pages);
		om_mapping_put(p->mapping);
	}
	for (unsigned i = 0; i < p->slots; i++)
		read_slot(sys, p, p->slot[i]);
	if (p->victims)
		om_reclaim_pages(sys, p->page, p->victims);
}

/* WILLNEED and PAGEOUT: best effort. */
static OM_NOINLINE int advise_pieces(struct om_mm *mm, uintptr_t start, uintptr_t end, int advice)
{
	struct piece p;
	int hole = 0, err;

	for (; start < end; start = p.next) {
		struct om_mm_part *part = om_mm_enter(mm);

		err = find_piece(mm, start, end, advice, &p, &hole);
		om_part_leave(mm->sys, part);
		if (err)
			return err;
		do_piece(mm->sys, &p);
	}
	return hole;
}

/* ---------------------------------------------------------------- populate, remove ---------- */

/* POPULATE_READ and POPULATE_WRITE: an outermost loop, because its faults reclaim. */
static int advise_populate(struct om_mm *mm, uintptr_t start, uintptr_t end, bool write)
{
	while (start < end) {
		uintptr_t stop = end;
		unsigned flags;
		int err;

		if (!om_populate_area(mm, start, &stop, &flags))
			return -OM_ENOMEM;
		if (!(flags & (write ? OM_VM_WRITE : OM_VM_READ)))
			return -OM_EINVAL;
		err = om_populate_access(mm, start, stop, write ? OM_WRITE : OM_READ);
		if (err)
			return err;
		start = stop;
	}
	return 0;
}

/*
 * Punch a hole into the object behind the first area of [*start, end), up to *start afterwards; a
 * reference keeps the mapping while the lock is off. *hole becomes -OM_ENOMEM if the area does not
 * begin there.
 */
static int remove_part(struct om_mm *mm, uintptr_t *start, uintptr_t end, int *hole)
{
	struct om_mm_part *part = om_mm_enter(mm);
	struct om_vma *vma = om_vma_find(mm, *start);
	struct om_mapping *mapping = NULL;
	uintptr_t from = *start;
	uint64_t offset = 0;
	int err = 0;

	if (!vma || vma->start >= end) {
		err = -OM_ENOMEM;
	} else if ((om_vma_flags(vma) & OM_VM_LOCKED) || !vma->mapping) {
		err = -OM_EINVAL;
	} else if (!(om_vma_flags(vma) & OM_VM_SHARED) || !(om_vma_flags(vma) & OM_VM_MAYWRITE)) {
		err = -OM_EACCES;
	} else if (!om_mapping_has_holes(vma->mapping)) {
		err = -OM_EOPNOTSUPP;
	} else {
		if (vma->start > from)
			*hole = -OM_ENOMEM;
		om_clip(&from, &end, vma->start, vma->end);
		offset = (uint64_t)om_vma_index(vma, from) << OM_PAGE_SHIFT;
		mapping = vma->mapping;
		om_mapping_get(mapping);
	}
	om_part_leave(mm->sys, part);
	if (err)
		return err;
	err = om_mapping_punch(mapping, offset, end - from);
	om_mapping_put(mapping);
	*start = end;
	return err;
}

static OM_NOINLINE int advise_remove(struct om_mm *mm, uintptr_t start, uintptr_t end)
{
	int hole = 0;

	while (start < end) {
		int err = remove_part(mm, &start, end, &hole);

		if (err)
			return err;
	}
	return hole;
}

/* ---------------------------------------------------------------- all of it ----------------- */

int om_advise_io(struct om_mm *mm, uintptr_t start, uintptr_t end, int advice)
{
	switch (advice) {
	case OM_MADV_POPULATE_READ:
	case OM_MADV_POPULATE_WRITE:
		return advise_populate(mm, start, end, advice == OM_MADV_POPULATE_WRITE);
	case OM_MADV_REMOVE:
		return advise_remove(mm, start, end);
	default:
		return advise_pieces(mm, start, end, advice);
	}
}
