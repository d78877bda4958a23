/*
 * net.h: sockets, as the files of net/ know them.
 *
 * One spinning lock guards all sockets: what is done under it is short, and touches no memory of
 * programs. Letters at fields: as in thread.h; (n) net_lock, (r) socket->reading.
 */
#ifndef NET_H
#define NET_H

#include <asm/poll.h>
#include <asm/socket.h>
#include <linux/fcntl.h>
#include <linux/in.h>
#include <linux/stat.h>
#include <linux/un.h>

#include "kmem.h"
#include "process.h"
#include "sys.h"
#include "uvec.h"

/* What Linux's headers for programs leave to the C library. */
#define AF_UNSPEC 0
#define AF_UNIX   1
#define AF_INET   2

#define SOCK_STREAM    1
#define SOCK_DGRAM     2
#define SOCK_SEQPACKET 5
#define SOCK_TYPE_MASK 15

#define MSG_OOB          1u
#define MSG_PEEK         2u
#define MSG_CTRUNC       8u
#define MSG_TRUNC        0x20u
#define MSG_DONTWAIT     0x40u
#define MSG_WAITALL      0x100u
#define MSG_NOSIGNAL     0x4000u
#define MSG_WAITFORONE   0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u

#define SCM_RIGHTS      1
#define SCM_CREDENTIALS 2
#define MAX_RIGHTS      253u

struct ucred {
	int pid;
	unsigned uid, gid;
};

struct address {
	unsigned len; /* 0: none */
	union {
		__kernel_sa_family_t family;
		struct sockaddr_un un;
		struct sockaddr_in in;
	};
};

#define UNIX_PATH offsetof(struct sockaddr_un, sun_path)

/* Open files on their way, each referenced. */
struct rights {
	unsigned n;
	struct file *file[];
};

/* Bytes that were sent together. */
struct message {
	struct list node;      /* (n) socket->messages */
	size_t size;           /* (c) of all its memory */
	size_t len;            /* (c) of the data */
	size_t done;           /* (r) of a stream: has been read */
	struct ucred cred;     /* (c) of the sender */
	struct address *from;  /* (c) of a datagram; NULL: the sender has no name */
	struct rights *rights; /* (r) NULL: none, or taken */
	char data[];
};

enum socket_state { SOCKET_NEW, SOCKET_LISTENING, SOCKET_CONNECTED };

#define SHUT_RECEIVE 1u
#define SHUT_SEND    2u
#define SHUT_BOTH    3u

struct socket {
	const struct family *family; /* (c) */
	int type;                    /* (c) SOCK_... */
	_Atomic unsigned
	    refs; /* (a) of its file or of the backlog it is in, of peers, of those that use it */
	struct waitq q;    /* who waits for it: data, room at its peer, connections; and pollers */
	struct waitq room; /* others that wait for it to take datagrams or connections */
	struct mutex reading; /* its holder takes messages from the queue */

	enum socket_state state; /* (n) */
	bool closed;             /* (n) no file any more */
	unsigned shut;           /* (n) SHUT_... */
	int error;               /* (n) for SO_ERROR and the next call: positive */
	struct socket *peer;     /* (n) referenced; streams keep it to their end */
	struct list messages;    /* (n) received */
	size_t queued;           /* (n) their size */
	struct list backlog;     /* (n) sockets that nobody has accepted yet, by `waiting` */
	struct list waiting;     /* (n) */
	unsigned nr_backlog, max_backlog; /* (n) */

	struct address name;  /* (n) */
	struct inode *inode;  /* (n) that has its name, referenced; or NULL */
	struct list bound;    /* (n) all sockets that can be found by their name */
	struct ucred cred;    /* (n) who has begun to listen or connected it; */
	struct ucred of_peer; /* (n) and who has at the other end */

	_Atomic unsigned tcp_options;        /* (a) bit n: TCP_... number n is on */
	_Atomic unsigned options;            /* (a) bit n: SO_... number n is on */
	_Atomic size_t sndbuf, rcvbuf;       /* (a) */
	_Atomic uint64_t sndtimeo, rcvtimeo; /* (a) ns; 0: none */
};

/* What depends on the kind of address. Errors are those of bind() and connect(). May sleep. */
struct family {
	int number;
	/* Check an address of a program, a->len bytes, and bring it into the form of `name`. */
	int (*check)(struct address *a);
	int (*bind)(struct socket *s, struct address *a); /* s has no name yet */
	int (*autobind)(struct socket *s);                /* before it connects or listens */
	/* Whoever has this name and type, referenced. */
	int (*find)(const struct socket *s, const struct address *a, struct socket **out);
	int (*may_listen)(const struct socket *s); /* net_lock held */
	/*
	 * s connects to `to` by the name `a`: the name of s changes, and the socket made for the
	 * other end, if not NULL, gets one. net_lock held.
	 */
	void (*connected)(struct socket *s, const struct socket *to, const struct address *a,
	                  struct socket *made);
	int not_connected; /* error of a send on a stream that is not */
};

