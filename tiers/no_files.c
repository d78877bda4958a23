/*
 * no_files.c: in the place of the files of the page cache (objrmap.cmake, OBJRMAP_FILES), where no
 * mapping is ever made: not by om_mapping_create(), and om_mmap() of shared memory without a file
 * answers EOPNOTSUPP.
 */
#include "ops/fault.h"
#include "ops/truncate.h"
#include "store/mapping.h"

static _Noreturn void absent(struct om_system *sys)
{
	om_bug(sys, "tier", "there are no files", __FILE__, __LINE__, NULL, 0, 0);
}

int om_mapping_new(struct om_system *sys, const struct om_store_ops *ops, void *store,
                   uint64_t size, struct om_mapping **mapping)
{
	(void)sys;
	(void)ops;
	(void)store;
	(void)size;
	(void)mapping;
	return -OM_EOPNOTSUPP;
}

/* ---------------------------------------------------------------- never asked --------------- */

void om_mapping_get(struct om_mapping *mapping)
{
	absent(mapping->sys);
}

bool om_mapping_tryget(struct om_mapping *mapping)
{
	absent(mapping->sys);
}

void om_mapping_put(struct om_mapping *mapping)
{
	absent(mapping->sys);
}

uint64_t om_mapping_size(const struct om_mapping *mapping)
{
	absent(mapping->sys);
}

struct om_page *om_mapping_lookup(struct om_mapping *mapping, uintptr_t index)
{
	(void)index;
	absent(mapping->sys);
}

om_ientry_t om_mapping_next(struct om_mapping *mapping, uintptr_t *i, uintptr_t last,
                            struct om_page **page)
{
	(void)i;
	(void)last;
	(void)page;
	absent(mapping->sys);
}

bool om_mapping_evict(struct om_mapping *mapping, struct om_page *page)
{
	(void)page;
	absent(mapping->sys);
}

int om_mapping_writepages(struct om_mapping *mapping, const om_pfn_t page[], unsigned n)
{
	(void)page;
	(void)n;
	absent(mapping->sys);
}

void om_mapping_readahead(struct om_mapping *mapping, uintptr_t first, size_t n)
{
	(void)first;
	(void)n;
	absent(mapping->sys);
}

int om_mapping_punch(struct om_mapping *mapping, uint64_t offset, uint64_t len)
{
	(void)offset;
	(void)len;
	absent(mapping->sys);
}

bool om_mapping_map_writable(struct om_mapping *mapping)
{
	absent(mapping->sys);
}

void om_mapping_unmap_writable(struct om_mapping *mapping)
{
	absent(mapping->sys);
}

uint32_t om_mapping_writably_mapped(const struct om_mapping *mapping)
{
	absent(mapping->sys);
}

void om_readahead_score(struct om_mapping *mapping, struct om_page *page, bool used)
{
	(void)page;
	(void)used;
	absent(mapping->sys);
}

uint32_t om_index_nodes(struct om_system *sys, const struct om_index *ix)
{
	(void)ix;
	absent(sys);
}

om_ientry_t om_index_get(struct om_system *sys, const struct om_index *ix, uintptr_t i)
{
	(void)ix;
	(void)i;
	absent(sys);
}

int om_file_getpage(struct om_mapping *mapping, uintptr_t index, struct om_ahead ahead,
                    struct om_page **page, bool *read)
{
	(void)index;
	(void)ahead;
	(void)page;
	(void)read;
	absent(mapping->sys);
}

int om_fault_file(struct om_fault *f, uintptr_t index)
{
	(void)index;
	absent(f->sys);
}
