/*
 * sim.h: a simulated machine under objrmap, in one process.
 *
 * RAM is one block of memory; page tables are real tables in it, walked by a software MMU; each CPU
 * has a software TLB that keeps its translations until objrmap flushes them, and uses them, stale
 * or not. So a missing flush, a frame freed too early or an entry with too many rights shows as
 * wrong bytes, just as on hardware, but repeatably. Processors differ in what else they keep: see
 * enum sim_mode. The files behind mappings and swap devices are `struct sim_store`.
 *
 *     struct sim *sim = sim_create(&(struct sim_config){ .nr_frames = 1024 });
 *     om_mm_create(sim_system(sim), &sim_layout, NULL, &mm);
 *     om_mmap(mm, &request);
 *     sim_store(sim_cpu(sim, 0), mm, request.addr, "hello", 5);
 *     sim_destroy(sim);
 *
 * Every function may be called from any number of threads, except that one CPU executes for one
 * thread at a time.
 */
#ifndef SIM_H
#define SIM_H

#include <stdio.h>

#include <objrmap/objrmap.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- the machine --------------- */

struct sim;
struct sim_cpu;

#define SIM_PAGE_SIZE ((uintptr_t)4096)

/* An address space such as a Unix program has, for om_mm_create(). */
extern const struct om_layout sim_layout;

/*
 * What a CPU keeps of page tables beside translations that grant the access: a set. What is kept is
 * believed until a flush names it, or something else takes its place.
 */
enum sim_mode {
	/*
	 * As the environment says: OM_SIM_MODE is x86, all, or of readonly, absent and upper one or
	 * several with commas between them. Without it: x86.
	 */
	SIM_MODE_ENV = 0,
	/* A fault drops the translation it met; any flush drops all upper levels. */
	SIM_X86 = 1,
	/* A translation that grants too little stays, and the program faults (Arm, RISC-V). */
	SIM_KEEPS_READONLY = 2,
	/* That there is no translation is kept, too (RISC-V without Svvptc). */
	SIM_KEEPS_ABSENT = 4,
	/* Upper levels stay until a flush with OM_FLUSH_TABLES names their addresses (Arm). */
	SIM_KEEPS_UPPER = 8,
};
#define SIM_KEEPS_ALL (SIM_KEEPS_READONLY | SIM_KEEPS_ABSENT | SIM_KEEPS_UPPER)

struct sim_config {
	om_pfn_t nr_frames;    /* frames of RAM; frame 0 exists, is never handed over, and traps */
	unsigned nr_cpus;      /* 0 means 1; see also sim_run_on() */
	unsigned swap_cluster; /* see struct om_config */
	bool junk;             /* fill RAM with junk first, to catch whoever expects zeros */
	/*
	 * The RAM: nr_frames * SIM_PAGE_SIZE bytes at a page boundary, of which the first page
	 * allows no access afterwards. NULL: memory of the host, given back in the end.
	 */
	void *ram;
	uintptr_t seed; /* see struct om_config */
	enum sim_mode mode;
	const struct om_port_ops *ops; /* NULL: sim_port_ops */
};

/*
 * The hooks of this machine. A test that wants to see them called gives sim_create() a copy in
 * which it has put functions of its own in front of these; their `ctx` is the struct sim.
 */
extern const struct om_port_ops sim_port_ops;

/*
 * Debug builds call this function when a CPU spins for a lock, with the value of `arg`. NULL, the
 * default: sched_yield(). Set it before threads start.
 */
void sim_on_pause(void (*fn)(void *arg), void *arg);

/* A machine with an om_system that owns all frames but frame 0. NULL if the host has no memory. */
struct sim *sim_create(const struct sim_config *config);

/* Take the machine down: om_system_fini(), and if that answers 0, free everything. Returns its
 * answer. */
int sim_destroy(struct sim *sim);

struct om_system *sim_system(struct sim *sim);
struct sim_cpu *sim_cpu(struct sim *sim, unsigned nr);
unsigned sim_nr_cpus(const struct sim *sim);
/*
 * From now on the calling thread runs on this CPU, as far as objrmap sees: om_arch_cpu() gives its
 * number. Accesses of a CPU do this by themselves when they fault. At first, and after
 * sim_create(), a thread runs on CPU 0. Any number of threads may run on one CPU, as if they were
 * switched.
 */
void sim_run_on(const struct sim_cpu *cpu);
/* The memory of a frame. */
void *sim_frame(struct sim *sim, om_pfn_t pfn);

/*
 * What to do about an om_bug. The default prints it and aborts. `fn` may not return; it may
 * longjmp, and then only memory may be freed: the system's locks stay as they were.
 */
void sim_on_panic(struct sim *sim, void (*fn)(void *arg, const struct om_bug *bug), void *arg);
void sim_print_bug(FILE *out, const struct om_bug *bug);
/*
 * The calling thread's record of objrmap's locks it holds (debug builds), for a watchdog to look
 * at.
 */
const struct om_held *sim_held_locks(void);

/*
 * Background reclaim: a thread that reclaims until `high` frames are free whenever objrmap says
 * that memory is low. stop returns when the thread has ended; sim_destroy() stops it too.
 */
int sim_kswapd_start(struct sim *sim, om_pfn_t high);
void sim_kswapd_stop(struct sim *sim);

/* ---------------------------------------------------------------- a CPU --------------------- */

