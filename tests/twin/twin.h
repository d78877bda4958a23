/*
 * twin.h: what the parts of the twin test share. See main.c for what the test is.
 */
#ifndef TWIN_H
#define TWIN_H

#define _FILE_OFFSET_BITS 64 /* before any header: for 32-bit builds */

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <objrmap/objrmap.h>

#include "sim.h"

/* ---------------------------------------------------------------- sizes --------------------- */

#define PAGE     ((uintptr_t)4096)
#define NR_PROCS 6 /* processes alive at one time */
#define NR_SLOTS (NR_PROCS + 1)
#define ZYGOTE   NR_PROCS /* slot of the process that all others descend from; it stays empty */
#define NR_FILES 5
#define BATCH    64   /* calls a worker is sent at once */
#define HASHES   1024 /* pages a worker looks at in one call */
#define COPY_MAX (4 * PAGE)

/* Calls a round may have. */
#define MAX_CALLS 200000

/*
 * The test owns two windows of the address space: the arena, at a fixed place, and the pages after
 * the start of the heap. Library and host use the same addresses.
 */
#if __SIZEOF_LONG__ == 8
#define ARENA ((uintptr_t)0x200000000000)
#else
#define ARENA ((uintptr_t)0x20000000)
#endif
#define ARENA_PAGES 16384u
#define HEAP_PAGES  1024u
#define NR_PAGES    (ARENA_PAGES + HEAP_PAGES)

/* In recorded calls, heap addresses are this and the distance from the start of the heap. */
#define HEAP_TAG ((uint64_t)1 << 62)

/* ---------------------------------------------------------------- calls --------------------- */

enum kind {
	/* Address-space calls, made by process `proc`. */
	C_MMAP,     /* addr len prot flags file offset; file: -1 none, + 100: opened read-only */
	C_MUNMAP,   /* addr len */
	C_MPROTECT, /* addr len prot */
	C_MREMAP, /* old old_len new_len flags new home; home: where a moved area is brought back */
	C_MADVISE,  /* addr len advice */
	C_MLOCK,    /* addr len */
	C_MLOCK2,   /* addr len flags */
	C_MUNLOCK,  /* addr len */
	C_MLOCKALL, /* flags */
	C_MUNLOCKALL,
	C_MINCORE, /* addr len */
	C_MSYNC,   /* addr len flags */
	C_BRK,     /* offset from the start of the heap */
	C_LIMIT,   /* which (enum om_limit), value */
	/* What the program does itself. */
	C_WRITE,  /* addr n seed: at most 16 bytes, within a page */
	C_READ,   /* addr n: at most 8 bytes, within a page */
	C_EXEC,   /* addr: call it, if there is a return instruction (pattern SEED_RET) */
	C_UREAD,  /* addr len: read by the kernel: write(2) from there */
	C_UWRITE, /* addr len seed: written by the kernel: read(2) to there */
	/* Processes. */
	C_SPAWN, /* a new, empty one */
	C_FORK,  /* child */
	C_EXIT,
	/* Files. */
	C_TRUNCATE, /* file size */
	C_PUNCH,    /* file offset len */
	C_PREAD,    /* file offset len */
	C_PWRITE,   /* file offset len seed */
	C_FSYNC,    /* file: the library only */
	/* The library's own affairs, which no program may notice. */
	C_RECLAIM, /* pages */
	C_SWAPOFF, /* area: and on again */
	C_FLUSH_TLB,
	/* Comparing. */
	C_CHECK, /* bits of enum check */
	NR_KINDS,
	C_HASH = NR_KINDS, /* internal: contents of pages */
	C_ZAP,             /* internal: addr: make a page of a private area read as zero */
};

enum check {
	CHECK_ALL_PROCS = 1,
	CHECK_ALL_PAGES = 2, /* also those that neither side has touched */
	CHECK_FLAGS = 4,     /* flags of areas that /proc/PID/maps does not tell */
	CHECK_VERIFY = 8,    /* om_verify() and the TLBs */
};

struct call {
	uint8_t kind, proc;
	uint64_t a[6];
};

/* What both sides must agree on. */
struct result {
	int64_t ret; /* 0 or a negative errno; of an access: see fault_result() */
	uint64_t v;
};

