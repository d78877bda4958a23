/*
 * transfer.c: the system calls that send and receive.
 */
#include "net.h"

#define MAX_MESSAGES 1024u

struct msghdr {
	uintptr_t name;
	unsigned name_len;
	uintptr_t vec;
	size_t nr_vec;
	uintptr_t control;
	size_t control_len;
	unsigned flags;
};

struct mmsghdr {
	struct msghdr msg;
	unsigned len;
};

/* ---------------------------------------------------------------- send ---------------------- */

static long do_send(int fd, struct uvec *u, const struct msghdr *msg, unsigned flags)
{
	struct extra x = {.flags = 0};
	struct socket *s;
	struct file *file;
	long result = socket_from_fd(fd, &file, &s);

	if (result)
		return result;
	if (msg->name && msg->name_len)
		result = address_read(s, &x.name, msg->name, msg->name_len);
	if (!result && msg->control)
		result = control_read(&x, msg->control, msg->control_len);
	if (!result)
		result = socket_send(file, u, &x, flags);
	rights_free(x.rights);
	file_put(file);
	return result;
}

long sys_sendto(int fd, uintptr_t buf, size_t n, unsigned flags, uintptr_t addr, unsigned len)
{
	const struct msghdr msg = {.name = addr, .name_len = len};
	struct uvec u;

	uvec_one(&u, buf, n);
	return do_send(fd, &u, &msg, flags);
}

/* A message's head and buffers, of a program's. */
static long read_message(uintptr_t at, struct msghdr *msg, struct uvec *u)
{
	if (user_get(*msg, at))
		return -EFAULT;
	return msg->nr_vec > UIO_MAXIOV ? -EMSGSIZE : uvec_read(u, msg->vec, msg->nr_vec);
}

long sys_sendmsg(int fd, uintptr_t at, unsigned flags)
{
	struct msghdr msg;
	struct uvec u;
	long result;

	result = read_message(at, &msg, &u);
	if (result)
		return result;
	result = do_send(fd, &u, &msg, flags);
	uvec_free(&u);
	return result;
}

/* ---------------------------------------------------------------- receive ------------------- */

/* Where from and what else goes to the program's memory; `msg` says where, and then how much. */
static int give_extra(const struct socket *s, struct extra *x, struct msghdr *msg, unsigned flags)
{
	unsigned room = msg->name_len;

	msg->name_len = msg->name ? x->name.len : 0;
	if (msg->name && user_write(msg->name, &x->name.family, MIN(room, x->name.len)))
		return -EFAULT;
	msg->control_len = control_write(x, socket_option(s, SO_PASSCRED), msg->control,
	                                 msg->control ? msg->control_len : 0, flags);
	msg->flags = x->flags | (flags & MSG_CMSG_CLOEXEC);
	return 0;
}

static long do_receive(int fd, struct uvec *u, struct msghdr *msg, unsigned flags)
{
	struct extra x = {.flags = 0};
	struct socket *s;
	struct file *file;
	long result = socket_from_fd(fd, &file, &s);
	int err = 0;

	if (result)
		return result;
	result = socket_receive(file, u, &x, flags);
	if (result >= 0)
		err = give_extra(s, &x, msg, flags);
	rights_free(x.rights);
	file_put(file);
	return err ? err : result;
}

long sys_recvfrom(int fd, uintptr_t buf, size_t n, unsigned flags, uintptr_t addr, uintptr_t len_at)
{
	struct msghdr msg = {.name = addr};
	int room = 0;
	struct uvec u;
	long result;

	if (addr && user_get(room, len_at))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	msg.name_len = (unsigned)room;
	uvec_one(&u, buf, n);
	result = do_receive(fd, &u, &msg, flags);
	if (result >= 0 && addr && user_put(len_at, msg.name_len))
		return -EFAULT;
	return result;
}

long sys_recvmsg(int fd, uintptr_t at, unsigned flags)
{
	struct msghdr msg;
	struct uvec u;
	long result;

	result = read_message(at, &msg, &u);
	if (result)
		return result;
	result = do_receive(fd, &u, &msg, flags);
	uvec_free(&u);
	if (result >= 0 && user_put(at, msg))
		return -EFAULT;
	return result;
}

/* ---------------------------------------------------------------- many at a time ------------ */

static uintptr_t nth(uintptr_t msgs, unsigned i)
{
	return msgs + i * sizeof(struct mmsghdr);
}

static int put_len(uintptr_t msgs, unsigned i, long len)
{
	const unsigned n = (unsigned)len;

	return user_put(nth(msgs, i) + offsetof(struct mmsghdr, len), n);
}

/* An error after the first is left to the next call. */
long sys_sendmmsg(int fd, uintptr_t msgs, unsigned n, unsigned flags)
{
	long result = 0;
	unsigned i;

	n = MIN(n, MAX_MESSAGES);
	for (i = 0; i < n; i++) {
		result = sys_sendmsg(fd, nth(msgs, i), flags);
		if (result >= 0)
			result = put_len(msgs, i, result);
		if (result < 0)
			break;
	}
	return i ? (long)i : result;
}

/* The timeout only counts between messages, on Linux too. */
long sys_recvmmsg(int fd, uintptr_t msgs, unsigned n, unsigned flags, uintptr_t timeout)
{
	uint64_t deadline = UINT64_MAX;
	long result = timeout ? read_timeout(timeout, &deadline) : 0;
	unsigned i;

	n = MIN(n, MAX_MESSAGES);
	for (i = 0; i < n && result >= 0 && (!i || now_ns() < deadline); i++) {
		result = sys_recvmsg(fd, nth(msgs, i), flags & ~MSG_WAITFORONE);
		if (result >= 0)
			result = put_len(msgs, i, result);
		if (result < 0)
			break;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
	}
	return i ? (long)i : result;
}
