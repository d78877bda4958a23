/*
 * replay.c: objrmap-replay: a recording through the library, in less memory than it would like.
 *
 *     objrmap-replay TRACE [--ram SIZE] [--swap FILE] [--design NAME] [--check]
 *
 * SIZE has a K, M or G behind it (default: 1G). The swap file is removed afterwards if it is not named.
 * --check compares contents all the time, and looks for broken invariants at each tenth and in the end.
 * Another design than the one that is linked in is another program, built by make RMAP=NAME trace.
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "play.h"
#include "rmap/rmap.h"

static int usage(void)
{
	fprintf(stderr, "usage: objrmap-replay TRACE [--ram SIZE] [--swap FILE] [--design NAME] "
	                "[--check]\n");
	return 2;
}

/* In frames; 0: that is no size. */
static om_pfn_t frames_of(const char *size)
{
	char *end;
	unsigned long long n = strtoull(size, &end, 10);

	switch (*end) {
	case 'G':
		n <<= 10; /* fall through */
	case 'M':
		n <<= 10; /* fall through */
	case 'K':
		n <<= 10;
		end++;
	}
	n /= PLAY_PAGE;
	return *end || n < 256 || n > UINT32_MAX / 2 ? 0 : (om_pfn_t)n;
}

/* The program that has the other design, beside this one: build/trace or build/V/trace. */
static int become(const char *design, char **argv)
{
	char self[PATH_MAX / 2] = "", path[PATH_MAX];
	const char *suffix = strcmp(design, "objrmap") ? design : "", *dash = *suffix ? "-" : "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return usage();
	dirname(dirname(self));
	if (!strcmp(basename(strdup(self)), "build"))
		snprintf(path, sizeof(path), "%s/release%s%s/trace/objrmap-replay", self, dash,
		         suffix);
	else if (!*suffix)
		snprintf(path, sizeof(path), "%s/../trace/objrmap-replay", self);
	else
		snprintf(path, sizeof(path), "%s/../release-%s/trace/objrmap-replay", self, suffix);
	execv(path, argv);
	fprintf(stderr, "objrmap-replay: %s: %s; make RMAP=%s trace builds it\n", path,
	        strerror(errno), design);
	return 1;
}

/* ---------------------------------------------------------------- swap ---------------------- */

static struct sim_store *open_swap(const char *path)
{
	char own[] = "/tmp/objrmap-swap-XXXXXX";
	struct sim_store *store;
	int fd = path ? -1 : mkstemp(own);

	store = path || fd >= 0 ? sim_store_file(path ? path : own) : NULL;
	if (fd >= 0) {
		unlink(own); /* the store has it open */
		close(fd);
	}
	if (!store)
		fprintf(stderr, "objrmap-replay: swap: %s\n", strerror(errno));
	return store;
}

/* ---------------------------------------------------------------- playing ------------------- */

static void progress(const struct play *p, unsigned percent)
{
	struct om_sysinfo info;

	om_sysinfo(p->sys, &info);
	fprintf(stderr,
	        "%s%3u%%  %llu accesses, %u address spaces, %u of %u MiB free, %u MiB in swap%s",
	        isatty(2) ? "\r" : "", percent, (unsigned long long)p->count.accesses,
	        p->count.spaces, (unsigned)(info.free >> 8), (unsigned)(info.frames >> 8),
	        (unsigned)((info.swap_slots - info.swap_free) >> 8), isatty(2) ? "    " : "\n");
}

static int run(struct trace_reader *t, struct play *p, bool check)
{
	unsigned step = isatty(2) ? 1 : 10, next = step;
	struct trace_record r;
	int more;

	while ((more = trace_next(t, &r)) > 0) {
		unsigned percent = (unsigned)(trace_position(t) * 100 / trace_size(t));

		if (play(p, &r))
			return -1;
		if (percent < next)
			continue;
		progress(p, percent);
		if (check && percent / 10 != (next - step) / 10 && play_verify(p))
			return -1;
		next = percent + step;
	}
	if (more < 0)
		return snprintf(p->error, sizeof(p->error), "%s", trace_error(t)), -1;
	return check ? play_verify(p) : 0;
}

