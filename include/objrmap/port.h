/*
 * port.h: what the machine under objrmap supplies at run time.
 *
 * The compile-time half of a port (page size, page-table entries, frame addresses) is the header
 * `om_arch.h` that the port puts on the include path; ports/template/om_arch.h is the commented
 * skeleton. This file is the run-time half: tables of functions, the context first.
 *
 * Rules for every hook:
 *   - results are 0 or a negative OM_E... value unless the hook says otherwise;
 *   - a hook never calls back into objrmap unless it says so;
 *   - no hook runs in interrupt context, and objrmap is never entered from an interrupt handler;
 *   - "may sleep" means that the caller holds no spinning lock at that point.
 */
#ifndef OBJRMAP_PORT_H
#define OBJRMAP_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * On every function of the interface: the library, built with hidden visibility, exports these
 * alone.
 */
#define OM_API __attribute__((visibility("default")))

struct om_mm;
struct om_system;

/* A page frame number: index of a frame in the system's page array. */
typedef uint32_t om_pfn_t;

/*
 * An internal contradiction, or a broken promise of the port. Passed to `panic`; all strings are
 * constants of the library.
 */
struct om_bug {
	const char *rule; /* "I3", "lock rank", or the name of the port hook that misbehaved */
	const char *what; /* the condition that did not hold */
	const char *file; /* where it was noticed */
	int line;
	const void *object; /* the page, vma, mm... concerned; may be NULL */
	uintptr_t value[2]; /* the values that contradict each other */
};

/* Locks a thread of execution holds, kept for the rank checks of debug builds (see `held`). */
struct om_held {
	unsigned depth;
	struct {
		const void *lock;
		uint8_t rank;
		uint32_t steps; /* of work done since it was taken: src/base/held.c */
	} entry[96];            /* the page locks of a transfer are among them */
};

/* What a flush is about, a set: see `flush`. */
enum om_flush {
	OM_FLUSH_PAGES = 1,  /* entries of pages have changed */
	OM_FLUSH_TABLES = 2, /* page tables are about to be freed, or have moved */
	OM_FLUSH_ALL = 3,
};

/*
 * Machine hooks. Tier 1 (a first fault on one CPU) needs only `flush` and `panic`.
 */
struct om_port_ops {
	/*
	 * Required. Entries of `mm` have changed: drop what CPUs have kept of them for addresses in
	 * [start, end) (bytes, page aligned); return when no CPU has, or is using, any of it.
	 *   OM_FLUSH_PAGES   in `what`: translations of the pages in the range;
	 *   OM_FLUSH_TABLES  cached entries of upper levels on the way to the range, which is all
	 *                    that the tables covered. Without PAGES, no page in the range is
	 *                    mapped, and a flush has followed the last one that was.
	 * Dropping more is always right: both, whatever `what` says; or all of the mm, which is
	 * quicker if the range is long.
	 * Example: after munmap of page 0x1000 objrmap calls flush(ctx, mm, 0x1000, 0x2000, PAGES);
	 * if that was the last page of all, also flush(ctx, mm, 0, 1 << 39, TABLES), and then frees
	 * the tables. On one CPU without address-space tags, if `mm` is the current one:
	 *   x86-64   one `invlpg` each time: for TABLES alone, of any page, as each drops all upper
	 *            levels;
	 *   Arm      TLBI VALE1 of the page; TLBI VAE1 of each 2 MiB of the range, or VMALLE1;
	 *   RISC-V   sfence.vma of the page; sfence.vma without an address.
	 * Context: may be called under spinning locks; must not sleep. Interrupts are as the
	 * caller of objrmap left them, so waiting for other CPUs' acknowledgement is fine.
	 */
	void (*flush)(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end,
	              enum om_flush what);

