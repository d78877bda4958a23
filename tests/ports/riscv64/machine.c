/*
 * machine.c: what the kernel wants of a RISC-V machine. All devices are behind the firmware: the
 * console, the end, other harts, and flushes on them.
 */
#include "kernel.h"

#define SBI_PUTCHAR 0x01
#define SBI_HSM     0x48534d /* harts: 0 start, 2 status */
#define SBI_IPI     0x735049
#define SBI_RESET   0x53525354
#define SBI_RFENCE  0x52464e43 /* 0: fence.i */

extern const om_pte_t kernel_root[512];
extern char boot_other[];

void machine_main(unsigned long hart);
_Noreturn void machine_trap(unsigned long cause, uintptr_t addr);
_Noreturn void machine_trap_in_kernel(unsigned long cause, uintptr_t addr, uintptr_t pc);

static struct rv_mmu mmu;
static uint32_t harts[RV_MAX_CPUS]; /* of each CPU */

static uint64_t phys(const void *p)
{
	return (uintptr_t)p - RV_DIRECT_MAP;
}

/* ---- the console, and the end ------------------------------------------------------------- */

void write(const char *text, size_t n)
{
	for (; n; n--, text++)
		rv_sbi(SBI_PUTCHAR, 0, (unsigned char)*text, 0, 0, 0, 0);
}

/* QEMU's status is 0 or 1. */
void machine_stop(bool success)
{
	for (;;)
		rv_sbi(SBI_RESET, 0, 0, !success, 0, 0, 0);
}

/* ---- CPUs --------------------------------------------------------------------------------- */

static void init_cpu(unsigned n, unsigned long hart)
{
	cpus[n].machine.port.number = n;
	cpus[n].machine.stack = cpus[n].stack + STACK_SIZE;
	harts[n] = (uint32_t)hart;
}

void machine_main(unsigned long hart)
{
	init_cpu(0, hart);
	kernel_main();
}

void machine_start_cpus(void)
{
	for (unsigned long hart = 0; hart < RV_MAX_CPUS && nr_cpus < MAX_CPUS; hart++) {
		if (hart == harts[0] || rv_sbi(SBI_HSM, 2, hart, 0, 0, 0, 0).error)
			continue;
		init_cpu(nr_cpus, hart);
		if (rv_sbi(SBI_HSM, 0, hart, phys(boot_other), (uintptr_t)&cpus[nr_cpus], 0, 0)
		        .error)
			panic("hart %lu does not start", hart);
		nr_cpus++;
	}
}

/*
 * The interrupt need not be taken to end the sleep, and is not: it is enabled here alone, where the
 * CPU has interrupts off. Cleared after the sleep, and before the CPU looks for work.
 */
void machine_idle(void)
{
	__asm__ volatile("csrs sie, %0; wfi; csrc sie, %0; csrc sip, %0" : : "r"(2) : "memory");
}

void machine_wake(unsigned cpu)
{
	rv_sbi(SBI_IPI, 0, 1, harts[cpu], 0, 0, 0);
}

/* Stores reach all caches. */
void machine_code_read(const void *code, size_t n)
{
	(void)code, (void)n;
}

void machine_code_runs(void)
{
	__asm__ volatile("fence.i" : : : "memory");
	for (unsigned i = 0; i < nr_cpus; i++)
		rv_sbi(SBI_RFENCE, 0, 1, harts[i], 0, 0, 0);
}

/* ---- address spaces ----------------------------------------------------------------------- */

void machine_init(struct om_port_ops *ops, void **ctx)
{
	const struct rv_mmu_config config = {.kernel_root = phys(kernel_root),
	                                     .nr_cpus = MAX_CPUS,
	                                     .asid_bits = rv_asid_bits(),
	                                     .harts = harts};

	rv_mmu_init(&mmu, &config);
	ops->flush = rv_flush;
	ops->flush_local = rv_flush_local;
	*ctx = &mmu;
	print("ports: riscv64, %s, %lu bits of ASID\n", RV_LEVELS == 3 ? "Sv39" : "Sv48",
	      (unsigned long)config.asid_bits);
}

void machine_mm_init(struct machine_mm *mm)
{
	rv_mm_init(&mm->rv);
}

void machine_add_kernel(struct om_mm *om)
{
	om_pte_t *root = om_arch_frame(NULL, om_mm_root(om));

	for (unsigned i = 256; i < 512; i++)
		root[i] = kernel_root[i];
}

void machine_switch(struct machine_mm *mm, struct om_mm *om)
{
	rv_switch(&mmu, mm ? &mm->rv : NULL, mm ? om_mm_root(om) : 0);
}

/* ---- traps -------------------------------------------------------------------------------- */

#define CAUSE_CALL  8
#define CAUSE_FETCH 12
#define CAUSE_LOAD  13
#define CAUSE_STORE 15

void machine_trap(unsigned long cause, uintptr_t addr)
{
	switch (cause) {
	case CAUSE_CALL:
		this_cpu()->task->regs.pc += 4;
		kernel_trap(TRAP_CALL, 0, OM_READ);
	case CAUSE_FETCH:
		kernel_trap(TRAP_FAULT, addr, OM_EXEC);
	case CAUSE_LOAD:
		kernel_trap(TRAP_FAULT, addr, OM_READ);
	case CAUSE_STORE:
		kernel_trap(TRAP_FAULT, addr, OM_WRITE);
	}
	kernel_trap(TRAP_MISTAKE, addr, OM_READ);
}

void machine_trap_in_kernel(unsigned long cause, uintptr_t addr, uintptr_t pc)
{
	panic("trap %lu in the kernel at %lx, address %lx", cause, pc, addr);
}
