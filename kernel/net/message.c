/*
 * message.c: sending and receiving.
 *
 * What is sent at a time becomes one or, of a stream, several messages at the end of the receiver's
 * queue. A receiver holds socket->reading from looking at the first message to taking it, so that
 * it can copy to the memory of its program in between, and what cannot be copied is not lost.
 *
 * Messages are memory that cannot be paged out. A sender may fill a queue up to its SO_SNDBUF; when
 * all queues together are too long, no further than the first page.
 *
 * Open files can be on their way in messages, sockets among them. A socket in its own queue, or in
 * a queue that is in its own, would never be closed: such rights are refused when they are sent.
 */
#include "net.h"

#define CHUNK      (PAGE_SIZE - sizeof(struct message)) /* of a stream: a message is a page */
#define MAX_FLIGHT 4096u                                /* open files in all messages */
#define MAX_NESTS  4u                                   /* sockets in queues of sockets in queues */
#define OVERHEAD   32u /* of a datagram in SO_SNDBUF, as on Linux */

static size_t total_queued; /* under net_lock, as the next */
static unsigned nr_in_flight;

/* ---------------------------------------------------------------- messages ------------------ */

static size_t memory_of(size_t len)
{
	return sizeof(struct message) + len;
}

static struct message *message_new(size_t len)
{
	size_t size = memory_of(len);
	struct message *m = size <= PAGE_SIZE ? kmalloc(size) : vmalloc(size);

	if (!m)
		return NULL;
	m->size = size;
	m->len = len;
	m->cred = ucred_current();
	return m;
}

void rights_free(struct rights *rights)
{
	if (!rights)
		return;
	for (unsigned i = 0; i < rights->n; i++)
		file_put(rights->file[i]);
	kfree(rights);
}

static void message_free(struct message *m)
{
	rights_free(m->rights);
	kfree(m->from);
	if (m->size <= PAGE_SIZE)
		kfree(m);
	else
		vfree(m);
}

void messages_free(struct list *messages)
{
	while (!list_empty(messages)) {
		struct message *m = list_first(messages, struct message, node);

		list_remove(&m->node);
		if (m->rights) {
			spin_lock(&net_lock);
			nr_in_flight -= m->rights->n;
			spin_unlock(&net_lock);
		}
		message_free(m);
	}
}

/* ---------------------------------------------------------------- room; net_lock held ------- */

static size_t queue_limit(const struct socket *sender)
{
	return total_queued > vm_nr_frames() / 8 * PAGE_SIZE ? PAGE_SIZE : sender->sndbuf;
}

static bool fits(const struct socket *s, const struct socket *to, size_t size)
{
	return list_empty(&to->messages) || to->queued + size <= queue_limit(s);
}

/* As on Linux, not before much of it is free. */
bool socket_has_room(const struct socket *s)
{
	const struct socket *to = s->peer;

	return !to || to->closed || list_empty(&to->messages) || to->queued <= queue_limit(s) / 4;
}

void socket_forget_queue(struct socket *s)
{
	total_queued -= s->queued;
	s->queued = 0;
}

/* ---------------------------------------------------------------- rights on their way ------- */

static bool leads_to(const struct socket *from, const struct socket *to, unsigned depth);

static bool rights_lead_to(const struct rights *rights, const struct socket *to, unsigned depth)
{
	for (unsigned i = 0; i < rights->n; i++) {
		const struct socket *s = socket_of(rights->file[i]);

		if (s && leads_to(s, to, depth))
			return true;
	}
	return false;
}

/* Is `to` this socket, or in its queue or backlog, at any depth? Too deep is as bad. */
static bool leads_to(const struct socket *from, const struct socket *to, unsigned depth)
{
	const struct message *m;
	const struct socket *s;

	if (from == to || depth > MAX_NESTS)
		return true;
	list_for_each (m, &from->messages, node)
		if (m->rights && rights_lead_to(m->rights, to, depth + 1))
			return true;
	list_for_each (s, &from->backlog, waiting)
		if (leads_to(s, to, depth))
			return true;
	return false;
}

