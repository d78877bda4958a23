/*
 * vfs.h: files. An inode is a thing with a name in some file system, a file is an open one. fs/
 *
 * Regular files have an om_mapping, their page cache, so read(), mmap() and exec see the same
 * pages. All functions here may sleep. Buffers are kernel memory: the system calls copy in pieces
 * of a page (fs/rw.c).
 */
#ifndef VFS_H
#define VFS_H

#include <linux/fcntl.h>
#include <objrmap/objrmap.h>

#include "sched.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20 /* newer than some headers */
#endif

struct inode;
struct file;
struct file_ops;
struct proc;
struct statfs; /* <asm/statfs.h> */
struct uvec;   /* uvec.h */

/* ---------------------------------------------------------------- inodes -------------------- */

/* How readdir hands out names; returns false when its buffer is full: that entry was not taken. */
struct dir_sink {
	bool (*emit)(struct dir_sink *sink, const char *name, unsigned len, uint64_t ino,
	             unsigned char type, uint64_t next_pos);
};

struct inode_ops {
	const char *fs_type; /* "ext2", for /proc/mounts; that of a file system's root counts */
	/*
	 * Directories. `*out` comes referenced. Names are not terminated. -ENOENT, -EIO, ...
	 * lookup() is asked for `..` too, except in the root of a file system, but never for `.`.
	 * Nobody locks for these functions.
	 */
	int (*lookup)(struct inode *dir, const char *name, unsigned len, struct inode **out);
	/* Entries from position `pos` on (0 at first; . and .. included). */
	int (*readdir)(struct inode *dir, uint64_t pos, struct dir_sink *sink);
	/*
	 * Those below may be NULL: -EROFS (-EPERM where Linux says so). create(): `mode` has
	 * S_IFMT, for a regular file, directory, FIFO, device or socket.
	 */
	int (*create)(struct inode *dir, const char *name, unsigned len, unsigned mode,
	              uint64_t rdev, struct inode **out);
	int (*symlink)(struct inode *dir, const char *name, unsigned len, const char *target);
	int (*link)(struct inode *dir, const char *name, unsigned len, struct inode *inode);
	int (*unlink)(struct inode *dir, const char *name, unsigned len, bool dir_wanted);
	int (*rename)(struct inode *from, const char *name, unsigned len, struct inode *to,
	              const char *new_name, unsigned new_len, unsigned flags);
	/* Symbolic links: the length, not terminated. */
	int (*readlink)(struct inode *inode, char *buf, unsigned size);
	/*
	 * Links that lead to an inode, whatever readlink() says (/proc/PID/fd/N): referenced.
	 * `full`: as path_lookup().
	 * -EINVAL: this one is as others.
	 */
	int (*follow)(struct inode *inode, struct inode **out, char *full);
	/* Regular files: set the size. */
	int (*truncate)(struct inode *inode, uint64_t size);
	/*
	 * Just before open() returns: may set file->ops and data, or refuse. NULL: fine as it is.
	 */
	int (*open)(struct inode *inode, struct file *file);
	/* For statfs(2): `out` is zeroed and has f_namelen. NULL: nothing is known. */
	void (*statfs)(struct inode *inode, struct statfs *out);
	/*
	 * Mode, owner and times can be changed (the structure inode is all there is of them); else:
	 * -EROFS.
	 */
	bool attributes;
	/* The last reference is gone. */
	void (*release)(struct inode *inode);
};

struct inode {
	const struct inode_ops *ops;
	const struct file_ops *fops; /* what an open file starts with */
	_Atomic unsigned refs;
	/* Guards changes of a file's size; in directories it is the file system's own. */
	struct mutex lock;
	uint64_t ino, dev;
	unsigned mode; /* S_IFMT and permissions */
	unsigned nlink, uid, gid;
	uint64_t rdev;
	uint64_t atime, mtime, ctime;  /* ns since 1970 */
	struct om_mapping *mapping;    /* regular files; the mapping's `store` is the inode */
	_Atomic unsigned seals;        /* F_SEAL_...: fs/seals.c */
	struct inode *_Atomic mounted; /* root of the file system mounted here, or NULL */
	struct pipe *pipe;             /* pipes and FIFOs while they are open: pipe.c */
	char *path; /* where it was last opened, for /proc/PID/maps; may be NULL */
	void *data; /* the file system's */
};

