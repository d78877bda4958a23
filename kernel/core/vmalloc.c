/*
 * vmalloc.c: memory of many frames in a row, and kernel stacks.
 *
 * Addresses come from a window of the kernel's half, a bit for each page of it. An area is followed
 * by a page that is never mapped: what runs over the end of the area traps there, and so does a
 * stack that runs over the start of the next area. vfree() finds there how long the area is. The
 * page tables are made when first needed and stay.
 *
 * New mappings need no flush, as no TLB keeps absent entries. vfree() flushes all CPUs before it
 * gives the frames back. Stacks come and go with threads, so they are kept: kstack_trim() frees
 * them when memory is short.
 */
#include "kmem.h"
#include "om_arch.h"
#include "sched.h"

#define X86_GLOBAL 0x100ul /* outlives a write to CR3; flushed with any PCID */
#define KERNEL_RW  (X86_P | X86_W | X86_A | X86_D | X86_NX | X86_GLOBAL)

#define TABLE_PAGES  512u
#define NR_TABLES    256u /* of 2 MiB: the window has 512 MiB */
#define WINDOW_PAGES (NR_TABLES * TABLE_PAGES)
#define NOWHERE      WINDOW_PAGES

static struct spin window_lock; /* guards all below */
static uint64_t used[WINDOW_PAGES / 64];
static unsigned hint; /* no free page below */
static uint64_t *directory;
static uint64_t *_Atomic tables[NR_TABLES];

/* ---------------------------------------------------------------- addresses ----------------- */

static bool page_used(unsigned page)
{
	return used[page / 64] & 1ull << page % 64;
}

static void mark(unsigned first, unsigned n, bool on)
{
	for (unsigned page = first; page < first + n; page++)
		if (on)
			used[page / 64] |= 1ull << page % 64;
		else
			used[page / 64] &= ~(1ull << page % 64);
}

/* The first of `n` free pages in a row, or NOWHERE. */
static unsigned find_pages(unsigned n)
{
	unsigned run = 0;

	for (unsigned page = hint; page < WINDOW_PAGES; page++) {
		run = page_used(page) ? 0 : run + 1;
		if (run == n)
			return page + 1 - n;
	}
	return NOWHERE;
}

static unsigned window_take(unsigned n)
{
	unsigned first;

	spin_lock(&window_lock);
	first = find_pages(n);
	if (first != NOWHERE)
		mark(first, n, true);
	if (first == hint)
		hint += n;
	spin_unlock(&window_lock);
	return first;
}

static void window_give(unsigned first, unsigned n)
{
	spin_lock(&window_lock);
	mark(first, n, false);
	hint = MIN(hint, first);
	spin_unlock(&window_lock);
}

static uintptr_t page_addr(unsigned page)
{
	return VMALLOC_START + page * PAGE_SIZE;
}

/* ---------------------------------------------------------------- page tables --------------- */

/* The entry of a page whose table exists. */
static uint64_t *entry_of(unsigned page)
{
	return &tables[page / TABLE_PAGES][page % TABLE_PAGES];
}

static int make_table(unsigned i)
{
	uint64_t *table = kframe_alloc();

	if (!table)
		return -ENOMEM;
	spin_lock(&window_lock);
	if (!tables[i]) {
		directory[i] = virt_to_phys(table) | X86_P | X86_W;
		tables[i] = table; /* from now on others count on it */
		table = NULL;
	}
	spin_unlock(&window_lock);
	if (table) /* somebody else was faster */
		kframe_free(table);
	return 0;
}

static int map_page(unsigned page)
{
	void *frame;

	if (!tables[page / TABLE_PAGES] && make_table(page / TABLE_PAGES))
		return -ENOMEM;
	frame = kframe_alloc();
	if (!frame)
		return -ENOMEM;
	*entry_of(page) = virt_to_phys(frame) | KERNEL_RW;
	return 0;
}

/* Frames may be used again only after no CPU has a translation to them any more. */
static void unmap_pages(unsigned first, unsigned n)
{
	for (unsigned page = first; page < first + n; page++)
		*entry_of(page) &= ~X86_P;
	x86_flush_kernel(&mmu, nr_cpus, page_addr(first), page_addr(first + n));
	for (unsigned page = first; page < first + n; page++) {
		kframe_free(phys_to_virt(*entry_of(page) & X86_PFN));
		*entry_of(page) = 0;
	}
}

/* The kernel's root gets the upper levels of the window here; all others copy them from it. */
void vmalloc_init(void)
{
	uint64_t *root = phys_to_virt(mmu.config.kernel_root);
	uint64_t *upper = kframe_alloc();

	directory = kframe_alloc();
	if (!upper || !directory)
		panic("no memory for vmalloc");
	upper[0] = virt_to_phys(directory) | X86_P | X86_W;
	root[VMALLOC_START >> 39 & 511] = virt_to_phys(upper) | X86_P | X86_W;
	mark(0, 1, true); /* the guard page before the first area */
	hint = 1;
}

/* ---------------------------------------------------------------- areas --------------------- */

void *vmalloc(size_t bytes)
{
	size_t n = ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE;
	unsigned first, mapped = 0;

	if (!n || n >= WINDOW_PAGES)
		return NULL;
	first = window_take(n + 1);
	if (first == NOWHERE)
		return NULL;
	while (mapped < n && map_page(first + mapped) == 0)
		mapped++;
	if (mapped == n)
		return (void *)page_addr(first);
	if (mapped)
		unmap_pages(first, mapped);
	window_give(first, n + 1);
	return NULL;
}

/*
 * Pages up to the one that is not mapped; it may be the first one of a table that does not exist.
 */
static unsigned area_pages(unsigned first)
{
	unsigned page = first;

	while (tables[page / TABLE_PAGES] && *entry_of(page))
		page++;
	return page - first;
}

void vfree(void *p)
{
	unsigned first, n;

	if (!p)
		return;
	first = ((uintptr_t)p - VMALLOC_START) / PAGE_SIZE;
	n = area_pages(first);
	BUG_ON(!n);
	unmap_pages(first, n);
	window_give(first, n + 1);
}

/* ---------------------------------------------------------------- stacks -------------------- */

/* An unused stack; at its start. */
struct unused {
	struct unused *next;
};

static struct spin stacks_lock;
static struct unused *stacks;

static struct unused *take_stack(void)
{
	struct unused *stack;

	spin_lock(&stacks_lock);
	stack = stacks;
	if (stack)
		stacks = stack->next;
	spin_unlock(&stacks_lock);
	return stack;
}

void *kstack_alloc(void)
{
	void *stack = take_stack();

	return stack ? stack : vmalloc(KSTACK_SIZE);
}

void kstack_free(void *p)
{
	struct unused *stack = p;

	spin_lock(&stacks_lock);
	stack->next = stacks;
	stacks = stack;
	spin_unlock(&stacks_lock);
}

void kstack_trim(void)
{
	struct unused *stack;

	while ((stack = take_stack()))
		vfree(stack);
}
