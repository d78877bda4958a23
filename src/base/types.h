/*
 * types.h: the data model, all of it, from the frame up to the system.
 *
 * Each field carries the letter of what guards it:
 *   (c) constant after creation        (a) atomic, any time
 *   (F) the frame lock of this page    (T) the frame lock of the page-table page
 *   (P) the page lock, OM_PG_LOCKED
 *   (M) the mm's mmap_lock, mm->own.mmap_lock; written with it held for writing
 *   (O) the object's lock: mapping->lock or anon_vma->lock
 *   (M+O) written holding both, so either is enough to read
 *   (S) the swap lock                  (l) the lock in the same struct
 *   (f) sys->free.lock                 (g) sys->list_lock, of mappings
 * scripts/check-letters.sh sees to it that no field is without one, but for the locks themselves.
 */
#ifndef OM_TYPES_H
#define OM_TYPES_H

#include <objrmap/objrmap.h>

#include "base/hooks.h"
#include "base/lock.h"
#include "base/tree.h"
#include "om_arch.h"

#define OM_PAGE_SIZE     ((uintptr_t)1 << OM_PAGE_SHIFT)
#define OM_PAGE_MASK     (~(OM_PAGE_SIZE - 1))
#define OM_TABLE_ENTRIES (1u << OM_TABLE_SHIFT)
/* Bytes of address space that one leaf table maps. */
#define OM_TABLE_SPAN ((uintptr_t)1 << (OM_PAGE_SHIFT + OM_TABLE_SHIFT))

#define OM_NO_PFN ((om_pfn_t)-1)

/* A port that does not say: its upper entries cannot forbid writing. */
#ifndef OM_READ_ONLY_TABLES
#define OM_READ_ONLY_TABLES 0
#endif

/* A port that does not say: an entry of level 2 names a table, and nothing else. */
#ifndef OM_BIG_ENTRIES
#define OM_BIG_ENTRIES 0
static inline bool om_pte_is_big(om_pte_t e)
{
	(void)e;
	return false;
}
static inline om_pte_t om_pte_mkbig(om_pte_t e)
{
	return e;
}
static inline om_pte_t om_pte_mksmall(om_pte_t e, unsigned i)
{
	(void)i;
	return e;
}
#endif

/* Internal: no frame is free. Outermost functions reclaim and start again (docs/design.md). */
#define OM_ENOFRAME 4096
/* Internal: a fault must wait, with no lock held, and start again (src/ops/fetch.h). */
#define OM_EFETCH 4097
/* Internal: the table has other owners; unshare it with mmap_lock held for writing, try again. */
#define OM_ESHARED 4098

/* ---------------------------------------------------------------- frames -------------------- */

enum om_kind {
	OM_KIND_RESERVED, /* not ours: a hole, or not handed over */
	OM_KIND_FREE,
	OM_KIND_DATA,      /* a page of a program or file */
	OM_KIND_ZERO,      /* the zero page: never counted, never listed (I8) */
	OM_KIND_OBJECT,    /* carved into objects by slab.c */
	OM_KIND_INDEX,     /* node of a file's index, or part of a swap map */
	OM_KIND_USER,      /* the embedder's own, om_frame_alloc() */
	OM_KIND_TABLE = 8, /* + level: 1 is a leaf table */
};

