/*
 * oracle.c: random operations on objrmap, checked against a plain model after every one of them.
 *
 *     oracle [-s SEED] [-n STEPS] [-t SECONDS] [-f FRAMES] [-v]      a round of runs, each on a new
 * machine oracle -r FILE [-v]                                           one sequence from a file
 *
 * (Long forms: --seed, --steps, --seconds, --frames, --replay, --verbose.)
 *
 * The machines are small, so that reclaim and lack of memory are everyday things. Each run is a
 * child process. When one fails, its sequence is cut down: pieces are taken out as long as it still
 * fails at the same place. What is left goes into a file that -r takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ops.h"

#define RUN_STEPS      1500 /* operations of one run */
#define HANG_SECONDS   120  /* of CPU time */
#define SHRINK_SECONDS 90

struct options {
	uint64_t seed;
	unsigned long steps;
	unsigned seconds, frames;
	const char *replay;
	bool verbose;
};

struct sequence {
	struct world_config config;
	unsigned n;
	struct op op[RUN_STEPS + 64];
};

/* What a child tells its parent. */
struct report {
	unsigned step;
	char where[128];
	uint64_t event[OM_NR_EVENTS]; /* of all runs */
	answers answers[OP_CODES];    /* the same */
};

static struct report *report; /* shared with the children */

/* ---------------------------------------------------------------- one run ------------------- */

static void failed(struct world *w, const char *where)
{
	report->step = w->step;
	snprintf(report->where, sizeof(report->where), "%s", where);
	_exit(1);
}

static void run(const struct sequence *s, bool verbose)
{
	struct world *w = world_new(&s->config);

	w->failed = failed;
	w->trace = verbose ? stdout : NULL;
	for (unsigned i = 0; i < s->n; i++)
		op_run(w, &s->op[i]);
	check_contents(w);
	for (unsigned ev = 0; ev < OM_NR_EVENTS; ev++)
		report->event[ev] += event(w, (enum om_event)ev);
	world_end(w);
}

