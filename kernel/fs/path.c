/*
 * path.c: from a path to an inode.
 *
 * A walk goes from component to component. A symbolic link replaces what is left of the path by its
 * target and the rest, in a buffer, and the walk goes on with that. Where a file system is mounted
 * the walk steps from the directory to the root of that file system, and back at `..`. Everything
 * runs as root, so no directory refuses to be searched.
 */
#include "fs.h"
#include "kmem.h"

#define MAX_LINKS 40u
#define MAX_NAME  255u

static struct inode *root_inode;

/* ---------------------------------------------------------------- mounts -------------------- */

/* In order of mounting; entries stay for ever. */
struct mount {
	struct list node;
	struct inode *point, *root;
	char *path;
};

static struct spin mounts_lock;
static struct list mounts = LIST_INIT(mounts);

/* The next one; NULL: the first. */
static const struct mount *mount_next(const struct mount *m)
{
	struct list *next;

	spin_lock(&mounts_lock);
	next = m ? m->node.next : mounts.next;
	spin_unlock(&mounts_lock);
	return next == &mounts ? NULL : list_item(next, struct mount, node);
}

bool mount_info(unsigned i, const char **path, struct inode **root)
{
	const struct mount *m = NULL;

	for (unsigned n = 0; n < i; n++) {
		m = mount_next(m);
		if (!m)
			return false;
	}
	*path = m ? m->path : "/";
	*root = inode_get(m ? m->root : root_inode);
	return true;
}

/* The directory on which a file system with this root is mounted, or NULL. */
static struct inode *mount_point(const struct inode *root)
{
	for (const struct mount *m = mount_next(NULL); m; m = mount_next(m))
		if (m->root == root)
			return m->point;
	return NULL;
}

/* Takes over the reference, gives one to what is mounted there. */
static struct inode *step_in(struct inode *inode)
{
	struct inode *top;

	while ((top = atomic_load(&inode->mounted)) != NULL) {
		inode_get(top);
		inode_put(inode);
		inode = top;
	}
	return inode;
}

/* Fill in where it is, and let walks find it. */
static int mount_on(struct mount *m, const char *path)
{
	char *full = buffer_get();
	struct inode *expected = NULL;
	int err = full ? path_lookup(AT_FDCWD, path, 0, &m->point, full) : -ENOMEM;

	if (!err)
		m->path = kstrdup(full);
	buffer_put(full);
	if (err)
		return err;
	if (!m->path)
		return -ENOMEM;
	if (inode_is(m->point, S_IFDIR) != inode_is(m->root, S_IFDIR))
		return -ENOTDIR;
	return atomic_compare_exchange_strong(&m->point->mounted, &expected, m->root) ? 0 : -EBUSY;
}

