/*
 * format.c: what the writer and the reader of traces share. See format.h.
 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

const char *trace_operands(enum trace_op op)
{
	static const char *const operands[TRACE_NR_OPS] = {
	    [TRACE_SPACE] = "n",     [TRACE_START] = "n",    [TRACE_FORK] = "n",
	    [TRACE_CLEAR] = "",      [TRACE_EXIT] = "",      [TRACE_FILE] = "nn",
	    [TRACE_MAP] = "annnnn",  [TRACE_UNMAP] = "an",   [TRACE_PROTECT] = "ann",
	    [TRACE_REMAP] = "annan", [TRACE_ADVISE] = "ann", [TRACE_LOCK] = "an",
	    [TRACE_UNLOCK] = "an",
	};

	return (unsigned)op < TRACE_NR_OPS ? operands[op] : NULL;
}

uint64_t *trace_last(struct trace_last *last, unsigned space, uint64_t kind)
{
	size_t n = last->n ? last->n : 64, at = (size_t)space * 4 + kind;
	uint64_t *page;

	while (n <= at)
		n *= 2;
	if (n != last->n) {
		page = realloc(last->page, n * sizeof(*page));
		if (!page)
			return NULL;
		memset(page + last->n, 0, (n - last->n) * sizeof(*page));
		last->page = page;
		last->n = n;
	}
	return &last->page[at];
}

/* CRC-32 as in Ethernet and gzip. */
uint32_t trace_crc(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint32_t crc = ~UINT32_C(0);

	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~crc;
}
