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

static inline bool cred_has(const struct cred *c, int cap)
{
	return c->effective >> cap & 1;
}

#endif
