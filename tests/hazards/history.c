/*
 * history.c: see history.h. One task runs at a time, so a counter is a clock.
 */
#include "history.h"

#include <stddef.h>

#include "rig.h"

static unsigned long clock_now;

void history_init(struct history *h, unsigned long tag, bool store)
{
	h->n = 0;
	h->store = store;
	history_end(h, history_begin(h, STORE, tag));
}

unsigned history_begin(struct history *h, enum change_kind kind, unsigned long tag)
{
	rig_check(h->n < HISTORY_MAX);
	h->change[h->n] = (struct change){.kind = kind, .tag = tag, .begin = ++clock_now};
	return h->n++;
}

static void set_end(struct change *c)
{
	if (!c->end)
		c->end = ++clock_now;
}

void history_end(struct history *h, unsigned change)
{
	set_end(&h->change[change]);
}

void history_failed(struct history *h, unsigned change, bool perhaps)
{
	struct change *c = &h->change[change];

	/* Nobody can have seen what was not done. */
	rig_check(perhaps || !c->end);
	set_end(c);
	c->perhaps = perhaps;
	c->never = !perhaps;
}

/* ---------------------------------------------------------------- seen ---------------------- */

static bool leaves(const struct history *h, const struct change *c, unsigned long tag)
{
	bool empties = c->kind == PUNCH || c->kind == CUT;

	return !c->never && (c->tag == tag || (empties && h->store));
}

static bool cuts(const struct change *c)
{
	return !c->never && c->kind == CUT;
}

/* If only one change could have left that, it has been done. */
void history_saw(struct history *h, unsigned long tag)
{
	struct change *found = NULL;

	for (unsigned i = 0; i < h->n; i++) {
		if (!leaves(h, &h->change[i], tag))
			continue;
		if (found)
			return;
		found = &h->change[i];
	}
	if (found)
		set_end(found);
}

void history_saw_end(struct history *h)
{
	struct change *found = NULL;

	for (unsigned i = 0; i < h->n; i++) {
		if (!cuts(&h->change[i]))
			continue;
		if (found)
			return;
		found = &h->change[i];
	}
	if (found)
		set_end(found);
}

/* ---------------------------------------------------------------- at rest ------------------- */

static bool is_done(const struct change *c)
{
	return !c->never && !c->perhaps;
}

/* Has a change that was done begun after the end of this one? With `grows`, one that counts. */
static bool outdated(const struct history *h, const struct change *c, bool grows)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct change *later = &h->change[i];

		if (is_done(later) && later->begin > c->end && (!grows || later->kind == WRITE))
			return true;
	}
	return false;
}

/* A write that failed may have made the file longer without having written the page. */
static bool grown_by_failure(const struct history *h)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->change[i].perhaps)
			return true;
	return false;
}

/* A page that ends the file is there because somebody wrote it after it was cut off. */
bool history_allows(const struct history *h, unsigned long tag, bool last)
{
	bool cut_is_over = last && !grown_by_failure(h);

	for (unsigned i = 0; i < h->n; i++) {
		const struct change *c = &h->change[i];

		if (leaves(h, c, tag) && !(cut_is_over && cuts(c)) && !outdated(h, c, false))
			return true;
	}
	return false;
}

bool history_allows_end(const struct history *h)
{
	for (unsigned i = 0; i < h->n; i++)
		if (cuts(&h->change[i]) && !outdated(h, &h->change[i], true))
			return true;
	return false;
}
