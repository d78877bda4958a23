/*
 * lib.c: the library's side: one simulated machine with little memory, and each call made on it.
 *
 * The machine has two CPUs; the processes are dealt out to them, so translations live on while
 * others run. Whatever must stay invisible to programs (reclaim, swapoff, TLB flushes) is a call
 * too.
 */
#include "calls.h"
#include "twin.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct twin twin;

#define SWAP_SLOTS 200000u
#define MAPPED_END (sizeof(long) == 8 ? (uint64_t)0x7ffffffff000 : (uint64_t)0xc0000000)

static uint8_t buffer[COPY_MAX];

static struct sim_cpu *cpu_of(unsigned proc)
{
	return sim_cpu(twin.sim, proc & 1);
}

/* ---------------------------------------------------------------- open and close ------------ */

static void on_bug(void *arg, const struct om_bug *bug)
{
	(void)arg;
	sim_print_bug(stderr, bug);
	fail("bug %s: %s at %s:%d, values %#lx %#lx", bug->rule, bug->what, bug->file, bug->line,
	     (unsigned long)bug->value[0], (unsigned long)bug->value[1]);
}

static void open_file(struct file *f, bool store)
{
	f->store = store ? sim_store_ram() : NULL;
	if (om_mapping_create(twin.sys, store ? &sim_store_ops : NULL, f->store, 0, &f->mapping))
		fail("lib: om_mapping_create");
}

void lib_open(const struct round *round)
{
	struct sim_config config = {.nr_frames = round->frames,
	                            .nr_cpus = 2,
	                            .swap_cluster = round->swap_cluster,
	                            .junk = true};

	memset(&twin, 0, sizeof(twin));
	twin.round = *round;
	twin.sim = sim_create(&config);
	if (!twin.sim)
		fail("lib: no memory for the machine");
	twin.sys = sim_system(twin.sim);
	om_set_huge(twin.sys, OM_HUGE_ALWAYS);
	twin.scratch = malloc(config.nr_frames * 8);
	sim_on_panic(twin.sim, on_bug, NULL);
	for (unsigned i = 0; i < 2; i++) {
		twin.swap[i] = sim_store_ram();
		if (om_swapon(twin.sys, &sim_store_ops, twin.swap[i], SWAP_SLOTS, 0,
		              &twin.swap_area[i]))
			fail("lib: om_swapon");
	}
	for (unsigned i = 0; i < NR_FILES; i++)
		open_file(&twin.file[i], round->stores >> i & 1);
}

static void sum_events(void)
{
	struct om_sysinfo info;

	om_sysinfo(twin.sys, &info);
	for (unsigned i = 0; i < OM_NR_EVENTS; i++)
		shared->event[i] += info.event[i];
}

/* Everything goes, and nothing may be left. */
void lib_close(void)
{
	sum_events();
	for (unsigned i = 0; i < NR_PROCS; i++)
		if (twin.mm[i])
			om_mm_destroy(twin.mm[i]);
	for (unsigned i = 0; i < NR_FILES; i++)
		om_mapping_put(twin.file[i].mapping);
	for (unsigned i = 0; i < 2; i++)
		if (om_swapoff(twin.sys, twin.swap_area[i]))
			fail("lib: om_swapoff at the end");
	if (sim_destroy(twin.sim))
		fail("leak: frames still in use at the end");
	for (unsigned i = 0; i < NR_FILES; i++)
		if (twin.file[i].store)
			sim_store_free(twin.file[i].store);
	for (unsigned i = 0; i < 2; i++)
		sim_store_free(twin.swap[i]);
	free(twin.scratch);
}

/* ---------------------------------------------------------------- accesses ------------------ */

static int64_t signal_of(enum om_fault_result r)
{
	switch (r) {
	case OM_FAULT_MAPERR:
		return fault_result(SIGSEGV, SEGV_MAPERR);
	case OM_FAULT_ACCERR:
		return fault_result(SIGSEGV, SEGV_ACCERR);
	case OM_FAULT_BUS:
		return fault_result(SIGBUS, BUS_ADRERR);
	case OM_FAULT_OOM:
		return fault_result(SIGKILL, 0);
	default:
		return 0;
	}
}

static void fill_pattern(size_t n, uint64_t seed)
{
	for (unsigned i = 0; i < n; i++)
		buffer[i] = pattern(seed, i);
}

