/*
 * check.c: the two worlds at rest, compared.
 *
 * Areas: what is mapped where, with which rights, flags, object and offset; neighbours that agree
 * in all of this count as one on both sides. Then the kernel's counters, then the bytes of every
 * page, by a sum that each side computes where it is, through ordinary loads. A page that neither
 * side has ever touched is mostly left alone, because looking at it touches it. Files are read
 * whole.
 */
#include "twin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- areas --------------------- */

static struct segment lib_s[MAX_SEGMENTS], host_s[MAX_SEGMENTS];

static bool joins(const struct segment *a, const struct segment *b)
{
	return a->end == b->start && a->flags == b->flags && a->object == b->object &&
	       (a->object == -1 || a->offset + (a->end - a->start) == b->offset);
}

static unsigned join(struct segment *s, unsigned n)
{
	unsigned to = 0;

	for (unsigned i = 0; i < n; i++) {
		if (to && joins(&s[to - 1], &s[i]))
			s[to - 1].end = s[i].end;
		else
			s[to++] = s[i];
	}
	return to;
}

/* Anonymous shared memory has no name: number the objects as they appear. */
static void number_objects(struct segment *s, unsigned n)
{
	int64_t seen[64];
	unsigned nr = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned k = 0;

		if (s[i].object < OTHER)
			continue;
		while (k < nr && seen[k] != s[i].object)
			k++;
		if (k == nr && nr < 64)
			seen[nr++] = s[i].object;
		s[i].object = OTHER + k;
	}
}

static bool same_segment(const struct segment *a, const struct segment *b)
{
	return a->start == b->start && a->end == b->end && a->flags == b->flags &&
	       a->object == b->object && a->offset == b->offset;
}

static void describe(char *out, size_t size, const struct segment *s, bool there)
{
	if (there)
		snprintf(out, size, "%#llx-%#llx flags %#x object %lld offset %#llx",
		         (unsigned long long)s->start, (unsigned long long)s->end, s->flags,
		         (long long)s->object, (unsigned long long)s->offset);
	else
		snprintf(out, size, "nothing");
}

/* What smaps does not tell here is not compared. */
static unsigned mask(struct segment *s, unsigned n)
{
	for (unsigned i = 0; quirk(QUIRK_CONCEALS_ONFAULT) && i < n; i++)
		s[i].flags &= ~(uint32_t)OM_VM_LOCKONFAULT;
	return n;
}

static void check_areas(unsigned proc, bool flags)
{
	unsigned n = join(lib_s, mask(lib_s, lib_segments(proc, lib_s, flags)));
	unsigned m = join(host_s, mask(host_s, host_segments(proc, host_s, flags)));
	char lib[160], host[160];

	number_objects(lib_s, n);
	number_objects(host_s, m);
	for (unsigned i = 0; i < n || i < m; i++) {
		if (i < n && i < m && same_segment(&lib_s[i], &host_s[i]))
			continue;
		describe(lib, sizeof(lib), &lib_s[i], i < n);
		describe(host, sizeof(host), &host_s[i], i < m);
		fail("areas: process %u: library %s, host %s", proc, lib, host);
	}
	shared->areas += n;
}

static void check_status(unsigned proc)
{
	struct host_status host;
	struct om_mminfo lib;

	host_status(proc, &host);
	om_mminfo(twin.mm[proc], 0, OM_UNLIMITED, &lib);
	if (lib.size * PAGE != host.size || lib.data * PAGE != host.data ||
	    lib.locked * PAGE != host.locked)
		fail("counters: process %u: library %zu pages, %zu data, %zu locked; "
		     "host %llu, %llu, %llu",
		     proc, lib.size, lib.data, lib.locked, (unsigned long long)(host.size / PAGE),
		     (unsigned long long)(host.data / PAGE),
		     (unsigned long long)(host.locked / PAGE));
}

/* ---------------------------------------------------------------- pages --------------------- */

static void compare_pages(unsigned proc)
{
	struct slot *s = &shared->slot[proc];
	struct call c = {.kind = C_HASH, .proc = (uint8_t)proc};
	static uint64_t page[HASHES], host[HASHES];
	uint32_t n = s->nr_hashes;

	if (!n)
		return;
	host_call(&c);
	memcpy(page, s->page, n * sizeof(*page));
	memcpy(host, s->hash, n * sizeof(*host));
	for (uint32_t i = 0; i < n; i++) {
		uint64_t lib = lib_hash(proc, (uintptr_t)page[i]);

		if (lib != host[i] && !lazy_follow(proc, (uintptr_t)page[i], lib, host[i]))
			fail("content: process %u page %#llx: library %#llx, host %#llx", proc,
			     (unsigned long long)page[i], (unsigned long long)lib,
			     (unsigned long long)host[i]);
	}
	shared->pages += n;
	s->nr_hashes = 0;
}

