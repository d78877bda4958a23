/*
 * scenes.c: calls whose failures are tried: areas, mremap, fork, faults. See stage.h for what lies where.
 */
#include "calls.h"
#include "stage.h"

/* ---------------------------------------------------------------- areas --------------------- */

static int map_at(struct stage *s, uintptr_t addr, size_t pages, int flags, struct om_mapping *file)
{
	return do_mmap(s->mm, &addr, PAGES(pages), RIG_RW, flags | OM_MAP_FIXED, file, 0);
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

static int mprotect_many(struct stage *s)
{
	return om_mprotect(s->mm, FREEAT + PAGES(1), PAGES(10), 0);
}

/* ---------------------------------------------------------------- mremap, brk --------------- */

static int remap(struct stage *s, uintptr_t old, size_t from, size_t to, int flags, uintptr_t new)
{
	uintptr_t at;

	return do_mremap(s->mm, old, PAGES(from), PAGES(to), flags, new, &at);
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
	rig_ok(om_remap_file_pages(s->mm, SHMEM + PAGES(4), PAGES(4), 0, 0, 0));
	rig_expect(s->r, s->mm, SHMEM + PAGES(4), 1, 600);
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
	return store(s, s->mm, SHMEM + PAGES(7));
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

/* ---------------------------------------------------------------- the list ------------------ */

static const struct scene list[] = {
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
};
SCENES(area_scenes, list);
