/*
 * memory.c: objrmap on this machine, and what it is told to store in: a swap device and a disk with
 * one file, both of RAM, and the program, which lies in the kernel's image.
 *
 * The RAM behind the kernel becomes, in this order: objrmap's own storage, a scratch area for
 * om_verify(), the swap device; and RAM_PAGES of what is left, frames for objrmap.
 */
#include "kernel.h"

#define RAM_PAGES  1280u
#define SWAP_PAGES 2048u
#define SWAP_BYTES (SWAP_PAGES * PAGE_BYTES)

extern char kernel_end[];                         /* kernel.ld */
extern const char program_start[], program_end[]; /* program.S */

struct om_system *vm;

static const struct om_arch arch;
static char *scratch;
static unsigned swap_area;
static struct om_mapping *file, *program;
static uint8_t disk[FILE_BYTES];

/* ---- hooks -------------------------------------------------------------------------------- */

static void hook_panic(void *ctx, const struct om_bug *bug)
{
	(void)ctx;
	panic("%s: %s at %s:%lu", bug->rule, bug->what, bug->file, (unsigned long)bug->line);
}

static struct om_held *hook_held(void *ctx)
{
	(void)ctx;
	return &this_cpu()->held;
}

/* ---- stores ------------------------------------------------------------------------------- */

/* Where page `i` of a store is, and how much of it there is. */
static size_t place(uint64_t i, size_t size, size_t *bytes)
{
	size_t start = (size_t)i * PAGE_BYTES;

	*bytes = start < size ? MIN(size - start, PAGE_BYTES) : 0;
	return start;
}

static void read_pages(const char *store, size_t size, uint64_t first, unsigned n,
                       void *const frame[])
{
	size_t bytes;

	for (unsigned i = 0; i < n; i++) {
		size_t start = place(first + i, size, &bytes);

		memcpy(frame[i], store + start, bytes);
		memset((char *)frame[i] + bytes, 0, PAGE_BYTES - bytes);
		machine_code_read(frame[i], PAGE_BYTES);
	}
}

static void write_pages(char *store, size_t size, uint64_t first, unsigned n, void *const frame[])
{
	size_t bytes;

	for (unsigned i = 0; i < n; i++) {
		size_t start = place(first + i, size, &bytes);

		memcpy(store + start, frame[i], bytes);
	}
}

static int swap_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	read_pages(store, SWAP_BYTES, first, n, frame);
	return 0;
}

static int swap_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	write_pages(store, SWAP_BYTES, first, n, frame);
	return 0;
}

static int disk_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	read_pages(store, FILE_BYTES, first, n, frame);
	return 0;
}

static int disk_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	write_pages(store, FILE_BYTES, first, n, frame);
	return 0;
}

static int program_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	read_pages(store, (size_t)(program_end - program_start), first, n, frame);
	return 0;
}

int disk_byte(uint64_t offset)
{
	return offset < FILE_BYTES ? disk[offset] : -OM_EINVAL;
}

/* ---- set-up ------------------------------------------------------------------------------- */

static void make_files(void)
{
	static const struct om_store_ops disk_ops = {.read = disk_read, .write = disk_write};
	static const struct om_store_ops program_ops = {.read = program_read};

	for (size_t i = 0; i < FILE_BYTES; i++)
		disk[i] = file_byte(i);
	if (om_mapping_create(vm, &disk_ops, disk, FILE_BYTES, &file) ||
	    om_mapping_create(vm, &program_ops, (void *)(uintptr_t)program_start,
	                      (uint64_t)(program_end - program_start), &program))
		panic("no files");
}

void memory_init(void)
{
	static const struct om_store_ops swap_ops = {.read = swap_read, .write = swap_write};
	static struct om_port_ops ops = {.panic = hook_panic, .held = hook_held};
	struct om_config config = {.arch = &arch, .ops = &ops, .nr_cpus = MAX_CPUS};
	const char *broken = port_check_entries();
	om_pfn_t first;
	char *swap;

	if (broken)
		panic("%s", broken);
	config.storage = (void *)(((uintptr_t)kernel_end + 63) & ~(uintptr_t)63);
	/* These, and what has its place before them: all the rest is less than 2 MiB and a page. */
	config.nr_frames = om_arch_pfn(&arch, config.storage) + RAM_PAGES + SWAP_PAGES +
	                   (om_pfn_t)((2ul << 20) / PAGE_BYTES) + 1;
	machine_init(&ops, &config.ctx);
	scratch = (char *)config.storage + ((om_system_bytes(&config) + 63) & ~63ul);
	swap = scratch + config.nr_frames * sizeof(uint64_t);
	first = om_arch_pfn(&arch, swap + SWAP_BYTES) + 1;
	vm = om_system_init(&config);
	if (!vm || om_add_memory(vm, first, RAM_PAGES) ||
	    om_swapon(vm, &swap_ops, swap, SWAP_PAGES, 0, &swap_area))
		panic("objrmap does not start");
	make_files();
}

/* Answers with the address. */
long memory_map(struct om_mm *mm, struct om_map_request *r, bool of_file)
{
	int err;

	r->file = of_file ? file : NULL;
	err = om_mmap(mm, r);
	return err ? err : (long)r->addr;
}

void memory_map_program(struct om_mm *mm)
{
	struct om_map_request r = {.addr = TEXT,
	                           .len = (size_t)(program_end - program_start),
	                           .prot = OM_PROT_READ | OM_PROT_EXEC,
	                           .flags = OM_MAP_PRIVATE | OM_MAP_FIXED,
	                           .file = program};

	if (om_mmap(mm, &r))
		panic("the program does not start");
}

/* objrmap must be at rest. It is when one thread is left and this is a call of its. */
bool memory_check(void)
{
	struct om_bug bug;

	if (!om_verify(vm, scratch, &bug))
		return true;
	print("om_verify: %s: %s\n", bug.rule, bug.what);
	return false;
}

/* The last thread has left its address space, so all is free, or something is wrong. */
void memory_end(bool success)
{
	struct om_sysinfo info;

	om_mapping_put(file);
	om_mapping_put(program);
	success &= memory_check();
	om_sysinfo(vm, &info);
	print("tiny: %lu faults, %lu pages copied on write, %lu written to swap, %lu read back\n",
	      (unsigned long)info.event[OM_EV_PGFAULT], (unsigned long)info.event[OM_EV_FAULT_COW],
	      (unsigned long)info.event[OM_EV_PSWPOUT], (unsigned long)info.event[OM_EV_PSWPIN]);
	if (om_swapoff(vm, swap_area) || om_system_fini(vm))
		panic("something is not free");
	print(success ? "tiny: all frames are free again\n" : "tiny: FAILED\n");
	machine_stop();
}
