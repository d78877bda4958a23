/*
 * task.c: threads and their address spaces: start, fork, wait, end, and who runs next.
 *
 * One lock guards the tables of both. It is never held while objrmap is called, nor by whoever is
 * about to run a program.
 */
#include "kernel.h"

static struct task tasks[MAX_TASKS];
static struct space spaces[MAX_TASKS];
static uint32_t lock;
static uint32_t idle; /* CPUs that have looked for something to do, and found nothing */

static void kernel_lock(void)
{
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		om_arch_pause();
}

static void kernel_unlock(void)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

struct cpu *this_cpu(void)
{
	return &cpus[om_arch_cpu()];
}

void task_answer(struct task *task, long answer)
{
	task->regs.a[0] = (unsigned long)answer;
}

/* A task that nobody runs yet; with an address space of its own if `space` is NULL. */
static struct task *get_task(struct space *space)
{
	struct task *task = tasks;

	kernel_lock();
	while (task < tasks + MAX_TASKS && task->state != TASK_FREE)
		task++;
	if (task == tasks + MAX_TASKS)
		panic("too many tasks");
	for (struct space *s = spaces; !space; s++)
		if (!s->threads)
			space = s;
	if (!space->threads++) {
		space->machine = (struct machine_mm){0};
		machine_mm_init(&space->machine);
	}
	task->state = TASK_RUNNING;
	task->space = space;
	kernel_unlock();
	return task;
}

/* The task may run from here on: a CPU that has nothing to do is told. The lock is held. */
static void make_ready_locked(struct task *task)
{
	task->state = TASK_READY;
	for (unsigned i = 0; i < nr_cpus; i++)
		if (idle & 1u << i) {
			idle &= ~(1u << i);
			machine_wake(i);
			return;
		}
}

static long make_ready(struct task *task)
{
	kernel_lock();
	make_ready_locked(task);
	kernel_unlock();
	return task - tasks + 1;
}

/* The kernel's half of an address space. It goes in before anybody can load the root. */
static void add_kernel(struct om_mm *mm)
{
	om_pte_t *root = om_arch_frame(NULL, om_mm_root(mm));

	for (unsigned i = KERNEL_SLOT; i < PER_TABLE; i++)
		root[i] = kernel_root[i];
}

/* The only program, with a stack that grows. */
void task_start(void)
{
	static const struct om_layout layout = {.lowest = PAGE_BYTES,
	                                        .highest = USER_END,
	                                        .mmap_base = USER_END / 2};
	struct om_map_request stack = {.addr = STACK_TOP - PAGE_BYTES,
	                               .len = PAGE_BYTES,
	                               .prot = PROT_RW,
	                               .flags = OM_MAP_PRIVATE | OM_MAP_FIXED | OM_MAP_GROWSDOWN};
	struct task *task = get_task(NULL);
	struct space *space = task->space;

	if (om_mm_create(vm, &layout, &space->machine, &space->mm) ||
	    memory_map(space->mm, &stack, false) < 0)
		panic("the program does not start");
	om_set_limit(space->mm, OM_LIMIT_STACK, STACK_LIMIT);
	memory_map_program(space->mm);
	add_kernel(space->mm);
	task->regs = (struct regs){.pc = TEXT, .sp = STACK_TOP};
	make_ready(task);
}

long task_fork(struct task *parent)
{
	struct task *child = get_task(NULL);
	struct space *space = child->space;
	int err;

	err = om_fork(parent->space->mm, &space->machine, &space->mm);
	if (err) {
		space->threads = 0;
		child->state = TASK_FREE;
		return err;
	}
	add_kernel(space->mm);
	child->regs = parent->regs;
	task_answer(child, 0);
	child->parent = parent;
	return make_ready(child);
}

long task_thread(struct task *parent, uintptr_t entry, uintptr_t stack, uintptr_t arg)
{
	struct task *task = get_task(parent->space);

	task->regs = (struct regs){.pc = entry, .sp = stack, .a = {arg}};
	task->parent = parent;
	return make_ready(task);
}

