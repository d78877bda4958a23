/*
 * storm.c: threads of one process that map, touch, protect, move and unmap all the time, while timers and
 * other threads send them signals in the middle of faults. Each page has one writer, who knows what is in
 * it. How long one step takes depends on how many CPUs must be interrupted for it.
 */
#include "test.h"

#include <pthread.h>
#include <sys/time.h>

#define THREADS 4
#define SLOTS   16
#define STEPS   64   /* of each thread, at least */
#define CPU_MS  1000 /* of all threads: until they have used so much */

static pthread_t threads[THREADS];
static volatile sig_atomic_t handled;

static void handler(int sig)
{
	volatile char local[2000];

	(void)sig;
	memset((void *)local, 1, sizeof(local));
	handled++;
}

struct slot {
	char *p;
	size_t n;
	unsigned char tag;
};

static void check(const struct slot *s)
{
	for (size_t i = 0; i < s->n; i++)
		CHECK((unsigned char)s->p[i * PAGE + 5] == (unsigned char)(s->tag + i));
}

static void make(struct slot *s, uint32_t *seed, unsigned char tag)
{
	bool shared = rnd(seed) % 4 == 0;

	s->n = 1 + rnd(seed) % 12;
	s->tag = tag;
	s->p =
	    mmap(NULL, s->n * PAGE, RW, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
	CHECK(s->p != MAP_FAILED);
	for (size_t i = 0; i < s->n; i++) {
		CHECK(s->p[i * PAGE + 5] == 0);
		s->p[i * PAGE + 5] = (char)(tag + i);
	}
}

static void change(struct slot *s, uint32_t *seed)
{
	size_t to = 1 + rnd(seed) % 16;
	char *p;

	switch (rnd(seed) % 5) {
	case 0:
		CHECK(mprotect(s->p, s->n * PAGE, PROT_READ) == 0);
		check(s);
		CHECK(mprotect(s->p, s->n * PAGE, RW) == 0);
		break;
	case 1:
		if (to > s->n)
			break; /* growing makes pages that nobody has filled */
		p = mremap(s->p, s->n * PAGE, to * PAGE, MREMAP_MAYMOVE);
		CHECK(p != MAP_FAILED);
		s->p = p;
		s->n = to;
		break;
	case 2:
		madvise(s->p, s->n * PAGE, MADV_PAGEOUT);
		break;
	case 3:
		CHECK(munmap(s->p, s->n * PAGE) == 0);
		s->n = 0;
		break;
	default:
		check(s);
	}
}

static void *work(void *arg)
{
	struct slot slots[SLOTS] = {0};
	size_t me = (size_t)arg;
	uint32_t seed = seed_of((uint32_t)me);

	for (int step = 1; step <= STEPS || cpu_ms() < CPU_MS; step++) {
		struct slot *s = &slots[rnd(&seed) % SLOTS];

		if (s->n)
			change(s, &seed);
		else
			make(s, &seed, (unsigned char)rnd(&seed));
		if (step % 64 == 0)
			pthread_kill(threads[(me + 1) % THREADS], SIGUSR1);
	}
	for (int i = 0; i < SLOTS; i++)
		check(&slots[i]);
	return NULL;
}

int main(void)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 2000}, {0, 2000}}, never = {0};

	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGALRM, &act, NULL);
	for (size_t i = 0; i < THREADS; i++)
		threads[i] = pthread_self(); /* somebody to signal until all are there */
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
	setitimer(ITIMER_REAL, &often, NULL);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK(handled > 0);
	say("ok");
	return 0;
}
