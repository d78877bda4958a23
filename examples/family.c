/*
 * family.c: `make family`. A family of processes that needs four times the memory of its machine.
 *
 * Four CPUs work on up to 48 processes, which fork, write, read, map files and shared memory, move,
 * lock, protect and drop memory, let a device write into pinned pages, and end. A real file on disk
 * is swap, another one is the file they all map. Every page has a tag, from which its 4096 bytes
 * are computed; each process remembers the tags its pages must have, and every look at a page
 * compares all its bytes. Now and then the world stops and om_verify() and the TLB checker have a
 * look. At the end all processes are compared in full, then taken down, and not one frame or swap
 * slot may be missing.
 *
 *     build/examples/family [-t SECONDS] [-s SEED] [-d DIRECTORY]
 */
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <objrmap/objrmap.h>
#include <sim.h>

#define RAM_FRAMES    2048u
#define DEMAND        (4 * RAM_FRAMES) /* pages that must live somewhere */
#define SWAP_SLOTS    (8 * RAM_FRAMES)
#define FILE_PAGES    1024u
#define CPUS          4u
#define PROCESSES     48u
#define AREAS         8u
#define AREA_PAGES    600u
#define LOCK_PAGES    16u
#define PIECE         (SIM_PAGE_SIZE / 8) /* bytes of one access */
#define BATCH         32u
#define LARGEST_TABLE ((uintptr_t)4 << 20) /* what a page table maps is this or less */
#define READ_WRITE    (OM_PROT_READ | OM_PROT_WRITE)

/* Memory that several areas share, and the tags of its pages: the file, or shared memory. */
struct object {
	_Atomic unsigned refs;
	unsigned pages;
	pthread_mutex_t lock[16]; /* of tag[i]: lock[i % 16] */
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
	pthread_mutex_t lock; /* of a CPU that works on it */
	struct om_mm *mm;     /* NULL: no such process */
	unsigned nr_areas;
	struct area area[AREAS];
};

struct worker {
	struct sim_cpu *cpu;
	struct sim_rand rand;
	uint64_t next_tag;
	unsigned char want[4096], got[4096];
};

static struct sim *sim;
static struct om_system *sys;
static struct om_mapping *file;
static struct object *file_object;
static struct process process[PROCESSES];
/* Held for writing, everything stands still; whoever wants that comes first. */
static pthread_rwlock_t world = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static _Atomic bool finished;
static _Atomic bool hungry; /* less memory in use than there should be: grow */
static _Atomic bool full;   /* much more: shrink */
static _Atomic unsigned long pages_checked, pages_written, moves, device_writes, births, deaths;

/* Say what went wrong, and how the memory stands; other threads may go on meanwhile. */
static void die(const char *format, ...)
{
	struct om_sysinfo info;
	va_list args;

	va_start(args, format);
	fputs("\nFAILED: ", stdout);
	vprintf(format, args);
	va_end(args);
	om_sysinfo(sys, &info);
	printf("\n%u of %u frames free, %u of %u swap slots; anonymous %u active, %u inactive; "
	       "file %u "
	       "active, %u inactive; %u locked, %u tables, %llu out of memory\n",
	       info.free, info.frames, info.swap_free, info.swap_slots, info.active_anon,
	       info.inactive_anon, info.active_file, info.inactive_file, info.unevictable,
	       info.tables, (unsigned long long)info.event[OM_EV_OOM]);
	fflush(stdout);
	_exit(1);
}

