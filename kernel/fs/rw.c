/*
 * rw.c: read(), write(), and the calls that do this at a position or with a list of buffers.
 *
 * Bytes go through a buffer of the kernel of one page, so the operations of files never see user
 * memory and may hold locks. A transfer of several pages is one after the other; what has been
 * moved counts, an error later on does not. From a stream, one piece is read at most: to wait for a
 * second one with the first in hand could take for ever. Nor can it be put back, so the memory that
 * it goes to is looked at before.
 */
#include <linux/fs.h>
#include <linux/uio.h>

#include "fs.h"
#include "sys.h"
#include "uvec.h"
#include "vm.h"

/* ---------------------------------------------------------------- the loops ----------------- */

static long read_loop(struct file *file, struct uvec *u, uint64_t *pos, char *buf)
{
	long sum = 0;

	while (u->left) {
		size_t want = MIN(u->left, PAGE_SIZE);
		long got = file->ops->stream ? uvec_writable(u, want) : (long)want;
		int err;

		if (got > 0) {
			want = (size_t)got;
			got = file->ops->read(file, buf, want, pos);
		}
		if (got <= 0)
			return sum ? sum : got;
		err = uvec_copy(u, buf, (size_t)got, false);
		if (err) {
			*pos -= file->ops->stream ? 0 : (uint64_t)got;
			return sum ? sum : err;
		}
		uvec_advance(u, (size_t)got);
		sum += got;
		if (file->ops->stream || (size_t)got < want)
			break;
	}
	return sum;
}

static long write_loop(struct file *file, struct uvec *u, uint64_t *pos, char *buf)
{
	long sum = 0;

	while (u->left) {
		size_t want = MIN(u->left, PAGE_SIZE);
		long put = uvec_copy(u, buf, want, true);

		if (!put)
			put = file->ops->write(file, buf, want, pos);
		if (put < 0)
			return sum ? sum : put;
		uvec_advance(u, (size_t)put);
		sum += put;
		if ((size_t)put < want)
			break;
	}
	return sum;
}

void write_refused(long err, uint64_t pos)
{
	bool too_big = err == -EFBIG && pos >= size_limit();

	if (err != -EPIPE && !too_big)
		return;
	spin_lock(&proc_lock);
	signal_thread(current, too_big ? SIGXFSZ : SIGPIPE, NULL);
	spin_unlock(&proc_lock);
}

static long rw_transfer(struct file *file, struct uvec *u, uint64_t *pos, bool writing)
{
	char *buf;
	long result;

	if (file->ops->transfer)
		return file->ops->transfer(file, u, writing);
	if (file_is(file, S_IFDIR) && !writing)
		return -EISDIR;
	if (writing ? !file->ops->write : !file->ops->read)
		return -EINVAL;
	buf = buffer_get();
	if (!buf)
		return -ENOMEM;
	result = writing ? write_loop(file, u, pos, buf) : read_loop(file, u, pos, buf);
	buffer_put(buf);
	if (writing)
		write_refused(result, *pos);
	return result;
}

/* At the position of the file itself, or at `at`. */
static long rw(unsigned fd, struct uvec *u, const int64_t *at, bool writing)
{
	struct file *file = fd_get((int)fd);
	uint64_t pos = at ? (uint64_t)*at : 0;
	long result;

	if (!file)
		return -EBADF;
	if (writing ? !file_writes(file) : !file_reads(file)) {
		result = -EBADF;
	} else if (at && file->ops->stream) {
		result = -ESPIPE;
	} else if (at || file->ops->stream) {
		result = rw_transfer(file, u, &pos, writing);
	} else {
		mutex_lock(&file->pos_lock);
		result = rw_transfer(file, u, &file->pos, writing);
		mutex_unlock(&file->pos_lock);
	}
	file_put(file);
	return result;
}

static long rw_one(unsigned fd, uintptr_t buf, size_t n, const int64_t *at, bool writing)
{
	struct uvec u;

	if ((int64_t)n < 0 || (at && *at < 0))
		return -EINVAL;
	uvec_one(&u, buf, n);
	return rw(fd, &u, at, writing);
}

static long rw_vec(unsigned fd, uintptr_t from, size_t n, const int64_t *at, bool writing)
{
	struct uvec u;
	long result = at && *at < 0 ? -EINVAL : uvec_read(&u, from, n);

	if (result)
		return result;
	result = rw(fd, &u, at, writing);
	uvec_free(&u);
	return result;
}