struct inode *inode_get(struct inode *inode); /* returns it */
void inode_put(struct inode *inode);          /* NULL is fine */
/*
 * om_vma_next() gives no reference to the inode of an area. So whoever looks at one, as the reader
 * of /proc/PID/maps does at inode->path, holds `inode_names` over both, and no inode is freed
 * without taking the lock: file systems call inode_forget() just before they free one.
 */
extern struct mutex inode_names;
/* Does the running process own it, or may it write to it? */
bool inode_is_ours(const struct inode *inode);
/* No write() and no new shared mapping may change it. */
static inline bool is_write_sealed(const struct inode *inode)
{
	return inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

/* ---------------------------------------------------------------- open files ---------------- */

struct poll_table;

struct file_ops {
	/* Up to `n` bytes (at most a page) at *pos, which they advance. 0 = end. NULL: -EINVAL. */
	long (*read)(struct file *file, void *buf, size_t n, uint64_t *pos);
	long (*write)(struct file *file, const void *buf, size_t n, uint64_t *pos);
	/* If not NULL, what read(), write() and their kin call instead: all at a time. */
	long (*transfer)(struct file *file, struct uvec *u, bool writing);
	/*
	 * Poll bits that hold now; calls poll_wait() for the queues that announce changes. NULL:
	 * always ready.
	 */
	unsigned (*poll)(struct file *file, struct poll_table *table);
	/* `arg` is a user address or a number. NULL: -ENOTTY. */
	long (*ioctl)(struct file *file, unsigned cmd, uintptr_t arg);
	/*
	 * What mmap() maps instead of inode->mapping (/dev/zero: *mapping = NULL, anonymous). NULL:
	 * -ENODEV without a mapping.
	 */
	int (*mmap)(struct file *file, struct om_mapping **mapping);
	/* The last reference is gone. */
	void (*release)(struct file *file);
	bool stream; /* pipes, terminals: no position; a short read ends the call */
	bool no_end; /* nobody knows it without reading: lseek() finds none */
};

struct file {
	const struct file_ops *ops;
	struct inode *inode; /* NULL for those without a name (pipes have one) */
	_Atomic unsigned refs;
	_Atomic unsigned flags; /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_DIRECTORY... */
	struct mutex pos_lock;
	uint64_t pos;
	void *data;
	char *path;           /* as opened, absolute; may be NULL */
	struct list watchers; /* struct file_watcher, under watchers_lock */
	bool watched;         /* it has had one */
};

/* Somebody who has no reference to the file and wants to know when it is closed: epoll. */
struct file_watcher {
	struct list node;
	void (*closed)(struct file_watcher *w); /* the lock is held; must take it off the list */
};
extern struct mutex watchers_lock;
void file_watch(struct file *file, struct file_watcher *w); /* referenced; the lock is held */

/*
 * A file with one reference; takes over the caller's reference to the inode (also on failure).
 * NULL: file_alloc_error() says why, -ENOMEM or -ENFILE (too many of all processes).
 */
struct file *file_alloc(const struct file_ops *ops, struct inode *inode, unsigned flags,
                        void *data);
int file_alloc_error(void);
struct file *file_get(struct file *file);
void file_put(struct file *file);
/*
 * Open what no file system has, as a new descriptor: `name`, "[eventfd]", is what /proc/PID/fd
 * shows; `flags`: O_CLOEXEC, O_NONBLOCK. On failure `data` is still the caller's. fs/anon.c
 */
int anon_open(const char *name, const struct file_ops *ops, void *data, unsigned flags);
/* As anon_open(), but a socket to all who look; and what data such a file has, NULL: it is none. */
int anon_socket(const struct file_ops *ops, void *data, unsigned flags);
void *anon_socket_data(const struct file *file);
/* Kernel-side access at a position, whole file systems included: bytes, or an error. */
long file_read_at(struct file *file, void *buf, size_t n, uint64_t pos);

#define USUAL_FILES 1024 /* descriptors of a process, unless it asks for more */

struct fd {
	struct file *file;
	bool cloexec;
};

/* proc->files, under proc->files_lock (taken by the functions below). */
struct file_table {
	struct fd *fd; /* grows: vmalloc() */
	unsigned size;
	unsigned hint; /* no free one below */
};

int fd_available(void);      /* may the running process open another file? -EMFILE */
unsigned fd_most(void);      /* descriptors that a process can have at all */
struct file *fd_get(int fd); /* of the running process, referenced; NULL: -EBADF */
int fd_install(struct file *file, unsigned flags,
               int lowest); /* O_CLOEXEC; takes the reference; -EMFILE */
int fd_close(struct proc *p, int fd);
int files_fork(struct proc *child, struct proc *parent);
void files_exec(struct proc *p); /* close those marked */
void files_exit(struct proc *p);
/* The first process: its descriptors 0, 1, 2 are `file`, whose reference it takes. -ENOMEM */
int files_init(struct proc *p, struct file *file);

/* ---------------------------------------------------------------- paths --------------------- */

struct path_ctx {
	struct inode *cwd;
	char *cwd_path; /* absolute */
	unsigned umask;
};

#define PATH_MAX_LEN 4096

#define LOOKUP_NOFOLLOW 1u
/*
 * From `dirfd` (AT_FDCWD: the current directory) along `path`, a kernel string; symbolic links
 * followed. `*out` comes referenced. `full` (may be NULL, PATH_MAX_LEN bytes): the absolute path
 * without links in it.
 */
int path_lookup(int dirfd, const char *path, unsigned flags, struct inode **out, char *full);
/*
 * As path_lookup(), but for the directory that the last component is in: *parent and `full` are
 * that directory, *last points into `path`, *len is the length of the component (0: the path is
 * `/`).
 */
int path_parent(int dirfd, const char *path, struct inode **parent, const char **last,
                unsigned *len, char *full);
/* Open as open(2) does; kernel string. */
int path_open(int dirfd, const char *path, unsigned flags, unsigned mode, struct file **out);
/* Make a node that is no directory, with the umask; kernel string; `*out` comes referenced. */
int path_make(const char *path, unsigned mode, uint64_t rdev, struct inode **out);
int mount(const char *path, struct inode *root);
void vfs_init(struct inode *root);

/* ---------------------------------------------------------------- poll ---------------------- */

/* Whoever asks a file with one learns of changes later on. fs/poll.c, event/epoll.c */
struct poll_table {
	void (*add)(struct poll_table *table, struct waitq *q);
};

#define POLL_QUEUES 2 /* a file has no more that announce changes */

static inline void poll_wait(struct poll_table *table, struct waitq *q) /* table may be NULL */
{
	if (table)
		table->add(table, q);
}

/* ---------------------------------------------------------------- file systems -------------- */

struct blkdev;
int ext2_mount(struct blkdev *dev, struct inode **root); /* read-only */
int tmpfs_mount(struct inode **root, unsigned mode);
/* A regular file in memory that is in no directory (memfd_create); `path` is for /proc/PID/maps. */
int tmpfs_anon(const char *path, struct inode **out);
int devfs_mount(struct inode **root);
int procfs_mount(struct inode **root);

/* ---------------------------------------------------------------- terminal ------------------ */

/* fs/tty.c */
void tty_input(char c);                 /* typed; from interrupt handlers */
int tty_open(struct file *file);        /* the console terminal */
void tty_give(struct proc *p, int sid); /* process 1, about to start, gets it with its session */
/*
 * The process gives up its controlling terminal; if it leads the session, the session does.
 * proc_lock held. fs/tty_job.c
 */
void tty_leave(struct proc *p);

#endif
