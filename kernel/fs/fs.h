/*
 * fs.h: what the files of fs/ share with one another.
 */
#ifndef FS_H
#define FS_H

#include <linux/fcntl.h>
#include <linux/stat.h>

#include "process.h"
#include "vfs.h"

/* ---- inode.c */

static inline bool inode_is(const struct inode *inode, unsigned kind)
{
	return (inode->mode & S_IFMT) == kind;
}
/* Fill a zeroed inode: one reference, one link, times of now. `ino` is left to the file system. */
void inode_init(struct inode *inode, const struct inode_ops *ops, unsigned mode, uint64_t dev);
/* A number (st_dev) for a file system that is on no device. */
uint64_t fs_number(void);
/* ns since 1970. */
uint64_t wall_clock(void);
/* The contents have changed now. */
void inode_changed(struct inode *inode);
/* In bytes; of a symbolic link, the length of its target. */
uint64_t inode_size(struct inode *inode);

/* Remember where it was opened; without memory the old path stays. */
void inode_set_path(struct inode *inode, const char *path);
/* Free the path, and wait for readers. May sleep. */
void inode_forget(struct inode *inode);

/* ---- buffer.c */

/*
 * A page for the time of a system call; its contents are what the last user left. NULL: no memory.
 */
char *buffer_get(void);
void buffer_put(char *buffer); /* NULL is fine */
/* A path from user memory, in a buffer. -EFAULT, -ENAMETOOLONG, -ENOMEM. */
int path_from_user(uintptr_t from, char **path);
/* Zeroed memory of any size. */
void *big_alloc(size_t bytes);
void big_free(void *p, size_t bytes);

/* ---- file.c */

extern const struct file_ops empty_fops; /* none */
/* New descriptors of the process are below. No lock: RLIMIT_NOFILE is the old one or the new. */
unsigned fd_allowed(const struct proc *p);
static inline bool file_reads(const struct file *file)
{
	return !(file->flags & O_PATH) && (file->flags & O_ACCMODE) != O_WRONLY;
}
static inline bool file_writes(const struct file *file)
{
	return !(file->flags & O_PATH) && (file->flags & O_ACCMODE) != O_RDONLY;
}

static inline bool file_is(const struct file *file, unsigned kind)
{
	return file->inode && inode_is(file->inode, kind);
}

/* ---- locks.c */

/* F_GETLK, F_SETLK, F_SETLKW and the three of open files. */
long lock_control(struct file *file, unsigned cmd, uintptr_t arg);
/* flock() */
int lock_whole(struct file *file, int operation);
/* All locks on the file that this owner, a struct proc or a struct file, has. */
void locks_drop(const struct inode *inode, const void *owner);

/* ---- path.c */

#define WALK_CREATE 0x100u /* the last component may be missing, see `dir` */

/* A walk along a path, and where it has come to. */
struct walk {
	struct inode *at;  /* referenced; NULL: the last component is missing, */
	struct inode *dir; /* and this, referenced, is where. */
	const char *name;  /* the last component */
	unsigned len;
	bool slash;             /* a slash followed it */
	const char *rest, *end; /* not yet walked */
	unsigned flags, links;
	char *buf;  /* what `rest` points into since a link was met */
	char *full; /* NULL, or PATH_MAX_LEN bytes for the absolute path */
};
int walk(struct walk *w, int dirfd, const char *path, unsigned flags, char *full);
void walk_end(struct walk *w); /* after a success */

/* For the system calls of the ...at() kind: `flags` are AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. */
int lookup_at(int dirfd, uintptr_t path, unsigned flags, struct inode **out, char *full);

/*
 * The i-th file system that is mounted, the root being the first, and where. False: there are not
 * so many.
 */
bool mount_info(unsigned i, const char **path, struct inode **root);

/* ---- rw.c: reading and writing through inode->mapping; for regular files of every file system */

extern const struct file_ops mapping_fops;
/*
 * Nothing could be written at `pos`: the running thread gets the signal that goes with the error,
 * if one does: SIGPIPE where nobody reads, SIGXFSZ beyond RLIMIT_FSIZE.
 */
void write_refused(long err, uint64_t pos);
/* How far the running process may let a file grow. No lock: the old limit or the new one. */
static inline uint64_t size_limit(void)
{
	return current->proc->limit[RLIMIT_FSIZE].rlim_cur;
}

/* ---- seals.c: -EPERM where the file is sealed; inode->lock held */

/* How many of n bytes may be written at `pos`. */
long seals_clip_write(const struct inode *inode, uint64_t pos, size_t n);
/* May the file have this size? */
int seals_allow_size(const struct inode *inode, uint64_t size);
/* F_ADD_SEALS, F_GET_SEALS; no lock held. */
long file_add_seals(struct file *file, unsigned seals);
long file_get_seals(const struct file *file);

/* ---- resize.c */

int inode_truncate(struct inode *inode, uint64_t size);

/* ---- room.c: memory and swap for files that have no other store */

/* In pages: all there is, and how much of it files could take. */
struct room {
	uint64_t all, free;
};
struct room room_left(void);
/* Is there so little left that no file should grow? */
bool room_is_short(void);

/* ---- poll.c */

struct poll_item {
	int fd;
	unsigned events, ready; /* POLLIN... */
	struct file *file;      /* NULL and `fd` not negative: a bad descriptor */
};
/* Wait until one is ready, or the deadline (0: do not wait). How many are, -EINTR, -ENOMEM. */
long poll_items(struct poll_item *items, unsigned n, uint64_t deadline);
void poll_items_put(struct poll_item *items, unsigned n);
/*
 * A struct timespec of user memory as a deadline, and the time left put back there. `from` 0: no
 * deadline.
 */
int poll_deadline(uintptr_t from, uint64_t *deadline);
void poll_put_left(uintptr_t to, uint64_t deadline);

/* ---- tty.c */

void tty_init(void);

/* ---- opening what is not a regular file: they set file->ops. */

int device_open(struct file *file); /* by inode->rdev; devfs.c */
int fifo_open(struct file *file);   /* pipe.c */
long pipe_size(struct file *file);  /* -EBADF: not a pipe */
long pipe_resize(struct file *file, unsigned long bytes);

#endif
