/*
 * scenes.c: the calls whose failures are tried. See stage.h for what lies where.
 */
#include "stage.h"

#include <string.h>

#define PAGES(n) ((size_t)(n)*RIG_PAGE)
/* Bytes under one page table: 512 entries on 64-bit machines, 1024 on 32-bit ones. */
#define SPAN (sizeof(long) == 8 ? PAGES(512) : PAGES(1024))

/* ---------------------------------------------------------------- areas --------------------- */

static int map_at(struct stage *s, uintptr_t addr, size_t pages, int flags, struct om_mapping *file)
{
	return om_mmap(s->mm, &addr, PAGES(pages), RIG_RW, flags | OM_MAP_FIXED, file, 0);
}

static int mmap_anon(struct stage *s)
{
	return map_at(s, FAR, 8, OM_MAP_PRIVATE, NULL);
}

static int mmap_shared(struct stage *s)
{
	return map_at(s, FAR, 8, OM_MAP_SHARED, NULL);
}

static int mmap_file(struct stage *s)
{
	return map_at(s, FAR, 8, OM_MAP_PRIVATE, s->file[0]);
}

/* Over the end of one area, a hole, and the beginning of another. */
static int mmap_over(struct stage *s)
{
	return map_at(s, COPIES + PAGES(3), 18, OM_MAP_PRIVATE, NULL);
}

/* In the middle of an area. */
static int mmap_inside(struct stage *s)
{
	return map_at(s, ANON + PAGES(3), 2, OM_MAP_SHARED, s->file[0]);
}

static int mmap_populate(struct stage *s)
{
	return map_at(s, FAR, 8, OM_MAP_PRIVATE | OM_MAP_POPULATE, s->file[0]);
}

static int mmap_locked(struct stage *s)
{
	return map_at(s, FREEAT, 8, OM_MAP_PRIVATE | OM_MAP_LOCKED, NULL);
}

static int munmap_middle(struct stage *s)
{
	return om_munmap(s->mm, ANON + PAGES(2), PAGES(3));
}

static int munmap_many(struct stage *s)
{
	return om_munmap(s->mm, ANON + PAGES(7), FILEAT + PAGES(5) - (ANON + PAGES(7)));
}

static int mprotect_split(struct stage *s)
{
	return om_mprotect(s->mm, ANON + PAGES(2), PAGES(3), OM_PROT_READ);
}

static void make_neighbours(struct stage *s)
{
	rig_map(s->r, s->mm, FREEAT, 4, OM_PROT_READ, OM_MAP_PRIVATE, NULL, 0);
	rig_map(s->r, s->mm, FREEAT + PAGES(4), 4, RIG_RW, OM_MAP_PRIVATE, s->file[0], 0);
	rig_map(s->r, s->mm, FREEAT + PAGES(8), 4, RIG_RW, OM_MAP_SHARED, s->shmem, 0);
	rig_put(s->r, s->mm, FREEAT + PAGES(5), 2, 900);
}

static int mprotect_many(struct stage *s)
{
	return om_mprotect(s->mm, FREEAT + PAGES(1), PAGES(10), 0);
}

/* ---------------------------------------------------------------- mremap, brk --------------- */

static int remap(struct stage *s, uintptr_t old, size_t from, size_t to, int flags, uintptr_t new)
{
	uintptr_t at;

	return om_mremap(s->mm, old, PAGES(from), PAGES(to), flags, new, &at);
}

static int mremap_grow(struct stage *s)
{
	return remap(s, ANON, 12, 15, 0, 0);
}

static int mremap_shrink(struct stage *s)
{
	return remap(s, COPIES, 10, 3, 0, 0);
}

/* There is no room to grow. */
static int mremap_away(struct stage *s)
{
	return remap(s, COPIES, 10, 40, OM_MREMAP_MAYMOVE, 0);
}

static int mremap_middle(struct stage *s)
{
	return remap(s, ANON + PAGES(3), 4, 4, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, FAR);
}

static int mremap_over(struct stage *s)
{
	return remap(s, SWAPPED, 6, 6, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, FILEAT + PAGES(2));
}

static int mremap_dontunmap(struct stage *s)
{
	return remap(s, ANON, 12, 12, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED | OM_MREMAP_DONTUNMAP,
		     FAR);
}

