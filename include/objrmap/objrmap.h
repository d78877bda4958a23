/*
 * objrmap.h: virtual memory as a library.
 *
 * A `struct om_system` manages the frames of one machine. In it live any number of address spaces
 * (`struct om_mm`) and mappings (`struct om_mapping`: a file's page cache, or shared anonymous
 * memory). The embedder calls om_fault() from its page-fault handler and the other functions from
 * its system calls; docs/porting.md goes through it step by step.
 *
 * Conventions, unless a function says otherwise:
 *   - addresses and lengths are bytes; "page aligned" refers to the port's page size;
 *   - functions return 0 or a negative OM_E... value, equal to Linux's errno, and after a failure
 *     nothing has changed; "partial" in a comment marks the exceptions (I10);
 *   - "may sleep" functions must be called without spinning locks held; they take the mm's
 *     mmap_lock themselves, so never call one from inside a hook (port.h);
 *   - every function may be called from any number of threads at once, on the same objects,
 *     except that an object must not be destroyed while others still use it;
 *   - -OM_ENOMEM means: no frame is free, even after reclaim;
 *   - -OM_EINTR means: the hook `dying` (port.h) says that the running thread is to die. Any call
 *     that may sleep can end so, instead of waiting for memory; those that do so between two pages
 *     of their work say it.
 */
#ifndef OBJRMAP_OBJRMAP_H
#define OBJRMAP_OBJRMAP_H

#include <objrmap/port.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OM_VERSION_MAJOR 0
#define OM_VERSION_MINOR 1

/* Errors. Functions return them negated. The numbers are Linux's. */
enum om_errno {
	OM_EPERM = 1,
	OM_EINTR = 4,
	OM_EIO = 5,
	OM_EAGAIN = 11,
	OM_ENOMEM = 12,
	OM_EACCES = 13,
	OM_EFAULT = 14,
	OM_EBUSY = 16,
	OM_EEXIST = 17,
	OM_EINVAL = 22,
	OM_ENOSPC = 28,
	OM_ENAMETOOLONG = 36,
	OM_EOVERFLOW = 75,
	OM_EOPNOTSUPP = 95,
};

/* ---------------------------------------------------------------- limits -------------------- */

#define OM_SWAP_DEVICES_MAX 8          /* swap devices at a time */
#define OM_SWAP_SLOTS_MAX   (1u << 26) /* pages of one */
#define OM_TRANSFER_MAX     64         /* pages in one call of a store's `read` or `write` */
#define OM_SWAP_CLUSTER_MAX 5          /* of om_config.swap_cluster */
#define OM_CPUS_MAX         256        /* that have caches of their own; of more, some share */
#define OM_VMAS_DEFAULT     65530      /* OM_LIMIT_VMAS of a new address space, as in Linux */

/* ---------------------------------------------------------------- the system ---------------- */

struct om_arch; /* defined by the port's om_arch.h */

/* Everything a system is made from. Copied; the strings and ops it points to must outlive it. */
struct om_config {
	const struct om_arch *arch;    /* the port's compile-time half: how frames are reached */
	const struct om_port_ops *ops; /* the run-time half */
	void *ctx;                     /* first argument of every hook in `ops` */
	om_pfn_t nr_frames;            /* frames are numbered 0 .. nr_frames-1; holes are fine */
	void *storage;                 /* om_system_bytes() bytes, 64-byte aligned */
	unsigned swap_cluster; /* log2 of most pages in one swap read, 0 to OM_SWAP_CLUSTER_MAX */
	/*
	 * A random word, which shapes the trees of areas. Programs choose where areas lie in
	 * these trees and may find out where the kernel keeps them. If they know the seed as well
	 * (0 by default), they can make calls on areas cost as much as there are areas, their own
	 * calls and those on the files they map; no more than that.
	 */
	uintptr_t seed;
	/*
	 * CPUs that the machine may have, numbered by om_arch_cpu() from 0. Each gets counters, a
	 * cache of free frames, and a part of the address space that faults there, and works mostly
	 * in these. 0 is 1, and right for a port whose om_arch_cpu() is always 0. One too small is
	 * not wrong: some share.
	 */
	unsigned nr_cpus;
};

/*
 * Bytes of storage that a system needs: a fixed part, a kilobyte a CPU (their number rounded
 * up to a power of two), and a little more than 33 bytes a frame (29 on 32-bit machines). Reads
 * nr_frames and nr_cpus of the configuration, nothing else.
 */
OM_API size_t om_system_bytes(const struct om_config *config);

/*
 * Which rule does the configuration break? In words, or NULL if it is right: arch, ops, and the
 * hooks flush and panic are given; with `wait` there is `wake`, with `wait_briefly` there is
 * `wait`; 2 <= nr_frames < 2^31 - 1; storage is given and 64-byte aligned; swap_cluster is not too
 * large. Any context.
 */
OM_API const char *om_check_config(const struct om_config *config);

/*
 * Build a system in `config->storage`. It owns no frame until om_add_memory() gives it some.
 * Returns NULL if the configuration cannot work: om_check_config() says why.
 * Context: single-threaded. Cost: O(nr_frames).
 */
OM_API struct om_system *om_system_init(const struct om_config *config);

/*
 * Take down a system. All mms and mappings must be gone and swap devices off.
 * Returns -OM_EBUSY, changing nothing, if something still uses a frame. Afterwards the storage and
 * the frames are the embedder's again.
 */
