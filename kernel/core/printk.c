/*
 * printk.c: messages of the kernel on the console, and the end when it cannot go on.
 */
#include "boot.h"
#include "vfs.h"

_Atomic bool panicking;

/* Terminals want a carriage return before the line feed. */
static void print_lines(const char *s)
{
	const char *end;

	while ((end = strchr(s, '\n'))) {
		console_write(s, (size_t)(end - s));
		console_write("\r\n", 2);
		s = end + 1;
	}
	console_write(s, strlen(s));
}

static void vprintk(const char *format, va_list ap)
{
	char buf[512];

	vsnprintf(buf, sizeof(buf), format, ap);
	print_lines(buf);
}

void printk(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintk(format, ap);
	va_end(ap);
}

/* The first CPU that comes here stops the others; one that panics after it stops itself. */
void panic(const char *format, ...)
{
	va_list ap;

	irq_disable();
	if (atomic_exchange(&panicking, true))
		for (;;)
			cpu_relax();
	if (nr_cpus > 1)
		cpu_stop_others();
	printk("\nPANIC (cpu %u): ", x86_cpu_number());
	va_start(ap, format);
	vprintk(format, ap);
	va_end(ap);
	printk("\n");
	machine_end(2);
}
