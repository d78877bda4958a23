/*
 * model.c: see model.h. All of it is meant to be obviously right, not fast.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

static void *need(void *p)
{
	if (!p) {
		fprintf(stderr, "the test is out of memory\n");
		abort();
	}
	return p;
}

/* ---------------------------------------------------------------- contents ------------------ */

struct content *content_new(void)
{
	struct content *c = need(calloc(1, sizeof(*c)));

	c->refs = 1;
	c->unknown_from = PAGE;
	return c;
}

struct content *content_copy(const struct content *from)
{
	struct content *c = content_new();

	memcpy(c->byte, from->byte, PAGE);
	c->unknown_from = from->unknown_from;
	return c;
}

static void content_release(struct content *c)
{
	if (!c->refs && !c->pins)
		free(c);
}

void content_put(struct content *c)
{
	c->refs--;
	content_release(c);
}

void content_unpin(struct content *c)
{
	c->pins--;
	content_release(c);
}

/* ---------------------------------------------------------------- objects ------------------- */

struct object *object_new(uint64_t size, size_t room)
{
	struct object *o = need(calloc(1, sizeof(*o)));

	o->size = size;
	o->room = room;
	o->page = need(calloc(room, sizeof(*o->page)));
	return o;
}

void object_free(struct object *o)
{
	for (size_t i = 0; i < o->room; i++)
		free(o->page[i]);
	free(o->page);
	free(o);
}

size_t object_pages(const struct object *o)
{
	return (size_t)((o->size + PAGE - 1) / PAGE);
}

size_t object_valid(const struct object *o, size_t index)
{
	uint64_t start = (uint64_t)index * PAGE;

	if (o->size <= start)
		return 0;
	return o->size - start < PAGE ? (size_t)(o->size - start) : PAGE;
}

/* Bytes from `offset` on that lie in one page, at most n. */
static size_t piece(uint64_t offset, size_t n)
{
	size_t rest = PAGE - (size_t)(offset % PAGE);

	return n < rest ? n : rest;
}

void object_read(const struct object *o, uint64_t offset, void *buf, size_t n)
{
	uint8_t *to = buf;

	for (size_t now; n; n -= now) {
		size_t page = (size_t)(offset / PAGE);

		now = piece(offset, n);
		if (page < o->room && o->page[page])
			memcpy(to, o->page[page] + offset % PAGE, now);
		else
			memset(to, 0, now);
		offset += now;
		to += now;
	}
}

void object_write(struct object *o, uint64_t offset, const void *buf, size_t n)
{
	const uint8_t *from = buf;

	for (size_t now; n; n -= now) {
		size_t page = (size_t)(offset / PAGE);

		now = piece(offset, n);
		if (page >= o->room) {
			fprintf(stderr, "the test writes beyond its own largest file\n");
			abort();
		}
		if (!o->page[page])
			o->page[page] = need(calloc(1, PAGE));
		memcpy(o->page[page] + offset % PAGE, from, now);
		offset += now;
		from += now;
	}
}

void object_zero(struct object *o, uint64_t from, uint64_t to)
{
	if (to > (uint64_t)o->room * PAGE)
		to = (uint64_t)o->room * PAGE;
	while (from < to) {
		size_t page = (size_t)(from / PAGE);
		uint64_t end = (uint64_t)(page + 1) * PAGE < to ? (uint64_t)(page + 1) * PAGE : to;

		if (o->page[page])
			memset(o->page[page] + from % PAGE, 0, (size_t)(end - from));
		from = end;
	}
}

/* ---------------------------------------------------------------- spaces -------------------- */

void space_init(struct space *s, struct om_mm *mm)
{
	memset(s, 0, sizeof(*s));
	s->mm = mm;
	s->page = need(calloc(MODEL_PAGES, sizeof(*s->page)));
	s->brk = addr_of(BRK_PAGE);
	for (unsigned i = 0; i < OM_NR_LIMITS; i++)
		s->limit[i] = OM_UNLIMITED;
	s->limit[OM_LIMIT_VMAS] = 65530;
}

void space_unmap(struct space *s, size_t first, size_t n, object_gone *gone, void *arg)
{
	for (size_t i = first; i < first + n; i++) {
		struct mpage old = s->page[i];

		memset(&s->page[i], 0, sizeof(s->page[i]));
		if (old.own)
			content_put(old.own);
		if (old.object && --old.object->mapped == 0)
			gone(arg, old.object);
	}
}

