/* epoll.c: epoll(7): what is reported when, and what is refused. */
#include "test.h"

#include <pthread.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#define SOON 20000 /* us: others sleep by then */

static int ctl(int ep, int op, int fd, unsigned events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	return epoll_ctl(ep, op, fd, &e);
}

static int add(int ep, int fd, unsigned events)
{
	return ctl(ep, EPOLL_CTL_ADD, fd, events);
}

static int mod(int ep, int fd, unsigned events)
{
	return ctl(ep, EPOLL_CTL_MOD, fd, events);
}

/* What is reported, without waiting: "what: 0x1", each event with a space, or "nothing". */
static void reports(const char *what, int ep, int max)
{
	struct epoll_event e[8];
	char text[128] = "";
	int n = epoll_wait(ep, e, max, 0);

	if (n < 0) {
		result(what, n);
		return;
	}
	for (int i = 0; i < n; i++)
		sprintf(text + strlen(text), " 0x%x", e[i].events);
	say("%s:%s", what, n ? text : " nothing");
}

static void fill_pipe(int fd)
{
	static char page[PAGE];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, page, PAGE) > 0)
		;
}

static void send_byte(int fd)
{
	if (write(fd, "x", 1) != 1)
		_exit(92);
}

static void get_byte(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		_exit(91);
}

