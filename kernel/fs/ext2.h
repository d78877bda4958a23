/*
 * ext2.h: what the files of the ext2 file system share: the format on disk, and what is known of a
 * mounted file system and of an inode.
 *
 * ext2.c mounts, ext2_inode.c keeps inodes, ext2_map.c finds the blocks of a file, ext2_file.c
 * reads them, ext2_dir.c searches directories, ext2_meta.c reads all else. Nothing is written.
 */
#ifndef EXT2_H
#define EXT2_H

#include "vfs.h"

/* ---------------------------------------------------------------- on disk, little-endian ---- */

#define EXT2_SUPER_OFFSET     1024
#define EXT2_MAGIC            0xef53
#define EXT2_ROOT_INO         2
#define EXT2_FEATURE_FILETYPE 0x2u /* the only incompatible feature that is understood */
#define EXT2_NR_DIRECT        12
/* Direct blocks, then one each of single, double, triple indirection. */
#define EXT2_NR_POINTERS 15

struct ext2_super {
	uint32_t inodes, blocks, reserved_blocks, free_blocks, free_inodes;
	uint32_t first_data_block;
	uint32_t log_block_size; /* 0: 1024 */
	uint32_t log_fragment_size;
	uint32_t blocks_per_group, fragments_per_group, inodes_per_group;
	uint32_t mount_time, write_time;
	uint16_t mounts, max_mounts;
	uint16_t magic;
	uint16_t state, errors, minor_revision;
	uint32_t last_check, check_interval, creator;
	uint32_t revision; /* 0: without what follows */
	uint16_t default_uid, default_gid;
	uint32_t first_inode;
	uint16_t inode_size;
	uint16_t group;
	uint32_t compatible, incompatible, readonly_compatible;
};

struct ext2_group {
	uint32_t block_bitmap, inode_bitmap;
	uint32_t inode_table;
	uint16_t free_blocks, free_inodes, directories, unused[7];
};

struct ext2_disk_inode {
	uint16_t mode, uid;
	uint32_t size, atime, ctime, mtime, dtime;
	uint16_t gid, nlink;
	uint32_t sectors, flags, version;
	uint32_t block[EXT2_NR_POINTERS]; /* of a short symbolic link: the link itself */
	uint32_t generation;
	uint32_t acl_block;
	uint32_t size_high;
	uint32_t fragment;
	uint16_t fragment_info, blocks_high, uid_high, gid_high;
	uint32_t reserved;
};

struct ext2_dirent {
	uint32_t ino; /* 0: unused */
	uint16_t len; /* to the next entry; the last one reaches the end of the block */
	uint8_t name_len, type;
	char name[];
};
#define EXT2_DIRENT_HEAD 8u

/* ---------------------------------------------------------------- in memory ----------------- */

#define EXT2_HASH 128u

struct ext2_fs {
	struct blkdev *dev;
	struct om_mapping *meta; /* the whole disk as pages: ext2_meta.c */
	uint64_t bytes;          /* size of the file system */
	uint64_t number;         /* st_dev of its files */
	uint32_t block_size, blocks, first_data_block;
	uint32_t inodes, inodes_per_group, inode_size;
	uint32_t free_blocks, free_inodes;
	struct mutex lock; /* guards the cache of inodes, and the making of block maps */
	struct list hash[EXT2_HASH];
	struct ext2_lru { /* the last used at the end */
		struct list list;
		unsigned n;
	} seen, opened; /* each cached inode is on one */
};

/* `count` blocks of a file from block `first` on lie side by side on the disk. */
struct ext2_extent {
	uint32_t first, count, disk;
};

struct ext2_inode {
	struct inode inode;
	struct ext2_fs *fs;
	struct list hash;
	struct list lru;
	struct ext2_lru *on; /* where `lru` is */
	uint64_t size;
	uint32_t block[EXT2_NR_POINTERS];
	bool fast_link; /* `block` holds the target of a symbolic link */
	/* The block map; that of a regular file is made when it is first opened. */
	bool mapped;
	unsigned nr_extents, room;
	struct ext2_extent *extent;
};

static inline struct ext2_inode *ext2_inode(struct inode *inode)
{
	return container_of(inode, struct ext2_inode, inode);
}

/* ext2_meta.c: bytes of the disk, through the page cache. 0 or -EIO, -ENOMEM. */
int ext2_read_meta(struct ext2_fs *fs, uint64_t offset, void *buf, size_t len);
/* A data or indirect block that a file may point to. */
bool ext2_is_block(const struct ext2_fs *fs, uint32_t block);

/* ext2_inode.c: the inode with this number, referenced. */
int ext2_iget(struct ext2_fs *fs, uint64_t ino, struct inode **out);

/* ext2_map.c. fs->lock held, or the inode not yet visible to others. */
int ext2_map_load(struct ext2_inode *ei);
void ext2_map_free(struct ext2_inode *ei);
/* The extent with `block` or else the first one behind it; NULL: only a hole follows. */
const struct ext2_extent *ext2_map_find(const struct ext2_inode *ei, uint64_t block);

/* So many pages that nobody wants are read rather than that a second request is made. */
#define EXT2_GAP 16u
/* ext2_file.c: the hook `read` of regular files, and all there is of `meta`. */
int ext2_read_pages(void *store, uint64_t first, unsigned n, void *const frame[]);
extern const struct om_store_ops ext2_meta_store;

/* ext2_dir.c */
int ext2_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out);
int ext2_readdir(struct inode *dir, uint64_t pos, struct dir_sink *sink);

#endif