static void access_call(const struct call *c, uintptr_t addr, struct result *r)
{
	struct om_mm *mm = twin.mm[c->proc];
	size_t n = (size_t)c->a[1];

	switch (c->kind) {
	case C_WRITE:
		fill_pattern(n, c->a[2]);
		r->ret = signal_of(sim_store(cpu_of(c->proc), mm, addr, buffer, n));
		break;
	case C_READ:
		r->ret = signal_of(sim_load(cpu_of(c->proc), mm, addr, buffer, n));
		for (unsigned i = 0; i < n && !r->ret; i++)
			r->v |= (uint64_t)buffer[i] << 8 * i;
		break;
	default:
		/* x86 reads the page in before it sees that it may not be executed. */
		r->ret = signal_of(sim_load(cpu_of(c->proc), mm, addr, buffer, 1));
		if (!r->ret)
			r->ret = signal_of(sim_exec(cpu_of(c->proc), mm, addr));
	}
}

static void uread(const struct call *c, uintptr_t addr, struct result *r)
{
	size_t done;
	int err = om_read(twin.mm[c->proc], addr, buffer, (size_t)c->a[1], &done);

	r->ret = done ? (int64_t)done : err;
	r->v = done ? hash_bytes(buffer, done) : 0;
}

static void uwrite(const struct call *c, uintptr_t addr, struct result *r)
{
	size_t done;
	int err;

	fill_pattern((size_t)c->a[1], c->a[2]);
	err = om_write(twin.mm[c->proc], addr, buffer, (size_t)c->a[1], &done);
	r->ret = done ? (int64_t)done : err;
}

uint64_t lib_hash(unsigned proc, uintptr_t addr)
{
	static uint64_t page[PAGE / 8];
	int64_t fault = signal_of(sim_load(cpu_of(proc), twin.mm[proc], addr, page, PAGE));

	return fault ? HASH_FAULT + (uint64_t)fault : hash_bytes(page, PAGE);
}

/* ---------------------------------------------------------------- mapping ------------------- */

static void call_mmap(struct om_mm *mm, const uint64_t *a, struct result *r)
{
	int64_t file = (int64_t)a[4];
	int flags = (int)a[3] | (file >= 100 ? OM_MAP_FILE_RDONLY : 0);
	uintptr_t addr = (uintptr_t)a[0];
	unsigned page;

	r->ret = do_mmap(mm, &addr, (size_t)a[1], (int)a[2], flags,
	                 file < 0 ? NULL : twin.file[file % 100].mapping, a[5]);
	if (r->ret)
		return;
	r->v = addr;
	if (!page_number(addr, &page)) {
		r->v = 1;
		om_munmap(mm, addr, (size_t)a[1]);
	}
}

/* As in the worker: what moved anywhere comes home. */
static void call_mremap(struct om_mm *mm, const uint64_t *a, struct result *r)
{
	size_t new_len = ((size_t)a[2] + PAGE - 1) & ~(PAGE - 1);
	uintptr_t addr = 0, home;
	unsigned page;
	int err;

	r->ret = do_mremap(mm, (uintptr_t)a[0], (size_t)a[1], (size_t)a[2], (int)a[3],
	                   (uintptr_t)a[4], &addr);
	/* Linux has emptied the destination by then; see exempt.c. */
	if (r->ret == -OM_ENOMEM && (a[3] & OM_MREMAP_FIXED) && (a[3] & OM_MREMAP_DONTUNMAP))
		om_munmap(mm, (uintptr_t)a[4], new_len);
	if (r->ret)
		return;
	r->v = addr;
	if (page_number(addr, &page))
		return;
	err = do_mremap(mm, addr, new_len, new_len, OM_MREMAP_MAYMOVE | OM_MREMAP_FIXED,
	                (uintptr_t)a[5], &home);
	r->v = err ? (uint64_t)err : 1;
	if (err)
		om_munmap(mm, addr, new_len);
}

static void do_mincore(struct om_mm *mm, uintptr_t addr, size_t len, struct result *r)
{
	static unsigned char vec[32768];

	r->ret = om_mincore(mm, addr, len, vec);
	for (size_t i = 0; !r->ret && i < (len + PAGE - 1) / PAGE && i < 64; i++)
		r->v |= (uint64_t)(vec[i] & 1) << i;
}