/* May they go there? Counts them. */
static bool take_off(const struct rights *rights, const struct socket *to)
{
	if (!rights)
		return true;
	if (nr_in_flight + rights->n > MAX_FLIGHT || rights_lead_to(rights, to, 1))
		return false;
	nr_in_flight += rights->n;
	return true;
}

/* ---------------------------------------------------------------- sending ------------------- */

/* Does the state of the two ends forbid it? net_lock held. */
static int check_ends(const struct socket *s, const struct socket *to)
{
	bool connects = socket_connects(s);

	if (s->shut & SHUT_SEND)
		return -EPIPE;
	if (to->closed)
		return connects ? -EPIPE : -ECONNREFUSED;
	if (to->shut & SHUT_RECEIVE)
		return -EPIPE;
	if (!connects && to->peer && to->peer != s)
		return -EPERM;
	return 0;
}

static long try_deliver(const struct socket *s, struct socket *to, struct message *m)
{
	long err;

	spin_lock(&net_lock);
	err = check_ends(s, to);
	if (!err && !fits(s, to, m->size))
		err = -EAGAIN;
	if (!err && !take_off(m->rights, to))
		err = -ETOOMANYREFS;
	if (!err) {
		list_append(&to->messages, &m->node);
		to->queued += m->size;
		total_queued += m->size;
		wake_events(&to->q, POLLIN | POLLRDNORM);
	}
	spin_unlock(&net_lock);
	return err;
}

/* Streams wait for room on their own queue, as they poll for it; others on that of the receiver. */
static long deliver(struct socket *s, struct socket *to, struct message *m, uint64_t deadline)
{
	struct waitq *q = socket_connects(s) ? &s->q : &to->room;
	long err = socket_wait(q, deadline, try_deliver(s, to, m));

	if (err)
		message_free(m);
	return err;
}

/* The other end, referenced, if there is nothing to report first. */
static int peer_get(struct socket *s, struct socket **to)
{
	int err;

	spin_lock(&net_lock);
	err = socket_take_error(s);
	if (!err && !s->peer)
		err = s->shut & SHUT_SEND ? -EPIPE : s->family->not_connected;
	if (!err)
		*to = socket_get(s->peer);
	spin_unlock(&net_lock);
	return err;
}

static struct rights *take_rights(struct extra *x)
{
	struct rights *rights = x->rights;

	x->rights = NULL;
	return rights;
}

/* With what goes along. NULL: no memory. */
static struct message *message_make(size_t len, struct extra *x)
{
	struct message *m = message_new(len);

	if (!m)
		return NULL;
	if (x->has_cred)
		m->cred = x->cred;
	m->rights = take_rights(x);
	return m;
}

static long send_stream(struct file *file, struct socket *to, struct uvec *u, struct extra *x,
                        uint64_t deadline)
{
	long sum = 0, err = 0;

	while (u->left && !err) {
		size_t n = MIN(u->left, CHUNK);
		struct message *m = message_make(n, x);

		if (!m) {
			err = -ENOMEM;
			break;
		}
		err = uvec_copy(u, m->data, n, true);
		if (err) {
			message_free(m);
			break;
		}
		err = deliver(file->data, to, m, deadline);
		if (!err) {
			uvec_advance(u, n);
			sum += (long)n;
		}
	}
	return sum ? sum : err;
}

/* With the name of its sender. */
static struct message *datagram_make(struct socket *s, struct uvec *u, struct extra *x, int *err)
{
	struct message *m = message_make(u->left, x);

	*err = m ? uvec_copy(u, m->data, u->left, true) : -ENOMEM;
	if (!*err && s->name.len && !socket_connects(s)) {
		m->from = kmalloc(sizeof(*m->from));
		if (m->from)
			*m->from = s->name;
		else
			*err = -ENOMEM;
	}
	if (*err && m) {
		message_free(m);
		m = NULL;
	}
	return m;
}

