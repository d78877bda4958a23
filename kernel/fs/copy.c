/*
 * copy.c: from one file to another inside the kernel: sendfile() and copy_file_range().
 */
#include "fs.h"
#include "sys.h"
#include "vm.h"

#define MAX_COPY 0x7ffff000ul

/* One side of a copy. */
struct side {
	struct file *file;
	uint64_t pos;
	uintptr_t user_pos; /* where the position is in user memory; 0: it is the file's own */
};

static int side_get(struct side *s, unsigned fd, uintptr_t user_pos)
{
	int64_t pos = 0;

	if (user_pos && user_get(pos, user_pos))
		return -EFAULT;
	if (pos < 0)
		return -EINVAL;
	*s = (struct side){.pos = (uint64_t)pos, .user_pos = user_pos};
	s->file = fd_get((int)fd);
	if (!s->file)
		return -EBADF;
	if (!user_pos)
		s->pos = s->file->pos;
	return 0;
}

/* Leave the position where the next copy goes on. */
static int side_put(struct side *s)
{
	int err = 0;

	if (s->user_pos)
		err = user_put(s->user_pos, s->pos);
	else
		s->file->pos = s->pos;
	file_put(s->file);
	return err;
}

/* Write all of the buffer if the file takes it. */
static long write_out(struct side *out, const char *buf, size_t n)
{
	size_t sum = 0;

	while (sum < n) {
		long put = out->file->ops->write(out->file, buf + sum, n - sum, &out->pos);

		if (put <= 0)
			return sum ? (long)sum : put;
		sum += (size_t)put;
	}
	return (long)sum;
}

static long copy_bytes(struct side *in, struct side *out, size_t n)
{
	char *buf = buffer_get();
	long sum = 0, put = 0;

	if (!buf)
		return -ENOMEM;
	for (n = MIN(n, MAX_COPY); n; n -= (size_t)put) {
		size_t want = MIN(n, PAGE_SIZE);
		uint64_t start = in->pos;
		long got = in->file->ops->read(in->file, buf, want, &in->pos);

		put = got > 0 ? write_out(out, buf, (size_t)got) : got;
		if (put <= 0) {
			in->pos = start;
			break;
		}
		in->pos = start + (uint64_t)put;
		sum += put;
		if ((size_t)put < want || signal_pending())
			break;
	}
	buffer_put(buf);
	if (!sum)
		write_refused(put, out->pos);
	return sum ? sum : put;
}

/* The source is no stream, so the two sides never wait for each other. */
static int may_copy(const struct side *in, const struct side *out)
{
	if (!file_reads(in->file) || !file_writes(out->file))
		return -EBADF;
	if (!in->file->ops->read || in->file->ops->stream || file_is(in->file, S_IFDIR))
		return -EINVAL;
	return out->file->ops->write ? 0 : -EINVAL;
}

long sys_sendfile(unsigned out_fd, unsigned in_fd, uintptr_t pos, size_t n)
{
	struct side in, out;
	long result = side_get(&in, in_fd, pos);
	int err;

	if (result)
		return result;
	result = side_get(&out, out_fd, 0);
	if (result) {
		file_put(in.file);
		return result;
	}
	result = may_copy(&in, &out);
	if (!result)
		result = copy_bytes(&in, &out, n);
	side_put(&out);
	err = side_put(&in);
	return err && result >= 0 ? err : result;
}

static int may_copy_range(const struct side *in, const struct side *out, size_t n)
{
	if (file_is(in->file, S_IFDIR) || file_is(out->file, S_IFDIR))
		return -EISDIR;
	if (!file_is(in->file, S_IFREG) || !file_is(out->file, S_IFREG))
		return -EINVAL;
	if (out->file->flags & O_APPEND)
		return -EBADF;
	if (in->file->inode == out->file->inode && in->pos < out->pos + n && out->pos < in->pos + n)
		return -EINVAL;
	return may_copy(in, out);
}

long sys_copy_file_range(unsigned in_fd, uintptr_t in_pos, unsigned out_fd, uintptr_t out_pos,
                         size_t n, unsigned flags)
{
	struct side in, out;
	long result = flags ? -EINVAL : side_get(&in, in_fd, in_pos);
	int err;

	if (result)
		return result;
	result = side_get(&out, out_fd, out_pos);
	if (result) {
		file_put(in.file);
		return result;
	}
	n = MIN(n, MAX_COPY);
	result = may_copy_range(&in, &out, n);
	if (!result)
		result = copy_bytes(&in, &out, n);
	err = side_put(&out);
	err = side_put(&in) ? -EFAULT : err;
	return err && result >= 0 ? err : result;
}
