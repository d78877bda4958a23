/*
 * sys.h: the system calls of fs/.
 */
#ifndef FS_SYS_H
#define FS_SYS_H

#include "lib.h"
#include "syscalls.h"

/* ---- file.c, fcntl.c */
long sys_close(unsigned fd);
long sys_dup(unsigned fd);
long sys_dup2(unsigned from, unsigned to);
long sys_dup3(unsigned from, unsigned to, unsigned flags);
long sys_close_range(unsigned first, unsigned last, unsigned flags);
long sys_fcntl(unsigned fd, unsigned cmd, uintptr_t arg);
long sys_ioctl(unsigned fd, unsigned cmd, uintptr_t arg);
long sys_flock(unsigned fd, int operation);

/* ---- open.c */
long sys_open(uintptr_t path, unsigned flags, unsigned mode);
long sys_openat(int dirfd, uintptr_t path, unsigned flags, unsigned mode);
long sys_creat(uintptr_t path, unsigned mode);

/* ---- rw.c */
long sys_read(unsigned fd, uintptr_t buf, size_t n);
long sys_write(unsigned fd, uintptr_t buf, size_t n);
long sys_readv(unsigned fd, uintptr_t vec, size_t n);
long sys_writev(unsigned fd, uintptr_t vec, size_t n);
long sys_pread64(unsigned fd, uintptr_t buf, size_t n, int64_t pos);
long sys_pwrite64(unsigned fd, uintptr_t buf, size_t n, int64_t pos);
long sys_preadv(unsigned fd, uintptr_t vec, size_t n, int64_t pos);
long sys_pwritev(unsigned fd, uintptr_t vec, size_t n, int64_t pos);
long sys_preadv2(unsigned fd, uintptr_t vec, size_t n, int64_t pos, uint64_t high, unsigned flags);
long sys_pwritev2(unsigned fd, uintptr_t vec, size_t n, int64_t pos, uint64_t high, unsigned flags);

/* ---- copy.c */
long sys_sendfile(unsigned out, unsigned in, uintptr_t pos, size_t n);
long sys_copy_file_range(unsigned in, uintptr_t in_pos, unsigned out, uintptr_t out_pos, size_t n,
                         unsigned flags);

/* ---- resize.c */
long sys_lseek(unsigned fd, int64_t offset, unsigned whence);
long sys_truncate(uintptr_t path, int64_t size);
long sys_ftruncate(unsigned fd, int64_t size);
long sys_fallocate(unsigned fd, unsigned mode, int64_t offset, int64_t len);

/* ---- sync.c */
long sys_fsync(unsigned fd);
long sys_fdatasync(unsigned fd);
long sys_sync(void);
long sys_syncfs(unsigned fd);
long sys_sync_file_range(unsigned fd, int64_t offset, int64_t len, unsigned flags);
long sys_fadvise64(unsigned fd, int64_t offset, int64_t len, int advice);
long sys_readahead(unsigned fd, int64_t offset, size_t len);

/* ---- stat.c */
long sys_stat(uintptr_t path, uintptr_t buf);
long sys_lstat(uintptr_t path, uintptr_t buf);
long sys_fstat(unsigned fd, uintptr_t buf);
long sys_newfstatat(int dirfd, uintptr_t path, uintptr_t buf, unsigned flags);
long sys_statx(int dirfd, uintptr_t path, unsigned flags, unsigned mask, uintptr_t buf);
long sys_statfs(uintptr_t path, uintptr_t buf);
long sys_fstatfs(unsigned fd, uintptr_t buf);

/* ---- attr.c */
long sys_access(uintptr_t path, unsigned mode);
long sys_faccessat(int dirfd, uintptr_t path, unsigned mode);
long sys_faccessat2(int dirfd, uintptr_t path, unsigned mode, unsigned flags);
long sys_chmod(uintptr_t path, unsigned mode);
long sys_fchmod(unsigned fd, unsigned mode);
long sys_fchmodat(int dirfd, uintptr_t path, unsigned mode);
long sys_chown(uintptr_t path, unsigned uid, unsigned gid);
long sys_lchown(uintptr_t path, unsigned uid, unsigned gid);
long sys_fchown(unsigned fd, unsigned uid, unsigned gid);
long sys_fchownat(int dirfd, uintptr_t path, unsigned uid, unsigned gid, unsigned flags);
long sys_utimensat(int dirfd, uintptr_t path, uintptr_t times, unsigned flags);
long sys_futimesat(int dirfd, uintptr_t path, uintptr_t times);
long sys_utimes(uintptr_t path, uintptr_t times);
long sys_utime(uintptr_t path, uintptr_t times);
long sys_umask(unsigned mask);

/* ---- names.c */
long sys_mkdir(uintptr_t path, unsigned mode);
long sys_mkdirat(int dirfd, uintptr_t path, unsigned mode);
long sys_mknod(uintptr_t path, unsigned mode, uint64_t rdev);
long sys_mknodat(int dirfd, uintptr_t path, unsigned mode, uint64_t rdev);
long sys_rmdir(uintptr_t path);
long sys_unlink(uintptr_t path);
long sys_unlinkat(int dirfd, uintptr_t path, unsigned flags);
long sys_rename(uintptr_t from, uintptr_t to);
long sys_renameat(int from_dirfd, uintptr_t from, int to_dirfd, uintptr_t to);
long sys_renameat2(int from_dirfd, uintptr_t from, int to_dirfd, uintptr_t to, unsigned flags);
long sys_link(uintptr_t from, uintptr_t to);
long sys_linkat(int from_dirfd, uintptr_t from, int to_dirfd, uintptr_t to, unsigned flags);
long sys_symlink(uintptr_t target, uintptr_t path);
long sys_symlinkat(uintptr_t target, int dirfd, uintptr_t path);
long sys_readlink(uintptr_t path, uintptr_t buf, int size);
long sys_readlinkat(int dirfd, uintptr_t path, uintptr_t buf, int size);

/* ---- dir.c */
long sys_getdents64(unsigned fd, uintptr_t buf, unsigned size);
long sys_getcwd(uintptr_t buf, size_t size);
long sys_chdir(uintptr_t path);
long sys_fchdir(unsigned fd);

/* ---- pipe.c */
long sys_pipe(uintptr_t fds);
long sys_pipe2(uintptr_t fds, unsigned flags);

/* ---- poll.c */
long sys_poll(uintptr_t fds, unsigned n, int timeout);
long sys_ppoll(uintptr_t fds, unsigned n, uintptr_t timeout, uintptr_t mask, size_t mask_size);

/* ---- select.c */
long sys_select(int n, uintptr_t in, uintptr_t out, uintptr_t except, uintptr_t timeout);
long sys_pselect6(int n, uintptr_t in, uintptr_t out, uintptr_t except, uintptr_t timeout,
                  uintptr_t mask);

/* ---- xattr.c */
long sys_getxattr(uintptr_t path);
long sys_lgetxattr(uintptr_t path);
long sys_fgetxattr(unsigned fd);
long sys_listxattr(uintptr_t path);
long sys_llistxattr(uintptr_t path);
long sys_flistxattr(unsigned fd);
long sys_setxattr(uintptr_t path);
long sys_lsetxattr(uintptr_t path);
long sys_fsetxattr(unsigned fd);

/* ---- mount.c */
long sys_mount(uintptr_t source, uintptr_t path, uintptr_t type, unsigned long flags,
               uintptr_t data);

#endif
