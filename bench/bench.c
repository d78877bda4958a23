/*
 * bench.c: what objrmap costs: bytes, allocations, page-table entries looked at, instructions.
 *
 * `bench figures` prints what the library can count by itself, one "key value" a line. `bench insn`
 * does the work whose instructions callgrind counts: each MEASURE is one profile, named "key n",
 * where n is by what to divide. scripts/bench.sh runs both and makes the table. Nothing here
 * depends on time, so the same compiler gives the same figures anywhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "calls.h"
#include "page/page.h"
#include "rmap/rmap.h"
#include "sim.h"

#define PAGE SIM_PAGE_SIZE

#define MUST(call)                                                                                 \
	do {                                                                                       \
		int must_ = (int)(call);                                                           \
		if (must_) {                                                                       \
			fprintf(stderr, "bench: %s = %d\n", #call, must_);                         \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/* Profile a statement; everything outside of MEASUREs is thrown away by the next one. */
#define MEASURE(statement, format, ...)                                                            \
	do {                                                                                       \
		char name_[96];                                                                    \
                                                                                                   \
		snprintf(name_, sizeof(name_), format, __VA_ARGS__);                               \
		CALLGRIND_ZERO_STATS;                                                              \
		statement;                                                                         \
		CALLGRIND_DUMP_STATS_AT(name_);                                                    \
	} while (0)

static struct sim *sim;
static struct om_system *sys;

static void machine_of(om_pfn_t frames, unsigned cpus)
{
	sim = sim_create(&(struct sim_config){
	    .nr_frames = frames, .nr_cpus = cpus, .swap_cluster = 3, .mode = SIM_X86});
	if (!sim)
		exit(1);
	sys = sim_system(sim);
}

static void machine(om_pfn_t frames)
{
	machine_of(frames, 1);
}

static struct om_mm *new_mm(void)
{
	struct om_mm *mm;

	MUST(om_mm_create(sys, &sim_layout, NULL, &mm));
	return mm;
}

static struct om_mm *fork_mm(struct om_mm *parent)
{
	struct om_mm *mm;

	MUST(om_fork(parent, NULL, &mm));
	return mm;
}

static uintptr_t map(struct om_mm *mm, size_t pages, int prot, int flags, struct om_mapping *file,
                     uint64_t page)
{
	uintptr_t addr = 0;

	MUST(do_mmap(mm, &addr, pages * PAGE, prot, flags, file, page * PAGE));
	return addr;
}

#define RW      (OM_PROT_READ | OM_PROT_WRITE)
#define PRIVATE OM_MAP_PRIVATE
#define SHARED  OM_MAP_SHARED

static void touch(struct om_mm *mm, uintptr_t addr, size_t pages, enum om_access access)
{
	for (size_t i = 0; i < pages; i++)
		if (om_fault(mm, addr + i * PAGE, access) > OM_FAULT_MAJOR)
			MUST(1);
}

/* `n` areas of one page that cannot merge: every other page is left free. */
static uintptr_t spread(struct om_mm *mm, size_t n)
{
	uintptr_t addr = map(mm, 2 * n, RW, PRIVATE, NULL, 0);

	for (size_t i = 0; i < n; i++)
		MUST(om_munmap(mm, addr + (2 * i + 1) * PAGE, PAGE));
	return addr;
}

static void touch_spread(struct om_mm *mm, uintptr_t addr, size_t n, enum om_access access)
{
	for (size_t i = 0; i < n; i++)
		touch(mm, addr + 2 * i * PAGE, 1, access);
}

/* ---------------------------------------------------------------- figures ------------------- */

static void figure(const char *key, double value)
{
	printf("%s %.10g\n", key, value);
}

static struct om_sysinfo info(void)
{
	struct om_sysinfo i;

	om_sysinfo(sys, &i);
	return i;
}

