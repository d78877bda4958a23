/*
 * cpu_init.c: a CPU's own things: descriptor tables, task segment, system-call registers, and its
 * struct cpu at the GS base.
 */
#include "arch.h"

#define STACK_NMI    1 /* of the interrupt stack table */
#define STACK_DOUBLE 2
#define IST_SIZE     4096

#define GDT_TSS 5 /* first entry of the task segments, two for each CPU */

#define SFMASK 0x257fd5ul /* all flags but the fixed one: system calls begin with none set */

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
};

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

_Static_assert(offsetof(struct cpu, running) == CPU_CURRENT, "entry.h");
_Static_assert(offsetof(struct cpu, kernel_rsp) == CPU_KERNEL_RSP, "entry.h");
_Static_assert(offsetof(struct cpu, user_rsp) == CPU_USER_RSP, "entry.h");
_Static_assert(offsetof(struct thread, work) == THREAD_WORK, "entry.h");

static struct tss tss[MAX_CPUS];
static char ist_stacks[MAX_CPUS][2][IST_SIZE] __attribute__((aligned(16)));
static struct gate idt[256];
static uint64_t gdt[GDT_TSS + 2 * MAX_CPUS] = {
    0,
    0x00209a0000000000, /* kernel code */
    0x0000920000000000, /* kernel data */
    0x0000f20000000000, /* user data */
    0x0020fa0000000000, /* user code */
};

static void tss_init(unsigned n)
{
	uint64_t base = (uintptr_t)&tss[n];
	uint64_t *entry = &gdt[GDT_TSS + 2 * n];

	tss[n].io_map = sizeof(struct tss); /* no ports for user mode */
	tss[n].ist[STACK_NMI - 1] = (uintptr_t)ist_stacks[n][1];
	tss[n].ist[STACK_DOUBLE - 1] = (uintptr_t)ist_stacks[n][1] + IST_SIZE;
	entry[0] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
	           (base >> 24 & 0xff) << 56;
	entry[1] = base >> 32;
	cpus[n].tss = &tss[n];
}

void tss_set_stack(struct tss *t, uint64_t rsp)
{
	t->rsp[0] = rsp;
}

static void idt_set(unsigned vector, unsigned privilege, unsigned ist)
{
	uint64_t at = (uintptr_t)trap_stubs + 16 * vector;

	idt[vector] = (struct gate){
	    .offset_low = (uint16_t)at,
	    .offset_mid = (uint16_t)(at >> 16),
	    .offset_high = (uint32_t)(at >> 32),
	    .selector = KERNEL_CS,
	    .ist = (uint8_t)ist,
	    .type =
	        (uint8_t)(0x8e | privilege << 5), /* interrupt gate: comes with interrupts off */
	};
}

static void idt_init(void)
{
	for (unsigned i = 0; i < 256; i++)
		idt_set(i, 0, 0);
	idt_set(2, 0, STACK_NMI);
	idt_set(8, 0, STACK_DOUBLE);
	idt_set(3, 3, 0); /* int3 and into are for programs */
	idt_set(4, 3, 0);
}

static void load_tables(unsigned n)
{
	struct table_pointer g = {sizeof(gdt) - 1, (uintptr_t)gdt},
	                     i = {sizeof(idt) - 1, (uintptr_t)idt};
	uint16_t task = (uint16_t)((GDT_TSS + 2 * n) * 8);

	__asm__ volatile("lgdt %0; lidt %1; lldt %w2; ltr %w3"
	                 :
	                 : "m"(g), "m"(i), "r"(0), "r"(task));
}

/* Before pages_protect(): writes text. */
static void patch_clac(void)
{
	static const char clac[3] = {0x0f, 0x01, (char)0xca};

	if (!(read_cr4() & CR4_SMAP))
		return;
	memcpy(clac_here_1, clac, sizeof(clac));
	memcpy(clac_here_2, clac, sizeof(clac));
}

static void syscall_registers(void)
{
	wrmsr(MSR_STAR, (uint64_t)KERNEL_DS << 48 | (uint64_t)KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (uintptr_t)syscall_entry);
	wrmsr(MSR_SFMASK, SFMASK);
}

void cpu_init(unsigned n, struct thread *thread)
{
	struct cpu *cpu = &cpus[n];

	cpu->port.number = n;
	cpu->self = cpu;
	cpu->running = cpu->idle = thread;
	wrmsr(MSR_GS_BASE, (uintptr_t)cpu);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	tss_init(n);
	load_tables(n);
	control_init();
	syscall_registers();
}

/* The thread that runs on the stack of boot.S and becomes the boot CPU's idle thread. */
void cpu_init_first(void)
{
	static struct thread boot_thread = {.name = "boot", .on_cpu = true};

	idt_init();
	boot_thread.stack = boot_stack;
	list_init(&boot_thread.run);
	nr_cpus = 1;
	cpu_init(0, &boot_thread);
	patch_clac();
	cpus[0].online = true;
}
