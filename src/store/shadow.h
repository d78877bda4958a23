/*
 * shadow.h: which pages of files were evicted a short time ago.
 *
 * An evicted page leaves a shadow: 16 bits, in a table at a place that its file and index give.
 * Later shadows fall on it: it stays for about as many evictions as the table has places, which is
 * half as many as there are frames. So a page that still has one when it is wanted again would have
 * stayed, if its kind had been kept a little longer. (The idea is Linux's, which keeps shadows in
 * the file's tree; here a file that is not in memory costs nothing.)
 *
 * A shadow is a hint: it may be taken for that of another page, once in 65,536 times. Any context;
 * nothing is locked.
 */
#ifndef OM_SHADOW_H
#define OM_SHADOW_H

#include "base/types.h"

/* Bytes of the table of a system with so many frames; the table is zeroed at first. */
static inline size_t om_shadow_bytes(om_pfn_t nr_frames)
{
	return (size_t)(nr_frames / 2) * sizeof(uint16_t);
}

struct om_shadow {
	_Atomic uint16_t *place; /* NULL: there is no table */
	uint16_t value;
};

static inline struct om_shadow om_shadow_of(struct om_system *sys, const void *file,
                                            uintptr_t index)
{
	/* By its frame, not by its address: so a run can be repeated, wherever memory lies. */
	uint64_t key = (uint64_t)om_arch_pfn(&sys->arch, (void *)(uintptr_t)file) << OM_PAGE_SHIFT |
	               ((uintptr_t)file & ~OM_PAGE_MASK);
	uint64_t hash = (key ^ (uint64_t)index << 40 ^ index) * 0x9e3779b97f4a7c15u;
	om_pfn_t places = sys->nr_frames / 2;

	hash ^= hash >> 29;
	if (!sys->shadow || !places)
		return (struct om_shadow){NULL, 0};
	return (struct om_shadow){&sys->shadow[(hash >> 16) % places], (uint16_t)(hash | 1)};
}

/* The page was evicted. */
static inline void om_shadow_leave(struct om_system *sys, const void *file, uintptr_t index)
{
	struct om_shadow s = om_shadow_of(sys, file, index);

	if (s.place)
		atomic_store_explicit(s.place, s.value, memory_order_relaxed);
}

/* The page is wanted: was it evicted a short time ago? Its shadow goes. */
static inline bool om_shadow_take(struct om_system *sys, const void *file, uintptr_t index)
{
	struct om_shadow s = om_shadow_of(sys, file, index);

	if (!s.place || atomic_load_explicit(s.place, memory_order_relaxed) != s.value)
		return false;
	atomic_store_explicit(s.place, 0, memory_order_relaxed);
	return true;
}

#endif