/* True if the run failed; `report` then says where. */
static bool fails(const struct sequence *s, bool quiet)
{
	int status;
	pid_t child;

	report->where[0] = 0;
	fflush(NULL);
	child = fork();
	if (child < 0) {
		perror("fork");
		exit(2);
	}
	if (child == 0) {
		int null = quiet ? open("/dev/null", O_WRONLY) : -1;

		if (null >= 0)
			dup2(null, 2);
		setrlimit(RLIMIT_CPU, &(struct rlimit){HANG_SECONDS, HANG_SECONDS + 1});
		run(s, false);
		fflush(NULL);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			exit(2);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	if (!report->where[0])
		snprintf(report->where, sizeof(report->where), "%s %d",
		         WIFSIGNALED(status) ? "signal" : "exit status",
		         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return true;
}

/* ---------------------------------------------------------------- sequences ----------------- */

/* Every run begins with something to work on. */
static void add_start(struct sequence *s, struct sim_rand *r)
{
	static const char *const start[] = {"create 0 0 0 0 0 0\n", "swapon 9 1 0 0 0 0\n",
	                                    "open 1 21000 0 0 0 0\n", "open 0 13000 0 0 0 0\n"};

	for (unsigned i = 0; i < sizeof(start) / sizeof(start[0]); i++)
		if (i != 1 || sim_rand_chance(r, 75))
			op_parse(start[i], &s->op[s->n++]);
}

static void generate(struct sequence *s, uint64_t seed, unsigned frames)
{
	struct sim_rand r;

	sim_rand_seed(&r, seed);
	s->config.frames = frames ? frames : 72 + (unsigned)sim_rand_below(&r, 200);
	if (!frames && seed % 8 == 7)
		s->config.frames += 500; /* enough for caches of free frames */
	s->config.swap_cluster = (unsigned)sim_rand_below(&r, 5);
	s->config.check_every = 0;
	s->config.answers = report->answers;
	s->n = 0;
	add_start(s, &r);
	while (s->n < RUN_STEPS)
		op_random(&r, &s->op[s->n++]);
}

static void save(const struct sequence *s, const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f) {
		perror(path);
		return;
	}
	fprintf(f, "frames %u cluster %u\n", s->config.frames, s->config.swap_cluster);
	for (unsigned i = 0; i < s->n; i++)
		op_print(f, &s->op[i]);
	fclose(f);
}

static void load(struct sequence *s, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[200];

	if (!f ||
	    fscanf(f, "frames %u cluster %u\n", &s->config.frames, &s->config.swap_cluster) != 2) {
		fprintf(stderr, "%s: not a sequence\n", path);
		exit(2);
	}
	s->config.check_every = 1;
	for (s->n = 0; s->n < RUN_STEPS + 64 && fgets(line, sizeof(line), f);)
		if (line[0] != '#' && op_parse(line, &s->op[s->n]))
			s->n++;
	fclose(f);
}

/* ---------------------------------------------------------------- cutting down -------------- */

/* `s` without n operations from `at` on. */
static void without(struct sequence *out, const struct sequence *s, unsigned at, unsigned n)
{
	*out = *s;
	out->n = s->n - n;
	memmove(&out->op[at], &out->op[at + n], (s->n - at - n) * sizeof(out->op[0]));
}

static bool still_fails(const struct sequence *s, const char *where)
{
	return fails(s, true) && !strcmp(report->where, where);
}

/* Take out pieces, large ones first, until no single operation can be missed. */
static void shrink(struct sequence *s, const char *where)
{
	static struct sequence try;
	time_t end = time(NULL) + SHRINK_SECONDS;

	for (unsigned piece = s->n / 2; piece && time(NULL) < end;) {
		bool less = false;

		for (unsigned at = 0; at + piece <= s->n && time(NULL) < end;) {
			without(&try, s, at, piece);
			if (still_fails(&try, where)) {
				*s = try;
				less = true;
			} else {
				at += piece;
			}
		}
		if (piece > 1 || !less)
			piece /= 2;
	}
}

static void report_failure(struct sequence *s, uint64_t seed)
{
	char where[128], path[512];
	unsigned n = s->n;

	if (report->step && report->step + 1 < s->n)
		s->n = report->step + 1;
	/* Looking at everything after each step finds it sooner. */
	s->config.check_every = 1;
	if (!fails(s, false))
		fprintf(stderr, "oracle: seed %llu does not fail again\n",
		        (unsigned long long)seed);
	snprintf(where, sizeof(where), "%s", report->where);
	/* Beside the program. */
	snprintf(path, sizeof(path), "%s-%llu.ops", program_invocation_name,
	         (unsigned long long)seed);
	fprintf(stderr, "oracle: seed %llu, %u frames, swap cluster %u: fails at step %u (%s)\n",
	        (unsigned long long)seed, s->config.frames, s->config.swap_cluster, report->step,
	        where);
	if (!still_fails(s, where))
		s->n = n;
	shrink(s, where);
	save(s, path);
	fprintf(stderr, "oracle: cut down to %u operations; repeat with: %s -v -r %s\n", s->n,
	        program_invocation_name, path);
}

/* ---------------------------------------------------------------- main ---------------------- */

/* What the operations led to; at least what never happened. */
static void print_events(bool all)
{
	for (unsigned ev = 0; ev < OM_NR_EVENTS; ev++)
		if (all || !report->event[ev])
			printf("  %-18s %llu\n", om_event_name((enum om_event)ev),
			       (unsigned long long)report->event[ev]);
}

static int rounds(const struct options *o)
{
	static struct sequence s;
	time_t end = time(NULL) + o->seconds;
	unsigned long done = 0, runs = 0;

	for (; o->seconds ? time(NULL) < end : done < o->steps; runs++) {
		uint64_t seed = o->seed + runs;

		generate(&s, seed, o->frames);
		if (fails(&s, false)) {
			report_failure(&s, seed);
			return 1;
		}
		done += s.n;
		if (runs % 8 == 7) {
			printf("oracle: %lu runs, %lu operations\n", runs + 1, done);
			fflush(stdout);
		}
	}
	print_events(o->verbose);
	op_print_answers(report->answers, o->verbose);
	printf("oracle: %lu runs, %lu operations, no difference (seed %llu)\n", runs, done,
	       (unsigned long long)o->seed);
	return 0;
}

static void usage(void)
{
	fprintf(stderr,
	        "usage: oracle [-s SEED] [-n STEPS] [-t SECONDS] [-f FRAMES] [-r FILE] [-v]\n");
	exit(2);
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
	    {"seed", 1, NULL, 's'},   {"steps", 1, NULL, 'n'},  {"seconds", 1, NULL, 't'},
	    {"frames", 1, NULL, 'f'}, {"replay", 1, NULL, 'r'}, {"verbose", 0, NULL, 'v'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "s:n:t:f:r:v", names, NULL)) != -1) {
		switch (c) {
		case 's':
			o->seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			o->steps = strtoul(optarg, NULL, 0);
			break;
		case 't':
			o->seconds = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'f':
			o->frames = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'r':
			o->replay = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		default:
			usage();
		}
	}
}

int main(int argc, char **argv)
{
	struct options o = {.seed = 1, .steps = 60000};
	static struct sequence s;

	report =
	    mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		return 2;
	parse(&o, argc, argv);
	if (!o.replay)
		return rounds(&o);
	load(&s, o.replay);
	run(&s, o.verbose);
	printf("oracle: %u operations, no difference\n", s.n);
	return 0;
}