	/*
	 * Optional: for an MMU whose TLB keeps what it has just faulted on. Drop what *this* CPU
	 * has kept of the page at `addr` (page aligned), if it runs on `mm`. om_fault() calls it at
	 * the end whenever it is about to answer MINOR or MAJOR: the entry has been absent, or
	 * granted less, or another CPU's fault had resolved it already. Other CPUs are not told:
	 * one that has kept the page's old entry faults, and om_fault() calls this hook on it.
	 * `was_present`: the fault found an entry, so the CPU may have kept it with fewer
	 * permissions; otherwise there was none, which matters where absent entries are kept.
	 * Example: Arm TLBI VAE1 (not inner shareable) if was_present; RISC-V sfence.vma of the
	 * page, with Svvptc only if was_present.
	 * NULL: a fault ends the life of what caused it, as on x86. NULL on another MMU is a
	 * program that faults for ever.
	 * Context: no lock is held; must not sleep. If the thread returns to the program on another
	 * CPU, that one faults once more.
	 */
	void (*flush_local)(void *ctx, struct om_mm *mm, uintptr_t addr, bool was_present);

	/*
	 * Required. Reports a contradiction and does not return.
	 */
	void (*panic)(void *ctx, const struct om_bug *bug);

	/*
	 * Optional; needed as soon as two threads of execution use objrmap and I/O hooks sleep.
	 * Sleep until `wake(key)`, unless `blocked(arg)` is false. `blocked` must be evaluated
	 * while holding whatever lock `wake` takes for this key, so that no wake-up is lost:
	 *     lock(bucket(key)); if (blocked(arg)) enqueue-and-sleep; unlock(bucket(key));
	 * Returning early is allowed (the caller checks again). Default: spin on `blocked`. Who
	 * comes first and who gets what is the core's affair: nearly every key is the address of
	 * something on the sleeper's own stack, so that it has one sleeper.
	 */
	void (*wait)(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg);

	/*
	 * Optional, beside `wait`: wait for a tenth of a second at most. Returns when that has
	 * passed or `blocked(arg)` is false, and not earlier. Reclaim waits in this way for what
	 * other threads have in hand, a hundred times at most: so a disk may be slow, but one that
	 * never answers does not keep everybody from hearing that memory is out. A thread
	 * that may not write to a swap device yet, since others do, waits in this way for its turn.
	 * Default: `wait`; then a request waits as long as the disk hangs, and nobody waits for a
	 * turn to write to swap: what is in use may go for want of what is old.
	 */
	void (*wait_briefly)(void *ctx, const void *key, bool (*blocked)(const void *arg),
	                     const void *arg);

	/*
	 * Required if `wait` is set. Wake every sleeper on `key`, which is no more than a name
	 * here: what it pointed to may be gone. To wake others as well is right, but wakes them
	 * for nothing; when ten thousand sleep, that is what the machine would be busy with. May
	 * be called under spinning locks; must not sleep.
	 */
	void (*wake)(void *ctx, const void *key);

	/*
	 * Optional. Is the running thread to die, so that nobody waits for what it does? Asked
	 * between the pages of long calls, and before reclaim waits or goes round again; when the
	 * answer is true the call ends with -OM_EINTR, or a fault with OM_FAULT_INTR.
	 * Example: `return fatal_signal_pending(current);`
	 * Context: no spinning lock is held; must not sleep. Default: never.
	 */
	bool (*dying)(void *ctx);

	/*
	 * Optional. Free frames fell below the low watermark: a hint to run om_reclaim_step() in
	 * a background thread. Called under no lock from inside an allocation's outermost frame;
	 * must not sleep and must not reclaim by itself.
	 */
	void (*low_memory)(void *ctx);

	/*
	 * Optional. The running thread begins to wait for memory (`begin`), or has it: it reclaims,
	 * or waits for a page that was taken away and is wanted again. For figures such as those of
	 * /proc/pressure/memory. Never nested. Context: no spinning lock is held; must not sleep.
	 */
	void (*stall)(void *ctx, bool begin);

	/*
	 * Optional. The lock record of the running thread of execution (not of the CPU, if threads
	 * may migrate). Debug builds check lock ranks with it; NULL switches the check off.
	 */
	struct om_held *(*held)(void *ctx);
};

