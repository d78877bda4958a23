/*
 * exempt.c: calls that are not made, because the library and this kernel differ deliberately.
 *
 * This is the whole list of deliberate differences. Those that need no code here are marked (g):
 * never generated, (r): run.c, (l): lazy.c.
 *
 * - joined: the library joins neighbouring areas more often than Linux, which keeps two areas with
 *   different anon_vmas apart. Only mremap, PROT_GROWSDOWN, and limits that stop a call at an area
 *   can tell: skipped if the areas at the range differ on the two sides.
 *
 * - several: mremap(FIXED) of several areas with an unchanged size. Linux 6.17 and later moves them
 *   all; earlier ones and the library say EFAULT.
 *
 * - emptied: mremap(FIXED) empties the destination first on Linux and may fail then: with a source
 *   that wraps, or (old size 0) that has just gone with it (skipped), or with DONTUNMAP at a limit
 *   (lib.c empties it too). The library changes nothing when it fails.
 *
 * - leak: mremap(DONTUNMAP) of locked memory. Linux unlocks the old area but goes on counting it in
 *   VmLck.
 *
 * - code: C_EXEC of anything but a return instruction.
 *
 * - free (l): after MADV_FREE a page is old or zero until it is written. Copies by the kernel over
 *   such pages are skipped.
 *
 * - brk data: RLIMIT_DATA against brk. Linux counts the program's own data segment from its start.
 *
 * - brk hole: shrinking a heap that munmap has taken away. Refused by Linux since 6.0 or so,
 *   granted before, and by the library.
 *
 * - heap stack: growth of a GROWSDOWN area that was moved to the heap. The worker's own memory
 *   below it counts for the guard gap, and growth by terabytes as overcommitment.
 *
 * - lock all: mlockall(MCL_CURRENT) locks the worker's own memory as well. Only if the hard limit
 *   allows.
 *
 * - old, absent, quirks: what this kernel does not know yet, or may not do here, or does as its
 *   predecessors did. probe.c finds out, and says what each quirk is.
 *
 * - tail (r): bytes written behind the end of a file, in its last page, come to light when a memfd
 *   grows; disk filesystems and the library show zeros. Wiped before a file grows.
 *
 * - mincore (r): not compared for files, whose caches differ, nor for pages of zeros, which fork
 *   may forget on Linux and reclaim here, with their page table. In anonymous memory a page in swap
 *   counts as present if the host has no swap; if it has some, only pages that do not exist are
 *   compared.
 *
 * - places (g): which address the kernel chooses. What lands outside of the windows comes home.
 *
 * - counts (g): max_map_count and the like are not limits of one process.
 *
 * - other (g): remap_file_pages; PROT_SEM; MAP_HUGETLB and the like; protection keys; offsets
 *   from 2^63 on, which no file of Linux reaches; in 32-bit builds ranges that wrap, which they do
 *   not under a 64-bit kernel.
 */
#include "twin.h"

#include <stdlib.h>

enum reason {
	JOINED,
	SEVERAL,
	EMPTIED,
	LEAK,
	CODE,
	FREE,
	BRK_DATA,
	BRK_HOLE,
	HEAP_STACK,
	LOCK_ALL,
	OLD,
	ABSENT,
	QUIRKS, /* + enum quirk */
	NR_REASONS = QUIRKS + NR_QUIRKS
};

static const char *const names[NR_REASONS] = {
    [JOINED] = "areas joined differently",
    [SEVERAL] = "mremap of several areas",
    [EMPTIED] = "mremap that fails late",
    [LEAK] = "DONTUNMAP of locked memory",
    [CODE] = "no return instruction to call",
    [FREE] = "kernel copy over MADV_FREE'd pages",
    [BRK_DATA] = "brk near RLIMIT_DATA",
    [BRK_HOLE] = "brk shrinks over nothing",
    [HEAP_STACK] = "growth of a stack near the heap",
    [LOCK_ALL] = "mlockall with too low a hard limit",
    [OLD] = "advice that is unknown here",
    [ABSENT] = "calls that are refused here",
    [QUIRKS + QUIRK_REMAPS_NOTHING] = "mremap of nothing: allowed here",
    [QUIRKS + QUIRK_UNMAPS_FIRST] = "mremap that fails: has unmapped here",
    [QUIRKS + QUIRK_KEEPS_NO_FILES] = "DONTUNMAP of a file: refused here",
    [QUIRKS + QUIRK_KEEPS_EXACT] = "DONTUNMAP, rounded: refused here",
    [QUIRKS + QUIRK_REMOVES_WRITABLE] = "MADV_REMOVE, read-only: refused here",
    [QUIRKS + QUIRK_ONFAULT_LOOKS] = "MLOCK_ONFAULT: stricter here",
    [QUIRKS + QUIRK_POPULATES_BEYOND] = "MADV_POPULATE goes beyond holes here",
    [QUIRKS + QUIRK_HIDES_CODE] = "PROT_EXEC alone: unreadable here",
    [QUIRKS + QUIRK_FORBIDS_CODE] = "PROT_EXEC: forbidden here",
    [QUIRKS + QUIRK_SWAPS] = "pages that may be in swap here",
};