OM_API int om_system_fini(struct om_system *sys);

/*
 * Hand frames [first, first + n) to the system. They must be below nr_frames, not handed over
 * before, and nobody else may use them from now on. Their contents do not matter.
 * Errors: EINVAL. Context: may run while the system is in use; sleeps while another one runs.
 * Cost: O(n).
 */
OM_API int om_add_memory(struct om_system *sys, om_pfn_t first, om_pfn_t n);

/*
 * Frames at which the background thread should start (`low`) and may stop (`high`) reclaiming, and
 * the frames only the library's own metadata may still take (`min`). Defaults: 1/64, 1/32 and
 * 1/256 of the memory. Errors: EINVAL unless min <= low <= high <= frames.
 */
OM_API int om_set_watermarks(struct om_system *sys, om_pfn_t min, om_pfn_t low, om_pfn_t high);

/*
 * Where a first write may bring all frames that one leaf table maps (2 MiB on x86-64), mapped by
 * one big entry: nowhere; in areas with MADV_HUGEPAGE, the default; or everywhere but with
 * MADV_NOHUGEPAGE. Only private anonymous memory that may be written and not executed, if the area
 * covers the whole table, nothing is in it yet, and enough frames are free side by side and above
 * the high watermark; else one page comes, as always. On ports without big entries
 * (OM_BIG_ENTRIES), and with reverse-map designs that cannot, always NEVER. Any context. It tells
 * faults that come; what is there stays.
 */
enum om_huge { OM_HUGE_NEVER, OM_HUGE_MADVISE, OM_HUGE_ALWAYS };
OM_API void om_set_huge(struct om_system *sys, enum om_huge huge);

/* The three of this moment, derived or set. Any of the pointers may be NULL. Any context. */
OM_API void om_get_watermarks(const struct om_system *sys, om_pfn_t *min, om_pfn_t *low,
                              om_pfn_t *high);

/*
 * Frames free at this moment, those in the CPUs' caches, too. While other CPUs take and free some,
 * a few that change their place may be left out or be counted twice. Cost: linear in the number of
 * CPUs, or none when memory is short.
 */
OM_API om_pfn_t om_free_frames(const struct om_system *sys);

/*
 * A frame for the embedder's own use (kernel stacks, tables of its own), zeroed; never reclaimed.
 * Returns -OM_ENOMEM when reclaim finds none. May sleep.
 */
OM_API int om_frame_alloc(struct om_system *sys, om_pfn_t *pfn);
OM_API void om_frame_free(struct om_system *sys, om_pfn_t pfn);

/* ---------------------------------------------------------------- address spaces ------------ */

struct om_mm;

/*
 * The shape of an address space. Its rules: all but brk_start are page aligned;
 * lowest < mmap_base <= highest <= OM_VA_LIMIT (om_arch.h); brk_start is 0 or in [lowest, highest).
 * `lowest` may be 0: then a program may map page 0 by FIXED, and a read through a NULL pointer
 * need not fault. A place that the library chooses is never page 0.
 */
struct om_layout {
	uintptr_t lowest;    /* no mapping below (Linux: mmap_min_addr) */
	uintptr_t highest;   /* no mapping at or above (Linux: TASK_SIZE) */
	uintptr_t mmap_base; /* om_mmap without an address searches downwards from here */
	uintptr_t brk_start; /* where the heap begins; 0: om_brk() fails, see om_set_brk_start() */
	size_t guard_gap;    /* bytes kept free below a GROWSDOWN area (Linux: 256 pages) */
};

enum om_limit {
	OM_LIMIT_AS,      /* bytes of address space */
	OM_LIMIT_DATA,    /* bytes of private writable memory, and of brk */
	OM_LIMIT_STACK,   /* bytes a GROWSDOWN area may reach */
	OM_LIMIT_MEMLOCK, /* bytes locked */
	OM_LIMIT_VMAS,    /* areas (default OM_VMAS_DEFAULT) */
	OM_LIMIT_TABLES,  /* bytes of page tables, all levels (Linux has no such limit) */
	OM_NR_LIMITS
};
#define OM_UNLIMITED ((uintptr_t)-1)

/* Which rule of struct om_layout is broken? In words, or NULL if none is. Any context. */
OM_API const char *om_check_layout(const struct om_layout *layout);

/*
 * Create an empty address space. `cookie` is the port's: om_mm_cookie() gives it back, e.g. to find
 * the CPUs to interrupt in `flush`. Errors: EINVAL (om_check_layout() says why), ENOMEM. May sleep.
 * Cost: one object and one page-table page.
 */
OM_API int om_mm_create(struct om_system *sys, const struct om_layout *layout, void *cookie,
                        struct om_mm **mm);

/*
 * Give up an address space: everything is unmapped and freed. No CPU may run on it any more, and no
 * call on it may be under way. May sleep. Cannot fail. Cost: linear in present pages and areas.
 */
OM_API void om_mm_destroy(struct om_mm *mm);

/* Unmap everything (exec): as om_mm_destroy(), but the mm stays, with limits and brk_start kept. */
OM_API void om_mm_empty(struct om_mm *mm);

