/*
 * eventstorm.c: threads that add files to two epoll files, one in the other, take them out, close them and write
 * to them, while others wait. No wake-up may be lost: each eventfd that is never closed is read by who waits,
 * and all that was written must arrive.
 */
#include "test.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define STEADY 4     /* eventfds that stay, one for each writer */
#define ROUNDS 20000 /* writes to each */

static int outer, inner, steady[STEADY];
static _Atomic unsigned long received;
static _Atomic bool done;

static void *waits(void *arg)
{
	struct epoll_event e[3];
	uint64_t n;

	while (!done) {
		int count = epoll_wait(*(int *)arg, e, 3, 100);

		CHECK(count >= 0);
		for (int i = 0; i < count; i++)
			if (e[i].data.fd >= 0 && read(e[i].data.fd, &n, sizeof(n)) == sizeof(n))
				received += n;
	}
	return arg;
}

static void *writes(void *arg)
{
	uint64_t one = 1;

	for (int i = 0; i < ROUNDS; i++)
		CHECK(write(*(int *)arg, &one, sizeof(one)) == sizeof(one));
	return arg;
}

/* Files that come and go; they are ready at once and say nothing. */
static void *churns(void *arg)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = -1};
	uint32_t seed = seed_of((uint32_t)(uintptr_t)arg);

	while (!done) {
		int fd = eventfd(rnd(&seed) % 2, EFD_NONBLOCK);
		int ep = rnd(&seed) % 2 ? outer : inner;

		CHECK(fd >= 0);
		e.events = EPOLLIN | (rnd(&seed) % 2 ? EPOLLET : 0u);
		CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
		if (rnd(&seed) % 2)
			CHECK(!epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e));
		if (rnd(&seed) % 2)
			CHECK(!epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
		close(fd);
	}
	return arg;
}

/* The inner one is taken out of the outer now and then, and epoll files are made and closed with all in them. */
static void *nests(void *arg)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = -1};

	while (!done) {
		int ep = epoll_create1(0);

		CHECK(ep >= 0);
		CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, outer, &e));
		for (int i = 0; i < STEADY; i++)
			CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, steady[i], &e));
		CHECK(epoll_wait(ep, &e, 1, 0) >= 0);
		e.data.fd = -1;
		close(ep);
		CHECK(!epoll_ctl(outer, EPOLL_CTL_DEL, inner, NULL));
		CHECK(!epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e));
	}
	return arg;
}

int main(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = -1};
	pthread_t waiting[3], writing[STEADY], churning[2], nesting;

	outer = epoll_create1(0);
	inner = epoll_create1(0);
	CHECK(!epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e));
	for (int i = 0; i < STEADY; i++) {
		steady[i] = eventfd(0, EFD_NONBLOCK);
		e.events = EPOLLIN | (i % 2 ? EPOLLET : 0u);
		e.data.fd = steady[i];
		CHECK(!epoll_ctl(i < 2 ? outer : inner, EPOLL_CTL_ADD, steady[i], &e));
	}
	for (int i = 0; i < 3; i++)
		pthread_create(&waiting[i], NULL, waits, i < 2 ? &outer : &inner);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&churning[i], NULL, churns, (void *)(i + 1));
	pthread_create(&nesting, NULL, nests, NULL);
	for (int i = 0; i < STEADY; i++)
		pthread_create(&writing[i], NULL, writes, &steady[i]);
	for (int i = 0; i < STEADY; i++)
		pthread_join(writing[i], NULL);
	for (int i = 0; i < 1000 && received < STEADY * ROUNDS; i++)
		usleep(10000);
	done = true;
	for (int i = 0; i < 3; i++)
		pthread_join(waiting[i], NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(churning[i], NULL);
	pthread_join(nesting, NULL);
	CHECK(received == STEADY * ROUNDS);
	say("ok");
	return 0;
}
