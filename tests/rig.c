/*
 * rig.c: see rig.h.
 */
#include "base/types.h"
#include "calls.h"
#include "rig.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "machine.h"

/* ---------------------------------------------------------------- failing ------------------- */

char rig_scene[160];
void (*rig_failed)(void) = abort;

void rig_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "%s\n  %s:%d: ", rig_scene, file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	fflush(stderr);
	rig_failed();
	abort();
}

/* Nothing but system calls: it may have interrupted anything. */
static void on_limit(int sig)
{
	static const char text[] = ": too long\n";

	(void)sig;
	(void)!write(2, rig_scene, strlen(rig_scene));
	(void)!write(2, text, sizeof(text) - 1);
	abort();
}

static void on_fault(int sig)
{
	rig_fail(__FILE__, __LINE__, "signal %d", sig);
}

void rig_watch(unsigned seconds)
{
	/* Failing does not return from the handler: the next fault must not find it blocked. */
	const struct sigaction fault = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	signal(SIGPROF, on_limit);
	setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = seconds}, NULL);
}

static void panic(void *arg, const struct om_bug *bug)
{
	(void)arg;
	sim_print_bug(stderr, bug);
	rig_fail(bug->file, bug->line, "om_bug %s", bug->rule);
}

/* ---------------------------------------------------------------- hooks --------------------- */

static void wait_alone(void *ctx, const void *key, bool (*blocked)(const void *arg),
                       const void *arg)
{
	if (blocked(arg))
		sim_panic(ctx, &(struct om_bug){.rule = "deadlock",
		                                .what = "somebody is left to wake the sleeper",
		                                .file = __FILE__,
		                                .line = __LINE__,
		                                .object = key});
}

const struct om_port_ops *rig_ops(void)
{
	static struct om_port_ops ops;

	ops = sim_port_ops;
	ops.wait = wait_alone;
	return &ops;
}

/* ---------------------------------------------------------------- life ---------------------- */

/*
 * The RAM of machines of up to this size is memory that the one before has had: most rigs live for
 * some microseconds, and new pages of the host would cost more than all the rest.
 */
#define ARENA_FRAMES 1024

static struct {
	void *ram;
	bool taken;
} arena;

