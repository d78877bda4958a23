/*
 * machine.c: what the kernel wants of a PC: a serial port for the console, and the CPUs' interrupt
 * controllers to start them, to wake them, and to make them flush.
 */
#include "kernel.h"

#define TRAMPOLINE 0x8000ul /* a page below 1 MiB, where other CPUs begin */

extern uint64_t gdt[], idt[][2];
extern const char trampoline[], trampoline_end[], stubs[];
extern struct cpu *volatile starting_cpu;

_Noreturn void machine_main(void);
_Noreturn void machine_trap(void);
void machine_trap_in_kernel(const struct regs *regs);
_Noreturn void resume(struct regs *regs);

static struct x86_mmu mmu;
static struct x86_mm kernel_mm;

static uint8_t in(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("in %1, %0" : "=a"(value) : "d"(port));
	return value;
}

/* As wide as the value. */
#define OUT(port, value) __asm__ volatile("out %0, %1" : : "a"(value), "d"((uint16_t)(port)))

/* ---- the console, and the end ------------------------------------------------------------- */

#define COM1       0x3f8
#define COM1_READY 0x20  /* in COM1 + 5 */
#define POWER      0x604 /* of q35, 0x2000: off; other machines tell by ACPI */

void write(const char *text, size_t n)
{
	for (; n; n--, text++) {
		while (!(in(COM1 + 5) & COM1_READY))
			;
		OUT(COM1, (uint8_t)*text);
	}
}

void machine_stop(void)
{
	for (;;)
		OUT(POWER, (uint16_t)0x2000);
}

/* ---- interrupts, CPUs --------------------------------------------------------------------- */

#define APIC(reg) (*(volatile uint32_t *)(0xfffffffffee00000 + (reg))) /* boot.S maps it there */
#define EOI       0xb0
#define ENABLE    0xf0
#define COMMAND   0x300
#define TARGET    0x310
#define INIT      0x4500 /* commands: a CPU ends, begins at a page below 1 MiB, is interrupted */
#define BEGIN     (0x4600 | TRAMPOLINE >> 12)
#define SEND      (0x4000 | VECTOR_INTERRUPT)

/* QEMU numbers controllers as this kernel numbers CPUs. */
static void command(unsigned cpu, uint32_t what)
{
	APIC(TARGET) = cpu << 24;
	APIC(COMMAND) = what;
}

static void take_interrupt(void)
{
	APIC(EOI) = 0;
	this_cpu()->machine.woken = true;
	x86_flush_interrupt(&mmu);
}

static void send_flush(void *ctx, const struct x86_cpus *set)
{
	(void)ctx;
	for (unsigned i = 0; i < nr_cpus; i++)
		if (set->word[0] >> i & 1)
			machine_wake(i);
}

#define OLD_MASK 0x21  /* of the interrupt controller before the APIC */
#define FW_CFG   0x510 /* where QEMU tells how many CPUs there are; others do by ACPI */

static void make_gates(void)
{
	for (unsigned i = 0; i < VECTORS; i++) {
		uint64_t stub = (uintptr_t)stubs + 16 * i, users = i == VECTOR_CALL ? 3ul << 45 : 0;

		idt[i][0] = 0x8e0000080000 | users | (stub & 0xffff) | (stub & 0xffff0000) << 32;
		idt[i][1] = stub >> 32;
	}
}

static void load_tss(struct cpu *cpu)
{
	uint64_t tss = (uintptr_t)cpu->machine.tss;
	unsigned slot = 5 + 2 * (unsigned)(cpu - cpus);

	gdt[slot] = 0x890000000067 | (tss & 0xffffff) << 16 | (tss & 0xff000000) << 32;
	gdt[slot + 1] = tss >> 32;
	__asm__ volatile("ltr %w0" : : "r"(8 * slot));
}

void machine_main(void)
{
	struct cpu *cpu = this_cpu();

	OUT(OLD_MASK, (uint8_t)0xff); /* a timer that the firmware has left on */
	load_tss(cpu);
	APIC(ENABLE) = 0x1ff;
	__atomic_store_n(&cpu->machine.woken, true, __ATOMIC_RELEASE);
	__asm__ volatile("sti");
	kernel_main();
}

