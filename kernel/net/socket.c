/*
 * socket.c: what sockets are.
 *
 * Both ends of a connection are sockets of this kernel, whatever their addresses look like: AF_INET
 * is the loopback device alone. So there are no packets: what one end sends is put at the end of
 * the other's queue.
 *
 * An open file has its socket, a connected one its peer, a listening one those that nobody has
 * accepted yet. Peers have each other: that circle ends when the file of each is closed.
 */
#include "net.h"

#define DEFAULT_BUFFER 212992u

struct spin net_lock;
struct list bound_sockets = LIST_INIT(bound_sockets);

/* ---------------------------------------------------------------- coming and going ---------- */

struct ucred ucred_current(void)
{
	const struct proc *p = current->proc;

	return (struct ucred){.pid = p->pid,
	                      .uid = p->cred.uid.effective,
	                      .gid = p->cred.gid.effective};
}

struct socket *socket_new(const struct family *family, int type)
{
	struct socket *s = kmalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->family = family;
	s->type = type;
	s->refs = 1;
	waitq_init(&s->q);
	waitq_init(&s->room);
	mutex_init(&s->reading);
	list_init(&s->messages);
	list_init(&s->backlog);
	list_init(&s->waiting);
	list_init(&s->bound);
	s->sndbuf = s->rcvbuf = DEFAULT_BUFFER;
	s->of_peer = (struct ucred){.uid = -1u, .gid = -1u};
	return s;
}

struct socket *socket_get(struct socket *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void socket_put(struct socket *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	inode_put(s->inode);
	kfree(s);
}

void socket_pair(struct socket *a, struct socket *b)
{
	a->peer = socket_get(b);
	b->peer = socket_get(a);
	a->state = b->state = SOCKET_CONNECTED;
}

int socket_take_error(struct socket *s)
{
	int error = s->error;

	s->error = 0;
	return -error;
}

/* ---------------------------------------------------------------- of a file ----------------- */

struct socket *socket_of(const struct file *file)
{
	return anon_socket_data(file);
}

int socket_from_fd(int fd, struct file **file, struct socket **s)
{
	*file = fd_get(fd);
	if (!*file)
		return -EBADF;
	*s = socket_of(*file);
	if (*s)
		return 0;
	file_put(*file);
	return -ENOTSOCK;
}

uint64_t socket_deadline(const struct file *file, unsigned flags, uint64_t timeout)
{
	if ((file->flags & O_NONBLOCK) || (flags & MSG_DONTWAIT))
		return 0;
	return timeout ? deadline_in(timeout) : UINT64_MAX;
}
