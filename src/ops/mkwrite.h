/*
 * mkwrite.h: asking a file's store before a program may write to one of its pages through a mapping.
 *
 * The store is asked with no lock held, so the fault is done in steps:
 *
 *     om_mkwrite_needed()    the fault has the page, locked, and is about to make its entry writable:
 *                            must the store be asked first? Then it gives up, with OM_FAULT_MKWRITE.
 *     om_mkwrite_ask()       without mmap_lock: the hook; if it agrees, the page is dirty from now on.
 *     the fault again        and om_mkwrite_needed() finds the page dirty and the store asked.
 *
 * The first try of a fault has nowhere to remember the page (NULL), as all faults would pay for that:
 * it gives up at once, and the second one gets as far as the question.
 *
 * Being dirty is what ties the answer to the page: write-back, or truncation, takes it away and with
 * it what the store has set aside; then it is asked again.
 */
#ifndef OM_MKWRITE_H
#define OM_MKWRITE_H

#include "store/mapping.h"

/* Internal result of a fault, beside -OM_ENOFRAME. */
#define OM_FAULT_MKWRITE (-OM_EBUSY)

/* What a fault remembers from one try to the next. All zero at first. */
struct om_mkwrite {
	struct om_mapping *asked; /* referenced; NULL: none has been */
	uintptr_t index;          /* for this page */
	struct om_mapping *ask;   /* to be asked: referenced, as is */
	struct om_page *page;     /* the page; NULL: nothing is to be asked */
	bool transfer;            /* a try that was given up has read the page */
};

/* Does the store of this mapping want to be asked at all? */
static inline bool om_mkwrite_wanted(const struct om_mapping *mapping)
{
	return om_unlikely(mapping->ops && mapping->ops->page_mkwrite);
}

bool om_mkwrite_needed_slow(struct om_mkwrite *m, struct om_mapping *mapping, struct om_page *page);

/* `page` of the mapping is locked. True: m->ask and m->page are set. */
static inline bool om_mkwrite_needed(struct om_mkwrite *m, struct om_mapping *mapping,
                                     struct om_page *page)
{
	return om_mkwrite_wanted(mapping) && om_mkwrite_needed_slow(m, mapping, page);
}

/* Ask what is to be asked. 0: try again; or the result of the fault. No lock held; may sleep. */
int om_mkwrite_ask(struct om_mkwrite *m);

/* The fault is over. No lock held; may sleep. */
void om_mkwrite_end(struct om_mkwrite *m);

#endif