static void add_page(unsigned proc, uintptr_t addr)
{
	struct slot *s = &shared->slot[proc];

	s->page[s->nr_hashes++] = addr;
	if (s->nr_hashes == HASHES)
		compare_pages(proc);
}

/* One page of an area is worth a look if either side has something there. */
static bool worth(unsigned proc, uintptr_t addr, bool present)
{
	struct om_pageinfo info;

	if (present)
		return true;
	om_pageinfo(twin.mm[proc], addr, &info);
	return info.kind != OM_PAGE_NONE;
}

static void check_area_pages(unsigned proc, const struct segment *s, bool all)
{
	static bool present[NR_PAGES];
	unsigned n = (unsigned)((s->end - s->start) / PAGE);

	if (!all)
		host_present(proc, (uintptr_t)s->start, n, present);
	for (unsigned i = 0; i < n; i++) {
		uintptr_t addr = (uintptr_t)s->start + i * PAGE;

		if (all || worth(proc, addr, present[i]))
			add_page(proc, addr);
		else
			shared->skipped_pages++;
	}
}

static void check_pages(unsigned proc, bool all)
{
	unsigned n = lib_segments(proc, lib_s, false);

	shared->slot[proc].nr_hashes = 0;
	for (unsigned i = 0; i < n; i++)
		check_area_pages(proc, &lib_s[i], all);
	compare_pages(proc);
}

/* ---------------------------------------------------------------- files --------------------- */

static void check_file(unsigned i)
{
	static uint8_t lib[16 * PAGE], host[16 * PAGE];
	struct om_mapping *mapping = twin.file[i].mapping;
	uint64_t size = om_mapping_size(mapping);
	struct stat st;

	fstat(file_fd[i], &st);
	if (size != (uint64_t)st.st_size)
		fail("files: size of file %u: library %llu, host %llu", i, (unsigned long long)size,
		     (unsigned long long)st.st_size);
	for (uint64_t at = 0; at < size; at += sizeof(lib)) {
		size_t n = size - at < sizeof(lib) ? (size_t)(size - at) : sizeof(lib), done;

		if (om_mapping_read(mapping, at, lib, n, &done) || done != n ||
		    pread(file_fd[i], host, n, (off_t)at) != (ssize_t)n)
			fail("files: cannot read file %u", i);
		for (size_t k = 0; k < n; k++)
			if (lib[k] != host[k])
				fail("files: file %u, byte %#llx: library %#x, host %#x", i,
				     (unsigned long long)(at + k), lib[k], host[k]);
	}
}

/* ---------------------------------------------------------------- the library's own --------- */

static void verify(void)
{
	struct sim_tlb_entry entry;
	struct om_bug bug;
	struct om_mm *mm[NR_PROCS];
	unsigned n = 0;

	for (unsigned i = 0; i < NR_PROCS; i++)
		if (twin.mm[i])
			mm[n++] = twin.mm[i];
	if (om_verify(twin.sys, twin.scratch, &bug))
		fail("verify: %s: %s at %s:%d, values %#lx %#lx", bug.rule, bug.what, bug.file,
		     bug.line, (unsigned long)bug.value[0], (unsigned long)bug.value[1]);
	if (sim_check_tlb(twin.sim, mm, n, &entry))
		fail("tlb: page %#lx frame %#x", (unsigned long)entry.page, entry.pfn);
	shared->verifies++;
}

static void check_process(unsigned proc, unsigned what)
{
	check_areas(proc, what & CHECK_FLAGS);
	check_status(proc);
	check_pages(proc, what & CHECK_ALL_PAGES);
	shared->checks++;
}

void check(unsigned proc, unsigned what)
{
	for (unsigned i = 0; i < NR_PROCS; i++)
		if (twin.mm[i] && (i == proc || (what & CHECK_ALL_PROCS)))
			check_process(i, what);
	if (what & CHECK_ALL_PROCS)
		for (unsigned i = 0; i < NR_FILES; i++)
			check_file(i);
	if (what & CHECK_VERIFY)
		verify();
}
