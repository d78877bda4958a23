/*
 * names.c: making, removing and changing names: mkdir, mknod, unlink, rename, link, symlink,
 * readlink.
 *
 * All have the same shape: find the directory of the last component, and let its file system do the
 * rest. A file system that has no such operation cannot be written.
 */
#include <linux/fs.h>

#include "fs.h"
#include "sys.h"

/* A name that a system call is about: the last component of a path. */
struct name {
	char *path;
	struct inode *dir;
	const char *last;
	unsigned len;
	bool slash; /* behind it: only a directory will do */
};

/* The directory is referenced. */
static int name_find(struct name *n, int dirfd, const char *path)
{
	int err = path_parent(dirfd, path, &n->dir, &n->last, &n->len, NULL);

	if (!err)
		n->slash = n->last[n->len] == '/';
	return err;
}

static int name_get(struct name *n, int dirfd, uintptr_t path)
{
	int err = path_from_user(path, &n->path);

	if (err)
		return err;
	err = name_find(n, dirfd, n->path);
	if (err)
		buffer_put(n->path);
	return err;
}

static void name_put(struct name *n)
{
	inode_put(n->dir);
	buffer_put(n->path);
}

/* `.`, `..` and `/` name directories by other means than an entry. */
static bool is_dots(const struct name *n)
{
	return n->len == 0 ||
	       (n->last[0] == '.' && (n->len == 1 || (n->len == 2 && n->last[1] == '.')));
}

/* Is there something of that name? So that EEXIST comes before EROFS, which mkdir -p relies on. */
static bool exists(const struct name *n)
{
	struct inode *found;

	if (is_dots(n))
		return true;
	if (n->dir->ops->lookup(n->dir, n->last, n->len, &found))
		return false;
	inode_put(found);
	return true;
}

/* ---------------------------------------------------------------- making -------------------- */

static int make_node(const struct name *n, unsigned mode, uint64_t rdev, struct inode **made)
{
	if (exists(n))
		return -EEXIST;
	if (n->slash && !S_ISDIR(mode))
		return -ENOENT;
	if (!n->dir->ops->create)
		return -EROFS;
	return n->dir->ops->create(n->dir, n->last, n->len, mode & ~current->proc->fs.umask, rdev,
	                           made);
}

static long make_at(int dirfd, uintptr_t path, unsigned mode, uint64_t rdev)
{
	struct inode *made;
	struct name n;
	int err = name_get(&n, dirfd, path);

	if (err)
		return err;
	err = make_node(&n, mode, rdev, &made);
	if (!err)
		inode_put(made);
	name_put(&n);
	return err;
}

int path_make(const char *path, unsigned mode, uint64_t rdev, struct inode **out)
{
	struct name n;
	int err = name_find(&n, AT_FDCWD, path);

	if (err)
		return err;
	err = make_node(&n, mode, rdev, out);
	inode_put(n.dir);
	return err;
}

long sys_mkdirat(int dirfd, uintptr_t path, unsigned mode)
{
	return make_at(dirfd, path, S_IFDIR | (mode & 01777), 0);
}

long sys_mkdir(uintptr_t path, unsigned mode)
{
	return sys_mkdirat(AT_FDCWD, path, mode);
}

