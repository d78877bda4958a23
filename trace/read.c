/*
 * read.c: reads a trace, and believes nothing in it. See format.h.
 *
 * A block is read whole and its sum compared before any of its records is shown. Errors name the offset of the
 * byte in the file where what is wrong begins.
 */
#include "format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct trace_reader {
	FILE *file;
	uint64_t size, offset; /* of the file; of block[0] in it */
	unsigned char block[TRACE_BLOCK_MAX];
	size_t used, at;
	unsigned flags, space;
	struct trace_last last;
	char command[TRACE_NAME_MAX + 1];
	bool failed, ended;
	char error[TRACE_ERROR_MAX];
};

__attribute__((format(printf, 3, 4))) static int fail(struct trace_reader *t, uint64_t offset,
                                                      const char *format, ...)
{
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(t->error, sizeof(t->error), "offset %" PRIu64 ": %s", offset, what);
	t->failed = true;
	return -1;
}

static uint32_t word(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool get_varint(struct trace_reader *t, uint64_t *n)
{
	*n = 0;
	for (unsigned shift = 0; shift < 64 && t->at < t->used; shift += 7) {
		unsigned char byte = t->block[t->at++];

		*n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* ---------------------------------------------------------------- the header ---------------- */

/*
 * The header is read as if it were a block, as much as there is of it; how much it takes shows when its
 * numbers are known.
 */
static int read_header(struct trace_reader *t)
{
	const size_t magic = sizeof(TRACE_MAGIC) - 1;
	uint64_t version = TRACE_VERSION, flags, shift, length;

	t->used = fread(t->block, 1, sizeof(t->block), t->file);
	if (t->used < magic || memcmp(t->block, TRACE_MAGIC, magic) != 0)
		return fail(t, 0, "this is no trace");
	t->at = magic;
	if (get_varint(t, &version) && version != TRACE_VERSION)
		return fail(t, magic, "version %" PRIu64 ", this program knows %d", version,
		            TRACE_VERSION);
	if (!get_varint(t, &flags) || !get_varint(t, &shift) || !get_varint(t, &length) ||
	    length > TRACE_NAME_MAX || t->used - t->at < length + 4)
		return fail(t, t->used < t->size ? t->at : t->size, "the header is cut short");
	if (trace_crc(t->block, t->at + length) != word(t->block + t->at + length) ||
	    flags > (TRACE_FAULTS | TRACE_KINDS | TRACE_ACCESSES) || shift != TRACE_PAGE_SHIFT)
		return fail(t, magic, "the header is damaged");
	t->flags = (unsigned)flags;
	memcpy(t->command, t->block + t->at, length);
	t->offset = t->at + length + 4;
	t->used = t->at = 0;
	return fseek(t->file, (long)t->offset, SEEK_SET);
}

struct trace_reader *trace_open(const char *path, char *error)
{
	struct trace_reader *t = calloc(1, sizeof(*t));
	long size = -1;

	if (!t)
		return snprintf(error, TRACE_ERROR_MAX, "no memory"), NULL;
	t->file = fopen(path, "rb");
	if (t->file && !fseek(t->file, 0, SEEK_END))
		size = ftell(t->file);
	if (size < 0) {
		snprintf(error, TRACE_ERROR_MAX, "%s", strerror(errno));
		trace_close(t);
		return NULL;
	}
	t->size = (uint64_t)size;
	rewind(t->file);
	if (read_header(t)) {
		snprintf(error, TRACE_ERROR_MAX, "%s", t->error);
		trace_close(t);
		return NULL;
	}
	return t;
}

void trace_close(struct trace_reader *t)
{
	if (t->file)
		fclose(t->file);
	free(t->last.page);
	free(t);
}

/* ---------------------------------------------------------------- blocks -------------------- */

/* 1: there is a block, 0: that was the end. */
static int next_block(struct trace_reader *t)
{
	unsigned char head[8];
	uint64_t start = t->offset + t->used;

	if (fread(head, 1, sizeof(head), t->file) != sizeof(head))
		return fail(t, t->size, "the trace is cut short: a block or its end is missing");
	t->offset = start + sizeof(head);
	t->used = word(head);
	t->at = 0;
	if (t->used > sizeof(t->block))
		return fail(t, start, "a block of %zu bytes, more than there may be", t->used);
	if (fread(t->block, 1, t->used, t->file) != t->used)
		return fail(t, t->size, "the trace is cut short in the block at offset %" PRIu64,
		            start);
	if (trace_crc(t->block, t->used) != word(head + 4))
		return fail(t, start, "the block that begins here is damaged");
	if (t->used)
		return 1;
	if (t->offset != t->size)
		return fail(t, t->offset, "there is something behind the end");
	t->ended = true;
	return 0;
}

/* ---------------------------------------------------------------- records ------------------- */

static bool get_addr(struct trace_reader *t, enum trace_kind kind, uint64_t zigzag, uint64_t *addr)
{
	uint64_t *last = trace_last(&t->last, t->space, kind);

	if (!last)
		return false;
	*addr = *last + (zigzag >> 1 ^ (0 - (zigzag & 1)));
	*last = *addr + 1;
	return *addr < TRACE_PAGES_MAX;
}

static bool get_fault(struct trace_reader *t, struct trace_record *r, unsigned char head)
{
	uint64_t distance = head & 31;

	r->op = TRACE_FAULT;
	r->arg[0] = head >> 5 & 3;
	return (distance < 31 || get_varint(t, &distance)) &&
	       get_addr(t, (enum trace_kind)r->arg[0], distance, &r->addr);
}

static bool get_operands(struct trace_reader *t, struct trace_record *r, const char *operands)
{
	uint64_t *arg = r->arg, value;

	for (const char *o = operands; *o; o++) {
		if (!get_varint(t, &value))
			return false;
		if (*o == 'a' && !get_addr(t, TRACE_UNKNOWN, value, &value))
			return false;
		if (*o == 'a' && o == operands)
			r->addr = value;
		else
			*arg++ = value;
	}
	return true;
}

static bool get_record(struct trace_reader *t, struct trace_record *r)
{
	unsigned char head = t->block[t->at++];
	const char *operands = trace_operands((enum trace_op)head);

	if (head & 0x80)
		return get_fault(t, r, head);
	r->op = (enum trace_op)head;
	return operands && get_operands(t, r, operands);
}

/* That lengths and numbers are in range. */
static bool is_sound(const struct trace_record *r)
{
	const char *operands = trace_operands(r->op);

	switch (r->op) {
	case TRACE_SPACE:
	case TRACE_START:
	case TRACE_FORK:
		return r->arg[0] < TRACE_SPACES_MAX;
	case TRACE_FILE:
		return r->arg[0] < TRACE_FILES_MAX && r->arg[1] <= 1;
	case TRACE_REMAP:
		return r->addr + r->arg[0] <= TRACE_PAGES_MAX && r->arg[0] < TRACE_PAGES_MAX &&
		       r->arg[1] < TRACE_PAGES_MAX && r->arg[2] + r->arg[1] <= TRACE_PAGES_MAX &&
		       r->arg[3] <= 1;
	default:
		return !operands || *operands != 'a' ||
		       (r->arg[0] < TRACE_PAGES_MAX && r->addr + r->arg[0] <= TRACE_PAGES_MAX);
	}
}

int trace_next(struct trace_reader *t, struct trace_record *r)
{
	int more;

	do {
		if (t->failed)
			return -1;
		if (t->ended)
			return 0;
		while (t->at == t->used)
			if ((more = next_block(t)) <= 0)
				return more;
		*r = (struct trace_record){.offset = t->offset + t->at};
		if (!get_record(t, r) || !is_sound(r))
			return fail(t, r->offset, "a record that means nothing");
		r->space = t->space;
		if (r->op == TRACE_SPACE)
			t->space = (unsigned)r->arg[0];
	} while (r->op == TRACE_SPACE);
	return 1;
}

const char *trace_error(const struct trace_reader *t)
{
	return t->error;
}

unsigned trace_flags(const struct trace_reader *t)
{
	return t->flags;
}

const char *trace_command(const struct trace_reader *t)
{
	return t->command;
}

uint64_t trace_position(const struct trace_reader *t)
{
	return t->offset + t->at;
}

uint64_t trace_size(const struct trace_reader *t)
{
	return t->size;
}
