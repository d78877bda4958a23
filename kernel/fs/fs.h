/*
 * fs.h: what the files of fs/ share with one another.
 */
#ifndef FS_H
#define FS_H

#include "vfs.h"

/* ---- rw.c: reading and writing through inode->mapping; for regular files of every file system */
extern const struct file_ops mapping_fops;

/*
 * ---- inode.c: inode->path, which /proc/PID/maps shows.
 *
 * That reader learns of an inode from om_vma_next(), which gives it no reference. So it holds `inode_names` over
 * both, and no inode is freed without taking the lock: file systems call inode_forget() just before they free one.
 */
extern struct mutex inode_names;
/* Remember where it was opened; without memory the old path stays. */
void inode_set_path(struct inode *inode, const char *path);
/* Free the path, and wait for readers. May sleep. */
void inode_forget(struct inode *inode);

/*
 * ---- for /proc/mounts: the i-th mount, "/" being the first: its path (a string that stays) and its root, referenced.
 * False: there are not so many.
 */
bool mount_info(unsigned i, const char **path, struct inode **root);

#endif