extern struct spin net_lock;
extern struct list bound_sockets;
extern const struct family unix_family, inet_family;

/* ---- socket.c */
struct socket *socket_new(const struct family *family, int type); /* NULL: no memory */
struct socket *socket_get(struct socket *s);
void socket_put(struct socket *s); /* NULL is fine. May sleep. */
/* The socket of a file; NULL: it is none. */
struct socket *socket_of(const struct file *file);
/* By descriptor, the file referenced: -EBADF, -ENOTSOCK. */
int socket_from_fd(int fd, struct file **file, struct socket **s);
/* A pair of streams of two sockets that are neither. net_lock held. */
void socket_pair(struct socket *a, struct socket *b);
struct ucred ucred_current(void);
static inline bool socket_is_stream(const struct socket *s)
{
	return s->type == SOCK_STREAM;
}
static inline bool socket_connects(const struct socket *s)
{
	return s->type != SOCK_DGRAM;
}
static inline bool socket_option(const struct socket *s, int option)
{
	return s->options >> option & 1;
}
/* Take the error that SO_ERROR would tell: negative, or 0. net_lock held. */
int socket_take_error(struct socket *s);

/* Until when a call may wait; 0: not at all. */
uint64_t socket_deadline(const struct file *file, unsigned flags, uint64_t timeout);
/*
 * Do `try` until it answers anything but -EAGAIN, or the deadline is over; sleep on `q` meanwhile.
 * A signal ends it: a call with a timeout does not begin again.
 */
#define socket_wait(q, deadline, try)                                                              \
	({                                                                                         \
		uint64_t until_ = (deadline);                                                      \
		struct waiter w_;                                                                  \
		long r_ = (try);                                                                   \
		while (r_ == -EAGAIN && now_ns() < until_) {                                       \
			wait_begin(q, &w_, THREAD_INTERRUPTIBLE);                                  \
			r_ = (try);                                                                \
			if (r_ == -EAGAIN) {                                                       \
				if (signal_pending())                                              \
					r_ = until_ == UINT64_MAX ? -ERESTARTSYS : -EINTR;         \
				else                                                               \
					schedule_until(until_);                                    \
			}                                                                          \
			wait_end(&w_);                                                             \
		}                                                                                  \
		r_;                                                                                \
	})

/* ---- file.c */
/* Its file is gone, or nobody will accept it. May sleep. */
void socket_close(struct socket *s);
/* Its descriptor; on failure the socket is still the caller's. */
int socket_install(struct socket *s, unsigned flags);

/* ---- message.c */
/* What goes with the data of a call. */
struct extra {
	struct address name;   /* in: where to; out: where from */
	struct rights *rights; /* in: taken over by the first message; out: the caller's */
	struct ucred cred;
	bool has_cred;
	unsigned flags; /* out: MSG_TRUNC, MSG_CTRUNC */
};
/* Send all of `u`: bytes, or an error. */
long socket_send(struct file *file, struct uvec *u, struct extra *x, unsigned flags);
long socket_receive(struct file *file, struct uvec *u, struct extra *x, unsigned flags);
/* Of kernel memory, to a stream: as much as one message takes. */
long socket_write(struct file *file, const void *buf, size_t n, uint64_t *pos);
void messages_free(struct list *messages);
void rights_free(struct rights *rights); /* NULL is fine. May sleep. */
/* Can s send more to its peer, says poll()? net_lock held. */
bool socket_has_room(const struct socket *s);
/* The queue is gone. net_lock held. */
void socket_forget_queue(struct socket *s);

/* ---- control.c */
/* The control data of a message from user memory. */
int control_read(struct extra *x, uintptr_t from, size_t n);
/* To user memory: how many bytes; gives the rights away. Sets MSG_CTRUNC. */
size_t control_write(struct extra *x, bool want_cred, uintptr_t to, size_t n, unsigned flags);

/* ---- address.c */
int address_read(const struct socket *s, struct address *a, uintptr_t from, unsigned len);
/* To user memory, cut to what *len_at says, where the full length comes. */
int address_write(const struct address *a, uintptr_t to, uintptr_t len_at);
bool address_equal(const struct address *a, const struct address *b);

#endif
