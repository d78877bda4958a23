/*
 * machine.c: what the kernel wants of an Arm machine: QEMU's virt, with a PL011 for the console, a
 * GICv2 to wake CPUs, and PSCI to start them and to switch off.
 */
#include "kernel.h"

#define UART      0x09000000ul
#define UART_FLAG 0x18
#define UART_FULL 0x20u /* in UART_FLAG */

#define GIC_DIST      0x08000000ul
#define GIC_DIST_SGIR 0xf00
#define GIC_CPU       0x08010000ul
#define GIC_CPU_PMR   0x04
#define GIC_CPU_IAR   0x0c
#define GIC_CPU_EOIR  0x10

#define PSCI_CPU_ON 0xc4000003ul
#define PSCI_OFF    0x84000008ul

extern char boot_other[], empty_root[];

_Noreturn void machine_main(void);
_Noreturn void machine_trap(unsigned long syndrome, uintptr_t addr);
_Noreturn void machine_trap_in_kernel(unsigned long syndrome, uintptr_t addr, uintptr_t pc);

static struct arm_mmu mmu;

static volatile uint32_t *device(uint64_t address)
{
	return (volatile uint32_t *)(ARM_DIRECT_MAP + address);
}

static long psci(unsigned long function, unsigned long a, unsigned long b, unsigned long c)
{
	register unsigned long x0 __asm__("x0") = function, x1 __asm__("x1") = a;
	register unsigned long x2 __asm__("x2") = b, x3 __asm__("x3") = c;

	__asm__ volatile("hvc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3) : "memory");
	return (long)x0;
}

/* ---- the console, and the end ------------------------------------------------------------- */

void write(const char *text, size_t n)
{
	for (; n; n--, text++) {
		while (*device(UART + UART_FLAG) & UART_FULL)
			;
		*device(UART) = (unsigned char)*text;
	}
}

void machine_stop(void)
{
	for (;;)
		psci(PSCI_OFF, 0, 0, 0);
}

/* ---- CPUs --------------------------------------------------------------------------------- */

static struct arm_features has; /* of all CPUs */

void machine_main(void)
{
	*device(GIC_DIST) = 1;
	*device(GIC_CPU + GIC_CPU_PMR) = 0xff;
	*device(GIC_CPU) = 1;
	has = arm_cpu_init();
	kernel_main();
}

void machine_start_cpus(void)
{
	for (; nr_cpus < MAX_CPUS; nr_cpus++)
		if (psci(PSCI_CPU_ON, nr_cpus, phys(boot_other), (uintptr_t)&cpus[nr_cpus]))
			return;
}

/* The interrupt need not be taken to end the sleep, and is not: the CPU has interrupts off. */
void machine_idle(void)
{
	__asm__ volatile("dsb sy; wfi" : : : "memory");
	*device(GIC_CPU + GIC_CPU_EOIR) = *device(GIC_CPU + GIC_CPU_IAR);
}

void machine_wake(unsigned cpu)
{
	__asm__ volatile("dsb ish" : : : "memory");
	*device(GIC_DIST + GIC_DIST_SGIR) = 1u << (16 + cpu);
}

void machine_code_read(const void *code, size_t n)
{
	for (uintptr_t p = (uintptr_t)code; p < (uintptr_t)code + n; p += 16)
		__asm__ volatile("dc cvau, %0" : : "r"(p) : "memory");
	__asm__ volatile("dsb ish" : : : "memory");
}

void machine_code_runs(void)
{
	__asm__ volatile("ic ialluis; dsb ish; isb" : : : "memory");
}

/* ---- address spaces ----------------------------------------------------------------------- */

void machine_init(struct om_port_ops *ops, void **ctx)
{
	arm_mmu_init(&mmu, phys(empty_root), has.asid_bits, MAX_CPUS);
	ops->flush = arm_flush;
	ops->flush_local = arm_flush_local;
	*ctx = &mmu;
	print("tiny: aarch64, pages of %lu KiB, %lu bits of ASID, %s\n", PAGE_BYTES / 1024,
	      (unsigned long)has.asid_bits,
	      has.sets_dirty ? "sets accessed and dirty"
	      : has.sets_af  ? "sets accessed"
	                     : "sets neither accessed nor dirty");
}

void machine_mm_init(struct machine_mm *mm)
{
	(void)mm;
}

void machine_switch(struct machine_mm *mm, struct om_mm *om)
{
	arm_switch(&mmu, mm, mm ? om_mm_root(om) : 0);
}

/* ---- traps -------------------------------------------------------------------------------- */

#define CLASS_CALL  0x15
#define CLASS_FETCH 0x20
#define CLASS_DATA  0x24
#define DATA_WRITES 0x40

void machine_trap(unsigned long syndrome, uintptr_t addr)
{
	unsigned kind = syndrome >> 2 & 15; /* 0: too large, 1: not valid, 2: AF, 3: permission */

	switch (syndrome >> 26) {
	case CLASS_CALL:
		kernel_trap(TRAP_CALL, 0, OM_READ);
	case CLASS_FETCH:
		if (kind <= 3)
			kernel_trap(TRAP_FAULT, addr, OM_EXEC);
		break;
	case CLASS_DATA:
		if (kind <= 3)
			kernel_trap(TRAP_FAULT, addr, syndrome & DATA_WRITES ? OM_WRITE : OM_READ);
	}
	kernel_trap(TRAP_MISTAKE, addr, OM_READ);
}

void machine_trap_in_kernel(unsigned long syndrome, uintptr_t addr, uintptr_t pc)
{
	panic("trap %lx in the kernel at %lx, address %lx", syndrome, pc, addr);
}
