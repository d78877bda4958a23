/*
 * smp.c: starting another CPU.
 *
 * ACPI has told which there are. Each begins on the stack of a thread of its own, its idle thread;
 * it says that it is there, and goes on in the scheduler. One that does not answer is left alone.
 */
#include "arch.h"

void *ap_stack; /* ap.S loads it */
static void (*ap_run)(void);

/* In C at last, on the stack of its idle thread. */
void ap_main(void)
{
	unsigned n = nr_cpus;

	cpu_init(n, cpus[n].idle);
	apic_init_cpu();
	cpus[n].online = true;
	ap_run();
	panic("cpu %u: nothing to do", n);
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

unsigned cpus_present(void)
{
	return acpi.nr_cpus;
}

bool cpu_start(unsigned index, struct thread *idle, void (*run)(void))
{
	struct cpu *cpu = &cpus[nr_cpus];

	memcpy(phys_to_virt(AP_PAGE), ap_begin, (size_t)(ap_end - ap_begin));
	cpu->idle = idle;
	ap_stack = idle->stack + KSTACK_SIZE;
	ap_run = run;
	if (wake_cpu(acpi.apic_id[index], cpu))
		return true;
	printk("cpu %u does not start\n", nr_cpus);
	return false;
}
