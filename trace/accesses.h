/*
 * accesses.h: what the plugin that sees each access (accesses.c) says to objrmap-record (emulate.c).
 *
 * Accesses go to a file, in batches, each written at once, so that all processes can share it. Calls
 * are told at the moment, by a system call that does not exist: the process stops in it, and the
 * recorder reads its arguments.
 */
#ifndef TRACE_ACCESSES_H
#define TRACE_ACCESSES_H

#include "record.h"

/*
 * An access is noted unless its page is among the last so many that were noted of this process, the window.
 * So the order of last uses, and all that LRU or the optimum do in memory much larger than it, comes out
 * right to so many places, and a page that is in use all the time is noted again and again.
 */
#define ACCESS_WINDOW     64 /* if nothing else is asked for */
#define ACCESS_WINDOW_MAX 4096

struct access {
	uint64_t time;
	uint64_t page; /* and the kind, in the highest bits */
};
#define ACCESS_KIND_SHIFT 60

#define ACCESS_BATCH 1024
struct access_batch {
	uint64_t pid, n;
	struct access access[ACCESS_BATCH]; /* n of them are in the file */
};

#define MARK_CALL 20000 /* its number; arguments: which mark, struct call *, result */
enum mark {
	MARK_LAYOUT, /* the program is about to start */
	MARK_RETURN, /* a call about memory has returned */
};

#endif