static int mremap_alias(struct stage *s)
{
	return remap(s, SHMEM, 0, 10, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, FAR);
}

static void map_tables(struct stage *s)
{
	rig_map(s->r, s->mm, FAR, 3 * SPAN / RIG_PAGE, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 12; i++)
		rig_put(s->r, s->mm, FAR + i * SPAN / 4, 1, 900 + i);
}

/* Two whole tables and the halves of two more. */
static int mremap_tables(struct stage *s)
{
	return remap(s, FAR + SPAN / 4, 2 * SPAN / RIG_PAGE + 8, 2 * SPAN / RIG_PAGE + 8,
		     OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, FAR + 5 * SPAN + SPAN / 4);
}

static int set_brk(struct stage *s, uintptr_t end)
{
	return om_brk(s->mm, end) == end ? 0 : -OM_ENOMEM;
}

static int brk_grow(struct stage *s)
{
	return set_brk(s, sim_layout.brk_start + 5 * RIG_PAGE + 123);
}

static void make_heap(struct stage *s)
{
	rig_ok(set_brk(s, sim_layout.brk_start + 8 * RIG_PAGE));
	rig_put(s->r, s->mm, sim_layout.brk_start, 8, 900);
}

static int brk_shrink(struct stage *s)
{
	return set_brk(s, sim_layout.brk_start + 3 * RIG_PAGE);
}

/* ---------------------------------------------------------------- fork ---------------------- */

static int fork_mm(struct stage *s)
{
	int err;

	s->made = rig_fork(s->r, s->mm, &err);
	return err;
}

static void pin_some(struct stage *s)
{
	om_pfn_t pfn;

	for (unsigned i = 0; i < 3; i++)
		rig_ok(rig_pin(s->r, s->mm, ANON + PAGES(2 * i), OM_WRITE, &pfn));
}

/* What was pinned is still the parent's. */
static void check_pins(struct stage *s)
{
	for (unsigned i = 0; i < 3; i++)
		rig_equal(rig_info(s->mm, ANON + PAGES(2 * i)).value, s->r->pin[i]);
}

static void make_nonlinear(struct stage *s)
{
	rig_ok(om_remap_file_pages(s->mm, FILEAT, PAGES(4), 0, 6, 0));
	rig_expect(s->r, s->mm, FILEAT, 2, 406);
}

static void mark_fork_flags(struct stage *s)
{
	rig_ok(om_madvise(s->mm, ANON + PAGES(2), PAGES(2), OM_MADV_DONTFORK));
	rig_ok(om_madvise(s->mm, ANON + PAGES(5), PAGES(2), OM_MADV_WIPEONFORK));
}

/* ---------------------------------------------------------------- faults -------------------- */

static int load(struct stage *s, struct om_mm *mm, uintptr_t addr)
{
	unsigned char byte;

	return (int)sim_load(sim_cpu(s->r->sim, 0), mm, addr, &byte, 1);
}

/* A store that changes the state of the page, and so shows that it took place. */
static int store(struct stage *s, struct om_mm *mm, uintptr_t addr)
{
	unsigned char byte = 0x77;

	return (int)sim_store(sim_cpu(s->r->sim, 0), mm, addr + 100, &byte, 1);
}

static int fault_anon(struct stage *s)
{
	return store(s, s->mm, ANON + PAGES(9));
}

/* The first page under a table of its own. */
static void map_far(struct stage *s)
{
	rig_map(s->r, s->mm, FAR, 4, RIG_RW, OM_MAP_PRIVATE, NULL, 0);
}

static int fault_tables(struct stage *s)
{
	return store(s, s->mm, FAR);
}

static int fault_zero(struct stage *s)
{
	return load(s, s->mm, ANON + PAGES(9));
}

static void read_zero(struct stage *s)
{
	rig_equal(load(s, s->mm, ANON + PAGES(9)), OM_FAULT_MINOR);
}

static int fault_cow(struct stage *s)
{
	return store(s, s->child, ANON + PAGES(1));
}

static int fault_file_read(struct stage *s)
{
	return load(s, s->mm, COPIES + PAGES(7));
}

static int fault_file_copy(struct stage *s)
{
	return store(s, s->mm, COPIES + PAGES(8));
}

static int fault_file_write(struct stage *s)
{
	return store(s, s->mm, FILEAT + PAGES(8));
}

