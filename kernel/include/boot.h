/*
 * boot.h: what core/main.c calls, in this order, to get the machine going. arch/, drivers/serial.c
 */
#ifndef BOOT_H
#define BOOT_H

#include "vm.h"

#define BOOT_RANGES 16

/* What the loader tells, copied out of memory that is going to be used. */
struct boot_info {
	struct memory_range range[BOOT_RANGES]; /* usable memory, without the kernel's image */
	unsigned nr_ranges;
	char cmdline[1024];
	uint64_t rsdp; /* ACPI's tables begin here; 0: none */
};

/* struct hvm_start_info at this physical address. arch/start.c */
void boot_info_read(struct boot_info *info, uint64_t start_info);
uint64_t boot_kernel_end(void); /* physical */

void cpu_init_first(void);     /* descriptor tables, traps, `current` of the boot CPU */
void serial_init(void);        /* printk() works from here on */
void pages_protect(void);      /* text read-only, data not executable */
void acpi_init(uint64_t rsdp); /* which CPUs and interrupt controllers there are */
void interrupts_init(void);
void clock_init(void);
void smp_start(unsigned max); /* the other CPUs, up to `max` in all; they enter sched_idle() */
void serial_listen(void);     /* typed characters go to tty_input() from here on */

/* boot.S calls it on the boot stack, interrupts off. core/main.c */
_Noreturn void kernel_main(uint64_t start_info);

#endif
