/*
 * The twin test: the same random sequence of calls on the library and on real processes of the
 * kernel we run on; answers and contents must agree.
 *
 * A round is a fresh machine and fresh processes, and a few thousand calls. For each address space
 * of the library there is a process of the host, a worker, forked by its real parent (worker.c).
 * The runner (run.c) makes each call in the library first, then sends it to the worker. The library
 * has a few MiB of memory and swaps all the time; the host has plenty. What is compared:
 *
 *   - the answer of every call: result or errno, addresses, bytes read, and for accesses that fault
 *     the signal and its code (MAPERR, ACCERR, BUS);
 *   - now and then everything else (check.c): areas with rights, flags, objects and offsets;
 *     VmSize, VmData, VmLck; every byte of every mapped page and of every file; file sizes.
 *
 * Deliberate differences are listed, all of them, in exempt.c. Older kernels, and what a container
 * forbids, are found out in probe.c.
 *
 *     twin                          fixed seeds, about a minute at most
 *     twin --seed N --calls N       one seed, as many rounds as it takes
 *     twin --replay FILE            the calls that a failure printed
 *     --frames N                    memory of the library, instead of a random size
 *     --shrink SECONDS              how long a failure may be shrunk (60; 0: not at all)
 *     -s N, -n N, -t SECONDS        as the other programs of tests/ have them
 *
 * A failing round is shrunk: its recorded calls are made again in fresh processes, with fewer and
 * fewer of them (shrink.c). Exit status 0, 1 after a failure, 2 for a wrong command line, 77 if this
 * machine lacks what the test needs; its last line then says "skipped: why".
 */
#include "twin.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUND_CALLS   4000u
#define ROUND_SECONDS 300 /* of the processor, for a round; more is a hang */

struct shared *shared;
struct call *call_list;

struct options {
	uint64_t seed, calls;
	unsigned shrink, seconds, frames;
	const char *replay;
};

/* ---------------------------------------------------------------- a round ------------------- */

static void make_round(struct round *round, const struct options *o, uint64_t seed)
{
	struct sim_rand r;

	sim_rand_seed(&r, seed * 7919 + 1);
	round->seed = seed;
	round->frames = 2200 + (unsigned)sim_rand_below(&r, 2500);
	if (sim_rand_chance(&r, 10))
		round->frames = 60000; /* no reclaim at all */
	round->swap_cluster = (unsigned)sim_rand_below(&r, 5);
	round->stores = (unsigned)sim_rand_below(&r, 1u << NR_FILES);
	if (o->frames)
		round->frames = o->frames;
}

/* In the runner: make n calls, or n new ones. Does not return. */
_Noreturn static void run(const struct round *round, const struct call *call, uint32_t n)
{
	const unsigned everything = CHECK_ALL_PROCS | CHECK_ALL_PAGES | CHECK_FLAGS | CHECK_VERIFY;
	const struct itimerval limit = {.it_value = {ROUND_SECONDS, 0}};

	setitimer(ITIMER_PROF, &limit, NULL);
	host_open();
	lib_open(round);
	gen_open(round->seed);
	for (uint32_t i = 0; i < n; i++) {
		if (call)
			call_list[i] = call[i];
		else
			gen_call(&call_list[i]);
		shared->nr_calls = i + 1;
		run_call(i, &call_list[i]);
	}
	run_flush();
	shared->failed_at = n ? n - 1 : 0;
	check(0, everything);
	lib_close();
	host_close();
	exit(0); /* not _exit(): coverage and leak checkers want to look */
}

_Noreturn static void exit_skipped(const char *why)
{
	printf("skipped: %s\n", why);
	exit(SKIPPED);
}

