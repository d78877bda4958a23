/*
 * cred.h: whom a process works for, and what it may do.
 *
 * Linux's credentials: user and group numbers, and capabilities, the rights of root one by one.
 * Files are open to everybody still, whatever their owner and mode are, so a set-user-id bit of a
 * program means nothing. Credentials belong to the process, and all its threads have the same; on
 * Linux each thread has its own, which the C library hides. proc/
 */
#ifndef CRED_H
#define CRED_H

#include <linux/capability.h>

#include "lib.h"

struct proc;

#define ALL_CAPABILITIES ((1ul << (CAP_LAST_CAP + 1)) - 1)

#define MAX_GROUPS 16 /* supplementary */

struct ids {
	unsigned real, effective, saved, fs;
};

struct cred {
	struct ids uid, gid;
	unsigned group[MAX_GROUPS], nr_groups;
	uint64_t effective, permitted, inheritable; /* capabilities: bit n is number n */
	bool keep_caps; /* the next change of users takes no capability: PR_SET_KEEPCAPS */
};

/* ---- capability.c */

static inline bool cred_has(const struct cred *c, int cap)
{
	return c->effective >> cap & 1;
}
/*
 * Has the running process the capability CAP_...? No lock: whoever asks while it changes gets the
 * old answer or the new one.
 */
bool capable(int cap);

/* ---- permission.c: may the running process do this to `p`? proc_lock held */

/* Send a signal. */
bool may_signal(const struct proc *p, int sig);
/* Change how it is scheduled; is_owner() is the part of it that setpriority() asks first. */
bool may_schedule(const struct proc *p);
bool is_owner(const struct proc *p);
/* Look at its resource limits, or set them. */
bool may_limit(const struct proc *p);
/*
 * Look into it, and change what is there: ptrace(2) calls this the access mode check. By way of
 * a file in /proc it is the file system user that counts, else the real one.
 */
bool may_trace(const struct proc *p);
bool may_trace_by_file(const struct proc *p);

#endif
