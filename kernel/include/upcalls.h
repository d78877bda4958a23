/*
 * upcalls.h: what a layer calls in the layers above it. These are all there are: any other call or
 * include leads down, or to the same layer (kernel/layers.txt; make check-kernel-layers).
 */
#ifndef UPCALLS_H
#define UPCALLS_H

#include "lib.h"

struct regs;
struct space;
struct thread;

/* ---------------------------------------------------------------- provided by init/ --------- */

/* From arch/boot.S, on the boot stack, interrupts off: the first line of C. init/main.c */
_Noreturn void kernel_main(uint64_t start_info);

/*
 * From proc/exit.c when process 1 has ended, and from sys/machine.c for reboot(): the end of the
 * machine. `status` is as wait4() gives it. May sleep. init/main.c
 */
_Noreturn void kernel_finish(int status);

/* ---------------------------------------------------------------- provided by core/ --------- */

/* From arch/entry.S: the first thing a new thread does, interrupts off. core/sched.c */
void sched_begin(void);

/*
 * From arch/entry.S when the function of a kernel thread returns, and from proc/exit.c: the running
 * thread ends. Its memory goes when another thread has been switched to. core/threads.c
 */
_Noreturn void thread_exit(void);

/*
 * From arch/irq.c on the way out of an interrupt, interrupts off: preempt if asked for and allowed.
 * core/sched.c
 */
void sched_preempt(void);

/*
 * From arch/clock.c, in the clock interrupt: run the timers that are due, charge the running thread
 * for its time. `user`: the interrupt has hit user mode. Returns when this CPU wants the next one,
 * in ns by now_ns(); UINT64_MAX: not at all. core/timer.c
 */
uint64_t clock_tick(uint64_t now, bool user);

/* ---------------------------------------------------------------- provided by mm/ ----------- */

/* From arch/entry.S: a page fault in user mode at `addr`; interrupts on. May sleep. mm/fault.c */
void page_fault(struct regs *regs, uintptr_t addr);

/*
 * From core/sched.c, interrupts off: this CPU goes to an address space, NULL: to none, for a kernel
 * thread. mm/space.c
 */
void space_switch(struct space *space);

/* ---------------------------------------------------------------- provided by proc/ --------- */

/*
 * From arch/trap.c, interrupts on: do what is flagged in current->work. May sleep. proc/deliver.c
 */
void return_to_user(struct regs *regs);

/*
 * From arch/trap.c and mm/fault.c: a signal for a trap of the running thread, which can be neither
 * ignored nor blocked. May sleep. proc/signal.c
 */
void signal_force(int sig, int code, uintptr_t addr);

/*
 * From core/wait.c and wait_event_intr(): has the running thread a signal to take, or is it to end?
 * proc/signal.c
 */
bool signal_pending(void);

/*
 * From core/sched.c at each tick of a running thread, interrupts off: timers of its process that
 * count CPU time. proc/itimer.c
 */
void proc_tick(struct thread *t, bool user);

/*
 * From mm/fault.c: a fault of the running process found no memory: end the biggest process, or wait
 * for the end of the one that has been chosen already; then let the program try again. May sleep.
 * proc/oom.c
 */
void out_of_memory(void);

#endif
