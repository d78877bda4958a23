/*
 * apic.c: the interrupt controllers: each CPU's local APIC (timer, interrupts between CPUs) and the
 * IO-APIC (ISA lines).
 *
 * The local APIC is used through memory: each CPU finds the registers of its own at the same
 * address.
 */
#include "arch.h"

/* Registers of the local APIC. */
#define APIC_ID          0x20
#define APIC_EOI         0xb0
#define APIC_SPURIOUS    0xf0
#define APIC_COMMAND     0x300
#define APIC_COMMAND_HI  0x310
#define APIC_TIMER       0x320
#define APIC_TIMER_COUNT 0x380
#define APIC_TIMER_LEFT  0x390
#define APIC_TIMER_DIV   0x3e0

#define APIC_ENABLE    0x100
#define APIC_DIVIDE_16 3

#define COMMAND_NMI     0x00400
#define COMMAND_INIT    0x00500
#define COMMAND_STARTUP 0x00600
#define COMMAND_BUSY    0x01000
#define COMMAND_ASSERT  0x04000
#define COMMAND_OTHERS  0xc0000

/* The IO-APIC: an index register and a data register. */
#define IO_INDEX      0x00
#define IO_DATA       0x10
#define IO_LINE(n)    (0x10 + 2 * (n))
#define IO_LOW_ACTIVE 0x2000u
#define IO_LEVEL      0x8000u

/* ---------------------------------------------------------------- the local APIC ------------ */

static volatile uint32_t *apic_register(unsigned reg)
{
	return phys_to_virt(acpi.local_apic + reg);
}

static uint32_t apic_read(unsigned reg)
{
	return *apic_register(reg);
}

static void apic_write(unsigned reg, uint32_t v)
{
	*apic_register(reg) = v;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

unsigned apic_id(void)
{
	return apic_read(APIC_ID) >> 24;
}

/* Interrupts go off: a handler that sends one, too, would change the destination. */
static void apic_command(unsigned id, uint32_t command)
{
	unsigned long flags = irq_save();

	while (apic_read(APIC_COMMAND) & COMMAND_BUSY)
		cpu_relax();
	apic_write(APIC_COMMAND_HI, id << 24);
	apic_write(APIC_COMMAND, command | COMMAND_ASSERT);
	irq_restore(flags);
}

void apic_send_init(unsigned id)
{
	apic_command(id, COMMAND_INIT);
}

void apic_send_startup(unsigned id, uint64_t page)
{
	apic_command(id, COMMAND_STARTUP | (uint32_t)(page >> PAGE_SHIFT));
}

/* NMI, wherever they are: entry.S stops those that get one in a panic. */
void cpu_stop_others(void)
{
	apic_command(0, COMMAND_NMI | COMMAND_OTHERS);
}

void cpu_kick(unsigned cpu)
{
	apic_command(cpus[cpu].apic_id, VECTOR_RESCHED);
}

void cpu_send_flush(const struct x86_cpus *set)
{
	for (unsigned i = 0; i < nr_cpus; i++)
		if (set->word[i / 64] >> i % 64 & 1)
			apic_command(cpus[i].apic_id, VECTOR_FLUSH);
}

void apic_timer_set(uint32_t ticks)
{
	apic_write(APIC_TIMER_COUNT, ticks);
}

uint32_t apic_timer_left(void)
{
	return apic_read(APIC_TIMER_LEFT);
}

void apic_init_cpu(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 1u << 11);
	apic_write(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TIMER_DIV, APIC_DIVIDE_16);
	apic_write(APIC_TIMER, VECTOR_CLOCK);
	this_cpu()->apic_id = apic_id();
}

/* ---------------------------------------------------------------- the IO-APIC --------------- */

static void io_apic_write(unsigned index, uint32_t v)
{
	volatile uint32_t *base = phys_to_virt(acpi.io_apic);

	base[IO_INDEX / 4] = index;
	base[IO_DATA / 4] = v;
}

void io_apic_route(unsigned isa_line, int vector)
{
	uint32_t n = acpi.isa[isa_line].line;

	io_apic_write(IO_LINE(n) + 1, cpus[0].apic_id << 24);
	io_apic_write(IO_LINE(n), (uint32_t)vector | (acpi.isa[isa_line].low ? IO_LOW_ACTIVE : 0) |
	                              (acpi.isa[isa_line].level ? IO_LEVEL : 0));
}
