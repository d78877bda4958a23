/*
 * probe.c: what this kernel answers otherwise than the library, because it is older, stricter, or lacks it.
 *
 * Linux has changed its mind since 5.10, and a container or security module may forbid what another host
 * allows. The library answers as the newest Linux does. Each quirk is tried out once, in the zygote;
 * exempt.c leaves away the calls that a quirk would make differ. No version numbers are asked for:
 * distributions backport. What is said of versions was measured on Debian's 5.10.223, 6.1.176, 6.12.117 and
 * 7.2.13.
 */
#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---------------------------------------------------------------- places to try ------------- */

#define RW  (PROT_READ | PROT_WRITE)
#define RWX (RW | PROT_EXEC)

static uintptr_t at(unsigned page)
{
	return ARENA + page * PAGE;
}

static bool map(unsigned page, unsigned n, int prot, int flags, int fd)
{
	return mmap((void *)at(page), n * PAGE, prot, flags | MAP_FIXED, fd, 0) != MAP_FAILED;
}

static bool anonymous(unsigned page, unsigned n, int prot)
{
	return map(page, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static bool mapped(unsigned page)
{
	unsigned char vec;

	return !syscall(SYS_mincore, at(page), PAGE, &vec);
}

static long remap(unsigned old, unsigned n, unsigned new_n, int flags, unsigned to)
{
	return syscall(SYS_mremap, at(old), n * PAGE, new_n * PAGE, flags, at(to));
}

/* ---------------------------------------------------------------- quirks -------------------- */

/* In 5.10 mremap() may shrink, or leave as it is, what is not there; in 6.1 it may not. */
static bool remaps_nothing(void)
{
	return remap(0, 1, 1, 0, 0) != -1;
}

/*
 * In 6.12 mremap(MREMAP_FIXED) empties the destination before it looks at the source; and what is wrong
 * with a call is found in another order.
 */
static bool unmaps_first(void)
{
	anonymous(0, 1, RW);
	anonymous(8, 1, RW);
	return remap(0, 0, 1, MREMAP_MAYMOVE | MREMAP_FIXED, 8) == -1 && !mapped(8);
}

/* Until 5.12 MREMAP_DONTUNMAP is for private anonymous memory alone: mremap(2). */
static bool keeps_no_files(void)
{
	return !map(0, 1, RW, MAP_SHARED, file_fd[0]) ||
	       remap(0, 1, 1, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, 8) == -1;
}

/* In 6.1 MREMAP_DONTUNMAP wants lengths that are equal to the byte, in 6.12 equal when rounded up. */
static bool keeps_exact_only(void)
{
	return !anonymous(0, 1, RW) ||
	       syscall(SYS_mremap, at(0), PAGE, PAGE - 1,
	               MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, at(8)) == -1;
}

/* In 5.10 MADV_REMOVE wants a writable mapping, in 6.1 just a writable file. */
static bool removes_writable_only(void)
{
	return !map(0, 1, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1) ||
	       madvise((void *)at(0), PAGE, MADV_REMOVE);
}

/* In 5.10 MLOCK_ONFAULT looks whether the pages could be made present, in 6.1 it does not. */
static bool onfault_looks(void)
{
	bool refused;

	anonymous(0, 1, PROT_NONE);
	refused = syscall(SYS_mlock2, at(0), PAGE, MLOCK_ONFAULT) && errno == ENOMEM;
	syscall(SYS_munlock, at(0), PAGE);
	return refused;
}

/* In 6.1 MADV_POPULATE_READ and _WRITE go on behind a hole; in 6.12 they stop there. */
static bool populates_beyond(void)
{
	unsigned char vec;

	anonymous(1, 1, RW);
	syscall(SYS_madvise, at(0), 2 * PAGE, OM_MADV_POPULATE_WRITE);
	return mincore((void *)at(1), PAGE, &vec) || (vec & 1);
}

/* In 6.1 smaps does not tell who is locked on fault alone, in 6.12 it does. */
static bool conceals_onfault(void)
{
	struct segment area = {0};

	anonymous(0, 1, RW);
	syscall(SYS_mlock2, at(0), PAGE, MLOCK_ONFAULT);
	return !own_segments(&area, 1) || !(area.flags & OM_VM_LOCKONFAULT);
}

/* Processors with protection keys: what may be executed alone cannot be read. */
static bool hides_code(void)
{
	return anonymous(0, 1, PROT_EXEC) && syscall(SYS_pwrite64, scratch_fd, at(0), 1L, 0L) != 1;
}

/* Security modules: nothing that was written may be executed, or no heap, or no private copy. */
static bool forbids_code(void)
{
	bool allowed = anonymous(0, 1, RWX) && anonymous(1, 1, RW);

	*(volatile char *)at(1) = 1;
	allowed = allowed && !mprotect((void *)at(1), PAGE, PROT_READ | PROT_EXEC);
	allowed = allowed && map(2, 1, RWX, MAP_SHARED, file_fd[0]) &&
	          map(3, 1, RW, MAP_PRIVATE, scratch_fd);
	if (!allowed)
		return true;
	*(volatile char *)at(3) = 1;
	allowed = !mprotect((void *)at(3), PAGE, PROT_READ | PROT_EXEC);
	if (shared->heap_is_ours && (uintptr_t)syscall(SYS_brk, shared->heap + PAGE) > shared->heap)
		allowed = !mprotect((void *)shared->heap, PAGE, RWX) && allowed;
	syscall(SYS_brk, shared->heap);
	return !allowed;
}

/* With swap, MADV_PAGEOUT takes pages away, and mincore() sees it. */
static bool has_swap(void)
{
	char text[256];
	int fd = open("/proc/swaps", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text));
	const char *line = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;

	close(fd);
	return line && line + 1 < text + n;
}

static bool (*const quirks[NR_QUIRKS])(void) = {
    [QUIRK_REMAPS_NOTHING] = remaps_nothing,
    [QUIRK_UNMAPS_FIRST] = unmaps_first,
    [QUIRK_KEEPS_NO_FILES] = keeps_no_files,
    [QUIRK_KEEPS_EXACT] = keeps_exact_only,
    [QUIRK_REMOVES_WRITABLE] = removes_writable_only,
    [QUIRK_ONFAULT_LOOKS] = onfault_looks,
    [QUIRK_POPULATES_BEYOND] = populates_beyond,
    [QUIRK_CONCEALS_ONFAULT] = conceals_onfault,
    [QUIRK_HIDES_CODE] = hides_code,
    [QUIRK_FORBIDS_CODE] = forbids_code,
    [QUIRK_SWAPS] = has_swap,
};

/* ---------------------------------------------------------------- calls and advice ---------- */

/* Asked to do nothing, or something wrong, a call that is there does not answer like this. */
static bool absent(long r)
{
	return r == -1 && (errno == ENOSYS || errno == EPERM || errno == EACCES);
}

static uint64_t absent_calls(void)
{
	static const struct {
		uint8_t kind;
		long number;
	} calls[] = {{C_MPROTECT, SYS_mprotect}, {C_MREMAP, SYS_mremap},
	             {C_MADVISE, SYS_madvise},   {C_MLOCK, SYS_mlock},
	             {C_MLOCK2, SYS_mlock2},     {C_MUNLOCK, SYS_munlock},
	             {C_MINCORE, SYS_mincore},   {C_MSYNC, SYS_msync},
	             {C_MLOCKALL, SYS_mlockall}, {C_MUNLOCKALL, SYS_munlockall}};
	uint64_t set = 0;

	for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		bool all = calls[i].kind == C_MLOCKALL;

		if (absent(syscall(calls[i].number, all ? 0 : at(0), 0L, 0L, 0L, 0L)))
			set |= (uint64_t)1 << calls[i].kind;
	}
	return set;
}

