/*
 * sys.h: the system calls of event/.
 */
#ifndef EVENT_SYS_H
#define EVENT_SYS_H

#include "lib.h"
#include "syscalls.h"

/* ---- epoll.c */
long sys_epoll_create(int size);
long sys_epoll_create1(unsigned flags);
long sys_epoll_ctl(int epfd, int op, int fd, uintptr_t event);
long sys_epoll_wait(int epfd, uintptr_t events, int max, int timeout);
long sys_epoll_pwait(int epfd, uintptr_t events, int max, int timeout, uintptr_t mask,
                     size_t mask_size);
long sys_epoll_pwait2(int epfd, uintptr_t events, int max, uintptr_t timeout, uintptr_t mask,
                      size_t mask_size);

/* ---- eventfd.c */
long sys_eventfd(unsigned count);
long sys_eventfd2(unsigned count, unsigned flags);

/* ---- timerfd.c */
long sys_timerfd_create(int clock, unsigned flags);
long sys_timerfd_settime(int fd, unsigned flags, uintptr_t from, uintptr_t old_at);
long sys_timerfd_gettime(int fd, uintptr_t to);

/* ---- signalfd.c */
long sys_signalfd(int fd, uintptr_t set, size_t size);
long sys_signalfd4(int fd, uintptr_t set, size_t size, unsigned flags);

#endif
