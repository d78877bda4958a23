/*
 * bytes.h: the bytes of a page of a file, whose lock is held. Programs may be at them at the same
 * time through a mapping, which is their own affair.
 */
#ifndef OM_BYTES_H
#define OM_BYTES_H

#include "base/mem.h"
#include "page/page.h"

/* Where in memory a byte of a file is, which lies in this page. */
static inline char *om_bytes_at(struct om_system *sys, const struct om_page *page, uint64_t offset)
{
	return (char *)om_page_ptr(sys, page) + (offset & (OM_PAGE_SIZE - 1));
}

static inline void om_bytes_read(struct om_system *sys, const struct om_page *page, uint64_t offset,
                                 void *buf, size_t n)
{
	memcpy(buf, om_bytes_at(sys, page, offset), n);
}

static inline void om_bytes_write(struct om_system *sys, struct om_page *page, uint64_t offset,
                                  const void *buf, size_t n)
{
	memcpy(om_bytes_at(sys, page, offset), buf, n);
	om_page_set(page, OM_PG_DIRTY);
}

/* Bytes [from, to) of the file. */
static inline void om_bytes_zero(struct om_system *sys, struct om_page *page, uint64_t from,
                                 uint64_t to)
{
	memset(om_bytes_at(sys, page, from), 0, (size_t)(to - from));
	om_page_set(page, OM_PG_DIRTY);
}

#endif
