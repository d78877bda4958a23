/*
 * main.c: the first thing in C, on each CPU, and what brings a CPU back into the kernel: calls,
 * faults, and a program's mistakes, which end the thread. The kernel itself never traps: it has
 * om_read() look at a program's memory.
 */
#include "kernel.h"

#define CPU(n) [n] = {.machine = {.port.CPU_NUMBER = n, .stack = cpus[n].stack + STACK_SIZE}}

struct cpu cpus[MAX_CPUS] = {CPU(0), CPU(1), CPU(2), CPU(3)};
unsigned nr_cpus = 1;

void kernel_main(void)
{
	if (this_cpu() == cpus) {
		memory_init();
		task_start();
		machine_start_cpus();
	}
	task_next();
}

static void fault(struct task *task, uintptr_t addr, enum om_access access)
{
	enum om_fault_result result = om_fault(task->space->mm, addr, access);

	if (result != OM_FAULT_MINOR && result != OM_FAULT_MAJOR)
		task_end(STATUS_FAULT + result);
	if (access == OM_EXEC)
		machine_code_runs();
}

/* The registers are in the task that was running. */
void kernel_trap(enum trap what, uintptr_t addr, enum om_access access)
{
	struct task *task = this_cpu()->task;

	switch (what) {
	case TRAP_CALL:
		task_answer(task, call(task, task->regs.a, task->regs.number));
		break;
	case TRAP_FAULT:
		fault(task, addr, access);
		break;
	case TRAP_MISTAKE:
		task_end(STATUS_TRAP);
	}
	task_resume();
}

/* For machines that have no such functions. */
__attribute__((weak)) void machine_code_read(const void *code, size_t n)
{
	(void)code, (void)n;
}

__attribute__((weak)) void machine_code_runs(void)
{
}
