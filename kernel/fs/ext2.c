/*
 * ext2.c: mounting an ext2 file system.
 */
#include "blk.h"
#include "ext2.h"
#include "fs.h"
#include "kmem.h"
#include "vm.h"

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
