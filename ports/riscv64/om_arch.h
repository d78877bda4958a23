/*
 * om_arch.h: the compile-time half of the 64-bit RISC-V port: page size, page-table entries, how
 * frames are reached. What each item has to guarantee is written in ports/template/om_arch.h; here
 * is how RISC-V does it.
 *
 * An entry, from bit 0:
 *     held:  V R W X U G A D | 1 0 | frame number << 10 | ... PBMT N
 *     swap:  0 1 0 0 0 0 0 0 | 0 0 | slot << 10
 *     file:  0 1 1 0 0 0 0 0 | 0 0 | offset << 10
 * Bit 8, which is software's, is set in all entries that name a frame; V only in those that grant
 * something. The MMU ignores all bits of an entry without V.
 *
 * Accessed and dirty: an MMU with Svadu sets A and D, one without (Svade) faults on an entry that
 * lacks what the access needs. Both are right with these entries: om_fault() sets the bits then,
 * which costs a fault for the first access and one for the first write after the bit was cleared.
 *
 * Svnapot (bit 63: 16 entries in a row map 64 KiB) is not used, for the core has entries of one
 * size. An embedder may use it in the kernel's half.
 *
 * The kernel's own mappings are in the upper half of every top-level table.
 */
#ifndef OM_ARCH_H
#define OM_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include <objrmap/objrmap.h>

#include "riscv64.h"

/* ---------------------------------------------------------------- sizes --------------------- */

#define OM_PAGE_SHIFT  12
#define OM_TABLE_SHIFT 9

/* Sv39, unless the kernel is compiled with RV_LEVELS=4 for Sv48. */
#define OM_LEVELS RV_LEVELS

/* The lower half of the addresses, which are sign-extended. */
#define OM_VA_LIMIT (1ul << (OM_PAGE_SHIFT + OM_TABLE_SHIFT * OM_LEVELS - 1))

/* What fits into bits 10 to 63 of an absent entry, of which 29 are needed for slots. */
#define OM_SWAP_BITS 29
#define OM_FILE_BITS 54

/* ---------------------------------------------------------------- frames -------------------- */

/* Memory is mapped at one constant address, so nothing needs to be remembered. */
struct om_arch {
	char unused;
};

/* RV_DIRECT_MAP is where physical address 0 would be; memory begins at RV_FIRST_FRAME. */
static inline void *om_arch_frame(const struct om_arch *arch, om_pfn_t pfn)
{
	(void)arch;
	return (void *)(RV_DIRECT_MAP + rv_phys(pfn));
}

static inline om_pfn_t om_arch_pfn(const struct om_arch *arch, const void *p)
{
	(void)arch;
	return (om_pfn_t)((((uintptr_t)p - RV_DIRECT_MAP) >> OM_PAGE_SHIFT) - RV_FIRST_FRAME);
}

/* ---------------------------------------------------------------- entries ------------------- */

typedef uint64_t om_pte_t;

#define RV_V         0x001ul /* the MMU may use the entry */
#define RV_R         0x002ul /* read */
#define RV_W         0x004ul /* write, not without R */
#define RV_X         0x008ul /* execute */
#define RV_U         0x010ul /* user mode */
#define RV_A         0x040ul /* accessed */
#define RV_D         0x080ul /* dirty */
#define RV_HELD      0x100ul /* names a frame; software's */
#define RV_PFN       0x003ffffffffffc00ul
#define RV_PFN_SHIFT 10
#define RV_PROT      (RV_V | RV_R | RV_W | RV_X | RV_U)
#define RV_SWAP      RV_R /* of an entry without HELD */
#define RV_FILE      (RV_R | RV_W)
#define RV_KIND      (RV_HELD | RV_R | RV_W) /* the bits that tell the kinds apart */

