/*
 * threads.h: the many-CPU stress test: what its files share.
 *
 * Several simulated CPUs do everything at once, on two address spaces that all of them share and on
 * private ones that they fork, pass on to each other and end, with memory far smaller than the
 * data. Every byte that is read is checked:
 *
 *   - each page of an address space (a `spot`) is owned by one thread; only the owner writes it,
 * unmaps it, moves it, changes its protection. Each page of a file is owned by one thread, too. So
 * an owner knows exactly what it must read, and which fault an access must end in;
 *   - what a page holds is written down as one tag for each of its four blocks: whose page, which
 * version, repeated in every 64-bit word together with the word's place;
 *   - a sequence number beside the tags is odd while the owner changes anything. Who reads a page
 * that it does not own demands the exact contents if the number stood still meanwhile; otherwise,
 * that each word is zero or a version which the owner has at least begun to write.
 *
 * In the shared address spaces the last block of a page belongs to a guest, another thread, so that
 * two write to one page at a time. A guest knows what its block holds as long as the page's owner
 * has done nothing that may take the page away.
 *
 * A forked child gets its parent's spots. Of a shared parent, those whose owners were busy during
 * the fork are looked at and then unmapped in the child.
 *
 *   main.c    options, variants, rest points, the watchdog
 *   shadow.c  tags, expectations, and accesses that are checked against them
 *   proc.c    address spaces: making, forking, passing on, ending
 *   memory.c  what is done to areas: map, unmap, protect, move, advise, lock
 *   files.c   what is done to files: write, truncate, punch, sync
 *   generations.c  forks of a process whose threads write
 *   jitter.c  hooks that lose the CPU now and then
 *   others.c  pins, short-lived areas and files, reclaim, queries
 */
#ifndef THREADS_H
#define THREADS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "om_arch.h"
#include "sim.h"

#define PAGE        ((uintptr_t)SIM_PAGE_SIZE)
#define PAGE_WORDS  (SIM_PAGE_SIZE / 8)
#define BLOCKS      4u
#define BLOCK       (PAGE / BLOCKS)
#define MAX_THREADS 64
#define NR_SHARED   2  /* address spaces that all threads share */
#define NR_FILES    2  /* 0: shared memory; 1: behind a store */
#define FILE_PAGES  64 /* the second half may be truncated, by its owner */
#define FILE_FIXED  32
#define NR_LOCS     3 /* places where a page of an area may be mapped */

/* ---------------------------------------------------------------- shadows ------------------- */

/* What a page holds. Written by the page's owner alone. */
struct content {
	_Atomic uint32_t seq;         /* odd while the owner changes something */
	_Atomic uint32_t version;     /* the newest that the owner has begun to write */
	_Atomic uint64_t tag[BLOCKS]; /* 0: zeros */
	uint64_t id;                  /* of the page, in the tags of its versions */
};

struct file_page {
	struct content c;
	_Atomic uint32_t blocks; /* inside the file; 0: the page is beyond its end */
	_Atomic uint32_t cuts;   /* odd while a truncation takes the page, and its private copies */
	unsigned owner;
};

struct file {
	struct om_mapping *mapping;
	struct sim_store *store; /* NULL: shared memory */
	_Atomic unsigned refs;
	unsigned nr_pages, owner; /* owner: who may truncate */
	struct file_page page[FILE_PAGES];
};

/* Attributes of a spot. */
#define A_MAPPED   0x0001u
#define A_READ     0x0002u
#define A_WRITE    0x0004u
#define A_EXEC     0x0008u
#define A_PROT     0x000eu
#define A_LOCKED   0x0010u
#define A_ABSENT   0x0020u /* locked, but need not be present */
#define A_FREED    0x0040u /* MADV_FREE: may be zero instead */
#define A_WIPE     0x0080u /* WIPEONFORK */
#define A_NOFORK   0x0100u /* DONTFORK */
#define A_COPY     0x0200u /* private mapping of a file: has a copy of its own */
#define A_PINNED   0x0400u
#define A_HAZY     0x0800u /* inherited from a page with a guest, whose block is not known */
#define A_LOC      0x3000u
#define A_LOCSHIFT 12

/* One page of an address space. */
struct spot {
	struct content c;
	_Atomic uint32_t attr;
	_Atomic uint32_t file_page; /* which page of the file it shows */
	_Atomic uint32_t cut;       /* A_COPY: the file page's `cuts` when it was made */
	_Atomic uint32_t upset;     /* odd while the owner may take the page away */
	/* Of the guest alone, but for the version. */
	uint64_t guest_tag;
	uint32_t guest_upset; /* `upset` when that was written; odd: not known */
	_Atomic uint32_t guest_version;
};

enum region_nr {
	ANON,
	PRIVATE_SHM,
	PRIVATE_FILE,
	SHM,
	FILEMAP,
	TWIST_SHM,
	TWIST_FILE,
	OWN_SHM,
	BIG,
	HEAP,
	STACK,
	NR_REGIONS
};

enum region_kind { K_ANON, K_PRIVATE, K_SHARED, K_TWISTED, K_HEAP, K_STACK };

