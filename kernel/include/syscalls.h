/*
 * syscalls.h: every system call there is. sys/table.c makes the table of them from this list.
 *
 * Each sys_... function gets up to six arguments as the registers hold them, cast by its
 * prototype, and returns a result or a negative errno. The numbers below, which programs never
 * see, make signal delivery begin the call again or turn into -EINTR (proc/deliver.c).
 */
#ifndef SYSCALLS_H
#define SYSCALLS_H

void syscall_init(void); /* fills syscall_table */

#define ERESTARTSYS           512 /* again, if the handler has SA_RESTART or there is none */
#define ERESTARTNOINTR        513 /* always again */
#define ERESTARTNOHAND        514 /* again only if no handler runs */
#define ERESTART_RESTARTBLOCK 516 /* as that, and to the old deadline: restart_at() */

/* clang-format off */
#define SYSCALLS(X)                                                                               \
	/* memory: sys/ */                                                                        \
	X(mmap) X(munmap) X(mprotect) X(mremap) X(brk) X(madvise) X(process_madvise) X(mlock)     \
	X(mlock2) X(munlock) X(mlockall) X(munlockall) X(mincore) X(msync) X(remap_file_pages)    \
	X(process_vm_readv) X(process_vm_writev) X(swapon) X(swapoff) X(memfd_create)             \
	X(membarrier)                                                                             \
	/* processes: proc/ */                                                                    \
	X(fork) X(vfork) X(clone) X(clone3) X(execve) X(execveat) X(exit) X(exit_group)           \
	X(wait4) X(waitid) X(getpid) X(getppid) X(gettid) X(getpgid) X(setpgid) X(getpgrp)        \
	X(getsid) X(setsid) X(set_tid_address) X(arch_prctl) X(prctl) X(getrlimit) X(setrlimit)   \
	X(prlimit64) X(getrusage) X(times) X(getuid) X(geteuid) X(getgid) X(getegid)              \
	X(getresuid) X(getresgid) X(setuid) X(setgid) X(setreuid) X(setregid) X(setresuid)        \
	X(setresgid) X(getgroups) X(setgroups) X(setfsuid) X(setfsgid) X(capget) X(capset)        \
	X(personality) X(getpriority) X(setpriority) X(sched_yield) X(sched_getaffinity)          \
	X(sched_setaffinity) X(sched_getscheduler) X(sched_setscheduler) X(sched_getparam)        \
	X(sched_setparam) X(sched_get_priority_max) X(sched_get_priority_min)                     \
	X(sched_rr_get_interval) X(getcpu)                                                        \
	/* signals */                                                                             \
	X(rt_sigaction) X(rt_sigprocmask) X(rt_sigreturn) X(rt_sigsuspend) X(rt_sigpending)       \
	X(rt_sigtimedwait) X(rt_sigqueueinfo) X(rt_tgsigqueueinfo) X(sigaltstack) X(kill)         \
	X(tkill) X(tgkill) X(pause)                                                               \
	/* futexes and time */                                                                    \
	X(futex) X(set_robust_list) X(get_robust_list) X(nanosleep) X(clock_nanosleep)            \
	X(clock_gettime) X(clock_getres) X(clock_settime) X(gettimeofday) X(time) X(alarm)        \
	X(setitimer) X(getitimer) X(timer_create) X(timer_settime) X(timer_gettime)               \
	X(timer_delete) X(timer_getoverrun)                                                       \
	/* files: fs/ */                                                                          \
	X(read) X(write) X(readv) X(writev) X(pread64) X(pwrite64) X(preadv) X(pwritev)           \
	X(preadv2) X(pwritev2) X(open) X(openat) X(creat) X(close) X(close_range) X(lseek)        \
	X(dup) X(dup2) X(dup3) X(fcntl) X(ioctl) X(pipe) X(pipe2) X(poll) X(ppoll) X(select)      \
	X(pselect6) X(stat) X(fstat) X(lstat) X(newfstatat) X(statx) X(statfs) X(fstatfs)         \
	X(access) X(faccessat) X(faccessat2) X(getcwd) X(chdir) X(fchdir) X(mkdir) X(mkdirat)     \
	X(rmdir) X(unlink) X(unlinkat) X(rename) X(renameat) X(renameat2) X(link) X(linkat)       \
	X(symlink) X(symlinkat) X(readlink) X(readlinkat) X(chmod) X(fchmod) X(fchmodat)          \
	X(chown) X(fchown) X(lchown) X(fchownat) X(umask) X(truncate) X(ftruncate) X(fallocate)   \
	X(fsync) X(fdatasync) X(sync) X(syncfs) X(sync_file_range) X(getdents64) X(utimensat)     \
	X(futimesat) X(utimes) X(utime) X(mknod) X(mknodat) X(flock) X(fadvise64) X(readahead)    \
	X(sendfile) X(copy_file_range) X(mount) X(getxattr) X(lgetxattr) X(fgetxattr)             \
	X(listxattr) X(llistxattr) X(flistxattr) X(setxattr) X(lsetxattr) X(fsetxattr)            \
	/* events: event/ */                                                                      \
	X(epoll_create) X(epoll_create1) X(epoll_ctl) X(epoll_wait) X(epoll_pwait)                \
	X(epoll_pwait2) X(eventfd) X(eventfd2) X(timerfd_create) X(timerfd_settime)               \
	X(timerfd_gettime) X(signalfd) X(signalfd4)                                               \
	/* sockets: net/ */                                                                       \
	X(socket) X(socketpair) X(bind) X(listen) X(connect) X(accept) X(accept4) X(shutdown)     \
	X(getsockname) X(getpeername) X(sendto) X(recvfrom) X(sendmsg) X(recvmsg) X(sendmmsg)     \
	X(recvmmsg) X(setsockopt) X(getsockopt)                                                   \
	/* System V: ipc/ */                                                                       \
	X(shmget) X(shmat) X(shmdt) X(shmctl)                                                     \
	/* the machine: sys/ */                                                                   \
	X(uname) X(sysinfo) X(getrandom) X(reboot) X(sethostname) X(syslog)
/* clang-format on */

#endif