static int fault_swap_read(struct stage *s)
{
	return load(s, s->mm, SWAPPED + PAGES(2));
}

static int fault_swap_write(struct stage *s)
{
	return store(s, s->mm, SWAPPED + PAGES(2));
}

static int fault_swap_child(struct stage *s)
{
	return store(s, s->deep, SWAPPED + PAGES(3));
}

static int fault_shmem(struct stage *s)
{
	return store(s, s->mm, SHMEM + PAGES(2));
}

static int fault_stack(struct stage *s)
{
	return store(s, s->mm, STACK - PAGES(5));
}

static int fault_nonlinear(struct stage *s)
{
	return store(s, s->mm, FILEAT + PAGES(3));
}

/* Make a file long enough for an index of two levels, and map its last pages. */
static void map_long(struct stage *s)
{
	rig_ok(om_mapping_truncate(s->file[1], PAGES(1200)));
	rig_map(s->r, s->mm, FAR, 4, RIG_RW, OM_MAP_SHARED, s->file[1], 1196);
}

static int fault_index(struct stage *s)
{
	return store(s, s->mm, FAR + PAGES(2));
}

/* ---------------------------------------------------------------- locking ------------------- */

static int mlock_range(struct stage *s)
{
	return om_mlock(s->mm, ANON + PAGES(2), PAGES(8), 0);
}

static int mlock_swapped(struct stage *s)
{
	return om_mlock(s->mm, SWAPPED + PAGES(1), PAGES(3), 0);
}

static int mlock_many(struct stage *s)
{
	return om_mlock(s->mm, FREEAT + PAGES(1), PAGES(10), 0);
}

static int mlockall(struct stage *s)
{
	return om_mlockall(s->mm, OM_MCL_CURRENT | OM_MCL_FUTURE);
}

static void lock_some(struct stage *s)
{
	rig_ok(om_mlock(s->mm, ANON, PAGES(8), 0));
}

static int munlock_middle(struct stage *s)
{
	return om_munlock(s->mm, ANON + PAGES(2), PAGES(3));
}

/* ---------------------------------------------------------------- advice -------------------- */

static int advise(struct stage *s, uintptr_t addr, size_t pages, int advice)
{
	return om_madvise(s->mm, addr, PAGES(pages), advice);
}

static int madvise_dontneed(struct stage *s)
{
	return advise(s, COPIES, 10, OM_MADV_DONTNEED);
}

static int madvise_free(struct stage *s)
{
	return advise(s, ANON, 8, OM_MADV_FREE);
}

static int madvise_dontfork(struct stage *s)
{
	return advise(s, ANON + PAGES(2), 3, OM_MADV_DONTFORK);
}

static int madvise_wipe(struct stage *s)
{
	return advise(s, ANON + PAGES(2), 3, OM_MADV_WIPEONFORK);
}

static int madvise_random(struct stage *s)
{
	return advise(s, FREEAT + PAGES(1), 10, OM_MADV_RANDOM);
}

static int madvise_cold(struct stage *s)
{
	return advise(s, ANON, 8, OM_MADV_COLD);
}

static int madvise_pageout(struct stage *s)
{
	return advise(s, ANON, 8, OM_MADV_PAGEOUT);
}

static int madvise_willneed(struct stage *s)
{
	return advise(s, COPIES, 10, OM_MADV_WILLNEED);
}

static int madvise_willneed_swap(struct stage *s)
{
	return advise(s, SWAPPED, 6, OM_MADV_WILLNEED);
}

static int madvise_populate_read(struct stage *s)
{
	return advise(s, COPIES, 10, OM_MADV_POPULATE_READ);
}

static int madvise_populate_write(struct stage *s)
{
	return advise(s, COPIES, 10, OM_MADV_POPULATE_WRITE);
}

static int madvise_remove(struct stage *s)
{
	return advise(s, SHMEM + PAGES(2), 4, OM_MADV_REMOVE);
}

/* ---------------------------------------------------------------- files --------------------- */

static int truncate_file(struct stage *s)
{
	return om_mapping_truncate(s->file[1], PAGES(4) + 100);
}

/* The partial page is in swap. */
static int truncate_shmem(struct stage *s)
{
	return om_mapping_truncate(s->shmem, PAGES(2) + 100);
}

