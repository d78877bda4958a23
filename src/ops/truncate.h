/*
 * truncate.h: pages leave a file, and what address spaces show of them.
 */
#ifndef OM_TRUNCATE_H
#define OM_TRUNCATE_H

#include "base/mem.h"
#include "page/page.h"

/*
 * om_mapping_getpage() and om_mapping_trypage() for those above the reverse map. If the page fills
 * a hole of shared memory, private areas may show the zero page there: these entries are gone
 * before the page can change.
 */
int om_file_getpage(struct om_mapping *mapping, uintptr_t index, size_t ahead,
                    struct om_page **page, bool *read);
int om_file_trypage(struct om_mapping *mapping, uintptr_t index, bool keep_hole,
                    const struct om_page *mine, struct om_page **page);

/*
 * Pages from `first` on leave the file and all areas. The size, which ends before them, cannot
 * grow: SIZE is held for writing. Takes PAGE and below; may sleep.
 */
void om_file_cut(struct om_mapping *mapping, uintptr_t first);

/* Where in memory a byte of a file is, which lies in this page. */
static inline char *om_page_byte(struct om_system *sys, const struct om_page *page, uint64_t offset)
{
	return (char *)om_page_ptr(sys, page) + (offset & (OM_PAGE_SIZE - 1));
}

/* Bytes [from, to) of a file lie in the page, whose lock is held, and become zeros. */
static inline void om_page_zero(struct om_system *sys, struct om_page *page, uint64_t from,
                                uint64_t to)
{
	memset(om_page_byte(sys, page, from), 0, (size_t)(to - from));
	om_page_set(page, OM_PG_DIRTY);
}

#endif
