/*
 * socketstorm.c: clients that come, send, and leave at any time; a server that sends back what it gets; and threads
 * that pass descriptors around and close them under way. What comes back must be what was sent, in order.
 */
#include "test.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CLIENTS 3
#define ROUNDS  200
#define MOST    30000 /* bytes of a connection */

static struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0storm"};
static _Atomic bool done;

/* ---- the server: one thread, epoll, nothing waits */

struct peer {
	int fd;
	size_t have, sent;
	bool ended;
	char buf[8192];
};

static void accept_all(int l, int ep)
{
	int fd;

	while ((fd = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct peer *p = calloc(1, sizeof(*p));
		struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = p};

		CHECK(p);
		p->fd = fd;
		CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	}
	CHECK(errno == EAGAIN);
}

/* As far as it goes; false: the connection is over. */
static bool echo(struct peer *p)
{
	for (;;) {
		ssize_t n;

		if (p->sent < p->have) {
			n = send(p->fd, p->buf + p->sent, p->have - p->sent, MSG_NOSIGNAL);
			if (n < 0)
				return errno == EAGAIN;
			p->sent += (size_t)n;
			continue;
		}
		n = recv(p->fd, p->buf, sizeof(p->buf), 0);
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		p->have = (size_t)n;
		p->sent = 0;
	}
}

static void *serves(void *arg)
{
	int l = *(int *)arg, ep = epoll_create1(0);
	struct epoll_event e[4] = {{.events = EPOLLIN, .data.ptr = NULL}};

	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, l, &e[0]));
	while (!done) {
		int n = epoll_wait(ep, e, 4, 50);

		for (int i = 0; i < n; i++) {
			struct peer *p = e[i].data.ptr;

			if (!p) {
				accept_all(l, ep);
			} else if (!echo(p)) {
				close(p->fd);
				free(p);
			}
		}
	}
	return arg;
}

/* ---- clients */

static void *reads(void *arg)
{
	char buf[3000];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++, sum++)
			CHECK(buf[i] == (char)(sum * 7));
	return (void *)sum;
}

static void talk(int fd, uint32_t *seed)
{
	static _Thread_local char buf[MOST];
	size_t n = rnd(seed) % MOST, at = 0, part;
	bool patient = rnd(seed) % 4;
	pthread_t t;
	void *got;

	for (size_t i = 0; i < n; i++)
		buf[i] = (char)(i * 7);
	pthread_create(&t, NULL, reads, &fd);
	for (; at < n; at += part) {
		part = 1 + rnd(seed) % 7000;
		if (part > n - at)
			part = n - at;
		CHECK(write(fd, buf + at, part) == (ssize_t)part);
	}
	shutdown(fd, patient ? SHUT_WR : SHUT_RDWR);
	pthread_join(t, &got);
	CHECK(!patient || (size_t)got == n);
}

static void *visits(void *arg)
{
	uint32_t seed = seed_of((uint32_t)(uintptr_t)arg);

	for (int i = 0; i < ROUNDS; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		CHECK(fd >= 0);
		CHECK(!connect(fd, (struct sockaddr *)&name, 2 + 6));
		talk(fd, &seed);
		close(fd);
	}
	return arg;
}

/* ---- descriptors on their way */

static void pass(int through, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
	                  .cmsg_level = SOL_SOCKET,
	                  .cmsg_type = SCM_RIGHTS}};
	struct iovec v = {.iov_base = "x", .iov_len = 1};
	struct msghdr m = {.msg_iov = &v,
	                   .msg_iovlen = 1,
	                   .msg_control = &c,
	                   .msg_controllen = sizeof(c)};

	memcpy(CMSG_DATA(&c.header), &fd, sizeof(fd));
	sendmsg(through, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int get(int from)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c = {.header = {.cmsg_len = 0}};
	char x;
	struct iovec v = {.iov_base = &x, .iov_len = 1};
	struct msghdr m = {.msg_iov = &v,
	                   .msg_iovlen = 1,
	                   .msg_control = &c,
	                   .msg_controllen = sizeof(c)};
	int fd = -1;

	if (recvmsg(from, &m, MSG_DONTWAIT) > 0 && c.header.cmsg_len)
		memcpy(&fd, CMSG_DATA(&c.header), sizeof(fd));
	return fd;
}

static int hub[2];

static void *passes(void *arg)
{
	uint32_t seed = seed_of((uint32_t)(uintptr_t)arg + 100);

	while (!done) {
		int p[2], fd;

		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, p));
		pass(hub[rnd(&seed) % 2], p[0]);
		pass(p[rnd(&seed) % 2], p[rnd(&seed) % 2]);
		pass(p[rnd(&seed) % 2], hub[rnd(&seed) % 2]);
		fd = get(hub[rnd(&seed) % 2]);
		if (fd >= 0) {
			pass(p[1], fd);
			close(fd);
		}
		close(p[0]);
		close(p[1]);
	}
	return arg;
}

int main(void)
{
	pthread_t server, client[CLIENTS], passing[2];
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	CHECK(!bind(l, (struct sockaddr *)&name, 2 + 6));
	CHECK(!listen(l, 1));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, hub));
	pthread_create(&server, NULL, serves, &l);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&passing[i], NULL, passes, (void *)i);
	for (uintptr_t i = 0; i < CLIENTS; i++)
		pthread_create(&client[i], NULL, visits, (void *)i);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(client[i], NULL);
	done = true;
	pthread_join(server, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(passing[i], NULL);
	say("ok");
	return 0;
}