static int truncate_longer(struct stage *s)
{
	return om_mapping_truncate(s->file[1], PAGES(12));
}

static int punch_file(struct stage *s)
{
	return om_mapping_punch(s->file[1], PAGES(4) + 100, PAGES(1));
}

/* Both partial pages are in swap. */
static int punch_shmem(struct stage *s)
{
	return om_mapping_punch(s->shmem, 100, PAGES(3));
}

static int read_file(struct stage *s)
{
	unsigned char buf[PAGES(3)];

	return om_mapping_read(s->file[0], PAGES(6) + 50, buf, PAGES(2), NULL);
}

static int write_file(struct stage *s)
{
	unsigned char buf[PAGES(1)];

	memset(buf, 0x3c, sizeof(buf));
	return om_mapping_write(s->file[0], PAGES(6), buf, sizeof(buf), NULL);
}

static int write_longer(struct stage *s)
{
	unsigned char buf[PAGES(3)];

	memset(buf, 0x3c, sizeof(buf));
	return om_mapping_write(s->file[1], PAGES(9), buf, sizeof(buf), NULL);
}

static int write_shmem(struct stage *s)
{
	unsigned char byte = 0x3c;

	return om_mapping_write(s->shmem, PAGES(1) + 7, &byte, 1, NULL);
}

static int sync_file(struct stage *s)
{
	return om_mapping_sync(s->file[1], 0, 0);
}

static int msync_area(struct stage *s)
{
	return om_msync(s->mm, FILEAT, PAGES(10), OM_MS_SYNC);
}

static int remap_pages(struct stage *s)
{
	return om_remap_file_pages(s->mm, FILEAT + PAGES(1), PAGES(3), 0, 6, 0);
}

static void map_spans(struct stage *s)
{
	rig_ok(om_mapping_truncate(s->file[1], 3 * SPAN));
	rig_map(s->r, s->mm, FAR, 3 * SPAN / RIG_PAGE, RIG_RW, OM_MAP_SHARED, s->file[1], 0);
	rig_ok(om_munmap(s->mm, FAR + 3 * SPAN - PAGES(2), PAGES(2)));
	rig_ok(om_munmap(s->mm, FAR, 2 * SPAN - PAGES(3)));
}

/* Over the edge of a table that is not there yet. */
static int remap_pages_far(struct stage *s)
{
	return om_remap_file_pages(s->mm, FAR + 2 * SPAN - PAGES(2), PAGES(4), 0, 1, 0);
}

static int make_file(struct stage *s)
{
	struct rig_file *file = &s->r->file[3];

	return om_mapping_create(s->r->sys, NULL, NULL, PAGES(3), &file->mapping);
}

/* ---------------------------------------------------------------- swap ---------------------- */

static int swap_on(struct stage *s)
{
	int n = rig_swapon(s->r, 600);

	return n < 0 ? n : 0;
}

static int swap_off(struct stage *s)
{
	return rig_swapoff(s->r, 0);
}

/* Another area, so that there is room for what comes back. */
static void add_swap(struct stage *s)
{
	s->swap = rig_swapon(s->r, 1024);
	rig_check(s->swap > 0);
}

static int reclaim_step(struct stage *s)
{
	return om_reclaim_step(s->r->sys, 32) ? 0 : -OM_ENOMEM;
}

/* ---------------------------------------------------------------- the core's own hands ------ */

static int pin_write(struct stage *s)
{
	om_pfn_t pfn;

	return rig_pin(s->r, s->mm, SWAPPED + PAGES(1), OM_WRITE, &pfn);
}

static int pin_read(struct stage *s)
{
	om_pfn_t pfn;

	return rig_pin(s->r, s->mm, COPIES + PAGES(7), OM_READ, &pfn);
}

static int pin_shared(struct stage *s)
{
	om_pfn_t pfn;

	return rig_pin(s->r, s->child, ANON + PAGES(1), OM_READ, &pfn);
}

static int read_mm(struct stage *s)
{
	unsigned char buf[PAGES(8)];

	return om_read(s->mm, SWAPPED + 10, buf, PAGES(5), NULL);
}

static int write_mm(struct stage *s)
{
	unsigned char buf[PAGES(1)];

	memset(buf, 0x3c, sizeof(buf));
	return om_write(s->mm, SWAPPED + PAGES(2), buf, sizeof(buf), NULL);
}

