/*
 * family.h: what the files of the demonstration share.
 *
 * What objrmap must not get wrong is known twice: each process knows the tags that its pages must
 * have, and from a tag follow all the bytes of a page.
 *
 * Locks, outermost first: family.world; process.lock; object.lock.
 */
#ifndef FAMILY_H
#define FAMILY_H

#include <pthread.h>
#include <stdatomic.h>

#include <objrmap/objrmap.h>
#include <sim.h>

#define RAM_FRAMES   2048u
#define DEMAND       (4 * RAM_FRAMES) /* pages that must live somewhere */
#define SWAP_SLOTS   (8 * RAM_FRAMES)
#define FILE_PAGES   1024u
#define CPUS         4u
#define PROCESSES    48u
#define AREAS        8u
#define AREA_PAGES   600u
#define LOCK_PAGES   16u
#define READ_WRITE   (OM_PROT_READ | OM_PROT_WRITE)
#define OBJECT_LOCKS 16u

/* Memory that several areas show, and the tags of its pages: the file, or shared memory. */
struct object {
	_Atomic unsigned refs;
	pthread_mutex_t lock[OBJECT_LOCKS]; /* of tag[i]: lock[i % OBJECT_LOCKS] */
	uint64_t tag[];
};

/* What a process knows of one area of its address space. */
struct area {
	uintptr_t addr;
	unsigned pages;
	bool locked;
	struct object *object; /* NULL: private anonymous memory */
	unsigned first;        /* page of the object that `addr` shows */
	uint64_t *tag;         /* private areas: own pages; 0: as in the object, or zeros */
};

struct process {
	pthread_mutex_t lock; /* of the worker that runs it */
	struct om_mm *mm;     /* NULL: no such process */
	unsigned nr_areas;
	struct area area[AREAS];
};

/* One for each CPU. */
struct worker {
	struct sim_cpu *cpu;
	struct sim_rand rand;
	uint64_t next_tag;
	unsigned char want[SIM_PAGE_SIZE], got[SIM_PAGE_SIZE];
};

struct family {
	struct sim *sim;
	struct om_system *sys;
	struct sim_store *swap, *disk; /* real files */
	struct om_mapping *file;       /* on the disk */
	struct object *file_object;
	struct process process[PROCESSES];
	pthread_rwlock_t world; /* held for writing, everything stands still */

	_Atomic bool finished;
	_Atomic bool hungry; /* less memory in use than there should be: grow */
	_Atomic bool full;   /* much more: shrink */
	_Atomic unsigned long checked, written, by_device; /* pages */
	_Atomic unsigned long moves, births, deaths;
};
extern struct family family;

/* watch.c */
/* Says what went wrong and how the memory stands, and ends the program. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* While everything stands still: checks all invariants, and the TLBs. */
void verify(void);
/* Steers the demand and shows progress until the time is over. Returns the peak, in pages. */
unsigned watch(double seconds);
void report(unsigned peak);

#define MUST(call)                                                                                 \
	do {                                                                                       \
		int must_err = (call);                                                             \
		if (must_err)                                                                      \
			die("%s:%d: %s: error %d", __FILE__, __LINE__, #call, -must_err);          \
	} while (0)

/* page.c: page i of an area; those that check die if it is not as it was written. */
void fill_page(unsigned char *page, uint64_t tag);
void check_page(struct worker *w, struct process *p, struct area *a, unsigned i);
void write_page(struct worker *w, struct process *p, struct area *a, unsigned i);

/* process.c */
void *need(void *memory); /* dies of NULL */
struct object *object_new(unsigned pages);
void object_put(struct object *o);
void area_forget(struct process *p, struct area *a);
void process_begin(struct process *p);
void process_end(struct process *p);
/* The child in a free place; does nothing if there is none. */
void process_fork(struct worker *w, struct process *p);

/* operation.c */
/* Do something at random. The process's lock is held. */
void one_operation(struct worker *w, struct process *p);

#endif
