/*
 * tmpfs.c: a file system in memory: /tmp, /dev, /dev/shm, and the files of memfd_create().
 *
 * The contents of regular files are mappings without a store, which objrmap keeps in memory and
 * swap. A name is an entry on the list of its directory, in the order of making, and in a hash of
 * the whole file system. An entry holds a reference to its inode, and a directory one to its parent
 * for `..`; that circle ends when the directory is removed. One lock per file system guards all
 * names: operations are short.
 *
 * A program may close and remove a file that it still maps: the inode lives as long as the mapping,
 * whose `store` it is.
 */
#include <asm/statfs.h>
#include <linux/fs.h>
#include <linux/magic.h>

#include "fs.h"
#include "kmem.h"
#include "vm.h"

#define HASH_SIZE 240u /* so that struct tmpfs fits a page */
#define NR_DOTS   2u   /* positions of . and .. in a directory; entries come behind */

struct tmpfs {
	uint64_t dev;
	struct mutex lock;
	uint64_t last_ino;
	struct list hash[HASH_SIZE];
};

struct node {
	struct inode inode;
	struct tmpfs *fs;
	struct node *parent; /* of a directory, referenced; NULL: the root, or removed */
	struct list entries; /* of a directory */
	uint64_t next_pos;   /* for the next entry */
	char *target;        /* of a symbolic link */
};

struct entry {
	struct list by_dir, by_name;
	struct node *dir, *node;
	uint64_t pos;
	unsigned len;
	char name[];
};

/* Names are memory that cannot be paged out: as on Linux, half as many as there are frames. */
static _Atomic unsigned nr_names;

static unsigned most_names(void)
{
	return vm_nr_frames() / 2;
}

static struct node *node_of(struct inode *inode)
{
	return container_of(inode, struct node, inode);
}

/* ---------------------------------------------------------------- inodes -------------------- */

static const struct inode_ops dir_ops, file_ops, link_ops, other_ops;

static const struct inode_ops *ops_of(unsigned mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return &dir_ops;
	case S_IFREG:
		return &file_ops;
	case S_IFLNK:
		return &link_ops;
	default:
		return &other_ops;
	}
}

static void node_destroy(struct node *node)
{
	inode_forget(&node->inode);
	kfree(node->target);
	kfree(node);
}

static void mapping_gone(void *store)
{
	node_destroy(node_of(store));
}

/* No lock: of two changes at a time either may be the last. */
static int note_store(void *store, uint64_t index)
{
	(void)index;
	inode_changed(store);
	return 0;
}

/* No `read`: memory and swap are all there is of these files. */
static const struct om_store_ops store_ops = {.page_mkwrite = note_store, .release = mapping_gone};

static int node_new(struct tmpfs *fs, unsigned mode, struct node **out)
{
	struct node *node = kmalloc(sizeof(*node));
	int err = 0;

	if (!node)
		return -ENOMEM;
	inode_init(&node->inode, ops_of(mode), mode, fs->dev);
	node->fs = fs;
	node->next_pos = NR_DOTS;
	list_init(&node->entries);
	mutex_lock(&fs->lock);
	node->inode.ino = ++fs->last_ino;
	mutex_unlock(&fs->lock);
	if (inode_is(&node->inode, S_IFDIR))
		node->inode.nlink = 2;
	if (inode_is(&node->inode, S_IFREG)) {
		node->inode.fops = &mapping_fops;
		node->inode.seals = F_SEAL_SEAL;
		err = om_mapping_create(vm, &store_ops, &node->inode, 0, &node->inode.mapping);
	}
	if (err)
		kfree(node);
	else
		*out = node;
	return err;
}

/* No reference is left; of a file, areas may still have the mapping. */
static void tmpfs_release(struct inode *inode)
{
	struct node *node = node_of(inode);

	if (node->parent)
		inode_put(&node->parent->inode);
	if (inode->mapping)
		om_mapping_put(inode->mapping);
	else
		node_destroy(node);
}

static int tmpfs_truncate(struct inode *inode, uint64_t size)
{
	return om_mapping_truncate(inode->mapping, size);
}

static int tmpfs_readlink(struct inode *inode, char *buf, unsigned size)
{
	const char *target = node_of(inode)->target;
	unsigned len = (unsigned)MIN(strlen(target), size);

	memcpy(buf, target, len);
	return (int)len;
}

