/*
 * om_arch.h: the compile-time half of the port to 32-bit Arm: page size, page-table entries, how
 * frames are reached. What each item has to guarantee is written in ports/template/om_arch.h; here
 * is how Arm does it (VMSAv7, short descriptors, with TEX remap and access flag, the tables of
 * TTBR0).
 *
 * An entry, from bit 0:
 *     held:  XN 1 | memory (2) | AF EL0 | 0 | dirty, write | RO | S nG | frame
 *     swap:  0 0 1 | slot << 3
 *     file:  0 0 0 1 | offset << 4
 * With TEX remap the MMU ignores bits 7 and 8, which are software's: all others of a small page are
 * the MMU's. So there is none that could say that an entry is held and not valid. An entry that
 * grants nothing is valid for the kernel alone (EL0 is not set), and programs fault.
 *
 * Accessed and dirty. AF is "young"; the MMU faults where it is not set, and om_fault() sets it. RO
 * is taken away from what may be written once it is dirty: until then the MMU faults.
 *
 * The entries of the core's root are no MMU's: armv7.h.
 */
#ifndef OM_ARCH_H
#define OM_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include <objrmap/objrmap.h>

#include "armv7.h"

/* ---------------------------------------------------------------- sizes --------------------- */

#define OM_PAGE_SHIFT  12
#define OM_TABLE_SHIFT 10
#define OM_LEVELS      2

/* All that TTBR0 translates: 2 GiB, half of the core's root. */
#define OM_VA_LIMIT 0x80000000ul

/* What fits above the kind of an absent entry, of which 29 are needed for slots. */
#define OM_SWAP_BITS 29
#define OM_FILE_BITS 28

/* ---------------------------------------------------------------- frames -------------------- */

/* Memory is mapped at one constant address, so nothing needs to be remembered. */
struct om_arch {
	char unused;
};

static inline void *om_arch_frame(const struct om_arch *arch, om_pfn_t pfn)
{
	(void)arch;
	return (void *)(ARMV7_DIRECT_MAP + armv7_phys(pfn));
}

static inline om_pfn_t om_arch_pfn(const struct om_arch *arch, const void *p)
{
	(void)arch;
	return (om_pfn_t)((((uintptr_t)p - ARMV7_DIRECT_MAP) >> OM_PAGE_SHIFT) - ARMV7_FIRST_FRAME);
}

/* The physical address of the MMU's first level. */
static inline uint32_t armv7_first(const struct armv7_mm *mm)
{
	return (uint32_t)((uintptr_t)mm->first - ARMV7_DIRECT_MAP);
}

/* ---------------------------------------------------------------- entries ------------------- */

typedef uint32_t om_pte_t;

#define ARMV7_XN     (1u << 0) /* not to be executed */
#define ARMV7_HELD   (1u << 1) /* names a frame: a small page */
#define ARMV7_MEMORY (3u << 2) /* memory 3 of PRRR: normal, cached */
#define ARMV7_AF     (1u << 4)
#define ARMV7_EL0    (1u << 5)  /* user mode */
#define ARMV7_DIRTY  (1u << 7)  /* software's */
#define ARMV7_WRITE  (1u << 8)  /* software's */
#define ARMV7_RO     (1u << 9)  /* not to be written, for now if there is WRITE */
#define ARMV7_SHARED (1u << 10) /* all CPUs */
#define ARMV7_NG     (1u << 11) /* belongs to the ASID */
#define ARMV7_PAGE   (ARMV7_HELD | ARMV7_MEMORY | ARMV7_SHARED | ARMV7_NG)
#define ARMV7_PROT   (ARMV7_XN | ARMV7_EL0 | ARMV7_WRITE | ARMV7_RO)

#define ARMV7_SWAP       4u /* the lowest bits of an absent entry */
#define ARMV7_SWAP_SHIFT 3
#define ARMV7_FILE       8u
#define ARMV7_FILE_SHIFT 4

/*
 * Aligned words are read and written in one access, and exchanges are indivisible for the MMU, too,
 * so nothing gets lost.
 */
