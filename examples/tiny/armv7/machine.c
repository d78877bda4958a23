/*
 * machine.c: what the kernel wants of a 32-bit Arm machine: QEMU's virt, with a PL011 for the
 * console, a GICv2 to wake CPUs, and PSCI to start them and to switch off.
 */
#include "kernel.h"

#define DEVICES 0xf0000000ul /* where boot.S maps physical address 0 */

#define UART      0x09000000ul
#define UART_FLAG 0x18
#define UART_FULL 0x20u /* in UART_FLAG */

#define GIC_DIST      0x08000000ul
#define GIC_DIST_SGIR 0xf00
#define GIC_CPU       0x08010000ul
#define GIC_CPU_PMR   0x04
#define GIC_CPU_IAR   0x0c
#define GIC_CPU_EOIR  0x10

#define PSCI_CPU_ON 0x84000003ul
#define PSCI_OFF    0x84000008ul

extern char boot_other[], empty_root[];

int raise(int signal);
_Noreturn void machine_main(void);
_Noreturn void machine_trap(unsigned what);
_Noreturn void machine_trap_in_kernel(unsigned what, uintptr_t pc);

static struct armv7_mmu mmu;

static volatile uint32_t *device(uint32_t address)
{
	return (volatile uint32_t *)(DEVICES + address);
}

static long psci(unsigned long function, unsigned long a, unsigned long b, unsigned long c)
{
	register unsigned long r0 __asm__("r0") = function, r1 __asm__("r1") = a;
	register unsigned long r2 __asm__("r2") = b, r3 __asm__("r3") = c;

	__asm__ volatile("hvc #0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r3) : "memory");
	return (long)r0;
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

void machine_main(void)
{
	*device(GIC_DIST) = 1;
	*device(GIC_CPU + GIC_CPU_PMR) = 0xff;
	*device(GIC_CPU) = 1;
	kernel_main();
}

void machine_start_cpus(void)
{
	for (; nr_cpus < MAX_CPUS; nr_cpus++)
		if (psci(PSCI_CPU_ON, nr_cpus, (unsigned long)phys(boot_other),
		         (uintptr_t)&cpus[nr_cpus]))
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
		__asm__ volatile("mcr p15, 0, %0, c7, c11, 1" : : "r"(p) : "memory");
	__asm__ volatile("dsb ish" : : : "memory");
}

void machine_code_runs(void)
{
	__asm__ volatile("mcr p15, 0, %0, c7, c1, 0; mcr p15, 0, %0, c7, c1, 6; dsb ish; isb"
	                 :
	                 : "r"(0)
	                 : "memory");
}

/* ---- address spaces ----------------------------------------------------------------------- */

void machine_init(struct om_port_ops *ops, void **ctx)
{
	armv7_mmu_init(&mmu, (uint32_t)phys(empty_root), MAX_CPUS);
	ops->flush = armv7_flush;
	ops->flush_local = armv7_flush_local;
	*ctx = &mmu;
	print("tiny: armv7, short descriptors\n");
}

void machine_mm_init(struct machine_mm *mm)
{
	(void)mm;
}

void machine_switch(struct machine_mm *mm, struct om_mm *om)
{
	(void)om;
	armv7_switch(&mmu, mm);
}

/* ---- traps -------------------------------------------------------------------------------- */

#define DATA_WRITES 0x800

/* Translation, access flag, domain, permission, of both levels: odd numbers, and 6. */
static bool is_fault(uint32_t status)
{
	return !(status & 0x400) && ((status & 15) == 6 || ((status & 1) && (status & 15) >= 3));
}

void machine_trap(unsigned what)
{
	uint32_t status, addr;

	switch (what) {
	case TRAPS_CALL:
		kernel_trap(TRAP_CALL, 0, OM_READ);
	case TRAPS_FETCH:
		__asm__ volatile("mrc p15, 0, %0, c5, c0, 1" : "=r"(status));
		__asm__ volatile("mrc p15, 0, %0, c6, c0, 2" : "=r"(addr));
		if (is_fault(status))
			kernel_trap(TRAP_FAULT, addr, OM_EXEC);
		break;
	case TRAPS_DATA:
		__asm__ volatile("mrc p15, 0, %0, c5, c0, 0" : "=r"(status));
		__asm__ volatile("mrc p15, 0, %0, c6, c0, 0" : "=r"(addr));
		if (is_fault(status))
			kernel_trap(TRAP_FAULT, addr, status & DATA_WRITES ? OM_WRITE : OM_READ);
	}
	kernel_trap(TRAP_MISTAKE, 0, OM_READ);
}

void machine_trap_in_kernel(unsigned what, uintptr_t pc)
{
	panic("trap %lu in the kernel at %lx", (unsigned long)what, (unsigned long)pc);
}

/* libgcc calls it for a division by 0. */
int raise(int signal)
{
	panic("signal %lu", (unsigned long)signal);
}
