/*
 * ext2_inode.c: the inodes in memory. Each exists once, so a file has one page cache.
 *
 * The cache holds a reference of its own to each inode, so an inode outlives its last close and its
 * pages are there for the next open. When there are too many, the one that has been unused longest
 * goes. Files that have been opened are counted apart, so that a walk through the whole tree does
 * not cost the pages of those in daily use.
 *
 * If a program still maps a file whose inode has been given up, the inode lives on without the
 * cache until the mapping ends; should the file be opened again meanwhile, it is cached a second
 * time, which does no harm as neither copy can change.
 */
#include <asm/statfs.h>

#include "ext2.h"
#include "fs.h"
#include "kmem.h"
#include "vm.h"

#define MAX_ON_LIST 512u

/* ---------------------------------------------------------------- the cache ----------------- */

static struct list *hash_chain(struct ext2_fs *fs, uint64_t ino)
{
	return &fs->hash[ino % EXT2_HASH];
}

static struct ext2_inode *find_cached(struct ext2_fs *fs, uint64_t ino)
{
	struct ext2_inode *ei;

	list_for_each (ei, hash_chain(fs, ino), hash)
		if (ei->inode.ino == ino)
			return ei;
	return NULL;
}

/* The inode is used: to the end of a list, or off (NULL). fs->lock held, as for all of these. */
static void lru_move(struct ext2_inode *ei, struct ext2_lru *lru)
{
	if (ei->on) {
		list_remove(&ei->lru);
		ei->on->n--;
	}
	ei->on = lru;
	if (lru) {
		list_append(&lru->list, &ei->lru);
		lru->n++;
	}
}

/* A list is too long: its oldest inode that nobody else holds leaves the cache. Or NULL. */
static struct inode *lru_shorten(struct ext2_lru *lru)
{
	struct ext2_inode *ei;

	if (lru->n <= MAX_ON_LIST)
		return NULL;
	list_for_each (ei, &lru->list, lru) {
		/* Nobody else has a reference to copy, and lookups wait for our lock. */
		if (atomic_load(&ei->inode.refs) > 1)
			continue;
		list_remove(&ei->hash);
		lru_move(ei, NULL);
		return &ei->inode;
	}
	return NULL;
}

/* ---------------------------------------------------------------- operations ---------------- */

static int ext2_readlink(struct inode *inode, char *buf, unsigned size)
{
	struct ext2_inode *ei = ext2_inode(inode);
	unsigned len = (unsigned)MIN(ei->size, size);
	int err = 0;

	if (ei->fast_link)
		memcpy(buf, ei->block, len);
	else
		err = ext2_read_meta(ei->fs, (uint64_t)ei->block[0] * ei->fs->block_size, buf, len);
	return err ? err : (int)len;
}

static int open_file(struct inode *inode, struct file *file)
{
	struct ext2_inode *ei = ext2_inode(inode);
	struct ext2_fs *fs = ei->fs;
	struct inode *old = NULL;
	int err;

	(void)file;
	mutex_lock(&fs->lock);
	err = ext2_map_load(ei);
	if (!err && ei->on) {
		lru_move(ei, &fs->opened);
		old = lru_shorten(&fs->opened);
	}
	mutex_unlock(&fs->lock);
	inode_put(old);
	return err;
}

static void fs_statfs(struct inode *inode, struct statfs *out)
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

static void inode_destroy(struct ext2_inode *ei)
{
	ext2_map_free(ei);
	inode_forget(&ei->inode);
	kfree(ei);
}

/* No reference is left; the page cache may still have users of its own. */
static void ext2_release(struct inode *inode)
{
	if (inode->mapping)
		om_mapping_put(inode->mapping);
	else
		inode_destroy(ext2_inode(inode));
}

static void mapping_gone(void *store)
{
	inode_destroy(ext2_inode(store));
}

static const struct om_store_ops store_ops = {.read = ext2_read_pages,
                                              .read_gap = EXT2_GAP,
                                              .release = mapping_gone};

static const struct inode_ops dir_ops = {.fs_type = "ext2",
                                         .statfs = fs_statfs,
                                         .lookup = ext2_lookup,
                                         .readdir = ext2_readdir,
                                         .release = ext2_release};
static const struct inode_ops link_ops = {.statfs = fs_statfs,
                                          .readlink = ext2_readlink,
                                          .release = ext2_release};
static const struct inode_ops file_ops = {.statfs = fs_statfs,
                                          .open = open_file,
                                          .release = ext2_release};
static const struct inode_ops other_ops = {.statfs = fs_statfs, .release = ext2_release};

