/*
 * om_arch.h: the compile-time half of a port: page size, page-table entries, how frames are
 * reached.
 *
 * A skeleton to copy. Put your copy on the include path of the core (-Iyour-port) in the place of
 * this one. It works as it stands: four levels of 512 entries in the format of x86-64, in an array
 * that port.c defines. Change it item by item; docs/porting.md tells what to do in which order.
 *
 * Everything here is required unless its comment says "optional". The core calls these functions
 * for every entry it looks at, most of them under a spinning lock: they must be inline, must not
 * sleep, and must not call the core. What an item must guarantee is said above it; the lines that
 * begin with "x86-64:" say what the code below them does about it.
 *
 * What it may include: <stdint.h>, <stdbool.h> and objrmap.h (for OM_PROT_...), which is all that
 * is needed. Every file of the core is compiled with it, so nothing else should come in this way:
 * no header of your kernel that lacks a guard, defines integer types, bool, NULL or memcpy() of its
 * own, needs inline assembly in the GNU dialect or other things that -std=c11 has not, or defines
 * macros whose names are small words, such as page, list or left: the core has variables of these
 * names. Where a function below has to call your kernel, declare that one function here, by hand:
 *     void push_off(void);
 * Names here that do not begin with om_ or OM_ are yours to choose: the core never uses them.
 */
#ifndef OM_ARCH_H
#define OM_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include <objrmap/objrmap.h>

/* ---------------------------------------------------------------- sizes --------------------- */

/*
 * log2 of the page size. The MMU's unit of translation, of reclaim and of file offsets. A table of
 * every level is one page, too.
 * x86-64: 4096 bytes. A 16 KiB ARM kernel says 14.
 */
#define OM_PAGE_SHIFT 12

/*
 * Levels of page tables, the leaf counted: 2 at least. And log2 of the entries of one table, the
 * same in all levels. (1 << OM_TABLE_SHIFT) * sizeof(om_pte_t) must be one page.
 * x86-64: 4 levels of 512 entries of 8 bytes. Sv39 says 3; 32-bit x86 without PAE says 2 and 10.
 */
#define OM_LEVELS      4
#define OM_TABLE_SHIFT 9

/*
 * No user address space reaches this address: the largest `highest` an om_layout may have. It must
 * be a multiple of what one leaf table maps, and fit a uintptr_t. Entries of the top-level table
 * for addresses from here on are never read or written by the core: your kernel's own half may be
 * there. x86-64: the lower half of the canonical addresses; slots 256-511 of the root stay yours.
 */
#define OM_VA_LIMIT 0x800000000000ul

/*
 * Bits of a swap slot number that an absent entry can hold: 29 are needed (3 of the area's number,
 * 26 of the slot's), so the value is a promise rather than a choice.
 * Bits of a page offset in a file that an absent entry can hold, 1 to 64. om_remap_file_pages()
 * refuses larger offsets; nothing else uses it, so a 32-bit entry may say 29.
 * x86-64: bits 12-63 of an absent entry are free, that is 52.
 */
#define OM_SWAP_BITS 29
#define OM_FILE_BITS 52

/* ---------------------------------------------------------------- frames -------------------- */

/*
 * What is needed to reach the memory of a frame. Your own; om_system_init() copies it into the
 * system, so several systems may have different ones. May be empty but for one member.
 * x86-64: the address at which all physical memory is mapped, for example 0xffff888000000000.
 */
struct om_arch {
	char *base;
};

/*
 * Frames are numbered from 0, and the page array has 40 bytes for each number, used or not. If your
 * memory begins far from physical address 0, let number 0 be its first frame, not frame 0 of the
 * machine: what you define here is added where a number goes into an entry. Optional; only the
 * functions of this file use it.
 * x86-64: memory begins at 0. A board with its memory at 1 GiB says 0x40000.
 */
#define PORT_FIRST_FRAME 0ul

/*
 * The memory of a frame, mapped for the kernel for as long as the system lives, readable, writable
 * and cached like the program's view of it.
 * Example: with base 0xffff888000000000, frame 5 is at 0xffff888000005000.
 */
