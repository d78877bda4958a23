/*
 * procfs.c: the file system /proc: directories, links, and files that are written out when they are
 * read.
 *
 * What there is, is said by tables of struct proc_entry. An inode is made when a name is looked up
 * and goes with its last reference.
 *
 * An open file streams: what its entry has written last is kept with its position in the file, and
 * reads are served from it; when that is used up the entry writes what comes next. So a reader in
 * small pieces sees each piece at one moment, a short file as a whole, and pays for what it reads.
 * To go back, the file is written again from its beginning.
 */
#include <asm/statfs.h>
#include <linux/magic.h>

#include "fs.h"
#include "kmem.h"
#include "procfs.h"

#define PROC_DEV 3u

struct proc_inode {
	struct inode inode;
	struct proc_node node;
	struct inode *parent; /* referenced; NULL: this is the root */
};

static const struct inode_ops proc_ops;
static const struct file_ops text_fops;

static struct proc_inode *proc_inode(const struct inode *inode)
{
	return container_of((struct inode *)inode, struct proc_inode, inode);
}

static const struct proc_node *file_node(const struct file *file)
{
	return &proc_inode(file->inode)->node;
}

/* ---------------------------------------------------------------- inodes -------------------- */

/* The number of an inode is made from what it stands for; entries lie at different addresses. */
static uint64_t node_number(const struct proc_node *node)
{
	uint64_t pid = node->proc ? (uint64_t)node->proc->pid : 0;

	return pid << 40 | (uint64_t)(unsigned)node->id << 20 |
	       ((uintptr_t)node->entry / sizeof(void *) & 0xfffff);
}

/* Takes over the reference to node->proc, on failure, too. */
static int make_inode(const struct proc_node *node, struct inode *parent, struct inode **out)
{
	struct proc_inode *pi = kmalloc(sizeof(*pi));

	if (!pi) {
		if (node->proc)
			proc_put(node->proc);
		return -ENOMEM;
	}
	pi->node = *node;
	pi->parent = parent ? inode_get(parent) : NULL;
	pi->inode.ops = &proc_ops;
	pi->inode.fops = node->entry->fops ? node->entry->fops : &text_fops;
	pi->inode.refs = 1;
	mutex_init(&pi->inode.lock);
	pi->inode.dev = PROC_DEV;
	pi->inode.ino = node_number(node);
	pi->inode.mode = node->entry->mode;
	pi->inode.nlink = S_ISDIR(node->entry->mode) ? 2 : 1;
	pi->inode.atime = pi->inode.mtime = pi->inode.ctime = boot_time_ns() + now_ns();
	*out = &pi->inode;
	return 0;
}

static void release_inode(struct inode *inode)
{
	struct proc_inode *pi = proc_inode(inode);

	if (pi->node.proc)
		proc_put(pi->node.proc);
	if (pi->parent)
		inode_put(pi->parent);
	inode_forget(inode);
	kfree(pi);
}

/* ---------------------------------------------------------------- directories --------------- */

/* A decimal without leading zeros, or -1. */
static int name_number(const char *name, unsigned len)
{
	int n = 0;

	if (len == 0 || len > 9 || (len > 1 && name[0] == '0'))
		return -1;
	for (unsigned i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		n = n * 10 + (name[i] - '0');
	}
	return n;
}

static const struct proc_entry *find_child(const struct proc_entry *e, const char *name,
                                           unsigned len)
{
	for (const struct proc_entry *c = e->children; c && c->name; c++)
		if (strlen(c->name) == len && !memcmp(c->name, name, len))
			return c;
	return NULL;
}

/* The child with this name, with a reference to its process. */
static int find_node(const struct proc_node *dir, const char *name, unsigned len,
                     struct proc_node *node)
{
	int n = name_number(name, len);

	*node = (struct proc_node){.entry = find_child(dir->entry, name, len), .proc = dir->proc};
	if (node->entry) {
		node->id = dir->id;
	} else {
		if (n < 0 || !dir->entry->next || dir->entry->next(dir, n) != n)
			return -ENOENT;
		node->entry = dir->entry->item;
		node->id = n;
	}
	if (node->proc)
		atomic_fetch_add(&node->proc->refs, 1);
	else if (node->entry == &proc_pid_entry)
		node->proc = proc_get(n);
	return node->proc || node->entry != &proc_pid_entry ? 0 : -ENOENT;
}

