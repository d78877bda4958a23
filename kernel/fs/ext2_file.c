/*
 * ext2_file.c: filling pages from the disk: pages of a file, and pages of the disk itself.
 *
 * These are hooks of objrmap: they allocate nothing and call nothing of it. Pieces that lie side by
 * side on the disk are gathered into one transfer. So are those with a few pages between them that
 * nobody wants (blocks of others, an indirect block, pages that are in memory already); they are
 * read to nowhere.
 */
#include "blk.h"
#include "ext2.h"

#define SECTOR 512u

struct transfer {
	struct blkdev *dev;
	uint64_t sector, next; /* the first one, and the one behind the last */
	unsigned n;
	struct blk_seg seg[BLK_MAX_SEGS];
};

static int finish_transfer(struct transfer *t)
{
	unsigned n = t->n;

	t->n = 0;
	return n ? blk_rw(t->dev, false, t->sector, t->seg, n) : 0;
}

static void add_seg(struct transfer *t, uint64_t phys, uint32_t len)
{
	t->seg[t->n++] = (struct blk_seg){.phys = phys, .len = len};
	t->next += len / SECTOR;
}

/* Read on to `sector`, if it is near. */
static void add_gap(struct transfer *t, uint64_t sector)
{
	uint64_t bytes = (sector - t->next) * SECTOR;

	if (!t->n || sector < t->next || bytes > EXT2_GAP * PAGE_SIZE ||
	    t->n + (bytes + PAGE_SIZE - 1) / PAGE_SIZE >= ARRAY_SIZE(t->seg))
		return;
	while (t->next < sector)
		add_seg(t, BLK_NOWHERE, (uint32_t)MIN((sector - t->next) * SECTOR, PAGE_SIZE));
}

/* Read `len` bytes at `sector` to `to`, now or with finish_transfer(). */
static int add_piece(struct transfer *t, uint64_t sector, void *to, uint32_t len)
{
	uint64_t phys = virt_to_phys(to);
	struct blk_seg *last;
	int err = 0;

	add_gap(t, sector);
	last = t->n ? &t->seg[t->n - 1] : NULL;
	if (last && sector == t->next && last->phys + last->len == phys && phys % PAGE_SIZE) {
		last->len += len; /* goes on in the same frame */
		t->next += len / SECTOR;
		return 0;
	}
	if (t->n == ARRAY_SIZE(t->seg) || sector != t->next)
		err = finish_transfer(t);
	if (!t->n)
		t->sector = t->next = sector;
	add_seg(t, phys, len);
	return err;
}

/* ---------------------------------------------------------------- regular files ------------- */

static int add_page(struct transfer *t, const struct ext2_inode *ei, uint64_t page, char *to)
{
	const uint32_t size = ei->fs->block_size, per_page = PAGE_SIZE / size;
	int err = 0;

	for (uint32_t i = 0; !err && i < per_page; i++, to += size) {
		uint64_t block = page * per_page + i;
		const struct ext2_extent *e = ext2_map_find(ei, block);

		if (e && e->first <= block)
			err = add_piece(t, (e->disk + (block - e->first)) * (size / SECTOR), to,
			                size);
		else
			memset(to, 0, size); /* a hole, or beyond the end */
	}
	return err;
}

/* The last block may hold anything behind the end of the file. */
static void clear_file_tail(const struct ext2_inode *ei, uint64_t first, unsigned n,
                            void *const frame[])
{
	uint64_t page = ei->size / PAGE_SIZE, used = ei->size % PAGE_SIZE;

	if (used && page >= first && page - first < n && frame[page - first])
		memset((char *)frame[page - first] + used, 0, PAGE_SIZE - used);
}

int ext2_read_pages(void *store, uint64_t first, unsigned n, void *const frame[])
{
	struct ext2_inode *ei = ext2_inode(store);
	struct transfer t = {.dev = ei->fs->dev};
	int err = ei->mapped ? 0 : -EIO;

	for (unsigned i = 0; !err && i < n; i++)
		if (frame[i])
			err = add_page(&t, ei, first + i, frame[i]);
	if (!err)
		err = finish_transfer(&t);
	if (!err)
		clear_file_tail(ei, first, n, frame);
	return err;
}

/* ---------------------------------------------------------------- the disk ------------------ */

static int read_meta(void *store, uint64_t first, unsigned n, void *const frame[])
{
	const struct ext2_fs *fs = store;
	struct transfer t = {.dev = fs->dev};
	uint64_t bytes = blk_sectors(fs->dev) * SECTOR;
	int err = 0;

	for (unsigned i = 0; !err && i < n; i++) {
		uint64_t offset = (first + i) * PAGE_SIZE;
		uint64_t len = offset < bytes ? MIN(bytes - offset, PAGE_SIZE) : 0;

		memset((char *)frame[i] + len, 0, PAGE_SIZE - len);
		if (len)
			err = add_piece(&t, offset / SECTOR, frame[i], (uint32_t)len);
	}
	return err ? err : finish_transfer(&t);
}

const struct om_store_ops ext2_meta_store = {.read = read_meta};