/* As if all memory and swap were for this file system. */
static void tmpfs_statfs(struct inode *inode, struct statfs *out)
{
	struct room room = room_left();

	(void)inode;
	out->f_type = TMPFS_MAGIC;
	out->f_bsize = out->f_frsize = PAGE_SIZE;
	out->f_blocks = (__statfs_word)room.all;
	out->f_bfree = out->f_bavail = (__statfs_word)room.free;
	out->f_files = (__statfs_word)most_names();
	out->f_ffree = out->f_files - MIN((__statfs_word)nr_names, out->f_files);
}

/* ---------------------------------------------------------------- names; fs->lock held ------ */

static struct list *name_chain(const struct node *dir, const char *name, unsigned len)
{
	uint32_t h = (uint32_t)dir->inode.ino;

	for (unsigned i = 0; i < len; i++)
		h = h * 31 + (unsigned char)name[i];
	return &dir->fs->hash[(h ^ h >> 15) % HASH_SIZE];
}

static struct entry *find_entry(const struct node *dir, const char *name, unsigned len)
{
	struct entry *e;

	list_for_each (e, name_chain(dir, name, len), by_name)
		if (e->dir == dir && e->len == len && !memcmp(e->name, name, len))
			return e;
	return NULL;
}

static bool is_dir(const struct node *node)
{
	return inode_is(&node->inode, S_IFDIR);
}

/* An entry on no list. */
static struct entry *entry_new(const char *name, unsigned len)
{
	struct entry *e = kmalloc(sizeof(*e) + len);

	if (!e)
		return NULL;
	list_init(&e->by_dir);
	list_init(&e->by_name);
	e->len = len;
	memcpy(e->name, name, len);
	return e;
}

/* Takes over the reference to the node. */
static void entry_link(struct entry *e, struct node *dir, struct node *node)
{
	e->dir = dir;
	e->node = node;
	e->pos = dir->next_pos++;
	list_append(&dir->entries, &e->by_dir);
	list_append(name_chain(dir, e->name, e->len), &e->by_name);
	nr_names++;
	if (is_dir(node)) {
		node->parent = dir;
		inode_get(&dir->inode);
		dir->inode.nlink++;
	}
	inode_changed(&dir->inode);
}

/*
 * Take it off the lists; the caller gets its references to the node and, for directories, the old
 * parent.
 */
static void entry_unlink(struct entry *e)
{
	struct node *dir = e->dir;

	list_remove(&e->by_dir);
	list_remove(&e->by_name);
	nr_names--;
	if (is_dir(e->node)) {
		e->node->parent = NULL;
		dir->inode.nlink--;
	}
	inode_changed(&dir->inode);
	e->node->inode.ctime = dir->inode.ctime;
}

/* After entry_unlink(), when the name is gone for good; no lock held. */
static void entry_drop(struct entry *e)
{
	if (is_dir(e->node))
		inode_put(&e->dir->inode);
	inode_put(&e->node->inode);
	kfree(e);
}

/* Nothing can be made in a directory that has been removed. */
static bool is_removed(const struct node *dir)
{
	return dir->inode.nlink == 0;
}

/* ---------------------------------------------------------------- looking ------------------- */

static int tmpfs_lookup(struct inode *inode, const char *name, unsigned len, struct inode **out)
{
	struct node *dir = node_of(inode), *found = NULL;
	struct entry *e;

	mutex_lock(&dir->fs->lock);
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		found = dir->parent;
	} else {
		e = find_entry(dir, name, len);
		found = e ? e->node : NULL;
	}
	if (found)
		*out = inode_get(&found->inode);
	mutex_unlock(&dir->fs->lock);
	return found ? 0 : -ENOENT;
}

static bool emit_dots(struct node *dir, uint64_t pos, struct dir_sink *sink)
{
	struct node *parent = dir->parent ? dir->parent : dir;

	if (pos == 0 && !sink->emit(sink, ".", 1, dir->inode.ino, S_IFDIR >> 12, 1))
		return false;
	return pos > 1 || sink->emit(sink, "..", 2, parent->inode.ino, S_IFDIR >> 12, NR_DOTS);
}