/*
 * Duplicate an address space copy-on-write (fork). The child has the parent's areas, except those
 * marked DONTFORK; WIPEONFORK areas are empty in it; locks are not inherited (nor what mlockall()
 * said of the future). It has the parent's limits, all of them, and its heap's start and end.
 * Errors: ENOMEM, EINTR (between two page tables); the parent is then as before. May sleep.
 * Leaf tables that lie whole in one private anonymous area are shared until one of the two changes
 * something there, unless the area is locked, or the port cannot (OM_READ_ONLY_TABLES).
 * Cost: linear in areas, in shared tables, and in present private pages of other tables; one
 * anon_vma at most per area that has ever held an anonymous page and has none yet.
 * Source: RFC of 10 March 2004 (anon_vma is made by fork alone).
 */
OM_API int om_fork(struct om_mm *parent, void *cookie, struct om_mm **child);

/* What om_mm_create() or om_fork() was given. Any context. */
OM_API struct om_system *om_mm_system(const struct om_mm *mm);
OM_API void *om_mm_cookie(const struct om_mm *mm);
/* The frame of the top-level page table, for the port to load into the MMU; fixed for life. */
OM_API om_pfn_t om_mm_root(const struct om_mm *mm);

/*
 * Limits as setrlimit(2) has them: of one address space, kept by om_mm_empty() and copied by
 * om_fork(); OM_UNLIMITED is the default, except for OM_LIMIT_VMAS, which is
 * max_map_count of Linux and counted as there: mmap and brk fail with more areas than the limit, so
 * that there can be one more; what leaves more areas than before, and more than the limit, fails;
 * what does not, never does; a move wants four to be left, or six if it names the place.
 */
OM_API void om_set_limit(struct om_mm *mm, enum om_limit which, uintptr_t value);
OM_API uintptr_t om_get_limit(const struct om_mm *mm, enum om_limit which);

/* ---------------------------------------------------------------- faults and access --------- */

enum om_access { OM_READ = 1, OM_WRITE = 2, OM_EXEC = 4 };

enum om_fault_result {
	OM_FAULT_MINOR,  /* resolved without I/O: let the program go on */
	OM_FAULT_MAJOR,  /* resolved, after a transfer */
	OM_FAULT_MAPERR, /* nothing is mapped there: SIGSEGV, SEGV_MAPERR */
	OM_FAULT_ACCERR, /* the area does not allow the access: SIGSEGV, SEGV_ACCERR */
	OM_FAULT_BUS,    /* beyond the end of the file, or the store failed or refused: SIGBUS */
	OM_FAULT_OOM,    /* no memory, even after reclaim: somebody has to go, see om_mm_usage() */
	OM_FAULT_LIMIT,  /* it would take a page table more than OM_LIMIT_TABLES allows: SIGKILL */
	OM_FAULT_INTR,   /* not resolved: no memory at once, and the thread is to die */
};

/*
 * The page-fault entry: make the `access` at `addr` possible. Call it with interrupts enabled from
 * the fault handler, then return to the program, which tries again.
 * May sleep. Allocates at most one data frame and page-table pages (I6), and, for a page of a file
 * not yet cached, a frame of the file's index.
 */
OM_API enum om_fault_result om_fault(struct om_mm *mm, uintptr_t addr, enum om_access access);

/*
 * Copy between a buffer of the caller and an address space, with faults (copy_from_user,
 * process_vm_readv). Permissions of the areas hold. Partial: *done (if not NULL) tells the bytes
 * copied, in order from the start. Errors: EFAULT (includes SIGBUS cases), ENOMEM, EINTR (between
 * two pages). May sleep.
 */
OM_API int om_read(struct om_mm *mm, uintptr_t addr, void *buf, size_t len, size_t *done);
OM_API int om_write(struct om_mm *mm, uintptr_t addr, const void *buf, size_t len, size_t *done);

/*
 * As om_read() and om_write(), for callers that cannot wait: what is in memory, and allows the
 * access as it is, is copied. Partial: *done. The one error is EAGAIN: the next byte is out of
 * reach just now, for whatever reason; om_read() or om_write(), where the caller may sleep, gets it
 * or says why not. It can happen at any time, also to a page that has just been there: reclaim,
 * fork and other CPUs see to that. For copies under a spinning lock: after an EAGAIN release it,
 * call om_fault() for the page, take the lock again, and look anew at what it guards
 * (docs/porting.md, "Before you start").
 * Context: spinning locks of the embedder may be held, and interrupts be off, as it never waits for
 * a lock; but not those locks that the hook `wake` takes, which it may call; nor an interrupt
 * handler. Debug builds report it if anything in it would sleep.
 */
OM_API int om_read_nofault(struct om_mm *mm, uintptr_t addr, void *buf, size_t len, size_t *done);
OM_API int om_write_nofault(struct om_mm *mm, uintptr_t addr, const void *buf, size_t len,
                            size_t *done);

/*
 * Copy a string (strncpy_from_user): the bytes from `addr` on up to the first NUL, with it, at most
 * `size`. 0: buf holds the string and its NUL, *len (if not NULL) is its length without. Otherwise
 * *len is the number of bytes copied, none of them NUL: ENAMETOOLONG (all `size` of them, also if
 * that is 0), EFAULT (what follows cannot be read; a string that ends before that is no error),
 * ENOMEM, EINTR. Bytes of buf behind these are not touched. The string is read once, so what
 * another thread of the program does to it meanwhile cannot take its NUL away. May sleep.
 */
OM_API int om_read_string(struct om_mm *mm, uintptr_t addr, char *buf, size_t size, size_t *len);

