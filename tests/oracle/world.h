/*
 * world.h: a simulated machine and the model of it, side by side.
 *
 * Operations (ops.h) act on both and compare. What they share is here: the state, how an
 * operation's numbers choose something that exists, how results are compared, and how a difference
 * is reported.
 *
 * A call may always fail for lack of memory, as the machines are small; then objrmap has counted an
 * OM_EV_OOM event, and the model stays as it was. It may fail because a transfer did: op_io_error()
 * lets single ones fail, and the stores count that. Nothing is lost by it, as the next try
 * succeeds.
 */
#ifndef WORLD_H
#define WORLD_H

#include "model.h"
#include "base/types.h"

#define NR_SPACES 8
#define NR_FILES  4
#define NR_AREAS  3 /* of swap */
#define NR_PINS   12
#define NR_USER   8
#define FILE_ROOM 64 /* pages that a file of the test may have */

struct pin {
	bool used, write, dirtied;
	om_pfn_t pfn;
	struct content *content; /* private memory, or an orphan of a file */
	struct object *object;   /* page `index` of a file */
	size_t index;
};

struct swap {
	bool on;
	unsigned area;
	struct sim_store *store;
};

/* How often an operation has answered each error, by its number. */
#define NR_ERRORS 128
typedef uint32_t answers[NR_ERRORS];

struct world_config {
	unsigned frames, swap_cluster;
	unsigned check_every; /* steps between two looks at all contents; 0: a few */
	answers *answers;     /* of all operations, by their code; NULL: nobody wants to know */
};

struct world {
	struct sim *sim;
	struct om_system *sys;
	struct space space[NR_SPACES];
	struct object *file[NR_FILES];
	struct swap swap[NR_AREAS];
	struct pin pin[NR_PINS];
	struct {
		bool used;
		om_pfn_t pfn;
		uint8_t fill;
	} user[NR_USER];

	void *scratch;        /* for om_verify() */
	uint64_t oom, stalls; /* OM_EV_OOM and OM_EV_ALLOCSTALL when the operation began */
	uint64_t io_errors;   /* of all stores, then */
	unsigned step, check_every;
	const char *op; /* name of the operation under way */
	answers *all_answers;
	uint32_t *answers; /* of this operation, or NULL */
	FILE *trace;       /* NULL, or where to tell what happens */
	/* Called when something is wrong, after the message; does not return. */
	void (*failed)(struct world *w, const char *where);
};

struct world *world_new(const struct world_config *config);
/* End everything; nothing may be left over. */
void world_end(struct world *w);

/* Report a difference and give up. */
#define FAIL(w, ...) world_fail(w, __FILE__, __LINE__, __VA_ARGS__)
_Noreturn void world_fail(struct world *w, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- choosing, from a number, something that exists ---- */

struct space *pick_space(struct world *w, uint32_t a); /* NULL: there is none */
struct space *free_space(struct world *w);
size_t pick_page(const struct space *s, uint32_t a);
/* A page that is mapped if there is one. */
size_t pick_mapped(const struct space *s, uint32_t a);
size_t pick_len(const struct space *s, size_t page, uint32_t a); /* pages, cut at the end */
struct object *pick_file(struct world *w, uint32_t a);           /* NULL: there is none */
static inline unsigned space_nr(const struct world *w, const struct space *s)
{
	return (unsigned)(s - w->space);
}

/* ---- results ---- */

uint64_t event(const struct world *w, enum om_event ev);
/* Has a request failed for lack of memory since the operation began? Has a transfer failed? Either?
 */
bool had_oom(const struct world *w);
bool had_io_error(const struct world *w);
bool had_trouble(const struct world *w);
uint64_t io_errors(const struct world *w);
/*
 * True if the call did what was expected: `want` is 0 and so is the result. Any other difference
 * ends the run, except that lack of memory explains -OM_ENOMEM.
 */
bool agree(struct world *w, int got, int want);
/* The same when, beside `want`, one more error is right if `excuse` is true. */
bool agree_or(struct world *w, int got, int want, int error, bool excuse);

/* ---- areas as objrmap has them; the comparison has found that they fit the model ---- */

struct areas {
	unsigned n;
	struct {
		size_t first, end; /* pages */
		uint64_t pgoff;
		unsigned flags;
	} area[MODEL_PAGES];
};
void list_areas(const struct space *s, struct areas *list);
/* The area that contains the page; -1 if none does. */
int area_at(const struct areas *list, size_t page);
/*
 * Memory or areas were short half way: each page's flags are as before, or have `set` in place of
 * `mask`. Take over which.
 */
void world_adopt_flags(struct world *w, struct space *s, size_t first, size_t n, unsigned mask,
                       unsigned set);
/* Would so many areas more pass OM_LIMIT_VMAS? */
bool lacks_areas(const struct space *s, unsigned more);
/* Do the pages lie strictly inside one area, so that it becomes two without them? */
bool is_hole(const struct space *s, size_t page, size_t n);
/*
 * May giving the pages `set` in place of `mask` fail for OM_LIMIT_VMAS? Not if nothing must be cut;
 * else it depends on what merges, which the model does not know.
 */
bool may_lack_areas(const struct space *s, size_t page, size_t n, unsigned mask, unsigned set);

/* ---- objects that nobody shows or holds any more ---- */

/* To be called when `mapped` or `open` has gone. An object_gone. */
void world_object_gone(void *world, struct object *o);
void world_unmap(struct world *w, struct space *s, size_t first, size_t n);
/* Pins of these pages of a file: they hold a page that is no longer the file's. */
void orphan_pins(struct world *w, const struct object *o, size_t first, size_t end);

/* ---- check.c ---- */

/* After every operation: invariants, TLBs, areas. */
void check_always(struct world *w);
/* All contents, without touching anything: by looking into frames and stores. */
void check_contents(struct world *w);

enum peek { PEEK_NONE, PEEK_ZERO, PEEK_OWN, PEEK_FILE };
/* What is at a mapped page now; its bytes, unless PEEK_NONE. Changes nothing. */
enum peek peek_page(struct world *w, const struct space *s, size_t page, uint8_t *buf);
void peek_file(struct world *w, const struct object *o, size_t index, uint8_t *buf);

/*
 * The page was perhaps written, or made the space's own: learn what the model cannot know, which is
 * whether MADV_FREE'd bytes were lost, and what lay beyond the end of a file.
 */
void settle_page(struct world *w, struct space *s, size_t page);
/* Pages were to be made present as far as possible: private pages of files may be copies now. */
void settle_populated(struct world *w, struct space *s, size_t first, size_t n);
/*
 * All these pages must be present, up to the first that cannot be had, if memory sufficed. Pages
 * that are not locked may have gone again, if anything had to be reclaimed.
 */
void check_present(struct world *w, struct space *s, size_t first, size_t n);

#endif
