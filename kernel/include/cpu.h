/*
 * cpu.h: the machine as the rest of the kernel sees it: CPUs, registers of a trap, interrupts,
 * ports, the clock. arch/
 */
#ifndef CPU_H
#define CPU_H

#include "spin.h"
#include "x86_64.h" /* of ports/x86_64: struct x86_cpu, the head of struct cpu */

#define MAX_CPUS 16

struct thread;

/* ---------------------------------------------------------------- addresses ----------------- */

/* All physical memory below 4 GiB, and the devices there. */
#define DIRECT_MAP 0xffff800000000000ul
/* Where kernel stacks and vmalloc() areas are mapped: one slot of the root, filled at boot. */
#define VMALLOC_START 0xffffff0000000000ul
#define KERNEL_BASE   0xffffffff80000000ul

static inline void *phys_to_virt(uint64_t phys)
{
	return (void *)(DIRECT_MAP + phys);
}
/* Of an address in the direct map. */
static inline uint64_t virt_to_phys(const void *p)
{
	return (uintptr_t)p - DIRECT_MAP;
}

#define USER_LIMIT  0x7ffffffff000ul /* no user address at or above */
#define USER_LOWEST 0x10000ul        /* nor below: that catches NULL pointers */

/* ---------------------------------------------------------------- registers ----------------- */

/*
 * User or kernel registers at the entry to the kernel; at the top of the kernel stack. entry.S
 * pushes it.
 */
struct regs {
	uint64_t r15, r14, r13, r12, rbp, rbx;
	uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t vector; /* trap or interrupt number; SYSCALL_VECTOR for a system call */
	uint64_t error;  /* error code of the trap; of a system call its number (orig_rax) */
	uint64_t rip, cs, rflags, rsp, ss;
};
#define SYSCALL_VECTOR 0x100

static inline bool regs_user(const struct regs *regs)
{
	return regs->cs & 3;
}

#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define USER_DS   0x1b
#define USER_CS   0x23

/* ---------------------------------------------------------------- per CPU ------------------- */

/*
 * At GS base while in the kernel. The first part is the port's (number, preempt count). What other
 * CPUs write is on cache lines of its own.
 */
struct cpu {
	struct x86_cpu port;    /* must be first: om_arch.h reads it */
	struct thread *running; /* gs:CPU_CURRENT in entry.S, see the assertions in cpu_init.c */
	uint64_t kernel_rsp;    /* top of the current thread's kernel stack, for syscall entry */
	uint64_t user_rsp;      /* scratch of syscall entry */
	struct thread *idle;
	struct cpu *self;
	unsigned apic_id;
	bool online;
	uint64_t slice_end;
	_Atomic bool gets_on; /* pressure.c: a program runs here that does not wait for memory */
	uint64_t idle_ns, idle_since; /* since: 0 = not idle */
	uint64_t accounted;           /* until when the running thread's time has been counted */
	uint64_t armed;               /* clock.c: when the timer is going to interrupt */
	struct tss *tss;
	/* The run queue: sched.c. */
	struct spin lock __attribute__((aligned(64))); /* guards it; taken with interrupts off */
	volatile bool resched;                         /* the running thread should give way */
	_Atomic unsigned nr_ready;
	struct list queue;      /* threads ready to run here */
	struct thread *leaving; /* dead, or to go to another CPU, once it is off its stack */
	/* For other CPUs, which look at it often: how many threads wait for another. */
	_Atomic unsigned nr_waiting __attribute__((aligned(64)));
};

extern struct cpu cpus[MAX_CPUS];
extern unsigned nr_cpus;       /* CPUs running; fixed once threads run */
extern struct x86_mmu mmu;     /* the port's state of all CPUs */
extern _Atomic bool panicking; /* the end is near, and no lock counts any more */

static inline struct cpu *this_cpu(void)
{
	struct cpu *cpu;

	__asm__ volatile("mov %%gs:%c1, %0" : "=r"(cpu) : "i"(offsetof(struct cpu, self)));
	return cpu;
}

static inline struct thread *current_thread(void)
{
	struct thread *t;

	__asm__ volatile("mov %%gs:%c1, %0" : "=r"(t) : "i"(offsetof(struct cpu, running)));
	return t;
}
#define current current_thread()

/* Preemption is off while the count is not 0; the objrmap core counts, too (om_arch_spin_enter). */
static inline void preempt_disable(void)
{
	x86_preempt_disable();
}
static inline void preempt_enable(void)
{
	x86_preempt_enable();
}

/* ---------------------------------------------------------------- interrupts (arch/irq.c) --- */