static int tmpfs_readdir(struct inode *inode, uint64_t pos, struct dir_sink *sink)
{
	struct node *dir = node_of(inode);
	struct entry *e;

	mutex_lock(&dir->fs->lock);
	if (emit_dots(dir, pos, sink))
		list_for_each (e, &dir->entries, by_dir)
			if (e->pos >= pos &&
			    !sink->emit(sink, e->name, e->len, e->node->inode.ino,
			                (unsigned char)((e->node->inode.mode & S_IFMT) >> 12),
			                e->pos + 1))
				break;
	mutex_unlock(&dir->fs->lock);
	return 0;
}

/* ---------------------------------------------------------------- making -------------------- */

/* Give the node a name. Takes over the reference, also on failure. */
static int add_name(struct node *dir, const char *name, unsigned len, struct node *node,
                    bool counted)
{
	struct entry *e = entry_new(name, len);
	int err = e ? 0 : -ENOMEM;

	mutex_lock(&dir->fs->lock);
	if (!err && nr_names >= most_names())
		err = -ENOSPC;
	else if (!err && is_removed(dir))
		err = -ENOENT;
	else if (!err && find_entry(dir, name, len))
		err = -EEXIST;
	else if (!err && !counted && node->inode.nlink == 0)
		err = -ENOENT; /* its last name went meanwhile */
	if (!err) {
		entry_link(e, dir, node);
		if (!counted)
			node->inode.nlink++;
	}
	mutex_unlock(&dir->fs->lock);
	if (err) {
		kfree(e);
		inode_put(&node->inode);
	}
	return err;
}

static int tmpfs_create(struct inode *dir, const char *name, unsigned len, unsigned mode,
                        uint64_t rdev, struct inode **out)
{
	struct node *node;
	int err = node_new(node_of(dir)->fs, mode, &node);

	if (err)
		return err;
	node->inode.rdev = rdev;
	inode_get(&node->inode);
	err = add_name(node_of(dir), name, len, node, true);
	if (err)
		inode_put(&node->inode);
	else
		*out = &node->inode;
	return err;
}

static int tmpfs_symlink(struct inode *dir, const char *name, unsigned len, const char *target)
{
	struct node *node;
	int err = node_new(node_of(dir)->fs, S_IFLNK | 0777, &node);

	if (err)
		return err;
	node->target = kstrdup(target);
	if (!node->target) {
		inode_put(&node->inode);
		return -ENOMEM;
	}
	return add_name(node_of(dir), name, len, node, true);
}

static int tmpfs_link(struct inode *dir, const char *name, unsigned len, struct inode *inode)
{
	return add_name(node_of(dir), name, len, node_of(inode_get(inode)), false);
}

/* ---------------------------------------------------------------- removing ------------------ */

/* fs->lock held. May this entry go, as a directory or as something else? */
static int may_remove(const struct entry *e, bool dir_wanted)
{
	if (atomic_load(&e->node->inode.mounted))
		return -EBUSY;
	if (!is_dir(e->node))
		return dir_wanted ? -ENOTDIR : 0;
	if (!dir_wanted)
		return -EISDIR;
	return list_empty(&e->node->entries) ? 0 : -ENOTEMPTY;
}

/* fs->lock held. Its node has one name less. */
static void remove_entry(struct entry *e)
{
	entry_unlink(e);
	e->node->inode.nlink = is_dir(e->node) ? 0 : e->node->inode.nlink - 1;
}

static int tmpfs_unlink(struct inode *inode, const char *name, unsigned len, bool dir_wanted)
{
	struct node *dir = node_of(inode);
	struct entry *e;
	int err;

	mutex_lock(&dir->fs->lock);
	e = find_entry(dir, name, len);
	err = e ? may_remove(e, dir_wanted) : -ENOENT;
	if (!err)
		remove_entry(e);
	mutex_unlock(&dir->fs->lock);
	if (!err)
		entry_drop(e);
	return err;
}

/* ---------------------------------------------------------------- renaming ------------------ */

struct rename {
	struct node *from, *to; /* directories */
	const char *name, *new_name;
	unsigned len, new_len, flags;
	struct entry *fresh;        /* the name to be; NULL once used */
	struct entry *old, *victim; /* taken off, to be dropped */
};

/* Would `node` come to lie below itself? */
static bool is_above(const struct node *node, const struct node *dir)
{
	for (; dir; dir = dir->parent)
		if (dir == node)
			return true;
	return false;
}

