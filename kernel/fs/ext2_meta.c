/*
 * ext2_meta.c: reading all but the contents of regular files: superblock, group descriptors,
 * inodes, indirect blocks, directories.
 *
 * All of it goes through `meta`, a mapping whose pages are those of the disk. So objrmap caches it,
 * and gives it up when memory is short, as it does with file pages.
 */
#include "ext2.h"

int ext2_read_meta(struct ext2_fs *fs, uint64_t offset, void *buf, size_t len)
{
	size_t done = 0;
	int err;

	if (len > fs->bytes || offset > fs->bytes - len)
		return -EIO;
	err = om_mapping_read(fs->meta, offset, buf, len, &done);
	return err ? err : done == len ? 0 : -EIO;
}

bool ext2_is_block(const struct ext2_fs *fs, uint32_t block)
{
	return block > fs->first_data_block && block < fs->blocks;
}