/*
 * Pin the page at `addr` for I/O: it stays mapped there and in this frame until om_unpin(),
 * whatever fork, reclaim or swap do (munmap takes it out of the address space but not away from
 * the pinner). `access` is what the device will do: OM_WRITE breaks copy-on-write first, OM_READ
 * unshares too, so that the device sees the program's later writes. *pfn is the frame.
 * Errors: EFAULT (no such mapping, access not allowed, beyond EOF), ENOMEM, EAGAIN (4095 pins are
 * on the page).
 * May sleep.
 */
OM_API int om_pin(struct om_mm *mm, uintptr_t addr, enum om_access access, om_pfn_t *pfn);

/* Undo one om_pin(); `dirtied`: the device wrote. Context: any thread, may not sleep. */
OM_API void om_unpin(struct om_system *sys, om_pfn_t pfn, bool dirtied);

/* ---------------------------------------------------------------- mapping calls ------------- */

enum om_prot {
	OM_PROT_NONE = 0,
	OM_PROT_READ = 1,
	OM_PROT_WRITE = 2,
	OM_PROT_EXEC = 4,
	OM_PROT_GROWSDOWN = 0x01000000,
	OM_PROT_GROWSUP = 0x02000000
};

enum om_map_flags {
	OM_MAP_SHARED = 0x01,
	OM_MAP_PRIVATE = 0x02,
	OM_MAP_FIXED = 0x10,
	OM_MAP_GROWSDOWN = 0x0100,
	OM_MAP_LOCKED = 0x2000,
	OM_MAP_NORESERVE = 0x4000, /* accepted: objrmap never reserves */
	OM_MAP_POPULATE = 0x8000,
	OM_MAP_FIXED_NOREPLACE = 0x100000,
	/*
	 * Not Linux's: the file, or the device that gives anonymous memory, was opened read-only,
	 * so a shared mapping can never be written.
	 */
	OM_MAP_FILE_RDONLY = 0x40000000,
	/*
	 * Not Linux's: the caller neither owns the file nor may write to it, so mincore() shall not
	 * tell what others have brought into its cache. Ignored without a file.
	 */
	OM_MAP_HIDE_CACHE = 0x20000000,
};

struct om_mapping;

struct om_map_request {
	uintptr_t addr; /* in: a hint, or with FIXED the place; out: the start of the new mapping */
	size_t len;     /* bytes; rounded up to pages */
	int prot;       /* enum om_prot */
	int flags;      /* enum om_map_flags */
	struct om_mapping *file; /* NULL: anonymous memory; private, or shared and swappable */
	uint64_t offset;         /* bytes into the file, page aligned; ignored without one */
	uintptr_t below; /* 0, or the mapping ends there at the latest; ignored with FIXED */
};

/*
 * mmap(2). `request` changes on success alone, and only its `addr`.
 * Errors: EINVAL (len 0, alignment, neither or both of SHARED and PRIVATE, GROWSDOWN with a file or
 * SHARED), EEXIST (FIXED_NOREPLACE over something), EOVERFLOW (offset + len), EACCES (shared and
 * writable with FILE_RDONLY), EAGAIN (LOCKED beyond the limit), EPERM (LOCKED with limit 0; shared
 * and writable after om_mapping_deny_writable()), ENOMEM (no room, limits AS, DATA or VMAS, no
 * frame). Failures of POPULATE are not reported, as in Linux, nor that the thread is to die.
 * May sleep. Cost: O(log areas), plus what FIXED replaces and POPULATE touches.
 */
OM_API int om_mmap(struct om_mm *mm, struct om_map_request *request);

/*
 * munmap(2): holes are fine. Errors: EINVAL (len 0, alignment, beyond `highest`), ENOMEM (a hole in
 * the middle of one area, with OM_LIMIT_VMAS areas or more; no frame). May sleep.
 * Cost: linear in present pages and areas of the range.
 */
OM_API int om_munmap(struct om_mm *mm, uintptr_t addr, size_t len);

/*
 * mprotect(2). Errors: EINVAL (alignment, unknown bits, GROWSDOWN on another kind of area),
 * EACCES (write to a shared mapping of a read-only file), ENOMEM (hole: partial, everything
 * before the hole is changed; limits; no frame).
 */
OM_API int om_mprotect(struct om_mm *mm, uintptr_t addr, size_t len, int prot);

enum om_mremap_flags { OM_MREMAP_MAYMOVE = 1, OM_MREMAP_FIXED = 2, OM_MREMAP_DONTUNMAP = 4 };

struct om_remap_request {
	uintptr_t old_addr;      /* page aligned */
	size_t old_len, new_len; /* bytes; old_len 0 makes a second mapping of shared memory */
	int flags;               /* enum om_mremap_flags */
	uintptr_t
	    new_addr; /* in: the place with FIXED, a hint with DONTUNMAP; out: the new start */
};

/*
 * mremap(2). `request` changes on success alone, and only its `new_addr`.
 * Errors: EINVAL, EFAULT (not one area; nothing there), ENOMEM, EAGAIN (locked beyond the limit).
 * Unlike Linux 6.17, one call moves one area only: with FIXED a range of several is EFAULT.
 * May sleep. Cost: O(1) per whole page table moved, else linear in present pages moved.
 */
OM_API int om_mremap(struct om_mm *mm, struct om_remap_request *request);

/*
 * brk(2): set the end of the heap and return the new end; when that is impossible (limit,
 * collision, no memory), or `end` is 0, return the old one. The exact value is kept, not rounded.
 */
