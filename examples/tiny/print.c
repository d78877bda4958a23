/* print.c: the little of printf that the kernel and its programs need: %s, %lu and %lx. */
#include <stdarg.h>

#include "calls.h"

static void put(char c)
{
	write(&c, 1);
}

static void put_number(uint64_t n, unsigned base)
{
	if (n >= base)
		put_number(n / base, base);
	put("0123456789abcdef"[n % base]);
}

void print(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	for (; *text; text++) {
		if (*text != '%')
			put(*text);
		else if (*++text == 'l')
			put_number(va_arg(args, uint64_t), *++text == 'x' ? 16 : 10);
		else
			for (const char *s = va_arg(args, const char *); *s; s++)
				put(*s);
	}
	va_end(args);
}
