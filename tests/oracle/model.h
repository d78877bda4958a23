/*
 * model.h: a plain model of address spaces and files, for the oracle.
 *
 * No page tables, no frames, no sharing but of contents: for each page of an address space what is
 * mapped there and, if it is private and was written, its bytes; for each file its bytes. The model
 * knows what a program must see, and nothing of how objrmap does it.
 *
 *     space      page[]: flags, object and index shown there, own contents
 *     object     a file or shared memory: bytes and size
 *     content    the bytes of a private page; forks share one until somebody writes
 *
 * Pages are counted from the start of the range that all spaces of the test have (MODEL_BASE).
 */
#ifndef MODEL_H
#define MODEL_H

#include "om_arch.h"
#include "sim.h"

#define PAGE SIM_PAGE_SIZE

/* Three leaf tables, or as many pages; the first under other upper tables than the rest. */
#if OM_TABLE_SHIFT < 9
#define TABLE_PAGES 512u
#define MOST_TABLES 512u /* that a space needs, and some more */
#else
#define TABLE_PAGES (1u << OM_TABLE_SHIFT)
#define MOST_TABLES 32u
#endif
#define MODEL_PAGES (3 * TABLE_PAGES)
#define TABLE_BYTES ((uintptr_t)TABLE_PAGES << OM_PAGE_SHIFT)
#if OM_LEVELS > 2
#define MODEL_BASE (((uintptr_t)1 << 39) - TABLE_BYTES)
#else
#define MODEL_BASE (0x40000000ul - TABLE_BYTES)
#endif
#define MODEL_END   (MODEL_BASE + MODEL_PAGES * PAGE)
#define GUARD_PAGES 4u
#define BRK_PAGE    (TABLE_PAGES + 200u)
#define MMAP_PAGE   (2 * TABLE_PAGES + 300u)

struct content {
	unsigned refs;         /* pages of spaces that show it */
	unsigned pins;         /* pins that hold it */
	unsigned unknown_from; /* bytes from here on come from beyond a file's end */
	uint8_t byte[SIM_PAGE_SIZE];
};

struct object {
	struct om_mapping *mapping; /* NULL until it is seen, for anonymous shared memory */
	struct sim_store *store;    /* NULL: shared memory */
	bool open;                  /* the test holds the mapping itself */
	unsigned mapped;            /* pages of spaces that show it */
	uint64_t size;
	size_t room;    /* pages in page[] */
	uint8_t **page; /* NULL: zeros */
};

#define MP_MAPPED 0x80000000u /* beside enum om_vma_flags */
#define MP_LOCKS  ((unsigned)(OM_VM_LOCKED | OM_VM_LOCKONFAULT))
#define MP_PROT   7u

struct mpage {
	unsigned flags; /* 0: nothing is mapped */
	bool lazy;      /* MADV_FREE'd: `own`, or zeros */
	size_t linear;  /* page of the object by the area's numbering */
	size_t index;   /* page of the object that is shown: another one after remap_file_pages */
	struct object *object;
	struct content *own; /* private: what was written here; NULL: nothing */
};

struct space {
	struct om_mm *mm; /* NULL: the space does not exist */
	struct mpage *page;
	uintptr_t brk;
	unsigned def_flags;
	uintptr_t limit[OM_NR_LIMITS];
};

static inline uintptr_t addr_of(size_t page)
{
	return MODEL_BASE + page * PAGE;
}

static inline bool is_mapped(const struct space *s, size_t page)
{
	return page < MODEL_PAGES && s->page[page].flags;
}

/* ---- contents ---- */

struct content *content_new(void);
struct content *content_copy(const struct content *from);
void content_put(struct content *c);
void content_unpin(struct content *c);

/* ---- objects ---- */

struct object *object_new(uint64_t size, size_t room);
void object_free(struct object *o);
size_t object_pages(const struct object *o);
void object_read(const struct object *o, uint64_t offset, void *buf, size_t n);
void object_write(struct object *o, uint64_t offset, const void *buf, size_t n);
void object_zero(struct object *o, uint64_t from, uint64_t to);
/* Bytes of page `index` that lie inside the file: 0 .. PAGE. */
size_t object_valid(const struct object *o, size_t index);

/* ---- spaces ---- */

void space_init(struct space *s, struct om_mm *mm);
/* Everything is unmapped; objects that nobody shows any more are told to `gone`. */
typedef void object_gone(void *arg, struct object *o);
void space_unmap(struct space *s, size_t first, size_t n, object_gone *gone, void *arg);
void space_free(struct space *s, object_gone *gone, void *arg);
void space_fork(struct space *child, const struct space *parent, struct om_mm *mm);

/* Show page `index` of `object` (NULL: private memory) at `page`. Nothing is mapped there. */
void space_map(struct space *s, size_t page, unsigned flags, struct object *object, size_t index);

/* The page's own contents, about to be written: made, or parted from others. */
struct content *space_own(struct space *s, size_t page);

/* The bytes a program finds on an accessible page. Pages beyond the end of a file have none. */
void space_bytes(const struct space *s, size_t page, uint8_t *buf);
/* Is it a page of a file beyond its end? */
bool space_is_beyond(const struct space *s, size_t page);
/* Bytes of the page that are determined: fewer than PAGE at the end of a file. */
size_t space_known(const struct space *s, size_t page);

size_t space_count(const struct space *s, size_t first, size_t n, unsigned flag);
size_t space_data_pages(const struct space *s);
bool flags_are_data(unsigned flags);

/* First page that an area beginning at this page keeps free below it, itself without a guard gap.
 */
size_t space_claim(const struct space *s, size_t page);
/* First mapped page at or after `page`; MODEL_PAGES if there is none. */
size_t space_next(const struct space *s, size_t page);
/* Where n pages go without a wish: the highest gap below `limit`; MODEL_PAGES if there is none. */
size_t space_gap(const struct space *s, size_t n, size_t limit);
size_t space_place(const struct space *s, size_t n);
bool space_is_free(const struct space *s, size_t first, size_t n);

#endif
