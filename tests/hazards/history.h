/*
 * history.h: what a page of a file may hold, judged by the order in which things were done to it.
 *
 * Each change has a beginning and an end. A change that began after another one had ended came
 * later; of two that overlap either may have been the last. So at rest the page holds what some
 * change left after whose end no other began. And a change whose result somebody has seen has ended
 * for all that follows, though its call may not have returned: whoever saw it and writes then has
 * written later.
 */
#ifndef HAZARDS_HISTORY_H
#define HAZARDS_HISTORY_H

#include <stdbool.h>

#define HISTORY_MAX 16

enum change_kind {
	STORE, /* through a mapping: the page must be there */
	WRITE, /* write(): makes the file long enough */
	PUNCH, /* zeros, where the file has a page */
	CUT,   /* truncation: the file ends before the page */
};

struct history {
	bool store; /* a page that leaves the file comes back from there, with any tag it has had */
	unsigned n;
	struct change {
		enum change_kind kind;
		unsigned long tag; /* what it leaves; 0: nothing */
		unsigned long begin,
		    end;      /* end 0: it is going on, and nobody has seen its result */
		bool perhaps; /* it failed, half done perhaps */
		bool never;   /* it failed, and has done nothing */
	} change[HISTORY_MAX];
};

/* It holds `tag`, and that is all that is known. */
void history_init(struct history *h, unsigned long tag, bool store);

/* A change begins; its number is for history_end(). */
unsigned history_begin(struct history *h, enum change_kind kind, unsigned long tag);
/* It is done; or it failed, which a WRITE may do half way (`perhaps`). */
void history_end(struct history *h, unsigned change);
void history_failed(struct history *h, unsigned change, bool perhaps);

/* The running task has just read the tag; or seen that the file ends before the page. */
void history_saw(struct history *h, unsigned long tag);
void history_saw_end(struct history *h);

/* At rest: can the page hold this? `last`: the file ends with this page. */
bool history_allows(const struct history *h, unsigned long tag, bool last);
/* At rest: can the file end before the page? */
bool history_allows_end(const struct history *h);

#endif
