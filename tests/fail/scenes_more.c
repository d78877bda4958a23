/*
 * scenes_more.c: more calls whose failures are tried: locking, advice, files, swap, the core's own hands.
 */
#include "stage.h"

#include <string.h>

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

static void sync_all(struct stage *s)
{
	rig_ok(om_mapping_sync(s->file[1], 0, 0));
}

/* What has been written back is still there if the store cannot punch. */
static int punch_pages(struct stage *s)
{
	return om_mapping_punch(s->file[1], PAGES(2) + 100, PAGES(4));
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

static void cut_file(struct stage *s)
{
	rig_ok(remap_pages(s));
}

/* Over areas that an earlier call has made. */
static int remap_pages_over(struct stage *s)
{
	return om_remap_file_pages(s->mm, FILEAT + PAGES(2), PAGES(3), 0, 1, 0);
}

static int remap_shmem(struct stage *s)
{
	return om_remap_file_pages(s->mm, SHMEM + PAGES(1), PAGES(3), 0, 6, 0);
}

static void map_spans(struct stage *s)
{
	rig_map(s->r, s->mm, FAR, 3 * SPAN / RIG_PAGE, RIG_RW, OM_MAP_SHARED, s->shmem, 0);
	rig_ok(om_munmap(s->mm, FAR + 3 * SPAN - PAGES(2), PAGES(2)));
	rig_ok(om_munmap(s->mm, FAR, 2 * SPAN - PAGES(3)));
}

/* Over the edge of a table that is not there yet. */
static int remap_shmem_far(struct stage *s)
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

static const struct scene list[] = {
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
    CALL(punch_pages, 0, sync_all),
    CALL(punch_shmem, 0, NULL),
    CALL(read_file, 0, NULL),
    CALL(write_file, 0, NULL),
    CALL(write_longer, PARTIAL | LAZY, NULL),
    CALL(write_shmem, 0, NULL),
    CALL(sync_file, 0, NULL),
    CALL(msync_area, 0, NULL),
    CALL(remap_pages, 0, NULL),
    CALL(remap_pages_over, 0, cut_file),
    CALL(remap_shmem, 0, NULL),
    CALL(remap_shmem_far, 0, map_spans),
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
SCENES(other_scenes, list);
