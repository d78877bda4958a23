/*
 * names.c: see names.h.
 *
 * Lines of the system itself are named by its fields, those of page descriptors by the kind of
 * frame and the fields of a descriptor, those of objects by the object cache and the fields of the
 * object. Nothing here says which page or which object it was: lines of one name are added up.
 */
#include "names.h"

#include <stdio.h>
#include <string.h>

#include "page/slab.h"
#include "store/shadow.h"

/* ---------------------------------------------------------------- fields -------------------- */

/* A field, or the elements of an array of them. */
struct field {
	size_t start, bytes; /* from the start of the structure; of one element */
	unsigned count;
	const char *name;
	const char *const *index; /* names of the elements; NULL: their numbers */
	const struct field *in;   /* fields of an element, up to one without a name; NULL: none */
};
/* Elements that have fields and no names are not told apart: the shards of counters. */

#define SIZE(type, name) sizeof(((struct type *)0)->name)
#define FIELD(type, name)                                                                          \
	{                                                                                          \
		offsetof(struct type, name), SIZE(type, name), 1, #name, NULL, NULL                \
	}
#define ARRAY(type, name, index, in)                                                               \
	{                                                                                          \
		offsetof(struct type, name), SIZE(type, name[0]),                                  \
		    SIZE(type, name) / SIZE(type, name[0]), #name, index, in                       \
	}
#define INSIDE(type, name, in)                                                                     \
	{                                                                                          \
		offsetof(struct type, name), SIZE(type, name), 1, #name, NULL, in                  \
	}
#define END                                                                                        \
	{                                                                                          \
		0, 0, 0, NULL, NULL, NULL                                                          \
	}

static const char *const kind_names[] = {
    [OM_KIND_RESERVED] = "reserved",
    [OM_KIND_FREE] = "free",
    [OM_KIND_DATA] = "data",
    [OM_KIND_ZERO] = "zero page",
    [OM_KIND_OBJECT] = "objects",
    [OM_KIND_INDEX] = "index or swap map",
    [OM_KIND_USER] = "user",
    [OM_KIND_TABLE] = "table",
    [OM_KIND_TABLE + 1] = "leaf table",
    [OM_KIND_TABLE + 2] = "table of level 2",
    [OM_KIND_TABLE + 3] = "table of level 3",
    [OM_KIND_TABLE + 4] = "table of level 4",
};
#define NR_KINDS (sizeof(kind_names) / sizeof(*kind_names))

static const char *const cache_names[OM_NR_CACHES] = {
    [OM_CACHE_VMA] = "area",
    [OM_CACHE_MM] = "mm",
    [OM_CACHE_MAPPING] = "mapping",
    [OM_CACHE_RMAP] = "rmap object",
    [OM_CACHE_RMAP + 1] = "rmap object 2",
};

static const char *const mapped_names[] = {"anon", "shared", "file"};
static const char *event_names[OM_NR_EVENTS];

static const struct field descriptor_fields[] = {FIELD(om_page, lock),  FIELD(om_page, kind),
                                                 FIELD(om_page, flags), FIELD(om_page, counts),
                                                 FIELD(om_page, holds), FIELD(om_page, object),
                                                 FIELD(om_page, index), END};

static const struct field part_fields[] = {
    FIELD(om_mm_part, mmap_lock),  FIELD(om_mm_part, hint),
    FIELD(om_mm_part, table_hint), FIELD(om_mm_part, rss_anon),
    FIELD(om_mm_part, rss_file),   FIELD(om_mm_part, swapents),
    FIELD(om_mm_part, mm),         END};

static const struct field mm_fields[] = {
    FIELD(om_mm, sys),           FIELD(om_mm, cookie),
    FIELD(om_mm, root),          FIELD(om_mm, last),
    FIELD(om_mm, moves),         FIELD(om_mm, recalled),
    FIELD(om_mm, parts),         FIELD(om_mm, refs),
    FIELD(om_mm, vmas),          FIELD(om_mm, gone),
    FIELD(om_mm, sum_lock),      INSIDE(om_mm, own, part_fields),
    FIELD(om_mm, nr_vmas),       FIELD(om_mm, def_flags),
    FIELD(om_mm, flush_pending), FIELD(om_mm, home),
    FIELD(om_mm, layout),        FIELD(om_mm, brk),
    FIELD(om_mm, limit),         FIELD(om_mm, total_vm),
    FIELD(om_mm, data_vm),       FIELD(om_mm, locked_vm),
    FIELD(om_mm, nr_tables),     FIELD(om_mm, few_rounds),
    FIELD(om_mm, anon_mm),       FIELD(om_mm, prev),
    FIELD(om_mm, next),          END};