/* Flags of a data page, om_page.flags. Set and cleared atomically; the letter says by whom. */
enum om_pageflag {
	OM_PG_LOCKED = 0x0001,      /* the page lock */
	OM_PG_WAITERS = 0x0002,     /* somebody sleeps on the page lock */
	OM_PG_ANON = 0x0004,        /* (F) `object` is read by the table in docs/design.md */
	OM_PG_DIRECT = 0x0008,      /* (F) exclusive: one PTE, in the table `object` names (I2) */
	OM_PG_UNEVICTABLE = 0x0010, /* (F) `mlocked` counts: reclaim passes by */
	OM_PG_REFERENCED = 0x0020,  /* (a) used once since it came, or grew old */
	OM_PG_DIRTY = 0x0040,       /* (a) newer than its backing store */
	OM_PG_SWAPCACHE = 0x0080,   /* (P+F) `slot` names its swap slot */
	OM_PG_UPTODATE = 0x0100,    /* (P) contents are valid; from now on reclaim may take it */
	OM_PG_LAZYFREE = 0x0200,    /* (F) MADV_FREE: may be dropped while clean */
	OM_PG_SWAPBACKED = 0x0400,  /* (F) goes to swap */
	OM_PG_READAHEAD = 0x0800,   /* (a) read ahead, not used yet */
	OM_PG_AGE = 0xf000,         /* (a) how often reclaim has looked since it was used: age.h */
};

/* Flags of a leaf table. The first two say "perhaps", so that few have to clear them. */
enum om_tableflag {
	OM_TABLE_MIXED = 0x0001,  /* (T) an entry shows no anonymous page, but zeros, or a slot */
	OM_TABLE_HELD = 0x0002,   /* (T) a page is pinned or MADV_FREE'd: fork looks at each */
	OM_TABLE_FOLDED = 0x0004, /* (T) the upper entry is a big one: page/fold.h (I14) */
	OM_TABLE_NEW = 0x0020,    /* (a) nobody has asked yet whether it is used */
};

/*
 * A page descriptor. For page-table pages: `object` is the mm, or the owners (page/owners.h),
 * `index` the page number of the first address it maps, `mapcount` the number of entries in use
 * (T), `entries` their address.
 */
struct om_page {
	struct om_spinlock lock; /* the frame lock; valid in every state of the frame */
	uint8_t kind;            /* (F) enum om_kind */
	_Atomic uint16_t flags;  /* (a) enum om_pageflag, which has a letter for each */
	union {
		struct {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			uint32_t mapcount : 24; /* (F) present PTEs (I1) */
			uint32_t
			    mlocked : 8; /* (F) of these in VM_LOCKED areas (I12): unevictable.h */
#else
			uint32_t mlocked : 8;   /* (F) */
			uint32_t mapcount : 24; /* (F) */
#endif
		};
		uint32_t counts; /* (F) both: the same with one more entry is one more */
	};
	union {
		struct {
			uint32_t holds; /* (F) references and pins: page.h */
			uint32_t slot;  /* (F) swap slot, if OM_PG_SWAPCACHE */
		};
		om_pte_t *entries; /* (c) of a page-table page: where they are */
	};
	void *object; /* (F) om_mapping, page-table page (direct: T) or om_anon_vma */
	union {
		uintptr_t
		    index; /* (F) page offset in `object`; direct: (T) position in the table */
		struct {
			om_pfn_t prev, next; /* (l) free list; list of a slab, of a swap device */
		} link;
	};
};

/* ---------------------------------------------------------------- objects ------------------- */

/*
 * The pages of a file: 1024-ary tree of frames holding 32-bit entries. The first pages are in the
 * mapping itself, so a small file needs no node. All of it is written under (O), and may be read
 * without: store/index.h says what that tells.
 */
#define OM_INDEX_DIRECT 16
struct om_index {
	_Atomic uint32_t direct[OM_INDEX_DIRECT]; /* (a) written under (O) */
	_Atomic uint64_t top; /* (a) written under (O): the root, and a number that tells changes */
};

/* Who goes through a file in order, and whether it pays to read ahead: readahead.c. */
#define OM_NR_STREAMS 4
struct om_stream {
	uintptr_t first; /* (O) the window that was read last: [first, first + pages) */
	uint32_t pages;  /* (O) 0: none */
	uint32_t size;   /* (O) what it should have been; 1: a miss that may be random */
};