static long send_datagram(struct file *file, struct socket *to, struct uvec *u, struct extra *x,
                          uint64_t deadline)
{
	struct socket *s = file->data;
	size_t limit, n = u->left;
	struct message *m;
	int err;

	spin_lock(&net_lock);
	limit = queue_limit(s);
	spin_unlock(&net_lock);
	if (n > s->sndbuf - OVERHEAD)
		return -EMSGSIZE;
	if (memory_of(n) > MAX(limit, PAGE_SIZE))
		return -ENOBUFS;
	m = datagram_make(s, u, x, &err);
	if (!m)
		return err;
	err = (int)deliver(s, to, m, deadline);
	return err ? err : (long)n;
}

/* Where a datagram goes to: NULL without an error is nowhere. */
static int destination(struct socket *s, const struct extra *x, struct socket **to)
{
	int err;

	*to = NULL;
	if (!x->name.len || socket_connects(s)) {
		err = peer_get(s, to);
		return err == -EPIPE && !s->shut ? -EDESTADDRREQ : err;
	}
	if (s->family->autobind(s))
		return -EAGAIN;
	err = s->family->find(s, &x->name, to);
	return err == -ECONNREFUSED && s->family == &inet_family ? 0 : err;
}

long socket_send(struct file *file, struct uvec *u, struct extra *x, unsigned flags)
{
	struct socket *s = file->data, *to;
	uint64_t deadline = socket_deadline(file, flags, s->sndtimeo);
	long result;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (socket_is_stream(s) && x->name.len && s->family == &unix_family)
		return s->state == SOCKET_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	result = socket_is_stream(s) ? peer_get(s, &to) : destination(s, x, &to);
	if (!result && !to)
		return (long)u->left; /* lost, as on a network */
	if (!result) {
		result = socket_is_stream(s) ? send_stream(file, to, u, x, deadline)
		                             : send_datagram(file, to, u, x, deadline);
		socket_put(to);
	}
	if (result == -EPIPE && socket_is_stream(s) && !(flags & MSG_NOSIGNAL)) {
		spin_lock(&proc_lock);
		signal_thread(current, SIGPIPE, NULL);
		spin_unlock(&proc_lock);
	}
	return result;
}

long socket_write(struct file *file, const void *buf, size_t n, uint64_t *pos)
{
	struct socket *s = file->data, *to;
	struct message *m;
	long err;

	(void)pos;
	err = peer_get(s, &to);
	if (err)
		return err;
	if (socket_is_stream(s))
		n = MIN(n, CHUNK);
	m = message_new(n);
	err = -ENOMEM;
	if (m) {
		memcpy(m->data, buf, n);
		err = deliver(s, to, m, socket_deadline(file, 0, s->sndtimeo));
	}
	socket_put(to);
	return err ? err : (long)n;
}

/* ---------------------------------------------------------------- receiving; reading held --- */

/* The one after m, or the first; NULL: there is none. */
static struct message *message_after(struct socket *s, struct message *m)
{
	struct list *next;

	spin_lock(&net_lock);
	next = m ? m->node.next : s->messages.next;
	spin_unlock(&net_lock);
	return next == &s->messages ? NULL : list_item(next, struct message, node);
}

static void message_remove(struct socket *s, struct message *m)
{
	spin_lock(&net_lock);
	list_remove(&m->node);
	s->queued -= m->size;
	total_queued -= m->size;
	if (socket_connects(s) && s->peer && socket_has_room(s->peer))
		wake_events(&s->peer->q, POLLOUT | POLLWRNORM);
	wake_all(&s->room);
	spin_unlock(&net_lock);
	message_free(m);
}

static struct rights *rights_copy(const struct rights *rights)
{
	struct rights *copy = kmalloc(sizeof(*copy) + rights->n * sizeof(*copy->file));

	if (!copy)
		return NULL;
	copy->n = rights->n;
	for (unsigned i = 0; i < rights->n; i++)
		copy->file[i] = file_get(rights->file[i]);
	return copy;
}