#define MUST(call)                                                                                 \
	do {                                                                                       \
		int must_err = (call);                                                             \
		if (must_err)                                                                      \
			die("%s:%d: %s: error %d", __FILE__, __LINE__, #call, -must_err);          \
	} while (0)

/* ---------------------------------------------------------------- contents ------------------ */

static void fill(unsigned char *page, uint64_t tag)
{
	for (unsigned i = 0; i < SIM_PAGE_SIZE / sizeof(tag); i++) {
		uint64_t word = tag ? tag ^ i * 0x9e3779b97f4a7c15u : 0;

		memcpy(page + i * sizeof(word), &word, sizeof(word));
	}
}

static pthread_mutex_t *page_lock(const struct area *a, unsigned i)
{
	return a->object ? &a->object->lock[(a->first + i) % 16] : NULL;
}

static void lock_page(const struct area *a, unsigned i)
{
	if (a->object)
		pthread_mutex_lock(page_lock(a, i));
}

static void unlock_page(const struct area *a, unsigned i)
{
	if (a->object)
		pthread_mutex_unlock(page_lock(a, i));
}

static uint64_t tag_of(const struct area *a, unsigned i)
{
	if (a->tag && a->tag[i])
		return a->tag[i];
	return a->object ? a->object->tag[a->first + i] : 0;
}

static void set_tag(struct area *a, unsigned i, uint64_t tag)
{
	*(a->tag ? &a->tag[i] : &a->object->tag[a->first + i]) = tag;
}

/* Page i of an area has other contents than it should have: those of which tags? */
static void mismatch(struct worker *w, struct process *p, struct area *a, unsigned i)
{
	struct om_pageinfo info;
	uint64_t word, last = ~(uint64_t)0;

	printf("\nexpected tag %#llx, found:", (unsigned long long)tag_of(a, i));
	for (unsigned k = 0; k < SIM_PAGE_SIZE / sizeof(word); k++) {
		memcpy(&word, w->got + k * sizeof(word), sizeof(word));
		word ^= word ? k * 0x9e3779b97f4a7c15u : 0;
		if (word != last)
			printf(" [%u] %#llx", k, (unsigned long long)word);
		last = word;
	}
	if (a->object)
		printf(" (object: %#llx)", (unsigned long long)a->object->tag[a->first + i]);
	om_pageinfo(p->mm, a->addr + i * SIM_PAGE_SIZE, &info);
	printf("\nentry: kind %d, value %#llx, mapped %u times, writable %d, dirty %d\n", info.kind,
	       (unsigned long long)info.value, info.mapcount, info.writable, info.dirty);
	die("process %td, page %u of the %s %s at %#lx: not as it was written", p - process, i,
	    a->tag ? "private" : "shared", a->object == file_object ? "file mapping" : "memory",
	    (unsigned long)a->addr);
}

/* Compare page i of an area, read by the program or by a system call. */
static void check_page(struct worker *w, struct process *p, struct area *a, unsigned i)
{
	uintptr_t addr = a->addr + i * SIM_PAGE_SIZE;
	uint64_t tag;

	lock_page(a, i);
	tag = tag_of(a, i);
	if (sim_rand_chance(&w->rand, 20))
		MUST(om_read(p->mm, addr, w->got, SIM_PAGE_SIZE, NULL));
	else
		for (size_t at = 0; at < SIM_PAGE_SIZE; at += PIECE)
			MUST(sim_load(w->cpu, p->mm, addr + at, w->got + at, PIECE));
	unlock_page(a, i);
	fill(w->want, tag);
	if (memcmp(w->want, w->got, SIM_PAGE_SIZE) != 0)
		mismatch(w, p, a, i);
	pages_checked++;
}

/* A device writes into the page while it is pinned. */
static void write_by_device(struct worker *w, struct process *p, uintptr_t addr)
{
	om_pfn_t pfn;

	MUST(om_pin(p->mm, addr, OM_WRITE, &pfn));
	memcpy(sim_frame(sim, pfn), w->want, SIM_PAGE_SIZE);
	om_unpin(sys, pfn, true);
	device_writes++;
}

static void write_page(struct worker *w, struct process *p, struct area *a, unsigned i)
{
	uintptr_t addr = a->addr + i * SIM_PAGE_SIZE;
	uint64_t tag = ++w->next_tag;
	unsigned how = (unsigned)sim_rand_below(&w->rand, 16);

	fill(w->want, tag);
	lock_page(a, i);
	if (how == 0)
		write_by_device(w, p, addr);
	else if (how <= 3)
		MUST(om_write(p->mm, addr, w->want, SIM_PAGE_SIZE, NULL));
	else
		for (size_t at = 0; at < SIM_PAGE_SIZE; at += PIECE)
			MUST(sim_store(w->cpu, p->mm, addr + at, w->want + at, PIECE));
	set_tag(a, i, tag);
	unlock_page(a, i);
	pages_written++;
}

/* ---------------------------------------------------------------- areas --------------------- */

static void *need(void *memory)
{
	if (!memory)
		die("the host has no memory");
	return memory;
}

static struct object *object_new(unsigned pages)
{
	struct object *o = need(calloc(1, sizeof(*o) + pages * sizeof(o->tag[0])));

	o->refs = 1;
	o->pages = pages;
	for (unsigned i = 0; i < 16; i++)
		pthread_mutex_init(&o->lock[i], NULL);
	return o;
}

static void object_put(struct object *o)
{
	if (o && --o->refs == 0)
		free(o);
}

static void area_forget(struct process *p, struct area *a)
{
	object_put(a->object);
	free(a->tag);
	*a = p->area[--p->nr_areas];
}

static struct area *some_area(struct worker *w, struct process *p)
{
	return p->nr_areas ? &p->area[sim_rand_below(&w->rand, p->nr_areas)] : NULL;
}

static void op_map(struct worker *w, struct process *p)
{
	unsigned kind = (unsigned)sim_rand_below(&w->rand, 10);
	struct area a = {.pages = 1 + (unsigned)sim_rand_below(&w->rand, AREA_PAGES)};
	bool is_shared = kind == 0 || kind == 1, is_file = kind == 1 || kind == 2;

	if (p->nr_areas == AREAS || !hungry)
		return;
	if (is_file) {
		a.first = (unsigned)sim_rand_below(&w->rand, FILE_PAGES - a.pages);
		a.object = file_object;
		a.object->refs++;
	} else if (is_shared) {
		a.pages = 1 + a.pages / 4;
		a.object = object_new(a.pages);
	}
	if (!is_shared)
		a.tag = need(calloc(a.pages, sizeof(*a.tag)));
	MUST(om_mmap(p->mm, &a.addr, a.pages * SIM_PAGE_SIZE, READ_WRITE,
	             is_shared ? OM_MAP_SHARED : OM_MAP_PRIVATE, is_file ? file : NULL,
	             a.first * SIM_PAGE_SIZE));
	p->area[p->nr_areas++] = a;
}

static void op_unmap(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);

	if (!a || hungry)
		return;
	MUST(om_munmap(p->mm, a->addr, a->pages * SIM_PAGE_SIZE));
	area_forget(p, a);
}