/* The lock is held. */
static struct task *find_ended(const struct task *parent)
{
	for (struct task *t = tasks; t < tasks + MAX_TASKS; t++)
		if (t->parent == parent && t->state == TASK_ENDED)
			return t;
	return NULL;
}

/*
 * The status of a child or thread that has ended. If none has, the task sleeps until one does, and
 * asks again: another CPU may run it as soon as it is said to sleep, so this one leaves first.
 */
long task_wait(struct task *parent, bool sleep)
{
	struct task *ended;
	long status = 0;

	kernel_lock();
	ended = find_ended(parent);
	if (ended) {
		ended->state = TASK_FREE;
		status = ended->status;
	}
	kernel_unlock();
	if (ended || !sleep)
		return ended ? status : -OM_EAGAIN;
	task_answer(parent, -OM_EAGAIN);
	machine_switch(NULL, NULL);
	kernel_lock();
	if (find_ended(parent))
		make_ready_locked(parent);
	else
		parent->state = TASK_WAITING;
	kernel_unlock();
	task_next();
}

/* The last thread takes the address space with it; no CPU has that loaded any more. */
void task_leave(void)
{
	struct space *space = this_cpu()->task->space;
	bool last;

	machine_switch(NULL, NULL);
	kernel_lock();
	last = space->threads == 1;
	if (!last)
		space->threads--;
	kernel_unlock();
	if (!last)
		return;
	om_mm_destroy(space->mm);
	kernel_lock();
	space->threads = 0;
	kernel_unlock();
}

void task_end(long status)
{
	struct task *task = this_cpu()->task;

	task_leave();
	kernel_lock();
	for (struct task *t = tasks; t < tasks + MAX_TASKS; t++)
		if (t->parent == task) {
			t->parent = NULL;
			if (t->state == TASK_ENDED)
				t->state = TASK_FREE;
		}
	task->status = status;
	task->state = task->parent ? TASK_ENDED : TASK_FREE;
	if (task->parent && task->parent->state == TASK_WAITING)
		make_ready_locked(task->parent);
	kernel_unlock();
	task_next();
}

/* Go on with the task that this CPU has. */
void task_resume(void)
{
	machine_resume(&this_cpu()->task->regs);
}

/*
 * The first that is ready after the CPU's last one, round about: from now on it is running. If
 * there is none and the CPU could sleep, it is idle.
 */
static struct task *take_ready(struct cpu *cpu, bool sleepy)
{
	struct task *found = NULL;

	kernel_lock();
	for (unsigned i = 1; i <= MAX_TASKS && !found; i++) {
		struct task *t = &tasks[(cpu->last + i) % MAX_TASKS];

		if (t->state == TASK_READY)
			found = t;
	}
	idle &= ~(1u << (cpu - cpus));
	if (found) {
		found->state = TASK_RUNNING;
		cpu->last = (unsigned)(found - tasks);
	} else if (sleepy) {
		idle |= 1u << (cpu - cpus);
	}
	kernel_unlock();
	return found;
}

static _Noreturn void run(struct cpu *cpu, struct task *task)
{
	cpu->task = task;
	machine_switch(&task->space->machine, task->space->mm);
	task_resume();
}

/* This CPU has nothing loaded. */
void task_next(void)
{
	struct cpu *cpu = this_cpu();
	struct task *next;

	while (!(next = take_ready(cpu, true)))
		machine_idle();
	run(cpu, next);
}

/* Another CPU may end the task, and its address space, as soon as it is ready. */
void task_yield(void)
{
	struct cpu *cpu = this_cpu();
	struct task *task = cpu->task, *next = take_ready(cpu, false);

	if (!next)
		task_resume();
	machine_switch(NULL, NULL);
	make_ready(task);
	run(cpu, next);
}
