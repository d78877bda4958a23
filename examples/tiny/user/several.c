/*
 * several.c: tests of threads, on as many CPUs as there are. Each asks the same of the port: when a
 * call has returned, no CPU uses what the call has taken away. On one CPU threads alternate where
 * they yield, and the tests must hold, too.
 */
#include "user.h"

#define ROUNDS 200

/* Words that threads and the test write, each in a page of its own or not, as the test wants. */
struct words {
	_Atomic long phase;  /* the test's: how far it is */
	_Atomic long answer; /* the thread's: what it has seen, or how often it came round */
	_Atomic long wrong;
	volatile long *page; /* which the test takes away */
};

/* The status of the thread that has stored to *page, which stays what it is until then. */
static long wait_watching(const volatile long *page)
{
	const long n = *page;
	long status;

	while ((status = call(CALL_WAIT, false, 0, 0)) == -OM_EAGAIN) {
		check(*page == n);
		yield();
	}
	check(*page == n);
	return status;
}

/* Long enough for a store of another CPU to arrive, if there is one on its way. */
static void linger(void)
{
	yield();
	for (volatile int i = 0; i < 300; i++)
		;
}

static void await(_Atomic long *word, long at_least)
{
	while (*word < at_least)
		yield();
}

/* ---- faults of threads -------------------------------------------------------------------- */

#define SHARED_PAGES 64

/* Every thread adds to every page: some of them are the first, and fault together. */
static void add(void *arg)
{
	struct words *w = arg;
	_Atomic long *p = (_Atomic long *)(uintptr_t)w->page;

	for (size_t i = 0; i < SHARED_PAGES; i++) {
		p[i * PER_PAGE]++;
		if (i % 8 == 0)
			yield();
	}
}

void test_threads(void)
{
	struct words w = {0};
	void *stack[4];

	for (int round = 0; round < 10; round++) {
		w.page = get(SHARED_PAGES * PAGE_BYTES);
		for (int i = 0; i < 4; i++)
			stack[i] = start_thread(add, &w);
		for (int i = 0; i < 4; i++)
			check(wait() == 0);
		for (size_t i = 0; i < SHARED_PAGES; i++)
			check(w.page[i * PER_PAGE] == 4);
		for (int i = 0; i < 4; i++)
			unmap(stack[i], THREAD_STACK);
		unmap(w.page, SHARED_PAGES * PAGE_BYTES);
	}
}

/* ---- permission is taken ------------------------------------------------------------------ */

/* Stores without a pause, until it may not any more. */
static void store(void *arg)
{
	struct words *w = arg;

	for (long n = 1;; n++) {
		*w->page = n;
		w->answer = n;
		if (n % 64 == 0 || n == 1)
			yield();
	}
}

void test_shootdown_protect(void)
{
	for (int round = 0; round < 20; round++) {
		struct words w = {.page = get(PAGE_BYTES)};
		void *stack = start_thread(store, &w);

		await(&w.answer, 1 + round);
		protect(w.page, PAGE_BYTES, OM_PROT_READ);
		check(wait_watching(w.page) == BAD(OM_FAULT_ACCERR));
		unmap(stack, THREAD_STACK);
		unmap(w.page, PAGE_BYTES);
	}
}

/* ---- fork --------------------------------------------------------------------------------- */

static void store_until(void *arg)
{
	struct words *w = arg;

	for (long n = 1; !w->phase; n++) {
		*w->page = n;
		w->answer = n;
		if (n % 64 == 0 || n == 1)
			yield();
	}
}