/* A run of pages: written, or compared. */
static void op_touch(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	unsigned i, n;
	bool write = sim_rand_chance(&w->rand, 50);

	if (!a)
		return;
	i = (unsigned)sim_rand_below(&w->rand, a->pages);
	n = 1 + (unsigned)sim_rand_below(&w->rand, 16);
	for (; n-- && i < a->pages; i++) {
		if (write)
			write_page(w, p, a, i);
		else
			check_page(w, p, a, i);
	}
}

static void op_scan(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);

	for (unsigned i = 0; a && i < a->pages; i++)
		check_page(w, p, a, i);
}

/* mremap to a place of our choice; every other time one where whole page tables can move. */
static void op_move(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	size_t len = a ? a->pages * SIM_PAGE_SIZE : 0, hole = len + LARGEST_TABLE;
	uintptr_t from = 0, to;

	if (!a)
		return;
	MUST(om_mmap(p->mm, &from, hole, OM_PROT_NONE, OM_MAP_PRIVATE, NULL, 0));
	to = from + (sim_rand_chance(&w->rand, 50) ? (a->addr - from) % LARGEST_TABLE : 0);
	MUST(
	    om_mremap(p->mm, a->addr, len, len, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED, to, &a->addr));
	if (to > from)
		MUST(om_munmap(p->mm, from, to - from));
	MUST(om_munmap(p->mm, to + len, from + hole - to - len));
	moves++;
}