static inline int64_t fault_result(int sig, int code)
{
	return sig << 8 | code;
}

/* call.c: names, text and back. */
const char *kind_name(unsigned kind);
/* Is argument i of this kind of call an address? */
bool is_address(unsigned kind, unsigned i);
unsigned nr_args(unsigned kind);
void print_call(FILE *out, const struct call *c);
bool parse_call(const char *line, struct call *c);

/* ---------------------------------------------------------------- shared memory ------------- */

/* The letter box of one worker. */
struct slot {
	_Atomic uint32_t asked, done; /* batches; futexes */
	_Atomic int pid;              /* 0: none */
	_Atomic int crashed;          /* signal that killed the worker outside of an access */
	uint32_t n;
	struct call call[BATCH];
	struct result result[BATCH];
	/* C_HASH */
	uint32_t nr_hashes;
	uint64_t page[HASHES], hash[HASHES];
};

struct tally {
	uint64_t run, compared, good;
};

/* probe.c: where this kernel, or what it is allowed here, differs from the newest Linux. */
enum quirk {
	QUIRK_REMAPS_NOTHING,
	QUIRK_UNMAPS_FIRST,
	QUIRK_KEEPS_NO_FILES,
	QUIRK_KEEPS_EXACT,
	QUIRK_REMOVES_WRITABLE,
	QUIRK_ONFAULT_LOOKS,
	QUIRK_POPULATES_BEYOND,
	QUIRK_CONCEALS_ONFAULT,
	QUIRK_HIDES_CODE,
	QUIRK_FORBIDS_CODE,
	QUIRK_SWAPS,
	NR_QUIRKS
};

struct host {
	uint32_t quirks;         /* bits of enum quirk */
	uint32_t unknown_advice; /* bit n: advice n */
	uint64_t absent_calls;   /* bits of enum kind */
	uint64_t hard_limit[OM_NR_LIMITS];
	uint64_t guard_gap; /* bytes */
};

struct shared {
	struct slot slot[NR_SLOTS];
	int runner;     /* pid; workers end when it does */
	uintptr_t heap; /* start of the heap in all workers */
	struct host host;
	bool can_lock_all; /* the limit is high enough to lock a worker's own memory too */
	bool heap_is_ours; /* nothing is there, and the kernel thinks it begins here */
	bool windows_free; /* no memory of a worker's own is in them */
	uint64_t base_size, base_data; /* bytes mapped by a worker itself */
	struct {
		uintptr_t start, end;
	} own[64]; /* that memory */
	unsigned nr_own;
	/* The round, for the main process; the calls are in call_list. */
	uint32_t nr_calls;
	char failure[1024];
	uint32_t failed_at;
	/* Statistics, over all rounds. */
	struct tally tally[NR_KINDS];
	uint64_t skipped[32], pages, skipped_pages, areas, checks, verifies, lazy;
	uint64_t event[OM_NR_EVENTS];
};

extern struct shared *shared;
extern struct call *call_list; /* [MAX_CALLS]; shared by main process and runner */

/* ---------------------------------------------------------------- host ---------------------- */

/* hash.c: the bytes that writes write, and the sum of a page. */
uint8_t pattern(uint64_t seed, unsigned i);
#define SEED_RET 1 /* pattern of return instructions, for C_EXEC */
uint64_t hash_bytes(const void *bytes, size_t n);
#define HASH_FAULT ((uint64_t)1 << 63) /* hash of a page that cannot be read: this + the fault */

/* worker.c: the life of a host process; does not return. */
_Noreturn void worker(unsigned slot);
/* File descriptors that the workers inherit. */
extern int file_fd[NR_FILES], file_rdonly_fd[NR_FILES], scratch_fd;

/* probe.c, in the zygote: what this kernel is like. It maps and unmaps pages of the arena. */
void probe(void);
void probe_limits(void);
static inline bool quirk(enum quirk q)
{
	return shared->host.quirks >> q & 1;
}

