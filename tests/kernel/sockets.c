/* sockets.c: sockets of AF_UNIX: names, connections, what is sent, and what is refused. */
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static void *volatile nowhere = (void *)16;
static char dir[64];

/* ---- names */

/* A path, or, beginning with @, a name that is none. */
static socklen_t name(struct sockaddr_un *a, const char *text)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (*text == '@') {
		memcpy(a->sun_path + 1, text + 1, strlen(text + 1));
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text));
	}
	snprintf(a->sun_path, sizeof(a->sun_path), "%s/%s", dir, text);
	return sizeof(*a);
}

static int binds(int fd, const char *text)
{
	struct sockaddr_un a;
	socklen_t len = name(&a, text);

	return bind(fd, (struct sockaddr *)&a, len);
}

static int connects(int fd, const char *text)
{
	struct sockaddr_un a;
	socklen_t len = name(&a, text);

	return connect(fd, (struct sockaddr *)&a, len);
}

static void shows(const char *what, int fd, bool peer)
{
	struct sockaddr_un a;
	socklen_t len = sizeof(a);
	int err;

	memset(&a, 0, sizeof(a));
	err = (peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &len);
	if (err) {
		result(what, err);
		return;
	}
	if (len > 2 && a.sun_path[0])
		say("%s: family %d, %s, length as its: %d", what, a.sun_family,
		    strrchr(a.sun_path, '/') + 1, len == 2 + strlen(a.sun_path) + 1);
	else
		say("%s: family %d, length %u, @%s", what, a.sun_family, len,
		    len > 2 ? a.sun_path + 1 : "");
}

static int listener(const char *text, int type, int backlog)
{
	int fd = socket(AF_UNIX, type, 0);

	if (fd < 0 || binds(fd, text) || listen(fd, backlog))
		say("listener: %s", strerrorname_np(errno));
	return fd;
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
		say("%s: %zd %.*s", what, got, (int)(got < (ssize_t)n ? got : (ssize_t)n), buf);
}

static void naming(void)
{
	int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un addr;
	struct stat st;
	socklen_t len;

	shows("no name", a, false);
	result("bind", binds(a, "one"));
	shows("a path", a, false);
	result("again", binds(a, "two"));
	result("another, the same name", binds(b, "one"));
	len = name(&addr, "one");
	result("stat", stat(addr.sun_path, &st));
	say("a socket: %d", S_ISSOCK(st.st_mode));
	result("open", open(addr.sun_path, O_RDWR));
	result("no directory", binds(b, "no/such"));
	result("abstract", binds(b, "@objrmap-test"));
	shows("abstract", b, false);
	result("abstract, the same", binds(socket(AF_UNIX, SOCK_STREAM, 0), "@objrmap-test"));
	close(b);
	b = socket(AF_UNIX, SOCK_STREAM, 0);
	result("abstract, it is free again", binds(b, "@objrmap-test"));
	close(a);
	a = socket(AF_UNIX, SOCK_STREAM, 0);
	result("a path is not", binds(a, "one"));
	result("removed", unlink(addr.sun_path));
	result("bind", binds(a, "one"));
	b = socket(AF_UNIX, SOCK_DGRAM, 0);
	addr.sun_family = AF_UNIX;
	result("any name", bind(b, (struct sockaddr *)&addr, 2));
	len = sizeof(addr);
	getsockname(b, (struct sockaddr *)&addr, &len);
	say("length %u, %d", len, addr.sun_path[0]);
	b = socket(AF_UNIX, SOCK_STREAM, 0);
	result("too short", bind(b, (struct sockaddr *)&addr, 1));
	result("too long", bind(b, (struct sockaddr *)&addr, sizeof(addr) + 1));
	addr.sun_family = AF_INET;
	result("another family", bind(b, (struct sockaddr *)&addr, sizeof(addr)));
	result("bad address", bind(b, nowhere, sizeof(addr)));
	len = 3;
	result("room for 3", getsockname(a, (struct sockaddr *)&addr, &len));
	say("there is more: %d", len > 3);
	len = (socklen_t)-1;
	result("negative room", getsockname(a, (struct sockaddr *)&addr, &len));
	result("bad room", getsockname(a, (struct sockaddr *)&addr, nowhere));
	name(&addr, "one");
	unlink(addr.sun_path);
}

/* ---- connections */

