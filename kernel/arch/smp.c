/*
 * smp.c: starting the other CPUs, one after the other.
 *
 * ACPI has told their numbers. Each gets a thread of its own, its idle thread, whose stack it
 * begins on; it says that it is there and waits in sched_idle() for something to do. One that does
 * not answer is left alone.
 */
#include "arch.h"

void *ap_stack; /* ap.S loads it */

/* In C at last, on the stack of its idle thread. */
void ap_main(void)
{
	unsigned n = nr_cpus;

	cpu_init(n, cpus[n].idle);
	apic_init_cpu();
	cpus[n].online = true;
	sched_idle();
}

static bool wait_online(const struct cpu *cpu, unsigned ms)
{
	for (; ms && !*(const volatile bool *)&cpu->online; ms--)
		delay_us(1000);
	return cpu->online;
}

/* Twice, as Intel asks for: the first one may get lost. */
static bool wake_cpu(unsigned id, const struct cpu *cpu)
{
	apic_send_init(id);
	delay_us(10000);
	apic_send_startup(id, AP_PAGE);
	if (wait_online(cpu, 10))
		return true;
	apic_send_startup(id, AP_PAGE);
	return wait_online(cpu, 5000);
}

static bool start_cpu(unsigned id)
{
	struct cpu *cpu = &cpus[nr_cpus];
	struct thread *t = thread_alloc(NULL);

	if (!t)
		return false;
	snprintf(t->name, sizeof(t->name), "idle/%u", nr_cpus);
	t->cpu = nr_cpus;
	t->on_cpu = true;
	cpu->idle = t;
	ap_stack = t->stack + KSTACK_SIZE;
	if (wake_cpu(id, cpu))
		return true;
	printk("cpu %u does not start\n", nr_cpus);
	return false; /* its thread stays: it may yet wake up */
}

void smp_start(unsigned max)
{
	memcpy(phys_to_virt(AP_PAGE), ap_begin, (size_t)(ap_end - ap_begin));
	for (unsigned i = 1; i < acpi.nr_cpus && nr_cpus < max; i++)
		if (start_cpu(acpi.apic_id[i]))
			nr_cpus++;
}