/* The host can set none higher than its hard limit. */
static void set_limit(struct om_mm *mm, enum om_limit which, uint64_t value)
{
	uint64_t hard = shared->host.hard_limit[which];

	om_set_limit(mm, which, (uintptr_t)(value < hard ? value : hard));
}

/* ---------------------------------------------------------------- processes ----------------- */

static uintptr_t lowest(void)
{
	FILE *f = fopen("/proc/sys/vm/mmap_min_addr", "r");
	unsigned long min = 0;

	if (f) {
		if (fscanf(f, "%lu", &min) != 1)
			min = 0;
		fclose(f);
	}
	return min < PAGE ? PAGE : (min + PAGE - 1) & ~(PAGE - 1);
}

static void spawn(unsigned proc)
{
	struct om_layout layout = {.highest = (uintptr_t)MAPPED_END,
	                           .mmap_base = (uintptr_t)MAPPED_END - 0x10000000,
	                           .brk_start = shared->heap,
	                           .guard_gap = (uintptr_t)shared->host.guard_gap};

	layout.lowest = lowest();
	if (om_mm_create(twin.sys, &layout, NULL, &twin.mm[proc]))
		fail("lib: om_mm_create");
	set_limit(twin.mm[proc], OM_LIMIT_MEMLOCK, MEMLOCK);
	set_limit(twin.mm[proc], OM_LIMIT_STACK, STACK);
	set_limit(twin.mm[proc], OM_LIMIT_AS, OM_UNLIMITED);
	set_limit(twin.mm[proc], OM_LIMIT_DATA, OM_UNLIMITED);
	lazy_fork(proc, proc);
}

static void process_call(const struct call *c, struct result *r)
{
	unsigned child = (unsigned)c->a[0];

	switch (c->kind) {
	case C_SPAWN:
		spawn(c->proc);
		break;
	case C_FORK:
		r->ret = om_fork(twin.mm[c->proc], NULL, &twin.mm[child]);
		lazy_fork(c->proc, child);
		break;
	default:
		om_mm_destroy(twin.mm[c->proc]);
		twin.mm[c->proc] = NULL;
	}
}

/* ---------------------------------------------------------------- files --------------------- */

static int64_t truncate_file(struct file *f, uint64_t size)
{
	uint64_t old = om_mapping_size(f->mapping);
	int err = om_mapping_truncate(f->mapping, size);

	if (!err && f->store && size < old)
		sim_store_truncate(f->store, size);
	return err;
}

static void file_call(const struct call *c, struct result *r)
{
	struct file *f = &twin.file[c->a[0]];
	size_t done = 0;
	int err;

	switch (c->kind) {
	case C_TRUNCATE:
		r->ret = truncate_file(f, c->a[1]);
		break;
	case C_PUNCH:
		r->ret = om_mapping_punch(f->mapping, c->a[1], c->a[2]);
		break;
	case C_PREAD:
		err = om_mapping_read(f->mapping, c->a[1], buffer, (size_t)c->a[2], &done);
		r->ret = err ? err : (int64_t)done;
		r->v = done ? hash_bytes(buffer, done) : 0;
		break;
	case C_PWRITE:
		fill_pattern((size_t)c->a[2], c->a[3]);
		err = om_mapping_write(f->mapping, c->a[1], buffer, (size_t)c->a[2], &done);
		r->ret = err ? err : (int64_t)done;
		break;
	default:
		r->ret = om_mapping_sync(f->mapping, 0, 0);
	}
}

/* ---------------------------------------------------------------- invisible ----------------- */

static void swap_off_and_on(unsigned i)
{
	int err = om_swapoff(twin.sys, twin.swap_area[i]);

	if (err == -OM_ENOMEM)
		return;
	if (err ||
	    om_swapon(twin.sys, &sim_store_ops, twin.swap[i], SWAP_SLOTS, 0, &twin.swap_area[i]))
		fail("lib: swap off and on: %d", err);
}

static void invisible_call(const struct call *c)
{
	switch (c->kind) {
	case C_RECLAIM:
		om_reclaim_step(twin.sys, (size_t)c->a[0]);
		break;
	case C_SWAPOFF:
		swap_off_and_on((unsigned)c->a[0] & 1);
		break;
	case C_FLUSH_TLB:
		sim_tlb_flush(cpu_of(c->proc));
		break;
	default:
		break;
	}
}

