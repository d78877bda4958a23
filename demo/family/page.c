/*
 * page.c: what a page holds: written and compared in all the ways there are, by a program, by a
 * system call, by a device.
 *
 * A page of an object is written and its tag changed under one lock, so that others who show it
 * never see the one without the other.
 */
#include <string.h>

#include "family.h"

#define PIECE (SIM_PAGE_SIZE / 8) /* bytes of one access by a program */
#define WORDS (SIM_PAGE_SIZE / sizeof(uint64_t))

static uint64_t pattern(uint64_t word, unsigned i)
{
	return word ? word ^ i * 0x9e3779b97f4a7c15u : 0;
}

void fill_page(unsigned char *page, uint64_t tag)
{
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t word = pattern(tag, i);

		memcpy(page + i * sizeof(word), &word, sizeof(word));
	}
}

static void lock_page(const struct area *a, unsigned i)
{
	if (a->object)
		pthread_mutex_lock(&a->object->lock[(a->first + i) % OBJECT_LOCKS]);
}

static void unlock_page(const struct area *a, unsigned i)
{
	if (a->object)
		pthread_mutex_unlock(&a->object->lock[(a->first + i) % OBJECT_LOCKS]);
}

static uint64_t tag_of(const struct area *a, unsigned i)
{
	if (a->tag && a->tag[i])
		return a->tag[i];
	return a->object ? a->object->tag[a->first + i] : 0;
}

static void set_tag(struct area *a, unsigned i, uint64_t tag)
{
	*(a->tag ? &a->tag[i] : &a->object->tag[a->first + i]) = tag;
}

/* Page i of an area has other contents than it should have: those of which tags? */
static void mismatch(struct worker *w, struct process *p, struct area *a, unsigned i)
{
	struct om_pageinfo info;
	uint64_t word, last = ~(uint64_t)0;

	printf("\nexpected tag %#llx, found:", (unsigned long long)tag_of(a, i));
	for (unsigned k = 0; k < WORDS; k++) {
		memcpy(&word, w->got + k * sizeof(word), sizeof(word));
		word = pattern(word, k);
		if (word != last)
			printf(" [%u] %#llx", k, (unsigned long long)word);
		last = word;
	}
	if (a->object)
		printf(" (object: %#llx)", (unsigned long long)a->object->tag[a->first + i]);
	om_pageinfo(p->mm, a->addr + i * SIM_PAGE_SIZE, &info);
	printf("\nentry: kind %d, value %#llx, mapped %u times, writable %d, dirty %d\n", info.kind,
	       (unsigned long long)info.value, info.mapcount, info.writable, info.dirty);
	die("process %td, page %u of the %s %s at %#lx: not as it was written", p - family.process,
	    i, a->tag ? "private" : "shared",
	    a->object == family.file_object ? "file mapping" : "memory", (unsigned long)a->addr);
}

void check_page(struct worker *w, struct process *p, struct area *a, unsigned i)
{
	uintptr_t addr = a->addr + i * SIM_PAGE_SIZE;
	uint64_t tag;

	lock_page(a, i);
	tag = tag_of(a, i);
	if (sim_rand_chance(&w->rand, 20))
		MUST(om_read(p->mm, addr, w->got, SIM_PAGE_SIZE, NULL));
	else
		for (size_t at = 0; at < SIM_PAGE_SIZE; at += PIECE)
			MUST(sim_load(w->cpu, p->mm, addr + at, w->got + at, PIECE));
	unlock_page(a, i);
	fill_page(w->want, tag);
	if (memcmp(w->want, w->got, SIM_PAGE_SIZE) != 0)
		mismatch(w, p, a, i);
	family.checked++;
}

/* A device writes into the page while it is pinned. */
static void write_by_device(struct worker *w, struct process *p, uintptr_t addr)
{
	om_pfn_t pfn;

	MUST(om_pin(p->mm, addr, OM_WRITE, &pfn));
	memcpy(sim_frame(family.sim, pfn), w->want, SIM_PAGE_SIZE);
	om_unpin(family.sys, pfn, true);
	family.by_device++;
}

void write_page(struct worker *w, struct process *p, struct area *a, unsigned i)
{
	uintptr_t addr = a->addr + i * SIM_PAGE_SIZE;
	uint64_t tag = ++w->next_tag;
	unsigned how = (unsigned)sim_rand_below(&w->rand, 16);

	fill_page(w->want, tag);
	lock_page(a, i);
	if (how == 0)
		write_by_device(w, p, addr);
	else if (how <= 3)
		MUST(om_write(p->mm, addr, w->want, SIM_PAGE_SIZE, NULL));
	else
		for (size_t at = 0; at < SIM_PAGE_SIZE; at += PIECE)
			MUST(sim_store(w->cpu, p->mm, addr + at, w->want + at, PIECE));
	set_tag(a, i, tag);
	unlock_page(a, i);
	family.written++;
}