/* ---------------------------------------------------------------- loading ------------------- */

static int read_disk_inode(struct ext2_fs *fs, uint64_t ino, struct ext2_disk_inode *disk)
{
	uint64_t group = (ino - 1) / fs->inodes_per_group, index = (ino - 1) % fs->inodes_per_group;
	uint64_t table = ((uint64_t)fs->first_data_block + 1) * fs->block_size;
	struct ext2_group desc;
	int err;

	if (ino == 0 || ino > fs->inodes)
		return -EIO;
	err = ext2_read_meta(fs, table + group * sizeof(desc), &desc, sizeof(desc));
	if (err)
		return err;
	if (!ext2_is_block(fs, desc.inode_table))
		return -EIO;
	return ext2_read_meta(fs,
	                      (uint64_t)desc.inode_table * fs->block_size + index * fs->inode_size,
	                      disk, sizeof(*disk));
}

/* Old numbers of devices are 8:8 bits, in the first word; newer ones are in the second. */
static uint64_t device_number(const struct ext2_disk_inode *disk)
{
	return disk->block[0] ? disk->block[0] : disk->block[1];
}

static void fill_inode(struct ext2_inode *ei, uint64_t ino, const struct ext2_disk_inode *disk)
{
	struct inode *inode = &ei->inode;
	uint32_t acl_sectors = disk->acl_block ? ei->fs->block_size / 512 : 0;

	inode_init(inode, &other_ops, disk->mode, ei->fs->number);
	list_init(&ei->hash);
	list_init(&ei->lru);
	inode->ino = ino;
	inode->nlink = disk->nlink;
	inode->uid = disk->uid | (unsigned)disk->uid_high << 16;
	inode->gid = disk->gid | (unsigned)disk->gid_high << 16;
	inode->atime = disk->atime * NSEC_PER_SEC;
	inode->mtime = disk->mtime * NSEC_PER_SEC;
	inode->ctime = disk->ctime * NSEC_PER_SEC;
	ei->size = disk->size;
	ei->fast_link = disk->sectors == acl_sectors;
	memcpy(ei->block, disk->block, sizeof(ei->block));
}

/* What the kinds of files need. */
static int set_kind(struct ext2_inode *ei, const struct ext2_disk_inode *disk)
{
	struct inode *inode = &ei->inode;

	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		inode->ops = &file_ops;
		inode->fops = &mapping_fops;
		ei->size |= (uint64_t)disk->size_high << 32;
		return om_mapping_create(vm, &store_ops, inode, ei->size, &inode->mapping);
	case S_IFDIR:
		inode->ops = &dir_ops;
		return ext2_map_load(ei);
	case S_IFLNK:
		inode->ops = &link_ops;
		if (ei->fast_link ? ei->size > sizeof(ei->block)
		                  : !ext2_is_block(ei->fs, ei->block[0]))
			return -EIO;
		return ei->size < ei->fs->block_size ? 0 : -EIO;
	case S_IFCHR:
	case S_IFBLK:
		inode->rdev = device_number(disk);
		return 0;
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	default:
		return -EIO;
	}
}

static int load_inode(struct ext2_fs *fs, uint64_t ino, struct ext2_inode **out)
{
	struct ext2_inode *ei = kmalloc(sizeof(*ei));
	struct ext2_disk_inode disk;
	int err;

	if (!ei)
		return -ENOMEM;
	ei->fs = fs;
	err = read_disk_inode(fs, ino, &disk);
	if (!err && !disk.nlink)
		err = -EIO; /* a name that leads to a deleted inode */
	if (!err) {
		fill_inode(ei, ino, &disk);
		err = set_kind(ei, &disk);
	}
	if (err)
		kfree(ei);
	else
		*out = ei;
	return err;
}

/* ---------------------------------------------------------------- by number ----------------- */

int ext2_iget(struct ext2_fs *fs, uint64_t ino, struct inode **out)
{
	struct inode *old = NULL;
	struct ext2_inode *ei;
	int err = 0;

	mutex_lock(&fs->lock);
	ei = find_cached(fs, ino);
	if (!ei) {
		err = load_inode(fs, ino, &ei);
		if (!err)
			list_push(hash_chain(fs, ino), &ei->hash);
	}
	if (!err) {
		*out = inode_get(&ei->inode);
		lru_move(ei, ei->on ? ei->on : &fs->seen);
		old = lru_shorten(ei->on);
	}
	mutex_unlock(&fs->lock);
	inode_put(old);
	return err;
}
