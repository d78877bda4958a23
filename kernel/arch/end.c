/*
 * end.c: the end of the machine: machine_end(), and panic() when nothing can be trusted any more.
 */
#include "cpu.h"

/*
 * QEMU's isa-debug-exit device ends it with 2 * value + 1. 0x10 stands for "all was right" (33), so
 * that status is told as 0x11.
 */
void machine_end(unsigned status)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_table = {0, 0};

	irq_disable();
	outl(0xf4, status == 0 ? 0x10 : status == 0x10 ? 0x11 : status);
	outb(0xcf9, 6); /* reset, the ways of three generations of PCs */
	outb(0x64, 0xfe);
	__asm__ volatile("lidt %0; int3" : : "m"(no_table));
	for (;;)
		__asm__ volatile("hlt");
}

/* The first CPU that comes here stops the others; one that panics after it stops itself. */
void panic(const char *format, ...)
{
	char what[480];
	va_list ap;

	irq_disable();
	if (atomic_exchange(&panicking, true))
		for (;;)
			cpu_relax();
	if (nr_cpus > 1)
		cpu_stop_others();
	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	printk("\nPANIC (cpu %u): %s\n", x86_cpu_number(), what);
	machine_end(2);
}