int mount(const char *path, struct inode *root)
{
	struct mount *m = kmalloc(sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->root = root;
	err = mount_on(m, path);
	if (err) {
		inode_put(m->point);
		kfree(m->path);
		kfree(m);
		return err;
	}
	spin_lock(&mounts_lock);
	list_append(&mounts, &m->node);
	spin_unlock(&mounts_lock);
	return 0;
}

void vfs_init(struct inode *root)
{
	root_inode = root;
}

/* ---------------------------------------------------------------- the absolute path --------- */

static void full_set(struct walk *w, const char *path)
{
	if (w->full)
		strlcpy(w->full, path, PATH_MAX_LEN);
}

static int full_append(struct walk *w)
{
	size_t at;

	if (!w->full)
		return 0;
	at = strlen(w->full);
	if (at + w->len + 2 > PATH_MAX_LEN)
		return -ENAMETOOLONG;
	if (at > 1)
		w->full[at++] = '/';
	memcpy(w->full + at, w->name, w->len);
	w->full[at + w->len] = '\0';
	return 0;
}

static void full_up(struct walk *w)
{
	char *slash = w->full ? strrchr(w->full, '/') : NULL;

	if (slash)
		slash[slash == w->full] = '\0';
}

/* ---------------------------------------------------------------- where it starts ----------- */

static void start_at_root(struct walk *w)
{
	w->at = inode_get(root_inode);
	full_set(w, "/");
}

static void start_at_cwd(struct walk *w)
{
	struct proc *p = current->proc;

	if (!p || !p->fs.cwd) {
		start_at_root(w); /* a thread of the kernel */
		return;
	}
	spin_lock(&proc_lock);
	w->at = inode_get(p->fs.cwd);
	full_set(w, p->fs.cwd_path);
	spin_unlock(&proc_lock);
}

static int start_at_fd(struct walk *w, int dirfd)
{
	struct file *file = fd_get(dirfd);

	if (!file)
		return -EBADF;
	if (!file->inode) {
		file_put(file);
		return -ENOTDIR;
	}
	w->at = inode_get(file->inode);
	full_set(w, file->path ? file->path : "/");
	file_put(file);
	return 0;
}

static int walk_start(struct walk *w, int dirfd)
{
	if (w->rest < w->end && *w->rest == '/')
		start_at_root(w);
	else if (dirfd == AT_FDCWD)
		start_at_cwd(w);
	else
		return start_at_fd(w, dirfd);
	return 0;
}

/* ---------------------------------------------------------------- steps --------------------- */

static void walk_to(struct walk *w, struct inode *inode)
{
	inode_put(w->at);
	w->at = step_in(inode);
}

static int step_up(struct walk *w)
{
	struct inode *up;
	int err;

	while (w->at != root_inode && (up = mount_point(w->at)) != NULL) {
		inode_get(up);
		inode_put(w->at);
		w->at = up;
	}
	if (w->at == root_inode)
		return 0;
	err = w->at->ops->lookup(w->at, "..", 2, &up);
	if (err)
		return err;
	walk_to(w, up);
	full_up(w);
	return 0;
}

/* What is left of the path is now the link's target, and behind it the old rest. */
static int walk_splice(struct walk *w, struct inode *link, char *buf)
{
	size_t left = (size_t)(w->end - w->rest), n;
	int len = link->ops->readlink(link, buf, PATH_MAX_LEN - 2);

	if (len <= 0)
		return len ? len : -ENOENT;
	n = (size_t)len;
	if (n + left + 2 > PATH_MAX_LEN)
		return -ENAMETOOLONG;
	if (w->slash)
		buf[n++] = '/';
	memcpy(buf + n, w->rest, left);
	w->rest = buf;
	w->end = buf + n + left;
	return 0;
}

static int step_link(struct walk *w, struct inode *link)
{
	struct inode *to;
	char *buf;
	int err;

	if (++w->links > MAX_LINKS)
		return -ELOOP;
	err = link->ops->follow ? link->ops->follow(link, &to, w->full) : -EINVAL;
	if (!err)
		walk_to(w, to);
	if (err != -EINVAL)
		return err;
	buf = buffer_get();
	if (!buf)
		return -ENOMEM;
	err = walk_splice(w, link, buf);
	if (err) {
		buffer_put(buf);
		return err;
	}
	buffer_put(w->buf);
	w->buf = buf;
	if (*buf == '/') {
		inode_put(w->at);
		start_at_root(w);
	}
	return 0;
}

/* The name is not there: fine if it is the last one and the caller is about to make it. */
static int step_missing(struct walk *w)
{
	if (w->rest < w->end || !(w->flags & WALK_CREATE))
		return -ENOENT;
	if (w->slash)
		return -EISDIR;
	w->dir = w->at;
	w->at = NULL;
	return full_append(w);
}

static int step_down(struct walk *w)
{
	bool last = w->rest == w->end && !w->slash;
	struct inode *next;
	int err;

	if (w->len > MAX_NAME)
		return -ENAMETOOLONG;
	err = w->at->ops->lookup(w->at, w->name, w->len, &next);
	if (err == -ENOENT)
		return step_missing(w);
	if (err)
		return err;
	if (inode_is(next, S_IFLNK) && !(last && (w->flags & LOOKUP_NOFOLLOW))) {
		err = step_link(w, next);
		inode_put(next);
		return err;
	}
	walk_to(w, next);
	return full_append(w);
}

/* Take the next component and the slashes behind it off the rest. */
static void next_name(struct walk *w)
{
	w->name = w->rest;
	while (w->rest < w->end && *w->rest != '/')
		w->rest++;
	w->len = (unsigned)(w->rest - w->name);
	w->slash = w->rest < w->end;
	while (w->rest < w->end && *w->rest == '/')
		w->rest++;
}

static int walk_step(struct walk *w)
{
	next_name(w);
	if (!w->len)
		return 0; /* leading slashes */
	if (!inode_is(w->at, S_IFDIR) || !w->at->ops->lookup)
		return -ENOTDIR;
	if (w->len == 1 && w->name[0] == '.')
		return 0;
	if (w->len == 2 && w->name[0] == '.' && w->name[1] == '.')
		return step_up(w);
	return step_down(w);
}

static int walk_range(struct walk *w, int dirfd, const char *path, const char *end)
{
	int err;

	w->rest = path;
	w->end = end;
	err = walk_start(w, dirfd);
	if (err)
		return err;
	while (!err && w->at && w->rest < w->end)
		err = walk_step(w);
	if (!err && w->at && w->slash && !inode_is(w->at, S_IFDIR))
		err = -ENOTDIR;
	if (err)
		walk_end(w);
	return err;
}

int walk(struct walk *w, int dirfd, const char *path, unsigned flags, char *full)
{
	*w = (struct walk){.flags = flags, .full = full};
	return *path ? walk_range(w, dirfd, path, path + strlen(path)) : -ENOENT;
}

void walk_end(struct walk *w)
{
	inode_put(w->at);
	inode_put(w->dir);
	buffer_put(w->buf);
}

/* ---------------------------------------------------------------- for others ---------------- */

int path_lookup(int dirfd, const char *path, unsigned flags, struct inode **out, char *full)
{
	struct walk w;
	int err = walk(&w, dirfd, path, flags & LOOKUP_NOFOLLOW, full);

	if (err)
		return err;
	*out = inode_get(w.at);
	walk_end(&w);
	return 0;
}

int path_parent(int dirfd, const char *path, struct inode **parent, const char **last,
                unsigned *len, char *full)
{
	const char *end = path + strlen(path), *name;
	struct walk w = {.full = full};
	int err;

	if (!*path)
		return -ENOENT;
	while (end > path && end[-1] == '/')
		end--;
	name = end;
	while (name > path && name[-1] != '/')
		name--;
	if (end - name > (long)MAX_NAME)
		return -ENAMETOOLONG;
	err = walk_range(&w, dirfd, path, end == path ? path + 1 : name);
	if (err)
		return err;
	*parent = inode_get(w.at);
	walk_end(&w);
	*last = name;
	*len = (unsigned)(end - name);
	if (inode_is(*parent, S_IFDIR))
		return 0;
	inode_put(*parent);
	return -ENOTDIR;
}

/* The file itself that a descriptor stands for, or the working directory. */
static int lookup_fd(int fd, struct inode **out, char *full)
{
	struct walk w = {.full = full};
	int err = 0;

	if (fd == AT_FDCWD)
		start_at_cwd(&w);
	else
		err = start_at_fd(&w, fd);
	*out = w.at;
	return err == -ENOTDIR ? -EBADF : err;
}

int lookup_at(int dirfd, uintptr_t user_path, unsigned flags, struct inode **out, char *full)
{
	char *path;
	int err = path_from_user(user_path, &path);

	if (err)
		return err;
	if (!*path && (flags & AT_EMPTY_PATH))
		err = lookup_fd(dirfd, out, full);
	else
		err = path_lookup(dirfd, path, flags & AT_SYMLINK_NOFOLLOW ? LOOKUP_NOFOLLOW : 0,
		                  out, full);
	buffer_put(path);
	return err;
}
