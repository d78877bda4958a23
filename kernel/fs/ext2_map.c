/*
 * ext2_map.c: where the blocks of a file are.
 *
 * On disk a file is a tree of block numbers. It is read once, when the file is first used, and kept
 * as extents: runs of blocks that lie side by side. Two reasons: reading pages of a file happens
 * inside objrmap, where the tree could not be read through the page cache; and mke2fs lays files
 * out in long runs, so there are few extents (one for every indirect block, which lies between the
 * data).
 */
#include "ext2.h"
#include "fs.h"
#include "kmem.h"

static int grow_extents(struct ext2_inode *ei)
{
	unsigned room = ei->room ? 2 * ei->room : 4;
	struct ext2_extent *extent = big_alloc(room * sizeof(*extent));

	if (!extent)
		return -ENOMEM;
	if (ei->extent)
		memcpy(extent, ei->extent, ei->nr_extents * sizeof(*extent));
	big_free(ei->extent, ei->room * sizeof(*extent));
	ei->extent = extent;
	ei->room = room;
	return 0;
}

static int add_block(struct ext2_inode *ei, uint64_t block, uint32_t disk)
{
	struct ext2_extent *last = ei->nr_extents ? &ei->extent[ei->nr_extents - 1] : NULL;
	int err;

	if (!ext2_is_block(ei->fs, disk))
		return -EIO;
	if (last && last->first + last->count == block && last->disk + last->count == disk) {
		last->count++;
		return 0;
	}
	err = ei->nr_extents == ei->room ? grow_extents(ei) : 0;
	if (err)
		return err;
	ei->extent[ei->nr_extents++] =
	    (struct ext2_extent){.first = (uint32_t)block, .count = 1, .disk = disk};
	return 0;
}

/*
 * Add the blocks below `disk`, which is `depth` levels above data; 0 is a hole. *block is the next
 * block of the file, `end` their number.
 */
static int add_tree(struct ext2_inode *ei, uint32_t disk, unsigned depth, uint64_t *block,
                    uint64_t end)
{
	const uint32_t size = ei->fs->block_size, per_block = size / 4;
	uint32_t *pointer;
	uint64_t span = 1;
	int err;

	for (unsigned i = 0; i < depth; i++)
		span *= per_block;
	if (!disk) {
		*block += span;
		return 0;
	}
	if (!depth)
		return add_block(ei, (*block)++, disk);
	if (!ext2_is_block(ei->fs, disk))
		return -EIO;
	pointer = kmalloc(size);
	if (!pointer)
		return -ENOMEM;
	err = ext2_read_meta(ei->fs, (uint64_t)disk * size, pointer, size);
	for (uint32_t i = 0; !err && i < per_block && *block < end; i++)
		err = add_tree(ei, pointer[i], depth - 1, block, end);
	kfree(pointer);
	return err;
}

int ext2_map_load(struct ext2_inode *ei)
{
	uint64_t block = 0, end = (ei->size + ei->fs->block_size - 1) / ei->fs->block_size;
	int err = end > UINT32_MAX ? -EIO : 0;

	if (ei->mapped)
		return 0;
	for (unsigned i = 0; !err && i < EXT2_NR_POINTERS && block < end; i++) {
		unsigned depth = i < EXT2_NR_DIRECT ? 0 : i - EXT2_NR_DIRECT + 1;

		err = add_tree(ei, ei->block[i], depth, &block, end);
	}
	if (err)
		ext2_map_free(ei);
	else
		ei->mapped = true;
	return err;
}

void ext2_map_free(struct ext2_inode *ei)
{
	big_free(ei->extent, ei->room * sizeof(*ei->extent));
	ei->extent = NULL;
	ei->nr_extents = ei->room = 0;
	ei->mapped = false;
}

const struct ext2_extent *ext2_map_find(const struct ext2_inode *ei, uint64_t block)
{
	unsigned low = 0, high = ei->nr_extents;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if ((uint64_t)ei->extent[mid].first + ei->extent[mid].count > block)
			high = mid;
		else
			low = mid + 1;
	}
	return low < ei->nr_extents ? &ei->extent[low] : NULL;
}