void space_free(struct space *s, object_gone *gone, void *arg)
{
	space_unmap(s, 0, MODEL_PAGES, gone, arg);
	free(s->page);
	memset(s, 0, sizeof(*s));
}

void space_map(struct space *s, size_t page, unsigned flags, struct object *object, size_t index)
{
	struct mpage *p = &s->page[page];

	if (p->flags || p->own) {
		fprintf(stderr, "the model maps a page twice\n");
		abort();
	}
	p->flags = flags | MP_MAPPED;
	p->object = object;
	p->linear = p->index = index;
	if (object)
		object->mapped++;
}

/* A pinned page stays the parent's: the child has a copy. */
static void fork_page(struct mpage *child, const struct mpage *parent)
{
	if (!parent->flags || (parent->flags & OM_VM_DONTFORK))
		return;
	*child = *parent;
	child->flags &= ~MP_LOCKS;
	if (child->object)
		child->object->mapped++;
	if (child->flags & OM_VM_WIPEONFORK) {
		child->own = NULL;
		child->lazy = false;
	} else if (child->own && child->own->pins) {
		child->own = content_copy(child->own);
	} else if (child->own) {
		child->own->refs++;
	}
}

void space_fork(struct space *child, const struct space *parent, struct om_mm *mm)
{
	space_init(child, mm);
	child->brk = parent->brk;
	memcpy(child->limit, parent->limit, sizeof(child->limit));
	for (size_t i = 0; i < MODEL_PAGES; i++)
		fork_page(&child->page[i], &parent->page[i]);
}

bool space_is_beyond(const struct space *s, size_t page)
{
	const struct mpage *p = &s->page[page];

	return p->object && !p->own && p->index >= object_pages(p->object);
}

void space_bytes(const struct space *s, size_t page, uint8_t *buf)
{
	const struct mpage *p = &s->page[page];

	if (p->own)
		memcpy(buf, p->own->byte, PAGE);
	else if (p->object)
		object_read(p->object, (uint64_t)p->index * PAGE, buf, PAGE);
	else
		memset(buf, 0, PAGE);
}

size_t space_known(const struct space *s, size_t page)
{
	const struct mpage *p = &s->page[page];

	if (p->own)
		return p->own->unknown_from;
	return p->object ? object_valid(p->object, p->index) : PAGE;
}

struct content *space_own(struct space *s, size_t page)
{
	struct mpage *p = &s->page[page];
	struct content *c;

	if (p->own && p->own->refs == 1)
		return p->own;
	c = content_new();
	space_bytes(s, page, c->byte);
	c->unknown_from = (unsigned)space_known(s, page);
	if (p->own)
		content_put(p->own);
	p->own = c;
	return c;
}

size_t space_count(const struct space *s, size_t first, size_t n, unsigned flag)
{
	size_t count = 0;

	for (size_t i = first; i < first + n && i < MODEL_PAGES; i++)
		count += (s->page[i].flags & flag) != 0;
	return count;
}

bool flags_are_data(unsigned flags)
{
	return (flags & (OM_VM_WRITE | OM_VM_SHARED | OM_VM_GROWSDOWN)) == OM_VM_WRITE;
}

size_t space_data_pages(const struct space *s)
{
	size_t count = 0;

	for (size_t i = 0; i < MODEL_PAGES; i++)
		count += s->page[i].flags && flags_are_data(s->page[i].flags);
	return count;
}

/* ---------------------------------------------------------------- places -------------------- */

size_t space_next(const struct space *s, size_t page)
{
	while (page < MODEL_PAGES && !s->page[page].flags)
		page++;
	return page;
}

size_t space_claim(const struct space *s, size_t page)
{
	if (page >= MODEL_PAGES || !(s->page[page].flags & OM_VM_GROWSDOWN))
		return page;
	return page > GUARD_PAGES ? page - GUARD_PAGES : 0;
}

bool space_is_free(const struct space *s, size_t first, size_t n)
{
	return space_claim(s, space_next(s, first)) >= first + n;
}

size_t space_gap(const struct space *s, size_t n, size_t limit)
{
	if (n > limit)
		return MODEL_PAGES;
	for (size_t first = limit - n + 1; first-- > 0;)
		if (space_is_free(s, first, n))
			return first;
	return MODEL_PAGES;
}

size_t space_place(const struct space *s, size_t n)
{
	size_t first = space_gap(s, n, MMAP_PAGE);

	return first < MODEL_PAGES ? first : space_gap(s, n, MODEL_PAGES);
}