static int write_mm_many(struct stage *s)
{
	unsigned char buf[PAGES(4)];

	memset(buf, 0x3c, sizeof(buf));
	return om_write(s->mm, COPIES, buf, sizeof(buf), NULL);
}

static int make_mm(struct stage *s)
{
	struct om_mm *mm;
	int err = om_mm_create(s->r->sys, &sim_layout, NULL, &mm);

	if (!err)
		s->r->mm[RIG_MMS - 1] = mm;
	return err;
}

static int destroy_mm(struct stage *s)
{
	rig_exit(s->r, s->child);
	return 0;
}

static int empty_mm(struct stage *s)
{
	om_mm_empty(s->child);
	return 0;
}

static int frame_alloc(struct stage *s)
{
	return om_frame_alloc(s->r->sys, &s->frame);
}

/* ---------------------------------------------------------------- the list ------------------ */

#define CALL(name, flags, prepare)                                                                 \
	{                                                                                          \
#name, flags, prepare, name, -OM_ENOMEM, -OM_EIO, NULL                             \
	}
#define FAULT(name, flags, prepare)                                                                \
	{                                                                                          \
#name, flags, prepare, name, OM_FAULT_OOM, OM_FAULT_BUS, NULL                      \
	}
/* The same call on a stage with family. */
#define AGAIN(name, flags, prepare)                                                                \
	{                                                                                          \
#name "_family", FAMILY | (flags), prepare, name, -OM_ENOMEM, -OM_EIO, NULL        \
	}