/* Outside of QEMU there must be 10 ms after INIT, and for some CPUs a second BEGIN. */
void machine_start_cpus(void)
{
	unsigned n;

	memcpy((void *)(X86_DIRECT_MAP + TRAMPOLINE), trampoline,
	       (size_t)(trampoline_end - trampoline));
	OUT(FW_CFG, (uint16_t)5);
	n = in(FW_CFG + 1);
	for (unsigned i = 1; i < MIN(n, MAX_CPUS); i++) {
		starting_cpu = &cpus[i];
		nr_cpus++;
		command(i, INIT);
		command(i, BEGIN);
		while (!__atomic_load_n(&cpus[i].machine.woken, __ATOMIC_ACQUIRE))
			x86_pause();
	}
}

/* The instruction after sti is still not interrupted: nothing comes between. */
void machine_idle(void)
{
	__asm__ volatile("cli");
	if (!this_cpu()->machine.woken)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	this_cpu()->machine.woken = false;
	__asm__ volatile("sti" : : : "memory");
}

void machine_wake(unsigned cpu)
{
	command(cpu, SEND);
}

/* ---- address spaces ----------------------------------------------------------------------- */

void machine_init(struct om_port_ops *ops, void **ctx)
{
	const struct x86_mmu_config config = {.kernel_root = phys(kernel_root),
	                                      .send_flush = send_flush};

	make_gates();
	x86_mmu_init(&mmu, &config);
	x86_mm_init(&mmu, &kernel_mm);
	ops->flush = x86_flush;
	*ctx = &mmu;
	print("tiny: x86_64\n");
}

void machine_mm_init(struct machine_mm *mm)
{
	x86_mm_init(&mmu, mm);
}

/* Not lazily: then address spaces could not end without x86_mm_retire(). */
void machine_switch(struct machine_mm *mm, struct om_mm *om)
{
	unsigned long flags = x86_irq_save();

	if (mm)
		x86_switch(&mmu, mm, om_mm_root(om));
	else
		x86_switch(&mmu, &kernel_mm, om_arch_pfn(NULL, kernel_root));
	x86_irq_restore(flags);
}

/* ---- traps -------------------------------------------------------------------------------- */

#define PAGE_FAULT  14
#define ERROR_WRITE 0x02
#define ERROR_FETCH 0x10

void machine_resume(struct regs *regs)
{
	uint64_t end = (uintptr_t)(regs + 1);

	/* A jump there, interrupted before the CPU has noticed, is a trap of the kernel's iretq. */
	if ((long)regs->pc << 16 >> 16 != (long)regs->pc)
		kernel_trap(TRAP_MISTAKE, 0, OM_EXEC);
	regs->cs = 0x1b; /* boot.S */
	regs->ss = 0x13;
	regs->flags |= 0x200; /* interrupts are on */
	__asm__ volatile("cli");
	this_cpu()->machine.tss[1] = (uint32_t)end;
	this_cpu()->machine.tss[2] = (uint32_t)(end >> 32);
	resume(regs);
}

void machine_trap(void)
{
	const struct regs *regs = &this_cpu()->task->regs;
	enum om_access access = regs->error & ERROR_FETCH   ? OM_EXEC
	                        : regs->error & ERROR_WRITE ? OM_WRITE
	                                                    : OM_READ;
	uintptr_t addr;

	__asm__ volatile("mov %%cr2, %0" : "=r"(addr));
	if (regs->vector == VECTOR_INTERRUPT) {
		take_interrupt();
		task_resume();
	}
	__asm__ volatile("sti");
	if (regs->vector == VECTOR_CALL)
		kernel_trap(TRAP_CALL, 0, OM_READ);
	kernel_trap(regs->vector == PAGE_FAULT ? TRAP_FAULT : TRAP_MISTAKE, addr, access);
}

void machine_trap_in_kernel(const struct regs *regs)
{
	if (regs->vector != VECTOR_INTERRUPT)
		panic("trap %lu in the kernel at %lx", regs->vector, regs->pc);
	take_interrupt();
}