static int proc_lookup(struct inode *dir, const char *name, unsigned len, struct inode **out)
{
	struct proc_inode *pi = proc_inode(dir);
	struct proc_node node;
	int err;

	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	if (len <= 2 && !memcmp(name, "..", len)) {
		*out = inode_get(len == 2 && pi->parent ? pi->parent : dir);
		return 0;
	}
	err = find_node(&pi->node, name, len, &node);
	return err ? err : make_inode(&node, dir, out);
}

/* Positions: 0 and 1 are . and .., then the fixed children; from FIRST_NUMBER on the numbers. */
#define FIRST_NUMBER 1024

static bool emit_numbers(const struct proc_node *dir, uint64_t pos, struct dir_sink *sink)
{
	struct proc_node node = {.entry = dir->entry->item, .proc = dir->proc};
	char name[16];

	while (pos - FIRST_NUMBER <= INT32_MAX &&
	       (node.id = dir->entry->next(dir, (int)(pos - FIRST_NUMBER))) >= 0) {
		int len = snprintf(name, sizeof(name), "%d", node.id);

		pos = (uint64_t)node.id + FIRST_NUMBER + 1;
		if (!sink->emit(sink, name, (unsigned)len, node_number(&node),
		                (unsigned char)(node.entry->mode >> 12), pos))
			return false;
	}
	return true;
}

static bool emit_children(const struct proc_node *dir, uint64_t pos, struct dir_sink *sink)
{
	struct proc_node node = {.proc = dir->proc, .id = dir->id};
	uint64_t at = 2;

	for (node.entry = dir->entry->children; node.entry && node.entry->name; node.entry++, at++)
		if (at >= pos && !sink->emit(sink, node.entry->name,
		                             (unsigned)strlen(node.entry->name), node_number(&node),
		                             (unsigned char)(node.entry->mode >> 12), at + 1))
			return false;
	return true;
}

static int proc_readdir(struct inode *inode, uint64_t pos, struct dir_sink *sink)
{
	const struct proc_node *dir = &proc_inode(inode)->node;
	const struct inode *parent = proc_inode(inode)->parent;
	unsigned char type = S_IFDIR >> 12;

	if (!S_ISDIR(inode->mode))
		return -ENOTDIR;
	if (pos == 0 && !sink->emit(sink, ".", 1, inode->ino, type, 1))
		return 0;
	if (pos <= 1 && !sink->emit(sink, "..", 2, parent ? parent->ino : inode->ino, type, 2))
		return 0;
	if (!emit_children(dir, pos, sink))
		return 0;
	if (dir->entry->next)
		emit_numbers(dir, MAX(pos, FIRST_NUMBER), sink);
	return 0;
}

/* -EACCES: the process is none of the running one's business. */
static int check_guard(const struct proc_node *node)
{
	bool may;

	if (!node->entry->guarded)
		return 0;
	spin_lock(&proc_lock);
	may = may_trace_by_file(node->proc);
	spin_unlock(&proc_lock);
	return may ? 0 : -EACCES;
}

static int proc_readlink(struct inode *inode, char *buf, unsigned size)
{
	const struct proc_node *node = &proc_inode(inode)->node;
	int err = check_guard(node);

	if (err)
		return err;
	return node->entry->link ? node->entry->link(node, buf, size) : -EINVAL;
}

static int follow_link(struct inode *inode, struct inode **out, char *full)
{
	const struct proc_node *node = &proc_inode(inode)->node;
	int err = node->entry->follow ? check_guard(node) : 0;

	if (err)
		return err;
	return node->entry->follow ? node->entry->follow(node, out, full) : -EINVAL;
}

/* ---------------------------------------------------------------- reading and writing ------- */

