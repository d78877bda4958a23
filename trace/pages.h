/*
 * pages.h: which page of memory each access means, whatever address space it is seen from; and what
 * other ways to choose victims would have made of them.
 *
 * A private page that was written is one page until one of those that share it writes to it (then it
 * is another), and as long as anybody has it; a page of a file is one for all. Reads of memory that was never
 * written mean no page, because there is one of zeros for all.
 */
#ifndef TRACE_PAGES_H
#define TRACE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct play;
struct play_space;

/* All uses of pages, in order. */
struct uses {
	uint32_t *use; /* page * 2, or page * 2 + 1: it has gone, and will not be used again */
	size_t n, max;
	struct use_page {
		uint32_t users; /* address spaces that have it; 1 for a page of a file */
		bool stored;    /* in a file, before its first use */
	} * page;
	uint32_t nr_pages, max_pages;
};

/* ---------------------------------------------------------------- pages.c ------------------- */

void uses_add(struct uses *u, uint32_t page);
void uses_add_gone(struct uses *u, uint32_t page);
uint32_t uses_new_page(struct uses *u, bool stored);
void uses_free(struct uses *u);

/* What happened in the address space; pages and lengths as in play.h. True: it was used before. */
bool pages_used(struct play *p, struct play_space *s, uintptr_t addr, bool store);
void pages_drop(struct play *p, struct play_space *s, uint64_t first, uint64_t n);
void pages_move(struct play_space *s, uint64_t from, uint64_t n, uint64_t to);
void pages_fork(struct play *p, const struct play_space *parent, struct play_space *child);
void pages_leave(struct play *p, struct play_space *s);

/* ---------------------------------------------------------------- policy.c ------------------ */

/*
 * How often a page had to be read again, because it had lost its place among `frames`, in each of these
 * ways to choose.
 */
uint64_t policy_lru(const struct uses *u, size_t frames);
/*
 * Linux's since 5.9: new pages are inactive; one that has been used again both times when its turn comes at
 * the inactive end is activated, as is one that comes back so soon that it would not have gone from as
 * much more memory as the others have that it does not compete with (the active ones, and the inactive
 * of the other kind); active pages become inactive while there are more of them than inactive ones.
 * Linux has such lists for anonymous pages and for those of files, here they are one.
 */
uint64_t policy_two_lists(const struct uses *u, size_t frames);
/* Belady's: whoever knows the future takes the page that is used last. Nobody can do with less. */
uint64_t policy_optimum(const struct uses *u, size_t frames);
#endif