struct om_readahead {
	struct om_stream stream[OM_NR_STREAMS]; /* (O) */
	_Atomic uint16_t used, wasted;          /* (a) pages read ahead, lately */
};

struct om_mapping {
	/* What is read to find a page that is there; written when pages come or go. */
	struct om_system *sys;          /* (c) */
	const struct om_store_ops *ops; /* (c) NULL: shared memory */
	void *store;                    /* (c) */
	_Atomic uint64_t size;          /* (a) bytes, by size_lock; shrinks before pages go */
	struct om_index index;          /* (O) page index -> page, or swap slot of shared memory */

	struct om_rwspin lock;
	struct om_rwsem size_lock;       /* sleeping: read = write() at the end, write = truncate */
	struct om_rwsem hole_lock;       /* sleeping: write = punch, read = waits for its end */
	struct om_rwsem shape;           /* see lock.h */
	_Atomic uintptr_t refs;          /* (a) the embedder's, and one for each area */
	_Atomic int32_t i_mmap_writable; /* (a) shared areas with MAYWRITE; < 0: none is allowed */
	_Atomic bool holes_shown;        /* (a) private areas may show the zero page in holes */
	struct om_node *i_mmap;          /* (O) VMAs by file page; nonlinear ones come last */
	/* (a) Where the next sweep of nonlinear areas begins: hints, see sweep.c. */
	_Atomic uintptr_t hand_area, hand_addr;
	om_pfn_t nr_pages;              /* (O) pages in the index */
	uint32_t nr_swapped;            /* (O) slots in the index */
	uintptr_t hole_first, hole_end; /* (O) no page enters here: the store is being punched */
	struct om_readahead readahead;  /* (O) */
	struct om_mapping *prev, *next; /* (g) in sys->mappings */
};

/* ---------------------------------------------------------------- areas --------------------- */

struct om_vma {
	struct om_mm *mm;           /* (c) */
	uintptr_t start, end;       /* (M+O) */
	uintptr_t pgoff;            /* (M+O) linear index of `start`, for file and anon_vma alike */
	_Atomic uint32_t flags;     /* (a) enum om_vma_flags; written under (M) */
	_Atomic uint32_t anon;      /* (a) OM_VMA_HAD_ANON, OM_VMA_INHERITED */
	struct om_mapping *mapping; /* (c) NULL: private anonymous */
	struct om_anon_vma *anon_vma; /* (M) the design's; once set, stays until the VMA goes */
	struct om_node by_addr;       /* (M) in mm->vmas */
	uintptr_t low, high;    /* (M) what the subtree at by_addr claims, guard gaps counted */
	struct om_node by_file; /* (O) in mapping->i_mmap */
	struct om_node by_anon; /* (O) in anon_vma->root, or what the design makes of it */
};

/*
 * What a fault writes of an address space: the lock that it has for reading, what it has found, and
 * what it has counted. Each mm has one; each CPU has one as well, for an mm whose threads fault on
 * several CPUs: part.h.
 */
struct om_mm_part {
	struct om_rwsem mmap_lock;
	/* (a) Last area found, and leaf table; no_area and no_table when they go or move. */
	struct om_vma *_Atomic hint;
	struct om_page *_Atomic table_hint; /* (a) */
	/* (a) Entries: those of the mm are the sum over its own and the CPUs' parts; wraps. */
	_Atomic size_t rss_anon, rss_file, swapents;
	/* (a) A CPU's: the mm that it is a part of, or NULL. Written with its lock for writing. */
	struct om_mm *_Atomic mm;
} __attribute__((aligned(64)));

/* Bits, each for the shards whose numbers have this remainder: few for a small struct om_mm. */
#define OM_PART_BITS 64u

