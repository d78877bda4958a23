/*
 * connect.c: names and connections: bind, listen, connect, accept, shutdown, getsockname.
 *
 * connect() makes the socket of the other end, so that both are connected at once, and leaves it to
 * be accepted.
 */
#include "net.h"

#define MAX_BACKLOG 4096u

/* ---------------------------------------------------------------- names --------------------- */

/* Bind, but once. */
static int give_name(struct socket *s, struct address *a)
{
	int err = 0;

	mutex_lock(&s->reading); /* of two threads one is the first */
	if (s->name.len)
		err = -EINVAL;
	else
		err = a ? s->family->bind(s, a) : s->family->autobind(s);
	mutex_unlock(&s->reading);
	return err;
}

long sys_bind(int fd, uintptr_t addr, unsigned len)
{
	struct address a;
	struct socket *s;
	struct file *file;
	int err = socket_from_fd(fd, &file, &s);

	if (err)
		return err;
	err = address_read(s, &a, addr, len);
	if (!err)
		err = give_name(s, &a);
	file_put(file);
	return err;
}

static void autobind(struct socket *s)
{
	if (!s->name.len)
		give_name(s, NULL);
}

/* One without a name still has a family. */
static struct address shown(const struct socket *s, const struct address *a)
{
	struct address none = {.len = sizeof(none.family),
	                       .family = (unsigned short)s->family->number};

	if (a && a->len)
		return *a;
	if (s->family == &inet_family)
		none.len = sizeof(none.in);
	return none;
}

long sys_getsockname(int fd, uintptr_t addr, uintptr_t len)
{
	struct address a;
	struct socket *s;
	struct file *file;
	int err = socket_from_fd(fd, &file, &s);

	if (err)
		return err;
	spin_lock(&net_lock);
	a = shown(s, &s->name);
	spin_unlock(&net_lock);
	file_put(file);
	return address_write(&a, addr, len);
}

long sys_getpeername(int fd, uintptr_t addr, uintptr_t len)
{
	struct address a;
	struct socket *s;
	struct file *file;
	int err = socket_from_fd(fd, &file, &s);

	if (err)
		return err;
	spin_lock(&net_lock);
	if (s->peer)
		a = shown(s, &s->peer->name);
	else
		err = -ENOTCONN;
	spin_unlock(&net_lock);
	file_put(file);
	return err ? err : address_write(&a, addr, len);
}

/* ---------------------------------------------------------------- listen, accept ------------ */

static int start_listening(struct socket *s, int backlog)
{
	int err;

	if (!socket_connects(s))
		return -EOPNOTSUPP;
	if (s->family == &inet_family)
		autobind(s);
	spin_lock(&net_lock);
	err = s->state == SOCKET_CONNECTED || s->shut ? -EINVAL : s->family->may_listen(s);
	if (!err) {
		s->state = SOCKET_LISTENING;
		s->max_backlog = MIN((unsigned)backlog, MAX_BACKLOG);
		s->cred = ucred_current();
		wake_all(&s->room);
	}
	spin_unlock(&net_lock);
	return err;
}

long sys_listen(int fd, int backlog)
{
	struct socket *s;
	struct file *file;
	int err = socket_from_fd(fd, &file, &s);

	if (err)
		return err;
	err = start_listening(s, backlog);
	file_put(file);
	return err;
}

/* The next of the backlog, with the backlog's reference. */
static long try_accept(struct socket *s, struct socket **out)
{
	long err = -EAGAIN;

	spin_lock(&net_lock);
	if (s->state != SOCKET_LISTENING || (s->shut & SHUT_RECEIVE)) {
		err = -EINVAL;
	} else if (!list_empty(&s->backlog)) {
		*out = list_first(&s->backlog, struct socket, waiting);
		list_remove(&(*out)->waiting);
		s->nr_backlog--;
		wake_all(&s->room);
		err = 0;
	}
	spin_unlock(&net_lock);
	return err;
}

static struct address peer_name(struct socket *s)
{
	struct address a;

	spin_lock(&net_lock);
	a = shown(s, s->peer ? &s->peer->name : NULL);
	spin_unlock(&net_lock);
	return a;
}

static long do_accept(struct file *file, struct socket *s, uintptr_t addr, uintptr_t len,
                      unsigned flags)
{
	struct address a;
	struct socket *made;
	long fd;
	int err = 0;

	fd = fd_available(); /* before a connection is taken */
	if (fd)
		return fd;
	if (!socket_connects(s))
		return -EOPNOTSUPP;
	fd = socket_wait(&s->q, socket_deadline(file, 0, s->rcvtimeo), try_accept(s, &made));
	if (fd)
		return fd;
	a = peer_name(made);
	fd = socket_install(made, flags);
	if (fd < 0) {
		socket_close(made);
		socket_put(made);
		return fd;
	}
	if (addr)
		err = address_write(&a, addr, len);
	if (err)
		fd_close(current->proc, (int)fd);
	return err ? err : fd;
}