const struct scene scenes[] = {
    CALL(mmap_anon, 0, NULL),
    CALL(mmap_shared, 0, NULL),
    CALL(mmap_file, 0, NULL),
    CALL(mmap_over, ONE_WAY, NULL),
    AGAIN(mmap_over, ONE_WAY, NULL),
    CALL(mmap_inside, ONE_WAY, NULL),
    CALL(mmap_populate, 0, NULL),
    CALL(mmap_locked, 0, NULL),
    CALL(munmap_middle, 0, NULL),
    AGAIN(munmap_middle, 0, NULL),
    CALL(munmap_many, 0, NULL),
    CALL(mprotect_split, 0, NULL),
    AGAIN(mprotect_split, 0, NULL),
    CALL(mprotect_many, PARTIAL, make_neighbours),

    CALL(mremap_grow, 0, NULL),
    CALL(mremap_shrink, 0, NULL),
    CALL(mremap_away, 0, NULL),
    AGAIN(mremap_away, 0, NULL),
    CALL(mremap_middle, 0, NULL),
    AGAIN(mremap_middle, 0, NULL),
    CALL(mremap_over, 0, NULL),
    AGAIN(mremap_over, 0, NULL),
    CALL(mremap_dontunmap, 0, NULL),
    CALL(mremap_alias, 0, NULL),
    CALL(mremap_tables, 0, map_tables),
    CALL(brk_grow, 0, NULL),
    CALL(brk_shrink, 0, make_heap),

    {"fork_plain", 0, NULL, fork_mm, -OM_ENOMEM, -OM_EIO, NULL},
    {"fork_pinned", 0, pin_some, fork_mm, -OM_ENOMEM, -OM_EIO, check_pins},
    {"fork_family", FAMILY, NULL, fork_mm, -OM_ENOMEM, -OM_EIO, NULL},
    {"fork_nonlinear", 0, make_nonlinear, fork_mm, -OM_ENOMEM, -OM_EIO, NULL},
    {"fork_flags", 0, mark_fork_flags, fork_mm, -OM_ENOMEM, -OM_EIO, NULL},
    {"fork_tables", 0, map_tables, fork_mm, -OM_ENOMEM, -OM_EIO, NULL},

    FAULT(fault_anon, 0, NULL),
    FAULT(fault_tables, 0, map_far),
    FAULT(fault_zero, 0, NULL),
    {"fault_zero_write", 0, read_zero, fault_anon, OM_FAULT_OOM, OM_FAULT_BUS, NULL},
    FAULT(fault_cow, FAMILY, NULL),
    FAULT(fault_file_read, 0, NULL),
    FAULT(fault_file_copy, 0, NULL),
    FAULT(fault_file_write, 0, NULL),
    FAULT(fault_swap_read, 0, NULL),
    FAULT(fault_swap_write, 0, NULL),
    FAULT(fault_swap_child, FAMILY, NULL),
    FAULT(fault_shmem, 0, NULL),
    FAULT(fault_stack, PARTIAL | LAZY, NULL), /* the area has grown, even if there is no page */
    FAULT(fault_nonlinear, 0, make_nonlinear),
    FAULT(fault_index, 0, map_long),

    /* The areas are locked, even if a page could not be made present. */
    {"mlock_range", PARTIAL, NULL, mlock_range, -OM_ENOMEM, -OM_ENOMEM, NULL},
    {"mlock_swapped", PARTIAL, NULL, mlock_swapped, -OM_ENOMEM, -OM_ENOMEM, NULL},
    {"mlock_family", FAMILY | PARTIAL, NULL, mlock_swapped, -OM_ENOMEM, -OM_ENOMEM, NULL},
    {"mlock_many", PARTIAL, make_neighbours, mlock_many, -OM_ENOMEM, -OM_ENOMEM, NULL},
    CALL(mlockall, 0, NULL),
    CALL(munlock_middle, 0, lock_some),

    CALL(madvise_dontneed, 0, NULL),
    CALL(madvise_free, LAZY, NULL),
    {"madvise_dontfork", 0, NULL, madvise_dontfork, -OM_EAGAIN, -OM_EIO, NULL},
    {"madvise_dontfork_family", FAMILY, NULL, madvise_dontfork, -OM_EAGAIN, -OM_EIO, NULL},
    {"madvise_wipe", 0, NULL, madvise_wipe, -OM_EAGAIN, -OM_EIO, NULL},
    {"madvise_random", PARTIAL, make_neighbours, madvise_random, -OM_EAGAIN, -OM_EIO, NULL},
    CALL(madvise_cold, 0, NULL),
    CALL(madvise_pageout, 0, NULL),
    CALL(madvise_willneed, 0, NULL),
    CALL(madvise_willneed_swap, 0, NULL),
    {"madvise_populate_read", 0, NULL, madvise_populate_read, -OM_ENOMEM, -OM_EFAULT, NULL},
    {"madvise_populate_write", 0, NULL, madvise_populate_write, -OM_ENOMEM, -OM_EFAULT, NULL},
    CALL(madvise_remove, 0, NULL),

    CALL(truncate_file, 0, NULL),
    CALL(truncate_shmem, 0, NULL),
    CALL(truncate_longer, 0, NULL),
    CALL(punch_file, 0, NULL),
    CALL(punch_shmem, 0, NULL),
    CALL(read_file, 0, NULL),
    CALL(write_file, 0, NULL),
    CALL(write_longer, PARTIAL | LAZY, NULL),
    CALL(write_shmem, 0, NULL),
    CALL(sync_file, 0, NULL),
    CALL(msync_area, 0, NULL),
    CALL(remap_pages, 0, NULL),
    CALL(remap_pages_far, 0, map_spans),
    CALL(make_file, ONE_WAY, NULL),

    CALL(swap_on, ONE_WAY, NULL),
    CALL(swap_off, 0, add_swap),
    AGAIN(swap_off, 0, add_swap),
    CALL(reclaim_step, 0, NULL),

    {"pin_write", 0, NULL, pin_write, -OM_ENOMEM, -OM_EFAULT, NULL},
    {"pin_read", 0, NULL, pin_read, -OM_ENOMEM, -OM_EFAULT, NULL},
    {"pin_shared", FAMILY, NULL, pin_shared, -OM_ENOMEM, -OM_EFAULT, NULL},
    {"read_mm", 0, NULL, read_mm, -OM_ENOMEM, -OM_EFAULT, NULL},
    {"write_mm", 0, NULL, write_mm, -OM_ENOMEM, -OM_EFAULT, NULL},
    {"write_mm_many", PARTIAL, NULL, write_mm_many, -OM_ENOMEM, -OM_EFAULT, NULL},
    CALL(make_mm, ONE_WAY, NULL),
    CALL(destroy_mm, FAMILY | ONE_WAY, NULL),
    CALL(empty_mm, FAMILY, NULL),
    CALL(frame_alloc, ONE_WAY, NULL),
};

const unsigned nr_scenes = sizeof(scenes) / sizeof(*scenes);
