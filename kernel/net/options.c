/*
 * options.c: getsockopt() and setsockopt().
 *
 * Many options say how packets are made or lines are watched: there are none. They can be set and
 * read, and that is all.
 */
#include <linux/tcp.h>
#include <linux/time_types.h>

#include "net.h"

#define MOST_BUFFER   212992u /* that can be asked for; twice that is given, as on Linux */
#define LEAST_SEND    4608u
#define LEAST_RECEIVE 2304u

#define SWITCHES                                                                                   \
	(1u << SO_DEBUG | 1u << SO_REUSEADDR | 1u << SO_DONTROUTE | 1u << SO_BROADCAST |           \
	 1u << SO_KEEPALIVE | 1u << SO_OOBINLINE | 1u << SO_REUSEPORT | 1u << SO_PASSCRED)

static bool is_switch(int option)
{
	return option >= 0 && option < 32 && (SWITCHES >> option & 1);
}

/* ---------------------------------------------------------------- set ----------------------- */

static void set_switch(_Atomic unsigned *options, int option, bool on)
{
	if (on)
		atomic_fetch_or(options, 1u << option);
	else
		atomic_fetch_and(options, ~(1u << option));
}

static size_t buffer_size(int value, unsigned least)
{
	unsigned size = value < 0 ? MOST_BUFFER : MIN((unsigned)value, MOST_BUFFER);

	return MAX(2 * size, least);
}

static int set_timeout(_Atomic uint64_t *timeo, uintptr_t from, unsigned len)
{
	struct __kernel_old_timeval tv;

	if (len < sizeof(tv))
		return -EINVAL;
	if (user_get(tv, from))
		return -EFAULT;
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	*timeo = tv.tv_sec < 0 ? 1
	                       : (uint64_t)MIN(tv.tv_sec, INT32_MAX) * NSEC_PER_SEC +
	                             (uint64_t)tv.tv_usec * 1000;
	return 0;
}

static int set_option(struct socket *s, int option, uintptr_t from, unsigned len)
{
	int value;

	if (option == SO_RCVTIMEO_OLD)
		return set_timeout(&s->rcvtimeo, from, len);
	if (option == SO_SNDTIMEO_OLD)
		return set_timeout(&s->sndtimeo, from, len);
	if (len < sizeof(value))
		return -EINVAL;
	if (user_get(value, from))
		return -EFAULT;
	if (is_switch(option)) {
		set_switch(&s->options, option, value);
		return 0;
	}
	switch (option) {
	case SO_SNDBUF:
		s->sndbuf = buffer_size(value, LEAST_SEND);
		return 0;
	case SO_RCVBUF:
		s->rcvbuf = buffer_size(value, LEAST_RECEIVE);
		return 0;
	case SO_LINGER:
	case SO_PRIORITY:
	case SO_RCVLOWAT:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* Of TCP and IP everything is accepted, but it is only remembered whether it is on. */
static int set_inet_option(struct socket *s, int level, int option, uintptr_t from, unsigned len)
{
	int value;

	if (level != IPPROTO_TCP && level != IPPROTO_IP)
		return -ENOPROTOOPT;
	if (len < sizeof(value))
		return -EINVAL;
	if (user_get(value, from))
		return -EFAULT;
	if (level == IPPROTO_TCP && option >= 0 && option < 32)
		set_switch(&s->tcp_options, option, value);
	return 0;
}

long sys_setsockopt(int fd, int level, int option, uintptr_t from, unsigned len)
{
	struct socket *s;
	struct file *file;
	int err = socket_from_fd(fd, &file, &s);

	if (err)
		return err;
	if ((int)len < 0)
		err = -EINVAL;
	else if (level == SOL_SOCKET)
		err = set_option(s, option, from, len);
	else if (s->family == &inet_family)
		err = set_inet_option(s, level, option, from, len);
	else
		err = -EOPNOTSUPP;
	file_put(file);
	return err;
}

/* ---------------------------------------------------------------- get ----------------------- */

/* What an option is, of whatever type. */
union value {
	int number;
	int linger[2];
	struct ucred cred;
	struct __kernel_old_timeval time;
};

static unsigned get_timeout(union value *v, uint64_t ns)
{
	v->time = (struct __kernel_old_timeval){.tv_sec = (long)(ns / NSEC_PER_SEC),
	                                        .tv_usec = (long)(ns % NSEC_PER_SEC / 1000)};
	return sizeof(v->time);
}

static int protocol_of(const struct socket *s)
{
	if (s->family != &inet_family)
		return 0;
	return socket_is_stream(s) ? IPPROTO_TCP : IPPROTO_UDP;
}

static int take_error(struct socket *s)
{
	int err;

	spin_lock(&net_lock);
	err = socket_take_error(s);
	spin_unlock(&net_lock);
	return -err;
}

/* Its size; 0: there is no such option. */
static unsigned get_option(struct socket *s, int option, union value *v)
{
	if (is_switch(option)) {
		v->number = socket_option(s, option);
		return sizeof(v->number);
	}
	switch (option) {
	case SO_TYPE:
		v->number = s->type;
		break;
	case SO_DOMAIN:
		v->number = s->family->number;
		break;
	case SO_PROTOCOL:
		v->number = protocol_of(s);
		break;
	case SO_ERROR:
		v->number = take_error(s);
		break;
	case SO_ACCEPTCONN:
		v->number = s->state == SOCKET_LISTENING;
		break;
	case SO_SNDBUF:
		v->number = (int)s->sndbuf;
		break;
	case SO_RCVBUF:
		v->number = (int)s->rcvbuf;
		break;
	case SO_RCVLOWAT:
	case SO_SNDLOWAT:
		v->number = 1;
		break;
	case SO_PRIORITY:
		break;
	case SO_LINGER:
		return sizeof(v->linger);
	case SO_PEERCRED:
		v->cred = s->of_peer;
		return sizeof(v->cred);
	case SO_RCVTIMEO_OLD:
		return get_timeout(v, s->rcvtimeo);
	case SO_SNDTIMEO_OLD:
		return get_timeout(v, s->sndtimeo);
	default:
		return 0;
	}
	return sizeof(v->number);
}

static int put_option(struct socket *s, int level, int option, uintptr_t to, uintptr_t len_at)
{
	union value v = {.linger = {0, 0}};
	unsigned size = sizeof(v.number);
	int len;

	if (user_get(len, len_at))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	if (level == SOL_SOCKET)
		size = get_option(s, option, &v);
	else if (s->family != &inet_family)
		return -EOPNOTSUPP;
	else if (level == IPPROTO_TCP && option >= 0 && option < 32)
		v.number = s->tcp_options >> option & 1;
	if (!size)
		return -ENOPROTOOPT;
	len = MIN(len, (int)size);
	if (user_write(to, &v, (size_t)len) || user_put(len_at, len))
		return -EFAULT;
	return 0;
}

long sys_getsockopt(int fd, int level, int option, uintptr_t to, uintptr_t len)
{
	struct socket *s;
	struct file *file;
	int err = socket_from_fd(fd, &file, &s);

	if (err)
		return err;
	err = put_option(s, level, option, to, len);
	file_put(file);
	return err;
}