/* file->data of a file that is text; of the others it is the node. */
struct stream {
	struct mutex lock;
	struct text text; /* a piece of the file, */
	uint64_t start;   /* which begins at this position; */
	uint64_t at;      /* for the entry: what comes after it */
	bool end;         /* nothing does */
};

static int open_node(struct inode *inode, struct file *file)
{
	struct proc_node *node = &proc_inode(inode)->node;
	struct stream *s;
	int err = check_guard(node);

	if (err)
		return err;
	if (inode->fops != &text_fops)
		file->data = node;
	if (inode->fops != &text_fops || !S_ISREG(inode->mode))
		return 0;
	s = kmalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	file->data = s;
	return 0;
}

static void text_release(struct file *file)
{
	struct stream *s = file->data;

	if (!s)
		return;
	text_free(&s->text);
	kfree(s);
}

static void rewind(struct stream *s)
{
	s->text.len = 0;
	s->text.failed = false;
	s->start = s->at = 0;
	s->end = false;
}

static void write_more(struct stream *s, const struct proc_node *node, size_t want)
{
	const struct proc_entry *e = node->entry;

	if (e->show_from) {
		s->end = !e->show_from(&s->text, node, &s->at, want);
	} else {
		e->show(&s->text, node);
		s->end = true;
	}
}

/* The text before `pos` has been read, or is skipped. */
static void drop(struct stream *s, uint64_t pos)
{
	size_t n = MIN(pos - s->start, s->text.len);

	s->text.len -= n;
	s->start += n;
	if (s->text.len)
		memmove(s->text.buf, s->text.buf + n, s->text.len);
}

/* See to it that the text has `n` bytes from `pos` on, or all that there are. */
static bool fill(struct stream *s, const struct proc_node *node, uint64_t pos, size_t n)
{
	if (pos == 0 || pos < s->start)
		rewind(s);
	while (!s->end && pos + n > s->start + s->text.len) {
		drop(s, pos);
		write_more(s, node, MIN(pos - s->start + n, PAGE_SIZE));
		if (s->text.failed) {
			rewind(s);
			return false;
		}
	}
	return true;
}

static long text_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	const struct proc_node *node = file_node(file);
	struct stream *s = file->data;
	long result = -ENOMEM;

	if (!s || !(node->entry->show || node->entry->show_from))
		return -EINVAL;
	mutex_lock(&s->lock);
	if (fill(s, node, *pos, n)) {
		uint64_t offset = *pos - s->start;

		n = offset < s->text.len ? MIN(n, s->text.len - offset) : 0;
		if (n)
			memcpy(buf, s->text.buf + offset, n);
		*pos += n;
		result = (long)n;
	}
	mutex_unlock(&s->lock);
	return result;
}

static long text_write(struct file *file, const void *buf, size_t n, uint64_t *pos)
{
	const struct proc_node *node = file_node(file);
	char value[32];
	int err;

	if (!node->entry->store || n >= sizeof(value))
		return -EINVAL;
	memcpy(value, buf, n);
	value[n] = 0;
	err = node->entry->store(node, value);
	*pos += err ? 0 : n;
	return err ? err : (long)n;
}

static void proc_statfs(struct inode *inode, struct statfs *out)
{
	(void)inode;
	out->f_type = PROC_SUPER_MAGIC;
	out->f_bsize = PAGE_SIZE;
}

static const struct file_ops text_fops = {.read = text_read,
                                          .write = text_write,
                                          .release = text_release,
                                          .no_end = true};

static const struct inode_ops proc_ops = {.fs_type = "proc",
                                          .statfs = proc_statfs,
                                          .lookup = proc_lookup,
                                          .readdir = proc_readdir,
                                          .readlink = proc_readlink,
                                          .follow = follow_link,
                                          .open = open_node,
                                          .release = release_inode};

/* ---------------------------------------------------------------- mounting ------------------ */

int procfs_mount(struct inode **root)
{
	static const struct proc_entry root_entry = {.mode = S_IFDIR | 0555,
	                                             .children = proc_system_entries,
	                                             .item = &proc_pid_entry,
	                                             .next = proc_pid_next};
	const struct proc_node node = {.entry = &root_entry};

	return make_inode(&node, NULL, root);
}