OM_API uintptr_t om_brk(struct om_mm *mm, uintptr_t end);

/*
 * Say where the heap begins, and ends: for exec, which learns it from the file of the program,
 * after om_mm_empty(). 0: none from now on. om_mm_empty() keeps it, om_fork() gives it to the
 * child. It need not be page aligned. Errors: EINVAL (not 0, and not in [lowest, highest) of the
 * layout), EBUSY (om_brk() has made a heap that is not empty). May sleep.
 */
OM_API int om_set_brk_start(struct om_mm *mm, uintptr_t start);

/*
 * remap_file_pages(2) as it was from Linux 2.6.23 on: page i of [addr, addr + len) shows page
 * pgoff + i of the file from now on. `addr` is rounded down, `prot` must be 0. The range must lie
 * in one shared mapping.
 * Shared memory (see om_mapping_create): no new area is made. The area becomes nonlinear: absent
 * pages leave file-offset entries in the page table, and what it costs that nothing says where a
 * page is falls on its owner: reclaim takes such pages away sooner (docs/design.md).
 * A file with a store: the range becomes an area of its own, or part of its neighbours.
 * Errors: EINVAL, ENOMEM (no frame; with a store also OM_LIMIT_VMAS, as for om_mmap()).
 */
OM_API int om_remap_file_pages(struct om_mm *mm, uintptr_t addr, size_t len, int prot, size_t pgoff,
                               int flags);

enum om_advice {
	OM_MADV_NORMAL = 0,
	OM_MADV_RANDOM = 1,
	OM_MADV_SEQUENTIAL = 2,
	OM_MADV_WILLNEED = 3,
	OM_MADV_DONTNEED = 4,
	OM_MADV_FREE = 8,
	OM_MADV_REMOVE = 9,
	OM_MADV_DONTFORK = 10,
	OM_MADV_DOFORK = 11,
	OM_MADV_HUGEPAGE = 14,
	OM_MADV_NOHUGEPAGE = 15,
	OM_MADV_WIPEONFORK = 18,
	OM_MADV_KEEPONFORK = 19,
	OM_MADV_COLD = 20,
	OM_MADV_PAGEOUT = 21,
	OM_MADV_POPULATE_READ = 22,
	OM_MADV_POPULATE_WRITE = 23,
	OM_MADV_DONTNEED_LOCKED = 24,
};

/*
 * madvise(2). Errors: EINVAL (alignment, unknown advice, advice that does not fit the area, locked
 * area), ENOMEM (hole: partial, the mapped parts have been advised), EAGAIN (a split would pass
 * OM_LIMIT_VMAS or no frame), EFAULT (POPULATE beyond EOF), EIO (WILLNEED, POPULATE, REMOVE),
 * EACCES, EOPNOTSUPP (REMOVE, as om_mapping_punch()), EINTR (POPULATE, between two pages). DONTNEED
 * gives back the page tables, too, that it empties. HUGEPAGE, NOHUGEPAGE: see om_set_huge().
 */
OM_API int om_madvise(struct om_mm *mm, uintptr_t addr, size_t len, int advice);

enum om_mlock_flags { OM_MLOCK_ONFAULT = 1 };
enum om_mlockall_flags { OM_MCL_CURRENT = 1, OM_MCL_FUTURE = 2, OM_MCL_ONFAULT = 4 };

/*
 * mlock(2), mlock2(2): `addr` is rounded down, the end up. Errors: EINVAL (wrap, flags), EPERM
 * (limit 0), ENOMEM (limit; hole: partial, the part before it is locked; a page could not be made
 * present: the areas are locked all the same), EINTR (between two pages: they are, too), EAGAIN.
 */
OM_API int om_mlock(struct om_mm *mm, uintptr_t addr, size_t len, int flags);
/*
 * munlock(2). Errors: EINVAL (wrap), ENOMEM (hole: partial, the part before it is unlocked;
 * split). One call undoes any number.
 */
OM_API int om_munlock(struct om_mm *mm, uintptr_t addr, size_t len);
/*
 * mlockall(2). Errors: EINVAL, EPERM, ENOMEM (limit; no frame). Pages that cannot be made present
 * are not reported.
 */
OM_API int om_mlockall(struct om_mm *mm, int flags);
OM_API int om_munlockall(struct om_mm *mm);

/*
 * mincore(2): vec[i] bit 0 = page i is in memory; all pages of a HIDE_CACHE mapping are said to be.
 * `addr` page aligned. Errors: EINVAL, ENOMEM (hole).
 */
OM_API int om_mincore(struct om_mm *mm, uintptr_t addr, size_t len, unsigned char *vec);

enum om_msync_flags { OM_MS_ASYNC = 1, OM_MS_INVALIDATE = 2, OM_MS_SYNC = 4 };

/*
 * msync(2). Errors: EINVAL (alignment, SYNC and ASYNC together, unknown flag), EBUSY (INVALIDATE
 * on a locked area), ENOMEM (hole: partial), EIO, EAGAIN (as om_mapping_sync()). May sleep.
 */
OM_API int om_msync(struct om_mm *mm, uintptr_t addr, size_t len, int flags);

/* ---------------------------------------------------------------- files --------------------- */

/*
 * Create the page cache of a file of `size` bytes behind `ops` (see om_store_ops; `store` is its
 * first argument), or with ops or ops->read NULL, shared memory that lives in RAM and swap
 * (tmpfs, memfd). The caller holds one reference. Errors: ENOMEM, EOVERFLOW (more pages than a
 * word can count). May sleep.
 */