/* True if it failed; shared->failure says how. */
static bool run_round(const struct round *round, const struct call *call, uint32_t n)
{
	int status;
	pid_t pid;

	shared->failure[0] = 0;
	shared->nr_calls = 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run(round, call, n);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		exit_skipped(shared->failure);
	if (!shared->failure[0]) {
		int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

		snprintf(shared->failure, sizeof(shared->failure), "%s: signal %d, status %#x",
		         sig == SIGPROF ? "hang" : "crash", sig, status);
	}
	return true;
}

static bool replay(const struct round *round, const struct call *call, uint32_t n, char *failure,
                   size_t size)
{
	bool failed = run_round(round, call, n);

	snprintf(failure, size, "%s", shared->failure);
	return failed;
}

/* ---------------------------------------------------------------- failures ------------------ */

static void print_list(FILE *out, const struct round *round, const struct call *call, uint32_t n)
{
	fprintf(out, "round seed=%llu frames=%u swap_cluster=%u stores=%u\n",
	        (unsigned long long)round->seed, round->frames, round->swap_cluster, round->stores);
	for (uint32_t i = 0; i < n; i++)
		print_call(out, &call[i]);
}

static void report(const struct round *round, const struct options *o)
{
	size_t bytes = MAX_CALLS * sizeof(struct call);
	struct call *call =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t n =
	    shared->failed_at < shared->nr_calls ? shared->failed_at + 1 : shared->nr_calls;
	char failure[sizeof(shared->failure)], last[sizeof(shared->failure)];

	memcpy(call, call_list, shared->nr_calls * sizeof(*call));
	snprintf(failure, sizeof(failure), "%s", shared->failure);
	printf("FAILED, call %u of seed %llu: %s\n", n, (unsigned long long)round->seed, failure);
	if (!o->replay)
		printf("again: twin --seed %llu --calls %u --frames %u\n",
		       (unsigned long long)round->seed, ROUND_CALLS, round->frames);
	fflush(stdout);
	if (o->shrink && replay(round, call, n, last, sizeof(last)))
		n = shrink(round, call, n, failure, replay, o->shrink);
	if (replay(round, call, n, last, sizeof(last)))
		printf("the shortest list found, %u calls, ends with: %s\n", n, last);
	else
		printf("the recorded calls, which do not fail when made again:\n");
	print_list(stdout, round, call, n);
	munmap(call, bytes);
}

/* ---------------------------------------------------------------- replay -------------------- */

/* As a string. Without stdio, which would allocate. */
static char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	char *text;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st))
		st.st_size = 0;
	text = mmap(NULL, (size_t)st.st_size + 1, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (text == MAP_FAILED || read(fd, text, (size_t)st.st_size) != st.st_size)
		text = NULL;
	close(fd);
	return text;
}

static bool read_list(const char *path, struct round *round, struct call *call, uint32_t *n)
{
	char *text = read_text(path), *save, *line;
	unsigned long long seed;

	if (!text)
		return false;
	*n = 0;
	for (line = strtok_r(text, "\n", &save); line && *n < MAX_CALLS;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "round seed=%llu frames=%u swap_cluster=%u stores=%u", &seed,
		           &round->frames, &round->swap_cluster, &round->stores) == 4)
			round->seed = seed;
		else if (parse_call(line, &call[*n]))
			++*n;
	}
	return true;
}

static int replay_file(const struct options *o)
{
	size_t bytes = MAX_CALLS * sizeof(struct call);
	struct call *call =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct round round = {.frames = 4000};
	uint32_t n;

	if (!read_list(o->replay, &round, call, &n)) {
		perror(o->replay);
		return 2;
	}
	if (o->frames)
		round.frames = o->frames;
	if (!run_round(&round, call, n)) {
		printf("%u calls, no difference\n", n);
		return 0;
	}
	report(&round, o);
	return 1;
}

/* ---------------------------------------------------------------- figures ------------------- */

static void print_event(const char *label, enum om_event ev)
{
	printf("  %-36s %9llu\n", label, (unsigned long long)shared->event[ev]);
}