static void sizes(void)
{
	figure("page_bytes", sizeof(struct om_page));
	figure("vma_bytes", sizeof(struct om_vma));
	figure("anon_vma_bytes", sizeof(struct om_anon_vma));
	figure("mm_bytes", sizeof(struct om_mm));
	figure("mapping_bytes", sizeof(struct om_mapping));
	figure("pte_metadata_bytes", 0); /* nothing is kept per entry: there is no place for it */
}

/*
 * 1000 areas, and a family in which everybody writes every page: flat, or each the child of the
 * last.
 */
static void rmap_bytes(const char *key, unsigned children, bool deep)
{
	struct om_mm *mm[101];
	uintptr_t addr;

	machine(1000 * (children + 1) + 16384);
	mm[0] = new_mm();
	addr = spread(mm[0], 1000);
	touch_spread(mm[0], addr, 1000, OM_WRITE);
	for (unsigned i = 1; i <= children; i++) {
		mm[i] = fork_mm(mm[deep ? i - 1 : 0]);
		touch_spread(mm[i], addr, 1000, OM_WRITE);
	}
	figure(key, (double)info().rmap_bytes);
	for (unsigned i = 0; i <= children; i++)
		om_mm_destroy(mm[i]);
	MUST(sim_destroy(sim));
}

/* Such a family as a chain of 1000 generations, each parent gone: nothing may grow (hazard 18). */
static void rmap_generations(void)
{
	struct om_mm *mm;
	uintptr_t addr;

	machine(8192);
	mm = new_mm();
	addr = spread(mm, 100);
	touch_spread(mm, addr, 100, OM_WRITE);
	for (unsigned i = 0; i < 1000; i++) {
		struct om_mm *child = fork_mm(mm);

		om_mm_destroy(mm);
		mm = child;
		touch_spread(mm, addr, 100, OM_WRITE);
	}
	figure("rmap_bytes_100x1000_generations", (double)info().rmap_bytes);
	om_mm_destroy(mm);
	MUST(sim_destroy(sim));
}

/* A million faults of every kind; objects allocated during them. */
static void fault_allocs(void)
{
	const size_t pages = 2000;
	uint64_t faults = 0, objects = 0;
	struct sim_store *swap, *file;
	struct om_mapping *mapping;
	unsigned area;

	machine(6000);
	swap = sim_store_ram();
	file = sim_store_ram();
	MUST(om_swapon(sys, &sim_store_ops, swap, 20000, 0, &area));
	MUST(om_mapping_create(sys, &sim_store_ops, file, pages * PAGE, &mapping));
	while (faults < 1000000) {
		struct om_mm *mm = new_mm(), *child;
		uintptr_t anon = map(mm, pages, RW, PRIVATE, NULL, 0);
		uintptr_t shared = map(mm, pages, RW, SHARED, mapping, 0);
		uintptr_t private = map(mm, pages, RW, PRIVATE, mapping, 0);
		struct om_sysinfo before = info(), after;

		touch(mm, anon, pages, OM_READ); /* zero page */
		touch(mm, anon, pages, OM_WRITE);
		touch(mm, shared, pages, OM_READ);
		touch(mm, shared, pages, OM_WRITE);
		touch(mm, private, pages, OM_WRITE);
		after = info();
		faults += after.event[OM_EV_PGFAULT] - before.event[OM_EV_PGFAULT];
		objects += after.event[OM_EV_META_ALLOC] - before.event[OM_EV_META_ALLOC];

		MUST(om_madvise(mm, anon, pages * PAGE, OM_MADV_PAGEOUT));
		child = fork_mm(mm);
		before = info();
		touch(child, anon, pages, OM_WRITE); /* swap-in, COW */
		touch(mm, anon, pages, OM_WRITE);    /* swap-in, reuse */
		touch(child, private, pages, OM_READ);
		after = info();
		faults += after.event[OM_EV_PGFAULT] - before.event[OM_EV_PGFAULT];
		objects += after.event[OM_EV_META_ALLOC] - before.event[OM_EV_META_ALLOC];
		om_mm_destroy(child);
		om_mm_destroy(mm);
	}
	figure("faults_counted", (double)faults);
	figure("fault_metadata_allocs", (double)objects);
	om_mapping_put(mapping);
	MUST(om_swapoff(sys, area));
	MUST(sim_destroy(sim));
	sim_store_free(swap);
	sim_store_free(file);
}

