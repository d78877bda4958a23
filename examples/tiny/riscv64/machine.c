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

#ifndef FLUSH_BY_INTERRUPT
#define FLUSH_BY_INTERRUPT false
#endif

extern char boot_other[];

_Noreturn void machine_main(unsigned long hart);
_Noreturn void machine_trap(unsigned long cause, uintptr_t addr);
void machine_trap_in_kernel(unsigned long cause, uintptr_t addr, uintptr_t pc);

static struct rv_mmu mmu;
static uint32_t harts[RV_MAX_CPUS]; /* of each CPU */

/* ---- the console, and the end ------------------------------------------------------------- */

void write(const char *text, size_t n)
{
	for (; n; n--, text++)
		rv_sbi(SBI_PUTCHAR, 0, (unsigned char)*text, 0, 0, 0, 0);
}

void machine_stop(void)
{
	for (;;)
		rv_sbi(SBI_RESET, 0, 0, 0, 0, 0, 0);
}

/* ---- interrupts ---------------------------------------------------------------------------- */

#define SOFTWARE_INTERRUPT 2ul         /* in sie and sip */
#define CAUSE_INTERRUPT    (1ul << 63) /* in scause */

/* One kind wakes a CPU that is idle, and asks it to flush. Cleared before it looks what for. */
static void take_interrupt(void)
{
	__asm__ volatile("csrc sip, %0" : : "r"(SOFTWARE_INTERRUPT) : "memory");
	this_cpu()->machine.woken = true;
	rv_flush_interrupt(&mmu);
}

static void send_flush(void *ctx, uint64_t set)
{
	(void)ctx;
	for (unsigned i = 0; i < nr_cpus; i++)
		if (set >> i & 1)
			machine_wake(i);
}

/* Only where flushes come by interrupt does the kernel take any. */
static void enable_interrupts(void)
{
	if (FLUSH_BY_INTERRUPT)
		__asm__ volatile("csrs sie, %0; csrs sstatus, %0"
		                 :
		                 : "r"(SOFTWARE_INTERRUPT)
		                 : "memory");
}

/* ---- CPUs --------------------------------------------------------------------------------- */

void machine_main(unsigned long hart)
{
	if (this_cpu() == cpus)
		harts[0] = (uint32_t)hart;
	enable_interrupts();
	kernel_main();
}

void machine_start_cpus(void)
{
	for (unsigned long hart = 0; hart < RV_MAX_CPUS && nr_cpus < MAX_CPUS; hart++) {
		struct cpu *cpu = &cpus[nr_cpus];

		if (hart == harts[0] || rv_sbi(SBI_HSM, 2, hart, 0, 0, 0, 0).error)
			continue;
		harts[nr_cpus++] = (uint32_t)hart;
		if (rv_sbi(SBI_HSM, 0, hart, phys(boot_other), (uintptr_t)cpu, 0, 0).error)
			panic("hart %lu does not start", hart);
	}
}

/* With interrupts off: what is pending ends the sleep all the same. */
void machine_idle(void)
{
	unsigned long flags = rv_irq_save(), enabled;

	if (!this_cpu()->machine.woken)
		__asm__ volatile("csrrs %0, sie, %1; wfi; csrw sie, %0"
		                 : "=&r"(enabled)
		                 : "r"(SOFTWARE_INTERRUPT)
		                 : "memory");
	take_interrupt();
	this_cpu()->machine.woken = false;
	rv_irq_restore(flags);
}

void machine_wake(unsigned cpu)
{
	rv_sbi(SBI_IPI, 0, 1, harts[cpu], 0, 0, 0);
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
	                                     .harts = harts,
	                                     .send_flush = FLUSH_BY_INTERRUPT ? send_flush : NULL};

	rv_mmu_init(&mmu, &config);
	ops->flush = rv_flush;
	ops->flush_local = rv_flush_local;
	*ctx = &mmu;
	print("tiny: riscv64, %s, %lu bits of ASID, flushes by %s\n",
	      RV_LEVELS == 3 ? "Sv39" : "Sv48", (unsigned long)config.asid_bits,
	      FLUSH_BY_INTERRUPT ? "interrupt" : "firmware");
}

void machine_mm_init(struct machine_mm *mm)
{
	rv_mm_init(mm);
}

void machine_switch(struct machine_mm *mm, struct om_mm *om)
{
	unsigned long flags = rv_irq_save();

	rv_switch(&mmu, mm, mm ? om_mm_root(om) : 0);
	rv_irq_restore(flags);
}

/* ---- traps -------------------------------------------------------------------------------- */

#define CAUSE_CALL  8
#define CAUSE_FETCH 12
#define CAUSE_LOAD  13
#define CAUSE_STORE 15

void machine_trap(unsigned long cause, uintptr_t addr)
{
	if (cause & CAUSE_INTERRUPT) {
		take_interrupt();
		task_resume();
	}
	enable_interrupts();
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
	if (cause & CAUSE_INTERRUPT)
		take_interrupt();
	else
		panic("trap %lu in the kernel at %lx, address %lx", cause, pc, addr);
}