static void print_figures(unsigned rounds)
{
	uint64_t run = 0, compared = 0;

	printf("%-14s %10s %10s %10s\n", "call", "made", "compared", "succeeded");
	for (unsigned k = 0; k < NR_KINDS; k++) {
		const struct tally *t = &shared->tally[k];

		printf("%-14s %10llu %10llu %10llu\n", kind_name(k), (unsigned long long)t->run,
		       (unsigned long long)t->compared, (unsigned long long)t->good);
		run += t->run;
		compared += t->compared;
	}
	printf("%-14s %10llu %10llu in %u rounds\n", "all", (unsigned long long)run,
	       (unsigned long long)compared, rounds);
	printf("compared besides:\n");
	printf("  %-36s %9llu\n", "address spaces", (unsigned long long)shared->checks);
	printf("  %-36s %9llu\n", "areas", (unsigned long long)shared->areas);
	printf("  %-36s %9llu\n", "pages, by contents", (unsigned long long)shared->pages);
	printf("  %-36s %9llu\n", "pages neither side had touched",
	       (unsigned long long)shared->skipped_pages);
	printf("  %-36s %9llu\n", "pages lost after MADV_FREE", (unsigned long long)shared->lazy);
	printf("  %-36s %9llu\n", "om_verify", (unsigned long long)shared->verifies);
	printf("in the library:\n");
	print_event("pages swapped out", OM_EV_PSWPOUT);
	print_event("pages swapped in", OM_EV_PSWPIN);
	print_event("faults", OM_EV_PGFAULT);
	print_event("copies on write", OM_EV_FAULT_COW);
	print_event("page tables moved whole", OM_EV_TABLE_MOVE);
	printf("calls not made (exempt.c):\n");
	print_exemptions(stdout);
}

/* ---------------------------------------------------------------- main ---------------------- */

static int run_rounds(const struct options *o)
{
	time_t end = time(NULL) + o->seconds;
	unsigned rounds = 0;

	for (uint64_t left = o->calls; left || o->seconds; rounds++) {
		uint32_t n = left < ROUND_CALLS && !o->seconds ? (uint32_t)left : ROUND_CALLS;
		struct round round;

		if (o->seconds && time(NULL) >= end)
			break;
		make_round(&round, o, o->seed + rounds);
		if (run_round(&round, NULL, n)) {
			report(&round, o);
			return 1;
		}
		left -= o->seconds ? 0 : n;
	}
	print_figures(rounds);
	printf("no difference\n");
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: twin [--seed N] [--calls N] [--seconds N] [--frames N] "
	                "[--shrink SECONDS] [--replay FILE]\n");
	return 2;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"seed", 1, NULL, 's'},    {"calls", 1, NULL, 'n'},
	                                      {"seconds", 1, NULL, 't'}, {"shrink", 1, NULL, 'k'},
	                                      {"replay", 1, NULL, 'r'},  {"frames", 1, NULL, 'f'},
	                                      {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "s:n:t:k:r:f:", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			o->calls = strtoull(optarg, NULL, 0);
			break;
		case 't':
			o->seconds = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'k':
			o->shrink = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'r':
			o->replay = optarg;
			break;
		case 'f':
			o->frames = (unsigned)strtoul(optarg, NULL, 0);
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

/* ThreadSanitizer wants no mappings of others, and one thread at a time is no work for it. */
#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER 0
#endif

int main(int argc, char **argv)
{
	struct options o = {.seed = 1, .calls = 60000, .shrink = 60};
	static char out[1 << 16];

	/* No allocation before the workers are forked: they need a heap of their own. */
	setvbuf(stdout, out, _IOLBF, sizeof(out));
	if (!parse_options(argc, argv, &o))
		return usage();
	if (THREAD_SANITIZER)
		exit_skipped("not for ThreadSanitizer");
	shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	call_list = mmap(NULL, MAX_CALLS * sizeof(*call_list), PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || call_list == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	return o.replay ? replay_file(&o) : run_rounds(&o);
}
