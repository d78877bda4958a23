/*
 * tags.c: see tags.h.
 */
#include "tags.h"

#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct tag *find(const struct tags *t, uintptr_t page)
{
	size_t i = page * (size_t)0x9e3779b1u & (t->slots - 1);

	while (t->slot[i].page && t->slot[i].page != page)
		i = (i + 1) & (t->slots - 1);
	return &t->slot[i];
}

static void grow(struct tags *t)
{
	struct tags old = *t;

	t->slots = old.slots ? 2 * old.slots : 64;
	t->slot = must(calloc(t->slots, sizeof(*t->slot)));
	for (size_t i = 0; i < old.slots; i++)
		if (old.slot[i].page)
			*find(t, old.slot[i].page) = old.slot[i];
	free(old.slot);
}

unsigned long tags_get(const struct tags *t, uintptr_t page)
{
	return t->slots ? find(t, page)->tag : 0;
}

void tags_set(struct tags *t, uintptr_t page, unsigned long tag)
{
	struct tag *slot;

	if (2 * t->used >= t->slots)
		grow(t);
	slot = find(t, page);
	t->used += !slot->page;
	*slot = (struct tag){page, tag};
}

void tags_copy(struct tags *to, const struct tags *from)
{
	*to = *from;
	if (from->slots)
		to->slot = memcpy(must(malloc(from->slots * sizeof(*to->slot))), from->slot,
		                  from->slots * sizeof(*to->slot));
}

void tags_free(struct tags *t)
{
	free(t->slot);
	*t = (struct tags){0};
}