long sys_accept4(int fd, uintptr_t addr, uintptr_t len, unsigned flags)
{
	struct socket *s;
	struct file *file;
	long result;

	if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	result = socket_from_fd(fd, &file, &s);
	if (result)
		return result;
	result = do_accept(file, s, addr, len, flags);
	file_put(file);
	return result;
}

long sys_accept(int fd, uintptr_t addr, uintptr_t len)
{
	return sys_accept4(fd, addr, len, 0);
}

/* ---------------------------------------------------------------- connect ------------------- */

/* `made` becomes the other end of s and joins the backlog, which takes over the reference. */
static long try_connect(struct socket *s, struct socket *to, const struct address *a,
                        struct socket *made)
{
	long err = 0;

	spin_lock(&net_lock);
	if (s->state == SOCKET_CONNECTED)
		err = -EISCONN;
	else if (s->state == SOCKET_LISTENING)
		err = s->family == &inet_family ? -EISCONN : -EINVAL;
	else if (to->closed || to->state != SOCKET_LISTENING || (to->shut & SHUT_RECEIVE))
		err = -ECONNREFUSED;
	else if (to->nr_backlog > to->max_backlog)
		err = -EAGAIN;
	if (!err) {
		s->family->connected(s, to, a, made);
		socket_pair(s, made);
		s->cred = made->of_peer = ucred_current();
		s->of_peer = to->cred;
		made->options = to->options;
		made->rcvbuf = (size_t)to->rcvbuf;
		made->sndbuf = (size_t)to->sndbuf;
		list_append(&to->backlog, &made->waiting);
		to->nr_backlog++;
		wake_events(&to->q, POLLIN | POLLRDNORM);
		wake_all(&s->q);
	}
	spin_unlock(&net_lock);
	return err;
}

static long connect_stream(struct file *file, struct socket *s, const struct address *a)
{
	struct socket *to, *made;
	long err;

	if (s->state == SOCKET_CONNECTED)
		return -EISCONN;
	err = s->family->find(s, a, &to);
	if (err)
		return err;
	autobind(s);
	made = socket_new(s->family, s->type);
	err = -ENOMEM;
	if (made)
		err = socket_wait(&to->room, socket_deadline(file, 0, s->sndtimeo),
		                  try_connect(s, to, a, made));
	if (err)
		socket_put(made);
	socket_put(to);
	return err;
}

/* Where datagrams go that say nothing else, and the only one that they may come from. */
static long connect_datagrams(struct socket *s, const struct address *a)
{
	struct socket *to = NULL, *old;
	long err = 0;

	if (a->family != AF_UNSPEC) {
		err = s->family->find(s, a, &to);
		if (err)
			return err;
		autobind(s);
	}
	spin_lock(&net_lock);
	if (to && s->family == &unix_family && to->peer && to->peer != s)
		err = -EPERM;
	old = err ? to : s->peer;
	if (!err) {
		s->peer = to;
		s->state = to ? SOCKET_CONNECTED : SOCKET_NEW;
		if (to)
			s->family->connected(s, to, a, NULL);
	}
	spin_unlock(&net_lock);
	socket_put(old);
	return err;
}

static int read_unspec(struct address *a, uintptr_t from, unsigned len)
{
	*a = (struct address){.len = 0};
	if (len < sizeof(a->family) || len > sizeof(struct __kernel_sockaddr_storage))
		return -EINVAL;
	return user_read(&a->family, from, sizeof(a->family));
}

long sys_connect(int fd, uintptr_t addr, unsigned len)
{
	struct address a;
	struct socket *s;
	struct file *file;
	long err = socket_from_fd(fd, &file, &s);

	if (err)
		return err;
	err = read_unspec(&a, addr, len);
	if (!err && (socket_connects(s) || a.family != AF_UNSPEC))
		err = address_read(s, &a, addr, len);
	if (!err)
		err = socket_connects(s) ? connect_stream(file, s, &a) : connect_datagrams(s, &a);
	file_put(file);
	return err;
}

/* ---------------------------------------------------------------- shutdown ------------------ */

static int do_shutdown(struct socket *s, unsigned how)
{
	struct socket *peer;
	int err = 0;

	spin_lock(&net_lock);
	peer = socket_connects(s) ? s->peer : NULL;
	if (s->family == &inet_family && s->state == SOCKET_NEW) {
		err = -ENOTCONN;
	} else {
		s->shut |= how;
		if (peer)
			peer->shut |=
			    (how & SHUT_SEND ? SHUT_RECEIVE : 0) |
			    (how & SHUT_RECEIVE && s->family == &unix_family ? SHUT_SEND : 0);
		wake_all(&s->q);
		wake_all(&s->room);
		if (peer)
			wake_all(&peer->q);
	}
	spin_unlock(&net_lock);
	return err;
}

long sys_shutdown(int fd, int how)
{
	struct socket *s;
	struct file *file;
	int err = socket_from_fd(fd, &file, &s);

	if (err)
		return err;
	err = how < 0 || how > 2 ? -EINVAL : do_shutdown(s, (unsigned)how + 1);
	file_put(file);
	return err;
}