static void connections(void)
{
	int l = listener("server", SOCK_STREAM, 4), c = socket(AF_UNIX, SOCK_STREAM, 0), s;
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	polls("listening", l);
	polls("new", c);
	shows("new", c, true);
	result("accept none", accept4(socket(AF_UNIX, SOCK_STREAM, 0), NULL, NULL, 0));
	fcntl(l, F_SETFL, O_NONBLOCK);
	result("accept none yet", accept(l, NULL, NULL));
	result("connect", connects(c, "server"));
	polls("somebody is there", l);
	polls("connected", c);
	result("connect again", connects(c, "server"));
	result("send before", send(c, "early", 5, 0));
	s = accept4(l, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	say("accepted: %d, length %u, flags %d %d", s >= 0, len, fcntl(s, F_GETFD),
	    fcntl(s, F_GETFL) == (O_RDWR | O_NONBLOCK));
	shows("client", c, false);
	shows("its peer", c, true);
	shows("server", s, false);
	shows("its peer", s, true);
	receives("early", s, 10, 0);
	receives("nothing yet", s, 10, 0);
	result("answer", send(s, "hello", 5, 0));
	receives("answer", c, 10, 0);
	result("send to the listener", send(l, "x", 1, MSG_NOSIGNAL));
	receives("from the listener", l, 1, 0);
	result("bytes", write(c, "abc", 3));
	close(c);
	polls("the client is gone", s);
	receives("what it has sent", s, 10, 0);
	receives("the end", s, 10, 0);
	result("send to nobody", send(s, "x", 1, MSG_NOSIGNAL));
	shows("its peer", s, true);
	close(s);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	result("no such name", connects(c, "nobody"));
	result("no such abstract name", connects(c, "@objrmap-nobody"));
	result("not a socket", connects(c, "../null"));
	result("a directory", connects(c, "."));
	result("datagrams", connects(socket(AF_UNIX, SOCK_DGRAM, 0), "server"));
	result("listen without a name", listen(c, 1));
	result("listen twice", listen(l, 8));
	result("listen with datagrams", listen(socket(AF_UNIX, SOCK_DGRAM, 0), 8));
	result("connect", connects(c, "server"));
	close(l);
	polls("never accepted", c);
	receives("never accepted", c, 1, 0);
	close(c);
	result("nobody listens", connects(socket(AF_UNIX, SOCK_STREAM, 0), "server"));
}

static void backlog(void)
{
	int l = listener("few", SOCK_STREAM, 1), c[4];

	for (int i = 0; i < 4; i++) {
		c[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		result("connect", connects(c[i], "few"));
	}
	result("accept", accept(l, NULL, NULL) >= 0);
	result("connect", connects(c[2], "few"));
	close(l);
}

static void pairs(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	int p[2];

	for (int i = 0; i < 3; i++) {
		say("type %d:", types[i]);
		result("pair", socketpair(AF_UNIX, types[i] | SOCK_NONBLOCK, 0, p));
		polls("new", p[0]);
		shows("new", p[0], true);
		result("send", send(p[0], "one", 3, 0));
		result("send", send(p[0], "two", 3, 0));
		polls("to read", p[1]);
		receives("peek", p[1], 8, MSG_PEEK);
		receives("short", p[1], 2, 0);
		receives("the rest", p[1], 8, 0);
		receives("empty", p[1], 8, 0);
		result("nothing", send(p[0], "", 0, 0));
		receives("nothing", p[1], 8, 0);
		result("send", send(p[0], "length", 6, 0));
		receives("how long it was", p[1], 2, MSG_TRUNC);
		send(p[0], "left", 4, 0);
		result("close", close(p[1]));
		polls("closed", p[0]);
		receives("closed", p[0], 8, 0);
		receives("and then", p[0], 8, 0);
		result("send", send(p[0], "x", 1, MSG_NOSIGNAL));
		close(p[0]);
	}
	result("not of that family", socketpair(AF_INET, SOCK_STREAM, 0, p));
	result("bad place", socketpair(AF_UNIX, SOCK_STREAM, 0, nowhere));
}

static void shutdowns(void)
{
	int p[2];

	for (int how = 0; how < 3; how++) {
		say("shutdown %d:", how);
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p);
		send(p[0], "before", 6, 0);
		send(p[1], "before", 6, 0);
		result("shutdown", shutdown(p[0], how));
		polls("here", p[0]);
		polls("there", p[1]);
		result("send here", send(p[0], "x", 1, MSG_NOSIGNAL));
		result("send there", send(p[1], "x", 1, MSG_NOSIGNAL));
		receives("read here", p[0], 8, 0);
		receives("read here", p[0], 8, 0);
		receives("read there", p[1], 8, 0);
		receives("read there", p[1], 8, 0);
		close(p[0]);
		close(p[1]);
	}
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	result("unknown", shutdown(p[0], 3));
	result("not connected", shutdown(socket(AF_UNIX, SOCK_STREAM, 0), SHUT_RD));
}

static void writes_to_nobody(void)
{
	int p[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	close(p[1]);
	if (write(p[0], "x", 1) < 0)
		_exit(1);
}

static void *slow_reader(void *arg)
{
	static char buf[10000];
	long sum = 0, n;

	usleep(10000);
	while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
		sum += n;
	return (void *)sum;
}

static void streams(void)
{
	static char big[1000000];
	int p[2], file = file_of(3);
	struct pollfd fds;
	pthread_t t;
	char buf[8];
	void *sum;
	long n = 0, part;

	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	pthread_create(&t, NULL, slow_reader, &p[1]);
	result("a million bytes", write(p[0], big, sizeof(big)));
	lseek(file, 0, SEEK_SET);
	result("a file", sendfile(p[0], file, NULL, 3 * PAGE));
	result("shutdown", shutdown(p[0], SHUT_WR));
	pthread_join(t, &sum);
	result("read", (long)sum);
	close(p[0]);
	close(p[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	while ((part = write(p[0], big, 5000)) > 0)
		n += part;
	result("full", part);
	say("more than 64 KiB: %d", n > 65536);
	fds = (struct pollfd){.fd = p[0], .events = POLLOUT};
	result("full", poll(&fds, 1, 0));
	while (n > 0 && (part = read(p[1], big, sizeof(big))) > 0)
		n -= part;
	result("all read", n);
	result("room again", poll(&fds, 1, 0));
	send(p[0], "123", 3, 0);
	send(p[0], "456", 3, 0);
	result("how much", ioctl(p[1], FIONREAD, &n));
	say("%d", (int)n);
	receives("peek", p[1], 8, MSG_PEEK);
	receives("all of it", p[1], 6, MSG_WAITALL);
	send(p[0], "kept", 4, 0);
	result("bad buffer", recv(p[1], nowhere, 4, 0));
	receives("still there", p[1], 8, 0);
	result("bad buffer", send(p[0], nowhere, 4, 0));
	result("position", pread(p[0], buf, 1, 0));
	result("seek", lseek(p[0], 0, SEEK_CUR));
	in_child("a write to nobody", writes_to_nobody);
}

static void datagrams(void)
{
	int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), c;
	struct sockaddr_un addr, from;
	static char big[300000];
	socklen_t len, from_len = sizeof(from);
	char buf[8];

	binds(a, "@objrmap-a");
	binds(b, "@objrmap-b");
	len = name(&addr, "@objrmap-b");
	result("not connected", send(a, "x", 1, 0));
	result("to b", sendto(a, "hello", 5, 0, (struct sockaddr *)&addr, len));
	result("from", recvfrom(b, buf, 8, 0, (struct sockaddr *)&from, &from_len));
	say("%.5s from @%.9s, length %u", buf, from.sun_path + 1, from_len);
	result("100000 bytes", sendto(a, big, 100000, 0, (struct sockaddr *)&addr, len));
	result("read", recv(b, big, sizeof(big), 0));
	result("too many", sendto(a, big, sizeof(big), 0, (struct sockaddr *)&addr, len));
	result("connect", connects(a, "@objrmap-b"));
	shows("peer", a, true);
	result("send", send(a, "again", 5, 0));
	receives("again", b, 8, 0);
	c = socket(AF_UNIX, SOCK_DGRAM, 0);
	name(&addr, "@objrmap-a");
	result("who is connected to another", sendto(c, "x", 1, 0, (struct sockaddr *)&addr, len));
	result("connect to it", connects(c, "@objrmap-a"));
	close(b);
	result("b is gone", send(a, "x", 1, 0));
	addr.sun_family = AF_UNSPEC;
	result("disconnect", connect(a, (struct sockaddr *)&addr, 2));
	shows("peer", a, true);
	fcntl(a, F_SETFL, O_NONBLOCK);
	receives("nothing", a, 8, 0);
	result("accept", accept(a, NULL, NULL));
	name(&addr, "@objrmap-b");
	result("nobody", sendto(c, "x", 1, 0, (struct sockaddr *)&addr, len));
}

static void others(void)
{
	char path[64], link[64] = "";
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), p[2];

	result("family", socket(99, SOCK_STREAM, 0));
	result("type", socket(AF_UNIX, 9, 0));
	result("flags", socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
	result("protocol", socket(AF_UNIX, SOCK_STREAM, 77));
	result("not a socket", bind(0, NULL, 0));
	result("no file", listen(-1, 1));
	result("a pipe", pipe(p));
	result("receive from a pipe", recv(p[0], link, 1, 0));
	result("accept4 flags", accept4(fd, NULL, NULL, 1));
	result("read", read(fd, link, 1));
	result("stat", fstat(fd, &st));
	say("mode %o", st.st_mode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, link, sizeof(link) - 1) > 0)
		say("it: %.8s", link);
	result("open it", open(path, O_RDWR));
}

/* ---- options */

static void gets_int(const char *what, int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, option, &value, &len))
		say("%s: %s", what, strerrorname_np(errno));
	else
		say("%s: %d, length %u", what, value, len);
}

