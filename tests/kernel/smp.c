/*
 * smp.c: copy-on-write with several CPUs at it: threads write to their own bytes of common pages while the
 * process forks again and again; each child sees one state of its parent, keeps it, and its own writes
 * stay with it.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 3
#define PAGES   64
#define FORKS   30

static volatile uint32_t (*page)[PAGE / 4]; /* [p][t]: counted up by thread t */
static volatile bool stop;

static void *count_up(void *arg)
{
	size_t me = (size_t)arg;

	for (uint32_t n = 1; !stop; n++) {
		for (int i = 0; i < PAGES; i++)
			page[i][me * 16] = n;
		sched_yield(); /* or with few CPUs most of the time is spent here */
	}
	return NULL;
}

/* A count is the same in all pages, or one less from some page on. */
static void check_counts(uint32_t *sum)
{
	*sum = 0;
	for (size_t t = 0; t < THREADS; t++) {
		uint32_t first = page[0][t * 16], last = first;

		for (int i = 0; i < PAGES; i++) {
			uint32_t n = page[i][t * 16];

			CHECK(n == last || (n == first - 1 && last == first));
			last = n;
			*sum += n;
		}
	}
}

static void child_part(void)
{
	uint32_t before, after;

	check_counts(&before);
	for (int i = 0; i < PAGES; i += 2)
		page[i][1000] = 0xc0ffee;
	for (int i = 0; i < 3; i++) {
		usleep(1000);
		check_counts(&after);
		CHECK(before == after);
	}
	for (int i = 0; i < PAGES; i++)
		CHECK(page[i][1000] == (i % 2 ? 0 : 0xc0ffee));
}

int main(void)
{
	pthread_t threads[THREADS];

	page = mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, count_up, (void *)i) == 0);
	for (int i = 0; i < FORKS; i += 2) {
		int status[2];
		pid_t pid[2];

		for (int k = 0; k < 2; k++) {
			pid[k] = fork();
			CHECK(pid[k] >= 0);
			if (pid[k] == 0) {
				child_part();
				_exit(0);
			}
		}
		for (int k = 0; k < 2; k++)
			CHECK(waitpid(pid[k], &status[k], 0) == pid[k] && status[k] == 0);
		for (int p = 0; p < PAGES; p++)
			CHECK(page[p][1000] == 0);
	}
	stop = true;
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	say("ok");
	return 0;
}