struct om_mm {
	/* What faults read, and those change who change areas; but `last`, `moves` and `parts`. */
	struct om_system *sys; /* (c) */
	void *cookie;          /* (c) */
	struct om_page *root;  /* (c) top-level table */
	struct om_node *vmas;  /* (M) by address, augmented with the largest gap */
	/* (a) The shard on which a fault had mmap_lock last; NULL: CPUs have parts. */
	struct om_shard *_Atomic last;
	uint16_t moves;      /* (M) how often it was another; who reads counts by one access */
	uint16_t recalled;   /* (M) parts that the last writer that found some took back */
	uint16_t def_flags;  /* (M) flags of new areas: MCL_FUTURE */
	_Atomic bool shares; /* (a) written under (M): a leaf table may have other owners, too */
	/* (a) Shards whose part may name this mm: set with (M) for reading, cleared for writing. */
	_Atomic uint32_t parts[OM_PART_BITS / 32];
	unsigned nr_vmas;                    /* (M) written in one access, for om_mm_usage() */
	struct om_node *gone;                /* (M) areas of files, to be freed without the lock */
	uintptr_t brk;                       /* (M) exact end of the heap */
	size_t total_vm, data_vm, locked_vm; /* (M) pages of areas */
	struct om_anon_mm *anon_mm;          /* (M) the reverse-map design's, or NULL */
	struct om_layout layout;             /* (c) but brk_start, which is (M) */
	struct om_mm_list *home;     /* (c) the list it is on: of the shard where it was made */
	struct om_mm *prev, *next;   /* (l) of its list */
	_Atomic uint32_t few_rounds; /* (a) faults in a row for which hardly a page was found */

	struct om_mm_part own; /* (a) its mmap_lock is that of the address space */

	struct om_spinlock sum_lock;    /* parts that are left, against who adds up: part.c */
	_Atomic bool emptying;          /* (a) om_unmap_areas_and_unlock() owes flushes */
	_Atomic uint16_t flush_pending; /* (a) truncations that owe a flush: mm.h */
	uint32_t refs;                  /* (l) of its list: the owner, swapoff and reclaim */
	_Atomic size_t nr_tables;       /* (a) */
	uintptr_t limit[OM_NR_LIMITS];  /* (a) by relaxed access */
};

/* One more address space that has a leaf table: page/owners.h. */
struct om_owner {
	struct om_mm *mm; /* (T) */
	void *next;       /* (T) a further one, or the first owner's om_mm */
};

/* ---------------------------------------------------------------- the system ---------------- */

/* Kinds of pages that compete for frames: page/age.h. */
enum om_age_kind { OM_AGE_ANON, OM_AGE_FILE, OM_NR_AGE_KINDS };

/*
 * Neighbours among the frames, at which reclaim need not look in every round: reclaim/hand.h. Its
 * pages may leave in the round after `left` others, not before.
 */
#define OM_REGION_SHIFT 6
#define OM_REGION       ((om_pfn_t)1 << OM_REGION_SHIFT)
struct om_region {
	_Atomic uint8_t left;   /* (a) rounds in which the hand passes by */
	_Atomic uint8_t passed; /* (a) rounds in which it has, since it looked here last */
	_Atomic uint8_t step; /* (a) in the look that is on, or was last: pages grow older by it */
	_Atomic uint8_t
	    nearest; /* (a) in this look: rounds until the first may leave; 0: all used */
	_Atomic uint16_t unused[OM_NR_AGE_KINDS]; /* (a) in this look: pages not used */
};

struct om_ages {
	_Atomic om_pfn_t hand;                   /* (a) the frame that reclaim looks at next */
	_Atomic uint32_t limit[OM_NR_AGE_KINDS]; /* (a) the age at which a page leaves */
	/* (a) Since the limits were moved last: pages looked at, and evicted. */
	_Atomic uint32_t looked, evicted[OM_NR_AGE_KINDS];
	/* (a) How many had been missed then: events of all CPUs; numbers wrap. */
	_Atomic uint32_t refaults[OM_NR_AGE_KINDS];
	/* (a) Pages that were not used, in the round that is on, and in the one before. */
	_Atomic om_pfn_t unused[2][OM_NR_AGE_KINDS];
};

/* Its lock is that of what the list is for: a slab, a swap device. */
struct om_pfn_list {
	om_pfn_t head, tail; /* (l) */
	om_pfn_t count;      /* (l) */
};

/*
 * Threads that may write for reclaim at a time: files, each another one; to one swap device, if
 * there are not more CPUs.
 */
#define OM_RECLAIM_WRITERS 8
#define OM_SWAP_WRITERS    4

/* The reverse-map design has the caches from OM_CACHE_RMAP on. */
#define OM_NR_RMAP_CACHES 2
enum om_cache {
	OM_CACHE_VMA,
	OM_CACHE_MM,
	OM_CACHE_MAPPING,
	OM_CACHE_OWNER,
	OM_CACHE_RMAP,
	OM_NR_CACHES = OM_CACHE_RMAP + OM_NR_RMAP_CACHES
};

/* Objects of one size, carved from frames; frames with room are on `partial`: page/slab.h. */
struct om_slab {
	struct om_spinlock lock;
	uint16_t size;              /* (c) bytes of an object */
	struct om_pfn_list partial; /* (l) */
	size_t in_use;              /* (l) objects */
	size_t frames;              /* (l) */
};

#define OM_SWAP_DEVICE_SHIFT 26  /* slot number = device << 26 | offset */
#define OM_SWAP_DIR          128 /* frames of the directory: see swapdev.c */

struct om_swap_device {
	/* (a) NULL: no such device; written under (S), then each om_slot_list has been locked. */
	const struct om_store_ops *_Atomic ops;
	void *store;               /* (c) while the device exists */
	uint32_t slots;            /* (c) while the device exists; 0: this number is free (S) */
	int priority;              /* (c) while the device exists */
	_Atomic bool writable;     /* (a) written under (S) as `ops`: false while swapoff runs */
	om_pfn_t dir[OM_SWAP_DIR]; /* (c) while the device exists */

	uint32_t used __attribute__((aligned(64))); /* (S) slots that are not free */
	uint32_t cursor;            /* (S) where the search for a free slot goes on */
	struct om_pfn_list partial; /* (S) frames of the table that have a free slot */
};

/* How far swap read-ahead pays in some part of memory: hints, see store/swapahead.h. */
#define OM_SWAP_AHEAD_SHIFT 8
struct om_swap_ahead {
	_Atomic uint8_t window;      /* (a) pages in the last one: logarithm + 1; 0: not known */
	_Atomic uint8_t read, hits;  /* (a) of these, read ahead; of these, asked for since */
	_Atomic uint16_t page, slot; /* (a) of the last transfer, the lowest bits */
};

struct om_swap {
	struct om_spinlock lock __attribute__((aligned(64)));
	unsigned next;                /* (S) round robin among equal priorities */
	_Atomic uint32_t total, free; /* (a) written under (S): slots of writable devices */
	_Atomic unsigned nr_open;     /* (a) written under (S): CPUs that may have slots */
	struct om_swap_device device[OM_SWAP_DEVICES_MAX]; /* (S) in it */
};

/*
 * Of one CPU: free slots that are its own for now, and its part of a figure. Its lock is also what
 * keeps devices from going while this CPU looks at their slots: store/slot.h.
 */
#define OM_SLOTS_FREED 26
struct om_slot_list {
	struct om_spinlock lock;
	bool open;               /* (l) slots may come in; written under (S), too */
	uint16_t nr_freed;       /* (l) */
	uint32_t next, left;     /* (l) a cluster: slots [next, next + left) */
	_Atomic uint32_t n;      /* (a) written under (l): left + nr_freed */
	_Atomic uint32_t cached; /* (a) pages that came into the swap cache, less those gone */
	uint32_t freed[OM_SLOTS_FREED]; /* (l) single ones, that were put here */
} __attribute__((aligned(64)));

