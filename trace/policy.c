/*
 * policy.c: ways to choose victims, played on a list of uses. See pages.h.
 */
#include <stdlib.h>
#include <string.h>

#include "pages.h"
#include "play.h"

/* ---------------------------------------------------------------- lists --------------------- */

/* Pages in a ring, by number; the head is the number behind the last. */
struct node {
	uint32_t next, prev;
};

static void ring_init(struct node *node, uint32_t head)
{
	node[head] = (struct node){head, head};
}

static void ring_add(struct node *node, uint32_t head, uint32_t page)
{
	node[page] = (struct node){node[head].next, head};
	node[node[head].next].prev = page;
	node[head].next = page;
}

static void ring_del(struct node *node, uint32_t page)
{
	node[node[page].prev].next = node[page].next;
	node[node[page].next].prev = node[page].prev;
}

/* ---------------------------------------------------------------- exact LRU ----------------- */

enum where { NEVER, GONE, OUT, IN, IN_ACTIVE };

uint64_t policy_lru(const struct uses *u, size_t frames)
{
	uint32_t head = u->nr_pages;
	struct node *node = play_must(calloc(head + 1ul, sizeof(*node)));
	unsigned char *where = play_must(calloc(head + 1ul, 1));
	uint64_t misses = 0;
	size_t used = 0;

	ring_init(node, head);
	for (size_t i = 0; i < u->n; i++) {
		uint32_t page = u->use[i] / 2;

		if (where[page] == IN)
			ring_del(node, page), used--;
		misses += where[page] == OUT && !(u->use[i] & 1);
		where[page] = u->use[i] & 1 ? GONE : IN;
		if (where[page] == GONE)
			continue;
		if (used == frames) {
			uint32_t victim = node[head].prev;

			ring_del(node, victim);
			where[victim] = OUT;
			used--;
		}
		ring_add(node, head, page);
		used++;
	}
	free(node);
	free(where);
	return misses;
}

/* ---------------------------------------------------------------- two lists ----------------- */

struct lists {
	const struct uses *u;
	struct node *node; /* the heads: inactive, active */
	uint32_t inactive, active;
	size_t nr_inactive[2], nr_active[2]; /* by `stored`: anonymous, of files */
	struct state {
		unsigned char where;
		bool used;  /* the bit that the processor sets */
		bool again; /* it was found set in the last turn, too */
		uint64_t age;
	} * page;
	uint64_t age; /* how many have gone or been activated */
};

static void put(struct lists *l, uint32_t page, enum where where)
{
	l->page[page].where = (unsigned char)where;
	ring_add(l->node, where == IN ? l->inactive : l->active, page);
	(where == IN ? l->nr_inactive : l->nr_active)[l->u->page[page].stored]++;
}

static void take(struct lists *l, uint32_t page)
{
	ring_del(l->node, page);
	(l->page[page].where == IN ? l->nr_inactive : l->nr_active)[l->u->page[page].stored]--;
}

static size_t sum(const size_t n[2])
{
	return n[0] + n[1];
}

static void balance(struct lists *l)
{
	while (sum(l->nr_active) > sum(l->nr_inactive)) {
		uint32_t page = l->node[l->active].prev;

		take(l, page);
		l->page[page].used = l->page[page].again = false;
		put(l, page, IN);
	}
}

static void evict_one(struct lists *l)
{
	for (;;) {
		uint32_t page;
		struct state *s;

		balance(l);
		page = l->node[l->inactive].prev;
		s = &l->page[page];
		take(l, page);
		if (!s->used) {
			s->where = OUT;
			s->age = l->age++;
			return;
		}
		s->used = false;
		l->age += s->again;
		put(l, page, s->again ? IN_ACTIVE : IN);
		s->again = !s->again;
	}
}

static void come_in(struct lists *l, uint32_t page, size_t frames)
{
	struct state *s = &l->page[page];
	size_t kept = sum(l->nr_active) + l->nr_inactive[!l->u->page[page].stored];
	bool soon = s->where == OUT && l->age - s->age <= kept;

	if (sum(l->nr_inactive) + sum(l->nr_active) == frames)
		evict_one(l);
	s->used = s->again = false;
	put(l, page, soon ? IN_ACTIVE : IN);
}

