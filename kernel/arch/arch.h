/*
 * arch.h: what the files of arch/ share.
 */
#ifndef ARCH_H
#define ARCH_H

#include "boot.h"
#include "cpu.h"
#include "entry.h"
#include "thread.h"
#include "upcalls.h"

/* ---------------------------------------------------------------- interrupt vectors --------- */

#define VECTOR_DYNAMIC  0x30 /* irq_alloc(), irq_isa(): from here */
#define VECTOR_CLOCK    0xf0
#define VECTOR_RESCHED  0xf1
#define VECTOR_FLUSH    0xf2
#define VECTOR_SPURIOUS 0xff

/* ---------------------------------------------------------------- what ACPI tells (acpi.c) -- */

struct acpi_info {
	unsigned nr_cpus;
	uint8_t apic_id[MAX_CPUS];
	uint64_t local_apic, io_apic; /* physical */
	struct {
		uint32_t line;
		bool low, level;
	} isa[16];
};
extern struct acpi_info acpi;

/* ---------------------------------------------------------------- apic.c -------------------- */

void apic_init_cpu(void);
void apic_eoi(void); /* at the end of an interrupt */
unsigned apic_id(void);
/* INIT and STARTUP to one CPU, with the page it is to begin in. */
void apic_send_init(unsigned id);
void apic_send_startup(unsigned id, uint64_t page);
/* The timer: counts down `ticks` and interrupts once; 0: off. */
void apic_timer_set(uint32_t ticks);
uint32_t apic_timer_left(void);
/* An input of the IO-APIC raises `vector` on the boot CPU. */
void io_apic_route(unsigned isa_line, int vector);

/* ---------------------------------------------------------------- others -------------------- */

/* cpu.c */
void control_init(void);
/* cpu_init.c: this CPU */
void cpu_init(unsigned number, struct thread *thread);
/* cpu_init.c: where interrupts from user mode begin. */
void tss_set_stack(struct tss *tss, uint64_t rsp);
/* irq.c: run the handler of an interrupt; interrupts are off. */
void interrupt(struct regs *regs);
/* clock.c */
void clock_interrupt(bool user);
void delay_us(unsigned us);

/* entry.S, boot.S, ap.S */
extern const char trap_stubs[];
extern char clac_here_1[], clac_here_2[];
void syscall_entry(void);
void switch_stacks(void **save, void *load);
void thread_begin_kernel(void);
void thread_begin_user(void);
extern uint64_t kernel_pd[], direct_pd[];
extern char boot_stack[];
extern const char ap_begin[], ap_end[];
extern void *ap_stack;
extern const char kernel_text_end[], kernel_rodata_end[], kernel_end[];

/* smp.c and trap.c: called by them. */
_Noreturn void ap_main(void);
void trap(struct regs *regs);
void user_work(struct regs *regs);

/* fpu.c: switch it on for this CPU. And the halves of a switch; see cpu_fpu_save(). */
void fpu_init(void);
void fpu_save_changed(struct thread *t);
void fpu_load(const struct thread *t);

/* ---------------------------------------------------------------- instructions -------------- */

#define CR4_OSFXSR     0x200ul
#define CR4_OSXMMEXCPT 0x400ul
#define CR4_UMIP       0x800ul
#define CR4_PCIDE      0x20000ul
#define CR4_OSXSAVE    0x40000ul
#define CR4_SMEP       0x100000ul
#define CR4_SMAP       0x200000ul

#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_APIC_BASE      0x1b

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr"
	                 :
	                 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
	                 : "memory");
}

static inline uint64_t read_cr4(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static inline void write_cr4(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory");
}

static inline uint64_t read_cr2(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr2, %0" : "=r"(v));
	return v;
}

static inline uint64_t read_tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid_sub(uint32_t leaf, uint32_t sub)
{
	struct cpuid c;

	__asm__ volatile("cpuid"
	                 : "=a"(c.eax), "=b"(c.ebx), "=c"(c.ecx), "=d"(c.edx)
	                 : "a"(leaf), "c"(sub));
	return c;
}

static inline struct cpuid cpuid(uint32_t leaf)
{
	return cpuid_sub(leaf, 0);
}

#endif