/*
 * What a program does: load, store, or fetch an instruction. The bytes may cross pages. Each page
 * is reached through the TLB, or a walk of the page tables, or om_fault() and then another try.
 * OM_FAULT_MINOR: done. Otherwise the fault that ended it: bytes on the pages before have been
 * moved.
 */
enum om_fault_result sim_load(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr, void *buf,
                              size_t n);
enum om_fault_result sim_store(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                               const void *buf, size_t n);
enum om_fault_result sim_exec(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr);

/* A load and a store of one machine word; abort if the program would be killed. */
unsigned long sim_get(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr);
void sim_put(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr, unsigned long value);

struct sim_cpu_stats {
	uint64_t hits;    /* pages reached through the TLB */
	uint64_t walks;   /* page tables walked */
	uint64_t faults;  /* om_fault() called */
	uint64_t major;   /* of these, with a transfer */
	uint64_t flushed; /* translations dropped by flushes */
};
void sim_cpu_stats(struct sim_cpu *cpu, struct sim_cpu_stats *stats);

/* ---------------------------------------------------------------- the TLB, for checkers ----- */

struct sim_tlb_entry {
	struct om_mm *mm;
	uintptr_t page; /* address >> page shift */
	om_pfn_t pfn;   /* 0: the TLB remembers that there is none (SIM_KEEPS_ABSENT) */
	unsigned prot;  /* OM_PROT_... */
	bool dirty;     /* stores do not look at the page table again */
};

/*
 * Does any CPU hold a translation to this frame, or know it as a page table? A free frame must have
 * none (I7).
 */
bool sim_tlb_holds(struct sim *sim, om_pfn_t pfn);

/*
 * Compare every translation of every CPU with the page tables: its mm must be one of the n given,
 * and the entry must still name the frame and grant at least the same; and of upper levels, whether
 * the table is still where it was. Returns how many do not, the first of them in *bad (if not NULL;
 * a table with its number, and without permissions). The machine must be at rest.
 */
unsigned sim_check_tlb(struct sim *sim, struct om_mm *const mm[], unsigned n,
                       struct sim_tlb_entry *bad);

/* Drop everything, as a context switch on a machine without address-space tags does. */
void sim_tlb_flush(struct sim_cpu *cpu);

/* ---------------------------------------------------------------- stores -------------------- */

/*
 * A file, or a swap device. `sim_store_ops` with the store as their first argument go to
 * om_mapping_create() and om_swapon(). What was never written reads as zero. A store watches its
 * caller: two transfers of one page at a time abort the program.
 */
struct sim_store;
extern const struct om_store_ops sim_store_ops;
/*
 * They are asked before a program's first store to a page, and agree unless sim_store_fail() says
 * no.
 */
extern const struct om_store_ops sim_store_mkwrite_ops;

/* In memory. NULL if the host has none. */
struct sim_store *sim_store_ram(void);
/* In a file of the host, created if needed. NULL, with errno, if it cannot be opened. */
struct sim_store *sim_store_file(const char *path);
/* The store must not be in use any more; the file stays. */
void sim_store_free(struct sim_store *store);

/* Cut off everything from byte `size` on: ftruncate of the file behind a mapping. */
void sim_store_truncate(struct sim_store *store, uint64_t size);

/* Look at and change the contents without being a transfer. Zeros beyond the end. */
void sim_store_peek(struct sim_store *store, uint64_t offset, void *buf, size_t n);
void sim_store_poke(struct sim_store *store, uint64_t offset, const void *buf, size_t n);

struct sim_store_stats {
	uint64_t reads, writes;             /* transfers */
	uint64_t pages_read, pages_written; /* pages they moved */
	uint64_t read_errors, write_errors; /* transfers that failed */
	uint64_t mkwrites, mkwrite_errors;  /* calls of page_mkwrite; those that said no */
	uint64_t punches, punch_errors;     /* holes; those that could not be made */
	uint64_t unasked; /* pages written though page_mkwrite was not called since the last time */
	unsigned released; /* calls of the release hook */
};
void sim_store_stats(struct sim_store *store, struct sim_store_stats *stats);

/* Microseconds that a transfer takes (0: none); n pages of one transfer take no longer than one. */
void sim_store_latency(struct sim_store *store, unsigned read_us, unsigned write_us);

/*
 * Let the k-th read or write transfer, question, or hole from now fail with -OM_EIO (1 = the next
 * one), it alone or it and all after it. k = 0 heals the store.
 */
enum sim_transfer { SIM_READ, SIM_WRITE, SIM_MKWRITE, SIM_PUNCH };
void sim_store_fail(struct sim_store *store, enum sim_transfer which, unsigned long k,
                    bool forever);

/* Failing allocations: see fail.h. */

/* ---------------------------------------------------------------- random numbers ------------ */

/* One seed gives one sequence, everywhere. */
struct sim_rand {
	uint64_t state;
};
void sim_rand_seed(struct sim_rand *r, uint64_t seed);
uint64_t sim_rand(struct sim_rand *r);
/* 0 .. n-1; n > 0 */
uint64_t sim_rand_below(struct sim_rand *r, uint64_t n);
/* True in `percent` of 100 cases. */
bool sim_rand_chance(struct sim_rand *r, unsigned percent);

#ifdef __cplusplus
}
#endif
#endif
