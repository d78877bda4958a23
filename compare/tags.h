/*
 * tags.h: what each page of a process must contain, known beside the library.
 */
#ifndef COMPARE_TAGS_H
#define COMPARE_TAGS_H

#include <stddef.h>
#include <stdint.h>

/* Page number -> tag; 0: nothing is known of the page. */
struct tag {
	uintptr_t page;
	unsigned long tag;
};

struct tags {
	struct tag *slot; /* a hash table, open addressing */
	size_t slots, used;
};

unsigned long tags_get(const struct tags *t, uintptr_t page);
void tags_set(struct tags *t, uintptr_t page, unsigned long tag);
void tags_copy(struct tags *to, const struct tags *from);
void tags_free(struct tags *t); /* is empty afterwards */

#endif
