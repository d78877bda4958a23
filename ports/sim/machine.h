/*
 * machine.h: what the files of the sim port share; tests and examples include sim.h instead.
 *
 * The TLB lock of a CPU is held for a whole access: lookup, walk, and the move of the bytes. A
 * flush takes the same lock, so when it returns no access through an old translation is under way,
 * and no walk is still looking at a page table that was unlinked before. Nobody takes a lock of
 * objrmap under it.
 */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "om_arch.h"
#include "sim.h"

_Static_assert(SIM_PAGE_SIZE == 1u << OM_PAGE_SHIFT, "sim.h and om_arch.h agree");

#define SIM_TLB_ENTRIES  256 /* direct mapped */
#define SIM_UPPER_LEVELS (OM_LEVELS - 1)
#define SIM_UPPER_SETS   16 /* direct mapped, for each level */
#define SIM_WAIT_BUCKETS 64

/* What a CPU remembers of an upper level: the table that maps page `first` and what follows. */
struct sim_upper {
	struct om_mm *mm; /* NULL: empty */
	uintptr_t first;  /* address >> page shift */
	om_pfn_t pfn;
	bool writable; /* what lies below may be written, as far as the leaf allows */
};

struct sim_cpu {
	struct sim *sim;
	pthread_mutex_t lock;                      /* guards all below */
	struct sim_tlb_entry tlb[SIM_TLB_ENTRIES]; /* mm NULL: empty; pfn 0: nothing is there */
	struct sim_upper upper[SIM_UPPER_LEVELS][SIM_UPPER_SETS]; /* [level - 1]: 0 is the leaf */
	struct sim_tlb_entry fault; /* om_fault() is at work for this page; mm NULL: for none */
	struct sim_cpu_stats stats;
};

/* A sleeping thread, on its stack. */
struct sim_sleeper {
	const void *key;
	bool woken;
	pthread_cond_t cond;
	struct sim_sleeper *next;
};

/* Threads that sleep on keys of one hash value. */
struct sim_bucket {
	pthread_mutex_t lock;
	struct sim_sleeper *sleepers;
};

struct sim_kswapd {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	om_pfn_t high;
	bool running;        /* guarded by lock, like the two below */
	bool low;            /* work to do */
	_Atomic bool stop;   /* written under lock */
	_Atomic bool hinted; /* low is set or about to be: hints need not take the lock */
};

struct sim {
	struct om_arch arch;
	struct om_system *sys;
	enum sim_mode mode;
	om_pfn_t nr_frames;
	size_t ram_bytes;
	bool own_ram;  /* from the host, to be given back */
	void *storage; /* of the om_system */
	void (*panic)(void *arg, const struct om_bug *bug);
	void *panic_arg;
	struct sim_bucket bucket[SIM_WAIT_BUCKETS];
	struct sim_kswapd kswapd;
	unsigned nr_cpus;
	struct sim_cpu cpu[];
};

/* The flush hooks (tlb.c). */
void sim_mmu_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end, enum om_flush what);
void sim_mmu_flush_local(void *ctx, struct om_mm *mm, uintptr_t addr, bool was_present);

/* What sim_config.mode means; SIM_MODE_ENV is looked up. */
enum sim_mode sim_mmu_mode(enum sim_mode mode);

/* The panic hook (sim.c); also for what the machine itself finds wrong. */
void sim_panic(void *ctx, const struct om_bug *bug);

#endif
