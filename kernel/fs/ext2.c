/*
 * ext2.c: mounting an ext2 file system.
 *
 * Everything but the contents of regular files (superblock, group descriptors, inodes, indirect
 * blocks, directories) is read through `meta`, a mapping whose pages are those of the disk. So
 * objrmap caches it, and gives it up when memory is short, as it does with file pages.
 */
#include <asm/statfs.h>

#include "blk.h"
#include "ext2.h"
#include "fs.h"
#include "kmem.h"
#include "vm.h"

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

static int check_super(struct ext2_fs *fs, const struct ext2_super *s)
{
	if (s->magic != EXT2_MAGIC || s->log_block_size > 2 || s->first_data_block > 1)
		return -EINVAL;
	if (s->revision > 1 || (s->revision && s->incompatible & ~EXT2_FEATURE_FILETYPE)) {
		printk("ext2: features %x are not supported\n", s->incompatible);
		return -EINVAL;
	}
	fs->block_size = 1024u << s->log_block_size;
	fs->blocks = s->blocks;
	fs->first_data_block = s->first_data_block;
	fs->inodes = s->inodes;
	fs->free_blocks = s->free_blocks;
	fs->free_inodes = s->free_inodes;
	fs->inodes_per_group = s->inodes_per_group;
	fs->inode_size = s->revision ? s->inode_size : sizeof(struct ext2_disk_inode);
	if (!fs->blocks || !fs->inodes_per_group || fs->inode_size > fs->block_size ||
	    fs->inode_size < sizeof(struct ext2_disk_inode))
		return -EINVAL;
	if (s->blocks > fs->bytes / fs->block_size)
		return -EINVAL;
	fs->bytes = (uint64_t)s->blocks * fs->block_size;
	return 0;
}

void ext2_statfs(struct inode *inode, struct statfs *out)
{
	const struct ext2_fs *fs = ext2_inode(inode)->fs;

	out->f_type = EXT2_MAGIC;
	out->f_bsize = out->f_frsize = fs->block_size;
	out->f_blocks = fs->blocks;
	out->f_bfree = out->f_bavail = fs->free_blocks;
	out->f_files = fs->inodes;
	out->f_ffree = fs->free_inodes;
	out->f_namelen = 255;
	out->f_flags = 1; /* ST_RDONLY */
}

static int fill_super(struct ext2_fs *fs, struct blkdev *dev)
{
	struct ext2_super super;
	unsigned disk = 0;
	int err;

	while (blk_get(disk) != dev)
		disk++;
	fs->number = blk_rdev(disk);
	fs->dev = dev;
	fs->bytes = blk_sectors(dev) * 512;
	mutex_init(&fs->lock);
	list_init(&fs->seen.list);
	list_init(&fs->opened.list);
	for (unsigned i = 0; i < EXT2_HASH; i++)
		list_init(&fs->hash[i]);
	err = om_mapping_create(vm, &ext2_meta_store, fs, fs->bytes, &fs->meta);
	if (err)
		return err;
	err = ext2_read_meta(fs, EXT2_SUPER_OFFSET, &super, sizeof(super));
	return err ? err : check_super(fs, &super);
}

int ext2_mount(struct blkdev *dev, struct inode **root)
{
	struct ext2_fs *fs = kmalloc(sizeof(*fs));
	int err;

	if (!fs)
		return -ENOMEM;
	err = fill_super(fs, dev);
	if (!err)
		err = ext2_iget(fs, EXT2_ROOT_INO, root);
	if (!err && !inode_is(*root, S_IFDIR)) {
		inode_put(*root);
		return -EINVAL; /* the cache still has the inode, so the file system stays */
	}
	if (err) {
		if (fs->meta)
			om_mapping_put(fs->meta);
		kfree(fs);
	}
	return err;
}
