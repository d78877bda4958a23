/*
 * address.c: addresses of sockets: from and to programs, and what they mean in each family.
 *
 * A name of AF_UNIX is a file, whose inode is what counts, or, beginning with a 0, a string in a
 * space of its own. One of AF_INET is a port of 127.0.0.0/8, or of all these addresses.
 */
#include "net.h"

#define FIRST_PORT      32768u /* of those that are given to who asks for any */
#define LAST_PORT       60999u
#define FIRST_FREE_PORT 1024u

/* ---------------------------------------------------------------- user memory --------------- */

int address_read(const struct socket *s, struct address *a, uintptr_t from, unsigned len)
{
	memset(a, 0, sizeof(*a));
	if (len > sizeof(struct __kernel_sockaddr_storage))
		return -EINVAL;
	if (user_read(&a->family, from, MIN(len, sizeof(a->un))))
		return -EFAULT;
	a->len = len;
	return s->family->check(a);
}

int address_write(const struct address *a, uintptr_t to, uintptr_t len_at)
{
	unsigned len = a->len;
	int room;

	if (user_get(room, len_at))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (user_write(to, &a->family, MIN((unsigned)room, len)) || user_put(len_at, len))
		return -EFAULT;
	return 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->len == b->len && !memcmp(&a->family, &b->family, a->len);
}

/* ---------------------------------------------------------------- finding ------------------- */

/* net_lock held. */
static bool has_kind(const struct socket *other, const struct socket *s)
{
	return other->family == s->family && other->type == s->type;
}

/* ---------------------------------------------------------------- AF_UNIX ------------------- */

static int unix_check(struct address *a)
{
	if (a->len < sizeof(a->family) || a->len > sizeof(a->un) || a->family != AF_UNIX)
		return -EINVAL;
	if (a->len > UNIX_PATH && a->un.sun_path[0]) { /* a path may or may not have its end */
		a->len = (unsigned)(UNIX_PATH + strnlen(a->un.sun_path, a->len - UNIX_PATH) + 1);
		if (a->len <= sizeof(a->un))
			a->un.sun_path[a->len - UNIX_PATH - 1] = '\0';
	}
	return 0;
}

static bool is_path(const struct address *a)
{
	return a->un.sun_path[0];
}

/* With an end. */
static void copy_path(char *path, const struct address *a)
{
	size_t n = MIN(a->len - UNIX_PATH, sizeof(a->un.sun_path));

	memcpy(path, a->un.sun_path, n);
	path[n] = '\0';
}

/* net_lock held. */
static struct socket *find_abstract(const struct address *a)
{
	struct socket *s;

	list_for_each (s, &bound_sockets, bound)
		if (s->family == &unix_family && address_equal(&s->name, a))
			return s;
	return NULL;
}

/* net_lock held. */
static void be_bound(struct socket *s, const struct address *a)
{
	s->name = *a;
	list_append(&bound_sockets, &s->bound);
}

static int bind_abstract(struct socket *s, const struct address *a)
{
	int err = -EADDRINUSE;

	spin_lock(&net_lock);
	if (!find_abstract(a)) {
		be_bound(s, a);
		err = 0;
	}
	spin_unlock(&net_lock);
	return err;
}

static int bind_path(struct socket *s, const struct address *a)
{
	char path[sizeof(a->un.sun_path) + 1];
	struct inode *inode;
	int err;

	copy_path(path, a);
	err = path_make(path, S_IFSOCK | 0777, 0, &inode);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	spin_lock(&net_lock);
	s->inode = inode;
	be_bound(s, a);
	spin_unlock(&net_lock);
	return 0;
}

/* Any name: five digits. */
static int unix_autobind(struct socket *s)
{
	static _Atomic unsigned last;
	struct address a = {.len = UNIX_PATH + 6, .un.sun_family = AF_UNIX};
	int err = -EADDRINUSE;

	for (unsigned i = 0; err && i <= 0xfffff; i++) {
		snprintf(a.un.sun_path + 1, 6, "%05x", atomic_fetch_add(&last, 1) & 0xfffff);
		err = bind_abstract(s, &a);
	}
	return err;
}

static int unix_bind(struct socket *s, struct address *a)
{
	if (a->len == sizeof(a->family))
		return unix_autobind(s);
	return is_path(a) ? bind_path(s, a) : bind_abstract(s, a);
}

static int no_autobind(struct socket *s)
{
	(void)s;
	return 0;
}

/* net_lock held. */
static struct socket *find_inode(const struct inode *inode)
{
	struct socket *s;

	list_for_each (s, &bound_sockets, bound)
		if (s->inode == inode)
			return s;
	return NULL;
}

static int unix_find(const struct socket *s, const struct address *a, struct socket **out)
{
	char path[sizeof(a->un.sun_path) + 1];
	struct inode *inode = NULL;
	struct socket *found;
	int err;

	if (a->len == sizeof(a->family))
		return -EINVAL;
	if (is_path(a)) {
		copy_path(path, a);
		err = path_lookup(AT_FDCWD, path, 0, &inode, NULL);
		if (err)
			return err;
	}
	spin_lock(&net_lock);
	found = inode ? find_inode(inode) : find_abstract(a);
	err = !found ? -ECONNREFUSED : found->type != s->type ? -EPROTOTYPE : 0;
	if (!err)
		*out = socket_get(found);
	spin_unlock(&net_lock);
	inode_put(inode);
	return err;
}

