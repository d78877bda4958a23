/*
 * affinity.c: sched_setaffinity(): a thread runs where it is told to, whether it runs, waits or sleeps at
 * that moment, and whoever tells it; its children and threads inherit that. At the end a storm: threads that
 * sleep, yield and fault tell each other where to run.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>

#define LOOKS 200
#define STEPS 300

static cpu_set_t all;
static int cpus;

static int where(void)
{
	unsigned cpu;

	CHECK(!syscall(SYS_getcpu, &cpu, NULL, NULL));
	return (int)cpu;
}

static int tid(void)
{
	return (int)syscall(SYS_gettid);
}

static cpu_set_t only(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return set;
}

static void go(int thread, int cpu)
{
	cpu_set_t set = only(cpu), got;

	CHECK(!sched_setaffinity(thread, sizeof(set), &set));
	CHECK(!sched_getaffinity(thread, sizeof(got), &got));
	CHECK(CPU_EQUAL(&set, &got));
}

static void errors(void)
{
	cpu_set_t none, set = only(0);

	CPU_ZERO(&none);
	CHECK(sched_setaffinity(0, sizeof(none), &none) == -1 && errno == EINVAL);
	none = only(1000);
	CHECK(sched_setaffinity(0, sizeof(none), &none) == -1 && errno == EINVAL);
	CHECK(sched_setaffinity(0x3ffffff, sizeof(set), &set) == -1 && errno == ESRCH);
	CHECK(sched_getaffinity(0x3ffffff, sizeof(set), &set) == -1 && errno == ESRCH);
	CHECK(syscall(SYS_sched_setaffinity, 0, sizeof(set), 8) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_sched_getaffinity, 0, 4, &set) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_sched_getaffinity, 0, sizeof(set), &set) > 0);
	CHECK(syscall(SYS_sched_setaffinity, 0, 1, &set) == 0);
}

/* Wherever it is sent, it stays there. */
static void stay(void)
{
	char *p = pages(NULL, 1);

	for (int cpu = 0; cpu < cpus; cpu++) {
		go(0, cpu);
		for (int i = 0; i < LOOKS; i++) {
			CHECK(where() == cpu);
			madvise(p, PAGE, MADV_DONTNEED);
			p[0] = 1;
			if (i % 4 == 0)
				sched_yield();
			if (i % 32 == 0)
				usleep(100);
		}
	}
	munmap(p, PAGE);
}

static void *same_cpu(void *cpu)
{
	CHECK(where() == (int)(intptr_t)cpu);
	return NULL;
}

static void inherit(void)
{
	intptr_t cpu = cpus - 1;
	pthread_t t;
	int status;

	go(0, (int)cpu);
	if (!fork()) {
		same_cpu((void *)cpu);
		_exit(0);
	}
	CHECK(wait(&status) > 0 && status == 0);
	CHECK(!pthread_create(&t, NULL, same_cpu, (void *)cpu));
	pthread_join(t, NULL);
	CHECK(!sched_setaffinity(0, sizeof(all), &all));
}

/* ---- told by another thread */

static volatile int busy_tid, busy_at, looks;
static volatile bool stop, sleeps;

static void *busy(void *arg)
{
	busy_tid = tid();
	while (!stop) {
		busy_at = where();
		looks++;
		if (sleeps)
			usleep(50);
	}
	return arg;
}

static void look_more(int n)
{
	int last = looks;

	while (looks < last + n)
		sched_yield();
}

static void told(bool asleep)
{
	pthread_t t;

	stop = false;
	sleeps = asleep;
	busy_tid = 0;
	CHECK(!pthread_create(&t, NULL, busy, NULL));
	while (!busy_tid)
		sched_yield();
	for (int i = 0; i < 3 * cpus; i++) {
		int cpu = i * 7 % cpus;

		go(busy_tid, cpu);
		look_more(2); /* what it writes now it has found out before */
		while (busy_at != cpu)
			sched_yield();
		for (int k = 0; k < 20; k++) {
			look_more(1);
			CHECK(busy_at == cpu);
		}
	}
	stop = true;
	pthread_join(t, NULL);
}

/* ---- the storm */

#define MAX_THREADS 32

/* The lock keeps others from telling it something else while it looks. */
static struct victim {
	pthread_mutex_t lock;
	int tid;
	cpu_set_t set;
} victims[MAX_THREADS];
static int nr_threads;

static void tell(struct victim *v, unsigned *seed)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = 0; i < cpus; i++)
		if (rand_r(seed) % 3 == 0)
			CPU_SET(i, &set);
	CPU_SET(rand_r(seed) % cpus, &set);
	pthread_mutex_lock(&v->lock);
	v->set = set;
	if (v->tid)
		CHECK(!sched_setaffinity(v->tid, sizeof(set), &set));
	pthread_mutex_unlock(&v->lock);
}

static void look_where(struct victim *me)
{
	pthread_mutex_lock(&me->lock);
	CHECK(!sched_setaffinity(0, sizeof(me->set), &me->set));
	for (int i = 0; i < 3; i++) {
		CHECK(CPU_ISSET(where(), &me->set));
		sched_yield();
	}
	pthread_mutex_unlock(&me->lock);
}

static void *storm(void *arg)
{
	struct victim *me = arg;
	unsigned seed = (unsigned)(me - victims) + 1;
	char *p = pages(NULL, 4);

	pthread_mutex_lock(&me->lock);
	me->tid = tid();
	pthread_mutex_unlock(&me->lock);
	tell(me, &seed);
	for (int i = 0; i < STEPS; i++) {
		tell(&victims[rand_r(&seed) % nr_threads], &seed);
		look_where(me);
		madvise(p, 4 * PAGE, MADV_DONTNEED);
		for (int k = 0; k < 4; k++)
			p[k * PAGE] = 1;
		if (rand_r(&seed) % 4 == 0)
			usleep(rand_r(&seed) % 300);
	}
	pthread_mutex_lock(&me->lock);
	me->tid = 0;
	pthread_mutex_unlock(&me->lock);
	return NULL;
}

static void storms(void)
{
	pthread_t t[MAX_THREADS];

	nr_threads = 2 * cpus < MAX_THREADS ? 2 * cpus : MAX_THREADS;
	for (int i = 0; i < nr_threads; i++)
		pthread_mutex_init(&victims[i].lock, NULL);
	for (int i = 0; i < nr_threads; i++)
		CHECK(!pthread_create(&t[i], NULL, storm, &victims[i]));
	for (int i = 0; i < nr_threads; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	CHECK(!sched_getaffinity(0, sizeof(all), &all));
	cpus = CPU_COUNT(&all);
	errors();
	stay();
	inherit();
	told(false);
	told(true);
	storms();
	say("ok");
	return 0;
}