long file_read_at(struct file *file, void *buf, size_t n, uint64_t pos)
{
	size_t sum = 0;

	if (!file->ops->read)
		return file_is(file, S_IFDIR) ? -EISDIR : -EINVAL;
	while (sum < n) {
		size_t want = MIN(n - sum, PAGE_SIZE);
		long got = file->ops->read(file, (char *)buf + sum, want, &pos);

		if (got < 0)
			return sum ? (long)sum : got;
		sum += (size_t)got;
		if ((size_t)got < want)
			break;
	}
	return (long)sum;
}

/* ---------------------------------------------------------------- regular files ------------- */

static long mapping_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	size_t done = 0;
	int err = om_mapping_read(file->inode->mapping, *pos, buf, n, &done);

	*pos += done;
	return done ? (long)done : err;
}

/* Under the lock, so that writes do not mix, and those of O_APPEND each find the end. */
static long mapping_write(struct file *file, const void *buf, size_t n, uint64_t *pos)
{
	struct inode *inode = file->inode;
	uint64_t limit = size_limit();
	size_t done = 0;
	long may;
	int err;

	if (!inode->ops->truncate)
		return -EROFS;
	mutex_lock(&inode->lock);
	if (file->flags & O_APPEND)
		*pos = om_mapping_size(inode->mapping);
	n = *pos < limit ? MIN(n, limit - *pos) : 0;
	may = n ? seals_clip_write(inode, *pos, n) : -EFBIG;
	if (may < 0)
		err = (int)may;
	else if (*pos + (size_t)may > om_mapping_size(inode->mapping) && room_is_short())
		err = -ENOSPC;
	else
		err = om_mapping_write(inode->mapping, *pos, buf, (size_t)may, &done);
	*pos += done;
	if (done)
		inode_changed(inode);
	mutex_unlock(&inode->lock);
	if (done)
		return (long)done;
	return err == -EOVERFLOW ? -EFBIG : err == -ENOMEM ? -ENOSPC : err;
}

const struct file_ops mapping_fops = {.read = mapping_read, .write = mapping_write};

/* ---------------------------------------------------------------- system calls -------------- */

long sys_read(unsigned fd, uintptr_t buf, size_t n)
{
	return rw_one(fd, buf, n, NULL, false);
}

long sys_write(unsigned fd, uintptr_t buf, size_t n)
{
	return rw_one(fd, buf, n, NULL, true);
}

long sys_pread64(unsigned fd, uintptr_t buf, size_t n, int64_t pos)
{
	return rw_one(fd, buf, n, &pos, false);
}

long sys_pwrite64(unsigned fd, uintptr_t buf, size_t n, int64_t pos)
{
	return rw_one(fd, buf, n, &pos, true);
}

long sys_readv(unsigned fd, uintptr_t vec, size_t n)
{
	return rw_vec(fd, vec, n, NULL, false);
}

long sys_writev(unsigned fd, uintptr_t vec, size_t n)
{
	return rw_vec(fd, vec, n, NULL, true);
}

long sys_preadv(unsigned fd, uintptr_t vec, size_t n, int64_t pos)
{
	return rw_vec(fd, vec, n, &pos, false);
}

long sys_pwritev(unsigned fd, uintptr_t vec, size_t n, int64_t pos)
{
	return rw_vec(fd, vec, n, &pos, true);
}

/*
 * Position -1 is the file's own. Of the flags, those that promise more than plain calls are known.
 */
static long rw_flags(unsigned fd, uintptr_t vec, size_t n, int64_t pos, unsigned flags,
                     bool writing)
{
	if (flags & ~(unsigned)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC))
		return -EOPNOTSUPP;
	return rw_vec(fd, vec, n, pos == -1 ? NULL : &pos, writing);
}

long sys_preadv2(unsigned fd, uintptr_t vec, size_t n, int64_t pos, uint64_t high, unsigned flags)
{
	(void)high; /* of the position, on machines with small words */
	return rw_flags(fd, vec, n, pos, flags, false);
}

long sys_pwritev2(unsigned fd, uintptr_t vec, size_t n, int64_t pos, uint64_t high, unsigned flags)
{
	(void)high;
	return rw_flags(fd, vec, n, pos, flags, true);
}