static inline unsigned long irq_save(void)
{
	unsigned long flags;

	__asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) : : "memory");
	return flags;
}
static inline void irq_restore(unsigned long flags)
{
	if (flags & 0x200)
		__asm__ volatile("sti" : : : "memory");
}
static inline void irq_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}
static inline void irq_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}
static inline bool irqs_on(void)
{
	unsigned long flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	return flags & 0x200;
}
/*
 * In every loop that waits for another CPU. With interrupts off it must also answer TLB flushes:
 * x86_flush_interrupt().
 */
static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

/* Handlers run with interrupts off and may not sleep. */
typedef void irq_fn(void *arg);
/* A free interrupt vector with this handler, for MSI; negative errno. */
int irq_alloc(irq_fn *fn, void *arg);
/* A line of the IO-APIC (ISA interrupt number) to this handler. */
int irq_isa(unsigned line, irq_fn *fn, void *arg);
/* The MSI address and data that raise `vector` on a CPU. */
void irq_msi(int vector, unsigned cpu, uint64_t *address, uint32_t *data);

/* ---------------------------------------------------------------- I/O ----------------------- */

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* ---------------------------------------------------------------- threads (arch/thread.c) --- */

/* Make thread `t` begin in the kernel at fn(arg) when it is first switched to. */
void cpu_thread_kernel(struct thread *t, void (*fn)(void *), void *arg);
/* Make it begin by returning to user mode with a copy of `regs` (fork, clone). */
void cpu_thread_user(struct thread *t, const struct regs *regs);
/* Switch from `prev` to `next`: stack, FPU state, FS base, TSS. Interrupts off. */
void cpu_switch(struct thread *prev, struct thread *next);
/* The user registers of a thread, at the top of its kernel stack. */
struct regs *thread_regs(const struct thread *t);
/* FS base of the running thread (arch_prctl, CLONE_SETTLS). */
void cpu_set_fs(uint64_t base);

/* ---------------------------------------------------------------- FPU (arch/fpu.c) ---------- */

/* Bytes of t->fpu: 512, or more where the CPUs have XSAVE. */
unsigned cpu_fpu_bytes(void);
/* Is it more? */
bool cpu_fpu_extended(void);
/* Empty FPU state for exec. */
void cpu_fpu_reset(struct thread *t);
/*
 * Copy the running thread's registers into its area, all of them: now it is what a signal frame
 * has, and stays so until the thread is back in user mode.
 */
void cpu_fpu_save(struct thread *t);
/*
 * The first 512 bytes of a signal frame's FPU state say how long it is; 0: no longer, or nonsense.
 * At its end there must be FP_XSTATE_MAGIC2, too.
 */
unsigned cpu_fpu_frame_bytes(const void *first);
/*
 * Load the running thread's registers from a program's `image`, cpu_fpu_bytes() long, of which so
 * many bytes are valid (0: the first 512). It is not trusted, and changed.
 */
void cpu_fpu_set(struct thread *t, void *image, unsigned bytes);

/* ---------------------------------------------------------------- other CPUs ---------------- */

/* arch/smp.c */
unsigned cpus_present(void); /* as ACPI tells; those that run are nr_cpus */
/*
 * Start the CPU of this index, below cpus_present(), as number nr_cpus: it begins with run(), on
 * the stack of `idle`. False, and a message, if it does not answer. At boot only.
 */
bool cpu_start(unsigned index, struct thread *idle, void (*run)(void));

/* arch/apic.c */
/* Interrupt another CPU so that it looks at `resched`. */
void cpu_kick(unsigned cpu);
/* Raise on each CPU of the set the interrupt whose handler calls x86_flush_interrupt(&mmu). */
void cpu_send_flush(const struct x86_cpus *set);
/* Stop all other CPUs wherever they are; `panicking` has been set. */
void cpu_stop_others(void);

/*
 * End the machine: QEMU's exit device, then the reset line. `status` 0: all was right. arch/end.c
 */
_Noreturn void machine_end(unsigned status);

/* ---------------------------------------------------------------- system calls -------------- */

/*
 * The handlers of system calls by number, which entry.S calls as handler(rdi, rsi, rdx, r10, r8,
 * r9). sys/table.c fills it, and leaves none NULL.
 */
#define NR_SYSCALLS 512
typedef void syscall_fn(void);
extern syscall_fn *syscall_table[NR_SYSCALLS];

/* ---------------------------------------------------------------- clock (arch/clock.c) ------ */

uint64_t now_ns(void);       /* since boot, monotonic, the same on all CPUs */
uint64_t boot_time_ns(void); /* of day, at boot: wall clock = boot_time_ns() + now_ns() */

/* Set the clock interrupt of this CPU to come no later than `deadline`. */
void clock_arm(uint64_t deadline);

#endif
