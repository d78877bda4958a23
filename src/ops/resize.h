/*
 * resize.h: writing behind the end of a file.
 */
#ifndef OM_RESIZE_H
#define OM_RESIZE_H

#include "store/mapping.h"

/*
 * Write n bytes within one page, of which some lie behind the end of the file; what is between the
 * old end and the first of them reads as zero. -OM_EAGAIN: look at the size again, the file has
 * become longer, or what must be in memory for it has been brought there, and *held keeps it.
 * Other errors as om_file_getpage(). No lock held; may sleep.
 */
int om_file_extend(struct om_mapping *mapping, uint64_t offset, const void *buf, size_t n,
                   struct om_page **held);

/* *held, NULL at first, is needed no more. */
void om_file_release(struct om_mapping *mapping, struct om_page **held);

#endif