/* ---------------------------------------------------------------- areas on both sides ------- */

struct span {
	bool mapped;         /* the first page */
	bool whole;          /* one area covers the range */
	bool object;         /* of a file, or shared */
	uint64_t start, end; /* of the area at the first page */
	unsigned flags;
};

static struct span span_of(const struct segment *s, unsigned n, uint64_t start, uint64_t end)
{
	struct span span = {0};

	for (unsigned i = 0; i < n; i++) {
		if (s[i].start <= start && start < s[i].end) {
			span.mapped = true;
			span.whole = end <= s[i].end;
			span.object = s[i].object != -1;
			span.start = s[i].start;
			span.end = s[i].end;
			span.flags = s[i].flags;
		}
	}
	return span;
}

static struct span lib_span(unsigned proc, uint64_t start, uint64_t end)
{
	struct om_vmainfo info;
	struct segment s;

	if (!om_vma_next(twin.mm[proc], (uintptr_t)start, &info))
		return (struct span){0};
	s.start = info.start;
	s.end = info.end;
	s.flags = info.flags;
	s.object = info.mapping ? 0 : -1;
	return span_of(&s, 1, start, end);
}

static struct span host_span(unsigned proc, uint64_t start, uint64_t end)
{
	static struct segment s[MAX_SEGMENTS];

	run_flush();
	return span_of(s, host_segments(proc, s, false), start, end);
}

/* Do the areas that meet a range begin and end at the same places? */
static bool same_bounds(unsigned proc, uint64_t start, uint64_t end)
{
	static struct segment s[MAX_SEGMENTS];
	struct om_vmainfo info;
	uint64_t at = start;
	unsigned n, i = 0;

	run_flush();
	n = host_segments(proc, s, false);
	while (i < n && s[i].end <= start)
		i++;
	while (om_vma_next(twin.mm[proc], (uintptr_t)at, &info) && info.start < end) {
		if (i == n || s[i].start != info.start || s[i].end != info.end)
			return false;
		at = info.end;
		i++;
	}
	return i == n || s[i].start >= end;
}

/* ---------------------------------------------------------------- by call ------------------- */

/* May growing fail, for lack of room under a limit? */
static bool near_limit(unsigned proc, const struct span *area)
{
	struct om_mm *mm = twin.mm[proc];

	return (area->flags & OM_VM_LOCKED) || om_get_limit(mm, OM_LIMIT_AS) != OM_UNLIMITED ||
	       om_get_limit(mm, OM_LIMIT_DATA) != OM_UNLIMITED;
}

static int exempt_old_mremap(const struct call *c, const struct span *lib)
{
	uint64_t old_len = round_up(c->a[1]), new_len = round_up(c->a[2]);
	bool fixed = c->a[3] & OM_MREMAP_FIXED, keep = c->a[3] & OM_MREMAP_DONTUNMAP;

	if (quirk(QUIRK_REMAPS_NOTHING) && !lib->mapped && !fixed && !keep && new_len <= old_len)
		return QUIRKS + QUIRK_REMAPS_NOTHING;
	if (quirk(QUIRK_KEEPS_NO_FILES) && keep && lib->object)
		return QUIRKS + QUIRK_KEEPS_NO_FILES;
	if (quirk(QUIRK_KEEPS_EXACT) && keep && c->a[1] != c->a[2])
		return QUIRKS + QUIRK_KEEPS_EXACT;
	if (quirk(QUIRK_UNMAPS_FIRST) && (fixed || keep) &&
	    (!lib->whole || (!old_len && !(lib->flags & OM_VM_SHARED)) ||
	     (new_len > old_len && near_limit(c->proc, lib))))
		return QUIRKS + QUIRK_UNMAPS_FIRST;
	return -1;
}

