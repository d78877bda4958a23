/*
 * play.h: plays a trace on a simulated machine that has less memory than it would like.
 *
 *     p = play_open(&(struct play_config){.frames = 4096, .check = true});
 *     while (trace_next(t, &r) > 0 && !play(p, &r)) ;
 *     play_verify(p); play_close(p);
 *
 * Each fault of the trace becomes an access of that kind: a load, a store, a fetch. Every page that is
 * written gets contents of its own, and what a page must hold is known beside the library (contents.c).
 *
 * What the trace asks for and the library refuses is counted, not an error: a program that was sent SIGSEGV
 * is in the trace with its fault, and two threads can be seen in an order that was not quite theirs.
 */
#ifndef TRACE_PLAY_H
#define TRACE_PLAY_H

#include "sim.h"

#include "../compare/tags.h"
#include "format.h"
#include "pages.h"

#define PLAY_PAGE SIM_PAGE_SIZE

enum play_op {
	PLAY_FAULT,
	PLAY_FORK,
	PLAY_EXIT,
	PLAY_UNMAP,
	PLAY_MREMAP,
	PLAY_MPROTECT,
	PLAY_RECLAIM,
	PLAY_NR_OPS
};

struct play_config {
	om_pfn_t frames;
	uint32_t slots;         /* of swap */
	struct sim_store *swap; /* NULL: one in memory */
	bool check;             /* compare contents */
	bool uses;              /* note which pages are used; swap is not read ahead */
	enum sim_mode mode;     /* 0: as the environment says */
	/*
	 * Called around what the library does for a process (number and memory; 0 and NULL: for
	 * all); `units` are its faults, or pages. May be NULL.
	 */
	void (*begin)(enum play_op op, unsigned who, const struct om_mm *mm);
	void (*end)(enum play_op op, uint64_t units);
	const struct om_port_ops *ops; /* NULL: sim_port_ops */
};

struct play_space {
	struct om_mm *mm; /* NULL: gone */
	unsigned id;
	struct tags tags;  /* of private pages that have been written */
	struct tags pages; /* their numbers + 1 (pages.c) */
};

struct play_file {
	struct om_mapping *mapping;
	struct sim_store *store; /* NULL: shared memory */
	unsigned number;
	struct tags
	    tags; /* by page + 1, of pages that have been written through a shared mapping */
	struct tags pages; /* by page + 1, their numbers + 1 */
};

struct play_counts {
	uint64_t records, accesses, calls;
	uint64_t bad_accesses, bad_calls; /* refused */
	om_pfn_t most;                    /* frames in use, at the worst moment */
	uint64_t waits, waits_again;  /* for a page to be read: at first use, later; if `uses` */
	om_pfn_t most_pages;          /* those with pages, not tables and the like; if `uses` */
	unsigned spaces, most_spaces; /* now, and at most */
};

struct play {
	struct play_config config;
	struct om_port_ops ops;
	struct sim *sim;
	struct om_system *sys;
	struct sim_cpu *cpu;
	struct sim_store *swap;
	unsigned swap_device;
	struct play_space *space;
	struct play_file **file; /* each stays where it is: stores point to it */
	unsigned nr_spaces, nr_files;
	unsigned long last_tag;
	bool low;        /* memory is, says the library */
	uint64_t offset; /* of the record that is played */
	struct play_counts count;
	struct uses uses;
	char error[TRACE_ERROR_MAX];
};

/* Ends the program if the host has no memory. */
struct play *play_open(const struct play_config *config);
/* 0, or -1 with an error that says at which offset: the trace makes no sense, memory and swap are
 * full, or a page has wrong contents. */
int play(struct play *p, const struct trace_record *r);
/* Asks reclaim for so many pages. */
void play_reclaim(struct play *p, size_t pages);
/* om_verify(), and all contents if `check`. 0, or -1 with an error. */
int play_verify(struct play *p);
const char *play_error(const struct play *p);
void play_close(struct play *p);

void *play_must(void *pointer);
__attribute__((format(printf, 2, 3))) int play_fail(struct play *p, const char *format, ...);

/* ---------------------------------------------------------------- contents.c ---------------- */

/* Of a store: what has never been written has a first word of its own. */
extern const struct om_store_ops contents_store_ops;

/* A load found `tag`. A store is going to be made; it was, of `tag`. 0, or -1: wrong contents. */
int contents_loaded(struct play *p, const struct play_space *s, uintptr_t addr, unsigned long tag);
int contents_before_store(struct play *p, const struct play_space *s, uintptr_t addr);
void contents_stored(struct play *p, struct play_space *s, uintptr_t addr, unsigned long tag);
/* What calls do to what is known, here and in pages.c. All addresses and lengths are in pages. */
void contents_drop(struct play *p, struct play_space *s, uint64_t first, uint64_t n);
void contents_move(struct play *p, struct play_space *s, uint64_t from, uint64_t n, uint64_t to);
void contents_fork(struct play *p, const struct play_space *parent, struct play_space *child);
void contents_leave(struct play *p, struct play_space *s);
void contents_advise(struct play *p, struct play_space *s, uint64_t first, uint64_t n, int advice);
/* Of which page of which file (NULL: none) that is; false: no area is there. */
bool contents_file(struct play *p, const struct play_space *s, uintptr_t addr,
                   struct play_file **file, uint64_t *page, bool *shared);
/* Compares all written private pages, without a fault. 0 or -1. */
int contents_check(struct play *p, const struct play_space *s);

#endif