/* mremap to another length: private memory grows and shrinks, the rest shrinks. */
static void op_resize(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	unsigned pages;

	if (!a || a->locked)
		return;
	pages = 1 + (unsigned)sim_rand_below(&w->rand, a->object ? a->pages : AREA_PAGES);
	if (pages > a->pages && !hungry)
		return;
	MUST(om_mremap(p->mm, a->addr, a->pages * SIM_PAGE_SIZE, pages * SIM_PAGE_SIZE,
	               OM_MREMAP_MAYMOVE, 0, &a->addr));
	if (a->tag)
		a->tag = need(realloc(a->tag, pages * sizeof(*a->tag)));
	for (unsigned i = a->pages; i < pages; i++)
		a->tag[i] = 0;
	a->pages = pages;
}

/*
 * Not for private areas of the file: a lock makes their pages present with a copy each, and from
 * that moment, which we do not know, they no longer show what others write to the file.
 */
static void op_lock(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);

	if (!a || (a->object && a->tag))
		return;
	if (a->locked) {
		MUST(om_munlock(p->mm, a->addr, a->pages * SIM_PAGE_SIZE));
		a->locked = false;
	} else if (a->pages <= LOCK_PAGES) {
		int err = om_mlock(p->mm, a->addr, a->pages * SIM_PAGE_SIZE, 0);

		if (err != 0 && err != -OM_ENOMEM) /* ENOMEM: the limit */
			die("om_mlock: error %d", -err);
		a->locked = err == 0;
	}
}

static void op_protect(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	size_t len = a ? a->pages * SIM_PAGE_SIZE : 0;

	if (!a)
		return;
	MUST(om_mprotect(p->mm, a->addr, len, OM_PROT_READ));
	if (sim_store(w->cpu, p->mm, a->addr, "x", 1) != OM_FAULT_ACCERR)
		die("a store to read-only memory");
	check_page(w, p, a, 0);
	MUST(om_mprotect(p->mm, a->addr, len, READ_WRITE));
}

static void op_drop(struct worker *w, struct process *p)
{
	struct area *a = some_area(w, p);
	size_t len = a ? a->pages * SIM_PAGE_SIZE : 0;

	if (!a || a->locked)
		return;
	if (sim_rand_chance(&w->rand, 70)) {
		MUST(om_madvise(p->mm, a->addr, len, OM_MADV_PAGEOUT));
		return;
	}
	/* Private pages are lost: zeros, or the file, show again. */
	MUST(om_madvise(p->mm, a->addr, len, OM_MADV_DONTNEED));
	if (a->tag)
		memset(a->tag, 0, a->pages * sizeof(*a->tag));
}

/* ---------------------------------------------------------------- processes ----------------- */

/* A place for a new process, locked, or NULL. */
static struct process *free_process(struct worker *w)
{
	unsigned start = (unsigned)sim_rand_below(&w->rand, PROCESSES);