OM_API int om_mapping_create(struct om_system *sys, const struct om_store_ops *ops, void *store,
                             uint64_t size, struct om_mapping **mapping);

/*
 * References: each area mapping the file holds one. The last put writes back and drops all pages,
 * those that cannot be written as well: call om_mapping_sync() before, to know. The last put may
 * sleep.
 */
OM_API void om_mapping_get(struct om_mapping *mapping);
/*
 * One more reference, unless there is none any more: false, from the moment in which the last put
 * begins. Then the pages are being written back, and a new mapping of the file would not see them:
 * wait for `release`, and make one then. The mapping itself is there until `release` returns: so
 * whoever keeps a pointer to it without a reference clears it in `release`, under a lock, and calls
 * this with that lock held. Context: any.
 */
OM_API bool om_mapping_tryget(struct om_mapping *mapping);
OM_API void om_mapping_put(struct om_mapping *mapping);

/* Bytes, at this moment. Any context. */
OM_API uint64_t om_mapping_size(const struct om_mapping *mapping);

/*
 * What a file holds of memory and swap at this moment, whoever maps it or nobody: of shared memory
 * that is its own for as long as it lives. Context: may not sleep; takes the mapping's lock.
 */
struct om_mapping_usage {
	size_t pages; /* in the page cache */
	size_t swap;  /* slots of shared memory */
	size_t nodes; /* frames of the file's index: up to several a page if those lie far apart */
};
OM_API void om_mapping_usage(struct om_mapping *mapping, struct om_mapping_usage *usage);

/*
 * Set the size (ftruncate(2)). Growing: new bytes read as zero. Shrinking: pages beyond the end
 * leave the cache and every address space, private copies too, and the tail of the last page is
 * zeroed; what is written behind the new end, once it has been seen, stays. Call it before
 * shrinking the store itself, and let nobody make the file longer in between. Errors: ENOMEM, EIO
 * (the last page must be read to zero its tail), EOVERFLOW. May sleep.
 */
OM_API int om_mapping_truncate(struct om_mapping *mapping, uint64_t size);

/*
 * Make a hole: bytes [offset, offset + len) read as zero, and the size stays (fallocate(2)
 * PUNCH_HOLE). Whole pages leave the cache and every area, but for private copies, and the store
 * (`punch` of om_store_ops); partial pages are zeroed in memory. Each page leaves at one moment:
 * what is written to its place after that stays. Errors: EOPNOTSUPP (the store has no `punch`);
 * ENOMEM or EIO, if a partial page cannot be read: nothing has changed; EIO, if the store could not
 * punch: what the whole pages held and the store has not is lost. May sleep.
 */
OM_API int om_mapping_punch(struct om_mapping *mapping, uint64_t offset, uint64_t len);

/*
 * Read and write through the page cache (read(2), write(2)): coherent with every mapping. A write
 * beyond the end grows the size. Partial: *done tells the bytes moved; a write that failed may have
 * grown the size by part of a page that reads as zero. Reading stops at the end of the file.
 * Errors: EIO, ENOMEM, EOVERFLOW (end of a write beyond the largest size). May sleep.
 */
OM_API int om_mapping_read(struct om_mapping *mapping, uint64_t offset, void *buf, size_t len,
                           size_t *done);
OM_API int om_mapping_write(struct om_mapping *mapping, uint64_t offset, const void *buf,
                            size_t len, size_t *done);

/*
 * Write dirty pages of [offset, offset + len) to the store (fsync(2)); len 0 means to the end.
 * Returns the first error, after having tried every page; failed pages stay dirty. EIO, or EAGAIN
 * if that is what the store's `write` said. May sleep.
 */
OM_API int om_mapping_sync(struct om_mapping *mapping, uint64_t offset, uint64_t len);

/*
 * How many areas map the file shared and may write to it, now or after an mprotect(): a program
 * that is to be executed should have none (ETXTBSY). Any context.
 */
OM_API uint32_t om_mapping_writably_mapped(const struct om_mapping *mapping);

/*
 * From now on no shared mapping of the file can be written: mmap() with PROT_WRITE answers EPERM,
 * mprotect() of one made since EACCES (memfd's F_SEAL_WRITE). Errors: EBUSY if there is one that
 * can, or a page of the file is pinned. Calls are counted: allow takes back one deny. May sleep.
 * Cost of deny: linear in the pages of the file that are in memory.
 */
OM_API int om_mapping_deny_writable(struct om_mapping *mapping);
OM_API void om_mapping_allow_writable(struct om_mapping *mapping);

/* ---------------------------------------------------------------- swap and reclaim ---------- */

/*
 * Add a swap device of `slots` pages. Devices of higher `priority` fill first, equal ones in
 * turn. *device is its number. `ops` and `store` must live until om_swapoff(). Errors: EINVAL
 * (missing hook, slots 0 or more than OM_SWAP_SLOTS_MAX), ENOSPC (all device numbers taken),
 * ENOMEM. May sleep.
 * Memory: 8 bytes a slot, taken from the system's frames.
 */
OM_API int om_swapon(struct om_system *sys, const struct om_store_ops *ops, void *store,
                     uint32_t slots, int priority, unsigned *device);

