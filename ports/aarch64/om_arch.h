/*
 * om_arch.h: the compile-time half of the AArch64 port: page size, page-table entries, how frames
 * are reached. What each item has to guarantee is written in ports/template/om_arch.h; here is how
 * Arm does it (VMSAv8-64, stage 1, the tables of TTBR0, which user space has for itself).
 *
 * An entry, from bit 0:
 *     held:  valid 1 | attr (3) | NS EL0 RO | SH (2) AF nG | frame | DBM cont. PXN UXN | 1 dirty
 *     swap:  0 1 0 | slot << 3
 *     file:  0 1 1 | offset << 3
 * Bit 55, which is software's, is set in all entries that name a frame; valid only in those that
 * grant something. The MMU ignores all bits of an entry that is not valid.
 *
 * Accessed and dirty. AF is "young". DBM says that the page may be written, RO that it has not
 * been: an MMU that manages the dirty state (FEAT_HAFDBS) takes RO away at the first write, one
 * that does not faults, and om_fault() does it. Where DBM is taken away, a bit of software
 * remembers that the page is dirty. In the same way an MMU that does not set AF faults. So nothing
 * here depends on what the MMU can do; what it can do is switched on by arm_cpu_init().
 *
 * Break before make: the core never replaces a frame in an entry that is valid (it makes it absent,
 * flushes, and sets it), which is what Arm demands. It changes permissions in place, which Arm
 * allows.
 *
 * The contiguous bit (16 entries of 4 KiB map as one) is not used, for the core has entries of one
 * size.
 */
#ifndef OM_ARCH_H
#define OM_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include <objrmap/objrmap.h>

#include "aarch64.h"

/* ---------------------------------------------------------------- sizes --------------------- */

#define OM_PAGE_SHIFT  ARM_PAGE_SHIFT
#define OM_TABLE_SHIFT (ARM_PAGE_SHIFT - 3)
#define OM_LEVELS      ARM_LEVELS

/* All that TTBR0 translates. */
#define OM_VA_LIMIT (1ul << ARM_VA_BITS)

/* What fits between the kind of an absent entry and bit 55, of which 29 are needed for slots. */
#define OM_SWAP_BITS 29
#define OM_FILE_BITS 52

/* ---------------------------------------------------------------- frames -------------------- */

/* Memory is mapped at one constant address, so nothing needs to be remembered. */
struct om_arch {
	char unused;
};

/* ARM_DIRECT_MAP is where physical address 0 would be; memory begins at ARM_FIRST_FRAME. */
static inline void *om_arch_frame(const struct om_arch *arch, om_pfn_t pfn)
{
	(void)arch;
	return (void *)(ARM_DIRECT_MAP + arm_phys(pfn));
}

static inline om_pfn_t om_arch_pfn(const struct om_arch *arch, const void *p)
{
	(void)arch;
	return (om_pfn_t)((((uintptr_t)p - ARM_DIRECT_MAP) >> OM_PAGE_SHIFT) - ARM_FIRST_FRAME);
}

/* ---------------------------------------------------------------- entries ------------------- */

typedef uint64_t om_pte_t;

#define ARM_VALID      (1ul << 0)
#define ARM_TABLE      (1ul << 1) /* a table, or in the last level a page */
#define ARM_EL0        (1ul << 6) /* user mode */
#define ARM_RO         (1ul << 7) /* read only, for now if there is DBM */
#define ARM_SHARED     (3ul << 8) /* inner shareable: all CPUs */
#define ARM_AF         (1ul << 10)
#define ARM_NG         (1ul << 11) /* belongs to the ASID */
#define ARM_DBM        (1ul << 51)
#define ARM_PXN        (1ul << 53) /* not to be executed by the kernel */
#define ARM_UXN        (1ul << 54) /* nor by the program */
#define ARM_HELD       (1ul << 55) /* names a frame; software's */
#define ARM_SOFT_DIRTY (1ul << 56) /* software's */
#define ARM_PFN        (((1ul << 48) - 1) & ~((1ul << ARM_PAGE_SHIFT) - 1))
#define ARM_PROT       (ARM_VALID | ARM_EL0 | ARM_RO | ARM_DBM | ARM_UXN | ARM_SOFT_DIRTY)

/* Attribute 0 of MAIR_EL1 is that of normal memory. */
#define ARM_PAGE (ARM_HELD | ARM_TABLE | ARM_SHARED | ARM_NG | ARM_PXN)

#define ARM_SWAP       2ul /* of an entry without HELD */
#define ARM_FILE       6ul
#define ARM_KIND       (ARM_HELD | 7ul) /* the bits that tell the kinds apart */
#define ARM_KIND_SHIFT 3

