/*
 * truncate.h: pages leave a file, and what address spaces show of them.
 */
#ifndef OM_TRUNCATE_H
#define OM_TRUNCATE_H

#include "store/readahead.h"

/*
 * om_mapping_getpage() for those above the reverse map. If the page fills a hole of shared memory,
 * private areas may show the zero page there: these entries are gone before the page can change.
 */
int om_file_getpage(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                    struct om_page **page, bool *read);

/*
 * Pages from `first` on leave the file and all areas. The size, which ends before them, cannot
 * grow: SIZE is held for writing. Takes PAGE and below; may sleep.
 */
void om_file_cut(struct om_mapping *mapping, uintptr_t first);

/*
 * Pages [first, last] leave the file and all areas, but for private copies. Each leaves once: what
 * comes to its place after that stays. Takes PAGE and below; may sleep.
 */
void om_file_evict(struct om_mapping *mapping, uintptr_t first, uintptr_t last);

#endif