	for (unsigned i = 0; i < PROCESSES; i++) {
		struct process *p = &process[(start + i) % PROCESSES];

		if (pthread_mutex_trylock(&p->lock) != 0)
			continue;
		if (!p->mm)
			return p;
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

static void op_fork(struct worker *w, struct process *p)
{
	struct process *child = hungry ? free_process(w) : NULL;

	if (!child)
		return;
	MUST(om_fork(p->mm, NULL, &child->mm));
	om_set_limit(child->mm, OM_LIMIT_MEMLOCK, LOCK_PAGES * SIM_PAGE_SIZE);
	child->nr_areas = p->nr_areas;
	for (unsigned i = 0; i < p->nr_areas; i++) {
		struct area *a = &child->area[i];

		*a = p->area[i];
		a->locked = false;
		if (a->object)
			a->object->refs++;
		if (a->tag) {
			a->tag = need(malloc(a->pages * sizeof(*a->tag)));
			memcpy(a->tag, p->area[i].tag, a->pages * sizeof(*a->tag));
		}
	}
	births++;
	pthread_mutex_unlock(&child->lock);
}

static void process_end(struct process *p)
{
	om_mm_destroy(p->mm);
	p->mm = NULL;
	while (p->nr_areas)
		area_forget(p, p->area);
	deaths++;
}

static void op_exit(struct worker *w, struct process *p)
{
	(void)w;
	/* Somebody has to carry on the family. */
	if (!hungry && births - deaths > 4)
		process_end(p);
}

static void first_process(struct process *p)
{
	MUST(om_mm_create(sys, &sim_layout, NULL, &p->mm));
	om_set_limit(p->mm, OM_LIMIT_MEMLOCK, LOCK_PAGES * SIM_PAGE_SIZE);
	births++;
}

/* ---------------------------------------------------------------- workers ------------------- */

static void one_operation(struct worker *w, struct process *p)
{
	static const struct {
		void (*run)(struct worker *w, struct process *p);
		unsigned weight;
	} op[] = {
	    {op_touch, 850}, {op_scan, 20},   {op_map, 40},  {op_unmap, 15},
	    {op_move, 20},   {op_resize, 15}, {op_lock, 15}, {op_protect, 10},
	    {op_drop, 5},    {op_fork, 15},   {op_exit, 10},
	};
	unsigned total = 0, i, dice;

	for (i = 0; i < sizeof(op) / sizeof(*op); i++)
		total += op[i].weight;
	dice = (unsigned)sim_rand_below(&w->rand, total);
	for (i = 0; dice >= op[i].weight;)
		dice -= op[i++].weight;
	if (full)
		(sim_rand_chance(&w->rand, 70) ? op_unmap : op_exit)(w, p);
	else
		op[i].run(w, p);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!finished) {
		struct process *p = &process[sim_rand_below(&w->rand, PROCESSES)];

		pthread_rwlock_rdlock(&world);
		if (pthread_mutex_trylock(&p->lock) == 0) {
			for (unsigned i = 0; i < BATCH && p->mm; i++)
				one_operation(w, p);
			pthread_mutex_unlock(&p->lock);
		}
		pthread_rwlock_unlock(&world);
	}
	return NULL;
}

/* ---------------------------------------------------------------- watching ------------------ */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Pages that live somewhere: in frames or in swap. */
static unsigned demand(const struct om_sysinfo *info)
{
	return info->frames - info->free + info->swap_slots - info->swap_free;
}

/* Everybody stands still: look at everything. */
static void verify(void)
{
	static uint64_t scratch[RAM_FRAMES];
	struct om_mm *mm[PROCESSES];
	struct sim_tlb_entry entry;
	struct om_bug bug;
	unsigned n = 0;

	if (om_verify(sys, scratch, &bug)) {
		sim_print_bug(stdout, &bug);
		die("om_verify found a contradiction");
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		if (process[i].mm)
			mm[n++] = process[i].mm;
	}
	if (sim_check_tlb(sim, mm, n, &entry))
		die("a TLB maps page %#lx to frame %u, against the page tables",
		    (unsigned long)entry.page, entry.pfn);
}

static void progress(double time, const struct om_sysinfo *info)
{
	const uint64_t *ev = info->event;

	printf("%s%4.0f s  %2lu processes  %5.2f x RAM  %8llu faults  swap out %7llu in %7llu  "
	       "%8lu pages checked",
	       isatty(1) ? "\r" : "", time, births - deaths, (double)demand(info) / info->frames,
	       (unsigned long long)ev[OM_EV_PGFAULT], (unsigned long long)ev[OM_EV_PSWPOUT],
	       (unsigned long long)ev[OM_EV_PSWPIN], pages_checked);
	putchar(isatty(1) ? ' ' : '\n');
	fflush(stdout);
}

/* Watch until the time is over; returns the largest demand seen. */
static unsigned watch(double seconds)
{
	double start = now(), next_verify = 2, next_line = 0, time;
	struct om_sysinfo info;
	unsigned peak = 0;

	while ((time = now() - start) < seconds) {
		om_sysinfo(sys, &info);
		peak = demand(&info) > peak ? demand(&info) : peak;
		hungry = demand(&info) < DEMAND;
		full = demand(&info) > DEMAND + DEMAND / 4;
		if (time >= next_line) {
			progress(time, &info);
			next_line += isatty(1) ? 0.25 : 2;
		}
		if (time >= next_verify) {
			pthread_rwlock_wrlock(&world);
			sim_kswapd_stop(sim);
			verify();
			MUST(sim_kswapd_start(sim, RAM_FRAMES / 16));
			pthread_rwlock_unlock(&world);
			next_verify += 2;
		}
		usleep(5000);
	}
	putchar('\n');
	return peak;
}

static void report(unsigned peak)
{
	struct sim_cpu_stats stats;
	struct om_sysinfo info;
	uint64_t hits = 0, walks = 0;
	unsigned long long ev[OM_NR_EVENTS];

	om_sysinfo(sys, &info);
	for (unsigned i = 0; i < OM_NR_EVENTS; i++)
		ev[i] = info.event[i];
	for (unsigned i = 0; i < CPUS; i++) {
		sim_cpu_stats(sim_cpu(sim, i), &stats);
		hits += stats.hits;
		walks += stats.walks;
	}
	printf("\nmemory     %u frames; most ever needed: %.2f times that\n", info.frames,
	       (double)peak / info.frames);
	printf("family     %lu born, %lu ended, %lu alive with %u areas, %u anon_vmas\n", births,
	       deaths, births - deaths, info.nr_vma, info.nr_anon_vma);
	printf("programs   %lu pages written (%lu by a device), %lu areas moved (%llu tables as "
	       "one)\n",
	       pages_written, device_writes, moves, ev[OM_EV_TABLE_MOVE]);
	printf("TLBs       %llu hits, %llu walks\n", (unsigned long long)hits,
	       (unsigned long long)walks);
	printf("faults     %llu: %llu fresh, %llu zero page, %llu copied, %llu reused, %llu file, "
	       "%llu swap; %llu waited for a disk\n",
	       ev[OM_EV_PGFAULT], ev[OM_EV_FAULT_ANON], ev[OM_EV_FAULT_ZERO], ev[OM_EV_FAULT_COW],
	       ev[OM_EV_FAULT_REUSE], ev[OM_EV_FAULT_FILE], ev[OM_EV_FAULT_SWAP],
	       ev[OM_EV_PGMAJFAULT]);
	printf(
	    "swap       %llu pages out, %llu in (%llu ahead, of which %llu were wanted), %u slots "
	    "in use\n",
	    ev[OM_EV_PSWPOUT], ev[OM_EV_PSWPIN], ev[OM_EV_SWAP_RA], ev[OM_EV_SWAP_RA_HIT],
	    info.swap_slots - info.swap_free);
	printf("file       %llu pages read, %llu written\n", ev[OM_EV_PGPGIN], ev[OM_EV_PGPGOUT]);
	printf("reclaim    %llu pages looked at, %llu freed, %llu direct reclaims\n",
	       ev[OM_EV_PGSCAN], ev[OM_EV_PGSTEAL], ev[OM_EV_ALLOCSTALL]);
	printf("rmap       %llu walks looked at %llu entries, of which %llu mapped the page; %llu "
	       "started again\n",
	       ev[OM_EV_RMAP_WALKS], ev[OM_EV_RMAP_PROBES], ev[OM_EV_RMAP_FOUND],
	       ev[OM_EV_RMAP_RETRIES]);
	printf(
	    "pages now  %u direct, %u shared, %u of the file, %u of shared memory, %u locked; %zu "
	    "bytes of reverse map\n",
	    info.anon_direct, info.anon_shared, info.file_cached, info.shmem, info.unevictable,
	    info.rmap_bytes);
}

/* ---------------------------------------------------------------- begin and end ------------- */

static struct sim_store *open_store(const char *directory, const char *name)
{
	char path[4096];
	struct sim_store *store;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	store = sim_store_file(path);
	if (!store)
		die("%s cannot be opened", path);
	/* The contents are of no use to anybody afterwards. */
	unlink(path);
	return store;
}

static void set_up(const char *directory, struct sim_store *store[2])
{
	static unsigned char page[4096];
	unsigned area;

	sim = need(sim_create(&(struct sim_config){
	    .nr_frames = RAM_FRAMES, .nr_cpus = CPUS, .swap_cluster = 3, .junk = true}));
	sys = sim_system(sim);
	store[0] = open_store(directory, "family.swap");
	store[1] = open_store(directory, "family.file");
	file_object = object_new(FILE_PAGES);
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		file_object->tag[i] = (uint64_t)1 << 60 | i;
		fill(page, file_object->tag[i]);
		sim_store_poke(store[1], i * SIM_PAGE_SIZE, page, SIM_PAGE_SIZE);
	}
	MUST(om_swapon(sys, &sim_store_ops, store[0], SWAP_SLOTS, 0, &area));
	MUST(om_mapping_create(sys, &sim_store_ops, store[1], FILE_PAGES * SIM_PAGE_SIZE, &file));
	MUST(sim_kswapd_start(sim, RAM_FRAMES / 16));
	for (unsigned i = 0; i < PROCESSES; i++)
		pthread_mutex_init(&process[i].lock, NULL);
	for (unsigned i = 0; i < 4; i++)
		first_process(&process[i]);
}

