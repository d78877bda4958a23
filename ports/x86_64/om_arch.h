/*
 * om_arch.h: the compile-time half of the x86-64 port: page size, page-table entries, how frames
 * are reached. What each item has to guarantee is written in ports/template/om_arch.h; here is
 * how x86-64 does it.
 *
 * An entry, from bit 0:
 *     held:  P RW US PWT PCD A D PAT | G 1 0 0 | frame number << 12 | ... NX
 *     swap:  0 1  0  0 ...           | 0 0 0 0 | slot << 12
 *     file:  0 1  1  0 ...           | 0 0 0 0 | offset << 12
 * Bit 9, which the MMU ignores, is set in all entries that name a frame; P only in those that grant
 * something. The MMU ignores all bits of an entry without P.
 *
 * Processors with the L1TF flaw (Intel, before 2019) do not: they run ahead with what the L1 cache
 * holds at the address such an entry has in its bits 12 to 51. Here it is a frame of the program's
 * own (PROT_NONE) or a slot number: a program could read what lies at low addresses of memory if it
 * is in the L1 cache. Should your port serve untrusted programs there, store these bits inverted.
 *
 * The kernel's own mappings are in slots 256 to 511 of every top-level table.
 */
#ifndef OM_ARCH_H
#define OM_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include <objrmap/objrmap.h>

#include "x86_64.h"

/* ---------------------------------------------------------------- sizes --------------------- */

/* Four levels of 512 entries of 8 bytes; pages of 4096 bytes only. */
#define OM_PAGE_SHIFT  12
#define OM_LEVELS      4
#define OM_TABLE_SHIFT 9

/* The lower half of the canonical addresses. */
#define OM_VA_LIMIT 0x800000000000ul

/* What fits into bits 12 to 63 of an absent entry, of which 29 are needed for slots. */
#define OM_SWAP_BITS 29
#define OM_FILE_BITS 52

/* ---------------------------------------------------------------- frames -------------------- */

/* All physical memory is mapped at one constant address, so nothing needs to be remembered. */
struct om_arch {
	char unused;
};

#ifndef X86_DIRECT_MAP
#define X86_DIRECT_MAP 0xffff800000000000ul
#endif

static inline void *om_arch_frame(const struct om_arch *arch, om_pfn_t pfn)
{
	(void)arch;
	return (void *)(X86_DIRECT_MAP + ((uintptr_t)pfn << OM_PAGE_SHIFT));
}

static inline om_pfn_t om_arch_pfn(const struct om_arch *arch, const void *p)
{
	(void)arch;
	return (om_pfn_t)(((uintptr_t)p - X86_DIRECT_MAP) >> OM_PAGE_SHIFT);
}

/* ---------------------------------------------------------------- entries ------------------- */

typedef uint64_t om_pte_t;

#define X86_P    0x001ul              /* the MMU may use the entry */
#define X86_W    0x002ul              /* write */
#define X86_U    0x004ul              /* user mode */
#define X86_A    0x020ul              /* accessed, set by the MMU */
#define X86_D    0x040ul              /* dirty, set by the MMU */
#define X86_HELD 0x200ul              /* names a frame; software's */
#define X86_NX   0x8000000000000000ul /* no execute; EFER.NXE is set */
#define X86_PFN  0x000ffffffffff000ul
#define X86_SWAP 0x002ul /* of an entry without HELD */
#define X86_FILE 0x006ul
#define X86_KIND 0x206ul /* the bits that tell the kinds apart */

/*
 * Aligned words are read and written in one access. The exchanging instructions lock the entry
 * against the MMU, too, so no accessed or dirty bit gets lost.
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
	return e & X86_HELD;
}

static inline bool om_pte_write(om_pte_t e)
{
	return e & X86_W;
}

static inline bool om_pte_dirty(om_pte_t e)
{
	return e & X86_D;
}

static inline bool om_pte_young(om_pte_t e)
{
	return e & X86_A;
}

static inline om_pfn_t om_pte_pfn(om_pte_t e)
{
	return (om_pfn_t)((e & X86_PFN) >> OM_PAGE_SHIFT);
}

/*
 * Reading cannot be forbidden where writing or executing is allowed; the core never asks for
 * that.
 */
