/*
 * pages.c: the kernel's own image mapped by pages, with the permissions each part needs: text is
 * read and executed, constants are read, data is read and written. Nothing is both written and
 * executed.
 *
 * The tables are used twice, for the image at KERNEL_BASE and where the direct map shows it. There
 * the upper entry forbids execution of everything.
 */
#include "arch.h"

#define IMAGE_START 0x200000ul
#define NR_TABLES   4 /* of 2 MiB; kernel.ld asserts that the image is not larger */

#define PTE_P  0x001ull
#define PTE_W  0x002ull
#define PTE_G  0x100ull
#define PTE_NX (1ull << 63)

static uint64_t tables[NR_TABLES * 512] __attribute__((aligned(4096)));

static uint64_t permissions(uint64_t phys)
{
	uint64_t at = KERNEL_BASE + phys;

	if (at < (uintptr_t)kernel_text_end)
		return PTE_P | PTE_G;
	if (at < (uintptr_t)kernel_rodata_end)
		return PTE_P | PTE_G | PTE_NX;
	return PTE_P | PTE_G | PTE_NX | PTE_W;
}

static void flush_everything(void)
{
	uint64_t cr4 = read_cr4();

	write_cr4(cr4 & ~(uint64_t)CR4_PGE);
	write_cr4(cr4);
}

void pages_protect(void)
{
	uint64_t first = IMAGE_START >> 21;

	for (uint64_t i = 0; i < ARRAY_SIZE(tables); i++) {
		uint64_t phys = IMAGE_START + i * PAGE_SIZE;

		tables[i] = phys | permissions(phys);
	}
	for (uint64_t i = 0; i < NR_TABLES; i++) {
		uint64_t table = (uintptr_t)&tables[i * 512] - KERNEL_BASE;

		kernel_pd[first + i] = table | PTE_P | PTE_W;
		direct_pd[first + i] = table | PTE_P | PTE_W | PTE_NX;
	}
	flush_everything();
}
