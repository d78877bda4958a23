/*
 * procfs_text.c: the contents of a file while they are written.
 */
#include "fs.h"
#include "procfs.h"

void text_free(struct text *text)
{
	if (text->buf)
		big_free(text->buf, text->size);
}

/* Make room for `n` bytes more. */
static bool text_room(struct text *text, size_t n)
{
	size_t size = text->size ? text->size : PAGE_SIZE;
	char *buf;

	if (text->failed || n <= text->size - text->len)
		return !text->failed;
	while (size - text->len < n)
		size *= 2;
	buf = big_alloc(size);
	if (!buf) {
		text->failed = true;
		return false;
	}
	if (text->len)
		memcpy(buf, text->buf, text->len);
	text_free(text);
	text->buf = buf;
	text->size = size;
	return true;
}

void text_bytes(struct text *text, const void *bytes, size_t n)
{
	if (!n || !text_room(text, n))
		return;
	memcpy(text->buf + text->len, bytes, n);
	text->len += n;
}

void text_add(struct text *text, const char *format, ...)
{
	size_t need = 128; /* enough for most lines */

	while (text_room(text, need)) {
		size_t room = text->size - text->len;
		va_list ap;
		int n;

		va_start(ap, format);
		n = vsnprintf(text->buf + text->len, room, format, ap);
		va_end(ap);
		if ((size_t)n < room) {
			text->len += (size_t)n;
			return;
		}
		need = (size_t)n + 1;
	}
}

void text_kib(struct text *text, const char *name, uint64_t n)
{
	text_add(text, "%-16s%8lu kB\n", name, n);
}

void text_pages(struct text *text, const char *name, uint64_t n)
{
	text_kib(text, name, n * (PAGE_SIZE / 1024));
}