/* ---------------------------------------------------------------- walks --------------------- */

static enum om_walk_verdict just_look(struct om_walk *w, struct om_page *page, struct om_vma *vma,
                                      struct om_page *table, unsigned slot)
{
	(void)w, (void)page, (void)vma, (void)table, (void)slot;
	return OM_WALK_GO;
}

/* Entries looked at to find those of the page that mm has at addr. */
static unsigned probes(struct om_mm *mm, uintptr_t addr)
{
	struct om_walk w = {.visit = just_look};
	struct om_pageinfo at;
	struct om_page *page;

	om_pageinfo(mm, addr, &at);
	if (at.kind != OM_PAGE_DIRECT && at.kind != OM_PAGE_SHARED && at.kind != OM_PAGE_FILE)
		MUST(1);
	page = om_page_of(sys, (om_pfn_t)at.value);
	om_page_lock(sys, page);
	om_rmap_walk(sys, page, &w);
	om_page_unlock(sys, page);
	if (w.found != at.mapcount)
		MUST(2);
	return w.probed;
}

/* One page everybody has a copy of, one that only the first k children still share. */
static void family_probes(unsigned family, unsigned k)
{
	struct om_mm **mm = calloc(family + 1, sizeof(*mm));
	uintptr_t own, common;
	char key[64];

	machine(family * 16 + 4096);
	mm[0] = new_mm();
	own = map(mm[0], 1, RW, PRIVATE, NULL, 0);
	common = map(mm[0], 1, RW, PRIVATE, NULL, 0);
	touch(mm[0], own, 1, OM_WRITE);
	touch(mm[0], common, 1, OM_WRITE);
	for (unsigned i = 1; i <= family; i++) {
		mm[i] = fork_mm(mm[0]);
		touch(mm[i], own, 1, OM_WRITE);
		if (i > k)
			touch(mm[i], common, 1, OM_WRITE);
	}
	snprintf(key, sizeof(key), "probes_exclusive_%u", family);
	figure(key, probes(mm[family / 2], own));
	snprintf(key, sizeof(key), "probes_shared_%u_of_%u", k + 1, family);
	figure(key, probes(mm[0], common));
	for (unsigned i = 0; i <= family; i++)
		om_mm_destroy(mm[i]);
	MUST(sim_destroy(sim));
	free(mm);
}

/*
 * Siblings map memory beside what they have inherited, and fork: a page that one of them shares
 * with its child, at an address where all the others have pages of their own; the average of all.
 */
static void sibling_probes(unsigned siblings)
{
	struct om_mm **mm = calloc(2 * siblings + 1, sizeof(*mm));
	uintptr_t addr;
	double sum = 0;
	char key[64];

	machine(siblings * 32 + 4096);
	mm[0] = new_mm();
	addr = map(mm[0], 4, RW, PRIVATE, NULL, 0);
	touch(mm[0], addr, 4, OM_WRITE);
	for (unsigned i = 1; i <= siblings; i++) {
		uintptr_t beside = addr + 4 * PAGE;

		mm[i] = fork_mm(mm[0]);
		MUST(do_mmap(mm[i], &beside, 4 * PAGE, RW, PRIVATE | OM_MAP_FIXED, NULL, 0));
		touch(mm[i], beside, 4, OM_WRITE);
		mm[siblings + i] = fork_mm(mm[i]);
	}
	snprintf(key, sizeof(key), "probes_siblings_%u", siblings);
	for (unsigned i = 1; i <= siblings; i++)
		sum += probes(mm[i], addr + 5 * PAGE);
	figure(key, sum / siblings);
	for (unsigned i = 0; i <= 2 * siblings; i++)
		om_mm_destroy(mm[i]);
	MUST(sim_destroy(sim));
	free(mm);
}