/*
 * Aligned words are read and written in one access, and exchanges are indivisible for the MMU, too,
 * so no accessed or dirty bit gets lost.
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
	return e & ARM_HELD;
}

static inline bool om_pte_write(om_pte_t e)
{
	return e & ARM_DBM;
}

static inline bool om_pte_dirty(om_pte_t e)
{
	return e & ARM_SOFT_DIRTY || (e & (ARM_DBM | ARM_RO)) == ARM_DBM;
}

static inline bool om_pte_young(om_pte_t e)
{
	return e & ARM_AF;
}

static inline om_pfn_t om_pte_pfn(om_pte_t e)
{
	return (om_pfn_t)(((e & ARM_PFN) >> OM_PAGE_SHIFT) - ARM_FIRST_FRAME);
}

/* Whatever it may do, it has not been written. */
static inline om_pte_t arm_prot(unsigned prot)
{
	om_pte_t bits = ARM_RO;

	if (prot)
		bits |= ARM_VALID | ARM_EL0;
	if (prot & OM_PROT_WRITE)
		bits |= ARM_DBM;
	if (!(prot & OM_PROT_EXEC))
		bits |= ARM_UXN;
	return bits;
}

static inline om_pte_t om_pte_make(om_pfn_t pfn, unsigned prot)
{
	return arm_phys(pfn) | ARM_PAGE | arm_prot(prot);
}

/* With DBM just what the MMU does itself, so that there are no two ways to say the same. */
static inline om_pte_t om_pte_mkdirty(om_pte_t e)
{
	return e & ARM_DBM ? e & ~ARM_RO : e | ARM_SOFT_DIRTY;
}

static inline om_pte_t om_pte_mkclean(om_pte_t e)
{
	return (e & ~ARM_SOFT_DIRTY) | ARM_RO;
}

static inline om_pte_t om_pte_modify(om_pte_t e, unsigned prot)
{
	om_pte_t clean = (e & ~ARM_PROT) | arm_prot(prot);

	return om_pte_dirty(e) ? om_pte_mkdirty(clean) : clean;
}

static inline om_pte_t om_pte_wrprotect(om_pte_t e)
{
	om_pte_t readonly = (e & ~ARM_DBM) | ARM_RO;

	return om_pte_dirty(e) ? readonly | ARM_SOFT_DIRTY : readonly;
}

static inline om_pte_t om_pte_mkyoung(om_pte_t e)
{
	return e | ARM_AF;
}

static inline om_pte_t om_pte_mkold(om_pte_t e)
{
	return e & ~ARM_AF;
}

static inline bool om_pte_is_swap(om_pte_t e)
{
	return (e & ARM_KIND) == ARM_SWAP;
}

static inline om_pte_t om_pte_mkswap(uint32_t slot)
{
	return (om_pte_t)slot << ARM_KIND_SHIFT | ARM_SWAP;
}

static inline uint32_t om_pte_slot(om_pte_t e)
{
	return (uint32_t)(e >> ARM_KIND_SHIFT);
}

static inline bool om_pte_is_file(om_pte_t e)
{
	return (e & ARM_KIND) == ARM_FILE;
}

static inline om_pte_t om_pte_mkfile(uintptr_t pgoff)
{
	return (om_pte_t)pgoff << ARM_KIND_SHIFT | ARM_FILE;
}

static inline uintptr_t om_pte_pgoff(om_pte_t e)
{
	return e >> ARM_KIND_SHIFT;
}

/* Nothing is forbidden in upper levels: the leaf decides. */
static inline om_pte_t om_pte_mktable(om_pfn_t pfn)
{
	return arm_phys(pfn) | ARM_HELD | ARM_TABLE | ARM_VALID;
}

/* ---------------------------------------------------------------- the CPU ------------------- */

static inline unsigned om_arch_cpu(void)
{
	return arm_cpu_number();
}

static inline void om_arch_pause(void)
{
	arm_pause();
}

static inline void om_arch_spin_release(uint8_t *state)
{
	__atomic_store_n(state, (uint8_t)(__atomic_load_n(state, __ATOMIC_RELAXED) - 1),
	                 __ATOMIC_RELEASE);
}

/* The kernel preempts a thread only while its count is 0. */
static inline void om_arch_spin_enter(void)
{
	arm_preempt_disable();
}

static inline void om_arch_spin_leave(void)
{
	arm_preempt_enable();
}

_Static_assert(sizeof(om_pte_t) << OM_TABLE_SHIFT == 1ul << OM_PAGE_SHIFT, "a table is one page");
_Static_assert(sizeof(uintptr_t) == 8, "these entries are for 64-bit machines");

#endif