/* For a reverse-map design: what it keeps for the whole system. */
struct om_rmap_state {
	struct om_rwspin lock; /* rank ANON */
	void *first;           /* (l) */
	uintptr_t hand[2];     /* (l) */
};

/* Who waits for locks, by a hash of their address: spin.c, sleep.c. */
#define OM_SPIN_LIST_SHIFT   6
#define OM_SLEEP_QUEUE_SHIFT 7

struct om_spin_list {
	_Atomic bool closed;     /* (a) */
	struct om_spinner *last; /* (l) of the queues of all locks of one hash value */
};

struct om_sleep_queue {
	struct om_spinlock lock;
	struct om_crowd *first; /* (l) */
};

/*
 * Pages that got their first entry or lost their last one, beside what events tell:
 * om_rmap_mapped(). One shard may count up what another counts down, so a count may be below 0:
 * numbers wrap.
 */
enum om_mapped { OM_MAPPED_ANON, OM_MAPPED_SHARED, OM_MAPPED_FILE, OM_NR_MAPPED };

/* Those who wait for a place among the writers to a swap device: reclaim/writers.h. */
struct om_swap_waiters {
	_Atomic uint32_t waiting; /* (a) threads */
	_Atomic uint32_t ended;   /* (a) transfers, while somebody waited or the device hung */
	_Atomic bool hung;        /* (a) since somebody waited in vain, none has ended */
};

/* The threads inside om_reclaim_step(). */
struct om_reclaimers {
	struct om_spinlock lock;
	_Atomic uint32_t inside; /* (a) how many; written under (l) */
	_Atomic uint32_t hung;   /* (a) of these, taken for hung in a transfer; written under (l) */
	_Atomic uint32_t won;    /* (a) times one has left that had freed something */
	uint32_t hangs;          /* (l) times those inside were taken for hung */
	struct om_mapping *being_written[OM_RECLAIM_WRITERS];     /* (l) names, no references */
	struct om_swap_waiters swap_waiters[OM_SWAP_DEVICES_MAX]; /* (a) of each device */
};

/*
 * Frames are counted by kind: OBJECT, INDEX, USER and tables. What is left is data, which nobody
 * needs to count: om_frames_of_kind().
 */
#define OM_NR_COUNTED 4

/* Free frames, last in, first out: those of the machine, or of one CPU: page/frame_cache.h. */
struct om_free_list {
	struct om_spinlock lock;
	om_pfn_t head;        /* (l) linked through link.next; OM_NO_PFN: none is */
	om_pfn_t last;        /* (l) the other end, of a cache that is not empty */
	_Atomic om_pfn_t n;   /* (a) written under (l); of the machine: also those in runs */
	om_pfn_t floor;       /* (l) with so many, none is just popped for data. A cache's is 0 */
	_Atomic om_pfn_t low; /* (a) written under (f): the low mark. A cache's is 0 */
	om_pfn_t max;         /* (l) with so many, a frame more is not just pushed */
	/* (a) Frames taken, less those brought back, by kind; written under (l); numbers wrap. */
	_Atomic om_pfn_t kind[OM_NR_COUNTED];
};

/*
 * Aligned runs of frames, as many as a leaf table maps, and of these the free ones that are not
 * linked, a bit each: page/runs.h. Lists are in the order in which frames are taken from them.
 */
#define OM_RUN_SHIFT (OM_TABLE_SHIFT < 6 ? 6 : OM_TABLE_SHIFT < 11 ? OM_TABLE_SHIFT : 11)
#define OM_RUN       ((om_pfn_t)1 << OM_RUN_SHIFT)
#define OM_BLOCK     64u /* frames of one word of bits */
enum om_run_list { OM_RUNS_BLOCKS, OM_RUNS_WHOLE, OM_RUNS_PIECES, OM_NR_RUN_LISTS };