uint64_t policy_two_lists(const struct uses *u, size_t frames)
{
	struct lists l = {.u = u, .inactive = u->nr_pages, .active = u->nr_pages + 1};
	uint64_t misses = 0;

	l.node = play_must(calloc(u->nr_pages + 2ul, sizeof(*l.node)));
	l.page = play_must(calloc(u->nr_pages + 1ul, sizeof(*l.page)));
	ring_init(l.node, l.inactive);
	ring_init(l.node, l.active);
	for (size_t i = 0; i < u->n; i++) {
		uint32_t page = u->use[i] / 2;
		struct state *s = &l.page[page];
		bool in = s->where == IN || s->where == IN_ACTIVE;

		if (u->use[i] & 1) {
			if (in)
				take(&l, page);
			s->where = GONE;
			continue;
		}
		misses += s->where == OUT;
		if (!in)
			come_in(&l, page, frames);
		s->used = true;
	}
	free(l.node);
	free(l.page);
	return misses;
}

/* ---------------------------------------------------------------- the optimum --------------- */

#define NEVER_AGAIN UINT32_MAX

/* A heap of pages in memory by next use, the last on top; what is no longer true is skipped. */
struct heap {
	struct due {
		uint32_t next, page;
	} * at;
	size_t n;
};

static void heap_add(struct heap *h, struct due d)
{
	size_t i = h->n++;

	for (; i && h->at[(i - 1) / 2].next < d.next; i = (i - 1) / 2)
		h->at[i] = h->at[(i - 1) / 2];
	h->at[i] = d;
}

static struct due heap_take(struct heap *h)
{
	struct due top = h->at[0], last = h->at[--h->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n && h->at[child + 1].next > h->at[child].next)
			child++;
		if (h->at[child].next <= last.next)
			break;
		h->at[i] = h->at[child];
		i = child;
	}
	h->at[i] = last;
	return top;
}

/* Of each use, when the page is used next. */
static uint32_t *next_uses(const struct uses *u)
{
	uint32_t *next = play_must(calloc(u->n + 1, sizeof(*next)));
	uint32_t *last = play_must(calloc(u->nr_pages + 1ul, sizeof(*last)));

	memset(last, 0xff, (u->nr_pages + 1ul) * sizeof(*last));
	for (size_t i = u->n; i-- > 0;) {
		uint32_t page = u->use[i] / 2;

		next[i] = last[page];
		last[page] = u->use[i] & 1 ? NEVER_AGAIN : (uint32_t)i;
	}
	free(last);
	return next;
}

struct optimum {
	struct heap heap;
	unsigned char *where;
	uint32_t *due; /* of a page in memory, its next use */
	size_t used;
};

static void optimum_evict(struct optimum *o)
{
	struct due d;

	do
		d = heap_take(&o->heap);
	while (o->where[d.page] != IN || o->due[d.page] != d.next);
	o->where[d.page] = OUT;
	o->used--;
}

uint64_t policy_optimum(const struct uses *u, size_t frames)
{
	uint32_t *next = next_uses(u);
	struct optimum o = {.heap.at = play_must(calloc(u->n + 1, sizeof(struct due))),
	                    .where = play_must(calloc(u->nr_pages + 1ul, 1)),
	                    .due = play_must(calloc(u->nr_pages + 1ul, sizeof(*o.due)))};
	uint64_t misses = 0;

	for (size_t i = 0; i < u->n; i++) {
		uint32_t page = u->use[i] / 2;

		if (u->use[i] & 1) {
			o.used -= o.where[page] == IN;
			o.where[page] = GONE;
			continue;
		}
		misses += o.where[page] == OUT;
		if (o.where[page] != IN && o.used == frames)
			optimum_evict(&o);
		o.used += o.where[page] != IN;
		o.where[page] = IN;
		o.due[page] = next[i];
		heap_add(&o.heap, (struct due){next[i], page});
	}
	free(next);
	free(o.heap.at);
	free(o.where);
	free(o.due);
	return misses;
}
