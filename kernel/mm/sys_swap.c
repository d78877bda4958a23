/*
 * sys_swap.c: swap areas: swapon(), swapoff(), and the boot option `swap`.
 *
 * An area is a whole disk. Slot i of it is page i + 1 of the disk: the first page is left alone, because
 * mkswap keeps its header there. swapon() wants to see that header, so that it does not write over a file
 * system by mistake; the boot option takes any disk.
 *
 * For tests, the boot option `swap_fail=FIRST-LAST` makes reads of these slots of the first area fail.
 */
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "blk.h"
#include "kmem.h"
#include "sys.h"

#define SWAP_FLAG_PREFER    0x8000
#define SWAP_FLAG_PRIO_MASK 0x7fff
#define SWAP_FLAGS_VALID    0x7ffff

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

#define BATCH 16u /* pages a transfer; their segments are on the stack, which may be deep here */

static int transfer(struct swap_area *a, bool write, uint64_t slot, unsigned n, void *const frame[])
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
	return transfer(store, false, first, n, frame);
}

static int swap_write(void *store, uint64_t first, unsigned n, void *const frame[])
{
	return transfer(store, true, first, n, frame);
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

static struct swap_area *find_free(void)
{
	for (unsigned i = 0; i < MAX_AREAS; i++)
		if (!areas[i].dev)
			return &areas[i];
	return NULL;
}

/* `pages` of the disk, its first page included. areas_lock held. */
static int area_start(unsigned disk, uint64_t pages, int priority)
{
	struct swap_area *a = find_free();
	int err;

	if (find_area(disk))
		return -EBUSY;
	if (!a)
		return -EPERM; /* Linux's answer, too */
	if (pages < 2 || blk_readonly(blk_get(disk)))
		return pages < 2 ? -EINVAL : -EROFS;
	*a = (struct swap_area){.dev = blk_get(disk),
	                        .disk = disk,
	                        .slots = (uint32_t)MIN(pages - 1, MAX_SLOTS),
	                        .priority = priority};
	err = om_swapon(vm, &swap_ops, a, a->slots, priority, &a->area);
	if (err)
		a->dev = NULL;
	return err;
}

/* Without a wish each area comes after those before it. */
static int next_priority(void)
{
	int lowest = -1;

	for (unsigned i = 0; i < MAX_AREAS; i++)
		if (areas[i].dev)
			lowest = MIN(lowest, areas[i].priority);
	return lowest - 1;
}

static void fail_as_asked(struct blkdev *dev)
{
	const char *range = boot_option("swap_fail");
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
	err = area_start(disk, blk_sectors(dev) / PAGE_SECTORS, next_priority());
	mutex_unlock(&areas_lock);
	if (!err)
		fail_as_asked(dev);
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

/* ---------------------------------------------------------------- the calls ----------------- */

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

/* The disk that a device file stands for. */
static int disk_of_path(uintptr_t user_path, unsigned *disk)
{
	char *path = kmalloc(PATH_MAX_LEN);
	struct inode *inode;
	long err;

	if (!path)
		return -ENOMEM;
	err = user_string(path, user_path, PATH_MAX_LEN);
	if (err >= 0)
		err = path_lookup(AT_FDCWD, path, 0, &inode, NULL);
	kfree(path);
	if (err < 0)
		return (int)err;
	*disk = blk_of_rdev(inode->rdev);
	if (!S_ISBLK(inode->mode) || !blk_get(*disk))
		err = -EINVAL;
	inode_put(inode);
	return (int)err;
}

long sys_swapon(uintptr_t path, int flags)
{
	unsigned disk;
	long pages;
	int err;

	if (flags & ~SWAP_FLAGS_VALID)
		return -EINVAL;
	err = disk_of_path(path, &disk);
	if (err)
		return err;
	mutex_lock(&areas_lock);
	pages = find_area(disk) ? -EBUSY : header_pages(blk_get(disk));
	if (pages >= 0)
		err = area_start(disk, (uint64_t)pages,
		                 flags & SWAP_FLAG_PREFER ? flags & SWAP_FLAG_PRIO_MASK
		                                          : next_priority());
	mutex_unlock(&areas_lock);
	return pages < 0 ? pages : err;
}

long sys_swapoff(uintptr_t path)
{
	struct swap_area *a;
	unsigned disk;
	int err = disk_of_path(path, &disk);

	if (err)
		return err;
	mutex_lock(&areas_lock);
	a = find_area(disk);
	err = a ? om_swapoff(vm, a->area) : -EINVAL;
	if (!err)
		a->dev = NULL;
	mutex_unlock(&areas_lock);
	return err;
}
