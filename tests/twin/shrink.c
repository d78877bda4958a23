/*
 * shrink.c: leave away what is not needed for a failure.
 *
 * Delta debugging: try the list without each of its pieces, from large pieces to single calls, and
 * keep every shorter list that fails in the same way. Calls on processes that do not exist (their
 * fork went) are ignored when replayed, so any part of a list is a list.
 */
#include "twin.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Up to the first colon a failure says what kind it is; results say which call, too. */
static bool same_kind(const char *a, const char *b)
{
	size_t n = strcspn(a, ":");

	if (n > strlen(b) || strncmp(a, b, n))
		return false;
	return strncmp(a, "result: ", 8) || !strncmp(a, b, strcspn(a + 8, " ") + 8);
}

struct state {
	const struct round *round;
	struct call *call, *trial;
	uint32_t n;
	const char *failure;
	replay_fn replay;
	time_t end;
};

/* Without [from, to): is it still the failure? Then that is the list now. */
static bool try_without(struct state *s, uint32_t from, uint32_t to)
{
	char failure[sizeof(shared->failure)];
	uint32_t n = s->n - (to - from);

	memcpy(s->trial, s->call, from * sizeof(*s->call));
	memcpy(s->trial + from, s->call + to, (s->n - to) * sizeof(*s->call));
	if (!s->replay(s->round, s->trial, n, failure, sizeof(failure)) ||
	    !same_kind(s->failure, failure))
		return false;
	memcpy(s->call, s->trial, n * sizeof(*s->call));
	s->n = n;
	return true;
}

/* One pass with pieces of a size; true if anything went. */
static bool pass(struct state *s, uint32_t size)
{
	bool any = false;
	uint32_t at = s->n;

	while (at > 0 && time(NULL) < s->end) {
		uint32_t from = at > size ? at - size : 0;

		any |= try_without(s, from, at);
		at = from;
	}
	return any;
}

uint32_t shrink(const struct round *round, struct call *call, uint32_t n, const char *failure,
                replay_fn replay, unsigned seconds)
{
	size_t bytes = MAX_CALLS * sizeof(*call);
	struct state s = {round, call, NULL, n, failure, replay, time(NULL) + seconds};
	uint32_t size = n / 2;

	s.trial = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s.trial == MAP_FAILED)
		return n;
	while (size && time(NULL) < s.end) {
		bool any = pass(&s, size);

		if (size == 1 && !any)
			break;
		size = size > 1 ? size / 2 : 1;
	}
	munmap(s.trial, bytes);
	return s.n;
}