static void options(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), value = 1, p[2];
	struct timeval tv = {.tv_usec = 20000};
	struct ucred cred = {.pid = 1};
	socklen_t len;

	gets_int("type", fd, SO_TYPE);
	gets_int("domain", fd, SO_DOMAIN);
	gets_int("protocol", fd, SO_PROTOCOL);
	gets_int("error", fd, SO_ERROR);
	gets_int("listens", fd, SO_ACCEPTCONN);
	gets_int("reuse", fd, SO_REUSEADDR);
	result("set reuse", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)));
	gets_int("reuse", fd, SO_REUSEADDR);
	gets_int("send buffer", fd, SO_SNDBUF);
	value = 10000;
	result("set it", setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)));
	gets_int("send buffer", fd, SO_SNDBUF);
	value = 1;
	result("set it to 1", setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)));
	gets_int("send buffer", fd, SO_SNDBUF);
	result("short", setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, 3));
	result("bad", setsockopt(fd, SOL_SOCKET, SO_SNDBUF, nowhere, 4));
	result("unknown", setsockopt(fd, SOL_SOCKET, 999, &value, 4));
	gets_int("unknown", fd, 999);
	result("unknown level", setsockopt(fd, 6, 1, &value, 4));
	len = 2;
	result("get 2 bytes", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
	say("length %u", len);
	len = (socklen_t)-1;
	result("get negative", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
	result("bad length", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, nowhere));
	len = sizeof(cred);
	result("of no peer", getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	say("pid %d uid %d gid %d", cred.pid, (int)cred.uid, (int)cred.gid);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	len = sizeof(cred);
	result("of a peer", getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &cred, &len));
	say("this process: %d", cred.pid == getpid() && cred.uid == geteuid());
	result("timeout", setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	receives("over", p[0], 1, 0);
	tv.tv_usec = 1000000;
	result("bad timeout", setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
}

/* ---- open files and credentials in messages */

union control {
	struct cmsghdr header;
	char bytes[2048];
};

static long send_files(int to, const int *fd, size_t n)
{
	static union control c;
	struct iovec v = {.iov_base = "files", .iov_len = 5};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c};

	m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	c.header.cmsg_len = CMSG_LEN(n * sizeof(int));
	c.header.cmsg_level = SOL_SOCKET;
	c.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&c.header), fd, n * sizeof(int));
	return sendmsg(to, &m, MSG_DONTWAIT);
}

