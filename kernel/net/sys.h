/*
 * sys.h: the system calls of net/.
 */
#ifndef NET_SYS_H
#define NET_SYS_H

#include "lib.h"
#include "syscalls.h"

/* ---- file.c */
long sys_socket(int family, int type, int protocol);
long sys_socketpair(int family, int type, int protocol, uintptr_t fds);

/* ---- connect.c */
long sys_bind(int fd, uintptr_t addr, unsigned len);
long sys_listen(int fd, int backlog);
long sys_connect(int fd, uintptr_t addr, unsigned len);
long sys_accept(int fd, uintptr_t addr, uintptr_t len);
long sys_accept4(int fd, uintptr_t addr, uintptr_t len, unsigned flags);
long sys_shutdown(int fd, int how);
long sys_getsockname(int fd, uintptr_t addr, uintptr_t len);
long sys_getpeername(int fd, uintptr_t addr, uintptr_t len);

/* ---- transfer.c */
long sys_sendto(int fd, uintptr_t buf, size_t n, unsigned flags, uintptr_t addr, unsigned len);
long sys_recvfrom(int fd, uintptr_t buf, size_t n, unsigned flags, uintptr_t addr, uintptr_t len);
long sys_sendmsg(int fd, uintptr_t msg, unsigned flags);
long sys_recvmsg(int fd, uintptr_t msg, unsigned flags);
long sys_sendmmsg(int fd, uintptr_t msgs, unsigned n, unsigned flags);
long sys_recvmmsg(int fd, uintptr_t msgs, unsigned n, unsigned flags, uintptr_t timeout);

/* ---- options.c */
long sys_setsockopt(int fd, int level, int option, uintptr_t from, unsigned len);
long sys_getsockopt(int fd, int level, int option, uintptr_t to, uintptr_t len);

#endif
