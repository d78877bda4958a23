/*
 * msync.c: writing back what shared mappings have changed.
 */
#include "area/mm.h"
#include "store/mapping.h"

/* The part of the range that the first area at or above `start` covers. */
struct part {
	struct om_mapping *mapping; /* referenced; NULL: nothing to write */
	uint64_t offset, len;       /* of the file: what to write */
	uintptr_t start, end;
};

/* False: no area meets [start, end). -OM_EBUSY through *err if INVALIDATE meets a locked area. */
static bool next_part(struct om_mm *mm, uintptr_t start, uintptr_t end, int flags, struct part *p,
                      int *err)
{
	struct om_mm_part *part = om_mm_enter(mm);
	struct om_vma *vma = om_vma_find(mm, start);

	if (!vma || vma->start >= end) {
		om_part_leave(mm->sys, part);
		return false;
	}
	*p = (struct part){.start = start, .end = end};
	om_clip(&p->start, &p->end, vma->start, vma->end);
	if ((flags & OM_MS_INVALIDATE) && (om_vma_flags(vma) & OM_VM_LOCKED)) {
		*err = -OM_EBUSY;
	} else if ((flags & OM_MS_SYNC) && (om_vma_flags(vma) & OM_VM_SHARED) && vma->mapping) {
		p->mapping = vma->mapping;
		/* Any page of the file may be shown in a nonlinear area. */
		p->len = UINT64_MAX;
		if (!(om_vma_flags(vma) & OM_VM_NONLINEAR)) {
			p->offset = (uint64_t)om_vma_index(vma, p->start) << OM_PAGE_SHIFT;
			p->len = p->end - p->start;
		}
		om_mapping_get(p->mapping);
	}
	om_part_leave(mm->sys, part);
	return true;
}

static int sync_part(const struct part *p)
{
	int err;

	if (!p->mapping)
		return 0;
	err = om_mapping_sync(p->mapping, p->offset, p->len);
	om_mapping_put(p->mapping);
	return err;
}

int om_msync(struct om_mm *mm, uintptr_t addr, size_t len, int flags)
{
	const int both = OM_MS_ASYNC | OM_MS_SYNC;
	uintptr_t end;
	int hole = 0;

	om_might_sleep(mm->sys);
	if ((flags & ~(both | OM_MS_INVALIDATE)) || (addr & ~OM_PAGE_MASK) ||
	    (flags & both) == both)
		return -OM_EINVAL;
	end = addr + om_page_align(len); /* a length that rounds up to 0 is none, as in Linux */
	if (end < addr)
		return -OM_ENOMEM;
	while (addr < end) {
		struct part p;
		int err = 0;

		if (!next_part(mm, addr, end, flags, &p, &err))
			return -OM_ENOMEM;
		if (p.start > addr)
			hole = -OM_ENOMEM;
		if (!err)
			err = sync_part(&p);
		if (err)
			return err;
		addr = p.end;
	}
	return hole;
}