static void summary(const struct trace_reader *t, const struct play *p)
{
	static const enum om_event shown[] = {
	    OM_EV_PGFAULT,     OM_EV_PGMAJFAULT,   OM_EV_FAULT_ANON,   OM_EV_FAULT_COW,
	    OM_EV_FAULT_FILE,  OM_EV_FAULT_SWAP,   OM_EV_FORK,         OM_EV_PSWPOUT,
	    OM_EV_PSWPIN,      OM_EV_PGSTEAL_ANON, OM_EV_PGSTEAL_FILE, OM_EV_RMAP_WALKS,
	    OM_EV_RMAP_PROBES, OM_EV_RMAP_COPY,    OM_EV_META_ALLOC,   OM_EV_MERGE_REFUSED};
	const struct play_counts *c = &p->count;
	struct om_sysinfo info;

	om_sysinfo(p->sys, &info);
	printf("command %s\ndesign %s\n", trace_command(t), om_rmap_traits.name);
	printf("records %llu\naccesses %llu\naccesses_refused %llu\n",
	       (unsigned long long)c->records, (unsigned long long)c->accesses,
	       (unsigned long long)c->bad_accesses);
	printf("calls %llu\ncalls_refused %llu\nspaces %u\nspaces_most %u\nframes_most %lu\n",
	       (unsigned long long)c->calls, (unsigned long long)c->bad_calls, p->nr_spaces,
	       c->most_spaces, (unsigned long)c->most);
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		printf("%s %llu\n", om_event_name(shown[i]),
		       (unsigned long long)info.event[shown[i]]);
}

/* Beside what others would have made of the same uses of pages, in as much memory. */
static void compare_policies(const struct play *p)
{
	const struct uses *u = &p->uses;
	size_t frames = p->count.most_pages;

	printf("frames_pages %zu\nreads_first %llu\nmisses %llu\nmisses_lru %llu\n"
	       "misses_two_lists %llu\nmisses_optimum %llu\n",
	       frames, (unsigned long long)p->count.waits, (unsigned long long)p->count.waits_again,
	       (unsigned long long)policy_lru(u, frames),
	       (unsigned long long)policy_two_lists(u, frames),
	       (unsigned long long)policy_optimum(u, frames));
}

static int replay(const char *path, om_pfn_t frames, const char *swap, bool check)
{
	char error[TRACE_ERROR_MAX];
	struct trace_reader *t = trace_open(path, error);
	struct sim_store *store;
	struct play *p;
	int bad;

	if (!t) {
		fprintf(stderr, "objrmap-replay: %s: %s\n", path, error);
		return 1;
	}
	store = open_swap(swap);
	if (!store)
		return 1;
	if (!(trace_flags(t) & TRACE_FAULTS))
		fprintf(stderr, "objrmap-replay: warning: no page faults are in this trace\n");
	p = play_open(&(struct play_config){.frames = frames,
	                                    .slots = 4 * frames,
	                                    .swap = store,
	                                    .check = check,
	                                    .uses = trace_flags(t) & TRACE_ACCESSES});
	bad = run(t, p, check);
	if (isatty(2))
		fprintf(stderr, "\n");
	if (bad)
		fprintf(stderr, "objrmap-replay: %s: %s\n", path, play_error(p));
	else
		summary(t, p);
	if (!bad && trace_flags(t) & TRACE_ACCESSES)
		compare_policies(p);
	play_close(p);
	sim_store_free(store);
	trace_close(t);
	if (!bad && check)
		printf("check ok\n");
	return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"ram", required_argument, NULL, 'r'},
	                                        {"swap", required_argument, NULL, 's'},
	                                        {"design", required_argument, NULL, 'd'},
	                                        {"check", no_argument, NULL, 'c'},
	                                        {0}};
	const char *swap = NULL, *design = om_rmap_traits.name;
	om_pfn_t frames = frames_of("1G");
	bool check = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'r':
			frames = frames_of(optarg);
			break;
		case 's':
			swap = optarg;
			break;
		case 'd':
			design = optarg;
			break;
		case 'c':
			check = true;
			break;
		default:
			return usage();
		}
	if (optind != argc - 1 || !frames)
		return usage();
	if (strcmp(design, om_rmap_traits.name) != 0)
		return become(design, argv);
	return replay(argv[optind], frames, swap, check);
}
