/*
 * swap.c: swap areas on disks.
 *
 * An area is a whole disk. Slot i of it is page i + 1 of the disk: the first page is left alone,
 * because mkswap keeps its header there. swap_on() wants to see that header, so that swapon() does
 * not write over a file system by mistake; the boot option `swap` takes any disk.
 */
#include "blk.h"
#include "kmem.h"
#include "options.h"
#include "vm.h"

#define PAGE_SECTORS (PAGE_SIZE / 512)
#define MAX_AREAS    8
#define MAX_SLOTS    (1ull << 26)

static struct swap_area {
	struct blkdev *dev; /* NULL: free */
	unsigned disk;
	unsigned area; /* the core's number */
	uint32_t slots;
	int priority;
} areas[MAX_AREAS];

static struct mutex areas_lock = MUTEX_INIT(areas_lock); /* guards `areas`; held over swapoff() */

/* ---------------------------------------------------------------- the store ----------------- */

/* Pages a transfer; their segments are on the stack, which may be deep here. */
#define BATCH OM_TRANSFER_MAX

static int swap_transfer(struct swap_area *a, bool write, uint64_t slot, unsigned n,
                         void *const frame[])
{
	struct blk_seg seg[BATCH];
	int err = 0;

	while (n && !err) {
		unsigned now = MIN(n, BATCH);

		for (unsigned i = 0; i < now; i++) {
			seg[i].phys = virt_to_phys(frame[i]);
			seg[i].len = PAGE_SIZE;
		}
		err = blk_rw(a->dev, write, (slot + 1) * PAGE_SECTORS, seg, now);
		slot += now;
		frame += now;
		n -= now;
	}
	return err;
}

static int swap_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	return swap_transfer(store, false, first, n, frame);
}

static int swap_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	return swap_transfer(store, true, first, n, frame);
}

static const struct om_store_ops swap_ops = {.read = swap_read, .write = swap_write};

/* ---------------------------------------------------------------- areas --------------------- */

/* The area on this disk, or NULL. */
static struct swap_area *find_area(unsigned disk)
{
	for (unsigned i = 0; i < MAX_AREAS; i++)
		if (areas[i].dev && areas[i].disk == disk)
			return &areas[i];
	return NULL;
}

static struct swap_area *find_free_area(void)
{
	for (unsigned i = 0; i < MAX_AREAS; i++)
		if (!areas[i].dev)
			return &areas[i];
	return NULL;
}

/* Below all others. */
static int next_priority(void)
{
	int lowest = -1;

	for (unsigned i = 0; i < MAX_AREAS; i++)
		if (areas[i].dev)
			lowest = MIN(lowest, areas[i].priority);
	return lowest - 1;
}

/* `pages` of the disk, its first page included. areas_lock held. */
static int area_start(unsigned disk, uint64_t pages, int priority)
{
	struct swap_area *a = find_free_area();
	int err;

	if (find_area(disk))
		return -EBUSY;
	if (!a)
		return -EPERM; /* Linux's answer, too */
	if (pages < 2 || blk_readonly(blk_get(disk)))
		return pages < 2 ? -EINVAL : -EROFS;
	if (priority == SWAP_NEXT_PRIORITY)
		priority = next_priority();
	*a = (struct swap_area){.dev = blk_get(disk),
	                        .disk = disk,
	                        .slots = (uint32_t)MIN(pages - 1, MAX_SLOTS),
	                        .priority = priority};
	err = om_swapon(vm, &swap_ops, a, a->slots, priority, &a->area);
	if (err)
		a->dev = NULL;
	return err;
}

/* mkswap's header: what it says of the size, in pages; -EINVAL if it is none. */
static long header_pages(struct blkdev *dev)
{
	struct {
		uint32_t version, last_page, nr_bad;
	} head;
	struct blk_seg seg = {.len = PAGE_SIZE};
	uint64_t pages = blk_sectors(dev) / PAGE_SECTORS;
	char *page = kmalloc(PAGE_SIZE);
	long result;

	if (!page)
		return -ENOMEM;
	seg.phys = virt_to_phys(page);
	result = pages ? blk_rw(dev, false, 0, &seg, 1) : -EINVAL;
	memcpy(&head, page + 1024, sizeof(head));
	if (!result && (memcmp(page + PAGE_SIZE - 10, "SWAPSPACE2", 10) || head.version != 1 ||
	                head.last_page >= pages || head.nr_bad))
		result = -EINVAL;
	kfree(page);
	return result ? result : (long)head.last_page + 1;
}

/* The boot option `swap_fail`, for tests. */
static void fail_as_asked(struct blkdev *dev)
{
	const char *range = boot_option(OPTION_swap_fail);
	uint64_t first, last;

	if (!range)
		return;
	first = strtoul(range, &range);
	last = *range == '-' ? strtoul(range + 1, &range) : first;
	blk_fail_reads(dev, (first + 1) * PAGE_SECTORS, (last + 2) * PAGE_SECTORS - 1);
}

int swap_on_disk(unsigned disk)
{
	struct blkdev *dev = blk_get(disk);
	int err;

	if (!dev)
		return -ENODEV;
	mutex_lock(&areas_lock);
	err = area_start(disk, blk_sectors(dev) / PAGE_SECTORS, SWAP_NEXT_PRIORITY);
	mutex_unlock(&areas_lock);
	if (!err)
		fail_as_asked(dev);
	return err;
}

int swap_on(unsigned disk, int priority)
{
	struct blkdev *dev = blk_get(disk);
	long pages;
	int err;

	if (!dev)
		return -ENODEV;
	mutex_lock(&areas_lock);
	pages = find_area(disk) ? -EBUSY : header_pages(dev);
	err = pages < 0 ? (int)pages : area_start(disk, (uint64_t)pages, priority);
	mutex_unlock(&areas_lock);
	return err;
}

int swap_off(unsigned disk)
{
	struct swap_area *a;
	int err;

	mutex_lock(&areas_lock);
	a = find_area(disk);
	err = a ? om_swapoff(vm, a->area) : -EINVAL;
	if (!err)
		a->dev = NULL;
	mutex_unlock(&areas_lock);
	return err;
}

bool swap_info(unsigned i, struct swap_info *info)
{
	bool found = false;

	mutex_lock(&areas_lock);
	for (unsigned k = 0; k < MAX_AREAS && !found; k++) {
		if (!areas[k].dev || i--)
			continue;
		found = true;
		*info = (struct swap_info){.disk = areas[k].disk,
		                           .slots = areas[k].slots,
		                           .priority = areas[k].priority};
	}
	mutex_unlock(&areas_lock);
	return found;
}