struct region {
	const char *name;
	enum region_kind kind;
	unsigned first, pages; /* spots */
	uintptr_t base[NR_LOCS];
	int file; /* number, -1: none, OWN_FILE: the process's own shared memory */
	unsigned file_page;
};
#define OWN_FILE 100
extern struct region region[NR_REGIONS];

#define BIG_PAGES         (OM_TABLE_ENTRIES_ + 64u)
#define OM_TABLE_ENTRIES_ (1u << OM_TABLE_SHIFT)
#define NR_SPOTS          (128u + 32 + 32 + 64 + 64 + 32 + 32 + 32 + BIG_PAGES + 16 + 16)

struct proc {
	struct om_mm *mm;
	unsigned serial;
	int shared;       /* its number, or -1: one thread's own */
	struct file *own; /* behind OWN_SHM; NULL: none */
	struct proc *next;
	struct spot spot[NR_SPOTS];
};

/* ---------------------------------------------------------------- threads ------------------- */

#define MAX_OWN    8
#define MAX_PINS   6
#define MAX_FRAMES 3

struct pin {
	om_pfn_t pfn;
	struct proc *proc; /* NULL: the page has left its address space */
	unsigned spot;
	bool write;
	unsigned end;         /* blocks known */
	uint64_t tag[BLOCKS]; /* then: what they hold */
};

/* The page that all threads are after for a while, in half of their operations, so that they meet.
 */
struct aim {
	bool on;
	unsigned shared, r, i;
};

struct thread {
	struct world *w;
	struct aim aim;
	unsigned nr;
	pthread_t pthread;
	struct sim_cpu *cpu;
	struct sim_rand rand;
	struct proc *own[MAX_OWN];
	unsigned nr_own;
	struct pin pin[MAX_PINS];
	unsigned nr_pins;
	struct {
		om_pfn_t pfn;
		uint64_t tag;
	} frame[MAX_FRAMES];
	unsigned nr_frames;
	/* For the watchdog. */
	_Atomic uint64_t ops;
	const char *_Atomic doing;
	const struct om_held *held;
	uint64_t seen_ops;
	unsigned stuck;
	/* Statistics. */
	uint64_t reads, exact, writes, faults, oom, count[64];
	uint64_t page[PAGE_WORDS]; /* a page being written or read */
};

struct config {
	uint64_t seed;
	unsigned cpus, frames, cluster, latency, jitter;
	unsigned rounds, ops;
	double seconds;
	bool verbose;
};

struct world {
	struct config cfg;
	struct sim *sim;
	struct om_system *sys;
	struct thread thread[MAX_THREADS];
	unsigned nr_threads;
	struct proc *shared[NR_SHARED];
	struct file *file[NR_FILES];
	struct sim_store *swap[2];
	unsigned area;
	_Atomic unsigned nr_procs, max_procs, serial, nr_pins, max_pins;
	_Atomic unsigned arrived;
	_Atomic uint32_t aim; /* struct aim, packed */
	_Atomic bool stop;    /* the last round is over */
	pthread_barrier_t barrier;
	pthread_mutex_t lock; /* guards the next two */
	struct proc *pool;    /* processes given away */
	unsigned nr_pool;
	pthread_mutex_t lock_all; /* one mlockall at a time */
	struct thread admin;
	_Atomic uint64_t swapoffs, swapoff_failures;
	void *scratch;
};

/* ---------------------------------------------------------------- shadow.c ------------------ */

_Noreturn void fail(struct thread *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define CHECK(t, cond, ...)                                                                        \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail(t, __VA_ARGS__);                                                      \
	} while (0)

static inline unsigned below(struct thread *t, unsigned n)
{
	return (unsigned)sim_rand_below(&t->rand, n);
}
static inline bool chance(struct thread *t, unsigned percent)
{
	return sim_rand_chance(&t->rand, percent);
}

/*
 * A call ran out of memory: others have it just now. Gives up the CPU; if it never ends, the
 * watchdog sees it.
 */
void out_of_memory(struct thread *t);
/* Evaluate a call until it does not answer -OM_ENOMEM. */
#define RETRY(t, err, call)                                                                        \
	do {                                                                                       \
		while (((err) = (call)) == -OM_ENOMEM)                                             \
			out_of_memory(t);                                                          \
	} while (0)

void content_init(struct content *c, unsigned serial, unsigned page);
void content_begin(struct content *c);
void content_end(struct content *c);
uint64_t content_next(struct thread *t, struct content *c); /* the tag of a new version */
void content_set(struct content *c, unsigned block, unsigned n, uint64_t tag);
void content_copy(struct content *to, const struct content *from); /* tags only */