/* A page of shared memory in its place, which somebody also shows in a nonlinear area of 64 MiB. */
static void nonlinear_probes(void)
{
	struct om_mm *good, *bad;
	struct om_mapping *shmem;
	uintptr_t at, far;

	machine(4096);
	good = new_mm();
	bad = new_mm();
	MUST(om_mapping_create(sys, NULL, NULL, 16384 * PAGE, &shmem));
	at = map(good, 16, RW, SHARED, shmem, 1);
	touch(good, at, 16, OM_WRITE);
	far = map(bad, 16384, OM_PROT_READ, SHARED, shmem, 0);
	MUST(om_remap_file_pages(bad, far, 16384 * PAGE, 0, 0, 0));
	figure("probes_beside_nonlinear", probes(good, at + 8 * PAGE));
	om_mm_destroy(bad);
	om_mm_destroy(good);
	om_mapping_put(shmem);
	MUST(sim_destroy(sim));
}

/* The programs of 2003: 100 processes, each with 100 areas over one file, every page touched. */
static void file_probes(void)
{
	struct om_mapping *mapping;
	struct om_mm *mm[100];
	uintptr_t at[100];
	unsigned worst = 0;

	machine(16384);
	MUST(om_mapping_create(sys, NULL, NULL, 100 * PAGE, &mapping));
	for (unsigned p = 0; p < 100; p++) {
		mm[p] = new_mm();
		for (unsigned v = 0; v < 100; v++) {
			uintptr_t addr = map(mm[p], 1, RW, SHARED, mapping, 99 - v);

			at[99 - v] = addr;
			touch(mm[p], addr, 1, OM_READ);
		}
	}
	for (unsigned i = 0; i < 100; i++) {
		unsigned n = probes(mm[99], at[i]);

		worst = n > worst ? n : worst;
	}
	figure("probes_file_100x100", worst);
	for (unsigned p = 0; p < 100; p++)
		om_mm_destroy(mm[p]);
	om_mapping_put(mapping);
	MUST(sim_destroy(sim));
}

static void figures(void)
{
	sizes();
	rmap_bytes("rmap_bytes_1000x100", 100, false);
	rmap_bytes("rmap_bytes_1000x30deep", 30, true);
	rmap_generations();
	fault_allocs();
	family_probes(1000, 9);
	for (unsigned n = 10; n <= 1000; n *= 10)
		sibling_probes(n);
	nonlinear_probes();
	file_probes();
}

/* ---------------------------------------------------------------- instructions -------------- */

#define N      4096
#define TABLES (N / 512)

/* The first write to each table, which fork has shared. */
static void touch_tables(struct om_mm *mm, uintptr_t addr, unsigned n)
{
	for (unsigned i = 0; i < n; i += 512)
		touch(mm, addr + i * PAGE, 1, OM_WRITE);
}

/* With caches of free frames: the first CPU of 64 works, and its cache is filled and emptied. */
static void many_cpus(void)
{
	struct om_mm *mm, *child;
	uintptr_t addr;

	machine_of(65536, 64);
	mm = new_mm();
	addr = map(mm, N, RW, PRIVATE, NULL, 0);
	MEASURE(touch(mm, addr, N, OM_WRITE), "insn_cpus64_anon_fault %u", N);
	child = fork_mm(mm);
	touch_tables(child, addr, N);
	MEASURE(touch(child, addr, N, OM_WRITE), "insn_cpus64_cow_fault %u", N - TABLES);
	MEASURE(touch(mm, addr, N, OM_WRITE), "insn_cpus64_cow_reuse %u", N);
	om_mm_destroy(child);
	MEASURE(MUST(om_munmap(mm, addr, N * PAGE)), "insn_cpus64_munmap_page %u", N);
	om_mm_destroy(mm);
	MUST(sim_destroy(sim));
}