/* Compare all there is, then take it down: nothing may be left. */
static void tear_down(struct worker *w, struct sim_store *store[2])
{
	static unsigned char page[4096], want[4096];
	struct om_sysinfo info;

	for (unsigned i = 0; i < PROCESSES; i++) {
		struct process *p = &process[i];

		for (unsigned k = 0; k < p->nr_areas; k++) {
			for (unsigned n = 0; n < p->area[k].pages; n++)
				check_page(w, p, &p->area[k], n);
		}
	}
	printf("all pages of all processes are as written\n");
	sim_kswapd_stop(sim);
	verify();
	for (unsigned i = 0; i < PROCESSES; i++) {
		if (process[i].mm)
			process_end(&process[i]);
	}
	verify();
	MUST(om_mapping_sync(file, 0, 0));
	om_mapping_put(file);
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		sim_store_peek(store[1], i * SIM_PAGE_SIZE, page, SIM_PAGE_SIZE);
		fill(want, file_object->tag[i]);
		if (memcmp(page, want, SIM_PAGE_SIZE) != 0)
			die("page %u of the file on disk differs from what was written", i);
	}
	om_sysinfo(sys, &info);
	if (info.swap_free != info.swap_slots)
		die("%u swap slots are lost", info.swap_slots - info.swap_free);
	MUST(om_swapoff(sys, 0));
	MUST(sim_destroy(sim));
	sim_store_free(store[0]);
	sim_store_free(store[1]);
	object_put(file_object);
}

int main(int argc, char **argv)
{
	static struct worker worker[CPUS];
	const char *directory = "build";
	struct sim_store *store[2];
	pthread_t thread[CPUS];
	double seconds = 25;
	uint64_t seed = 1;
	unsigned peak;
	int c;

	while ((c = getopt(argc, argv, "t:s:d:")) != -1) {
		if (c == 't')
			seconds = atof(optarg);
		else if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'd')
			directory = optarg;
		else
			return 2;
	}
	set_up(directory, store);
	for (unsigned i = 0; i < CPUS; i++) {
		worker[i].cpu = sim_cpu(sim, i);
		worker[i].next_tag = (uint64_t)(i + 1) << 48;
		sim_rand_seed(&worker[i].rand, seed * CPUS + i);
		pthread_create(&thread[i], NULL, work, &worker[i]);
	}
	peak = watch(seconds);
	finished = true;
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(thread[i], NULL);
	report(peak);
	tear_down(&worker[0], store);
	printf("all as it should be\n");
	return 0;
}
