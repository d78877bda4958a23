/*
 * play.c: see play.h.
 */
#include "play.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "calls.h"

#define FILE_BYTES (UINT64_C(1) << 40) /* of any file: more than is ever mapped of one */

void *play_must(void *pointer)
{
	if (!pointer) {
		fprintf(stderr, "trace: the host has no memory\n");
		exit(1);
	}
	return pointer;
}

int play_fail(struct play *p, const char *format, ...)
{
	va_list args;
	int n;

	if (p->error[0])
		return -1; /* the first one counts */
	n = snprintf(p->error, sizeof(p->error), "offset %llu: ", (unsigned long long)p->offset);
	va_start(args, format);
	vsnprintf(p->error + n, sizeof(p->error) - (size_t)n, format, args);
	va_end(args);
	return -1;
}

const char *play_error(const struct play *p)
{
	return p->error;
}

static int full(struct play *p)
{
	struct om_sysinfo info;

	om_sysinfo(p->sys, &info);
	return play_fail(p, "memory is full; of %u pages of swap, %u are free", info.swap_slots,
	                 info.swap_free);
}

/* ---------------------------------------------------------------- watching ------------------ */

static void begin(struct play *p, enum play_op op, const struct play_space *s)
{
	if (p->config.begin)
		p->config.begin(op, s ? s->id + 1 : 0, s ? s->mm : NULL);
}

static void end(struct play *p, enum play_op op, uint64_t units)
{
	om_pfn_t used;

	if (p->config.end)
		p->config.end(op, units);
	used = p->config.frames - om_free_frames(p->sys);
	if (used > p->count.most)
		p->count.most = used;
}

static size_t reclaim_step(struct play *p)
{
	size_t n;

	begin(p, PLAY_RECLAIM, NULL);
	n = om_reclaim_step(p->sys, 32);
	end(p, PLAY_RECLAIM, n);
	return n;
}

void play_reclaim(struct play *p, size_t pages)
{
	size_t n = 1;

	for (size_t got = 0; n && got < pages; got += n)
		n = reclaim_step(p);
}

/* What the kernel's thread would do, between two records. */
static void run_kswapd(struct play *p)
{
	om_pfn_t high;

	if (!p->low)
		return;
	p->low = false;
	om_get_watermarks(p->sys, NULL, NULL, &high);
	while (om_free_frames(p->sys) < high && reclaim_step(p))
		;
}

/* ---------------------------------------------------------------- the machine --------------- */

/* Its context is the simulated machine; one plays at a time. */
static struct play *playing;

static void low_memory(void *ctx)
{
	(void)ctx;
	playing->low = true;
}

struct play *play_open(const struct play_config *config)
{
	struct play *p = play_must(calloc(1, sizeof(*p)));

	p->config = *config;
	p->ops = config->ops ? *config->ops : sim_port_ops;
	p->ops.low_memory = low_memory;
	p->sim = play_must(sim_create(&(struct sim_config){.nr_frames = config->frames,
	                                                   .swap_cluster = config->uses ? 0 : 3,
	                                                   .mode = config->mode,
	                                                   .ops = &p->ops}));
	p->sys = sim_system(p->sim);
	p->cpu = sim_cpu(p->sim, 0);
	p->swap = config->swap ? config->swap : play_must(sim_store_ram());
	playing = p;
	if (config->slots &&
	    om_swapon(p->sys, &sim_store_ops, p->swap, config->slots, 0, &p->swap_device))
		play_fail(p, "%u pages of swap are too many for this memory", config->slots);
	return p;
}

static size_t pages_of(const struct play_space *s)
{
	struct om_mm_usage u;

	om_mm_usage(s->mm, &u);
	return u.anon + u.file + u.swap;
}

static int leave(struct play *p, struct play_space *s)
{
	size_t pages = pages_of(s);
	int wrong = p->config.check ? contents_check(p, s) : 0;

	begin(p, PLAY_EXIT, s);
	om_mm_destroy(s->mm);
	end(p, PLAY_EXIT, pages);
	contents_leave(p, s);
	s->mm = NULL;
	p->count.spaces--;
	return wrong;
}

