/*
 * process.c: processes and the objects they show: birth, fork and end, with all that a process
 * remembers.
 */
#include <stdlib.h>
#include <string.h>

#include "family.h"

void *need(void *memory)
{
	if (!memory)
		die("the host has no memory");
	return memory;
}

/* ---------------------------------------------------------------- objects and areas --------- */

struct object *object_new(unsigned pages)
{
	struct object *o = need(calloc(1, sizeof(*o) + pages * sizeof(o->tag[0])));

	o->refs = 1;
	for (unsigned i = 0; i < OBJECT_LOCKS; i++)
		pthread_mutex_init(&o->lock[i], NULL);
	return o;
}

void object_put(struct object *o)
{
	if (o && --o->refs == 0)
		free(o);
}

void area_forget(struct process *p, struct area *a)
{
	object_put(a->object);
	free(a->tag);
	*a = p->area[--p->nr_areas];
}

static void area_copy(struct area *to, const struct area *from)
{
	*to = *from;
	to->locked = false; /* fork inherits no lock */
	if (to->object)
		to->object->refs++;
	if (to->tag) {
		to->tag = need(malloc(to->pages * sizeof(*to->tag)));
		memcpy(to->tag, from->tag, to->pages * sizeof(*to->tag));
	}
}

/* ---------------------------------------------------------------- processes ----------------- */

void process_begin(struct process *p)
{
	MUST(om_mm_create(family.sys, &sim_layout, NULL, &p->mm));
	om_set_limit(p->mm, OM_LIMIT_MEMLOCK, LOCK_PAGES * SIM_PAGE_SIZE);
	family.births++;
}

void process_end(struct process *p)
{
	om_mm_destroy(p->mm);
	p->mm = NULL;
	while (p->nr_areas)
		area_forget(p, p->area);
	family.deaths++;
}

/* A place for a new process, locked, or NULL. */
static struct process *free_process(struct worker *w)
{
	unsigned start = (unsigned)sim_rand_below(&w->rand, PROCESSES);

	for (unsigned i = 0; i < PROCESSES; i++) {
		struct process *p = &family.process[(start + i) % PROCESSES];

		if (pthread_mutex_trylock(&p->lock) != 0)
			continue;
		if (!p->mm)
			return p;
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

void process_fork(struct worker *w, struct process *p)
{
	struct process *child = free_process(w);

	if (!child)
		return;
	MUST(om_fork(p->mm, NULL, &child->mm));
	om_set_limit(child->mm, OM_LIMIT_MEMLOCK, LOCK_PAGES * SIM_PAGE_SIZE);
	child->nr_areas = p->nr_areas;
	for (unsigned i = 0; i < p->nr_areas; i++)
		area_copy(&child->area[i], &p->area[i]);
	family.births++;
	pthread_mutex_unlock(&child->lock);
}