/* "what: 5, flags 0x0, control 20": and the descriptors. */
static int get_files(const char *what, int from, int *fd, size_t room, int flags)
{
	static union control c;
	char buf[8];
	struct iovec v = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr m = {.msg_iov = &v,
	                   .msg_iovlen = 1,
	                   .msg_control = &c,
	                   .msg_controllen = room};
	long got;
	int n = 0;

	memset(&c, 0, sizeof(c));
	got = recvmsg(from, &m, flags | MSG_DONTWAIT);
	if (got < 0) {
		result(what, got);
		return 0;
	}
	if (m.msg_controllen >= sizeof(c.header) && c.header.cmsg_type == SCM_RIGHTS) {
		n = (int)((c.header.cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fd, CMSG_DATA(&c.header), (size_t)n * sizeof(int));
	}
	say("%s: %ld, flags 0x%x, control %zu, files %d", what, got, (unsigned)m.msg_flags,
	    m.msg_controllen, n);
	return n;
}

static void passed(int type)
{
	int p[2], q[2], fd[300], got[300];
	char c = 0;

	socketpair(AF_UNIX, type, 0, p);
	result("pipe", pipe(q));
	result("send one", send_files(p[0], &q[1], 1));
	close(q[1]);
	get_files("peek", p[1], got, 64, MSG_PEEK);
	result("peeked at, it is open", write(got[0], "p", 1));
	close(got[0]);
	get_files("get it", p[1], got, 64, MSG_CMSG_CLOEXEC);
	result("close on exec", fcntl(got[0], F_GETFD));
	result("write", write(got[0], "x", 1));
	close(got[0]);
	result("read", read(q[0], &c, 1));
	result("read", read(q[0], &c, 1));
	result("the end", read(q[0], &c, 1));
	for (int i = 0; i < 300; i++)
		fd[i] = q[0];
	result("send three", send_files(p[0], fd, 3));
	get_files("room for two", p[1], got, CMSG_LEN(2 * sizeof(int)), 0);
	result("send three", send_files(p[0], fd, 3));
	get_files("no room", p[1], got, 8, 0);
	result("send two", send_files(p[0], fd, 2));
	receives("not wanted", p[1], 8, 0);
	result("send 253", send_files(p[0], fd, 253));
	get_files("get all", p[1], got, sizeof(union control), 0);
	result("send 254", send_files(p[0], fd, 254));
	fd[1] = -1;
	result("a bad one", send_files(p[0], fd, 2));
	result("send", send_files(p[0], fd, 1));
	result("send without", send(p[0], "more", 4, 0));
	get_files("do not mix", p[1], got, 64, 0);
	receives("more", p[1], 8, 0);
	close(p[0]);
	close(p[1]);
}

static void credentials(void)
{
	static union control c;
	int p[2], one = 1;
	char buf[8];
	struct iovec v = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr m = {.msg_iov = &v,
	                   .msg_iovlen = 1,
	                   .msg_control = &c,
	                   .msg_controllen = sizeof(c)};
	struct ucred cred = {.pid = 0};

	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	result("want them", setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
	send(p[0], "who", 3, 0);
	result("get", recvmsg(p[1], &m, 0));
	memcpy(&cred, CMSG_DATA(&c.header), sizeof(cred));
	say("control %zu, type %d, this process: %d", m.msg_controllen, c.header.cmsg_type,
	    cred.pid == getpid() && cred.uid == getuid());
}

/* A queue that is in itself: when nobody has the ends any more, nobody must. */
static void circles(void)
{
	for (int i = 0; i < 2000; i++) {
		int p[2], q[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) ||
		    socketpair(AF_UNIX, SOCK_STREAM, 0, q)) {
			result("a pair", -1);
			return;
		}
		send_files(p[0], &p[1], 1);
		send_files(p[0], &q[1], 1);
		send_files(q[0], &p[1], 1);
		close(p[0]);
		close(p[1]);
		close(q[0]);
		close(q[1]);
	}
	say("circles: done");
}

/* ---- waiting */

static int waiting[2];

static void *sends_soon(void *arg)
{
	usleep(20000);
	send(waiting[0], "late", 4, 0);
	return arg;
}

static void *connects_soon(void *arg)
{
	usleep(20000);
	connects(*(int *)arg, "@objrmap-soon");
	return arg;
}

static void waits(void)
{
	int l = listener("@objrmap-soon", SOCK_STREAM, 1), c = socket(AF_UNIX, SOCK_STREAM, 0);
	int ep = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	pthread_t t;

	socketpair(AF_UNIX, SOCK_STREAM, 0, waiting);
	pthread_create(&t, NULL, sends_soon, NULL);
	receives("waited", waiting[1], 8, 0);
	pthread_join(t, NULL);
	epoll_ctl(ep, EPOLL_CTL_ADD, waiting[1], &e);
	pthread_create(&t, NULL, sends_soon, NULL);
	result("epoll", epoll_wait(ep, &e, 1, 10000));
	result("no news", epoll_wait(ep, &e, 1, 0));
	receives("waited", waiting[1], 8, 0);
	result("no news", epoll_wait(ep, &e, 1, 0));
	pthread_join(t, NULL);
	close(waiting[0]);
	result("closed", epoll_wait(ep, &e, 1, 10000));
	say("events 0x%x", e.events);
	e.events = EPOLLIN;
	epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
	result("nobody", epoll_wait(ep, &e, 1, 0));
	pthread_create(&t, NULL, connects_soon, &c);
	result("accept", accept(l, NULL, NULL) >= 0);
	pthread_join(t, NULL);
}

int main(void)
{
	snprintf(dir, sizeof(dir), "/tmp/sockets-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	naming();
	connections();
	backlog();
	pairs();
	shutdowns();
	streams();
	datagrams();
	others();
	options();
	passed(SOCK_STREAM);
	passed(SOCK_DGRAM);
	credentials();
	circles();
	waits();
	return 0;
}
