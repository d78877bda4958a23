/*
 * kernel.h: a whole kernel on objrmap, as small as it gets, and its demands on the machine.
 *
 * It is never preempted, takes no interrupts but those that flush and wake, and its stores never
 * sleep. So each CPU needs one stack, a call runs to its end on it, and whoever waits for a lock
 * waits for another CPU that is running. What a machine supplies is in its directory: machine.h,
 * which is included here, and what is declared under "the machine".
 */
#ifndef TINY_KERNEL_H
#define TINY_KERNEL_H

#include <objrmap/objrmap.h>

#include "machine.h" /* struct regs, struct machine_cpu, struct machine_mm */

#include "calls.h"

#define MAX_CPUS   4
#define MAX_TASKS  24
#define STACK_SIZE 16384
#define STACK_TOP  (USER_END - (1ul << 20)) /* of the first thread */
#define PER_TABLE  (1u << OM_TABLE_SHIFT)
#define PROT_RW    (OM_PROT_READ | OM_PROT_WRITE)
#define MIN(a, b)  ((a) < (b) ? (a) : (b))
#define panic(...) (print("panic: " __VA_ARGS__), print("\n"), machine_stop())

enum trap { TRAP_CALL, TRAP_FAULT, TRAP_MISTAKE };

/* An address space and the threads in it. */
struct space {
	struct om_mm *mm;
	struct machine_mm machine;
	unsigned threads; /* the kernel's lock; 0: free */
};

enum task_state { TASK_FREE, TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_ENDED };

struct task {
	struct regs regs;
	struct space *space;
	struct task *parent; /* NULL: nobody will ask for the status */
	enum task_state state;
	long status;
};

struct cpu {
	struct machine_cpu machine; /* must be the first */
	struct task *task;          /* that it runs */
	unsigned last;              /* number of that, or of the last one */
	struct om_held held;        /* nothing sleeps, so the CPU's record is the thread's */
	char stack[STACK_SIZE] __attribute__((aligned(16)));
};

extern struct cpu cpus[MAX_CPUS];
extern unsigned nr_cpus;
extern struct om_system *vm;

/* The physical address of something in the kernel. */
static inline uint64_t phys(const void *p)
{
	return (uintptr_t)p - KERNEL_BASE;
}

/* main.c */
_Noreturn void kernel_main(void); /* on each CPU, the first of which starts the others */
_Noreturn void kernel_trap(enum trap what, uintptr_t addr, enum om_access access);

/* memory.c */
void memory_init(void);
bool memory_check(void);
_Noreturn void memory_end(bool success);
long memory_map(struct om_mm *mm, struct om_map_request *r, bool file);
void memory_map_program(struct om_mm *mm);
int disk_byte(uint64_t offset);

/* ports/template/check.c: the first rule of om_arch.h that is broken, or NULL. */
const char *port_check_entries(void);

/* task.c */
struct cpu *this_cpu(void);
void task_start(void);
void task_answer(struct task *task, long answer);
long task_fork(struct task *parent);
long task_thread(struct task *parent, uintptr_t entry, uintptr_t stack, uintptr_t arg);
long task_wait(struct task *parent, bool sleep);
void task_leave(void);
_Noreturn void task_end(long status);
_Noreturn void task_resume(void);
_Noreturn void task_next(void);
_Noreturn void task_yield(void);

/* call.c */
long call(struct task *task, const unsigned long arg[6], unsigned long number);

/* print.c, string.c */
__attribute__((format(printf, 1, 2))) void print(const char *text, ...);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

/* ---- the machine -------------------------------------------------------------------------- */

/* What the MMU has before there are programs, and between them. */
extern om_pte_t kernel_root[];

/* The port's hooks, and what they get first. Also makes what the port has for the machine. */
void machine_init(struct om_port_ops *ops, void **ctx);
void machine_mm_init(struct machine_mm *mm);
/* This CPU goes to an address space; NULL: to the kernel's own. */
void machine_switch(struct machine_mm *mm, struct om_mm *om);
/* New CPUs begin in kernel_main(), with cpus[n] as theirs; counts them in nr_cpus. */
void machine_start_cpus(void);
_Noreturn void machine_resume(struct regs *regs);
/* Sleeps until machine_wake(), also one that came before; may return earlier. */
void machine_idle(void);
void machine_wake(unsigned cpu);
/*
 * For machines whose CPUs execute from caches of their own: what has been read from a store may be
 * code (write it to where those look); and code is about to be executed (all CPUs: forget what was
 * there). Others need not have these functions.
 */
void machine_code_read(const void *code, size_t n);
void machine_code_runs(void);
void write(const char *text, size_t n);
_Noreturn void machine_stop(void);

#endif
