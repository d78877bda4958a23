/*
 * stage.c: see stage.h.
 */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "measure.h"
#include "store/swap.h"
#include "tags.h"

#define RW (OM_PROT_READ | OM_PROT_WRITE)

struct proc {
	struct om_mm *mm;
	unsigned id;
	struct tags tags;
	struct proc *prev, *next;
};

/* Above these: page i of the file, as it is there, or as a private area has not changed it. */
#define FILE_TAG   (1ul << 48)
#define SHARED_TAG (1ul << 49)

static struct {
	struct sim *sim;
	struct om_system *sys;
	struct sim_cpu *cpu;
	struct sim_store *swap, *file_store;
	unsigned swap_device;
	struct om_mapping *file;
	size_t file_pages;
	unsigned long *file_tag;
	struct proc *procs;
	unsigned last_id;
	unsigned long last_tag;
	bool low; /* kswapd is wanted */
} stage;

#define MUST(call)                                                                                 \
	do {                                                                                       \
		long long must_ = (long long)(call);                                               \
		if (must_) {                                                                       \
			fprintf(stderr, "compare: %s = %lld\n", #call, must_);                     \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static void *must(void *p)
{
	MUST(!p);
	return p;
}

/* ---------------------------------------------------------------- kswapd -------------------- */

static void low_memory(void *ctx)
{
	(void)ctx;
	stage.low = true;
}

/* What the kernel's thread would do, at the next moment when nothing else is under way. */
static void run_kswapd(void)
{
	om_pfn_t high;
	size_t n = 1;

	if (!stage.low)
		return;
	stage.low = false;
	om_get_watermarks(stage.sys, NULL, NULL, &high);
	while (n && om_free_frames(stage.sys) < high) {
		measure_begin(OP_RECLAIM, 0, NULL);
		n = om_reclaim_step(stage.sys, 32);
		measure_end(n);
	}
}

static void begin(enum op op, const struct proc *p)
{
	run_kswapd();
	measure_begin(op, p->id, p->mm);
}

/* ---------------------------------------------------------------- contents ------------------ */

/* The first word of each page is its tag. */
static void fill_file(size_t pages)
{
	stage.file_pages = pages;
	stage.file_tag = must(calloc(pages, sizeof(*stage.file_tag)));
	stage.file_store = must(sim_store_ram());
	MUST(om_mapping_create(stage.sys, &sim_store_ops, stage.file_store, pages * PAGE,
	                       &stage.file));
	for (size_t i = 0; i < pages; i++) {
		stage.file_tag[i] = ++stage.last_tag;
		sim_store_poke(stage.file_store, i * PAGE, &stage.file_tag[i],
		               sizeof(*stage.file_tag));
	}
}

static unsigned long expected(const struct proc *p, uintptr_t addr)
{
	unsigned long tag = tags_get(&p->tags, addr / PAGE);

	return tag >= FILE_TAG ? stage.file_tag[tag & (FILE_TAG - 1)] : tag;
}

static void expect(const struct proc *p, uintptr_t addr, unsigned long found)
{
	if (found == expected(p, addr))
		return;
	fprintf(stderr, "compare: process %u has %lu at %#lx, not %lu\n", p->id, found,
	        (unsigned long)addr, expected(p, addr));
	exit(1);
}

static unsigned long swapped_tag(uint32_t slot)
{
	om_pfn_t pfn = om_slot_pfn(stage.sys, slot);
	unsigned long tag;

	if (pfn != OM_NO_PFN)
		return *(unsigned long *)sim_frame(stage.sim, pfn);
	sim_store_peek(stage.swap, (slot & ((1u << OM_SWAP_DEVICE_SHIFT) - 1)) * PAGE, &tag,
	               sizeof(tag));
	return tag;
}

/* Without a fault, so that the whole of memory can be checked. */
static void check_page(struct proc *p, uintptr_t addr)
{
	struct om_pageinfo at;

	om_pageinfo(p->mm, addr, &at);
	if (at.kind == OM_PAGE_SWAP)
		expect(p, addr, swapped_tag((uint32_t)at.value));
	else if (at.kind == OM_PAGE_DIRECT || at.kind == OM_PAGE_SHARED || at.kind == OM_PAGE_FILE)
		expect(p, addr, *(unsigned long *)sim_frame(stage.sim, (om_pfn_t)at.value));
	else if (tags_get(&p->tags, addr / PAGE) < FILE_TAG)
		MUST(expected(p, addr) != 0); /* a page that nobody has taken away is gone */
}

static void check_contents(struct proc *p)
{
	for (size_t i = 0; i < p->tags.slots; i++)
		if (p->tags.slot[i].tag)
			check_page(p, p->tags.slot[i].page * PAGE);
}

/* ---------------------------------------------------------------- the machine --------------- */

void stage_open(om_pfn_t frames, size_t file_pages)
{
	static struct om_port_ops ops;

	ops = sim_port_ops;
	ops.low_memory = low_memory;
	ops.held = locks_held;
	stage.sim = must(sim_create(&(struct sim_config){
	    .nr_frames = frames, .swap_cluster = 3, .mode = SIM_X86, .ops = &ops}));
	stage.sys = sim_system(stage.sim);
	stage.cpu = sim_cpu(stage.sim, 0);
	stage.swap = must(sim_store_ram());
	MUST(om_swapon(stage.sys, &sim_store_ops, stage.swap, 4 * frames, 0, &stage.swap_device));
	if (file_pages)
		fill_file(file_pages);
	measure_start(stage.sys);
}

static void verify(void)
{
	void *scratch = must(malloc(stage.sys->nr_frames * 8ul));
	struct om_bug bug;

	if (om_verify(stage.sys, scratch, &bug)) {
		sim_print_bug(stderr, &bug);
		exit(1);
	}
	free(scratch);
}

void stage_close(void)
{
	verify();
	for (struct proc *p = stage.procs; p; p = p->next)
		check_contents(p);
	while (stage.procs)
		stage_exit(stage.procs);
	verify();
	measure_print();
	if (stage.file)
		om_mapping_put(stage.file);
	MUST(om_swapoff(stage.sys, stage.swap_device));
	MUST(sim_destroy(stage.sim));
	sim_store_free(stage.swap);
	if (stage.file_store)
		sim_store_free(stage.file_store);
	free(stage.file_tag);
}

/* ---------------------------------------------------------------- processes ----------------- */

static struct proc *new_proc(struct om_mm *mm)
{
	struct proc *p = must(calloc(1, sizeof(*p)));

	p->mm = mm;
	p->id = ++stage.last_id;
	p->next = stage.procs;
	if (p->next)
		p->next->prev = p;
	stage.procs = p;
	return p;
}

/* What fork gives, and exit takes: pages in memory, and in swap. */
static size_t pages_of(const struct proc *p)
{
	return om_mm_rss(p->mm) + p->mm->swapents;
}

struct proc *stage_exec(void)
{
	struct om_mm *mm;

	MUST(om_mm_create(stage.sys, &sim_layout, NULL, &mm));
	return new_proc(mm);
}

struct proc *stage_fork(struct proc *parent)
{
	struct om_mm *mm;
	struct proc *child;

	begin(OP_FORK, parent);
	MUST(om_fork(parent->mm, NULL, &mm));
	child = new_proc(mm);
	measure_end(pages_of(child));
	tags_copy(&child->tags, &parent->tags);
	return child;
}

void stage_exec_over(struct proc *p)
{
	size_t pages = pages_of(p);

	check_contents(p);
	begin(OP_EXIT, p);
	om_mm_empty(p->mm);
	measure_end(pages);
	tags_free(&p->tags);
}

void stage_exit(struct proc *p)
{
	size_t pages = pages_of(p);

	begin(OP_EXIT, p);
	om_mm_destroy(p->mm);
	measure_end(pages);
	if (p->next)
		p->next->prev = p->prev;
	*(p->prev ? &p->prev->next : &stage.procs) = p->next;
	tags_free(&p->tags);
	free(p);
}

/* ---------------------------------------------------------------- memory -------------------- */

uintptr_t stage_map(struct proc *p, size_t pages, enum backing backing, size_t first)
{
	uintptr_t addr = 0;

	MUST(do_mmap(p->mm, &addr, pages * PAGE, RW,
	             backing == FILE_SHARED ? OM_MAP_SHARED : OM_MAP_PRIVATE,
	             backing == ANON ? NULL : stage.file, first * PAGE));
	for (size_t i = 0; backing != ANON && i < pages; i++)
		tags_set(&p->tags, addr / PAGE + i,
		         (backing == FILE_SHARED ? SHARED_TAG : FILE_TAG) + first + i);
	return addr;
}

uintptr_t stage_map_apart(struct proc *p, size_t n)
{
	uintptr_t addr = stage_map(p, 2 * n, ANON, 0);

	for (size_t i = 0; i < n; i++)
		MUST(om_munmap(p->mm, addr + i * APART + PAGE, PAGE));
	return addr;
}

void stage_unmap(struct proc *p, uintptr_t addr, size_t pages)
{
	begin(OP_UNMAP, p);
	MUST(om_munmap(p->mm, addr, pages * PAGE));
	measure_end(pages);
	for (size_t i = 0; i < pages; i++)
		tags_set(&p->tags, addr / PAGE + i, 0);
}

void stage_protect(struct proc *p, uintptr_t addr, size_t pages, bool writable)
{
	begin(OP_MPROTECT, p);
	MUST(om_mprotect(p->mm, addr, pages * PAGE, writable ? RW : OM_PROT_READ));
	measure_end(pages);
}

uintptr_t stage_move(struct proc *p, uintptr_t addr, size_t pages, uintptr_t to)
{
	uintptr_t result = 0;

	begin(OP_MREMAP, p);
	MUST(do_mremap(p->mm, addr, pages * PAGE, pages * PAGE,
	               OM_MREMAP_MAYMOVE | (to ? OM_MREMAP_FIXED : 0), to, &result));
	measure_end(pages);
	for (size_t i = 0; i < pages; i++) {
		tags_set(&p->tags, result / PAGE + i, tags_get(&p->tags, addr / PAGE + i));
		tags_set(&p->tags, addr / PAGE + i, 0);
	}
	return result;
}

void stage_lock_all(struct proc *p)
{
	MUST(om_mlockall(p->mm, OM_MCL_CURRENT));
}

static uint64_t faults(void)
{
	struct sim_cpu_stats s;

	sim_cpu_stats(stage.cpu, &s);
	return s.faults;
}

void stage_write(struct proc *p, uintptr_t addr, size_t pages)
{
	for (size_t i = 0; i < pages; i++, addr += PAGE) {
		unsigned long tag = tags_get(&p->tags, addr / PAGE);
		uint64_t before = faults();

		begin(OP_FAULT, p);
		sim_put(stage.cpu, p->mm, addr, ++stage.last_tag);
		measure_end(faults() - before);
		if (tag >= SHARED_TAG)
			stage.file_tag[tag - SHARED_TAG] = stage.last_tag;
		else
			tags_set(&p->tags, addr / PAGE, stage.last_tag);
	}
}

void stage_read(struct proc *p, uintptr_t addr, size_t pages)
{
	for (size_t i = 0; i < pages; i++, addr += PAGE) {
		uint64_t before = faults();
		unsigned long found;

		begin(OP_FAULT, p);
		found = sim_get(stage.cpu, p->mm, addr);
		measure_end(faults() - before);
		expect(p, addr, found);
	}
}

/* ---------------------------------------------------------------- pressure ------------------ */

void stage_reclaim(size_t pages)
{
	size_t got = 0, n = 1;

	while (n && got < pages) {
		measure_begin(OP_RECLAIM, 0, NULL);
		n = om_reclaim_step(stage.sys, 32);
		measure_end(n);
		got += n;
	}
}

void stage_survey(void)
{
	measure_survey();
}
