/*
 * string.c: strings, numbers in strings, and vsnprintf(). The mem functions are in mem.S.
 */
#include "lib.h"

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char x = a[i], y = b[i];

		if (x != y)
			return x - y;
		if (!x)
			break;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	for (;; s++) {
		if (*s == (char)c)
			last = s;
		if (!*s)
			return (char *)last;
	}
}

size_t strlcpy(char *to, const char *from, size_t n)
{
	size_t len = strlen(from);

	if (n) {
		size_t copied = MIN(len, n - 1);

		memcpy(to, from, copied);
		to[copied] = 0;
	}
	return len;
}

/* 0 to 35, or 36 for what is neither a digit nor a letter. */
static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 36;
}

unsigned long strtoul(const char *s, const char **end)
{
	unsigned long value = 0;
	unsigned base = 10;

	if (s[0] == '0' && (s[1] | 0x20) == 'x' && digit(s[2]) < 16) {
		base = 16;
		s += 2;
	} else if (s[0] == '0') {
		base = 8;
	}
	for (; digit(*s) < base; s++)
		value = value * base + digit(*s);
	if (end)
		*end = s;
	return value;
}

/* ---------------------------------------------------------------- printing ------------------ */

/* Where the characters go; `len` counts those that did not fit, too. */
struct sink {
	char *buf;
	size_t size, len;
};

/* One conversion: %[-0][width][.precision][l|ll|z]c */
struct spec {
	bool left, zero;
	int width, precision; /* precision -1: none given */
	unsigned longs;
};

static void put_char(struct sink *out, char c)
{
	if (out->len < out->size)
		out->buf[out->len] = c;
	out->len++;
}

static void put_many(struct sink *out, char c, int n)
{
	for (; n > 0; n--)
		put_char(out, c);
}

/* Text, after `zeros` zeros, in a field. */
static void put_field(struct sink *out, const struct spec *spec, const char *s, int len, int zeros)
{
	int pad = spec->width - len - zeros;

	if (!spec->left)
		put_many(out, ' ', pad);
	put_many(out, '0', zeros);
	for (int i = 0; i < len; i++)
		put_char(out, s[i]);
	if (spec->left)
		put_many(out, ' ', pad);
}

static void put_string(struct sink *out, const struct spec *spec, const char *s)
{
	size_t max = spec->precision < 0 ? INT32_MAX : (size_t)spec->precision;

	if (!s)
		s = "(null)";
	put_field(out, spec, s, (int)strnlen(s, max), 0);
}

/* `sign` is put in front: "-", "0x" or nothing. */
static void put_number(struct sink *out, const struct spec *spec, unsigned long value,
                       unsigned base, const char *digits, const char *sign)
{
	char buf[24]; /* 22 octal digits */
	int len = 0, zeros, sign_len = (int)strlen(sign);
	struct spec rest = *spec;

	for (; value || (!len && spec->precision); value /= base)
		buf[sizeof(buf) - ++len] = digits[value % base];
	zeros = MAX(spec->precision - len, 0);
	if (spec->zero && !spec->left && spec->precision < 0)
		zeros = MAX(spec->width - sign_len - len, 0);
	if (!spec->left)
		put_many(out, ' ', spec->width - sign_len - zeros - len);
	for (; *sign; sign++)
		put_char(out, *sign);
	rest.width = spec->left ? spec->width - sign_len : 0;
	put_field(out, &rest, buf + sizeof(buf) - len, len, zeros);
}

/* A number in the format, or an argument for `*`. */
static int parse_number(const char **format, va_list *ap)
{
	int n = 0;

	if (**format == '*') {
		(*format)++;
		return va_arg(*ap, int);
	}
	for (; **format >= '0' && **format <= '9'; (*format)++)
		n = n * 10 + (**format - '0');
	return n;
}

/* What stands between the % and the letter. */
static struct spec parse_spec(const char **format, va_list *ap)
{
	struct spec spec = {.precision = -1};

	for (; **format == '-' || **format == '0'; (*format)++) {
		spec.left |= **format == '-';
		spec.zero |= **format == '0';
	}
	spec.width = parse_number(format, ap);
	if (spec.width < 0) {
		spec.left = true;
		spec.width = -spec.width;
	}
	if (**format == '.') {
		(*format)++;
		spec.precision = parse_number(format, ap);
	}
	for (; **format == 'l' || **format == 'z'; (*format)++)
		spec.longs++;
	return spec;
}

static void put_signed(struct sink *out, const struct spec *spec, long value)
{
	unsigned long magnitude = value < 0 ? -(unsigned long)value : (unsigned long)value;

	put_number(out, spec, magnitude, 10, "0123456789", value < 0 ? "-" : "");
}

static void convert(struct sink *out, const struct spec *spec, char letter, va_list *ap)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	unsigned long n;
	char c;

	switch (letter) {
	case 's':
		put_string(out, spec, va_arg(*ap, const char *));
		return;
	case 'c':
		c = (char)va_arg(*ap, int);
		put_field(out, spec, &c, 1, 0);
		return;
	case 'p':
		put_number(out, spec, va_arg(*ap, unsigned long), 16, lower, "0x");
		return;
	case 'd':
	case 'i':
		put_signed(out, spec, spec->longs ? va_arg(*ap, long) : va_arg(*ap, int));
		return;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		n = spec->longs ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned);
		put_number(out, spec, n,
		           letter == 'u'   ? 10
		           : letter == 'o' ? 8
		                           : 16,
		           letter == 'X' ? upper : lower, "");
		return;
	default: /* %% and mistakes */
		put_char(out, letter);
	}
}

int vsnprintf(char *buf, size_t n, const char *format, va_list args)
{
	struct sink out = {.buf = buf, .size = n};
	va_list ap;

	va_copy(ap, args);
	while (*format) {
		struct spec spec;

		if (*format != '%') {
			put_char(&out, *format++);
			continue;
		}
		format++;
		spec = parse_spec(&format, &ap);
		if (!*format)
			break;
		convert(&out, &spec, *format++, &ap);
	}
	va_end(ap);
	if (n)
		buf[MIN(out.len, n - 1)] = 0;
	return (int)out.len;
}

int snprintf(char *buf, size_t n, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(buf, n, format, ap);
	va_end(ap);
	return len;
}
