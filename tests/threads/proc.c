/*
 * proc.c: address spaces: making, forking, passing on to another thread, ending.
 *
 * All address spaces look alike. The small regions lie side by side in one window, so that areas of
 * different kinds and owners are neighbours and share page tables; two more windows are places to
 * move pages to. BIG has places of its own, two of which differ by whole page tables. The stack is
 * the lowest, so that nothing but a touch below it makes it grow.
 */
#include "calls.h"
#include "threads.h"

#define STACK_TOP  0x40010000ul
#define HEAP_BASE  0x40080000ul
#define WINDOW     0x40400000ul
#define WINDOW_GAP 0x00400000ul
#define BIG_BASE   0x42000000ul
#define BIG_GAP    0x00c00000ul

struct region region[NR_REGIONS] = {
    [ANON] = {.name = "anonymous", .kind = K_ANON, .pages = 128, .file = -1},
    [PRIVATE_SHM] = {.name = "private of shared memory",
                     .kind = K_PRIVATE,
                     .pages = 32,
                     .file = 0,
                     .file_page = 16},
    [PRIVATE_FILE] =
        {.name = "private of a file", .kind = K_PRIVATE, .pages = 32, .file = 1, .file_page = 16},
    [SHM] = {.name = "shared memory", .kind = K_SHARED, .pages = 64, .file = 0},
    [FILEMAP] = {.name = "shared file", .kind = K_SHARED, .pages = 64, .file = 1},
    [TWIST_SHM] = {.name = "nonlinear shared memory", .kind = K_TWISTED, .pages = 32, .file = 0},
    [TWIST_FILE] =
        {.name = "nonlinear file", .kind = K_TWISTED, .pages = 32, .file = 1, .file_page = 32},
    [OWN_SHM] = {.name = "a family's shared memory",
                 .kind = K_SHARED,
                 .pages = 32,
                 .file = OWN_FILE},
    [BIG] = {.name = "big anonymous", .kind = K_ANON, .pages = BIG_PAGES, .file = -1},
    [HEAP] = {.name = "heap", .kind = K_HEAP, .pages = 16, .file = -1},
    [STACK] = {.name = "stack", .kind = K_STACK, .pages = 16, .file = -1},
};

static const struct om_layout layout = {
    .lowest = 0x10000,
    .highest = 0x60000000,
    .mmap_base = 0x50000000,
    .brk_start = HEAP_BASE,
    .guard_gap = 16 * SIM_PAGE_SIZE,
};

void regions_init(void)
{
	unsigned first = 0;

	for (unsigned r = 0; r < NR_REGIONS; r++) {
		region[r].first = first;
		first += region[r].pages;
	}
	for (unsigned loc = 0; loc < NR_LOCS; loc++) {
		uintptr_t addr = WINDOW + loc * WINDOW_GAP + (loc == 2 ? 7 * PAGE : 0);

		for (unsigned r = 0; r < BIG; r++) {
			region[r].base[loc] = addr;
			addr += region[r].pages * PAGE;
		}
		region[BIG].base[loc] = BIG_BASE + loc * BIG_GAP + (loc == 2 ? 5 * PAGE : 0);
		region[HEAP].base[loc] = HEAP_BASE;
		region[STACK].base[loc] = STACK_TOP - region[STACK].pages * PAGE;
	}
}

/* ---------------------------------------------------------------- files --------------------- */

struct file *file_new(struct thread *t, bool store, unsigned owner, unsigned pages)
{
	struct file *f = calloc(1, sizeof(*f));
	unsigned serial = atomic_fetch_add(&t->w->serial, 1);
	const struct om_store_ops *ops = !store       ? NULL
	                                 : serial % 2 ? &sim_store_mkwrite_ops
	                                              : &sim_store_ops;
	int err;