static void anonymous(void)
{
	struct om_mm *mm, *child;
	uintptr_t addr;

	machine(65536);
	mm = new_mm();
	addr = map(mm, N, RW, PRIVATE, NULL, 0);
	MEASURE(touch(mm, addr, N, OM_READ), "insn_zero_fault %u", N);
	MEASURE(touch(mm, addr, N, OM_WRITE), "insn_zero_cow_fault %u", N);
	MUST(om_munmap(mm, addr, N * PAGE));
	addr = map(mm, N, RW, PRIVATE, NULL, 0);
	MEASURE(touch(mm, addr, N, OM_WRITE), "insn_anon_fault %u", N);
	MEASURE(child = fork_mm(mm), "insn_fork_page %u", N);
	MEASURE(touch_tables(child, addr, N), "insn_unshare_page %u", N);
	MEASURE(touch(child, addr, N, OM_WRITE), "insn_cow_fault %u", N - TABLES);
	MEASURE(touch(mm, addr, N, OM_WRITE), "insn_cow_reuse %u", N);
	om_mm_destroy(child);
	MEASURE((child = fork_mm(mm), om_mm_destroy(child)), "insn_fork_exit_page %u", N);
	MEASURE(MUST(om_mprotect(mm, addr, N * PAGE, OM_PROT_READ)), "insn_mprotect_page %u", N);
	MUST(om_mprotect(mm, addr, N * PAGE, RW));
	touch(mm, addr, N, OM_WRITE);
	MEASURE(MUST(do_mremap(mm, addr, N * PAGE, N * PAGE, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
	                       addr - 4 * N * PAGE + PAGE, &addr)),
	        "insn_mremap_page %u", N);
	MEASURE(MUST(do_mremap(mm, addr, N * PAGE, N * PAGE, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
	                       addr - 8 * N * PAGE, &addr)),
	        "insn_mremap_table %u", N / 512);
	MEASURE(MUST(om_munmap(mm, addr, N * PAGE)), "insn_munmap_page %u", N);
	MEASURE(
	    for (unsigned i = 0; i < 100; i++) {
		    addr = map(mm, 1, RW, PRIVATE, NULL, 0);
		    touch(mm, addr, 1, OM_WRITE);
		    MUST(om_munmap(mm, addr, PAGE));
	    },
	    "insn_mmap_touch_munmap %u", 100);
	MEASURE(for (unsigned i = 0; i < 10; i++) om_mm_destroy(fork_mm(mm)),
	        "insn_fork_exit_empty %u", 10);
	om_mm_destroy(mm);
	MUST(sim_destroy(sim));
}

static void files(void)
{
	struct om_mapping *mapping;
	struct om_mm *mm;
	uintptr_t addr;

	machine(65536);
	mm = new_mm();
	MUST(om_mapping_create(sys, NULL, NULL, N * PAGE, &mapping));
	addr = map(mm, N, RW, SHARED, mapping, 0);
	touch(mm, addr, N, OM_WRITE);
	MUST(om_munmap(mm, addr, N * PAGE));
	addr = map(mm, N, RW, SHARED, mapping, 0);
	MEASURE(touch(mm, addr, N, OM_READ), "insn_file_read_fault %u", N);
	MEASURE(touch(mm, addr, N, OM_WRITE), "insn_file_mkwrite %u", N);
	MEASURE(MUST(om_munmap(mm, addr, N * PAGE)), "insn_file_munmap_page %u", N);
	addr = map(mm, N, RW, PRIVATE, mapping, 0);
	MEASURE(touch(mm, addr, N, OM_WRITE), "insn_file_cow_fault %u", N);
	om_mm_destroy(mm);
	om_mapping_put(mapping);
	MUST(sim_destroy(sim));
}

static void swapping(void)
{
	struct sim_store *swap = sim_store_ram();
	struct om_mm *mm;
	uintptr_t addr;
	unsigned area;

	machine(65536);
	MUST(om_swapon(sys, &sim_store_ops, swap, 65536, 0, &area));
	mm = new_mm();
	addr = map(mm, N, RW, PRIVATE, NULL, 0);
	touch(mm, addr, N, OM_WRITE);
	MEASURE(MUST(om_madvise(mm, addr, N * PAGE, OM_MADV_PAGEOUT)), "insn_swap_out_page %u", N);
	MEASURE(touch(mm, addr, N, OM_WRITE), "insn_swap_in_page %u", N);
	om_mm_destroy(mm);
	MUST(om_swapoff(sys, area));
	MUST(sim_destroy(sim));
	sim_store_free(swap);
}

