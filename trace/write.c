/*
 * write.c: writes a trace. See format.h.
 *
 * Records gather in a block, which is written when the next one might not fit.
 */
#include "format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX 80 /* bytes, with a SPACE before it */

struct trace_writer {
	FILE *file;
	unsigned char block[TRACE_BLOCK_MAX];
	size_t used;
	unsigned space;
	struct trace_last last;
	bool failed; /* no memory */
};

static void put_varint(struct trace_writer *w, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		w->block[w->used++] = (unsigned char)(n | 0x80);
	w->block[w->used++] = (unsigned char)n;
}

static void put_word(FILE *file, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		putc((int)(word >> 8 * i & 0xff), file);
}

static void flush(struct trace_writer *w)
{
	put_word(w->file, (uint32_t)w->used);
	put_word(w->file, trace_crc(w->block, w->used));
	fwrite(w->block, 1, w->used, w->file);
	w->used = 0;
}

static uint64_t zigzag(uint64_t page, uint64_t from)
{
	int64_t d = (int64_t)(page - from);

	return (uint64_t)d << 1 ^ (uint64_t)(d >> 63);
}

struct trace_writer *trace_create(const char *path, unsigned flags, const char *command)
{
	struct trace_writer *w = calloc(1, sizeof(*w));
	size_t length = strnlen(command, TRACE_NAME_MAX);

	if (!w)
		return NULL;
	w->file = fopen(path, "wb");
	if (!w->file) {
		free(w);
		return NULL;
	}
	memcpy(w->block, TRACE_MAGIC, sizeof(TRACE_MAGIC) - 1);
	w->used = sizeof(TRACE_MAGIC) - 1;
	put_varint(w, TRACE_VERSION);
	put_varint(w, flags);
	put_varint(w, TRACE_PAGE_SHIFT);
	put_varint(w, length);
	memcpy(w->block + w->used, command, length);
	w->used += length;
	fwrite(w->block, 1, w->used, w->file);
	put_word(w->file, trace_crc(w->block, w->used));
	w->used = 0;
	return w;
}

static void put_space(struct trace_writer *w, unsigned space)
{
	if (w->space == space)
		return;
	w->space = space;
	w->block[w->used++] = TRACE_SPACE;
	put_varint(w, space);
}

static void put_fault(struct trace_writer *w, uint64_t distance, uint64_t kind)
{
	unsigned char head = (unsigned char)(0x80 | kind << 5);

	if (distance < 31) {
		w->block[w->used++] = (unsigned char)(head | distance);
	} else {
		w->block[w->used++] = head | 31;
		put_varint(w, distance);
	}
}

void trace_put(struct trace_writer *w, const struct trace_record *r)
{
	uint64_t *last =
	    trace_last(&w->last, r->space, r->op == TRACE_FAULT ? r->arg[0] : TRACE_UNKNOWN);
	const uint64_t *arg = r->arg;

	if (!last) {
		w->failed = true;
		return;
	}
	if (w->used + RECORD_MAX > TRACE_BLOCK_MAX)
		flush(w);
	put_space(w, r->space);
	if (r->op == TRACE_FAULT) {
		put_fault(w, zigzag(r->addr, *last), r->arg[0]);
		*last = r->addr + 1;
		return;
	}
	w->block[w->used++] = (unsigned char)r->op;
	for (const char *o = trace_operands(r->op); *o; o++) {
		bool first = *o == 'a' && arg == r->arg && o == trace_operands(r->op);
		uint64_t value = first ? r->addr : *arg++;

		put_varint(w, *o == 'a' ? zigzag(value, *last) : value);
		if (*o == 'a')
			*last = value + 1;
	}
}

bool trace_finish(struct trace_writer *w)
{
	bool good;

	if (w->used)
		flush(w);
	flush(w);
	good = !ferror(w->file) && !w->failed;
	good = !fclose(w->file) && good;
	free(w->last.page);
	free(w);
	return good;
}
