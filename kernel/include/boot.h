/*
 * boot.h: what kernel_main() calls to get the machine going, in this order. arch/
 */
#ifndef BOOT_H
#define BOOT_H

#include "lib.h"

#define BOOT_RANGES 16

struct memory_range { /* physical */
	uint64_t start, end;
};

/* What the loader tells, copied out of memory that is going to be used. */
struct boot_info {
	struct memory_range range[BOOT_RANGES]; /* usable memory, without the kernel's image */
	unsigned nr_ranges;
	char cmdline[1024];
	uint64_t rsdp; /* ACPI's tables begin here; 0: none */
};

void cpu_init_first(void); /* descriptor tables, traps, `current` of the boot CPU */
void serial_init(void);    /* printk() works from here on */
/* From struct hvm_start_info at this physical address. arch/start.c */
void boot_info_read(struct boot_info *info, uint64_t start_info);
void pages_protect(void);       /* text read-only, data not executable */
uint64_t boot_kernel_end(void); /* physical */
void mmu_init(void);            /* `mmu`: spinning locks answer flushes from here on */
/* Which CPUs and interrupt controllers there are. False: ACPI does not say, so there is one CPU. */
bool acpi_init(uint64_t rsdp);
void interrupts_init(void);
void clock_init(void);

/* From here on `input` gets the characters that are typed, in interrupt handlers. -ENOSPC */
int serial_listen(void (*input)(char c));

#endif
