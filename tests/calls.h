/*
 * calls.h: om_mmap() and om_mremap() with their arguments in the order of the man pages, for tests, which make
 * these calls in one line, many times, with all kinds of arguments.
 */
#ifndef CALLS_H
#define CALLS_H

#include <objrmap/objrmap.h>

/* *addr: in and out, as in struct om_map_request. */
static inline int do_mmap(struct om_mm *mm, uintptr_t *addr, size_t len, int prot, int flags,
                          struct om_mapping *file, uint64_t offset)
{
	struct om_map_request r = {.addr = *addr,
	                           .len = len,
	                           .prot = prot,
	                           .flags = flags,
	                           .file = file,
	                           .offset = offset};
	int err = om_mmap(mm, &r);

	*addr = r.addr;
	return err;
}

/* *result changes on success alone. */
static inline int do_mremap(struct om_mm *mm, uintptr_t old_addr, size_t old_len, size_t new_len,
                            int flags, uintptr_t new_addr, uintptr_t *result)
{
	struct om_remap_request r = {.old_addr = old_addr,
	                             .old_len = old_len,
	                             .new_len = new_len,
	                             .flags = flags,
	                             .new_addr = new_addr};
	int err = om_mremap(mm, &r);

	if (!err)
		*result = r.new_addr;
	return err;
}

#endif
