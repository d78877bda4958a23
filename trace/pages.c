/*
 * pages.c: see pages.h.
 */
#include <stdlib.h>

#include "pages.h"
#include "play.h"

/* ---------------------------------------------------------------- the list ------------------ */

static void append(struct uses *u, uint32_t what)
{
	if (u->n == u->max) {
		u->max = u->max ? 2 * u->max : 4096;
		u->use = play_must(realloc(u->use, u->max * sizeof(*u->use)));
	}
	u->use[u->n++] = what;
}

void uses_add(struct uses *u, uint32_t page)
{
	append(u, 2 * page);
}

void uses_add_gone(struct uses *u, uint32_t page)
{
	append(u, 2 * page + 1);
}

uint32_t uses_new_page(struct uses *u, bool stored)
{
	if (u->nr_pages == u->max_pages) {
		u->max_pages = u->max_pages ? 2 * u->max_pages : 4096;
		u->page = play_must(realloc(u->page, u->max_pages * sizeof(*u->page)));
	}
	u->page[u->nr_pages] = (struct use_page){1, stored};
	return u->nr_pages++;
}

void uses_free(struct uses *u)
{
	free(u->use);
	free(u->page);
	*u = (struct uses){0};
}

/* ---------------------------------------------------------------- an access ----------------- */

/* In tables, a page has its number + 1. */
static uint32_t new_page(struct play *p, struct tags *t, uintptr_t at, bool stored)
{
	uint32_t page = uses_new_page(&p->uses, stored);

	tags_set(t, at, page + 1ul);
	return page;
}

static void drop_page(struct play *p, uint32_t page)
{
	if (--p->uses.page[page].users == 0)
		uses_add_gone(&p->uses, page);
}

static bool use_file(struct play *p, struct play_file *f, uint64_t index)
{
	unsigned long known = tags_get(&f->pages, index + 1);

	uses_add(&p->uses,
	         known ? (uint32_t)known - 1 : new_page(p, &f->pages, index + 1, f->store != NULL));
	return known;
}

static void store_private(struct play *p, struct play_space *s, uintptr_t at, uint32_t own)
{
	uint32_t copy = new_page(p, &s->pages, at, false);

	if (own) {
		uses_add(&p->uses, own - 1);
		drop_page(p, own - 1);
	}
	uses_add(&p->uses, copy);
}

bool pages_used(struct play *p, struct play_space *s, uintptr_t addr, bool store)
{
	uint32_t own = (uint32_t)tags_get(&s->pages, addr / PLAY_PAGE);
	struct play_file *f;
	uint64_t index;
	bool shared, before = own;

	if (!contents_file(p, s, addr, &f, &index, &shared))
		return false;
	if (f && (shared || !own))
		before = use_file(p, f, index);
	if (shared)
		return before;
	if (store && (!own || p->uses.page[own - 1].users > 1))
		store_private(p, s, addr / PLAY_PAGE, own);
	else if (own)
		uses_add(&p->uses, own - 1);
	return before;
}

/* ---------------------------------------------------------------- calls --------------------- */

static void drop_at(struct play *p, struct tags *t, uintptr_t at)
{
	unsigned long page = tags_get(t, at);

	if (page) {
		tags_set(t, at, 0);
		drop_page(p, (uint32_t)page - 1);
	}
}

void pages_drop(struct play *p, struct play_space *s, uint64_t first, uint64_t n)
{
	struct tags *t = &s->pages;

	for (uint64_t i = 0; n <= t->slots && i < n; i++)
		drop_at(p, t, first + i);
	for (size_t i = 0; n > t->slots && i < t->slots; i++)
		if (t->slot[i].tag && t->slot[i].page - first < n)
			drop_at(p, t, t->slot[i].page);
}

/* The ranges do not overlap, and nothing is at the new place. */
void pages_move(struct play_space *s, uint64_t from, uint64_t n, uint64_t to)
{
	for (uint64_t i = 0; i < n; i++) {
		unsigned long page = tags_get(&s->pages, from + i);

		if (!page)
			continue;
		tags_set(&s->pages, from + i, 0);
		tags_set(&s->pages, to + i, page);
	}
}

void pages_fork(struct play *p, const struct play_space *parent, struct play_space *child)
{
	tags_copy(&child->pages, &parent->pages);
	for (size_t i = 0; i < child->pages.slots; i++)
		if (child->pages.slot[i].tag)
			p->uses.page[child->pages.slot[i].tag - 1].users++;
}

void pages_leave(struct play *p, struct play_space *s)
{
	for (size_t i = 0; i < s->pages.slots; i++)
		if (s->pages.slot[i].tag)
			drop_page(p, (uint32_t)s->pages.slot[i].tag - 1);
	tags_free(&s->pages);
}
