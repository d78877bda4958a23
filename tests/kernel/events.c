/* events.c: eventfd(2), timerfd_create(2), signalfd(2). */
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>

static void *volatile nowhere = (void *)16;

/* "what: 3", the number that is read, or the error. */
static void reads(const char *what, int fd)
{
	uint64_t n = 0;
	ssize_t got = read(fd, &n, sizeof(n));

	result(what, got == sizeof(n) ? (long)n : got);
}

static long put(int fd, uint64_t n)
{
	return write(fd, &n, sizeof(n));
}

static void polls(const char *what, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	poll(&p, 1, 0);
	say("%s: 0x%x", what, (unsigned)p.revents);
}

static void link_of(int fd)
{
	char path[64], link[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, link, sizeof(link) - 1) > 0)
		say("it: %s", link);
}

/* ---- eventfd */

static int shared;

static void *get_later(void *arg)
{
	uint64_t n;

	usleep(20000);
	return read(shared, &n, sizeof(n)) == sizeof(n) && n == UINT64_MAX - 1 ? arg : NULL;
}

static void *put_later(void *arg)
{
	usleep(20000);
	put(shared, 5);
	return arg;
}

static void eventfds(void)
{
	int fd = eventfd(3, EFD_NONBLOCK);
	struct stat st;
	uint64_t two[2] = {1, 1};
	pthread_t t;
	void *got;

	link_of(fd);
	result("flags", fcntl(fd, F_GETFL));
	result("stat", fstat(fd, &st));
	say("mode %o, size %ld", st.st_mode, (long)st.st_size);
	polls("3", fd);
	reads("3", fd);
	polls("0", fd);
	reads("0", fd);
	result("add 2", put(fd, 2));
	result("add 0", put(fd, 0));
	result("add 4", put(fd, 4));
	reads("sum", fd);
	result("add too much", put(fd, UINT64_MAX));
	result("add most", put(fd, UINT64_MAX - 1));
	polls("most", fd);
	result("add 1", put(fd, 1));
	result("add 0", put(fd, 0));
	reads("most", fd);
	result("short read", read(fd, two, 7));
	result("short write", write(fd, two, 7));
	result("bad buffer to write", write(fd, nowhere, 8));
	put(fd, 1);
	result("read at a position", pread(fd, two, 8, 0));
	result("unknown flag", eventfd(0, 4));
	result("close on exec", fcntl(eventfd(0, EFD_CLOEXEC), F_GETFD));
	fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	reads("semaphore", fd);
	reads("semaphore", fd);
	reads("semaphore", fd);
	shared = eventfd(0, 0);
	pthread_create(&t, NULL, put_later, NULL);
	reads("waited", shared);
	pthread_join(t, NULL);
	put(shared, UINT64_MAX - 1);
	pthread_create(&t, NULL, get_later, &shared);
	result("wait for room", put(shared, 1));
	pthread_join(t, &got);
	say("the other has read it: %d", got == &shared);
	reads("then", shared);
}

/* ---- timerfd */

#define MS 1000000l

static int set(int fd, int flags, long value_ns, long interval_ns)
{
	struct itimerspec s = {.it_value = {value_ns / (1000 * MS), value_ns % (1000 * MS)},
	                       .it_interval = {interval_ns / (1000 * MS),
	                                       interval_ns % (1000 * MS)}};

	return timerfd_settime(fd, flags, &s, NULL);
}

static void says_left(const char *what, int fd)
{
	struct itimerspec s;

	if (timerfd_gettime(fd, &s))
		say("%s: %s", what, strerrorname_np(errno));
	else
		say("%s: left %d, interval %ld ms", what, s.it_value.tv_sec || s.it_value.tv_nsec,
		    s.it_interval.tv_sec * 1000 + s.it_interval.tv_nsec / MS);
}