static void levels(void)
{
	int ep = epoll_create1(0), p[2];

	result("pipe", pipe(p));
	result("add", add(ep, p[0], EPOLLIN));
	reports("empty", ep, 8);
	send_byte(p[1]);
	reports("a byte", ep, 8);
	reports("again", ep, 8);
	get_byte(p[0]);
	reports("read", ep, 8);
	result("add the other end", add(ep, p[1], EPOLLIN | EPOLLOUT));
	reports("room", ep, 8);
	fill_pipe(p[1]);
	reports("full", ep, 8);
	result("delete", ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	reports("deleted", ep, 8);
	close(p[0]);
	reports("nobody reads", ep, 8);
	result("want nothing", mod(ep, p[1], 0));
	reports("it is an error all the same", ep, 8);
	close(p[1]);
	reports("closed", ep, 8);
	close(ep);
}

static void edges(void)
{
	int ep = epoll_create1(0), p[2];

	result("pipe", pipe(p));
	send_byte(p[1]);
	result("add", add(ep, p[0], EPOLLIN | EPOLLET));
	reports("a byte", ep, 8);
	reports("no news", ep, 8);
	send_byte(p[1]);
	reports("a second", ep, 8);
	get_byte(p[0]);
	reports("read one", ep, 8);
	result("change", mod(ep, p[0], EPOLLIN | EPOLLET));
	reports("changed", ep, 8);
	reports("no news", ep, 8);
	get_byte(p[0]);
	send_byte(p[1]);
	get_byte(p[0]);
	reports("come and gone", ep, 8);
	close(p[1]);
	reports("nobody writes", ep, 8);
	reports("no news", ep, 8);
	close(p[0]);
	close(ep);
}

static void once(void)
{
	int ep = epoll_create1(0), p[2];

	result("pipe", pipe(p));
	send_byte(p[1]);
	result("add", add(ep, p[0], EPOLLIN | EPOLLONESHOT));
	reports("a byte", ep, 8);
	reports("that was it", ep, 8);
	send_byte(p[1]);
	reports("a second", ep, 8);
	result("change", mod(ep, p[0], EPOLLIN | EPOLLONESHOT));
	reports("changed", ep, 8);
	close(p[1]);
	reports("not even an end", ep, 8);
	close(p[0]);
	close(ep);
}

static void turns(void)
{
	int ep = epoll_create1(0), p[3][2];
	struct epoll_event e;
	int first = -1, second = -1;

	for (int i = 0; i < 3; i++) {
		result("pipe", pipe(p[i]));
		add(ep, p[i][0], EPOLLIN);
		send_byte(p[i][1]);
	}
	reports("three", ep, 8);
	if (epoll_wait(ep, &e, 1, 0) == 1)
		first = e.data.fd;
	if (epoll_wait(ep, &e, 1, 0) == 1)
		second = e.data.fd;
	say("one after the other: %d", first >= 0 && second >= 0 && first != second);
	reports("two of them", ep, 2);
	for (int i = 0; i < 3; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
	close(ep);
}

/* The item is the open file's, under the number it had. */
static void copies(void)
{
	int ep = epoll_create1(0), p[2], copy;

	result("pipe", pipe(p));
	copy = dup(p[0]);
	result("add", add(ep, p[0], EPOLLIN));
	result("add again", add(ep, p[0], EPOLLIN));
	result("add the copy", add(ep, copy, EPOLLIN));
	send_byte(p[1]);
	reports("both", ep, 8);
	close(p[0]);
	reports("one closed", ep, 8);
	result("delete it", ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	close(copy);
	reports("both closed", ep, 8);
	close(p[1]);
	close(ep);
}

static int chain(int n)
{
	int inner = eventfd(1, 0), ep;

	while (n--) {
		ep = epoll_create1(0);
		if (add(ep, inner, EPOLLIN))
			return -1;
		inner = ep;
	}
	return inner;
}

static void nested(void)
{
	int outer = epoll_create1(0), inner = epoll_create1(0), p[2], four, five;
	struct pollfd fds = {.fd = outer, .events = POLLIN};

	result("pipe", pipe(p));
	result("add to inner", add(inner, p[0], EPOLLIN));
	result("add inner", add(outer, inner, EPOLLIN));
	reports("empty", outer, 8);
	result("poll", poll(&fds, 1, 0));
	send_byte(p[1]);
	result("poll", poll(&fds, 1, 0));
	reports("a byte", outer, 8);
	reports("inner", inner, 8);
	reports("outer", outer, 8);
	get_byte(p[0]);
	result("poll", poll(&fds, 1, 0));
	reports("read", outer, 8);
	result("a circle", add(inner, outer, EPOLLIN));
	result("itself", add(outer, outer, EPOLLIN));
	result("exclusive", add(outer, chain(1), EPOLLIN | EPOLLEXCLUSIVE));
	four = chain(4);
	say("four in a row: %d", four >= 0);
	reports("four in a row", four, 8);
	five = epoll_create1(0);
	result("the fifth", add(five, four, EPOLLIN));
	reports("five in a row", five, 8);
	result("the sixth", add(epoll_create1(0), five, EPOLLIN));
	result("another branch", add(four, outer, EPOLLIN));
}

static long raw_wait(int ep, struct epoll_event *e, int max)
{
	return syscall(SYS_epoll_wait, ep, e, max, 0);
}

static void refused(void)
{
	int ep = epoll_create1(0), p[2], file = file_of(1), null = open("/dev/null", O_RDWR);
	struct epoll_event e = {.events = EPOLLIN};

	result("size 0", epoll_create(0));
	result("size 1", epoll_create(1) >= 0);
	result("unknown flag", epoll_create1(1));
	result("close on exec", fcntl(epoll_create1(EPOLL_CLOEXEC), F_GETFD));
	result("pipe", pipe(p));
	result("no epoll", epoll_ctl(-1, EPOLL_CTL_ADD, p[0], &e));
	result("no file", epoll_ctl(ep, EPOLL_CTL_ADD, -1, &e));
	result("not an epoll", epoll_ctl(p[1], EPOLL_CTL_ADD, p[0], &e));
	result("a regular file", epoll_ctl(ep, EPOLL_CTL_ADD, file, &e));
	result("a directory", epoll_ctl(ep, EPOLL_CTL_ADD, open("/", O_RDONLY), &e));
	result("/dev/null", epoll_ctl(ep, EPOLL_CTL_ADD, null, &e));
	result("no event", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], NULL));
	result("bad event", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], (void *)-4096l));
	result("unknown operation", epoll_ctl(ep, 17, p[0], &e));
	result("change what is not there", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
	result("delete what is not there", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	result("exclusive, once", add(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
	result("exclusive", add(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE));
	result("change it", mod(ep, p[0], EPOLLIN));
	result("delete without an event", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	result("wait for none", raw_wait(ep, &e, 0));
	result("wait for fewer", raw_wait(ep, &e, -1));
	result("wait for too many", raw_wait(ep, &e, 0x7fffffff / 12 + 1));
	result("wait for many", raw_wait(ep, &e, 0x7fffffff / 12));
	result("wait for no epoll", raw_wait(-1, &e, 1));
	result("wait for a pipe", raw_wait(p[0], &e, 1));
	result("bad buffer, nothing to report", raw_wait(ep, NULL, 1));
	add(ep, p[0], EPOLLIN | EPOLLET);
	send_byte(p[1]);
	result("bad buffer", raw_wait(ep, NULL, 1));
	reports("it is not lost", ep, 8);
	result("read", read(ep, &e, sizeof(e)));
	result("write", write(ep, &e, sizeof(e)));
	result("seek", lseek(ep, 0, SEEK_SET));
}

static void look_like(void)
{
	char path[64], link[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", epoll_create1(0));
	result("link", readlink(path, link, sizeof(link) - 1));
	say("it: %s", link);
	result("open it", open(path, O_RDONLY));
}

/* ---- waiting */

static long waited_ms(const struct timespec *begin)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	return (end.tv_sec - begin->tv_sec) * 1000 + (end.tv_nsec - begin->tv_nsec) / 1000000;
}

static void timeouts(void)
{
	struct timespec begin, ten = {.tv_nsec = 10000000}, bad = {.tv_nsec = -1};
	int ep = epoll_create1(0);
	struct epoll_event e;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	result("10 ms", epoll_wait(ep, &e, 1, 10));
	say("were over: %d", waited_ms(&begin) >= 9);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	result("10 ms", epoll_pwait2(ep, &e, 1, &ten, NULL));
	say("were over: %d", waited_ms(&begin) >= 9);
	result("bad time", epoll_pwait2(ep, &e, 1, &bad, NULL));
	result("bad address of a time", epoll_pwait2(ep, &e, 1, (void *)16, NULL));
	result("bad mask", syscall(SYS_epoll_pwait, ep, &e, 1, 0, 16, 8));
	result("bad size of a mask", syscall(SYS_epoll_pwait, ep, &e, 1, 0, &e, 7));
}

static void handler(int sig)
{
	(void)sig;
}

static void interrupted(void)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART};
	int ep = epoll_create1(0);
	struct epoll_event e;
	sigset_t set, none;

	sigaction(SIGUSR1, &act, NULL);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR1);
	result("blocked", epoll_wait(ep, &e, 1, 10));
	result("not blocked meanwhile", epoll_pwait(ep, &e, 1, -1, &none));
	sigprocmask(SIG_SETMASK, NULL, &set);
	say("blocked again: %d", sigismember(&set, SIGUSR1));
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int shared_ep, shared_pipe[2];

static void *writer(void *arg)
{
	usleep(SOON);
	send_byte(shared_pipe[1]);
	return arg;
}

static void *adder(void *arg)
{
	usleep(SOON);
	add(shared_ep, shared_pipe[0], EPOLLIN);
	return arg;
}

static void woken_by(const char *what, void *(*fn)(void *))
{
	struct epoll_event e = {.events = 0};
	pthread_t t;

	pthread_create(&t, NULL, fn, NULL);
	result(what, epoll_wait(shared_ep, &e, 1, 10000));
	say("it: 0x%x", e.events);
	pthread_join(t, NULL);
}

static void woken(void)
{
	shared_ep = epoll_create1(0);
	result("pipe", pipe(shared_pipe));
	add(shared_ep, shared_pipe[0], EPOLLIN);
	woken_by("a write", writer);
	ctl(shared_ep, EPOLL_CTL_DEL, shared_pipe[0], 0);
	woken_by("an addition", adder);
}

int main(void)
{
	levels();
	edges();
	once();
	turns();
	copies();
	nested();
	refused();
	look_like();
	timeouts();
	interrupted();
	woken();
	return 0;
}