struct om_frame_run {
	uint64_t free[(1u << OM_RUN_SHIFT) / OM_BLOCK]; /* (f) */
	uint32_t prev, next;                            /* (f) of its list, by number */
	uint16_t n;                                     /* (f) frames: bits in `free` */
	uint8_t whole; /* (f) blocks of which all frames are free */
} __attribute__((aligned(64)));

struct om_runs {
	om_pfn_t n;                     /* (f) frames, of all runs */
	uint32_t head[OM_NR_RUN_LISTS]; /* (f) */
};

/* Of one CPU. A line of its own, which others write when memory is short only. */
struct om_frame_cache {
	struct om_free_list list;         /* (l) in it; max is 0 while the cache is shut */
	om_pfn_t spare_first, spare_last; /* (l) that of the list: more frames, in one piece */
	_Atomic om_pfn_t spare_n;         /* (a) written under (l) */
	/* (a) The list to try first: this one, or the machine's; written under (f). */
	struct om_free_list *_Atomic first;
} __attribute__((aligned(64)));

/* The address spaces that were made on one CPU: area/mm.h. */
struct om_mm_list {
	struct om_spinlock lock;
	struct om_mm *first; /* (l) */
	struct om_mm *turn;  /* (l) whose tables reclaim looks at next; NULL: it has been round */
	uintptr_t turn_addr; /* (l) from where on */
};

/* Of one CPU. Its size is a power of two, so that it is found with a shift. */
#define OM_SHARD_BYTES 4096
struct om_shard {
	union {
		struct {
			struct om_frame_cache cache; /* (l) in it */
			struct om_mm_part part;      /* (a) of the address space that faults here */
			struct om_slot_list slots;   /* (l) in it */
			_Atomic uint64_t event[OM_NR_EVENTS];  /* (a) */
			_Atomic uint64_t mapped[OM_NR_MAPPED]; /* (a) */
			struct om_slab slab[OM_NR_CACHES]
			    __attribute__((aligned(64))); /* (l) in each */
			struct om_mm_list mms;            /* (l) in it */
			/* (a) Threads that write for reclaim, in a place of this CPU's. */
			_Atomic uint8_t swap_writers[OM_SWAP_DEVICES_MAX];
			/* By a hash: of tables whose mm was made here, and of some slots. */
			struct om_swap_ahead ahead[1 << OM_SWAP_AHEAD_SHIFT]
			    __attribute__((aligned(64))); /* (a) */
		};
		char bytes[OM_SHARD_BYTES]; /* (c) */
	};
};

struct om_system {
	/* What every fault reads. These lines are written when memory comes, or gets short. */
	struct om_hooks hooks;          /* (c) first: see hooks.h */
	struct om_arch arch;            /* (c) */
	struct om_page *page;           /* (c) the page array */
	om_pfn_t nr_frames;             /* (c) */
	om_pfn_t zero_pfn;              /* (c) after the first om_add_memory() */
	unsigned swap_cluster;          /* (c) */
	unsigned cpu_mask;              /* (c) number of shards, a power of two, less 1 */
	struct om_region *region;       /* (c) of each OM_REGION frames */
	struct om_frame_run *frame_run; /* (c) of each OM_RUN frames */
	_Atomic uint16_t *shadow;       /* (c) the table of store/shadow.h; NULL: none */
	_Atomic om_pfn_t nr_owned;      /* (a) written under (f) */
	/* (a) Written under (f): the last frames, not for data; the high mark. And see free.low. */
	_Atomic om_pfn_t mark_min, mark_high;
	bool marks_fixed;        /* (f) by the embedder, not derived */
	_Atomic bool caching;    /* (a) written under (f): the CPUs' caches are in use */
	struct om_vma no_area;   /* (c) covers nothing: the hint of who remembers none */
	struct om_page no_table; /* (c) the same, of tables */