static const struct field area_fields[] = {FIELD(om_vma, mm),      FIELD(om_vma, start),
                                           FIELD(om_vma, end),     FIELD(om_vma, pgoff),
                                           FIELD(om_vma, flags),   FIELD(om_vma, anon),
                                           FIELD(om_vma, mapping), FIELD(om_vma, low),
                                           FIELD(om_vma, high),    FIELD(om_vma, by_addr),
                                           FIELD(om_vma, by_file), FIELD(om_vma, anon_vma),
                                           FIELD(om_vma, by_anon), END};

static const struct field mapping_fields[] = {
    FIELD(om_mapping, sys),        FIELD(om_mapping, ops),
    FIELD(om_mapping, lock),       FIELD(om_mapping, size_lock),
    FIELD(om_mapping, hole_lock),  FIELD(om_mapping, shape),
    FIELD(om_mapping, refs),       FIELD(om_mapping, i_mmap_writable),
    FIELD(om_mapping, size),       FIELD(om_mapping, holes_shown),
    FIELD(om_mapping, i_mmap),     FIELD(om_mapping, hand_area),
    FIELD(om_mapping, index),      FIELD(om_mapping, hand_addr),
    FIELD(om_mapping, nr_pages),   FIELD(om_mapping, nr_swapped),
    FIELD(om_mapping, hole_first), FIELD(om_mapping, hole_end),
    FIELD(om_mapping, readahead),  FIELD(om_mapping, prev),
    FIELD(om_mapping, next),       END};

static const struct field slab_fields[] = {FIELD(om_slab, lock),    FIELD(om_slab, size),
                                           FIELD(om_slab, partial), FIELD(om_slab, in_use),
                                           FIELD(om_slab, frames),  END};

static const struct field device_fields[] = {
    FIELD(om_swap_device, ops),      FIELD(om_swap_device, store),
    FIELD(om_swap_device, slots),    FIELD(om_swap_device, used),
    FIELD(om_swap_device, cursor),   FIELD(om_swap_device, priority),
    FIELD(om_swap_device, writable), FIELD(om_swap_device, partial),
    FIELD(om_swap_device, dir),      END};

static const struct field swap_fields[] = {FIELD(om_swap, lock),
                                           ARRAY(om_swap, device, NULL, device_fields),
                                           FIELD(om_swap, next),
                                           FIELD(om_swap, total),
                                           FIELD(om_swap, nr_open),
                                           FIELD(om_swap, free),
                                           END};

static const struct field free_fields[] = {
    FIELD(om_free_list, lock), FIELD(om_free_list, head),  FIELD(om_free_list, last),
    FIELD(om_free_list, n),    FIELD(om_free_list, floor), FIELD(om_free_list, low),
    FIELD(om_free_list, max),  FIELD(om_free_list, kind),  END};

static const struct field list_fields[] = {FIELD(om_mm_list, lock), FIELD(om_mm_list, first),
                                           FIELD(om_mm_list, turn), FIELD(om_mm_list, turn_addr),
                                           END};

static const struct field shard_fields[] = {FIELD(om_shard, cache),
                                            FIELD(om_shard, slots),
                                            INSIDE(om_shard, part, part_fields),
                                            ARRAY(om_shard, event, event_names, NULL),
                                            ARRAY(om_shard, mapped, mapped_names, NULL),
                                            ARRAY(om_shard, slab, cache_names, slab_fields),
                                            INSIDE(om_shard, mms, list_fields),
                                            FIELD(om_shard, swap_writers),
                                            FIELD(om_shard, ahead),
                                            END};