/*
 * Empty a swap device and forget it: every page in it is read back. Errors: EINVAL (no such
 * device, or another swapoff is at it); ENOMEM, EIO, EINTR (between two pages): the device stays in
 * use, and what has been read back stays in memory, too. May sleep, long.
 * Cost: linear in all page tables of the system.
 */
OM_API int om_swapoff(struct om_system *sys, unsigned device);

/*
 * Try to free about `pages` frames, of pages and of page tables that hold nothing; returns how many
 * were freed. For the background thread:
 *     while (om_free_frames(sys) < high && om_reclaim_step(sys, 32) > 0) ;
 * May sleep.
 */
OM_API size_t om_reclaim_step(struct om_system *sys, size_t pages);

/* ---------------------------------------------------------------- figures ------------------- */

/* Event counters since om_system_init(), like /proc/vmstat. Names: om_event_name(). */
enum om_event {
	OM_EV_PGFAULT,      /* faults that were resolved */
	OM_EV_PGMAJFAULT,   /* of these, with a transfer */
	OM_EV_FAULT_ANON,   /* by kind: fresh anonymous page */
	OM_EV_FAULT_ZERO,   /* read of untouched memory: the zero page */
	OM_EV_FAULT_COW,    /* copied */
	OM_EV_FAULT_REUSE,  /* sole owner: shared turned direct, or made writable */
	OM_EV_FAULT_FILE,   /* page of a mapping */
	OM_EV_FAULT_SWAP,   /* swap entry resolved */
	OM_EV_PGALLOC,      /* frames allocated */
	OM_EV_PGFREE,       /* frames freed */
	OM_EV_META_ALLOC,   /* objects allocated (areas, anon_vmas, mms, mappings) */
	OM_EV_PSWPIN,       /* pages read from swap */
	OM_EV_PSWPOUT,      /* pages written to swap */
	OM_EV_SWAP_READ,    /* transfers from swap */
	OM_EV_SWAP_OVER,    /* pages read with those of pswpin, and thrown away */
	OM_EV_SWAP_RA,      /* of pswpin, read ahead */
	OM_EV_SWAP_RA_HIT,  /* read-ahead pages that were then faulted */
	OM_EV_PGPGIN,       /* pages read from files */
	OM_EV_FILE_RA,      /* of pgpgin, read ahead */
	OM_EV_FILE_RA_HIT,  /* of these, used */
	OM_EV_FILE_RA_MISS, /* and evicted before they were used */
	OM_EV_PGPGOUT,      /* pages written to files */
	OM_EV_PGSCAN,       /* frames reclaim looked at */
	OM_EV_PGSTEAL_ANON, /* pages reclaim freed: that go to swap */
	OM_EV_PGSTEAL_FILE, /* and others */
	OM_EV_REFAULT_ANON, /* pages that were evicted and are wanted again */
	OM_EV_REFAULT_FILE,
	OM_EV_PGACTIVATE,      /* pages that had begun to age, and were found used */
	OM_EV_PGDEACTIVATE,    /* pages that were found not used for the first time */
	OM_EV_PGLAZYFREE,      /* pages marked by MADV_FREE */
	OM_EV_PGLAZYFREED,     /* of these, dropped without I/O */
	OM_EV_UNEVICTABLE_IN,  /* pages that reclaim passes by because of mlock */
	OM_EV_UNEVICTABLE_OUT, /* and came back */
	OM_EV_ALLOCSTALL,      /* direct reclaims */
	OM_EV_OOM,             /* requests that failed for lack of memory */
	OM_EV_FORK,
	OM_EV_FORK_COPY,        /* pages copied by fork because they were pinned */
	OM_EV_DIRECT_TO_SHARED, /* pages fork made shared */
	OM_EV_SHARED_TO_DIRECT, /* pages that were found exclusive again, by a fault or a walk */
	OM_EV_TABLE_MOVE,       /* whole page tables moved by mremap */
	OM_EV_RMAP_WALKS,       /* reverse-map walks */
	OM_EV_RMAP_PROBES,      /* page-table entries looked at in walks */
	OM_EV_RMAP_FOUND,       /* of these, entries that mapped the page */
	OM_EV_RMAP_RETRIES,     /* walks started again because the page changed its object */
	OM_EV_RMAP_COPY,        /* pages copied because the design could not find them otherwise */
	OM_EV_MERGE_REFUSED, /* neighbours kept apart although they differ in nothing a call sees */
	OM_EV_SWAP_READ_ERR,
	OM_EV_SWAP_WRITE_ERR,
	OM_EV_SWAP_SCAN,     /* slots looked at in searches for a free one */
	OM_EV_TABLE_RECLAIM, /* page tables reclaim has freed, as they held nothing */
	OM_EV_TABLE_SHARE,   /* leaf tables that a fork gave to the child as they are */
	OM_EV_TABLE_UNSHARE, /* leaf tables copied after all, as one owner was about to change it */
	OM_EV_TABLE_FOLD,    /* leaf tables behind a big entry: om_set_huge() */
	OM_EV_TABLE_UNFOLD,  /* and such whose entries the MMU sees again */
	OM_NR_EVENTS
};

/* A constant string, as in /proc/vmstat; NULL if there is no such event. */
OM_API const char *om_event_name(enum om_event ev);

