/*
 * rig.h: a machine with address spaces, files and swap, for tests that play one scene on it.
 *
 *     struct rig *r = rig_create(&(struct rig_config){.frames = 128, .slots = 256});
 *     struct om_mm *mm = rig_mm(r);
 *     uintptr_t a = rig_map(r, mm, 0, 8, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
 *     rig_put(r, mm, a, 8, 100);           page i holds 100 + i
 *     ...
 *     rig_expect(r, mm, a, 8, 100);
 *     rig_verify(r);
 *     rig_destroy(r);                      unpins, unmaps, swaps off; nothing may be left
 *
 * The rig knows everything that was made through it, and takes it down. Whatever goes wrong ends in
 * rig_fail(), which says where and calls rig_failed.
 */
#ifndef RIG_H
#define RIG_H

#include <objrmap/objrmap.h>

#include "sim.h"

#define RIG_PAGE  SIM_PAGE_SIZE
#define RIG_RW    (OM_PROT_READ | OM_PROT_WRITE)
#define RIG_MMS   16
#define RIG_FILES 4
#define RIG_SWAPS 2
#define RIG_PINS  16

/* What the default reverse-map design alone promises, a test asserts for it alone. */
static inline bool rig_is_default(void)
{
#ifdef OM_RMAP_DESIGN
	return false;
#else
	return true;
#endif
}

struct rig_config {
	om_pfn_t frames;
	unsigned cpus;
	unsigned slots;   /* of the swap device that is on from the start; 0: none */
	unsigned cluster; /* see struct om_config */
	uintptr_t seed;   /* see struct om_config */
	unsigned hold;    /* looks in one go (i_mmap.h); 0: 3, so that others come in between */
	const struct om_port_ops *ops;        /* NULL: rig_ops() */
	const struct om_store_ops *store_ops; /* NULL: sim_store_ops */
};

struct rig_file {
	struct om_mapping *mapping; /* NULL: not in use, or put by the scene */
	struct sim_store *store;    /* NULL: shared memory */
};

struct rig_swap {
	struct sim_store *store;
	unsigned area;
	bool on;
};

struct rig {
	struct sim *sim;
	struct om_system *sys;
	const struct om_store_ops *store_ops;
	struct om_mm *mm[RIG_MMS]; /* NULL: gone */
	struct rig_file file[RIG_FILES];
	struct rig_swap swap[RIG_SWAPS];
	om_pfn_t pin[RIG_PINS]; /* 0: none */
	void *scratch;          /* for om_verify() */
	bool in_arena;          /* uses the memory that rigs take in turn */
};

/*
 * The hooks of a machine that one thread uses: to sleep is a bug, "deadlock", because nobody is
 * left to wake the sleeper.
 */
const struct om_port_ops *rig_ops(void);

struct rig *rig_create(const struct rig_config *config);
/* Everything must go and no frame may be missing then. */
void rig_destroy(struct rig *r);

/* ---- failing ---- */

/* What the test is doing, printed when it fails: the words that replay it. */
extern char rig_scene[160];
/* Called after the message; must not return. Default: abort(). */
extern void (*rig_failed)(void);
_Noreturn void rig_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * From now on a fault of this program fails the test, and so do more than so many seconds of CPU
 * time (then the program ends); both say what it was doing. The time of day does not count: the
 * machine may have other work.
 */
void rig_watch(unsigned seconds);

#define rig_check(cond)                                                                            \
	do {                                                                                       \
		if (!(cond))                                                                       \
			rig_fail(__FILE__, __LINE__, "%s", #cond);                                 \
	} while (0)

#define rig_equal(a, b)                                                                            \
	do {                                                                                       \
		long long a_ = (long long)(a), b_ = (long long)(b);                                \
                                                                                                   \
		if (a_ != b_)                                                                      \
			rig_fail(__FILE__, __LINE__, "%s is %lld (%#llx), not %lld (%#llx)", #a,   \
			         a_, a_, b_, b_);                                                  \
	} while (0)

/* The call must answer 0. */
#define rig_ok(call) rig_equal(call, 0)

/* ---- making things ---- */

struct om_mm *rig_mm(struct rig *r);
/* NULL, with *err (if not NULL), when om_fork() fails; without `err` that fails the test. */
struct om_mm *rig_fork(struct rig *r, struct om_mm *parent, int *err);
void rig_exit(struct rig *r, struct om_mm *mm);

/* `pages` of anonymous memory, or of a file from page `pgoff`; addr 0: anywhere. */
uintptr_t rig_map(struct rig *r, struct om_mm *mm, uintptr_t addr, size_t pages, int prot,
                  int flags, struct om_mapping *file, uint64_t pgoff);

/* A file of so many pages whose page i holds tag + i; it belongs to the rig. */
struct om_mapping *rig_file(struct rig *r, unsigned pages, unsigned long tag);
/* The same as shared memory. */
struct om_mapping *rig_shmem(struct rig *r, unsigned pages, unsigned long tag);
struct sim_store *rig_store(struct rig *r, const struct om_mapping *file);

int rig_swapon(struct rig *r, unsigned slots);  /* the index in r->swap, or an error */
int rig_swapoff(struct rig *r, unsigned index); /* what om_swapoff() says */

int rig_pin(struct rig *r, struct om_mm *mm, uintptr_t addr, enum om_access access, om_pfn_t *pfn);
void rig_unpin(struct rig *r, om_pfn_t pfn, bool dirtied);

/* ---- contents ---- */

/*
 * The page with this tag: a word at its start, middle and end, so that a page put together from two
 * is noticed. rig_put writes page i of the range with tag + i through CPU 0, rig_expect reads them.
 */
void rig_put(struct rig *r, struct om_mm *mm, uintptr_t addr, size_t pages, unsigned long tag);
void rig_expect(struct rig *r, struct om_mm *mm, uintptr_t addr, size_t pages, unsigned long tag);
#define RIG_TORN (~0ul) /* of rig_tag(): the words differ */
/* One page's tag through a CPU; the fault result, MINOR if it could be read. */
enum om_fault_result rig_get(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                             unsigned long *tag);
enum om_fault_result rig_set(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                             unsigned long tag);
/* Of a page in memory, e.g. a pinned frame or a buffer. */
unsigned long rig_tag(const void *page);
void rig_set_tag(void *page, unsigned long tag);
/* Of page i of a file, through its page cache; RIG_TORN also if it cannot be read. */
unsigned long rig_file_tag(struct om_mapping *file, unsigned i);
/* Of page i as its store has it. */
unsigned long rig_store_tag(struct sim_store *store, unsigned i);

struct om_pageinfo rig_info(struct om_mm *mm, uintptr_t addr);
uint64_t rig_event(struct rig *r, enum om_event ev);
/* Areas of the mm. */
unsigned rig_vmas(struct om_mm *mm);

/* ---- pressure ---- */

/* Push pages out by advice, whoever uses them; they are absent afterwards, or the test fails. */
void rig_pageout(struct rig *r, struct om_mm *mm, uintptr_t addr, size_t pages);
/* Reclaim until nothing more can be had. */
void rig_reclaim(struct rig *r);

/* ---- checking ---- */

/* All invariants (I1-I12) and every TLB entry. */
void rig_verify(struct rig *r);

#endif
