/* print.c: the little of printf that the kernel and its program need: %s, %lu and %lx. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

__attribute__((format(printf, 1, 2))) void print(const char *text, ...);
void write(const char *text, size_t n); /* the console's, or a call */

/* A line at a time where it fits, so that those of several CPUs do not mix. */
struct line {
	char text[120];
	size_t n;
};

static void put(struct line *line, char c)
{
	line->text[line->n++] = c;
	if (c == '\n' || line->n == sizeof(line->text)) {
		write(line->text, line->n);
		line->n = 0;
	}
}

static void put_number(struct line *line, unsigned long n, unsigned base)
{
	if (n >= base)
		put_number(line, n / base, base);
	put(line, "0123456789abcdef"[n % base]);
}

void print(const char *text, ...)
{
	struct line line;
	va_list args;

	line.n = 0;
	va_start(args, text);
	for (; *text; text++) {
		if (*text != '%')
			put(&line, *text);
		else if (*++text == 'l')
			put_number(&line, va_arg(args, unsigned long), *++text == 'x' ? 16 : 10);
		else
			for (const char *s = va_arg(args, const char *); *s; s++)
				put(&line, *s);
	}
	va_end(args);
	write(line.text, line.n);
}
