/*
 * main.c: the first thing in C, on each CPU, and what brings a CPU back into the kernel: calls,
 * faults, and a program's mistakes, which end the thread. The kernel itself never traps: it has
 * om_read() look at a program's memory.
 */
#include "kernel.h"

struct cpu cpus[MAX_CPUS];
unsigned nr_cpus = 1;

void kernel_main(void)
{
	memory_init();
	task_start();
	machine_start_cpus();
	task_next();
}

void kernel_other_cpu(void)
{
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
	unsigned long arg[6];

	switch (what) {
	case TRAP_CALL:
		for (unsigned i = 0; i < 6; i++)
			arg[i] = regs_argument(&task->regs, i);
		regs_set_answer(&task->regs, call(task, arg, regs_number(&task->regs)));
		break;
	case TRAP_FAULT:
		fault(task, addr, access);
		break;
	case TRAP_MISTAKE:
		task_end(STATUS_TRAP);
	}
	task_resume();
}
