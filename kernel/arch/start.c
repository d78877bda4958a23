/*
 * start.c: what the loader has left: the memory map, the command line, and where ACPI's tables
 * begin.
 *
 * The layout of the structures is that of the PVH boot protocol. Memory below 64 KiB is not used:
 * the page where other CPUs begin is there. Nor is memory beyond the direct map, or where devices
 * are.
 */
#include "arch.h"

#define START_MAGIC  0x336ec578
#define MEMORY_LOW   0x10000ul
#define MEMORY_LIMIT 0xc0000000ul
#define MEMORY_RAM   1

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, cmdline, rsdp;
	uint64_t memmap; /* these from version 1 on */
	uint32_t nr_memmap, reserved;
};

struct memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

uint64_t boot_kernel_end(void)
{
	return (uintptr_t)kernel_end - KERNEL_BASE;
}

static void add_range(struct boot_info *info, uint64_t start, uint64_t end)
{
	struct memory_range *r = &info->range[info->nr_ranges];

	start = ALIGN_UP(MAX(start, MEMORY_LOW), PAGE_SIZE);
	end = ALIGN_DOWN(MIN(end, MEMORY_LIMIT), PAGE_SIZE);
	if (start >= end || info->nr_ranges == BOOT_RANGES)
		return;
	r->start = start;
	r->end = end;
	info->nr_ranges++;
}

/* The kernel's image lies in the midst of a range. */
static void add_memory(struct boot_info *info, uint64_t start, uint64_t end)
{
	const uint64_t image = 0x200000, image_end = boot_kernel_end();

	if (start < image)
		add_range(info, start, MIN(end, image));
	if (end > image_end)
		add_range(info, MAX(start, image_end), end);
}

void boot_info_read(struct boot_info *info, uint64_t start_info)
{
	const struct start_info *s = phys_to_virt(start_info);
	const struct memmap_entry *e;

	if (s->magic != START_MAGIC || s->version < 1)
		panic("no memory map from the loader");
	info->rsdp = s->rsdp;
	if (s->cmdline)
		strlcpy(info->cmdline, phys_to_virt(s->cmdline), sizeof(info->cmdline));
	e = phys_to_virt(s->memmap);
	for (uint32_t i = 0; i < s->nr_memmap; i++)
		if (e[i].type == MEMORY_RAM)
			add_memory(info, e[i].addr, e[i].addr + e[i].size);
}
