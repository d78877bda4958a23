/*
 * ext2_dir.c: directories: files of entries, none of which crosses a block. A directory is always
 * searched from its beginning; the index that large ones may carry is skipped, it looks like an
 * unused entry.
 */
#include <linux/stat.h>

#include "ext2.h"
#include "kmem.h"

/* Returns false to stop. `next` is the position of the entry that follows. */
typedef bool visit_fn(void *arg, const struct ext2_dirent *entry, uint64_t next);

static bool is_sound(const struct ext2_dirent *entry, uint32_t room)
{
	return entry->len >= EXT2_DIRENT_HEAD && entry->len % 4 == 0 && entry->len <= room &&
	       entry->name_len + EXT2_DIRENT_HEAD <= entry->len;
}

/* Entries of the block at position `start`, from `pos` on. *stop: visit() had enough. */
static int visit_block(const char *block, uint32_t size, uint64_t start, uint64_t pos,
                       visit_fn *visit, void *arg, bool *stop)
{
	for (uint32_t at = 0; at + EXT2_DIRENT_HEAD <= size && !*stop;) {
		const struct ext2_dirent *entry = (const struct ext2_dirent *)(block + at);

		if (!is_sound(entry, size - at))
			return -EIO;
		if (entry->ino && entry->name_len && start + at >= pos)
			*stop = !visit(arg, entry, start + at + entry->len);
		at += entry->len;
	}
	return 0;
}

static int read_block(struct ext2_inode *ei, uint64_t number, char *block)
{
	const struct ext2_extent *e = ext2_map_find(ei, number);
	uint32_t size = ei->fs->block_size;

	if (!e || e->first > number)
		return -EIO; /* directories have no holes */
	return ext2_read_meta(ei->fs, (e->disk + (number - e->first)) * size, block, size);
}

/* Visit the entries at position `pos` and behind. */
static int visit_all(struct inode *dir, uint64_t pos, visit_fn *visit, void *arg)
{
	struct ext2_inode *ei = ext2_inode(dir);
	uint32_t size = ei->fs->block_size;
	char *block = kmalloc(size);
	bool stop = false;
	int err = block ? 0 : -ENOMEM;

	for (uint64_t start = ALIGN_DOWN(pos, size); start < ei->size && !err && !stop;
	     start += size) {
		err = read_block(ei, start / size, block);
		if (!err)
			err = visit_block(block, size, start, pos, visit, arg, &stop);
	}
	kfree(block);
	return err;
}

/* ---------------------------------------------------------------- lookup -------------------- */

struct search {
	const char *name;
	unsigned len;
	uint32_t ino;
};

static bool match_entry(void *arg, const struct ext2_dirent *entry, uint64_t next)
{
	struct search *s = arg;

	(void)next;
	if (entry->name_len != s->len || memcmp(entry->name, s->name, s->len))
		return true;
	s->ino = entry->ino;
	return false;
}

int ext2_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out)
{
	struct search s = {.name = name, .len = len};
	int err = visit_all(dir, 0, match_entry, &s);

	if (err)
		return err;
	return s.ino ? ext2_iget(ext2_inode(dir)->fs, s.ino, out) : -ENOENT;
}

/* ---------------------------------------------------------------- readdir ------------------- */

static bool emit_entry(void *arg, const struct ext2_dirent *entry, uint64_t next)
{
	static const unsigned mode[] = {0,       S_IFREG, S_IFDIR,  S_IFCHR,
	                                S_IFBLK, S_IFIFO, S_IFSOCK, S_IFLNK};
	struct dir_sink *sink = arg;
	unsigned type = entry->type < ARRAY_SIZE(mode) ? mode[entry->type] >> 12 : 0;

	return sink->emit(sink, entry->name, entry->name_len, entry->ino, (unsigned char)type,
	                  next);
}

int ext2_readdir(struct inode *dir, uint64_t pos, struct dir_sink *sink)
{
	return visit_all(dir, pos, emit_entry, sink);
}
