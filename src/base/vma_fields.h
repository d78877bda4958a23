/*
 * vma_fields.h: reading and setting the fields of one area: no tree, no list, no lock of their own.
 *
 * The reverse map, which lies below the areas, needs them, too.
 */
#ifndef OM_VMA_FIELDS_H
#define OM_VMA_FIELDS_H

#include "base/types.h"

static inline unsigned om_vma_flags(const struct om_vma *vma)
{
	return atomic_load_explicit(&vma->flags, memory_order_relaxed);
}

static inline void om_vma_set_flags(struct om_vma *vma, unsigned flags)
{
	atomic_store_explicit(&vma->flags, flags, memory_order_relaxed);
}

static inline size_t om_vma_pages(const struct om_vma *vma)
{
	return (vma->end - vma->start) >> OM_PAGE_SHIFT;
}

/* Linear index of an address (design.md, section 2). */
static inline uintptr_t om_vma_index(const struct om_vma *vma, uintptr_t addr)
{
	return vma->pgoff + ((addr - vma->start) >> OM_PAGE_SHIFT);
}

static inline bool om_vma_covers(const struct om_vma *vma, uintptr_t addr)
{
	return vma->start <= addr && addr < vma->end;
}

/* Private memory that can be written counts as data (OM_LIMIT_DATA); stacks do not. */
static inline bool om_flags_are_data(unsigned flags)
{
	return (flags & (OM_VM_WRITE | OM_VM_SHARED | OM_VM_GROWSDOWN)) == OM_VM_WRITE;
}

/*
 * What the hardware shall allow: as on most machines, what can be written or executed can be
 * read. Nothing for PROT_NONE.
 */
static inline unsigned om_vma_prot(unsigned flags)
{
	unsigned prot = flags & (OM_VM_READ | OM_VM_WRITE | OM_VM_EXEC);

	return prot ? prot | OM_VM_READ : 0;
}

/* om_vma.anon */
enum {
	OM_VMA_HAD_ANON = 1,  /* holds, or held, anonymous pages */
	OM_VMA_INHERITED = 2, /* came into its anon_vma by fork, as the child's */
};

static inline unsigned om_vma_anon(const struct om_vma *vma)
{
	return atomic_load_explicit(&vma->anon, memory_order_relaxed);
}

static inline bool om_vma_had_anon(const struct om_vma *vma)
{
	return om_vma_anon(vma) & OM_VMA_HAD_ANON;
}

/* mmap_lock read. */
static inline void om_vma_mark_anon(struct om_vma *vma)
{
	if (!om_vma_had_anon(vma))
		atomic_fetch_or_explicit(&vma->anon, OM_VMA_HAD_ANON, memory_order_relaxed);
}

#endif