	f->store = store ? sim_store_ram() : NULL;
	if (store)
		sim_store_latency(f->store, t->w->cfg.latency, t->w->cfg.latency);
	atomic_store(&f->refs, 1);
	f->owner = owner;
	f->nr_pages = pages;
	RETRY(t, err, om_mapping_create(t->w->sys, ops, f->store, pages * PAGE, &f->mapping));
	CHECK(t, !err, "om_mapping_create: %d", err);
	for (unsigned k = 0; k < FILE_PAGES; k++) {
		struct file_page *page = &f->page[k];

		content_init(&page->c, serial, k);
		atomic_store(&page->blocks, k < pages ? BLOCKS : 0);
		/* The two halves: many owners, or the one who truncates. */
		page->owner =
		    pages == FILE_PAGES && k < FILE_FIXED ? k / 2 % t->w->nr_threads : owner;
	}
	return f;
}

void file_put(struct thread *t, struct file *f)
{
	struct sim_store_stats stats;

	if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	om_mapping_put(f->mapping);
	if (f->store) {
		sim_store_stats(f->store, &stats);
		CHECK(t, stats.released == 1, "a file was released %u times", stats.released);
		sim_store_free(f->store);
	}
	free(f);
}

/* ---------------------------------------------------------------- making -------------------- */

static int om_prot(uint32_t attr)
{
	return (attr & A_READ ? OM_PROT_READ : 0) | (attr & A_WRITE ? OM_PROT_WRITE : 0) |
	       (attr & A_EXEC ? OM_PROT_EXEC : 0);
}

/* Map n spots at a place; what is mapped there is replaced. The caller has begun to change them. */
void map_run(struct thread *t, struct proc *p, unsigned r, unsigned i, unsigned n, unsigned loc,
             uint32_t prot, int flags)
{
	struct file *f = file_of(t, p, r);
	uintptr_t addr = addr_at(r, i, loc);
	int err;

	flags |= OM_MAP_FIXED | (holds_private(r) ? OM_MAP_PRIVATE : OM_MAP_SHARED);
	RETRY(t, err,
	      do_mmap(p->mm, &addr, n * PAGE, om_prot(prot), flags, f ? f->mapping : NULL,
	              (region[r].file_page + i) * PAGE));
	CHECK(t, !err, "mmap of %u pages of %s at %#lx: %d", n, region[r].name, (unsigned long)addr,
	      err);
	CHECK(t, addr == addr_at(r, i, loc), "MAP_FIXED went to %#lx", (unsigned long)addr);
	for (unsigned k = i; k < i + n; k++) {
		spot_zero(t, p, r, k);
		atomic_store(&spot_of(p, r, k)->attr, A_MAPPED | prot | loc << A_LOCSHIFT);
	}
}

static void map_all(struct thread *t, struct proc *p)
{
	const uint32_t rw = A_READ | A_WRITE;

	for (unsigned r = 0; r < HEAP; r++) {
		if (region[r].file == OWN_FILE && !p->own)
			continue;
		spots_begin(p, r, 0, region[r].pages);
		map_run(t, p, r, 0, region[r].pages, below(t, NR_LOCS), rw, 0);
		spots_end(p, r, 0, region[r].pages);
	}
	/* The stack is made by op_stack(), the heap by op_brk(). */
}

static struct proc *proc_alloc(struct thread *t, int shared)
{
	struct proc *p = calloc(1, sizeof(*p));

	p->shared = shared;
	p->serial = atomic_fetch_add(&t->w->serial, 1);
	for (unsigned r = 0; r < NR_REGIONS; r++) {
		for (unsigned i = 0; i < region[r].pages; i++) {
			struct spot *s = spot_of(p, r, i);

			content_init(&s->c, p->serial, region[r].first + i);
			atomic_store(&s->file_page, region[r].file_page + i);
		}
	}
	return p;
}

static void set_limits(struct proc *p)
{
	om_set_limit(p->mm, OM_LIMIT_MEMLOCK, (p->shared >= 0 ? 12 : 6) * PAGE);
}

/* `shared`: its number, or -1. */
struct proc *proc_new(struct thread *t, int shared)
{
	struct proc *p = proc_alloc(t, shared);
	int err;

	RETRY(t, err, om_mm_create(t->w->sys, &layout, p, &p->mm));
	CHECK(t, !err, "om_mm_create: %d", err);
	set_limits(p);
	if (shared < 0)
		p->own = file_new(t, false, t->nr, region[OWN_SHM].pages);
	map_all(t, p);
	atomic_fetch_add(&t->w->nr_procs, 1);
	return p;
}

void proc_destroy(struct thread *t, struct proc *p)
{
	pins_detach_all(t, p);
	om_mm_destroy(p->mm);
	file_put(t, p->own);
	free(p);
	atomic_fetch_sub(&t->w->nr_procs, 1);
}

struct proc *pick_proc(struct thread *t)
{
	if (t->aim.on)
		return t->w->shared[t->aim.shared];
	if (!t->nr_own || chance(t, 45))
		return t->w->shared[below(t, NR_SHARED)];
	return t->own[below(t, t->nr_own)];
}

/* ---------------------------------------------------------------- fork ---------------------- */

static bool may_have_one_more(struct thread *t)
{
	unsigned n = atomic_load(&t->w->nr_procs);

	if (t->nr_own == MAX_OWN)
		return false;
	while (n < t->w->max_procs)
		if (atomic_compare_exchange_weak(&t->w->nr_procs, &n, n + 1))
			return true;
	return false;
}

/* The child's spot from the parent's, which nobody has changed since it was sampled. */
static void inherit(struct spot *to, const struct spot *from, bool hazy)
{
	uint32_t attr = attr_of(from) | (hazy ? A_HAZY : 0);

	content_copy(&to->c, &from->c);
	atomic_store(&to->file_page, atomic_load(&from->file_page));
	atomic_store(&to->cut, atomic_load(&from->cut));
	if (attr & A_WIPE) {
		content_set(&to->c, 0, BLOCKS, 0);
		attr &= ~(A_FREED | A_HAZY);
	}
	if (attr & A_NOFORK)
		attr = attr & A_LOC;
	atomic_store(&to->attr, attr & ~(A_LOCKED | A_ABSENT | A_PINNED | A_NOFORK));
}

/* Nobody knows what the child got of this page: it must be something that was written, and goes. */
static void unmap(struct thread *t, struct proc *p, unsigned r, unsigned i, unsigned loc,
                  unsigned n)
{
	int err;

	RETRY(t, err, om_munmap(p->mm, addr_at(r, i, loc), n * PAGE));
	CHECK(t, !err, "munmap of %s: %d", region[r].name, err);
}

static void forget_spot(struct thread *t, struct proc *child, unsigned r, unsigned i)
{
	spots_begin(child, r, i, 1); /* not steady: any of its contents are right */
	if (region[r].kind < K_HEAP) {
		for (unsigned loc = 0; loc < NR_LOCS; loc++) {
			atomic_store(&spot_of(child, r, i)->attr, loc << A_LOCSHIFT);
			check_read(t, child, r, i);
			unmap(t, child, r, i, loc, 1);
		}
	}
	atomic_store(&spot_of(child, r, i)->attr, 0);
	spot_zero(t, child, r, i);
	spots_end(child, r, i, 1);
}

/* Heap and stack as a whole: they have one owner. */
static void forget_heap(struct thread *t, struct proc *child)
{
	while (om_brk(child->mm, HEAP_BASE) != HEAP_BASE)
		out_of_memory(t);
	unmap(t, child, HEAP, 0, 0, region[HEAP].pages);
	for (unsigned i = 0; i < region[HEAP].pages; i++)
		forget_spot(t, child, HEAP, i);
}

static void forget_stack(struct thread *t, struct proc *child)
{
	unmap(t, child, STACK, 0, 0, region[STACK].pages);
	for (unsigned i = 0; i < region[STACK].pages; i++)
		forget_spot(t, child, STACK, i);
}

