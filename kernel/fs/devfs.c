/*
 * devfs.c: /dev, and what the devices do. It is a tmpfs with some nodes in it; a node opens the
 * device that its number says, on whatever file system it is.
 */
#include "blk.h"
#include "fs.h"
#include "random.h"
#include "syscalls.h"

#define DEV(major, minor) ((uint64_t)(major) << 8 | (minor))

/* ---------------------------------------------------------------- memory devices ------------ */

static long read_nothing(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	(void)file;
	(void)buf;
	(void)n;
	(void)pos;
	return 0;
}

static long write_away(struct file *file, const void *buf, size_t n, uint64_t *pos)
{
	(void)file;
	(void)buf;
	(void)pos;
	return (long)n;
}

static long write_full(struct file *file, const void *buf, size_t n, uint64_t *pos)
{
	(void)file;
	(void)buf;
	(void)n;
	(void)pos;
	return -ENOSPC;
}

/* A read of any size can be broken off, between two pages. */
static long read_zeros(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	(void)file;
	(void)pos;
	if (signal_pending())
		return -ERESTARTSYS;
	memset(buf, 0, n);
	return (long)n;
}

static long read_random(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	(void)file;
	(void)pos;
	if (signal_pending())
		return -ERESTARTSYS;
	random_bytes(buf, n);
	return (long)n;
}

/* Anonymous memory. */
static int map_zeros(struct file *file, struct om_mapping **mapping)
{
	(void)file;
	*mapping = NULL;
	return 0;
}

static const struct file_ops null_fops = {.read = read_nothing, .write = write_away};
static const struct file_ops zero_fops = {.read = read_zeros,
                                          .write = write_away,
                                          .mmap = map_zeros};
static const struct file_ops full_fops = {.read = read_zeros,
                                          .write = write_full,
                                          .mmap = map_zeros};
static const struct file_ops random_fops = {.read = read_random, .write = write_away};

/* ---------------------------------------------------------------- opening ------------------- */

static int open_tty(struct file *file)
{
	return current->proc && current->proc->tty ? tty_open(file) : -ENXIO;
}

static const struct device {
	const char *name;
	uint64_t rdev;
	unsigned mode;
	const struct file_ops *fops; /* or, if NULL, */
	int (*open)(struct file *file);
} devices[] = {
    {"null", DEV(1, 3), 0666, &null_fops, NULL},
    {"zero", DEV(1, 5), 0666, &zero_fops, NULL},
    {"full", DEV(1, 7), 0666, &full_fops, NULL},
    {"random", DEV(1, 8), 0666, &random_fops, NULL},
    {"urandom", DEV(1, 9), 0666, &random_fops, NULL},
    {"tty", DEV(5, 0), 0666, NULL, open_tty},
    {"console", DEV(5, 1), 0600, NULL, tty_open},
    {"ttyS0", DEV(4, 64), 0600, NULL, tty_open},
};

int device_open(struct file *file)
{
	const struct inode *inode = file->inode;

	for (unsigned i = 0; inode_is(inode, S_IFCHR) && i < ARRAY_SIZE(devices); i++) {
		const struct device *d = &devices[i];

		if (d->rdev != inode->rdev)
			continue;
		if (!d->fops)
			return d->open(file);
		file->ops = d->fops;
		return 0;
	}
	return -ENXIO;
}

/* ---------------------------------------------------------------- the directory ------------- */

static int add_node(struct inode *root, const char *name, unsigned mode, uint64_t rdev)
{
	struct inode *made;
	int err = root->ops->create(root, name, (unsigned)strlen(name), mode, rdev, &made);

	if (!err)
		inode_put(made);
	return err;
}

static int add_links(struct inode *root)
{
	static const char *const links[][2] = {{"fd", "/proc/self/fd"},
	                                       {"stdin", "/proc/self/fd/0"},
	                                       {"stdout", "/proc/self/fd/1"},
	                                       {"stderr", "/proc/self/fd/2"}};
	int err = 0;

	for (unsigned i = 0; !err && i < ARRAY_SIZE(links); i++)
		err = root->ops->symlink(root, links[i][0], (unsigned)strlen(links[i][0]),
		                         links[i][1]);
	return err;
}

static int add_disks(struct inode *root)
{
	char name[] = "vda";
	int err = 0;

	for (unsigned i = 0; !err && i < 16 && blk_get(i); i++, name[2]++)
		err = add_node(root, name, S_IFBLK | 0600, blk_rdev(i));
	return err;
}

int devfs_mount(struct inode **root)
{
	int err = tmpfs_mount(root, 0755);

	if (err)
		return err;
	for (unsigned i = 0; !err && i < ARRAY_SIZE(devices); i++)
		err = add_node(*root, devices[i].name, S_IFCHR | devices[i].mode, devices[i].rdev);
	if (!err)
		err = add_disks(*root);
	if (!err)
		err = add_links(*root);
	if (!err)
		err = add_node(*root, "shm", S_IFDIR | 01777, 0);
	if (err)
		inode_put(*root);
	else
		tty_init();
	return err;
}
