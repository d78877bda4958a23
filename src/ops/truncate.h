/*
 * truncate.h: pages of a file, and what address spaces show of them.
 */
#ifndef OM_TRUNCATE_H
#define OM_TRUNCATE_H

#include "base/types.h"

/*
 * om_mapping_getpage() for those above the reverse map. If the page fills a hole of shared memory,
 * private areas may show the zero page there: these entries are gone before the page can change.
 */
int om_file_getpage(struct om_mapping *mapping, uintptr_t index, size_t ahead,
                    struct om_page **page, bool *read);

/*
 * A write is about to leave a gap behind the end of the file: what programs have stored beyond the
 * end, in the last page, must never be read. SIZE held. -OM_ENOFRAME, -OM_EIO.
 */
int om_mapping_zero_beyond(struct om_mapping *mapping);

#endif