/* State of the whole system at one moment (not a consistent snapshot while others run). */
struct om_sysinfo {
	uint64_t event[OM_NR_EVENTS];
	om_pfn_t frames, free;                    /* frames owned; free */
	om_pfn_t anon_direct, anon_shared;        /* mapped anonymous pages by kind */
	om_pfn_t file_mapped, file_cached, shmem; /* page cache: mapped, all, of it shared memory */
	om_pfn_t swap_cached;                     /* anonymous pages with a slot */
	om_pfn_t tables, index, objects;          /* frames of page tables, file indexes, objects */
	om_pfn_t active_anon, inactive_anon, active_file, inactive_file, unevictable;
	uint32_t swap_slots, swap_free;
	size_t rmap_bytes; /* memory of the reverse map beyond the areas */
	unsigned nr_mm, nr_vma, nr_anon_vma, nr_mapping;
};
OM_API void om_sysinfo(struct om_system *sys, struct om_sysinfo *info);

/*
 * Figures of an address space, or of the part [start, end), as /proc/PID/status and smaps have
 * them. Sizes are in pages. Pss is in 1/4096 of a page. Cost: linear in page-table entries.
 */
struct om_mminfo {
	size_t size; /* mapped address space */
	size_t rss, pss;
	size_t shared_clean, shared_dirty; /* mapped more than once */
	size_t private_clean, private_dirty;
	size_t direct, shared, file; /* present pages by reverse-map kind */
	size_t zero;                 /* zero-page entries (not in rss) */
	size_t pinned;               /* of rss, pages that om_pin() holds */
	size_t swap, locked, referenced;
	size_t tables; /* frames of page tables (whole mm only) */
	unsigned vmas;
	size_t data; /* private writable address space */
};
OM_API int om_mminfo(struct om_mm *mm, uintptr_t start, uintptr_t end, struct om_mminfo *info);

/*
 * om_mminfo.rss of a whole address space, in pages, from the counters: those of the address space,
 * and of each CPU on which its threads fault. Another CPU's fault or unmapping that is under way
 * may be in it or not. Any context.
 */
OM_API size_t om_mm_rss(const struct om_mm *mm);

/*
 * What would be free if this address space were not, as far as it does not share: from the
 * counters, as om_mm_rss(). For whoever has to choose one to end when memory is out: the sum of the
 * first four is what Linux calls the badness of a process.
 */
struct om_mm_usage {
	size_t anon, file; /* present pages; file: of shared memory, too */
	size_t swap;       /* slots */
	size_t tables;     /* frames of page tables, all levels */
	size_t areas;      /* frames that its areas' objects fill */
};
OM_API void om_mm_usage(const struct om_mm *mm, struct om_mm_usage *usage);

enum om_vma_flags {
	OM_VM_READ = 0x1,
	OM_VM_WRITE = 0x2,
	OM_VM_EXEC = 0x4,
	OM_VM_SHARED = 0x8,
	OM_VM_MAYWRITE = 0x10,
	OM_VM_GROWSDOWN = 0x20,
	OM_VM_LOCKED = 0x40,
	OM_VM_LOCKONFAULT = 0x80,
	OM_VM_DONTFORK = 0x100,
	OM_VM_WIPEONFORK = 0x200,
	OM_VM_NONLINEAR = 0x400,
	OM_VM_NORESERVE = 0x800,
	OM_VM_RAND_READ = 0x1000,
	OM_VM_SEQ_READ = 0x2000,
	OM_VM_HIDE_CACHE = 0x4000,
	OM_VM_HUGEPAGE = 0x8000,
	OM_VM_NOHUGEPAGE = 0x10000,
};

/* One area, as a line of /proc/PID/maps. */
struct om_vmainfo {
	uintptr_t start, end;
	unsigned flags;             /* enum om_vma_flags */
	struct om_mapping *mapping; /* NULL: private anonymous */
	void *store;                /* the mapping's, as given to om_mapping_create() */
	uint64_t pgoff;
};

/*
 * The first area that ends above `addr`: iterate with addr = info.end. Returns false if there is
 * none.
 */
OM_API bool om_vma_next(struct om_mm *mm, uintptr_t addr, struct om_vmainfo *info);

/* What a page-table entry holds, for /proc/PID/pagemap. */
enum om_pagekind {
	OM_PAGE_NONE,
	OM_PAGE_ZERO,
	OM_PAGE_DIRECT,
	OM_PAGE_SHARED,
	OM_PAGE_FILE,
	OM_PAGE_SWAP,
	OM_PAGE_OFFSET
};
struct om_pageinfo {
	enum om_pagekind kind;
	uint64_t value;    /* pfn, swap entry or file offset */
	uint32_t mapcount; /* of a present page */
	bool writable, dirty, young;
};
OM_API void om_pageinfo(struct om_mm *mm, uintptr_t addr, struct om_pageinfo *info);

/*
 * Check the invariants I1-I12 (docs/design.md) from scratch, by brute force over all page tables.
 * The system must be at rest: no other call under way. Returns 0, or the number of violations and
 * describes the first in *bug (if not NULL). `scratch` is nr_frames * 8 bytes of memory to count
 * in.
 * Cost: O(frames + page-table entries + areas log areas).
 */
OM_API unsigned om_verify(struct om_system *sys, void *scratch, struct om_bug *bug);

/*
 * The check for a kernel that has no large pieces of memory: scratch[i] points to one page (of the
 * port's size), and there are as many as nr_frames * 8 bytes take, rounded up. Pages from
 * om_frame_alloc() will do.
 */
OM_API unsigned om_verify_pages(struct om_system *sys, void *const scratch[], struct om_bug *bug);

#ifdef __cplusplus
}
#endif
#endif