/* Of what the library knows. Of no pages, known advice is accepted, and does nothing. */
static uint32_t unknown_advice(void)
{
	static const uint8_t advice[] = {OM_MADV_NORMAL,         OM_MADV_RANDOM,
	                                 OM_MADV_SEQUENTIAL,     OM_MADV_WILLNEED,
	                                 OM_MADV_DONTNEED,       OM_MADV_FREE,
	                                 OM_MADV_REMOVE,         OM_MADV_DONTFORK,
	                                 OM_MADV_DOFORK,         OM_MADV_WIPEONFORK,
	                                 OM_MADV_KEEPONFORK,     OM_MADV_COLD,
	                                 OM_MADV_PAGEOUT,        OM_MADV_POPULATE_READ,
	                                 OM_MADV_POPULATE_WRITE, OM_MADV_DONTNEED_LOCKED};
	uint32_t set = 0;

	for (unsigned i = 0; i < sizeof(advice); i++)
		if (syscall(SYS_madvise, at(0), 0L, advice[i]))
			set |= 1u << advice[i];
	return set;
}

/* ---------------------------------------------------------------- guard gap ----------------- */

/* Does an area grow down to page `to`, if the next one below is page 0? */
static bool grows(unsigned to)
{
	bool grown;

	anonymous(0, 1, RW);
	map(to + 1, 1, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1);
	grown = syscall(SYS_pread64, scratch_fd, at(to), 1L, 0L) == 1;
	munmap((void *)at(0), (to + 2) * PAGE);
	return grown;
}

/* 256 pages, or what the kernel was told when it was booted: how far a stack stays away from others. */
static uint64_t guard_gap(void)
{
	unsigned low = 1, high = 1024;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (grows(middle))
			high = middle;
		else
			low = middle + 1;
	}
	return (low - 1) * PAGE;
}

/* ---------------------------------------------------------------- all of it ----------------- */

void probe(void)
{
	struct host *h = &shared->host;

	h->absent_calls = absent_calls();
	h->unknown_advice = unknown_advice();
	h->guard_gap = guard_gap();
	h->quirks = 0;
	for (unsigned i = 0; i < NR_QUIRKS; i++) {
		if (quirks[i]())
			h->quirks |= 1u << i;
		munmap((void *)at(0), 16 * PAGE);
	}
}

/* ---------------------------------------------------------------- limits -------------------- */

/* No limit can be set higher than the hard one; what a worker has mapped itself comes on top. */
void probe_limits(void)
{
	static const struct {
		enum om_limit limit;
		int resource;
	} limits[] = {{OM_LIMIT_MEMLOCK, RLIMIT_MEMLOCK},
	              {OM_LIMIT_STACK, RLIMIT_STACK},
	              {OM_LIMIT_AS, RLIMIT_AS},
	              {OM_LIMIT_DATA, RLIMIT_DATA}};

	for (unsigned i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		uint64_t *hard = &shared->host.hard_limit[limits[i].limit];
		struct rlimit rl;

		getrlimit((__rlimit_resource_t)limits[i].resource, &rl);
		*hard = rl.rlim_max == RLIM_INFINITY ? OM_UNLIMITED : rl.rlim_max;
		if (*hard != OM_UNLIMITED && limits[i].limit == OM_LIMIT_AS)
			*hard -= shared->base_size;
		if (*hard != OM_UNLIMITED && limits[i].limit == OM_LIMIT_DATA)
			*hard -= shared->base_data;
	}
}
