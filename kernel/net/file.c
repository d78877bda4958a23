/*
 * file.c: sockets as open files, and how they come and go.
 */
#include <asm/ioctls.h>

#include "net.h"

/* ---------------------------------------------------------------- the end ------------------- */

static void move_list(struct list *from, struct list *to)
{
	list_init(to);
	while (!list_empty(from)) {
		struct list *first = from->next;

		list_remove(first);
		list_append(to, first);
	}
}

/* The other end of a connection learns of it, and if something was lost, of that. net_lock held. */
static void leave_peer(struct socket *s, bool accepted)
{
	struct socket *peer = s->peer;

	if (!peer || !socket_connects(s))
		return;
	peer->shut = SHUT_BOTH;
	if (!list_empty(&s->messages) || !accepted)
		peer->error = ECONNRESET;
	wake_all(&peer->q);
}

static void close_end(struct socket *s, bool accepted)
{
	struct list messages, backlog;
	struct socket *peer;

	spin_lock(&net_lock);
	s->closed = true;
	s->shut = SHUT_BOTH;
	list_remove(&s->bound);
	leave_peer(s, accepted);
	peer = s->peer;
	s->peer = NULL;
	move_list(&s->messages, &messages);
	socket_forget_queue(s);
	move_list(&s->backlog, &backlog);
	wake_all(&s->room);
	spin_unlock(&net_lock);
	socket_put(peer);
	messages_free(&messages);
	while (!list_empty(&backlog)) {
		struct socket *made = list_first(&backlog, struct socket, waiting);

		list_remove(&made->waiting);
		close_end(made, false);
		socket_put(made);
	}
}

void socket_close(struct socket *s)
{
	close_end(s, true);
}

/* ---------------------------------------------------------------- as files ------------------ */

/* net_lock held. */
static unsigned poll_connecting(const struct socket *s)
{
	unsigned events = 0;

	if (s->state == SOCKET_LISTENING)
		return list_empty(&s->backlog) ? 0 : POLLIN | POLLRDNORM;
	if (s->shut == SHUT_BOTH || s->state == SOCKET_NEW)
		events |= POLLHUP;
	if (socket_has_room(s))
		events |= POLLOUT | POLLWRNORM;
	return events;
}

static unsigned socket_poll(struct file *file, struct poll_table *table)
{
	struct socket *s = file->data;
	unsigned events;

	poll_wait(table, &s->q);
	spin_lock(&net_lock);
	events = socket_connects(s) ? poll_connecting(s) : POLLOUT | POLLWRNORM;
	if (s->error)
		events |= POLLERR;
	if (s->shut & SHUT_RECEIVE)
		events |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (!list_empty(&s->messages))
		events |= POLLIN | POLLRDNORM;
	spin_unlock(&net_lock);
	return events;
}

static long socket_transfer(struct file *file, struct uvec *u, bool writing)
{
	struct extra x = {.flags = 0};
	long result;

	if (writing)
		return socket_send(file, u, &x, 0);
	result = u->left ? socket_receive(file, u, &x, 0) : 0;
	rights_free(x.rights);
	return result;
}

/* What one read would get, but for a stream all there is. */
static long bytes_ready(struct socket *s, uintptr_t to)
{
	const struct message *m;
	size_t sum = 0;
	int n;

	spin_lock(&net_lock);
	list_for_each (m, &s->messages, node) {
		sum += m->len - m->done;
		if (!socket_is_stream(s))
			break;
	}
	spin_unlock(&net_lock);
	n = (int)sum;
	return user_put(to, n);
}

static long socket_ioctl(struct file *file, unsigned cmd, uintptr_t arg)
{
	struct socket *s = file->data;

	if (cmd != FIONREAD)
		return -ENOTTY;
	return s->state == SOCKET_LISTENING ? -EINVAL : bytes_ready(s, arg);
}

static void socket_release(struct file *file)
{
	socket_close(file->data);
	socket_put(file->data);
}

static const struct file_ops socket_fops = {.transfer = socket_transfer,
                                            .write = socket_write,
                                            .poll = socket_poll,
                                            .ioctl = socket_ioctl,
                                            .release = socket_release,
                                            .stream = true};

int socket_install(struct socket *s, unsigned flags)
{
	return anon_socket(&socket_fops, s, flags);
}

/* ---------------------------------------------------------------- system calls -------------- */

#define SOCK_FLAGS (O_CLOEXEC | O_NONBLOCK)

static int check_kind(int number, int type, int protocol, const struct family **family)
{
	unsigned flags = (unsigned)type & ~(unsigned)SOCK_TYPE_MASK;
	bool known;

	type &= SOCK_TYPE_MASK;
	if (flags & ~SOCK_FLAGS)
		return -EINVAL;
	known = type == SOCK_STREAM || type == SOCK_DGRAM;
	switch (number) {
	case AF_UNIX:
		*family = &unix_family;
		if (protocol && protocol != AF_UNIX)
			return -EPROTONOSUPPORT;
		return known || type == SOCK_SEQPACKET ? 0 : -ESOCKTNOSUPPORT;
	case AF_INET:
		*family = &inet_family;
		if (!known)
			return -ESOCKTNOSUPPORT;
		if (protocol && protocol != (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
			return -EPROTONOSUPPORT;
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

static int open_socket(struct socket *s, unsigned flags)
{
	int fd = socket_install(s, flags);

	if (fd < 0) {
		socket_close(s);
		socket_put(s);
	}
	return fd;
}

long sys_socket(int number, int type, int protocol)
{
	const struct family *family;
	struct socket *s;
	int err = check_kind(number, type, protocol, &family);

	if (err)
		return err;
	s = socket_new(family, type & SOCK_TYPE_MASK);
	return s ? open_socket(s, (unsigned)type & SOCK_FLAGS) : -ENOMEM;
}

/* Two that know each other; they have no names. */
static int new_pair(int type, struct socket *s[2])
{
	s[0] = socket_new(&unix_family, type);
	s[1] = socket_new(&unix_family, type);
	if (!s[0] || !s[1]) {
		socket_put(s[0]);
		socket_put(s[1]);
		return -ENOMEM;
	}
	spin_lock(&net_lock);
	socket_pair(s[0], s[1]);
	s[0]->of_peer = s[1]->of_peer = ucred_current();
	spin_unlock(&net_lock);
	return 0;
}

long sys_socketpair(int number, int type, int protocol, uintptr_t fds)
{
	const struct family *family;
	struct socket *s[2];
	int fd[2], err = check_kind(number, type, protocol, &family);

	if (!err && family != &unix_family)
		err = -EOPNOTSUPP;
	if (!err)
		err = new_pair(type & SOCK_TYPE_MASK, s);
	if (err)
		return err;
	for (unsigned i = 0; i < 2; i++)
		fd[i] = open_socket(s[i], (unsigned)type & SOCK_FLAGS);
	err = MIN(MIN(fd[0], fd[1]), 0);
	if (!err)
		err = user_put(fds, fd);
	for (unsigned i = 0; i < 2; i++)
		if (err && fd[i] >= 0)
			fd_close(current->proc, fd[i]);
	return err;
}