static inline om_pte_t om_arch_pte_load(const om_pte_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void om_arch_pte_store(om_pte_t *p, om_pte_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline om_pte_t om_arch_pte_xchg(om_pte_t *p, om_pte_t v)
{
	return __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL);
}

static inline bool om_arch_pte_cas(om_pte_t *p, om_pte_t *old, om_pte_t v)
{
	return __atomic_compare_exchange_n(p, old, v, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline bool om_pte_none(om_pte_t e)
{
	return e == 0;
}

static inline bool om_pte_present(om_pte_t e)
{
	return e & ARMV7_HELD;
}

static inline bool om_pte_write(om_pte_t e)
{
	return e & ARMV7_WRITE;
}

static inline bool om_pte_dirty(om_pte_t e)
{
	return e & ARMV7_DIRTY;
}

static inline bool om_pte_young(om_pte_t e)
{
	return e & ARMV7_AF;
}

static inline om_pfn_t om_pte_pfn(om_pte_t e)
{
	return (e >> OM_PAGE_SHIFT) - ARMV7_FIRST_FRAME;
}

/* RO follows from the two bits of software. */
static inline om_pte_t armv7_with_ro(om_pte_t e)
{
	const om_pte_t both = ARMV7_WRITE | ARMV7_DIRTY;

	return (e & both) == both ? e & ~ARMV7_RO : e | ARMV7_RO;
}

static inline om_pte_t om_pte_modify(om_pte_t e, unsigned prot)
{
	e &= ~ARMV7_PROT;
	if (prot)
		e |= ARMV7_EL0;
	if (prot & OM_PROT_WRITE)
		e |= ARMV7_WRITE;
	if (!(prot & OM_PROT_EXEC))
		e |= ARMV7_XN;
	return armv7_with_ro(e);
}

static inline om_pte_t om_pte_make(om_pfn_t pfn, unsigned prot)
{
	return om_pte_modify(armv7_phys(pfn) | ARMV7_PAGE, prot);
}

static inline om_pte_t om_pte_mkdirty(om_pte_t e)
{
	return armv7_with_ro(e | ARMV7_DIRTY);
}

static inline om_pte_t om_pte_mkclean(om_pte_t e)
{
	return armv7_with_ro(e & ~ARMV7_DIRTY);
}

static inline om_pte_t om_pte_wrprotect(om_pte_t e)
{
	return armv7_with_ro(e & ~ARMV7_WRITE);
}

static inline om_pte_t om_pte_mkyoung(om_pte_t e)
{
	return e | ARMV7_AF;
}

static inline om_pte_t om_pte_mkold(om_pte_t e)
{
	return e & ~ARMV7_AF;
}

static inline bool om_pte_is_swap(om_pte_t e)
{
	return (e & 7) == ARMV7_SWAP;
}

static inline om_pte_t om_pte_mkswap(uint32_t slot)
{
	return slot << ARMV7_SWAP_SHIFT | ARMV7_SWAP;
}

static inline uint32_t om_pte_slot(om_pte_t e)
{
	return e >> ARMV7_SWAP_SHIFT;
}

static inline bool om_pte_is_file(om_pte_t e)
{
	return (e & 15) == ARMV7_FILE;
}

static inline om_pte_t om_pte_mkfile(uintptr_t pgoff)
{
	return (om_pte_t)pgoff << ARMV7_FILE_SHIFT | ARMV7_FILE;
}

static inline uintptr_t om_pte_pgoff(om_pte_t e)
{
	return e >> ARMV7_FILE_SHIFT;
}

static inline om_pte_t om_pte_mktable(om_pfn_t pfn)
{
	return armv7_phys(pfn) | ARMV7_HELD;
}

/* ---------------------------------------------------------------- the CPU ------------------- */

static inline unsigned om_arch_cpu(void)
{
	return armv7_cpu_number();
}

static inline void om_arch_pause(void)
{
	armv7_pause();
}

static inline void om_arch_spin_release(uint8_t *state)
{
	__atomic_store_n(state, (uint8_t)(__atomic_load_n(state, __ATOMIC_RELAXED) - 1),
	                 __ATOMIC_RELEASE);
}

/* The kernel preempts a thread only while its count is 0. */
static inline void om_arch_spin_enter(void)
{
	armv7_preempt_disable();
}

static inline void om_arch_spin_leave(void)
{
	armv7_preempt_enable();
}

_Static_assert(sizeof(om_pte_t) << OM_TABLE_SHIFT == 1ul << OM_PAGE_SHIFT, "a table is one page");

#endif