static const struct field system_fields[] = {FIELD(om_system, hooks),
                                             FIELD(om_system, arch),
                                             FIELD(om_system, page),
                                             FIELD(om_system, nr_frames),
                                             FIELD(om_system, zero_pfn),
                                             FIELD(om_system, swap_cluster),
                                             ARRAY(om_system, spin_list, NULL, NULL),
                                             ARRAY(om_system, sleep_queue, NULL, NULL),
                                             FIELD(om_system, cpu_mask),
                                             FIELD(om_system, caching),
                                             INSIDE(om_system, free, free_fields),
                                             FIELD(om_system, nr_open),
                                             FIELD(om_system, runs),
                                             FIELD(om_system, frame_run),
                                             FIELD(om_system, nr_owned),
                                             FIELD(om_system, mark_min),
                                             FIELD(om_system, mark_high),
                                             FIELD(om_system, marks_fixed),
                                             FIELD(om_system, adding),
                                             FIELD(om_system, ages),
                                             FIELD(om_system, shadow),
                                             FIELD(om_system, nr_unevictable),
                                             FIELD(om_system, reclaimers),
                                             FIELD(om_system, rmap),
                                             INSIDE(om_system, swap, swap_fields),
                                             FIELD(om_system, tables_shard),
                                             FIELD(om_system, list_lock),
                                             FIELD(om_system, mappings),
                                             FIELD(om_system, nr_shmem),
                                             FIELD(om_system, nr_cached),
                                             FIELD(om_system, hold),
                                             FIELD(om_system, longest_hold),
                                             {offsetof(struct om_system, shard),
                                              sizeof(struct om_shard), OM_CPUS_MAX, "shard", NULL,
                                              shard_fields},
                                             END};

/* ---------------------------------------------------------------- places -------------------- */

/* Numbers for names_kind(): contents of frames have that of the kind of frame. */
enum { DESCRIPTOR = NR_KINDS, SYSTEM = 2 * NR_KINDS, SHADOW, RUNS, OTHER };
_Static_assert(OTHER < 32, "names_kind() answers with a number below 32");

static struct om_system *sys;

void names_start(struct om_system *system)
{
	sys = system;
	for (unsigned i = 0; i < OM_NR_EVENTS; i++)
		event_names[i] = om_event_name((enum om_event)i);
}

static bool inside(uintptr_t addr, const void *start, size_t bytes)
{
	return addr - (uintptr_t)start < bytes;
}

/* The number of a frame by an address in it, or an address in its descriptor. */
static om_pfn_t frame_at(uintptr_t addr)
{
	return om_arch_pfn(&sys->arch, (const void *)addr);
}

static om_pfn_t described_at(uintptr_t addr)
{
	return (om_pfn_t)((addr - (uintptr_t)sys->page) / sizeof(struct om_page));
}

static bool in_frame(uintptr_t addr)
{
	return inside(addr, om_arch_frame(&sys->arch, 0), sys->nr_frames * OM_PAGE_SIZE);
}

static int content_kind(unsigned kind)
{
	return kind == OM_KIND_OBJECT || kind == OM_KIND_INDEX || kind > OM_KIND_TABLE ? (int)kind
	                                                                               : -1;
}

int names_kind(uintptr_t addr)
{
	if (in_frame(addr))
		return content_kind(sys->page[frame_at(addr)].kind);
	if (inside(addr, sys->page, sys->nr_frames * sizeof(struct om_page)))
		return DESCRIPTOR + sys->page[described_at(addr)].kind;
	if (inside(addr, sys, (size_t)((char *)sys->frame_run - (char *)sys)))
		return SYSTEM;
	if (inside(addr, sys->frame_run, om_runs_bytes(sys->nr_frames)))
		return RUNS;
	return inside(addr, sys->shadow, om_shadow_bytes(sys->nr_frames)) ? SHADOW : OTHER;
}

/* ---------------------------------------------------------------- writing ------------------- */

struct text {
	char *out;
	size_t size, length;
};

static void add(struct text *t, const char *format, const char *word)
{
	int n = snprintf(t->out + t->length, t->size - t->length, format, word);

	if (n > 0)
		t->length += (size_t)n < t->size - t->length ? (size_t)n : t->size - t->length - 1;
}

/* Which bytes of the line belong to [start, start + bytes)? Addresses count from the line. */
static uint64_t bytes_of(ptrdiff_t start, size_t bytes)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < LINE_BYTES; i++)
		if ((ptrdiff_t)i >= start && (ptrdiff_t)i < start + (ptrdiff_t)bytes)
			mask |= (uint64_t)1 << i;
	return mask;
}

static void add_fields(struct text *t, const struct shared_line *line, const struct field *f,
                       ptrdiff_t start, const char *prefix);