void play_close(struct play *p)
{
	for (unsigned i = 0; i < p->nr_spaces; i++)
		if (p->space[i].mm)
			leave(p, &p->space[i]);
	for (unsigned i = 0; i < p->nr_files; i++) {
		om_mapping_put(p->file[i]->mapping);
		if (p->file[i]->store)
			sim_store_free(p->file[i]->store);
		tags_free(&p->file[i]->tags);
		tags_free(&p->file[i]->pages);
		free(p->file[i]);
	}
	if (p->config.slots)
		om_swapoff(p->sys, p->swap_device);
	if (sim_destroy(p->sim))
		fprintf(stderr, "trace: something still uses memory\n"), abort();
	if (!p->config.swap)
		sim_store_free(p->swap);
	uses_free(&p->uses);
	free(p->space);
	free(p->file);
	free(p);
}

int play_verify(struct play *p)
{
	void *scratch = play_must(malloc(p->sys->nr_frames * 8ul));
	struct om_bug bug;
	unsigned bad = om_verify(p->sys, scratch, &bug);

	free(scratch);
	if (bad)
		return play_fail(p, "om_verify() finds %u violations; the first: %s: %s", bad,
		                 bug.rule, bug.what);
	for (unsigned i = 0; p->config.check && i < p->nr_spaces; i++)
		if (p->space[i].mm && contents_check(p, &p->space[i]))
			return -1;
	return p->error[0] ? -1 : 0;
}

/* ---------------------------------------------------------------- spaces and files ---------- */

static struct play_space *add_space(struct play *p, struct om_mm *mm)
{
	struct play_space *s;

	p->space = play_must(realloc(p->space, (p->nr_spaces + 1) * sizeof(*p->space)));
	s = &p->space[p->nr_spaces];
	*s = (struct play_space){.mm = mm, .id = p->nr_spaces};
	p->nr_spaces++;
	if (++p->count.spaces > p->count.most_spaces)
		p->count.most_spaces = p->count.spaces;
	return s;
}

static int start(struct play *p)
{
	struct om_mm *mm;

	if (om_mm_create(p->sys, &sim_layout, NULL, &mm))
		return full(p);
	add_space(p, mm);
	return 0;
}

static int fork_space(struct play *p, unsigned parent)
{
	struct play_space *child;
	struct om_mm *mm;
	int err;

	begin(p, PLAY_FORK, &p->space[parent]);
	err = om_fork(p->space[parent].mm, NULL, &mm);
	if (err) {
		end(p, PLAY_FORK, 0);
		return full(p);
	}
	child = add_space(p, mm);
	end(p, PLAY_FORK, pages_of(child));
	contents_fork(p, &p->space[parent], child);
	return 0;
}

static int clear(struct play *p, struct play_space *s)
{
	size_t pages = pages_of(s);
	int wrong = p->config.check ? contents_check(p, s) : 0;

	begin(p, PLAY_EXIT, s);
	om_mm_empty(s->mm);
	end(p, PLAY_EXIT, pages);
	contents_leave(p, s);
	return wrong;
}

static int add_file(struct play *p, bool memory)
{
	struct play_file *f = play_must(calloc(1, sizeof(*f)));
	int err;

	f->number = p->nr_files;
	f->store = memory ? NULL : play_must(sim_store_ram());
	err = om_mapping_create(p->sys, memory ? NULL : &contents_store_ops, f, FILE_BYTES,
	                        &f->mapping);
	if (err) {
		if (f->store)
			sim_store_free(f->store);
		free(f);
		return full(p);
	}
	p->file = play_must(realloc(p->file, (p->nr_files + 1) * sizeof(*p->file)));
	p->file[p->nr_files++] = f;
	return 0;
}

/* ---------------------------------------------------------------- calls --------------------- */

/* Of a call that could fail because of what it asks for. */
static int judge(struct play *p, int err)
{
	p->count.calls++;
	p->count.bad_calls += err != 0;
	return 0;
}

static int map(struct play *p, struct play_space *s, const struct trace_record *r)
{
	uintptr_t addr = r->addr * PLAY_PAGE;
	bool shared = r->arg[2] & TRACE_MAP_SHARED;
	struct om_mapping *file = r->arg[3] ? p->file[r->arg[3] - 1]->mapping : NULL;
	int err;

	err = do_mmap(s->mm, &addr, r->arg[0] * PLAY_PAGE, (int)(r->arg[1] & 7),
	              OM_MAP_FIXED | (shared ? OM_MAP_SHARED : OM_MAP_PRIVATE) |
	                  (r->arg[2] & TRACE_MAP_STACK ? OM_MAP_GROWSDOWN : 0) |
	                  (r->arg[2] & TRACE_MAP_LOCKED ? OM_MAP_LOCKED : 0),
	              file, r->arg[4] * PLAY_PAGE);
	if (!err)
		contents_drop(p, s, r->addr, r->arg[0]);
	return judge(p, err);
}

static int unmap(struct play *p, struct play_space *s, const struct trace_record *r)
{
	size_t before = pages_of(s);
	int err;

	begin(p, PLAY_UNMAP, s);
	err = om_munmap(s->mm, r->addr * PLAY_PAGE, r->arg[0] * PLAY_PAGE);
	end(p, PLAY_UNMAP, before - pages_of(s));
	if (!err)
		contents_drop(p, s, r->addr, r->arg[0]);
	return judge(p, err);
}

static int protect(struct play *p, struct play_space *s, const struct trace_record *r)
{
	int err;

	begin(p, PLAY_MPROTECT, s);
	err = om_mprotect(s->mm, r->addr * PLAY_PAGE, r->arg[0] * PLAY_PAGE, (int)(r->arg[1] & 7));
	end(p, PLAY_MPROTECT, r->arg[0]);
	return judge(p, err);
}

static int remap(struct play *p, struct play_space *s, const struct trace_record *r)
{
	uint64_t old = r->arg[0], new = r->arg[1], to = r->arg[2], least = old < new ? old : new;
	int flags = to == r->addr ? 0 : OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, err;
	uintptr_t result;

	if (r->arg[3])
		flags |= OM_MREMAP_DONTUNMAP;
	begin(p, PLAY_MREMAP, s);
	err = do_mremap(s->mm, r->addr * PLAY_PAGE, old * PLAY_PAGE, new *PLAY_PAGE, flags,
	                to * PLAY_PAGE, &result);
	end(p, PLAY_MREMAP, least);
	if (!err && old > new)
		contents_drop(p, s, r->addr + new, old - new);
	if (!err && to != r->addr) {
		contents_drop(p, s, to, new);
		contents_move(p, s, r->addr, least, to);
	}
	return judge(p, err);
}

static int advise(struct play *p, struct play_space *s, const struct trace_record *r)
{
	int err = om_madvise(s->mm, r->addr * PLAY_PAGE, r->arg[0] * PLAY_PAGE, (int)r->arg[1]);

	if (!err)
		contents_advise(p, s, r->addr, r->arg[0], (int)r->arg[1]);
	return judge(p, err);
}

static int call(struct play *p, struct play_space *s, const struct trace_record *r)
{
	uintptr_t addr = r->addr * PLAY_PAGE;

	switch (r->op) {
	case TRACE_MAP:
		return map(p, s, r);
	case TRACE_UNMAP:
		return unmap(p, s, r);
	case TRACE_PROTECT:
		return protect(p, s, r);
	case TRACE_REMAP:
		return remap(p, s, r);
	case TRACE_ADVISE:
		return advise(p, s, r);
	case TRACE_LOCK:
		return judge(p, om_mlock(s->mm, addr, r->arg[0] * PLAY_PAGE, 0));
	case TRACE_UNLOCK:
		return judge(p, om_munlock(s->mm, addr, r->arg[0] * PLAY_PAGE));
	default:
		return play_fail(p, "operation %d", (int)r->op);
	}
}

/* ---------------------------------------------------------------- accesses ------------------ */

static uint64_t faults(struct play *p)
{
	struct sim_cpu_stats stats;

	sim_cpu_stats(p->cpu, &stats);
	return stats.faults;
}

/* A fault of unknown kind was a store if it could be one. */
static bool is_store(const struct play_space *s, uint64_t kind, uintptr_t addr)
{
	struct om_vmainfo area;

	return kind == TRACE_WRITE || (kind == TRACE_UNKNOWN && om_vma_next(s->mm, addr, &area) &&
	                               area.start <= addr && area.flags & OM_VM_WRITE);
}

enum how { LOAD, STORE, FETCH };

