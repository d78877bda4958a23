/*
 * blk.h: disks. drivers/virtio_blk.c
 */
#ifndef BLK_H
#define BLK_H

#include "lib.h"

struct blkdev;

/* A piece of memory that takes part in a transfer. It lies within one frame. */
struct blk_seg {
	uint64_t phys; /* or BLK_NOWHERE: what is read here is not wanted */
	uint32_t len;  /* a multiple of 512 */
};
#define BLK_NOWHERE  0
#define BLK_MAX_SEGS 72 /* the pages of a transfer, and a gap */

/* Find the disks. */
void blk_init(void);
/* The i-th disk in the order of the PCI bus, or NULL. */
struct blkdev *blk_get(unsigned i);
/*
 * Device numbers as Linux gives them to virtio disks: /dev/vda is 254:0, /dev/vdb 254:16 and so on.
 */
static inline uint64_t blk_rdev(unsigned i)
{
	return 254u << 8 | i * 16;
}
static inline unsigned blk_of_rdev(uint64_t rdev) /* UINT_MAX: not a disk */
{
	return (rdev & ~0xf0ull) == 254u << 8 ? (unsigned)(rdev & 0xff) / 16 : -1u;
}
uint64_t blk_sectors(const struct blkdev *dev); /* of 512 bytes */
bool blk_readonly(const struct blkdev *dev);

/*
 * Transfer consecutive sectors from or to memory, and sleep until done. Several may be under way at
 * a time; nothing is allocated. -EIO, -EINVAL (beyond the end, too many segments). May sleep.
 */
int blk_rw(struct blkdev *dev, bool write, uint64_t sector, const struct blk_seg *seg, unsigned n);

/*
 * For tests: from now on reads that touch sector `first`..`last` fail with -EIO. first > last: none
 * do.
 */
void blk_fail_reads(struct blkdev *dev, uint64_t first, uint64_t last);

#endif
