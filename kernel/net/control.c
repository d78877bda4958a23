/*
 * control.c: the control data of sendmsg() and recvmsg(): open files and credentials.
 *
 * It is a row of headers, each with its data behind it.
 */
#include "net.h"

struct control {
	size_t len; /* with this header */
	int level, type;
};

#define ALIGNMENT sizeof(size_t)

/* ---------------------------------------------------------------- sending ------------------- */

static int add_files(struct extra *x, const int *fd, size_t n)
{
	struct rights *r = x->rights;

	if (!r)
		r = kmalloc(sizeof(*r) + MAX_RIGHTS * sizeof(*r->file));
	if (!r)
		return -ENOMEM;
	x->rights = r;
	if (n > MAX_RIGHTS - r->n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		struct file *file = fd_get(fd[i]);

		if (!file || (file->flags & O_PATH)) {
			if (file)
				file_put(file);
			return -EBADF;
		}
		r->file[r->n++] = file;
	}
	return 0;
}

static bool is_one_of(const struct ids *ids, unsigned id)
{
	return id == ids->real || id == ids->effective || id == ids->saved;
}

/* Nobody may say to be somebody else, but who could become that. */
static int set_cred(struct extra *x, const struct ucred *cred)
{
	const struct proc *p = current->proc;

	if ((cred->pid != p->pid && !capable(CAP_SYS_ADMIN)) ||
	    (!is_one_of(&p->cred.uid, cred->uid) && !capable(CAP_SETUID)) ||
	    (!is_one_of(&p->cred.gid, cred->gid) && !capable(CAP_SETGID)))
		return -EPERM;
	x->cred = *cred;
	x->has_cred = true;
	return 0;
}

static int read_one(struct extra *x, const struct control *c)
{
	const void *data = c + 1;
	size_t n = c->len - sizeof(*c);

	if (c->level != SOL_SOCKET)
		return 0;
	switch (c->type) {
	case SCM_RIGHTS:
		return add_files(x, data, n / sizeof(int));
	case SCM_CREDENTIALS:
		return n == sizeof(struct ucred) ? set_cred(x, data) : -EINVAL;
	default:
		return -EINVAL;
	}
}

int control_read(struct extra *x, uintptr_t from, size_t n)
{
	char *buf;
	size_t at = 0;
	int err;

	if (!n)
		return 0;
	if (n > PAGE_SIZE)
		return -ENOBUFS;
	buf = kmalloc(PAGE_SIZE);
	if (!buf)
		return -ENOMEM;
	err = user_read(buf, from, n);
	while (!err && at < n && n - at >= sizeof(struct control)) {
		const struct control *c = (const struct control *)(buf + at);

		if (c->len < sizeof(*c) || c->len > n - at)
			err = -EINVAL;
		else
			err = read_one(x, c);
		at += ALIGN_UP(c->len, ALIGNMENT);
	}
	kfree(buf);
	return err;
}

/* ---------------------------------------------------------------- receiving ----------------- */

/* One header with its data; what does not fit is cut off. Returns where the next one goes. */
static size_t write_one(struct extra *x, uintptr_t to, size_t room, int type, const void *data,
                        size_t n)
{
	struct control c = {.len = sizeof(c) + n, .level = SOL_SOCKET, .type = type};

	if (room < sizeof(c)) {
		x->flags |= MSG_CTRUNC;
		return 0;
	}
	if (room < c.len) {
		x->flags |= MSG_CTRUNC;
		c.len = room;
	}
	if (user_put(to, c) || user_write(to + sizeof(c), data, c.len - sizeof(c)))
		return 0;
	return MIN(ALIGN_UP(c.len, ALIGNMENT), room);
}

/* As many as there is room for get descriptors. */
static size_t write_rights(struct extra *x, uintptr_t to, size_t room, unsigned flags)
{
	size_t fit =
	    room > sizeof(struct control) ? (room - sizeof(struct control)) / sizeof(int) : 0;
	unsigned n = (unsigned)MIN(fit, x->rights->n), done = 0;
	int fd[MAX_RIGHTS];

	while (done < n) {
		struct file *file = x->rights->file[done];

		fd[done] = fd_install(file_get(file), flags & MSG_CMSG_CLOEXEC ? O_CLOEXEC : 0, 0);
		if (fd[done] < 0) {
			file_put(file);
			break;
		}
		done++;
	}
	if (done < x->rights->n)
		x->flags |= MSG_CTRUNC;
	return done ? write_one(x, to, room, SCM_RIGHTS, fd, done * sizeof(*fd)) : 0;
}

size_t control_write(struct extra *x, bool want_cred, uintptr_t to, size_t n, unsigned flags)
{
	size_t used = 0;

	if (want_cred && x->has_cred)
		used = write_one(x, to, n, SCM_CREDENTIALS, &x->cred, sizeof(x->cred));
	if (x->rights)
		used += write_rights(x, to + used, n - used, flags);
	rights_free(x->rights);
	x->rights = NULL;
	return used;
}