static void add_element(struct text *t, const struct shared_line *line, const struct field *f,
                        unsigned i, ptrdiff_t start, const char *prefix)
{
	uint64_t mask = bytes_of(start, f->bytes);
	char name[96];

	if (!(line->known & mask))
		return;
	if (f->count == 1 || (f->in && !f->index))
		snprintf(name, sizeof(name), "%s%s", prefix, f->name);
	else if (f->index)
		snprintf(name, sizeof(name), "%s%s[%s]", prefix, f->name, f->index[i]);
	else
		snprintf(name, sizeof(name), "%s%s[%u]", prefix, f->name, i);
	if (f->in) {
		strncat(name, ".", sizeof(name) - strlen(name) - 1);
		add_fields(t, line, f->in, start, name);
	} else {
		add(t, " %s", name);
		add(t, "%s", line->written & mask ? "*" : "");
	}
}

/* Those fields of a structure that begins at `start`, as seen from the line, that are on it. */
static void add_fields(struct text *t, const struct shared_line *line, const struct field *f,
                       ptrdiff_t start, const char *prefix)
{
	for (; f->name; f++)
		for (unsigned i = 0; i < f->count; i++)
			add_element(t, line, f, i, start + (ptrdiff_t)(f->start + i * f->bytes),
			            prefix);
}

/* All descriptors on the line, as if they were one. */
static void add_descriptors(struct text *t, const struct shared_line *line)
{
	ptrdiff_t start = (ptrdiff_t)(((uintptr_t)sys->page - line->line) % sizeof(struct om_page));
	const size_t per_line = LINE_BYTES / sizeof(struct om_page);
	struct shared_line one = *line;

	if (start || LINE_BYTES % sizeof(struct om_page))
		return; /* they are of another size: without fields */
	for (size_t i = 1; i < per_line; i++) {
		one.known |= line->known >> i * sizeof(struct om_page);
		one.written |= line->written >> i * sizeof(struct om_page);
	}
	one.known &= bytes_of(0, sizeof(struct om_page));
	one.written &= one.known;
	add_fields(t, &one, descriptor_fields, 0, "");
}

/* Each object on the line that is touched. */
static void add_objects(struct text *t, const struct shared_line *line)
{
	static const struct field *const fields[OM_NR_CACHES] = {[OM_CACHE_VMA] = area_fields,
	                                                         [OM_CACHE_MM] = mm_fields,
	                                                         [OM_CACHE_MAPPING] =
	                                                             mapping_fields};
	const struct om_page *frame = &sys->page[frame_at(line->line)];
	unsigned cache = om_slab_cache(frame);
	size_t size = om_slab_of(sys, frame)->size, at = line->line % OM_PAGE_SIZE;

	for (size_t object = at / size * size; object < at + LINE_BYTES; object += size) {
		ptrdiff_t start = (ptrdiff_t)object - (ptrdiff_t)at;

		if (!(line->known & bytes_of(start, size)))
			continue;
		add(t, t->length ? " %s:" : "%s:", cache_names[cache]);
		if (!fields[cache])
			break;
		add_fields(t, line, fields[cache], start, "");
	}
}

/* "descriptor of data, leaf table:" and the like; free ones if there are no others. */
static void add_kinds(struct text *t, uint32_t kinds)
{
	const char *between = " %s";

	if (kinds & ~(1u << OM_KIND_FREE))
		kinds &= ~(1u << OM_KIND_FREE);
	for (unsigned i = 0; i < NR_KINDS; i++)
		if (kinds & 1u << i) {
			add(t, between, kind_names[i] ? kind_names[i] : "?");
			between = ", %s";
		}
}

void names_of(const struct shared_line *line, char *out, size_t size)
{
	struct text t = {out, size, 0};
	uint32_t contents = line->kinds & ((1u << DESCRIPTOR) - 1);

	*out = 0;
	if (line->kinds & 1u << OTHER)
		add(&t, "%s", "other memory");
	if (line->kinds & 1u << SHADOW)
		add(&t, "%s", "shadows of evicted pages");
	if (line->kinds & 1u << RUNS)
		add(&t, "%s", "records of runs");
	if (line->kinds & 1u << SYSTEM) {
		add(&t, "%s", "system:");
		add_fields(&t, line, system_fields, (ptrdiff_t)((uintptr_t)sys - line->line), "");
	}
	if (line->kinds & ((1u << SYSTEM) - 1) & ~((1u << DESCRIPTOR) - 1)) {
		add(&t, "%s", "descriptor of");
		add_kinds(&t, line->kinds >> DESCRIPTOR & ((1u << NR_KINDS) - 1));
		add(&t, "%s", ":");
		add_descriptors(&t, line);
	}
	if (contents & 1u << OM_KIND_OBJECT) {
		add_objects(&t, line);
	} else if (contents) {
		add(&t, "%s", "entries of");
		add_kinds(&t, contents);
	}
}