static int unix_may_listen(const struct socket *s)
{
	return s->name.len ? 0 : -EINVAL;
}

static void unix_connected(struct socket *s, const struct socket *to, const struct address *a,
                           struct socket *made)
{
	(void)s, (void)a;
	if (made)
		made->name = to->name;
}

const struct family unix_family = {.number = AF_UNIX,
                                   .check = unix_check,
                                   .bind = unix_bind,
                                   .autobind = no_autobind,
                                   .find = unix_find,
                                   .may_listen = unix_may_listen,
                                   .connected = unix_connected,
                                   .not_connected = -ENOTCONN};

/* ---------------------------------------------------------------- AF_INET ------------------- */

static unsigned swap16(unsigned n)
{
	return (n >> 8 & 0xff) | (n & 0xff) << 8;
}

static unsigned port_of(const struct address *a)
{
	return swap16(a->in.sin_port);
}

#define ANY_HOST 0u
#define LOOPBACK 0x0100007fu /* 127.0.0.1 as it is in memory */

static bool is_loopback(unsigned host)
{
	return (host & 0xff) == 127;
}

static int inet_check(struct address *a)
{
	if (a->len < sizeof(a->in))
		return -EINVAL;
	if (a->family != AF_INET)
		return -EAFNOSUPPORT;
	a->len = sizeof(a->in);
	memset(a->in.__pad, 0, sizeof(a->in.__pad));
	return 0;
}

static bool same_host(unsigned a, unsigned b)
{
	return a == b || a == ANY_HOST || b == ANY_HOST;
}

/* May a have the port, to listen or for anything else, while b has it? net_lock held. */
static bool may_share(const struct socket *a, const struct socket *b, bool to_listen)
{
	if (socket_option(a, SO_REUSEPORT) && socket_option(b, SO_REUSEPORT))
		return true;
	if (b->state == SOCKET_LISTENING)
		return false;
	return to_listen || (socket_option(a, SO_REUSEADDR) && socket_option(b, SO_REUSEADDR));
}

/* net_lock held. */
static bool port_taken(const struct socket *s, const struct address *a, bool to_listen)
{
	const struct socket *other;

	list_for_each (other, &bound_sockets, bound)
		if (other != s && has_kind(other, s) && other->name.in.sin_port == a->in.sin_port &&
		    same_host(other->name.in.sin_addr.s_addr, a->in.sin_addr.s_addr) &&
		    !may_share(s, other, to_listen))
			return true;
	return false;
}

/* net_lock held. False: none is free. */
static bool choose_port(const struct socket *s, struct address *a)
{
	static unsigned last = LAST_PORT;

	for (unsigned i = FIRST_PORT; i <= LAST_PORT; i++) {
		last = last >= LAST_PORT ? FIRST_PORT : last + 1;
		a->in.sin_port = (__be16)swap16(last);
		if (!port_taken(s, a, false))
			return true;
	}
	return false;
}

static int inet_bind(struct socket *s, struct address *a)
{
	unsigned host = a->in.sin_addr.s_addr;
	int err = 0;

	if (host != ANY_HOST && !is_loopback(host))
		return -EADDRNOTAVAIL;
	if (port_of(a) && port_of(a) < FIRST_FREE_PORT && !capable(CAP_NET_BIND_SERVICE))
		return -EACCES;
	spin_lock(&net_lock);
	if (port_of(a) ? port_taken(s, a, false) : !choose_port(s, a))
		err = -EADDRINUSE;
	else
		be_bound(s, a);
	spin_unlock(&net_lock);
	return err;
}

static int inet_autobind(struct socket *s)
{
	struct address a = {.len = sizeof(a.in), .in.sin_family = AF_INET};

	return s->name.len ? 0 : inet_bind(s, &a);
}

static int inet_find(const struct socket *s, const struct address *a, struct socket **out)
{
	unsigned host = a->in.sin_addr.s_addr;
	struct socket *other, *found = NULL;

	if (host == ANY_HOST)
		host = LOOPBACK;
	if (!is_loopback(host))
		return -ENETUNREACH;
	spin_lock(&net_lock);
	list_for_each (other, &bound_sockets, bound)
		if (!found && has_kind(other, s) && other->name.in.sin_port == a->in.sin_port &&
		    same_host(other->name.in.sin_addr.s_addr, host) &&
		    (!socket_connects(s) || other->state == SOCKET_LISTENING))
			found = socket_get(other);
	spin_unlock(&net_lock);
	*out = found;
	return found ? 0 : -ECONNREFUSED;
}

static int inet_may_listen(const struct socket *s)
{
	return port_taken(s, &s->name, true) ? -EADDRINUSE : 0;
}

static void inet_connected(struct socket *s, const struct socket *to, const struct address *a,
                           struct socket *made)
{
	unsigned host = a->in.sin_addr.s_addr == ANY_HOST ? LOOPBACK : a->in.sin_addr.s_addr;

	if (s->name.in.sin_addr.s_addr == ANY_HOST)
		s->name.in.sin_addr.s_addr = LOOPBACK;
	if (!made)
		return;
	made->name = to->name;
	made->name.in.sin_addr.s_addr = host;
}

const struct family inet_family = {.number = AF_INET,
                                   .check = inet_check,
                                   .bind = inet_bind,
                                   .autobind = inet_autobind,
                                   .find = inet_find,
                                   .may_listen = inet_may_listen,
                                   .connected = inet_connected,
                                   .not_connected = -EPIPE};