/* NULL: the machine looks for its own. */
static void *take_arena(om_pfn_t frames)
{
	if (arena.taken || frames > ARENA_FRAMES)
		return NULL;
	if (!arena.ram) {
		arena.ram = mmap(NULL, ARENA_FRAMES * RIG_PAGE, PROT_READ | PROT_WRITE,
		                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		rig_check(arena.ram != MAP_FAILED);
	}
	arena.taken = true;
	return arena.ram;
}

struct rig *rig_create(const struct rig_config *config)
{
	struct sim_config sim = {.nr_frames = config->frames,
	                         .nr_cpus = config->cpus,
	                         .swap_cluster = config->cluster,
	                         .seed = config->seed,
	                         .junk = config->frames <= ARENA_FRAMES,
	                         .ram = take_arena(config->frames),
	                         .ops = config->ops ? config->ops : rig_ops()};
	struct rig *r = calloc(1, sizeof(*r));

	rig_check(r);
	r->in_arena = sim.ram;
	r->store_ops = config->store_ops ? config->store_ops : &sim_store_ops;
	r->scratch = malloc((size_t)config->frames * 8);
	r->sim = sim_create(&sim);
	rig_check(r->scratch && r->sim);
	r->sys = sim_system(r->sim);
	r->sys->eager = true;
	r->sys->hold = config->hold ? config->hold : 3;
	sim_on_panic(r->sim, panic, r);
	if (config->slots)
		rig_equal(rig_swapon(r, config->slots), 0);
	return r;
}

static void destroy_files(struct rig *r)
{
	for (unsigned i = 0; i < RIG_FILES; i++)
		if (r->file[i].mapping)
			om_mapping_put(r->file[i].mapping);
}

static void free_stores(struct rig *r)
{
	for (unsigned i = 0; i < RIG_FILES; i++)
		if (r->file[i].store)
			sim_store_free(r->file[i].store);
	for (unsigned i = 0; i < RIG_SWAPS; i++)
		if (r->swap[i].store)
			sim_store_free(r->swap[i].store);
}

void rig_destroy(struct rig *r)
{
	for (unsigned i = 0; i < RIG_PINS; i++)
		if (r->pin[i])
			om_unpin(r->sys, r->pin[i], false);
	for (unsigned i = 0; i < RIG_MMS; i++)
		if (r->mm[i])
			om_mm_destroy(r->mm[i]);
	destroy_files(r);
	for (unsigned i = 0; i < RIG_SWAPS; i++)
		if (r->swap[i].on)
			rig_ok(om_swapoff(r->sys, r->swap[i].area));
	rig_ok(sim_destroy(r->sim));
	if (r->in_arena)
		arena.taken = false;
	free_stores(r);
	free(r->scratch);
	free(r);
}

/* ---------------------------------------------------------------- address spaces ------------ */

static struct om_mm **free_mm(struct rig *r)
{
	unsigned i = 0;

	while (i < RIG_MMS && r->mm[i])
		i++;
	rig_check(i < RIG_MMS);
	return &r->mm[i];
}

struct om_mm *rig_mm(struct rig *r)
{
	struct om_mm **mm = free_mm(r);

	rig_ok(om_mm_create(r->sys, &sim_layout, NULL, mm));
	return *mm;
}

struct om_mm *rig_fork(struct rig *r, struct om_mm *parent, int *err)
{
	struct om_mm *child = NULL;
	int result = om_fork(parent, NULL, &child);

	if (err)
		*err = result;
	else
		rig_ok(result);
	if (!result)
		*free_mm(r) = child; /* not before: another task may be forking */
	return child;
}

void rig_exit(struct rig *r, struct om_mm *mm)
{
	for (unsigned i = 0; i < RIG_MMS; i++)
		if (r->mm[i] == mm)
			r->mm[i] = NULL;
	om_mm_destroy(mm);
}

uintptr_t rig_map(struct rig *r, struct om_mm *mm, uintptr_t addr, size_t pages, int prot,
                  int flags, struct om_mapping *file, uint64_t pgoff)
{
	uintptr_t at = addr;

	(void)r;
	rig_ok(do_mmap(mm, &at, pages * RIG_PAGE, prot, flags | (addr ? OM_MAP_FIXED : 0), file,
	               pgoff * RIG_PAGE));
	return at;
}

/* ---------------------------------------------------------------- files and swap ------------ */

static struct om_mapping *add_file(struct rig *r, struct sim_store *store, unsigned pages)
{
	unsigned i = 0;

	while (i < RIG_FILES && (r->file[i].mapping || r->file[i].store))
		i++;
	rig_check(i < RIG_FILES);
	r->file[i].store = store;
	rig_ok(om_mapping_create(r->sys, store ? r->store_ops : NULL, store, pages * RIG_PAGE,
	                         &r->file[i].mapping));
	return r->file[i].mapping;
}

struct om_mapping *rig_file(struct rig *r, unsigned pages, unsigned long tag)
{
	struct sim_store *store = sim_store_ram();
	unsigned char page[RIG_PAGE];

	rig_check(store);
	memset(page, 0, sizeof(page));
	for (unsigned i = 0; i < pages; i++) {
		rig_set_tag(page, tag + i);
		sim_store_poke(store, i * RIG_PAGE, page, RIG_PAGE);
	}
	return add_file(r, store, pages);
}

struct om_mapping *rig_shmem(struct rig *r, unsigned pages, unsigned long tag)
{
	struct om_mapping *m = add_file(r, NULL, pages);
	unsigned char page[RIG_PAGE];

	memset(page, 0, sizeof(page));
	for (unsigned i = 0; i < pages; i++) {
		rig_set_tag(page, tag + i);
		rig_ok(om_mapping_write(m, i * RIG_PAGE, page, RIG_PAGE, NULL));
	}
	return m;
}

struct sim_store *rig_store(struct rig *r, const struct om_mapping *file)
{
	for (unsigned i = 0; i < RIG_FILES; i++)
		if (r->file[i].mapping == file)
			return r->file[i].store;
	rig_fail(__FILE__, __LINE__, "not a file of this rig");
}

int rig_swapon(struct rig *r, unsigned slots)
{
	unsigned i = 0;
	int err;

	while (i < RIG_SWAPS && r->swap[i].on)
		i++;
	rig_check(i < RIG_SWAPS);
	if (!r->swap[i].store)
		r->swap[i].store = sim_store_ram();
	rig_check(r->swap[i].store);
	err = om_swapon(r->sys, r->store_ops, r->swap[i].store, slots, 0, &r->swap[i].area);
	r->swap[i].on = !err;
	return err ? err : (int)i;
}

int rig_swapoff(struct rig *r, unsigned index)
{
	int err = om_swapoff(r->sys, r->swap[index].area);

	if (!err)
		r->swap[index].on = false;
	return err;
}

int rig_pin(struct rig *r, struct om_mm *mm, uintptr_t addr, enum om_access access, om_pfn_t *pfn)
{
	unsigned i = 0;
	int err;

	while (i < RIG_PINS && r->pin[i])
		i++;
	rig_check(i < RIG_PINS);
	err = om_pin(mm, addr, access, pfn);
	if (!err)
		r->pin[i] = *pfn;
	return err;
}

void rig_unpin(struct rig *r, om_pfn_t pfn, bool dirtied)
{
	unsigned i = 0;

	while (i < RIG_PINS && r->pin[i] != pfn)
		i++;
	rig_check(i < RIG_PINS);
	r->pin[i] = 0;
	om_unpin(r->sys, pfn, dirtied);
}

/* ---------------------------------------------------------------- contents ------------------ */

#define WORDS 3
static const size_t word_at[WORDS] = {0, RIG_PAGE / 2, RIG_PAGE - sizeof(unsigned long)};

unsigned long rig_tag(const void *page)
{
	unsigned long word[WORDS];

	for (unsigned i = 0; i < WORDS; i++)
		memcpy(&word[i], (const char *)page + word_at[i], sizeof(word[i]));
	return word[0] == word[1] && word[1] == word[2] ? word[0] : RIG_TORN;
}

void rig_set_tag(void *page, unsigned long tag)
{
	for (unsigned i = 0; i < WORDS; i++)
		memcpy((char *)page + word_at[i], &tag, sizeof(tag));
}

enum om_fault_result rig_get(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                             unsigned long *tag)
{
	unsigned long word[WORDS] = {0};
	enum om_fault_result result = OM_FAULT_MINOR;

	for (unsigned i = 0; i < WORDS && result == OM_FAULT_MINOR; i++)
		result = sim_load(cpu, mm, addr + word_at[i], &word[i], sizeof(word[i]));
	*tag = word[0] == word[1] && word[1] == word[2] ? word[0] : RIG_TORN;
	return result;
}

enum om_fault_result rig_set(struct sim_cpu *cpu, struct om_mm *mm, uintptr_t addr,
                             unsigned long tag)
{
	enum om_fault_result result = OM_FAULT_MINOR;

	for (unsigned i = 0; i < WORDS && result == OM_FAULT_MINOR; i++)
		result = sim_store(cpu, mm, addr + word_at[i], &tag, sizeof(tag));
	return result;
}

void rig_put(struct rig *r, struct om_mm *mm, uintptr_t addr, size_t pages, unsigned long tag)
{
	for (size_t i = 0; i < pages; i++)
		rig_equal(rig_set(sim_cpu(r->sim, 0), mm, addr + i * RIG_PAGE, tag + i),
		          OM_FAULT_MINOR);
}

void rig_expect(struct rig *r, struct om_mm *mm, uintptr_t addr, size_t pages, unsigned long tag)
{
	for (size_t i = 0; i < pages; i++) {
		unsigned long got;

		rig_equal(rig_get(sim_cpu(r->sim, 0), mm, addr + i * RIG_PAGE, &got),
		          OM_FAULT_MINOR);
		if (got != tag + i)
			rig_fail(__FILE__, __LINE__, "page %zu at %#lx holds %#lx, not %#lx", i,
			         (unsigned long)addr, got, tag + i);
	}
}

unsigned long rig_file_tag(struct om_mapping *file, unsigned i)
{
	unsigned char page[RIG_PAGE];
	size_t done = 0;

	memset(page, 0, sizeof(page));
	if (om_mapping_read(file, i * RIG_PAGE, page, sizeof(page), &done))
		return RIG_TORN;
	return rig_tag(page);
}

unsigned long rig_store_tag(struct sim_store *store, unsigned i)
{
	unsigned char page[RIG_PAGE];

	sim_store_peek(store, i * RIG_PAGE, page, sizeof(page));
	return rig_tag(page);
}

struct om_pageinfo rig_info(struct om_mm *mm, uintptr_t addr)
{
	struct om_pageinfo info;

	om_pageinfo(mm, addr, &info);
	return info;
}

uint64_t rig_event(struct rig *r, enum om_event ev)
{
	struct om_sysinfo info;

	om_sysinfo(r->sys, &info);
	return info.event[ev];
}

unsigned rig_vmas(struct om_mm *mm)
{
	struct om_vmainfo info;
	unsigned n = 0;

	for (uintptr_t at = 0; om_vma_next(mm, at, &info); at = info.end)
		n++;
	return n;
}

/* ---------------------------------------------------------------- pressure ------------------ */

void rig_pageout(struct rig *r, struct om_mm *mm, uintptr_t addr, size_t pages)
{
	(void)r;
	rig_ok(om_madvise(mm, addr, pages * RIG_PAGE, OM_MADV_PAGEOUT));
	for (size_t i = 0; i < pages; i++) {
		enum om_pagekind kind = rig_info(mm, addr + i * RIG_PAGE).kind;

		rig_check(kind == OM_PAGE_SWAP || kind == OM_PAGE_NONE || kind == OM_PAGE_OFFSET);
	}
}

void rig_reclaim(struct rig *r)
{
	for (unsigned dry = 0; dry < 3;)
		dry = om_reclaim_step(r->sys, 1u << 20) ? 0 : dry + 1;
}

/* ---------------------------------------------------------------- checking ------------------ */

void rig_verify(struct rig *r)
{
	struct om_mm *mm[RIG_MMS];
	struct sim_tlb_entry bad;
	struct om_bug bug;
	unsigned n = 0, violations = om_verify(r->sys, r->scratch, &bug);

	if (violations) {
		sim_print_bug(stderr, &bug);
		rig_fail(bug.file, bug.line, "om_verify: %u violations", violations);
	}
	for (unsigned i = 0; i < RIG_MMS; i++)
		if (r->mm[i])
			mm[n++] = r->mm[i];
	if (sim_check_tlb(r->sim, mm, n, &bad))
		rig_fail(__FILE__, __LINE__, "stale translation: mm %p page %#lx frame %lu prot %u",
		         (void *)bad.mm, (unsigned long)bad.page, (unsigned long)bad.pfn, bad.prot);
}