/*
 * Backing store of one file, or of one swap device: transfers of whole pages. `first` counts pages
 * from the start of the store, `frame[i]` points to the memory of page first + i.
 *
 * Context: may sleep. The frames stay valid and unchanged by objrmap until the hook returns, and
 * no two transfers of one page run at the same time.
 */
struct om_store_ops {
	/*
	 * Required; NULL, as `write` then, for shared memory that only wants to hear of its
	 * release, or of stores. Read `n` >= 1 consecutive pages. Bytes beyond the end of a file
	 * read as zero.
	 * Returns 0, or a negative OM_E... value if any of the pages could not be read; the
	 * contents of all n frames are then undefined and objrmap forgets them.
	 */
	int (*read)(void *store, uint64_t first, unsigned n, void *const frame[]);

	/*
	 * Optional: how many pages in a row `read` can leave out. A file page that lies between
	 * others that are wanted may be in memory already; then its frame[i] is NULL, and the store
	 * reads it to nowhere, or skips it, instead of being asked twice. Worth as many pages as
	 * can be transferred in the time of one more request. 0: frame[i] is never NULL. Unused for
	 * swap devices.
	 */
	unsigned read_gap;

	/*
	 * Required for swap and for files with shared writable mappings; may be NULL for a file
	 * that is never written through a mapping. Write `n` >= 1 consecutive pages. Returns 0
	 * when all are accepted. On an error all n pages stay in memory and dirty.
	 *
	 * -OM_EAGAIN says "not now, not from this thread", and is no error: nobody counts it, the
	 * pages stay dirty and as old as they are, and will be tried again. For a thread that is
	 * inside a transaction of the file system, or holds a lock that `write` needs: reclaim
	 * calls `write` in any thread that wants a frame. That thread then takes other pages; if
	 * there are none, it calls `low_memory`, waits up to three seconds for others to free some
	 * (if both this hook and `wait_briefly` are there), and then fails with ENOMEM. So there
	 * should be a background thread, and it should not hear EAGAIN.
	 * om_mapping_sync() and om_msync() return EAGAIN if they hear it. The last reference to a
	 * mapping drops its pages whatever `write` says: do not let it go where that is EAGAIN.
	 */
	int (*write)(void *store, uint64_t first, unsigned n, void *const frame[]);

	/*
	 * Optional; shared memory may have it, too. A program is about to store to page `index`
	 * through a shared mapping that does not let it yet: the page is clean, or this mapping has
	 * only been read since it was. Time to note the modification, and to set blocks aside, so
	 * that `write` does not find the disk full. Returns 0; -OM_ENOMEM ends the fault in
	 * OM_FAULT_OOM, any other error in OM_FAULT_BUS, and nothing is written.
	 *
	 * After a 0 the page is dirty, and may be stored to at any time until a `write` of it that
	 * succeeds, or it leaves the file; then the next store asks again. It may be asked for a
	 * page more than once, and for one that is not stored to in the end, or that has just left
	 * the file. Pages made dirty by om_mapping_write() and om_unpin() are not announced.
	 * Context: may sleep. No lock is held, neither mmap_lock nor the page's: so the hook may
	 * take what the embedder holds around calls of om_mapping_truncate() and its kin.
	 */
	int (*page_mkwrite)(void *store, uint64_t index);

	/*
	 * Optional, and not without `write`; a file that does not have it can get no holes. Pages
	 * [first, first + n) read as zero from now on: called by om_mapping_punch(). None of them
	 * is in memory, and none is read or written until this returns. Returns 0, or a negative
	 * OM_E... value: then each page holds what it did, or zeros.
	 * Context: may sleep; whoever wants one of these pages waits, and so does another punch.
	 */
	int (*punch)(void *store, uint64_t first, uint64_t n);

	/*
	 * Optional. The last reference to the om_mapping is gone and its pages are dropped; it is
	 * not used again. Unused for swap devices. Context: no lock held, may sleep.
	 */
	void (*release)(void *store);
};

#ifdef __cplusplus
}
#endif
#endif
