/* string.c: what the core, and a compiler of its own accord, may call. Words where they fit. */
#include <stddef.h>
#include <stdint.h>

typedef unsigned long __attribute__((may_alias)) word;

#define WORD sizeof(word)

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	if (!(((uintptr_t)t | (uintptr_t)f) % WORD))
		for (; n >= WORD; n -= WORD, t += WORD, f += WORD)
			*(word *)(void *)t = *(const word *)(const void *)f;
	while (n--)
		*t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	if (t <= f)
		return memcpy(to, from, n);
	while (n--)
		t[n] = f[n];
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	word pattern = (word)-1 / 255 * (unsigned char)byte;
	char *t = to;

	if (!((uintptr_t)t % WORD))
		for (; n >= WORD; n -= WORD, t += WORD)
			*(word *)(void *)t = pattern;
	while (n--)
		*t++ = (char)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
