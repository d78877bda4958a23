/*
 * user.h: for the programs about users: run as root, they become others in children of theirs. Limits count by
 * user, so each run takes numbers of its own, which are not printed.
 */
#ifndef KERNEL_USER_H
#define KERNEL_USER_H

#include "test.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static unsigned first_user; /* by be_root() */
#define ANN (first_user)
#define BOB (first_user + 1)
#define EVE (first_user + 2)

/* Capabilities, without one that root of a container may lack. */
static inline uint64_t caps(bool permitted)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{0}};

	syscall(SYS_capget, &h, d);
	return (permitted ? d[0].permitted | (uint64_t)d[1].permitted << 32
	                  : d[0].effective | (uint64_t)d[1].effective << 32) &
	       ~(1ull << CAP_SYS_RESOURCE);
}

static inline long set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{(uint32_t)effective, (uint32_t)permitted,
	                                       (uint32_t)inheritable},
	                                      {(uint32_t)(effective >> 32),
	                                       (uint32_t)(permitted >> 32),
	                                       (uint32_t)(inheritable >> 32)}};

	return syscall(SYS_capset, &h, d);
}

/* Begin with these: what root of a container may lack is given up. */
static inline void be_root(void)
{
	struct rlimit core = {0, 0};

	if (getuid())
		say("not run as root");
	first_user = 20000 + (unsigned)getpid() * 4 % 40000;
	set_caps(caps(false), caps(true), 0);
	setrlimit(RLIMIT_CORE, &core);
	setgroups(0, NULL);
	setpriority(PRIO_PROCESS, 0, 0);
}

/* The user, and the group of the same number, for good. */
static inline void become(unsigned user)
{
	if (setresgid(user, user, user) || setresuid(user, user, user))
		_exit(96);
}

static inline void limit(int which, unsigned long n)
{
	struct rlimit l = {n, n};

	if (setrlimit(which, &l))
		_exit(95);
}

/* A child that is `user` (0: stays root), runs `setup` if not NULL, and waits for signals. */
static inline pid_t start(unsigned user, void (*setup)(void))
{
	int fds[2];
	char c;
	pid_t pid;

	if (pipe(fds))
		_exit(94);
	pid = fork();
	if (pid == 0) {
		if (user)
			become(user);
		if (setup)
			setup();
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user takes it away */
		if (write(fds[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(fds[0], &c, 1) != 1)
		_exit(93);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static inline void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif
