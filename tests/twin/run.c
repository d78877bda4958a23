/*
 * run.c: each call on both sides.
 *
 * The library goes first; the call and its answer are queued, and the worker is woken when its
 * batch is full or somebody else's turn comes, so that a million calls cost few switches. Only one
 * process has calls queued at a time: the order of all calls is the same on both sides.
 */
#include "twin.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is queued for the worker, and what the library answered. */
struct queued {
	uint32_t number;
	struct result lib;
	uint64_t known; /* C_MINCORE: pages for which the bits must agree */
};

static struct queued queue[BATCH];
static unsigned queue_proc, queue_len;

_Noreturn void fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(shared->failure, sizeof(shared->failure), format, ap);
	va_end(ap);
	host_close();
	_exit(2);
}

_Noreturn void skip(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(shared->failure, sizeof(shared->failure), format, ap);
	va_end(ap);
	host_close();
	_exit(SKIPPED);
}

/* ---------------------------------------------------------------- comparing ----------------- */

static bool is_access(unsigned kind)
{
	return kind == C_WRITE || kind == C_READ || kind == C_EXEC;
}

static bool same(const struct call *c, const struct queued *q, const struct result *host)
{
	uint64_t mask = c->kind == C_MINCORE ? q->known : ~(uint64_t)0;

	return q->lib.ret == host->ret && (q->lib.v & mask) == (host->v & mask);
}

static void compare(const struct call *c, const struct queued *q, const struct result *host)
{
	shared->tally[c->kind].compared++;
	shared->tally[c->kind].good += is_access(c->kind) ? !host->ret : host->ret >= 0;
	if (same(c, q, host))
		return;
	shared->failed_at = q->number;
	fail("result: %s by process %u: library %lld (%#llx), host %lld (%#llx)",
	     kind_name(c->kind), c->proc, (long long)q->lib.ret, (unsigned long long)q->lib.v,
	     (long long)host->ret, (unsigned long long)host->v);
}

void run_flush(void)
{
	struct slot *s = &shared->slot[queue_proc];

	if (!queue_len)
		return;
	s->n = queue_len;
	host_run(queue_proc);
	for (unsigned i = 0; i < queue_len; i++)
		compare(&s->call[i], &queue[i], &s->result[i]);
	queue_len = 0;
}

static void enqueue(uint32_t number, const struct call *c, const struct result *lib, uint64_t known)
{
	if (queue_proc != c->proc)
		run_flush();
	queue_proc = c->proc;
	shared->slot[c->proc].call[queue_len] = *c;
	queue[queue_len++] = (struct queued){number, *lib, known};
	if (queue_len == BATCH)
		run_flush();
}

/* ---------------------------------------------------------------- mincore ------------------- */

/* Tables with nothing but the zero page in them have been given back: what is absent may be one. */
static bool forgets_zeros(void)
{
	struct om_sysinfo info;

	om_sysinfo(twin.sys, &info);
	return info.event[OM_EV_TABLE_RECLAIM];
}

/*
 * Of a private anonymous area the library knows which pages exist, in memory or in swap; if the host
 * has no swap, they are in memory there. Of files, the caches may differ.
 */
static uint64_t mincore_known(const struct call *c, struct result *r)
{
	uintptr_t addr = (uintptr_t)real_address(c->a[0]);
	struct om_vmainfo area;
	uint64_t known = 0;
	bool forgetful = forgets_zeros();

	for (unsigned i = 0; !r->ret && i < (c->a[1] + PAGE - 1) / PAGE && i < 64; i++) {
		uintptr_t at = addr + i * PAGE;
		struct om_pageinfo page;

		if (!om_vma_next(twin.mm[c->proc], at, &area) || area.start > at || area.mapping ||
		    lazy_any(c->proc, at, 1))
			continue;
		om_pageinfo(twin.mm[c->proc], at, &page);
		if (page.kind == OM_PAGE_ZERO || (page.kind == OM_PAGE_NONE && forgetful))
			continue; /* Linux lets fork forget it in areas that were never written */
		if (quirk(QUIRK_SWAPS) && page.kind != OM_PAGE_NONE)
			continue;
		known |= (uint64_t)1 << i;
		if (page.kind == OM_PAGE_SWAP)
			r->v |= (uint64_t)1 << i;
		else if ((r->v >> i & 1) != (page.kind != OM_PAGE_NONE))
			fail("result: mincore by process %u: page %#lx of kind %d", c->proc,
			     (unsigned long)at, page.kind);
	}
	return known;
}