struct file *file_of(struct thread *t, const struct proc *p, unsigned r);
struct file_page *file_page_of(struct thread *t, const struct proc *p, unsigned r, unsigned i);
static inline struct spot *spot_of(struct proc *p, unsigned r, unsigned i)
{
	return &p->spot[region[r].first + i];
}
static inline uint32_t attr_of(const struct spot *s)
{
	return atomic_load(&s->attr);
}
static inline uintptr_t addr_at(unsigned r, unsigned i, unsigned loc)
{
	return region[r].base[loc] + i * PAGE;
}
static inline unsigned loc_of(uint32_t attr)
{
	return (attr & A_LOC) >> A_LOCSHIFT;
}
bool is_mine(const struct thread *t, const struct proc *p, unsigned r, unsigned i);
static inline bool has_guest(const struct proc *p, unsigned r)
{
	return p->shared >= 0 && (r == ANON || r == BIG || r == HEAP);
}
static inline bool holds_private(unsigned r)
{
	return region[r].kind != K_SHARED && region[r].kind != K_TWISTED;
}

/* Change attributes of n spots. */
void spots_begin(struct proc *p, unsigned r, unsigned i, unsigned n);
void spots_end(struct proc *p, unsigned r, unsigned i, unsigned n);
void spots_attr(struct proc *p, unsigned r, unsigned i, unsigned n, uint32_t clear, uint32_t set);
void spot_zero(struct thread *t, struct proc *p, unsigned r,
               unsigned i); /* its contents are gone */

/* Accesses, checked. */
void check_read(struct thread *t, struct proc *p, unsigned r, unsigned i);
void check_exec(struct thread *t, struct proc *p, unsigned r, unsigned i);
/* A guest's block. */
void check_guest(struct thread *t, struct proc *p, unsigned r, unsigned i);
unsigned known_blocks(const struct proc *p, unsigned r, uint32_t attr);
/* Write through an address space: a spot's own contents, or the file page that it shows, owned by
 * t. */
void check_write(struct thread *t, struct proc *p, unsigned r, unsigned i);
void check_file_read(struct thread *t, struct file *f, unsigned k);
void check_pin(struct thread *t, struct pin *pin);
void fill_words(uint64_t *words, size_t n, unsigned first, uint64_t tag);
/* Every page of an address space of t's own, or t's pages of a shared one. */
void check_all(struct thread *t, struct proc *p);
/* The frame of a page, reached as a device would. */
void device_write(struct thread *t, om_pfn_t pfn, unsigned block, unsigned n, uint64_t tag);

/* ---------------------------------------------------------------- proc.c -------------------- */

void regions_init(void);
struct file *file_new(struct thread *t, bool store, unsigned owner, unsigned pages);
void file_put(struct thread *t, struct file *f);
struct proc *proc_new(struct thread *t, int shared);
void proc_destroy(struct thread *t, struct proc *p);
/* One to work on: a shared one, or t's own. */
struct proc *pick_proc(struct thread *t);
void map_run(struct thread *t, struct proc *p, unsigned r, unsigned i, unsigned n, unsigned loc,
             uint32_t prot, int flags);
void op_fork(struct thread *t);
void op_exit(struct thread *t);
void op_exec_mm(struct thread *t);
void op_give(struct thread *t);
void op_take(struct thread *t);

/* ---------------------------------------------------------------- operations ---------------- */

/* A run of spots of t's that agree in `same` attributes, with all of `set`, none of `clear`. 0:
 * none. */
unsigned pick_run(struct thread *t, struct proc *p, unsigned r, uint32_t set, uint32_t clear,
                  uint32_t same, unsigned max, unsigned *i);
unsigned pick_page(struct thread *t, unsigned r);
void aim_change(struct thread *t);
void aim_take(struct thread *t);

void op_read(struct thread *t);
void op_spy(struct thread *t);
void op_write(struct thread *t);
void op_exec(struct thread *t);
void op_guest(struct thread *t);
void op_map(struct thread *t);
void op_unmap(struct thread *t);
void op_protect(struct thread *t);
void op_move(struct thread *t);
void op_move_big(struct thread *t);
void op_advise(struct thread *t);
void op_forget(struct thread *t);
void op_flags(struct thread *t);
void op_lock(struct thread *t);
void op_unlock(struct thread *t);
void op_brk(struct thread *t);
void op_stack(struct thread *t);
void op_twist(struct thread *t);

void op_file_write(struct thread *t);
void op_file_map_write(struct thread *t);
void op_file_read(struct thread *t);
void op_truncate(struct thread *t);
void op_punch(struct thread *t);
void op_sync(struct thread *t);
void op_msync(struct thread *t);

void op_pin(struct thread *t);
void op_unpin(struct thread *t);
void op_device(struct thread *t);
void unpin_all(struct thread *t);
void unpin_proc(struct thread *t, const struct proc *p);
/* The page at this spot leaves its address space: pins remember what it holds. */
void pins_detach(struct thread *t, struct proc *p, unsigned r, unsigned i);
void pins_detach_all(struct thread *t, struct proc *p);
void op_short_area(struct thread *t);
void op_short_file(struct thread *t);
void op_tiny(struct thread *t);
void op_reclaim(struct thread *t);
void op_query(struct thread *t);
void op_frame(struct thread *t);
void frames_free_all(struct thread *t);

/* Forks of a process whose threads write, in machines of their own. */
void generations(void);

/* Hooks for the machine that give up the CPU once in so many calls. */
const struct om_port_ops *jitter_ops(unsigned one_in);

#endif