static inline void *om_arch_frame(const struct om_arch *arch, om_pfn_t pfn)
{
	return arch->base + ((uintptr_t)pfn << OM_PAGE_SHIFT);
}

/* The reverse: the frame that an address inside its memory belongs to. */
static inline om_pfn_t om_arch_pfn(const struct om_arch *arch, const void *p)
{
	return (om_pfn_t)((uintptr_t)((const char *)p - arch->base) >> OM_PAGE_SHIFT);
}

/* ---------------------------------------------------------------- entries ------------------- */

/*
 * An entry of a page table, of any level: an unsigned integer type as wide as the MMU's. 0 must
 * mean "nothing": tables are made by zeroing a page.
 *
 * An entry is one of four things, and the predicates below must tell them apart:
 *     none       0
 *     present    names a frame: the MMU may or may not be allowed to use it
 *     swap       the page is in a swap slot
 *     file       the page is at an offset of the file (nonlinear areas)
 * "Present" is the core's word, not the MMU's: memory of PROT_NONE keeps its pages, in entries that
 * name the frame and grant nothing. So an MMU that has one bit for both needs a second, of
 * software.
 *
 * x86-64, from bit 0:
 *     held:  P RW US PWT PCD A D PAT | G 1 0 0 | frame number << 12 | ... NX
 *     swap:  0 1  0 0 ...            | 0 0 0 0 | slot << 12
 *     file:  0 1  1 0 ...            | 0 0 0 0 | offset << 12
 * Bit 9, which the MMU ignores, is set in all entries that name a frame; P only in those that grant
 * something. The MMU ignores all other bits of an entry without P. (Processors with the L1TF flaw
 * may read through such an entry all the same: there, store the frame number inverted.)
 */
typedef uint64_t om_pte_t;

#define PORT_P    0x001ul              /* the MMU may use the entry */
#define PORT_W    0x002ul              /* write */
#define PORT_U    0x004ul              /* user mode */
#define PORT_A    0x020ul              /* accessed, set by the MMU */
#define PORT_D    0x040ul              /* dirty, set by the MMU */
#define PORT_HELD 0x200ul              /* names a frame (software) */
#define PORT_NX   0x8000000000000000ul /* no execute; set EFER.NXE */
#define PORT_PFN  0x000ffffffffff000ul
#define PORT_SWAP 0x002ul /* of an entry without HELD */
#define PORT_FILE 0x006ul
#define PORT_KIND 0x206ul /* the bits that tell the kinds apart */

/*
 * Entries are read and written by all CPUs and their MMUs at once. Each access must be one
 * indivisible access of the full width; load has acquire order, store has release order, xchg and
 * cas have both. The core writes an entry only under its table's lock, but reads it at any time,
 * and at any time an MMU may set the accessed or dirty bit of a present one: xchg and cas must be
 * indivisible for the MMU, too, so that no such bit is lost.
 */
