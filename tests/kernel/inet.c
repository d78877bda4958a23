/* inet.c: sockets of AF_INET over the loopback device. Port numbers are the kernel's choice, so that all can be had. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

static struct sockaddr_in at(const char *host, unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	inet_pton(AF_INET, host, &a.sin_addr);
	return a;
}

static int binds(int fd, const char *host, unsigned port)
{
	struct sockaddr_in a = at(host, port);

	return bind(fd, (struct sockaddr *)&a, sizeof(a));
}

static int connects(int fd, const char *host, unsigned port)
{
	struct sockaddr_in a = at(host, port);

	return connect(fd, (struct sockaddr *)&a, sizeof(a));
}

static unsigned port_of(int fd)
{
	struct sockaddr_in a = {.sin_port = 0};
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	return ntohs(a.sin_port);
}

static void shows(const char *what, int fd, bool peer, unsigned port)
{
	struct sockaddr_in a = {.sin_port = 0};
	socklen_t len = sizeof(a);
	char text[32] = "";

	if ((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &len)) {
		result(what, -1);
		return;
	}
	inet_ntop(AF_INET, &a.sin_addr, text, sizeof(text));
	say("%s: family %d, %s, the port: %d, length %u", what, a.sin_family, text,
	    ntohs(a.sin_port) == port, len);
}

static void polls(const char *what, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	poll(&p, 1, 0);
	say("%s: 0x%x", what, (unsigned)p.revents);
}

static void receives(const char *what, int fd, size_t n, int flags)
{
	char buf[64] = "";
	ssize_t got = recv(fd, buf, n, flags);

	if (got < 0)
		result(what, got);
	else
		say("%s: %zd %.*s", what, got, (int)got, buf);
}

static int listener(const char *host)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (binds(fd, host, 0) || listen(fd, 8))
		say("listener: %s", strerrorname_np(errno));
	return fd;
}

static void names(void)
{
	int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in addr = at("127.0.0.1", 0);
	unsigned port;

	shows("no name", a, false, 0);
	shows("no peer", a, true, 0);
	polls("new", a);
	result("bind", binds(a, "127.0.0.1", 0));
	port = port_of(a);
	say("a port: %d", port >= 1024);
	shows("bound", a, false, port);
	result("bind again", binds(a, "127.0.0.1", 0));
	result("the same port", binds(b, "127.0.0.1", port));
	result("of all addresses", binds(b, "0.0.0.0", port));
	result("of another address", binds(b, "127.0.0.2", port));
	result("another address", binds(socket(AF_INET, SOCK_STREAM, 0), "192.0.2.1", 0));
	result("datagrams have ports of their own",
	       binds(socket(AF_INET, SOCK_DGRAM, 0), "127.0.0.1", port));
	result("short", bind(a, (struct sockaddr *)&addr, sizeof(addr) - 1));
	addr.sin_family = AF_UNIX;
	result("another family", bind(b, (struct sockaddr *)&addr, sizeof(addr)));
	close(a);
	a = socket(AF_INET, SOCK_STREAM, 0);
	result("free again", binds(a, "127.0.0.1", port));
	b = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	result("both may be reused", binds(b, "127.0.0.1", port));
	result("listen", listen(a, 1));
	result("and the other", listen(b, 1));
	close(b);
	b = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	result("not while one listens", binds(b, "127.0.0.1", port));
}

static void streams(void)
{
	int l = listener("0.0.0.0"), c = socket(AF_INET, SOCK_STREAM, 0), s, one = 1, value = 0;
	unsigned port = port_of(l);
	struct sockaddr_in from;
	socklen_t len = sizeof(from);

	shows("listens", l, false, port);
	polls("listens", l);
	result("send before", send(c, "x", 1, MSG_NOSIGNAL));
	receives("receive before", c, 1, 0);
	result("shutdown before", shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_RDWR));
	result("connect", connects(c, "127.0.0.1", port));
	polls("somebody is there", l);
	s = accept(l, (struct sockaddr *)&from, &len);
	say("accepted: %d, from the client: %d, length %u", s >= 0,
	    ntohs(from.sin_port) == port_of(c), len);
	shows("client", c, false, port_of(c));
	shows("its peer", c, true, port);
	shows("server", s, false, port);
	shows("its peer", s, true, port_of(c));
	result("connect again", connects(c, "127.0.0.1", port));
	result("no delay", setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	len = sizeof(value);
	result("it is", getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &value, &len));
	say("%d", value);
	polls("connected", c);
	result("send", send(c, "hello", 5, 0));
	result("send", send(c, "world", 5, 0));
	usleep(1000);
	polls("to read", s);
	receives("peek", s, 32, MSG_PEEK);
	receives("read", s, 32, 0);
	receives("nothing", s, 32, MSG_DONTWAIT);
	result("shutdown", shutdown(c, SHUT_WR));
	usleep(1000);
	polls("shut", s);
	receives("the end", s, 32, 0);
	result("answer", send(s, "bye", 3, 0));
	close(s);
	usleep(1000);
	receives("answer", c, 32, 0);
	receives("the end", c, 32, 0);
	close(c);
	close(l);
	result("nobody listens", connects(socket(AF_INET, SOCK_STREAM, 0), "127.0.0.1", port));
	result("accept", accept(socket(AF_INET, SOCK_STREAM, 0), NULL, NULL));
	result("listen without a name", listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

static void *echoes(void *arg)
{
	static char buf[5000];
	int s = accept(*(int *)arg, NULL, NULL);
	ssize_t n;

	while ((n = read(s, buf, sizeof(buf))) > 0)
		if (send(s, buf, (size_t)n, 0) != n)
			_exit(3);
	close(s);
	return arg;
}

static void *reads_all(void *arg)
{
	static char buf[7777];
	long sum = 0, n;

	while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
		for (long i = 0; i < n; i++, sum++)
			if (buf[i] != (char)(sum % 251))
				return (void *)-1l;
	return (void *)sum;
}

static void echo(void)
{
	static char big[1000000];
	int l = listener("127.0.0.1"), c = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t server, reader;
	void *sum;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i % 251);
	pthread_create(&server, NULL, echoes, &l);
	result("connect", connects(c, "0.0.0.0", port_of(l)));
	pthread_create(&reader, NULL, reads_all, &c);
	result("a million bytes", write(c, big, sizeof(big)));
	result("shutdown", shutdown(c, SHUT_WR));
	pthread_join(reader, &sum);
	result("came back", (long)sum);
	pthread_join(server, NULL);
}

static void datagrams(void)
{
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in to, from;
	socklen_t len = sizeof(from);
	char buf[8];

	result("bind", binds(b, "127.0.0.1", 0));
	to = at("127.0.0.1", port_of(b));
	result("nowhere", send(a, "x", 1, 0));
	result("to b", sendto(a, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)));
	result("from", recvfrom(b, buf, 8, 0, (struct sockaddr *)&from, &len));
	say("%.5s, from a: %d", buf, ntohs(from.sin_port) == port_of(a));
	result("connect", connects(a, "127.0.0.1", port_of(b)));
	shows("peer", a, true, port_of(b));
	result("send", send(a, "again", 5, 0));
	receives("again", b, 3, 0);
	receives("nothing", b, 8, MSG_DONTWAIT);
	result("listen", listen(a, 1));
	result("type", socket(AF_INET, SOCK_SEQPACKET, 0));
	result("protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	result("its protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) >= 0);
}

int main(void)
{
	names();
	streams();
	echo();
	datagrams();
	return 0;
}
