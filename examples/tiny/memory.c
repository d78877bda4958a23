/*
 * memory.c: objrmap on this machine.
 *
 * The RAM behind the kernel becomes, in this order: objrmap's own storage, a scratch area for
 * om_verify(), the swap store; and what is left, frames for objrmap. The hooks are those of the
 * smallest port, `flush` and `panic`, and `held`, so that a debug build checks the locks.
 */
#include "tiny.h"

#define SWAP_PAGES 2048u
#define RAM_LIMIT  0x40000000ul /* boot.S maps 1 GiB */

extern char kernel_end[]; /* tiny.ld */

struct om_system *vm;

static char *scratch;
static unsigned swap_area;

/* Loading another root drops all translations, so other address spaces have none. */
static void hook_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end,
                       enum om_flush what)
{
	(void)ctx, (void)what; /* invlpg drops all cached upper levels, too */
	if (x86_read_cr3() != (uint64_t)om_mm_root(mm) << OM_PAGE_SHIFT)
		return;
	if (end - start > 32 * PAGE)
		x86_write_cr3(x86_read_cr3());
	else
		for (uintptr_t addr = start; addr < end; addr += PAGE)
			x86_invlpg(addr);
}

static void hook_panic(void *ctx, const struct om_bug *bug)
{
	(void)ctx;
	panic("%s: %s at %s:%lu", bug->rule, bug->what, bug->file, (long)bug->line);
}

/* There is one thread of execution in the kernel, so one record of the locks it holds: ctx. */
static struct om_held *hook_held(void *ctx)
{
	return ctx;
}

static int swap_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	for (unsigned i = 0; i < n; i++)
		memcpy(frame[i], (char *)store + (first + i) * PAGE, PAGE);
	return 0;
}

static int swap_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	for (unsigned i = 0; i < n; i++)
		memcpy((char *)store + (first + i) * PAGE, frame[i], PAGE);
	return 0;
}

/*
 * The end of the RAM that the kernel is in, in frames. Word 5 of PVH's start info is the address
 * of the memory map, word 6 its length; those of an entry are start, size, and type: 1 is RAM.
 */
static om_pfn_t ram_end(const uint64_t *start_info)
{
	const uint64_t *range = (void *)(X86_DIRECT_MAP + start_info[5]);
	uint64_t kernel = (uintptr_t)kernel_end - X86_DIRECT_MAP;

	for (uint64_t n = start_info[6]; n; n--, range += 3)
		if (range[2] == 1 && kernel - range[0] < range[1])
			return (om_pfn_t)(MIN(range[0] + range[1], RAM_LIMIT) / PAGE);
	panic("no memory");
}

void memory_init(const uint64_t *start_info)
{
	static const struct om_store_ops swap_ops = {.read = swap_read, .write = swap_write};
	static const struct om_port_ops ops = {.flush = hook_flush,
	                                       .panic = hook_panic,
	                                       .held = hook_held};
	static const struct om_arch arch;
	static struct om_held held;
	om_pfn_t first, end = ram_end(start_info);
	const struct om_config config = {
	    .arch = &arch, .ops = &ops, .ctx = &held, .nr_frames = end, .storage = kernel_end};
	char *swap_store;

	scratch = kernel_end + om_system_bytes(&config);
	swap_store = scratch + end * sizeof(uint64_t);
	first = om_arch_pfn(&arch, swap_store + SWAP_PAGES * PAGE) + 1;
	vm = first < end ? om_system_init(&config) : NULL;
	if (!vm || om_add_memory(vm, first, end - first) ||
	    om_swapon(vm, &swap_ops, swap_store, SWAP_PAGES, 0, &swap_area))
		panic("objrmap does not start");
	print("tiny: %lu MiB for programs, %lu MiB of swap\n", (end - first) * PAGE >> 20,
	      SWAP_PAGES * PAGE >> 20);
}

/* objrmap must be at rest. In this kernel it is, whenever it is not being called. */
void memory_check(void)
{
	struct om_bug bug;

	if (om_verify(vm, scratch, &bug))
		hook_panic(NULL, &bug);
}

/* All processes have ended: everything must be free. */
void memory_end(void)
{
	struct om_sysinfo info;

	memory_check();
	om_sysinfo(vm, &info);
	print("tiny: %lu faults, %lu pages copied on write, %lu written to swap, %lu read back\n",
	      info.event[OM_EV_PGFAULT], info.event[OM_EV_FAULT_COW], info.event[OM_EV_PSWPOUT],
	      info.event[OM_EV_PSWPIN]);
	if (om_swapoff(vm, swap_area) || om_system_fini(vm))
		panic("something is not free");
	print("tiny: all frames are free again\n");
	leave(true);
}