/* host.c: the runner's end of it. */
void host_open(void);  /* the files and the zygote; before anything allocates memory */
void host_close(void); /* end all workers */
bool host_alive(unsigned proc);
/* Let a worker run what is in its slot, and wait. */
void host_run(unsigned proc);
/* One call at once. */
struct result host_call(const struct call *c);
uint64_t host_hash(unsigned proc, uintptr_t addr);
void host_adopt(unsigned proc); /* a worker has appeared in this slot */
void host_forget(unsigned proc);

/* A part of an address space, with what can be seen of it. */
struct segment {
	uint64_t start, end, offset;
	uint32_t flags; /* enum om_vma_flags */
	int64_t object; /* -1 private anonymous, a file, or OTHER + a number for shared anonymous */
};
#define OTHER        1000
#define MAX_SEGMENTS 2048
/* The areas of a worker inside the windows, in order; `flags` also those of smaps. */
unsigned host_segments(unsigned proc, struct segment *s, bool flags);
unsigned own_segments(struct segment *s, unsigned max); /* of this process, with flags */
struct host_status {
	uint64_t size, data, locked; /* bytes */
};
void host_status(unsigned proc, struct host_status *st);
/* Which of n pages are present or swapped. */
void host_present(unsigned proc, uintptr_t addr, unsigned n, bool *present);

/* ---------------------------------------------------------------- library ------------------- */

struct file {
	struct om_mapping *mapping;
	struct sim_store *store; /* NULL: shared memory */
};

struct round {
	uint64_t seed;
	unsigned frames, swap_cluster;
	unsigned stores; /* bit i: file i is behind a store */
};

struct twin {
	struct round round;
	struct sim *sim;
	struct om_system *sys;
	struct om_mm *mm[NR_PROCS];
	struct file file[NR_FILES];
	struct sim_store *swap[2];
	unsigned swap_area[2];
	void *scratch;
};

extern struct twin twin;

/* Limits of a new process. */
#define MEMLOCK (256 * PAGE)
#define STACK   (2048 * PAGE)

/* lib.c */
void lib_open(const struct round *round);
void lib_close(void);
void lib_call(const struct call *c, struct result *r);
uint64_t lib_hash(unsigned proc, uintptr_t addr);
unsigned lib_segments(unsigned proc, struct segment *s, bool flags);

/* windows */
bool page_number(uint64_t addr, unsigned *page); /* false: not in a window */
uintptr_t page_address(unsigned page);
static inline uint64_t round_up(uint64_t len)
{
	return (len + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}
static inline uint64_t real_address(uint64_t a)
{
	return (a & ~(HEAP_TAG - 1)) == HEAP_TAG ? shared->heap + (a & (HEAP_TAG - 1)) : a;
}

/* ---------------------------------------------------------------- the test ------------------ */

/* run.c: one call on both sides, results compared at once or soon. */
void run_call(uint32_t number, const struct call *c);
void run_flush(void); /* all results compared */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* This machine lacks what the test cannot do without: exit status of the runner and of the program. */
#define SKIPPED 77
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* exempt.c: why a call is not made, or NULL. See there: the list of deliberate differences. */
const char *exempt(const struct call *c);
void print_exemptions(FILE *out);

/* lazy.c: pages whose contents MADV_FREE left open. */
void lazy_fork(unsigned parent, unsigned child); /* the same: a new process */
bool lazy_any(unsigned proc, uint64_t addr, uint64_t len);
/* What a successful (or partly successful) call means for them. */
void lazy_after(const struct call *c, const struct result *r);
/*
 * One side may have lost a page which the other still has: if that explains the two sums, the other
 * loses it too, and the answer is true.
 */
bool lazy_follow(unsigned proc, uintptr_t addr, uint64_t lib, uint64_t host);
/* Before a read, and in place of a write. */
void lazy_resolve(unsigned proc, uintptr_t addr);
void lazy_write(const struct call *c, struct result *lib, struct result *host);

/* check.c */
void check(unsigned proc, unsigned what);

/* gen.c: random calls. Asks the library where areas are. */
void gen_open(uint64_t seed);
void gen_call(struct call *c);

/* shrink.c: leave away what is not needed for the failure. */
typedef bool (*replay_fn)(const struct round *round, const struct call *call, uint32_t n,
                          char *failure, size_t size);
uint32_t shrink(const struct round *round, struct call *call, uint32_t n, const char *failure,
                replay_fn replay, unsigned seconds);

#endif