/* ---------------------------------------------------------------- growth -------------------- */

/* A fault among n areas, each time in another one. */
static void grow_areas(unsigned n)
{
	struct om_mm *mm;
	uintptr_t addr;

	machine(65536);
	mm = new_mm();
	addr = spread(mm, n);
	touch_spread(mm, addr, n, OM_WRITE);
	MEASURE(for (unsigned i = 0; i < 1000; i++)
	            om_fault(mm, addr + 2 * (i * 7919u % n) * PAGE, OM_WRITE),
	        "grow_lookup_areas_%u %u", n, 1000);
	MEASURE(for (unsigned i = 0; i < 100; i++)
	            MUST(om_munmap(mm, map(mm, 4, RW, PRIVATE, NULL, 0), 4 * PAGE)),
	        "grow_mmap_munmap_areas_%u %u", n, 100);
	om_mm_destroy(mm);
	MUST(sim_destroy(sim));
}

/* Fork and exit of a process with n present pages; after that, its first writes to each table. */
static void grow_pages(unsigned n)
{
	struct om_mm *mm, *child;
	uintptr_t addr;

	machine(n * 2 + 4096);
	mm = new_mm();
	addr = map(mm, n, RW, PRIVATE, NULL, 0);
	touch(mm, addr, n, OM_WRITE);
	om_mm_destroy(fork_mm(mm));
	MEASURE(om_mm_destroy(fork_mm(mm)), "grow_fork_exit_pages_%u %u", n, n);
	MEASURE(child = fork_mm(mm), "grow_fork_pages_%u 1", n);
	MEASURE(om_mm_destroy(child), "grow_exit_pages_%u 1", n);
	MEASURE(touch_tables(mm, addr, n), "grow_rewrite_pages_%u 1", n);
	om_mm_destroy(mm);
	MUST(sim_destroy(sim));
}

/* Swapping out pages of one process while n relatives, which do not map them, live. */
static void grow_family(unsigned n, bool deep)
{
	struct sim_store *swap = sim_store_ram();
	struct om_mm **mm = calloc(n + 1, sizeof(*mm));
	uintptr_t addr;
	unsigned area;

	machine(n * 600 + 8192);
	MUST(om_swapon(sys, &sim_store_ops, swap, 4096, 0, &area));
	mm[0] = new_mm();
	addr = map(mm[0], 512, RW, PRIVATE, NULL, 0);
	touch(mm[0], addr, 512, OM_WRITE);
	for (unsigned i = 1; i <= n; i++) {
		mm[i] = fork_mm(mm[deep ? i - 1 : 0]);
		touch(mm[i], addr, 512, OM_WRITE);
	}
	MEASURE(MUST(om_madvise(mm[n], addr, 512 * PAGE, OM_MADV_PAGEOUT)),
	        "grow_swap_out_%s_%u %u", deep ? "levels" : "children", n, 512);
	for (unsigned i = 0; i <= n; i++)
		om_mm_destroy(mm[i]);
	MUST(om_swapoff(sys, area));
	MUST(sim_destroy(sim));
	sim_store_free(swap);
	free(mm);
}

static void instructions(void)
{
	anonymous();
	many_cpus();
	files();
	swapping();
	for (unsigned n = 10; n <= 10000; n *= 10)
		grow_areas(n);
	for (unsigned n = 512; n <= 262144; n *= 8)
		grow_pages(n);
	for (unsigned n = 1; n <= 1000; n *= 10)
		grow_family(n, false);
	for (unsigned n = 1; n <= 100; n *= 10)
		grow_family(n, true);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "figures"))
		figures();
	else if (argc == 2 && !strcmp(argv[1], "insn"))
		instructions();
	else
		return fprintf(stderr, "usage: bench figures | insn\n"), 2;
	return 0;
}
