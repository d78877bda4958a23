/*
 * om_arch.h of the sim port: a machine made of one block of memory.
 *
 * Page-table entries are `unsigned long`: 4 levels of 512 on 64-bit hosts, or what SIM_TABLE_SHIFT
 * says, 2 levels of 1024 on 32-bit ones. The layout, from bit 0:
 *
 *     present:  P R W X | D Y B 0 | ... | pfn << 12   (B: a big one)
 *     swap:     0 1 0 0 ... | slot << 3      (bit 1 set, bit 0 clear, bit 2 clear)
 *     file:     0 1 1 0 ... | offset << 3    (bits 1 and 2 set, bit 0 clear)
 *
 * A present entry without R is PROT_NONE: it holds its page, and every access faults.
 */
#ifndef OM_ARCH_H
#define OM_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include <objrmap/port.h>

typedef unsigned long om_pte_t;

#define OM_PAGE_SHIFT 12
#if __SIZEOF_LONG__ == 8
/* Tests want small tables, of which an area fills many. */
#ifndef SIM_TABLE_SHIFT
#define SIM_TABLE_SHIFT 9
#endif
#define OM_LEVELS      ((35 + SIM_TABLE_SHIFT - 1) / SIM_TABLE_SHIFT)
#define OM_TABLE_SHIFT SIM_TABLE_SHIFT
#define OM_VA_LIMIT    0x800000000000ul /* no address space reaches this address */
#define OM_SWAP_BITS   29               /* bits of a slot number that fit a swap entry */
#define OM_FILE_BITS   52               /* bits of a page offset that fit a file entry */
#else
#define OM_LEVELS      2
#define OM_TABLE_SHIFT 10
#define OM_VA_LIMIT    0xc0000000ul
#define OM_SWAP_BITS   29
#define OM_FILE_BITS   29
#endif

/* How this system's frames are reached: they lie one after the other from `base`. */
struct om_arch {
	char *base;
};

static inline void *om_arch_frame(const struct om_arch *arch, om_pfn_t pfn)
{
	return arch->base + ((uintptr_t)pfn << OM_PAGE_SHIFT);
}

static inline om_pfn_t om_arch_pfn(const struct om_arch *arch, const void *p)
{
	return (om_pfn_t)((uintptr_t)((const char *)p - arch->base) >> OM_PAGE_SHIFT);
}

#define SIM_P 0x01ul
#define SIM_R 0x02ul
#define SIM_W 0x04ul
#define SIM_X 0x08ul
#define SIM_D 0x10ul
#define SIM_Y 0x20ul

/* Entries are read and written by all CPUs at once, the simulated MMU included. */
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

/* Replace *old by v if the entry still holds it; otherwise load the entry into *old. */
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
	return e & SIM_P;
}
static inline bool om_pte_write(om_pte_t e)
{
	return e & SIM_W;
}
static inline bool om_pte_dirty(om_pte_t e)
{
	return e & SIM_D;
}
static inline bool om_pte_young(om_pte_t e)
{
	return e & SIM_Y;
}
static inline om_pfn_t om_pte_pfn(om_pte_t e)
{
	return (om_pfn_t)(e >> OM_PAGE_SHIFT);
}

/* A present entry; `prot` is OM_PROT_READ, WRITE and EXEC. WRITE here means: the hardware may. */
static inline om_pte_t om_pte_make(om_pfn_t pfn, unsigned prot)
{
	return ((om_pte_t)pfn << OM_PAGE_SHIFT) | (om_pte_t)(prot & 7) << 1 | SIM_P;
}
/* An entry that differs in its permissions alone; pfn, dirty and young stay. */
static inline om_pte_t om_pte_modify(om_pte_t e, unsigned prot)
{
	return (e & ~(SIM_R | SIM_W | SIM_X)) | (om_pte_t)(prot & 7) << 1;
}
static inline om_pte_t om_pte_wrprotect(om_pte_t e)
{
	return e & ~SIM_W;
}
static inline om_pte_t om_pte_mkwrite(om_pte_t e)
{
	return e | SIM_W;
}
static inline om_pte_t om_pte_mkdirty(om_pte_t e)
{
	return e | SIM_D;
}
static inline om_pte_t om_pte_mkclean(om_pte_t e)
{
	return e & ~SIM_D;
}
static inline om_pte_t om_pte_mkyoung(om_pte_t e)
{
	return e | SIM_Y;
}
static inline om_pte_t om_pte_mkold(om_pte_t e)
{
	return e & ~SIM_Y;
}

/* Entries of absent pages. */
static inline bool om_pte_is_swap(om_pte_t e)
{
	return (e & 7) == 2;
}
static inline om_pte_t om_pte_mkswap(uint32_t slot)
{
	return (om_pte_t)slot << 3 | 2;
}
static inline uint32_t om_pte_slot(om_pte_t e)
{
	return (uint32_t)(e >> 3);
}
static inline bool om_pte_is_file(om_pte_t e)
{
	return (e & 7) == 6;
}
static inline om_pte_t om_pte_mkfile(uintptr_t pgoff)
{
	return (om_pte_t)pgoff << 3 | 6;
}
static inline uintptr_t om_pte_pgoff(om_pte_t e)
{
	return e >> 3;
}

/* Entries of upper levels: none, or a lower table, below which nothing is written without W. */
#define OM_READ_ONLY_TABLES 1
static inline om_pte_t om_pte_mktable(om_pfn_t pfn)
{
	return (om_pte_t)pfn << OM_PAGE_SHIFT | SIM_P | SIM_W;
}

/* With SIM_B, an entry of level 2 maps as many frames as a table has entries. */
#define OM_BIG_ENTRIES 1
#define SIM_B          0x40ul
static inline bool om_pte_is_big(om_pte_t e)
{
	return e & SIM_B;
}
static inline om_pte_t om_pte_mkbig(om_pte_t e)
{
	return e | SIM_B;
}
static inline om_pte_t om_pte_mksmall(om_pte_t e, unsigned i)
{
	return (e & ~SIM_B) + ((om_pte_t)i << OM_PAGE_SHIFT);
}

/* The number of the CPU that this thread runs on: see sim_run_on(). */
extern _Thread_local unsigned sim_this_cpu __attribute__((tls_model("local-exec")));

static inline unsigned om_arch_cpu(void)
{
	return sim_this_cpu;
}

/* Debug builds let a test know that a CPU spins: see sim_on_pause(). */
void sim_pause(void);

static inline void om_arch_pause(void)
{
#ifdef SIM_PAUSE_HOOK
	SIM_PAUSE_HOOK();
#elif defined(__x86_64__) && defined(__linux__)
	/*
	 * sched_yield(): with more simulated CPUs than real ones, the holder of the lock may be
	 * off.
	 */
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "0"(24L) : "rcx", "r11", "memory");
	(void)r;
#elif defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Release a spinning lock: see ports/template/om_arch.h. Checkers need to see what it does. */
static inline void om_arch_spin_release(uint8_t *state)
{
#if !defined(SIM_PAUSE_HOOK) && (defined(__x86_64__) || defined(__i386__))
	__asm__ volatile("decb %0" : "+m"(*state) : : "memory", "cc");
#else
	__atomic_store_n(state, (uint8_t)(__atomic_load_n(state, __ATOMIC_RELAXED) - 1),
	                 __ATOMIC_RELEASE);
#endif
}

/* A spinning lock is about to be taken, or was released: a kernel switches preemption here. */
static inline void om_arch_spin_enter(void)
{
}
static inline void om_arch_spin_leave(void)
{
}
#endif