long sys_mknodat(int dirfd, uintptr_t path, unsigned mode, uint64_t rdev)
{
	unsigned permissions = mode & 07777;

	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
		return make_at(dirfd, path, S_IFREG | permissions, 0);
	case S_IFIFO:
	case S_IFSOCK:
		return make_at(dirfd, path, (mode & S_IFMT) | permissions, 0);
	case S_IFCHR:
	case S_IFBLK:
		return make_at(dirfd, path, (mode & S_IFMT) | permissions, rdev & 0xffffffff);
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

long sys_mknod(uintptr_t path, unsigned mode, uint64_t rdev)
{
	return sys_mknodat(AT_FDCWD, path, mode, rdev);
}

/* ---------------------------------------------------------------- removing ------------------ */

static int remove_name(const struct name *n, bool dir)
{
	if (is_dots(n))
		return !dir ? -EISDIR : n->len == 1 ? -EINVAL : n->len == 2 ? -ENOTEMPTY : -EBUSY;
	if (!n->dir->ops->unlink)
		return exists(n) ? -EROFS : -ENOENT;
	if (n->slash && !dir)
		return exists(n) ? -ENOTDIR : -ENOENT;
	return n->dir->ops->unlink(n->dir, n->last, n->len, dir);
}

long sys_unlinkat(int dirfd, uintptr_t path, unsigned flags)
{
	struct name n;
	int err;

	if (flags & ~(unsigned)AT_REMOVEDIR)
		return -EINVAL;
	err = name_get(&n, dirfd, path);
	if (err)
		return err;
	err = remove_name(&n, flags & AT_REMOVEDIR);
	name_put(&n);
	return err;
}

long sys_unlink(uintptr_t path)
{
	return sys_unlinkat(AT_FDCWD, path, 0);
}

long sys_rmdir(uintptr_t path)
{
	return sys_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* ---------------------------------------------------------------- renaming ------------------ */

/* A slash behind one of the names asks for a directory. */
static int check_slash(const struct name *from, const struct name *to)
{
	struct inode *inode;
	int err;

	if (!from->slash && !to->slash)
		return 0;
	err = from->dir->ops->lookup(from->dir, from->last, from->len, &inode);
	if (err)
		return err;
	err = inode_is(inode, S_IFDIR) ? 0 : -ENOTDIR;
	inode_put(inode);
	return err;
}

static int rename_names(const struct name *from, const struct name *to, unsigned flags)
{
	int err;

	if (from->dir->dev != to->dir->dev)
		return -EXDEV;
	if (is_dots(from))
		return -EBUSY;
	if (is_dots(to))
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (!from->dir->ops->rename)
		return exists(from) ? -EROFS : -ENOENT;
	err = check_slash(from, to);
	if (err)
		return err;
	return from->dir->ops->rename(from->dir, from->last, from->len, to->dir, to->last, to->len,
	                              flags);
}

long sys_renameat2(int from_dirfd, uintptr_t from_path, int to_dirfd, uintptr_t to_path,
                   unsigned flags)
{
	struct name from, to;
	int err = name_get(&from, from_dirfd, from_path);

	if (err)
		return err;
	err = name_get(&to, to_dirfd, to_path);
	if (!err) {
		err = rename_names(&from, &to, flags);
		name_put(&to);
	}
	name_put(&from);
	return err;
}

long sys_renameat(int from_dirfd, uintptr_t from, int to_dirfd, uintptr_t to)
{
	return sys_renameat2(from_dirfd, from, to_dirfd, to, 0);
}

long sys_rename(uintptr_t from, uintptr_t to)
{
	return sys_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---------------------------------------------------------------- links --------------------- */

static int link_to(const struct name *n, struct inode *inode)
{
	if (exists(n))
		return -EEXIST;
	if (n->slash)
		return -ENOENT;
	if (n->dir->dev != inode->dev)
		return -EXDEV;
	if (inode_is(inode, S_IFDIR))
		return -EPERM;
	if (!n->dir->ops->link)
		return -EROFS;
	return n->dir->ops->link(n->dir, n->last, n->len, inode);
}

long sys_linkat(int from_dirfd, uintptr_t from, int to_dirfd, uintptr_t to, unsigned flags)
{
	struct inode *inode;
	struct name n;
	int err;

	if (flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = lookup_at(from_dirfd, from,
	                (flags & AT_EMPTY_PATH) |
	                    (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW),
	                &inode, NULL);
	if (err)
		return err;
	err = name_get(&n, to_dirfd, to);
	if (!err) {
		err = link_to(&n, inode);
		name_put(&n);
	}
	inode_put(inode);
	return err;
}

long sys_link(uintptr_t from, uintptr_t to)
{
	return sys_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int symlink_to(const struct name *n, const char *target)
{
	if (!*target)
		return -ENOENT;
	if (exists(n))
		return -EEXIST;
	if (n->slash)
		return -ENOENT;
	return n->dir->ops->symlink ? n->dir->ops->symlink(n->dir, n->last, n->len, target)
	                            : -EROFS;
}

long sys_symlinkat(uintptr_t user_target, int dirfd, uintptr_t path)
{
	struct name n;
	char *target;
	int err = path_from_user(user_target, &target);

	if (err)
		return err;
	err = name_get(&n, dirfd, path);
	if (!err) {
		err = symlink_to(&n, target);
		name_put(&n);
	}
	buffer_put(target);
	return err;
}

long sys_symlink(uintptr_t target, uintptr_t path)
{
	return sys_symlinkat(target, AT_FDCWD, path);
}

static int put_link(struct inode *inode, uintptr_t to, unsigned size)
{
	char *buf;
	int len;

	if (!inode_is(inode, S_IFLNK))
		return -EINVAL;
	buf = buffer_get();
	if (!buf)
		return -ENOMEM;
	len = inode->ops->readlink(inode, buf, (unsigned)MIN(size, PATH_MAX_LEN));
	if (len > 0 && user_write(to, buf, (size_t)len))
		len = -EFAULT;
	buffer_put(buf);
	return len;
}

long sys_readlinkat(int dirfd, uintptr_t path, uintptr_t buf, int size)
{
	struct inode *inode;
	int result;

	if (size <= 0)
		return -EINVAL;
	result = lookup_at(dirfd, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &inode, NULL);
	if (result)
		return result;
	result = put_link(inode, buf, (unsigned)size);
	inode_put(inode);
	return result;
}

long sys_readlink(uintptr_t path, uintptr_t buf, int size)
{
	return sys_readlinkat(AT_FDCWD, path, buf, size);
}