static bool is_steady(const struct spot *s, uint32_t before)
{
	return !(before & 1) && atomic_load(&s->c.seq) == before;
}

/* Every spot of the child, from the parent's as it was during the fork. */
static void inherit_all(struct thread *t, struct proc *parent, struct proc *child,
                        const uint32_t *before)
{
	bool busy[NR_REGIONS] = {false};

	for (unsigned r = 0; r < NR_REGIONS; r++) {
		for (unsigned i = 0; i < region[r].pages; i++) {
			const struct spot *from = spot_of(parent, r, i);

			inherit(spot_of(child, r, i), from, has_guest(parent, r));
			if (is_steady(from, before[region[r].first + i]))
				continue;
			busy[r] = true;
			if (r != HEAP && r != STACK)
				forget_spot(t, child, r, i);
		}
	}
	if (busy[HEAP])
		forget_heap(t, child);
	if (busy[STACK])
		forget_stack(t, child);
}

void op_fork(struct thread *t)
{
	struct proc *parent = pick_proc(t), *child;
	uint32_t before[NR_SPOTS];
	int err;

	if (!may_have_one_more(t))
		return;
	child = proc_alloc(t, -1);
	for (unsigned n = 0; n < NR_SPOTS; n++)
		before[n] = atomic_load(&parent->spot[n].c.seq);
	err = om_fork(parent->mm, child, &child->mm);
	if (err) {
		CHECK(t, err == -OM_ENOMEM, "fork: %d", err);
		t->oom++;
		free(child);
		atomic_fetch_sub(&t->w->nr_procs, 1);
		return;
	}
	set_limits(child);
	child->own = parent->own;
	if (child->own)
		atomic_fetch_add(&child->own->refs, 1);
	inherit_all(t, parent, child, before);
	t->own[t->nr_own++] = child;
}

/* ---------------------------------------------------------------- ends ---------------------- */

static struct proc *take_own(struct thread *t)
{
	struct proc *p;
	unsigned i;

	if (!t->nr_own)
		return NULL;
	i = below(t, t->nr_own);
	p = t->own[i];
	t->own[i] = t->own[--t->nr_own];
	return p;
}

void op_exit(struct thread *t)
{
	struct proc *p = take_own(t);

	if (!p)
		return;
	if (chance(t, 10))
		check_all(t, p);
	proc_destroy(t, p);
}

/* exec: the address space is emptied and filled anew. */
void op_exec_mm(struct thread *t)
{
	struct proc *p;

	if (!t->nr_own) {
		if (may_have_one_more(t)) {
			t->own[t->nr_own++] = proc_new(t, -1);
			atomic_fetch_sub(&t->w->nr_procs, 1); /* counted twice */
		}
		return;
	}
	p = t->own[below(t, t->nr_own)];
	pins_detach_all(t, p);
	om_mm_empty(p->mm);
	CHECK(t, om_brk(p->mm, 0) == HEAP_BASE, "brk after om_mm_empty()");
	for (unsigned r = 0; r < NR_REGIONS; r++) {
		for (unsigned i = 0; i < region[r].pages; i++) {
			atomic_store(&spot_of(p, r, i)->attr, 0);
			spot_zero(t, p, r, i);
		}
	}
	map_all(t, p);
}

void op_give(struct thread *t)
{
	struct proc *p = take_own(t);

	if (!p)
		return;
	unpin_proc(t, p);
	pthread_mutex_lock(&t->w->lock);
	p->next = t->w->pool;
	t->w->pool = p;
	t->w->nr_pool++;
	pthread_mutex_unlock(&t->w->lock);
}

void op_take(struct thread *t)
{
	struct proc *p;

	if (t->nr_own == MAX_OWN)
		return;
	pthread_mutex_lock(&t->w->lock);
	p = t->w->pool;
	if (p) {
		t->w->pool = p->next;
		t->w->nr_pool--;
	}
	pthread_mutex_unlock(&t->w->lock);
	if (p)
		t->own[t->nr_own++] = p;
}