/* What is measured is this alone. */
static enum om_fault_result touch(struct play *p, struct play_space *s, enum how how,
                                  uintptr_t addr, unsigned long *tag)
{
	uint64_t before = faults(p);
	enum om_fault_result result;

	begin(p, PLAY_FAULT, s);
	if (how == FETCH)
		result = sim_exec(p->cpu, s->mm, addr);
	else if (how == STORE)
		result = sim_store(p->cpu, s->mm, addr, tag, sizeof(*tag));
	else
		result = sim_load(p->cpu, s->mm, addr, tag, sizeof(*tag));
	end(p, PLAY_FAULT, faults(p) - before);
	return result;
}

static uint64_t reads(struct play *p)
{
	struct om_sysinfo info;

	if (!p->config.uses)
		return 0;
	om_sysinfo(p->sys, &info);
	return info.event[OM_EV_PGMAJFAULT];
}

static void note_use(struct play *p, struct play_space *s, uintptr_t addr, bool store, bool waited)
{
	bool before = pages_used(p, s, addr, store);
	struct om_sysinfo info;
	om_pfn_t pages;

	p->count.waits += waited && !before;
	p->count.waits_again += waited && before;
	om_sysinfo(p->sys, &info);
	pages = info.frames - info.free - info.tables - info.index - info.objects;
	if (pages > p->count.most_pages)
		p->count.most_pages = pages;
}

static int access_page(struct play *p, struct play_space *s, const struct trace_record *r)
{
	uintptr_t addr = r->addr * PLAY_PAGE;
	unsigned long tag = ++p->last_tag;
	enum how how = r->arg[0] == TRACE_EXEC        ? FETCH
	               : is_store(s, r->arg[0], addr) ? STORE
	                                              : LOAD;
	enum om_fault_result result;
	uint64_t before;

	if (how == STORE && contents_before_store(p, s, addr))
		return -1;
	before = reads(p);
	result = touch(p, s, how, addr, &tag);
	p->count.accesses++;
	p->count.bad_accesses += result != OM_FAULT_MINOR;
	if (result == OM_FAULT_OOM)
		return full(p);
	if (result == OM_FAULT_MINOR && p->config.uses)
		note_use(p, s, addr, how == STORE, reads(p) != before);
	if (result == OM_FAULT_MINOR && how == STORE)
		contents_stored(p, s, addr, tag);
	if (result == OM_FAULT_MINOR && how == LOAD)
		return contents_loaded(p, s, addr, tag);
	return 0;
}

/* ---------------------------------------------------------------- a record ------------------ */

/* What the numbers in it name must exist, or not yet. */
static int names(struct play *p, const struct trace_record *r)
{
	bool free_standing = r->op == TRACE_START || r->op == TRACE_FILE;

	if (!free_standing && (r->space >= p->nr_spaces || !p->space[r->space].mm))
		return play_fail(p, "space %u does not exist", r->space);
	if ((r->op == TRACE_START || r->op == TRACE_FORK) && r->arg[0] != p->nr_spaces)
		return play_fail(p, "space %u is not the next", (unsigned)r->arg[0]);
	if (r->op == TRACE_FILE && r->arg[0] != p->nr_files)
		return play_fail(p, "file %u is not the next", (unsigned)r->arg[0]);
	if (r->op == TRACE_MAP && (r->arg[3] > p->nr_files || r->arg[4] >= TRACE_PAGES_MAX))
		return play_fail(p, "file %u does not exist", (unsigned)r->arg[3] - 1);
	if (r->op == TRACE_MAP && !r->arg[3] && r->arg[2] & TRACE_MAP_SHARED)
		return play_fail(p, "a shared mapping of nothing");
	return 0;
}

static int perform(struct play *p, const struct trace_record *r)
{
	struct play_space *s;

	if (names(p, r))
		return -1;
	s = p->space + r->space;
	switch (r->op) {
	case TRACE_FAULT:
		return access_page(p, s, r);
	case TRACE_START:
		return start(p);
	case TRACE_FORK:
		return fork_space(p, r->space);
	case TRACE_CLEAR:
		return clear(p, s);
	case TRACE_EXIT:
		return leave(p, s);
	case TRACE_FILE:
		return add_file(p, r->arg[1]);
	default:
		return call(p, s, r);
	}
}

int play(struct play *p, const struct trace_record *r)
{
	p->offset = r->offset;
	run_kswapd(p);
	p->count.records++;
	return p->error[0] || perform(p, r) ? -1 : 0;
}
