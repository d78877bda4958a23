/*
 * printk.c: messages of the kernel on the console.
 */
#include "lib.h"

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

void printk(const char *format, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(buf, sizeof(buf), format, ap);
	va_end(ap);
	print_lines(buf);
}