/* What came with the data, which who only peeks leaves there. */
static void take_extra(struct message *m, struct extra *x, bool peek)
{
	x->cred = m->cred;
	x->has_cred = true;
	if (m->from)
		x->name = *m->from;
	if (!m->rights)
		return;
	if (peek) {
		x->rights = rights_copy(m->rights);
		return;
	}
	spin_lock(&net_lock);
	x->rights = m->rights;
	m->rights = NULL; /* others look at it to find circles */
	nr_in_flight -= x->rights->n;
	spin_unlock(&net_lock);
}

/* Bytes of several messages do not mix if that could hide who has sent them. */
static bool is_other_sender(const struct socket *s, const struct extra *x, const struct message *m)
{
	return x->has_cred && socket_option(s, SO_PASSCRED) &&
	       memcmp(&x->cred, &m->cred, sizeof(m->cred)) != 0;
}

static long take_stream(struct socket *s, struct uvec *u, struct extra *x, bool peek)
{
	struct message *m = NULL;
	long sum = 0;

	while (u->left && !x->rights) {
		size_t n;
		int err;

		m = message_after(s, peek ? m : NULL);
		if (!m || is_other_sender(s, x, m))
			break;
		n = MIN(u->left, m->len - m->done);
		err = uvec_copy(u, m->data + m->done, n, false);
		if (err)
			return sum ? sum : err;
		uvec_advance(u, n);
		sum += (long)n;
		take_extra(m, x, peek);
		if (peek)
			continue;
		m->done += n;
		if (m->done == m->len)
			message_remove(s, m);
	}
	return sum || !u->left ? sum : -EAGAIN;
}

/* What does not fit is lost. */
static long take_datagram(struct socket *s, struct uvec *u, struct extra *x, unsigned flags)
{
	struct message *m = message_after(s, NULL);
	size_t len, n;
	int err;

	if (!m)
		return -EAGAIN;
	len = m->len;
	n = MIN(u->left, len);
	err = uvec_copy(u, m->data, n, false);
	if (err)
		return err;
	if (n < len)
		x->flags |= MSG_TRUNC;
	take_extra(m, x, flags & MSG_PEEK);
	if (!(flags & MSG_PEEK))
		message_remove(s, m);
	return (long)(flags & MSG_TRUNC ? len : n);
}

/* ---------------------------------------------------------------- receiving ----------------- */

/* Without a message: why there will be none, 0: it is the end, or -EAGAIN. 1: there is one. */
static long look(struct socket *s)
{
	long result = -EAGAIN;

	spin_lock(&net_lock);
	if (!list_empty(&s->messages))
		result = 1;
	else if (s->error)
		result = socket_take_error(s);
	else if (socket_connects(s) && s->state != SOCKET_CONNECTED)
		result = s->family == &unix_family && socket_is_stream(s) ? -EINVAL : -ENOTCONN;
	else if (s->shut & SHUT_RECEIVE)
		result = 0;
	spin_unlock(&net_lock);
	return result;
}

static long take(struct socket *s, struct uvec *u, struct extra *x, unsigned flags)
{
	long got;

	mutex_lock(&s->reading);
	got = socket_is_stream(s) ? take_stream(s, u, x, flags & MSG_PEEK)
	                          : take_datagram(s, u, x, flags);
	mutex_unlock(&s->reading);
	return got;
}

long socket_receive(struct file *file, struct uvec *u, struct extra *x, unsigned flags)
{
	struct socket *s = file->data;
	uint64_t deadline = socket_deadline(file, flags, s->rcvtimeo);
	bool all = socket_is_stream(s) && (flags & MSG_WAITALL) && !(flags & MSG_PEEK);
	long sum = 0, got, more;

	if (flags & MSG_OOB)
		return s->family == &unix_family ? -EOPNOTSUPP : -EINVAL;
	for (;;) {
		got = take(s, u, x, flags);
		if (got > 0)
			sum += got;
		if (got != -EAGAIN && (got <= 0 || !all || !u->left || x->rights))
			break;
		more = socket_wait(&s->q, deadline, look(s));
		if (more <= 0) {
			got = more;
			break;
		}
	}
	return sum ? sum : got;
}