static inline om_pte_t om_arch_pte_load(const om_pte_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* Only over entries that the MMU cannot be using: absent ones. */
static inline void om_arch_pte_store(om_pte_t *p, om_pte_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* Returns what was there, with the accessed and dirty bits as they were at that very moment. */
static inline om_pte_t om_arch_pte_xchg(om_pte_t *p, om_pte_t v)
{
	return __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL);
}

/* Replace *old by v if the entry still holds it; otherwise load the entry into *old. */
static inline bool om_arch_pte_cas(om_pte_t *p, om_pte_t *old, om_pte_t v)
{
	return __atomic_compare_exchange_n(p, old, v, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Is there nothing at all? */
static inline bool om_pte_none(om_pte_t e)
{
	return e == 0;
}

/* Does the entry name a frame, or in an upper level, a table? */
static inline bool om_pte_present(om_pte_t e)
{
	return e & PORT_HELD;
}

/* May the program write through it? This and the next two are asked of present entries only. */
static inline bool om_pte_write(om_pte_t e)
{
	return e & PORT_W;
}

/*
 * Has it been written through, has it been used, since the bit was last cleared? Set by the MMU, or
 * by your fault handler if the MMU leaves that to software.
 * Dirty must outlive the permission: om_pte_wrprotect() and om_pte_modify() keep it, because what
 * has become read-only may be newer than its copy in swap. So om_pte_write() is no answer. An MMU
 * that knows no dirty bit: keep one of software, and let the MMU write only where it is set and
 * om_pte_write() is true; the first write faults, and om_fault() sets it. No accessed bit: answer
 * false (reclaim becomes first in, first out).
 */
static inline bool om_pte_dirty(om_pte_t e)
{
	return e & PORT_D;
}
static inline bool om_pte_young(om_pte_t e)
{
	return e & PORT_A;
}

/* The frame of a present entry. Of any other entry: anything. */
static inline om_pfn_t om_pte_pfn(om_pte_t e)
{
	return (om_pfn_t)(((e & PORT_PFN) >> OM_PAGE_SHIFT) - PORT_FIRST_FRAME);
}

/*
 * The permission bits for `prot`, a set of OM_PROT_READ, WRITE and EXEC. 0 is PROT_NONE: every
 * access must fault. The core always asks for READ together with WRITE or EXEC. Grant less if the
 * MMU cannot express it and the program would notice nothing else; never more: a write that the
 * core did not allow is a write to somebody else's page.
 */
static inline om_pte_t port_prot(unsigned prot)
{
	om_pte_t bits = PORT_U;

	if (prot)
		bits |= PORT_P;
	if (prot & OM_PROT_WRITE)
		bits |= PORT_W;
	if (!(prot & OM_PROT_EXEC))
		bits |= PORT_NX;
	return bits;
}

/* A present entry: not dirty, not young. */
static inline om_pte_t om_pte_make(om_pfn_t pfn, unsigned prot)
{
	return ((om_pte_t)pfn + PORT_FIRST_FRAME) << OM_PAGE_SHIFT | PORT_HELD | port_prot(prot);
}

/* An entry that differs in its permissions alone; frame, dirty and young stay. */
static inline om_pte_t om_pte_modify(om_pte_t e, unsigned prot)
{
	return (e & ~(PORT_P | PORT_W | PORT_U | PORT_NX)) | port_prot(prot);
}

/*
 * One bit changed, all others kept. om_pte_wrprotect(om_pte_modify(e, READ | WRITE)) must be the
 * same value as om_pte_modify(e, READ).
 */
static inline om_pte_t om_pte_wrprotect(om_pte_t e)
{
	return e & ~PORT_W;
}
/* If the MMU notes writes, it must make the same value of the entry (or om_verify() reports I9). */
static inline om_pte_t om_pte_mkdirty(om_pte_t e)
{
	return e | PORT_D;
}
static inline om_pte_t om_pte_mkclean(om_pte_t e)
{
	return e & ~PORT_D;
}
static inline om_pte_t om_pte_mkyoung(om_pte_t e)
{
	return e | PORT_A;
}
static inline om_pte_t om_pte_mkold(om_pte_t e)
{
	return e & ~PORT_A;
}

/*
 * Entries of absent pages. The MMU must fault on them whatever they hold. mkswap takes any number
 * of OM_SWAP_BITS bits, 0 included, and slot gives it back; the same for offsets of OM_FILE_BITS.
 */
static inline bool om_pte_is_swap(om_pte_t e)
{
	return (e & PORT_KIND) == PORT_SWAP;
}
static inline om_pte_t om_pte_mkswap(uint32_t slot)
{
	return (om_pte_t)slot << OM_PAGE_SHIFT | PORT_SWAP;
}
/* Also asked of entries of any other kind: the answer does not matter then, but must not trap. */
static inline uint32_t om_pte_slot(om_pte_t e)
{
	return (uint32_t)(e >> OM_PAGE_SHIFT);
}
static inline bool om_pte_is_file(om_pte_t e)
{
	return (e & PORT_KIND) == PORT_FILE;
}
static inline om_pte_t om_pte_mkfile(uintptr_t pgoff)
{
	return (om_pte_t)pgoff << OM_PAGE_SHIFT | PORT_FILE;
}
static inline uintptr_t om_pte_pgoff(om_pte_t e)
{
	return e >> OM_PAGE_SHIFT;
}

/*
 * An entry of an upper level that names a lower table. It grants everything: permissions are
 * decided in the leaf. om_pte_present() and om_pte_pfn() are asked of it, too.
 *
 * OM_READ_ONLY_TABLES is 1 if the MMU also obeys an upper entry after om_pte_wrprotect(): then
 * nothing below it can be written, whatever the leaf says. om_pte_write() tells. So fork can share
 * whole leaf tables. 0, or not defined: it copies them.
 */
#define OM_READ_ONLY_TABLES 1
static inline om_pte_t om_pte_mktable(om_pfn_t pfn)
{
	return ((om_pte_t)pfn + PORT_FIRST_FRAME) << OM_PAGE_SHIFT | PORT_HELD | PORT_P | PORT_W |
	       PORT_U;
}

/*
 * OM_BIG_ENTRIES is 1 if an entry of level 2 may also map, itself, as many frames as a leaf table
 * has entries: 2 MiB here. 0, or not defined: nothing is folded, and the functions are not wanted.
 *
 * A big entry is made of the leaf entry of the first frame, whose number is a multiple of theirs.
 * All functions for leaf entries are asked of it, too (its permissions, young and dirty bits), and
 * om_pte_wrprotect() as of one that names a table. om_pte_mksmall() is the way back: the leaf entry
 * of frame i, with the same permissions and bits. The MMU must allow that an entry which names a
 * table becomes a big one that shows the same frames, and back, in one store, with a flush after
 * it. (AArch64 does not: there an entry must be none in between.)
 */
#define OM_BIG_ENTRIES 1
#define PORT_BIG       0x080ul
static inline bool om_pte_is_big(om_pte_t e)
{
	return e & PORT_BIG;
}

static inline om_pte_t om_pte_mkbig(om_pte_t e)
{
	return e | PORT_BIG;
}

static inline om_pte_t om_pte_mksmall(om_pte_t e, unsigned i)
{
	return (e & ~PORT_BIG) + ((om_pte_t)i << OM_PAGE_SHIFT);
}

/* ---------------------------------------------------------------- the CPU ------------------- */

/*
 * The number of the CPU, from 0 to om_config.nr_cpus - 1: its event counters are counted up, its
 * cache of free frames and its part of an address space are used. Always 0 will do, with nr_cpus 1.
 * Counters are atomic, caches and parts have locks: an answer that is out of date, because the
 * thread has moved, or that two CPUs share, or that is too large, costs speed and nothing else. It
 * is asked in each fault.
 * x86-64: from a per-CPU variable behind GS.
 */
static inline unsigned om_arch_cpu(void)
{
	return 0;
}

/* Called in a loop that waits for another CPU. Optional: may be empty. */
static inline void om_arch_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/*
 * Release a spinning lock: store *state - 1, with release order. It need not be one atomic step,
 * and should not be if that costs more: what other CPUs do to the byte between load and store may
 * be lost. What stands here is right everywhere; a machine may have one instruction for it.
 * x86-64: decb, without a lock prefix. All stores are releases there.
 */
static inline void om_arch_spin_release(uint8_t *state)
{
#if defined(__x86_64__)
	__asm__ volatile("decb %0" : "+m"(*state) : : "memory", "cc");
#else
	__atomic_store_n(state, (uint8_t)(__atomic_load_n(state, __ATOMIC_RELAXED) - 1),
	                 __ATOMIC_RELEASE);
#endif
}

/*
 * A spinning lock is about to be taken; one was released. The thread must not be moved or preempted
 * in between: another one on this CPU could spin for the lock until the end of time. They nest.
 * A kernel that preempts counts up and down here (a per-CPU preempt_count), and schedules when the
 * count comes back to 0. Interrupts may stay on: the core is not called from their handlers.
 * Empty is right as long as threads change only where they ask for it.
 */
static inline void om_arch_spin_enter(void)
{
}
static inline void om_arch_spin_leave(void)
{
}

_Static_assert(sizeof(om_pte_t) << OM_TABLE_SHIFT == 1ul << OM_PAGE_SHIFT, "a table is one page");
_Static_assert(sizeof(uintptr_t) == 8, "these entries are for 64-bit machines");

#endif