static inline om_pte_t x86_prot(unsigned prot)
{
	om_pte_t bits = X86_U;

	if (prot)
		bits |= X86_P;
	if (prot & OM_PROT_WRITE)
		bits |= X86_W;
	if (!(prot & OM_PROT_EXEC))
		bits |= X86_NX;
	return bits;
}

static inline om_pte_t om_pte_make(om_pfn_t pfn, unsigned prot)
{
	return (om_pte_t)pfn << OM_PAGE_SHIFT | X86_HELD | x86_prot(prot);
}

static inline om_pte_t om_pte_modify(om_pte_t e, unsigned prot)
{
	return (e & ~(X86_P | X86_W | X86_U | X86_NX)) | x86_prot(prot);
}

static inline om_pte_t om_pte_wrprotect(om_pte_t e)
{
	return e & ~X86_W;
}

static inline om_pte_t om_pte_mkdirty(om_pte_t e)
{
	return e | X86_D;
}

static inline om_pte_t om_pte_mkclean(om_pte_t e)
{
	return e & ~X86_D;
}

static inline om_pte_t om_pte_mkyoung(om_pte_t e)
{
	return e | X86_A;
}

static inline om_pte_t om_pte_mkold(om_pte_t e)
{
	return e & ~X86_A;
}

static inline bool om_pte_is_swap(om_pte_t e)
{
	return (e & X86_KIND) == X86_SWAP;
}

static inline om_pte_t om_pte_mkswap(uint32_t slot)
{
	return (om_pte_t)slot << OM_PAGE_SHIFT | X86_SWAP;
}

static inline uint32_t om_pte_slot(om_pte_t e)
{
	return (uint32_t)(e >> OM_PAGE_SHIFT);
}

static inline bool om_pte_is_file(om_pte_t e)
{
	return (e & X86_KIND) == X86_FILE;
}

static inline om_pte_t om_pte_mkfile(uintptr_t pgoff)
{
	return (om_pte_t)pgoff << OM_PAGE_SHIFT | X86_FILE;
}

static inline uintptr_t om_pte_pgoff(om_pte_t e)
{
	return e >> OM_PAGE_SHIFT;
}

/* Upper levels grant everything, and the leaf decides; but without W nothing below is written. */
#define OM_READ_ONLY_TABLES 1
static inline om_pte_t om_pte_mktable(om_pfn_t pfn)
{
	return (om_pte_t)pfn << OM_PAGE_SHIFT | X86_HELD | X86_P | X86_W | X86_U;
}

/* An entry of level 2 with bit 7 set maps 2 MiB itself; all other bits are as in a leaf. */
#define OM_BIG_ENTRIES 1
#define X86_BIG        0x080ul
static inline bool om_pte_is_big(om_pte_t e)
{
	return e & X86_BIG;
}

static inline om_pte_t om_pte_mkbig(om_pte_t e)
{
	return e | X86_BIG;
}

static inline om_pte_t om_pte_mksmall(om_pte_t e, unsigned i)
{
	return (e & ~X86_BIG) + ((om_pte_t)i << OM_PAGE_SHIFT);
}

/* ---------------------------------------------------------------- the CPU ------------------- */

static inline unsigned om_arch_cpu(void)
{
	return x86_cpu_number();
}

static inline void om_arch_pause(void)
{
	x86_pause();
}

static inline void om_arch_spin_release(uint8_t *state)
{
	x86_decrement(state);
}

/* The kernel preempts a thread only while this CPU's count is 0. */
static inline void om_arch_spin_enter(void)
{
	x86_preempt_disable();
}

static inline void om_arch_spin_leave(void)
{
	x86_preempt_enable();
}

_Static_assert(sizeof(om_pte_t) << OM_TABLE_SHIFT == 1ul << OM_PAGE_SHIFT, "a table is one page");
_Static_assert(sizeof(uintptr_t) == 8, "these entries are for 64-bit machines");

#endif