static int exempt_mremap(const struct call *c)
{
	uint64_t old = real_address(c->a[0]), old_len = round_up(c->a[1]), moved;
	struct span lib, host;
	int reason;

	if ((c->a[3] & OM_MREMAP_FIXED) && old_len > (uint64_t)1 << 46)
		return EMPTIED;
	if ((c->a[3] & OM_MREMAP_FIXED) && !old_len && old - real_address(c->a[4]) < c->a[2])
		return EMPTIED;
	if (old + old_len < old && quirk(QUIRK_UNMAPS_FIRST))
		return QUIRKS + QUIRK_UNMAPS_FIRST;
	if (old % PAGE || old + old_len < old)
		return -1;
	moved = old_len < round_up(c->a[2]) ? old_len : round_up(c->a[2]);
	lib = lib_span(c->proc, old, old + moved);
	reason = exempt_old_mremap(c, &lib);
	if (reason >= 0 || !old_len)
		return reason;
	host = host_span(c->proc, old, old + moved);
	if (lib.mapped != host.mapped || lib.whole != host.whole)
		return JOINED;
	if ((lib.flags & OM_VM_LOCKED) && (c->a[3] & OM_MREMAP_DONTUNMAP))
		return LEAK;
	if (!lib.whole && (c->a[3] & OM_MREMAP_FIXED) && old_len == round_up(c->a[2]))
		return SEVERAL;
	return -1;
}

/* PROT_GROWSDOWN changes everything from the start of the area on; a limit stops at an area. */
static int exempt_mprotect(const struct call *c)
{
	uint64_t addr = real_address(c->a[0]);
	bool limited = (c->a[2] & OM_PROT_WRITE) &&
	               om_get_limit(twin.mm[c->proc], OM_LIMIT_DATA) != OM_UNLIMITED;

	if (addr % PAGE || (!limited && !(c->a[2] & OM_PROT_GROWSDOWN)) || addr + c->a[1] < addr)
		return -1;
	return same_bounds(c->proc, addr, addr + round_up(c->a[1])) ? -1 : JOINED;
}

/* Memory that can be executed, as it is asked for by mmap and mprotect. */
static int exempt_prot(const struct call *c)
{
	uint64_t prot = c->a[2] & (OM_PROT_READ | OM_PROT_WRITE | OM_PROT_EXEC);

	if (quirk(QUIRK_FORBIDS_CODE) && (prot & OM_PROT_EXEC))
		return QUIRKS + QUIRK_FORBIDS_CODE;
	if (quirk(QUIRK_HIDES_CODE) && prot == OM_PROT_EXEC)
		return QUIRKS + QUIRK_HIDES_CODE;
	return -1;
}

static bool has_hole(unsigned proc, uint64_t addr, uint64_t len)
{
	struct om_vmainfo info;

	for (uint64_t at = addr; at - addr < len; at = info.end)
		if (!om_vma_next(twin.mm[proc], (uintptr_t)at, &info) || info.start > at)
			return true;
	return false;
}

static bool unknown(uint64_t advice)
{
	return advice < 32 && (shared->host.unknown_advice >> advice & 1);
}

static int exempt_madvise(const struct call *c)
{
	uint64_t addr = real_address(c->a[0]), advice = c->a[2];
	struct om_vmainfo info;

	if (unknown(advice) || (advice == OM_MADV_FREE && unknown(OM_MADV_DONTNEED_LOCKED)))
		return OLD; /* lazy.c drops pages with the second */
	if (quirk(QUIRK_POPULATES_BEYOND) && has_hole(c->proc, addr, c->a[1]) &&
	    (advice == OM_MADV_POPULATE_READ || advice == OM_MADV_POPULATE_WRITE))
		return QUIRKS + QUIRK_POPULATES_BEYOND;
	if (advice != OM_MADV_REMOVE || addr % PAGE)
		return -1;
	for (uint64_t at = addr; at - addr < c->a[1]; at = info.end) {
		if (!om_vma_next(twin.mm[c->proc], (uintptr_t)at, &info) ||
		    (info.start > at && info.start - addr >= c->a[1]))
			return -1;
		if (quirk(QUIRK_REMOVES_WRITABLE) && !(info.flags & OM_VM_WRITE))
			return QUIRKS + QUIRK_REMOVES_WRITABLE;
	}
	return -1;
}

