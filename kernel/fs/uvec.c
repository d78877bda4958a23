/*
 * uvec.c: walking along a list of user buffers.
 */
#include <linux/uio.h>

#include "fs.h"
#include "uvec.h"

#define MAX_TRANSFER 0x7ffff000ul /* as in Linux; the result fits an int */

void uvec_one(struct uvec *u, uintptr_t buf, size_t n)
{
	*u = (struct uvec){.one = {.iov_base = (void *)buf, .iov_len = n}};
	u->vec = &u->one;
	u->left = MIN(n, MAX_TRANSFER);
}

int uvec_read(struct uvec *u, uintptr_t from, size_t n)
{
	const size_t bytes = MAX(n * sizeof(struct iovec), sizeof(struct iovec));
	size_t sum = 0;
	int err;

	if (n > UIO_MAXIOV)
		return -EINVAL;
	*u = (struct uvec){.list = big_alloc(bytes), .list_bytes = bytes};
	if (!u->list)
		return -ENOMEM;
	err = user_read(u->list, from, n * sizeof(struct iovec));
	for (size_t i = 0; i < n && !err; i++) {
		if (u->list[i].iov_len > (size_t)INT64_MAX - sum)
			err = -EINVAL;
		sum += u->list[i].iov_len;
	}
	u->vec = u->list;
	u->left = MIN(sum, MAX_TRANSFER);
	if (err)
		uvec_free(u);
	return err;
}

void uvec_free(struct uvec *u)
{
	if (u->list)
		big_free(u->list, u->list_bytes);
}

int uvec_copy(const struct uvec *u, char *buf, size_t n, bool in)
{
	const struct iovec *v = u->vec;
	size_t used = u->used;

	while (n) {
		size_t part = MIN(n, v->iov_len - used);
		uintptr_t at = (uintptr_t)v->iov_base + used;
		int err = !part ? 0 : in ? user_read(buf, at, part) : user_write(at, buf, part);

		if (err)
			return err;
		buf += part;
		n -= part;
		used = 0;
		v++;
	}
	return 0;
}

long uvec_writable(const struct uvec *u, size_t n)
{
	const struct iovec *v = u->vec;
	size_t used = u->used, sum = 0;

	while (sum < n) {
		size_t part = MIN(n - sum, v->iov_len - used);
		long ok = part ? user_writable((uintptr_t)v->iov_base + used, part) : 0;

		if (ok < 0)
			return sum ? (long)sum : ok;
		sum += (size_t)ok;
		if ((size_t)ok < part)
			break;
		used = 0;
		v++;
	}
	return (long)sum;
}

void uvec_advance(struct uvec *u, size_t n)
{
	u->left -= n;
	while (n) {
		size_t part = MIN(n, u->vec->iov_len - u->used);

		n -= part;
		u->used += part;
		if (u->used == u->vec->iov_len) {
			u->vec++;
			u->used = 0;
		}
	}
}