/* ---------------------------------------------------------------- kinds of calls ------------ */

static void run_both(uint32_t number, const struct call *c)
{
	struct result lib;
	uint64_t known = 0;

	lib_call(c, &lib);
	if (c->kind == C_MINCORE)
		known = mincore_known(c, &lib);
	lazy_after(c, &lib);
	enqueue(number, c, &lib, known);
}

static void run_birth(uint32_t number, const struct call *c)
{
	unsigned child = c->kind == C_FORK ? (unsigned)c->a[0] : c->proc;
	struct queued q = {.number = number};
	struct result host;

	run_flush();
	lib_call(c, &q.lib);
	memset(&shared->slot[child], 0, offsetof(struct slot, call));
	host = host_call(c);
	compare(c, &q, &host);
	if (!host.ret)
		host_adopt(child);
}

static void run_exit(uint32_t number, const struct call *c)
{
	run_both(number, c);
	run_flush();
	host_forget(c->proc);
}

/* An access to a page that MADV_FREE left open. */
static void run_lazy(uint32_t number, const struct call *c)
{
	struct queued q = {.number = number};
	struct result host;

	run_flush();
	if (c->kind == C_WRITE) {
		lazy_write(c, &q.lib, &host);
		compare(c, &q, &host);
	} else {
		lazy_resolve(c->proc, (uintptr_t)real_address(c->a[0]) & ~(PAGE - 1));
		run_both(number, c);
	}
}

/*
 * Before a file grows, what programs wrote behind its end, in its last page, is wiped on both
 * sides: see exempt.c.
 */
static void wipe_tail(uint32_t number, const struct call *c)
{
	uint64_t size = om_mapping_size(twin.file[c->a[0]].mapping);
	uint64_t end = c->kind == C_TRUNCATE ? c->a[1] : c->a[1] + c->a[2];
	struct call punch = {.kind = C_PUNCH, .proc = c->proc, .a = {c->a[0], size}};

	if (end <= size || size % PAGE == 0)
		return;
	punch.a[2] = PAGE - size % PAGE;
	run_both(number, &punch);
}

static bool possible(const struct call *c)
{
	bool alive = c->proc < NR_PROCS && twin.mm[c->proc];

	if (c->kind == C_SPAWN)
		return c->proc < NR_PROCS && !alive;
	if (c->kind == C_FORK && (c->a[0] >= NR_PROCS || twin.mm[c->a[0]]))
		return false;
	return alive;
}

static void dispatch(uint32_t number, const struct call *c)
{
	struct result ignored;

	switch (c->kind) {
	case C_SPAWN:
	case C_FORK:
		run_birth(number, c);
		break;
	case C_EXIT:
		run_exit(number, c);
		break;
	case C_CHECK:
		run_flush();
		check(c->proc, (unsigned)c->a[0]);
		break;
	case C_FSYNC:
	case C_RECLAIM:
	case C_SWAPOFF:
	case C_FLUSH_TLB:
		lib_call(c, &ignored);
		break;
	case C_TRUNCATE:
	case C_PWRITE:
		wipe_tail(number, c);
		run_both(number, c);
		break;
	default:
		if (is_access(c->kind) && lazy_any(c->proc, real_address(c->a[0]), 1))
			run_lazy(number, c);
		else
			run_both(number, c);
	}
}

void run_call(uint32_t number, const struct call *c)
{
	shared->failed_at = number;
	if (!possible(c) || exempt(c))
		return;
	shared->tally[c->kind].run++;
	dispatch(number, c);
}