static int exempt_mlock2(const struct call *c)
{
	if (quirk(QUIRK_ONFAULT_LOOKS) && (c->a[2] & OM_MLOCK_ONFAULT))
		return QUIRKS + QUIRK_ONFAULT_LOOKS;
	return -1;
}

/* Only what does nothing, or is sure not to be executed. */
static int exempt_exec(const struct call *c)
{
	struct call read = {.kind = C_READ, .proc = c->proc, .a = {c->a[0], 1}};
	uint64_t addr = real_address(c->a[0]);
	struct om_vmainfo info;
	struct result r;

	if (!om_vma_next(twin.mm[c->proc], (uintptr_t)addr, &info) || !(info.flags & OM_VM_EXEC))
		return -1;
	if (info.start > addr)
		return info.flags & OM_VM_GROWSDOWN ? CODE : -1;
	lib_call(&read, &r);
	return !r.ret && r.v != 0xc3 ? CODE : -1;
}

/* An access that makes a stack grow is measured from the end of the area. */
static int exempt_growth(unsigned proc, uint64_t addr)
{
	struct om_vmainfo info;
	struct span host;

	if (!om_vma_next(twin.mm[proc], (uintptr_t)addr, &info) || info.start <= addr ||
	    !(info.flags & OM_VM_GROWSDOWN))
		return -1;
	if (info.start >= ARENA + ARENA_PAGES * PAGE)
		return HEAP_STACK;
	host = host_span(proc, info.start, info.start + 1);
	return host.end == info.end ? -1 : JOINED;
}

static int exempt_brk(const struct call *c)
{
	struct om_mm *mm = twin.mm[c->proc];
	uintptr_t old = (uintptr_t)round_up(om_brk(mm, 0));
	uintptr_t new = (uintptr_t)round_up(shared->heap + c->a[0]);
	struct om_vmainfo info;

	if (om_get_limit(mm, OM_LIMIT_DATA) < c->a[0])
		return BRK_DATA;
	if (new < old && (!om_vma_next(mm, new, &info) || info.start >= old))
		return BRK_HOLE;
	return -1;
}

static int exempt_copy(const struct call *c)
{
	uint64_t addr = real_address(c->a[0]);

	if (lazy_any(c->proc, addr, c->a[1]))
		return FREE;
	for (uint64_t at = addr; at < addr + c->a[1]; at = (at | (PAGE - 1)) + 1)
		if (exempt_growth(c->proc, at) >= 0)
			return exempt_growth(c->proc, at);
	return -1;
}

static int exempt_kind(const struct call *c)
{
	int reason;

	switch (c->kind) {
	case C_MMAP:
		return exempt_prot(c);
	case C_MREMAP:
		return exempt_mremap(c);
	case C_MPROTECT:
		reason = exempt_prot(c);
		return reason >= 0 ? reason : exempt_mprotect(c);
	case C_MADVISE:
		return exempt_madvise(c);
	case C_MLOCK2:
		return exempt_mlock2(c);
	case C_MLOCKALL:
		return (c->a[0] & OM_MCL_CURRENT) && !shared->can_lock_all ? LOCK_ALL : -1;
	case C_BRK:
		return exempt_brk(c);
	case C_UREAD:
	case C_UWRITE:
		return exempt_copy(c);
	case C_EXEC:
		reason = exempt_exec(c);
		return reason >= 0 ? reason : exempt_growth(c->proc, real_address(c->a[0]));
	case C_READ:
	case C_WRITE:
		return exempt_growth(c->proc, real_address(c->a[0]));
	default:
		return -1;
	}
}

const char *exempt(const struct call *c)
{
	int reason = shared->host.absent_calls >> c->kind & 1 ? ABSENT : exempt_kind(c);

	if (reason < 0)
		return NULL;
	shared->skipped[reason]++;
	return names[reason];
}

void print_exemptions(FILE *out)
{
	for (unsigned i = 0; i < NR_REASONS; i++)
		if (shared->skipped[i] || i < OLD)
			fprintf(out, "  %-36s %9llu\n", names[i],
			        (unsigned long long)shared->skipped[i]);
}