static int may_rename(const struct rename *r, const struct entry *e, const struct entry *victim)
{
	if (is_removed(r->to))
		return -ENOENT;
	if (is_dir(e->node) && is_above(e->node, r->to))
		return -EINVAL;
	if (atomic_load(&e->node->inode.mounted))
		return -EBUSY;
	if (!victim)
		return 0;
	if (r->flags & RENAME_NOREPLACE)
		return -EEXIST;
	return may_remove(victim, is_dir(e->node));
}

/* fs->lock held. */
static int do_rename(struct rename *r)
{
	struct entry *e = find_entry(r->from, r->name, r->len);
	struct entry *victim = find_entry(r->to, r->new_name, r->new_len);
	int err = e ? may_rename(r, e, victim) : -ENOENT;

	if (err)
		return err;
	if (victim && victim->node == e->node)
		return 0; /* two names of one file stay both, says POSIX */
	if (victim)
		remove_entry(victim);
	entry_unlink(e);
	inode_get(&e->node->inode);
	entry_link(r->fresh, r->to, e->node);
	r->fresh = NULL;
	r->old = e;
	r->victim = victim;
	return 0;
}

static int tmpfs_rename(struct inode *from, const char *name, unsigned len, struct inode *to,
                        const char *new_name, unsigned new_len, unsigned flags)
{
	struct rename r = {.from = node_of(from),
	                   .to = node_of(to),
	                   .name = name,
	                   .len = len,
	                   .new_name = new_name,
	                   .new_len = new_len,
	                   .flags = flags};
	int err;

	if (flags & ~(unsigned)RENAME_NOREPLACE)
		return -EINVAL;
	r.fresh = entry_new(new_name, new_len);
	if (!r.fresh)
		return -ENOMEM;
	mutex_lock(&r.from->fs->lock);
	err = do_rename(&r);
	mutex_unlock(&r.from->fs->lock);
	kfree(r.fresh);
	if (r.victim)
		entry_drop(r.victim);
	if (r.old)
		entry_drop(r.old);
	return err;
}

/* ---------------------------------------------------------------- operations ---------------- */

static const struct inode_ops dir_ops = {.fs_type = "tmpfs",
                                         .lookup = tmpfs_lookup,
                                         .readdir = tmpfs_readdir,
                                         .create = tmpfs_create,
                                         .symlink = tmpfs_symlink,
                                         .link = tmpfs_link,
                                         .unlink = tmpfs_unlink,
                                         .rename = tmpfs_rename,
                                         .statfs = tmpfs_statfs,
                                         .attributes = true,
                                         .release = tmpfs_release};
static const struct inode_ops file_ops = {.truncate = tmpfs_truncate,
                                          .statfs = tmpfs_statfs,
                                          .attributes = true,
                                          .release = tmpfs_release};
static const struct inode_ops link_ops = {.readlink = tmpfs_readlink,
                                          .statfs = tmpfs_statfs,
                                          .attributes = true,
                                          .release = tmpfs_release};
static const struct inode_ops other_ops = {.statfs = tmpfs_statfs,
                                           .attributes = true,
                                           .release = tmpfs_release};

/* ---------------------------------------------------------------- making file systems ------- */

static struct tmpfs *fs_new(void)
{
	struct tmpfs *fs = kmalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	fs->dev = fs_number();
	mutex_init(&fs->lock);
	for (unsigned i = 0; i < HASH_SIZE; i++)
		list_init(&fs->hash[i]);
	return fs;
}

int tmpfs_mount(struct inode **root, unsigned mode)
{
	struct tmpfs *fs = fs_new();
	struct node *node;
	int err = fs ? node_new(fs, S_IFDIR | (mode & 07777), &node) : -ENOMEM;

	if (err)
		kfree(fs);
	else
		*root = &node->inode;
	return err;
}

/* All unnamed files belong to one file system, which is made with the first of them. */
int tmpfs_anon(const char *path, struct inode **out)
{
	static struct mutex once = MUTEX_INIT(once);
	static struct tmpfs *fs;
	struct node *node;
	int err;

	mutex_lock(&once);
	if (!fs)
		fs = fs_new();
	mutex_unlock(&once);
	err = fs ? node_new(fs, S_IFREG | 0777, &node) : -ENOMEM;
	if (err)
		return err;
	node->inode.nlink = 0;
	inode_set_path(&node->inode, path);
	*out = &node->inode;
	return 0;
}
