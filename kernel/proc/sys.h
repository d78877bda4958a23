/*
 * sys.h: prototypes of the system calls of proc/.
 */
#ifndef PROC_SYS_H
#define PROC_SYS_H

#include "lib.h"

/* fork.c */
long sys_fork(void);
long sys_vfork(void);
long sys_clone(unsigned long flags, uintptr_t stack, uintptr_t parent_tid, uintptr_t child_tid,
               uintptr_t tls);
long sys_clone3(uintptr_t from, size_t size);

/* exec.c */
long sys_execveat(int dirfd, uintptr_t path, uintptr_t argv, uintptr_t envp, int flags);
long sys_execve(uintptr_t path, uintptr_t argv, uintptr_t envp);

/* exit.c */
_Noreturn long sys_exit(int code);
_Noreturn long sys_exit_group(int code);

/* wait.c */
long sys_wait4(int pid, uintptr_t status, int options, uintptr_t usage);
long sys_waitid(int which, int id, uintptr_t info, int options, uintptr_t usage);

/* ids.c */
long sys_getpid(void);
long sys_gettid(void);
long sys_getppid(void);
long sys_getpgid(int pid);
long sys_getpgrp(void);
long sys_getsid(int pid);
long sys_setpgid(int pid, int pgid);
long sys_setsid(void);

/* cred.c */
long sys_getuid(void);
long sys_geteuid(void);
long sys_getgid(void);
long sys_getegid(void);
long sys_getresuid(uintptr_t real, uintptr_t effective, uintptr_t saved);
long sys_getresgid(uintptr_t real, uintptr_t effective, uintptr_t saved);
long sys_setresuid(unsigned real, unsigned effective, unsigned saved);
long sys_setresgid(unsigned real, unsigned effective, unsigned saved);
long sys_setreuid(unsigned real, unsigned effective);
long sys_setregid(unsigned real, unsigned effective);
long sys_setuid(unsigned id);
long sys_setgid(unsigned id);
long sys_setfsuid(unsigned id);
long sys_setfsgid(unsigned id);
long sys_getgroups(int size, uintptr_t to);
long sys_setgroups(unsigned n, uintptr_t from);

/* capability.c */
long sys_capget(uintptr_t header, uintptr_t data);
long sys_capset(uintptr_t header, uintptr_t data);

/* sched_calls.c */
long sys_sched_yield(void);
long sys_sched_getaffinity(int tid, unsigned size, uintptr_t to);
long sys_sched_setaffinity(int tid, unsigned size, uintptr_t from);
long sys_getcpu(uintptr_t cpu_at, uintptr_t node_at);
long sys_sched_getscheduler(int tid);
long sys_sched_setscheduler(int tid, int policy, uintptr_t param);
long sys_sched_setparam(int tid, uintptr_t param);
long sys_sched_getparam(int tid, uintptr_t param);
long sys_sched_get_priority_max(int policy);
long sys_sched_get_priority_min(int policy);
long sys_sched_rr_get_interval(int tid, uintptr_t to);
long sys_getpriority(int which, int who);
long sys_setpriority(int which, int who, int nice);
long sys_personality(unsigned persona);
long sys_prctl(int option, unsigned long arg);
long sys_arch_prctl(int option, uintptr_t arg);

/* limits.c */
long sys_prlimit64(int pid, unsigned which, uintptr_t from, uintptr_t to);
long sys_getrlimit(unsigned which, uintptr_t to);
long sys_setrlimit(unsigned which, uintptr_t from);

/* usage.c */
long sys_getrusage(int who, uintptr_t to);
long sys_times(uintptr_t to);

/* sigcalls.c */
long sys_rt_sigaction(int sig, uintptr_t set, uintptr_t old, size_t size);
long sys_rt_sigprocmask(int how, uintptr_t set, uintptr_t old, size_t size);
long sys_rt_sigpending(uintptr_t set, size_t size);
long sys_pause(void);
long sys_rt_sigsuspend(uintptr_t set, size_t size);
long sys_rt_sigtimedwait(uintptr_t set, uintptr_t info, uintptr_t timeout, size_t size);
long sys_kill(int pid, int sig);
long sys_tgkill(int tgid, int tid, int sig);
long sys_tkill(int tid, int sig);
long sys_rt_sigqueueinfo(int pid, int sig, uintptr_t from);
long sys_rt_tgsigqueueinfo(int tgid, int tid, int sig, uintptr_t from);

/* sigframe.c */
long sys_sigaltstack(uintptr_t set, uintptr_t old);
long sys_rt_sigreturn(void);

/* futex.c */
long sys_futex(uintptr_t addr, int op, uint32_t val, uintptr_t arg, uintptr_t addr2, uint32_t val3);

/* robust.c */
long sys_set_robust_list(uintptr_t head, size_t size);
long sys_get_robust_list(int tid, uintptr_t head, uintptr_t size);
long sys_set_tid_address(uintptr_t tid);

/* time.c */
long sys_clock_gettime(int clock, uintptr_t to);
long sys_clock_getres(int clock, uintptr_t to);
long sys_clock_settime(int clock, uintptr_t from);
long sys_gettimeofday(uintptr_t tv_at, uintptr_t tz_at);
long sys_time(uintptr_t to);
long sys_nanosleep(uintptr_t from, uintptr_t left);
long sys_clock_nanosleep(int clock, int flags, uintptr_t from, uintptr_t left);

/* itimer.c */
long sys_setitimer(int which, uintptr_t from, uintptr_t old_at);
long sys_getitimer(int which, uintptr_t to);
long sys_alarm(unsigned seconds);

/* ptimer.c */
long sys_timer_create(int clock, uintptr_t event, uintptr_t id_at);
long sys_timer_delete(int id);
long sys_timer_settime(int id, int flags, uintptr_t from, uintptr_t old_at);
long sys_timer_gettime(int id, uintptr_t to);
long sys_timer_getoverrun(int id);

#endif
