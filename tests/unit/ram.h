/*
 * ram.h: a store in plain memory for the unit tests: it counts, fails on request, can be slow, and
 * reports a broken promise of om_store_ops (two transfers of one page at a time).
 */
#ifndef RAM_H
#define RAM_H

#include "unit.h"

#define RAM_NEVER UINT64_MAX

struct ram {
	unsigned char *data;
	uint64_t pages;     /* beyond it reads give zeroes; a write there fails */
	atomic_uchar *busy; /* a transfer of this page is under way */
	atomic_uint reads, writes, pages_read, pages_written; /* calls; pages in successful ones */
	atomic_int fail_reads, fail_writes; /* so many calls fail from now on; -1: all */
	_Atomic uint64_t bad_page;          /* calls that touch this page fail */
	atomic_uint delay;                  /* microseconds a transfer takes */
	atomic_uint released;
};

void ram_init(struct ram *ram, uint64_t pages);
void ram_destroy(struct ram *ram);

/* Each page filled with a byte of its own: ram_byte(page). */
void ram_fill(struct ram *ram);
unsigned char ram_byte(uint64_t page);
/* Is the whole page made of this byte? */
bool ram_is(const void *page, unsigned char byte);

extern const struct om_store_ops ram_ops, ram_ops_readonly;
/* One that leaves out up to 4 pages in a row. */
extern const struct om_store_ops ram_ops_gap;

#endif