/* A child has the page as it was, though a thread of its parent goes on storing. */
void test_shootdown_fork(void)
{
	struct words *w = map(NULL, PAGE_BYTES, PROT_RW, OM_MAP_SHARED);
	void *stack;

	w->page = get(PAGE_BYTES);
	stack = start_thread(store_until, w);
	for (int round = 1; round <= 20; round++) {
		await(&w->answer, w->answer + 1);
		if (!fork()) {
			long n = *w->page;

			linger();
			leave(*w->page == n);
		}
		check(wait() == 1);
	}
	w->phase = 1;
	check(wait() == 0);
	check(*w->page == w->answer);
	unmap(stack, THREAD_STACK);
	unmap(w->page, PAGE_BYTES);
	unmap(w, PAGE_BYTES);
}

/* ---- a page is taken ---------------------------------------------------------------------- */

/*
 * The test writes the number of the phase into the page after it has begun, and takes the page away
 * before the next: so whoever knows of a phase finds its number, or a later one, or nothing.
 */
static void watch(void *arg)
{
	struct words *w = arg;
	long phase, found;

	do {
		phase = w->phase;
		found = *w->page;
		if (found && found < phase)
			w->wrong++;
		w->answer++;
		if (w->answer % 64 == 0)
			yield();
	} while (phase <= ROUNDS);
}

void test_shootdown_zap(void)
{
	struct words w = {.page = get(PAGE_BYTES)};
	void *stack[3], *other;

	for (int i = 0; i < 3; i++)
		stack[i] = start_thread(watch, &w);
	for (w.phase = 1; w.phase <= ROUNDS; w.phase++) {
		*w.page = w.phase;
		await(&w.answer, w.answer + 1);
		check(!advise(w.page, PAGE_BYTES, OM_MADV_DONTNEED));
		/* The frame is free; now it is somebody else's. */
		other = get(PAGE_BYTES);
		*(volatile long *)other = 1;
		unmap(other, PAGE_BYTES);
	}
	for (int i = 0; i < 3; i++)
		check(wait() == 0);
	check(w.wrong == 0);
	for (int i = 0; i < 3; i++)
		unmap(stack[i], THREAD_STACK);
	unmap(w.page, PAGE_BYTES);
}

/* ---- a page is moved ---------------------------------------------------------------------- */

/* Whoever stores to the old place after it has moved dies of it, and changes nothing. */
void test_shootdown_move(void)
{
	for (int round = 0; round < 20; round++) {
		struct words w = {.page = get(2 * PAGE_BYTES)};
		void *stack = start_thread(store, &w);
		volatile long *moved;

		await(&w.answer, 1);
		unmap(w.page + PER_PAGE, PAGE_BYTES);
		/* Something that is in the way. */
		map((void *)(uintptr_t)(w.page + PER_PAGE), PAGE_BYTES, PROT_RW, OM_MAP_SHARED);
		moved = (volatile long *)call6(CALL_MREMAP, (uintptr_t)w.page, PAGE_BYTES,
		                               64 * PAGE_BYTES, OM_MREMAP_MAYMOVE, 0, 0);
		check((long)moved > 0 && moved != w.page);
		check(*moved > 0);
		check(wait_watching(moved) == BAD(OM_FAULT_MAPERR));
		unmap(stack, THREAD_STACK);
		unmap(w.page + PER_PAGE, PAGE_BYTES);
		unmap(moved, 64 * PAGE_BYTES);
	}
}

/* ---- address spaces end ------------------------------------------------------------------- */

static void nothing(void *arg)
{
	(void)arg;
}

/* Of many processes, with threads, so that tags and tables are used again on all CPUs. */
void test_exits(void)
{
	long *p = get(4 * PAGE_BYTES);

	for (int round = 0; round < 30; round++) {
		for (long i = 1; i <= 4; i++)
			if (!fork()) {
				p[PER_PAGE] = i;
				start_thread(nothing, NULL);
				yield();
				check(wait() == 0);
				leave(p[PER_PAGE]);
			}
		long sum = 0;

		for (int i = 0; i < 4; i++)
			sum += wait();
		check(sum == 10 && p[PER_PAGE] == 0);
	}
	unmap(p, 4 * PAGE_BYTES);
}
