/*
 * page.h: one frame: its flags, its frame lock, its references, its page lock.
 *
 * A data page lives while it has any of mapcount, references and pins; whoever takes the last
 * away, under the frame lock, frees it. Page cache and swap cache count one reference
 * each. Mapping counts in mapcount alone, which goes on counting an entry that zapping has cleared
 * until the TLB flush (I7).
 */
#ifndef OM_PAGE_H
#define OM_PAGE_H

#include "base/types.h"

static inline struct om_page *om_page_of(struct om_system *sys, om_pfn_t pfn)
{
	return &sys->page[pfn];
}

/*
 * The compiler would divide the distance of two descriptors in 64 bits, in long code. As nothing
 * is left over, 32 bits do: their size is a power of two times an odd number; the first is shifted
 * out, and to divide by the other is to multiply by its inverse modulo 2^32.
 */
#define OM_PAGE_POWER ((uint32_t)(sizeof(struct om_page) & -sizeof(struct om_page)))
#define OM_PAGE_ODD   ((uint32_t)(sizeof(struct om_page) / OM_PAGE_POWER))

/* Newton's method: each step doubles the bits that are right, from 5 on. */
#define OM_INVERSE_STEP(n, x) ((x) * (2 - (n) * (x)))
#define OM_INVERSE(n)         OM_INVERSE_STEP(n, OM_INVERSE_STEP(n, OM_INVERSE_STEP(n, 3 * (n) ^ 2)))

_Static_assert(OM_INVERSE(OM_PAGE_ODD) * OM_PAGE_ODD == 1, "om_page_pfn()");

static inline om_pfn_t om_page_pfn(struct om_system *sys, const struct om_page *page)
{
	uintptr_t bytes = (uintptr_t)page - (uintptr_t)sys->page;

	return (om_pfn_t)(bytes / OM_PAGE_POWER) * OM_INVERSE(OM_PAGE_ODD);
}

static inline void *om_page_ptr(struct om_system *sys, const struct om_page *page)
{
	return om_arch_frame(&sys->arch, om_page_pfn(sys, page));
}

/* Flags. */
static inline unsigned om_page_flags(const struct om_page *page)
{
	return atomic_load_explicit(&page->flags, memory_order_acquire);
}

static inline bool om_page_test(const struct om_page *page, unsigned mask)
{
	return om_page_flags(page) & mask;
}

/* Both return the flags before the change. */
static inline unsigned om_page_set(struct om_page *page, unsigned mask)
{
	return atomic_fetch_or_explicit(&page->flags, (uint16_t)mask, memory_order_acq_rel);
}

static inline unsigned om_page_clear(struct om_page *page, unsigned mask)
{
	return atomic_fetch_and_explicit(&page->flags, (uint16_t)~mask, memory_order_acq_rel);
}

/* The frame lock of a data page; of a table see table.h. */
static inline void om_frame_lock(struct om_system *sys, struct om_page *page)
{
	om_spin_lock(sys, &page->lock, OM_RANK_FRAME);
}

static inline void om_frame_unlock(struct om_system *sys, struct om_page *page)
{
	om_spin_unlock(sys, &page->lock);
}

/*
 * The page lock. om_page_lock() may sleep; trylock is allowed under spinning locks. In the record
 * of held locks it is &page->flags, since &page->lock, the frame lock, is also the address of the
 * page.
 */
void om_page_lock(struct om_system *sys, struct om_page *page);
bool om_page_trylock(struct om_system *sys, struct om_page *page);
void om_page_unlock(struct om_system *sys, struct om_page *page);

/*
 * `holds` has two counts. References (20 bits) are the page cache's, the swap cache's, and those of
 * whoever looks at the page now. Pins (12 bits) are om_pin()'s: the page stays mapped and unshared.
 *
 * More pins and more entries than fit are refused. References cannot be: whoever sleeps on the
 * page lock has one, so there may be as many as threads. A page that ever had OM_REFS_MAX of them
 * at once keeps them for good: a frame is lost, and nothing else.
 */
#define OM_ONE_PIN  1u
#define OM_ONE_REF  0x1000u
#define OM_REFS_MAX 0xfffffu
#ifndef OM_PINS_MAX
#define OM_PINS_MAX 0xfffu
#endif
#ifndef OM_MAPCOUNT_MAX
#define OM_MAPCOUNT_MAX 0xfffff0u
#endif

static inline uint32_t om_page_refs(const struct om_page *page)
{
	return page->holds / OM_ONE_REF;
}

static inline uint32_t om_page_pins(const struct om_page *page)
{
	return page->holds % OM_ONE_REF;
}

/* One more reference, and one less. Frame lock held. */
static inline void om_page_ref_locked(struct om_system *sys, struct om_page *page)
{
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	if (om_likely(page->holds < OM_REFS_MAX * OM_ONE_REF))
		page->holds += OM_ONE_REF;
}

static inline void om_page_unref_locked(struct om_system *sys, struct om_page *page)
{
	OM_ASSERT(sys, om_held(sys, &page->lock), "frame lock", page);
	OM_ASSERT(sys, page->holds >= OM_ONE_REF, "refs underflow", page);
	if (om_likely(page->holds < OM_REFS_MAX * OM_ONE_REF))
		page->holds -= OM_ONE_REF;
}

/* Nothing holds the page: it must be freed by whoever sees this. Frame lock held. */
static inline bool om_page_is_dead(const struct om_page *page)
{
	return page->mapcount == 0 && page->holds == 0;
}

static inline void om_page_ref(struct om_system *sys, struct om_page *page)
{
	om_frame_lock(sys, page);
	om_page_ref_locked(sys, page);
	om_frame_unlock(sys, page);
}

/* Does an entry count in it? Takes FRAME. */
static inline bool om_page_is_mapped(struct om_system *sys, struct om_page *page)
{
	bool mapped;

	om_frame_lock(sys, page);
	mapped = page->mapcount != 0;
	om_frame_unlock(sys, page);
	return mapped;
}

#endif