static long now_in(int clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void timers(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), real;
	struct itimerspec bad = {.it_value.tv_nsec = 1000 * MS}, old;
	uint64_t n = 0;

	link_of(fd);
	polls("not set", fd);
	reads("not set", fd);
	says_left("not set", fd);
	result("200 ms", set(fd, 0, 200 * MS, 0));
	says_left("runs", fd);
	reads("runs", fd);
	usleep(300000);
	polls("over", fd);
	says_left("over", fd);
	reads("over", fd);
	reads("read", fd);
	result("10 ms, then 5", set(fd, 0, 10 * MS, 5 * MS));
	usleep(42000);
	result("several", read(fd, &n, sizeof(n)));
	say("at least 6: %d", n >= 6);
	says_left("goes on", fd);
	fcntl(fd, F_SETFL, 0);
	n = 0;
	result("wait for the next", read(fd, &n, sizeof(n)));
	say("one or more: %d", n >= 1);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	usleep(12000);
	says_left("nobody has read", fd);
	polls("nobody has read", fd);
	result("off", set(fd, 0, 0, 5 * MS));
	polls("off", fd);
	says_left("off", fd);
	reads("off", fd);
	result("a short interval", set(fd, 0, 1, 1));
	usleep(10000);
	n = 0;
	result("many", read(fd, &n, sizeof(n)));
	say("at least 1000: %d", n >= 1000);
	result("a time", set(fd, TFD_TIMER_ABSTIME, now_in(CLOCK_MONOTONIC) + 200 * MS, 0));
	reads("not yet", fd);
	usleep(300000);
	reads("over", fd);
	real = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	result("a time of day", set(real, TFD_TIMER_ABSTIME, now_in(CLOCK_REALTIME) + 200 * MS, 0));
	reads("not yet", real);
	usleep(300000);
	reads("over", real);
	result("a time long ago", set(real, TFD_TIMER_ABSTIME, 1, 0));
	usleep(1000);
	reads("over", real);
	set(fd, 0, 50000 * MS, 7000 * MS);
	bad = (struct itimerspec){.it_value.tv_sec = 1};
	result("what was", timerfd_settime(fd, 0, &bad, &old));
	say("left %ld s, interval %ld s", (long)old.it_value.tv_sec + 1,
	    (long)old.it_interval.tv_sec);
	bad.it_value.tv_nsec = 1000 * MS;
	result("bad time", timerfd_settime(fd, 0, &bad, NULL));
	bad.it_value.tv_nsec = 0;
	bad.it_interval.tv_sec = -1;
	result("bad interval", timerfd_settime(fd, 0, &bad, NULL));
	bad.it_interval.tv_sec = 0;
	result("unknown flag", timerfd_settime(fd, 4, &bad, NULL));
	result("bad new", timerfd_settime(fd, 0, nowhere, NULL));
	result("bad old", timerfd_settime(fd, 0, &bad, nowhere));
	result("bad place", timerfd_gettime(fd, nowhere));
	result("no timer", timerfd_settime(eventfd(0, 0), 0, &bad, NULL));
	result("no timer", timerfd_gettime(eventfd(0, 0), &bad));
	result("no file", timerfd_settime(-1, 0, &bad, NULL));
	result("short read", read(fd, &n, 7));
	result("write", write(fd, &n, 8));
	result("a clock of a process", timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	result("unknown clock", timerfd_create(77, 0));
	result("unknown flag", timerfd_create(CLOCK_MONOTONIC, 4));
}

/* ---- signalfd */

static void reads_signal(const char *what, int fd)
{
	struct signalfd_siginfo i;
	ssize_t n = read(fd, &i, sizeof(i));

	if (n != sizeof(i))
		result(what, n);
	else
		say("%s: signal %u, code %d, from here %d, int %d, status %d", what, i.ssi_signo,
		    i.ssi_code, i.ssi_pid == (uint32_t)getpid(), i.ssi_int, i.ssi_status);
}

static void *kill_later(void *arg)
{
	usleep(20000);
	kill(getpid(), SIGUSR1);
	return arg;
}

static void ends(void)
{
	_exit(7);
}

static void signals(void)
{
	struct signalfd_siginfo many[4];
	union sigval value = {.sival_int = 42};
	int ep = epoll_create1(0), fd;
	struct epoll_event e = {.events = EPOLLIN};
	sigset_t set, other;
	pthread_t t;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGKILL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	link_of(fd);
	polls("none", fd);
	reads_signal("none", fd);
	kill(getpid(), SIGUSR1);
	polls("one", fd);
	reads_signal("killed", fd);
	reads_signal("none", fd);
	sigqueue(getpid(), SIGRTMIN, value);
	sigqueue(getpid(), SIGRTMIN, value);
	raise(SIGUSR1);
	result("three of them", read(fd, many, sizeof(many)) / (long)sizeof(*many));
	say("they are: %u %u %u", many[0].ssi_signo, many[1].ssi_signo - (unsigned)SIGRTMIN,
	    many[2].ssi_signo - (unsigned)SIGRTMIN);
	sigqueue(getpid(), SIGRTMIN, value);
	reads_signal("queued", fd);
	in_child("a child", ends);
	reads_signal("it has ended", fd);
	result("epoll", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	result("none", epoll_wait(ep, &e, 1, 0));
	pthread_create(&t, NULL, kill_later, NULL);
	result("wait", epoll_wait(ep, &e, 1, 10000));
	pthread_join(t, NULL);
	reads_signal("it", fd);
	fcntl(fd, F_SETFL, 0);
	pthread_create(&t, NULL, kill_later, NULL);
	reads_signal("waited", fd);
	pthread_join(t, NULL);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	sigemptyset(&other);
	sigaddset(&other, SIGUSR2);
	say("another set: %d", signalfd(fd, &other, 0) == fd);
	raise(SIGUSR1);
	reads_signal("not in the set", fd);
	signalfd(fd, &set, 0);
	reads_signal("in the set", fd);
	result("short read", read(fd, many, sizeof(*many) - 1));
	raise(SIGUSR1);
	result("bad buffer", read(fd, nowhere, sizeof(many)));
	result("write", write(fd, many, sizeof(*many)));
	result("bad size", syscall(SYS_signalfd4, -1, &set, 7, 0));
	result("bad set", syscall(SYS_signalfd4, -1, nowhere, 8, 0));
	result("unknown flag", syscall(SYS_signalfd4, -1, &set, 8, 4));
	result("no signalfd", syscall(SYS_signalfd4, eventfd(0, 0), &set, 8, 0));
	result("no file", syscall(SYS_signalfd4, 999, &set, 8, 0));
	result("old call", syscall(SYS_signalfd, -1, &set, 8) >= 0);
}

int main(void)
{
	eventfds();
	timers();
	signals();
	return 0;
}
