/*
 * uvec.h: buffers in user memory, one or a list of them, and how far one has come. fs/uvec.c
 */
#ifndef UVEC_H
#define UVEC_H

#include <linux/uio.h>

#include "lib.h"

/* What is left. */
struct uvec {
	const struct iovec *vec;
	struct iovec one;   /* for those that are no list */
	struct iovec *list; /* uvec_read()'s memory */
	size_t list_bytes;
	size_t used; /* bytes of vec[0] */
	size_t left; /* no more than a call moves at a time */
};

void uvec_one(struct uvec *u, uintptr_t buf, size_t n);
/* A list of n at a user address; uvec_free() it after a success. -EFAULT, -EINVAL, -ENOMEM. */
int uvec_read(struct uvec *u, uintptr_t from, size_t n);
void uvec_free(struct uvec *u);
/* Copy the next `n` bytes, from user memory (`in`) or to it, without going on. n <= left. */
int uvec_copy(const struct uvec *u, char *buf, size_t n, bool in);
/* How many of the next `n` bytes can go to user memory, at least 1, or the error. 0 < n <= left. */
long uvec_writable(const struct uvec *u, size_t n);
void uvec_advance(struct uvec *u, size_t n);

#endif