/*
 * Aligned words are read and written in one access, and AMOs and LR/SC are indivisible for the MMU,
 * too, so no accessed or dirty bit gets lost.
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
	return e & RV_HELD;
}

static inline bool om_pte_write(om_pte_t e)
{
	return e & RV_W;
}

static inline bool om_pte_dirty(om_pte_t e)
{
	return e & RV_D;
}

static inline bool om_pte_young(om_pte_t e)
{
	return e & RV_A;
}

static inline om_pfn_t om_pte_pfn(om_pte_t e)
{
	return (om_pfn_t)(((e & RV_PFN) >> RV_PFN_SHIFT) - RV_FIRST_FRAME);
}

/* The core never asks for WRITE or EXEC without READ. */
static inline om_pte_t rv_prot(unsigned prot)
{
	om_pte_t bits = 0;

	if (prot)
		bits |= RV_V | RV_R | RV_U;
	if (prot & OM_PROT_WRITE)
		bits |= RV_W;
	if (prot & OM_PROT_EXEC)
		bits |= RV_X;
	return bits;
}

static inline om_pte_t rv_frame(om_pfn_t pfn)
{
	return ((om_pte_t)pfn + RV_FIRST_FRAME) << RV_PFN_SHIFT | RV_HELD;
}

static inline om_pte_t om_pte_make(om_pfn_t pfn, unsigned prot)
{
	return rv_frame(pfn) | rv_prot(prot);
}

static inline om_pte_t om_pte_modify(om_pte_t e, unsigned prot)
{
	return (e & ~RV_PROT) | rv_prot(prot);
}

static inline om_pte_t om_pte_wrprotect(om_pte_t e)
{
	return e & ~RV_W;
}

static inline om_pte_t om_pte_mkdirty(om_pte_t e)
{
	return e | RV_D;
}

static inline om_pte_t om_pte_mkclean(om_pte_t e)
{
	return e & ~RV_D;
}

static inline om_pte_t om_pte_mkyoung(om_pte_t e)
{
	return e | RV_A;
}

static inline om_pte_t om_pte_mkold(om_pte_t e)
{
	return e & ~RV_A;
}

static inline bool om_pte_is_swap(om_pte_t e)
{
	return (e & RV_KIND) == RV_SWAP;
}

static inline om_pte_t om_pte_mkswap(uint32_t slot)
{
	return (om_pte_t)slot << RV_PFN_SHIFT | RV_SWAP;
}

static inline uint32_t om_pte_slot(om_pte_t e)
{
	return (uint32_t)(e >> RV_PFN_SHIFT);
}

static inline bool om_pte_is_file(om_pte_t e)
{
	return (e & RV_KIND) == RV_FILE;
}

static inline om_pte_t om_pte_mkfile(uintptr_t pgoff)
{
	return (om_pte_t)pgoff << RV_PFN_SHIFT | RV_FILE;
}

static inline uintptr_t om_pte_pgoff(om_pte_t e)
{
	return e >> RV_PFN_SHIFT;
}

/* V without R, W, X names a table; U, A and D must be 0 then. The leaf decides what is granted. */
static inline om_pte_t om_pte_mktable(om_pfn_t pfn)
{
	return rv_frame(pfn) | RV_V;
}

/* ---------------------------------------------------------------- the CPU ------------------- */

static inline unsigned om_arch_cpu(void)
{
	return rv_cpu_number();
}

static inline void om_arch_pause(void)
{
	rv_pause();
}

static inline void om_arch_spin_release(uint8_t *state)
{
	__atomic_store_n(state, (uint8_t)(__atomic_load_n(state, __ATOMIC_RELAXED) - 1),
	                 __ATOMIC_RELEASE);
}

/* The kernel preempts a thread only while this CPU's count is 0. */
static inline void om_arch_spin_enter(void)
{
	rv_preempt_disable();
}

static inline void om_arch_spin_leave(void)
{
	rv_preempt_enable();
}

_Static_assert(sizeof(om_pte_t) << OM_TABLE_SHIFT == 1ul << OM_PAGE_SHIFT, "a table is one page");
_Static_assert(sizeof(uintptr_t) == 8, "these entries are for 64-bit machines");

#endif