	/* What those write who have to wait. */
	struct om_spin_list spin_list[1 << OM_SPIN_LIST_SHIFT]
	    __attribute__((aligned(64)));                             /* (l) in each */
	struct om_sleep_queue sleep_queue[1 << OM_SLEEP_QUEUE_SHIFT]; /* (l) in each */

	struct om_free_list free __attribute__((aligned(64))); /* (f) */
	_Atomic unsigned nr_open; /* (a) written under (f): caches that are not shut */
	struct om_runs runs;      /* (f) */
	struct om_rwsem adding;   /* one om_add_memory() at a time */

	struct om_ages ages __attribute__((aligned(64))); /* (a) */
	_Atomic om_pfn_t nr_unevictable;                  /* (a) */

	struct om_reclaimers reclaimers; /* (l) in it */

	struct om_rmap_state rmap; /* (l) in it; the design's */
	struct om_swap swap;       /* (S) */

	_Atomic unsigned tables_shard; /* (a) whose list's turn it is: reclaim of tables */
	struct om_spinlock list_lock;
	struct om_mapping *mappings; /* (g) */

	_Atomic om_pfn_t nr_shmem, nr_cached; /* (a) */
	/* Debug builds: looks of a walk in one go, and the most there have been: see i_mmap.h. */
	unsigned hold;                 /* (c) 0: OM_HOLD; fewer in tests */
	_Atomic unsigned longest_hold; /* (a) */
	bool eager;              /* (c) tests: parts at the first chance; all munmaps are large */
	bool share_tables;       /* (c) fork shares leaf tables where it can */
	_Atomic uint8_t huge;    /* (a) enum om_huge; NEVER where nothing can be folded */
	struct om_shard shard[]; /* (a) cpu_mask + 1 of them */
};

_Static_assert(offsetof(struct om_system, hooks) == 0, "hooks.h finds them there");
_Static_assert(offsetof(struct om_system, caching) < offsetof(struct om_system, spin_list) &&
                   offsetof(struct om_system, spin_list) % 64 == 0,
               "what every fault reads is on lines of its own");
_Static_assert(offsetof(struct om_system, free) % 64 == 0 &&
                   offsetof(struct om_system, runs) + sizeof(struct om_runs) <=
                       offsetof(struct om_system, free) + 64,
               "the free list and its lock are on one line");
_Static_assert(offsetof(struct om_system, shard) % 64 == 0 &&
                   sizeof(struct om_shard) == OM_SHARD_BYTES &&
                   sizeof(struct om_frame_cache) == 64 && sizeof(struct om_mm_part) == 64 &&
                   offsetof(struct om_shard, slots) == 128 && sizeof(struct om_slot_list) == 128 &&
                   offsetof(struct om_shard, event) == 256,
               "a cache is one line, so is a part, and no CPU's line is another one's");
_Static_assert(offsetof(struct om_mm, own) % 64 == 0 && sizeof(struct om_mm) % 64 == 0,
               "what faults read of an mm is on other lines than what they write");
_Static_assert(offsetof(struct om_swap, device) % 64 == 0,
               "what is read of a device is on lines that are seldom written");

/* Of this CPU, more or less: the thread may move on at any time. */
static inline struct om_shard *om_shard(struct om_system *sys)
{
	return &sys->shard[om_arch_cpu() & sys->cpu_mask];
}

static inline void om_count_in(struct om_shard *shard, enum om_event ev, uint64_t n)
{
	atomic_fetch_add_explicit(&shard->event[ev], n, memory_order_relaxed);
}

static inline void om_count(struct om_system *sys, enum om_event ev, uint64_t n)
{
	om_count_in(om_shard(sys), ev, n);
}

static inline void om_count_mapped(struct om_system *sys, enum om_mapped kind, int n)
{
	atomic_fetch_add_explicit(&om_shard(sys)->mapped[kind], (uint64_t)(int64_t)n,
	                          memory_order_relaxed);
}

#endif