/* ---------------------------------------------------------------- dispatch ------------------ */

static bool address_call(const struct call *c, const uint64_t *a, struct result *r)
{
	struct om_mm *mm = twin.mm[c->proc];
	uintptr_t addr = (uintptr_t)a[0];
	size_t len = (size_t)a[1];

	switch (c->kind) {
	case C_MMAP:
		call_mmap(mm, a, r);
		break;
	case C_MUNMAP:
		r->ret = om_munmap(mm, addr, len);
		break;
	case C_MPROTECT:
		r->ret = om_mprotect(mm, addr, len, (int)a[2]);
		break;
	case C_MREMAP:
		call_mremap(mm, a, r);
		break;
	case C_MADVISE:
		r->ret = om_madvise(mm, addr, len, (int)a[2]);
		break;
	case C_MLOCK:
		r->ret = om_mlock(mm, addr, len, 0);
		break;
	case C_MLOCK2:
		r->ret = om_mlock(mm, addr, len, (int)a[2]);
		break;
	case C_MUNLOCK:
		r->ret = om_munlock(mm, addr, len);
		break;
	case C_MLOCKALL:
		r->ret = om_mlockall(mm, (int)a[0]);
		break;
	case C_MUNLOCKALL:
		r->ret = om_munlockall(mm);
		break;
	case C_MINCORE:
		do_mincore(mm, addr, len, r);
		break;
	case C_MSYNC:
		r->ret = om_msync(mm, addr, len, (int)a[2]);
		break;
	case C_BRK:
		r->v = om_brk(mm, shared->heap + (uintptr_t)a[0]) - shared->heap;
		break;
	case C_LIMIT:
		set_limit(mm, (enum om_limit)a[0], a[1]);
		break;
	default:
		return false;
	}
	return true;
}

void lib_call(const struct call *c, struct result *r)
{
	uint64_t a[6];

	for (unsigned i = 0; i < 6; i++)
		a[i] = is_address(c->kind, i) ? real_address(c->a[i]) : c->a[i];
	*r = (struct result){0, 0};
	if (address_call(c, a, r))
		return;
	switch (c->kind) {
	case C_WRITE:
	case C_READ:
	case C_EXEC:
		access_call(c, (uintptr_t)a[0], r);
		break;
	case C_UREAD:
		uread(c, (uintptr_t)a[0], r);
		break;
	case C_UWRITE:
		uwrite(c, (uintptr_t)a[0], r);
		break;
	case C_SPAWN:
	case C_FORK:
	case C_EXIT:
		process_call(c, r);
		break;
	case C_TRUNCATE:
	case C_PUNCH:
	case C_PREAD:
	case C_PWRITE:
	case C_FSYNC:
		file_call(c, r);
		break;
	default:
		invisible_call(c);
	}
}

/* ---------------------------------------------------------------- areas --------------------- */

static int64_t object_of(const struct om_vmainfo *info)
{
	if (!info->mapping)
		return -1;
	for (int i = 0; i < NR_FILES; i++)
		if (twin.file[i].mapping == info->mapping)
			return i;
	return OTHER + (int64_t)(uintptr_t)info->mapping;
}

unsigned lib_segments(unsigned proc, struct segment *s, bool flags)
{
	const uint32_t plain = OM_VM_READ | OM_VM_WRITE | OM_VM_EXEC | OM_VM_SHARED;
	const uint32_t all = plain | OM_VM_MAYWRITE | OM_VM_GROWSDOWN | OM_VM_LOCKED |
	                     OM_VM_LOCKONFAULT | OM_VM_DONTFORK | OM_VM_WIPEONFORK |
	                     OM_VM_SEQ_READ | OM_VM_RAND_READ;
	struct om_vmainfo info;
	unsigned n = 0;

	for (uintptr_t addr = 0; om_vma_next(twin.mm[proc], addr, &info) && n < MAX_SEGMENTS;
	     addr = info.end) {
		s[n].start = info.start;
		s[n].end = info.end;
		s[n].flags = info.flags & (flags ? all : plain);
		s[n].object = object_of(&info);
		s[n].offset = info.mapping ? info.pgoff * PAGE : 0;
		n++;
	}
	return n;
}
