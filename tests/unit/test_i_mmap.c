/*
 * test_i_mmap.c: going through the areas of a file in pieces: every entry that shows the pages is met
 * once, however small the pieces are, and whatever comes and goes in between.
 */
#include "rmap/i_mmap.h"

#include "space.h"

#include <stdlib.h>
#include <string.h>

#define FILE_PAGES 64
#define PAGES      4096 /* of address space that is played with */

/* How often each page of the address space was met. */
static unsigned met[PAGES];

static struct om_vma *area_at(struct space *s, uintptr_t page)
{
	struct om_vma *vma;

	om_mm_read_lock(s->mm);
	vma = om_vma_at(s->mm, at(page));
	om_mm_read_unlock(s->mm);
	return vma;
}

/* Is it present, and shows it one of these pages, or is it in a nonlinear area? */
static bool is_wanted(struct space *s, uintptr_t page, uintptr_t first, uintptr_t last)
{
	struct om_vma *vma = area_at(s, page);
	uintptr_t index;

	if (!vma || space_kind(s->mm, page) == OM_PAGE_NONE)
		return false;
	if (om_vma_flags(vma) & OM_VM_NONLINEAR)
		return last == OM_NONLINEAR_INDEX;
	index = om_vma_index(vma, at(page));
	return index >= first && index <= last;
}

static void note(const struct om_part *p, uintptr_t first, uintptr_t last)
{
	assert_true(p->vma->start <= p->start && p->start < p->end && p->end <= p->vma->end);
	assert_ptr_equal(p->table, om_table_find(p->vma->mm, p->start));
	assert_ptr_equal(p->table, om_table_find(p->vma->mm, p->end - 1));
	for (uintptr_t a = p->start; a < p->end; a += OM_PAGE_SIZE) {
		uintptr_t index = om_vma_index(p->vma, a);

		met[(a - at(0)) >> OM_PAGE_SHIFT]++;
		if (!(om_vma_flags(p->vma) & OM_VM_NONLINEAR))
			assert_true(index >= first && index <= last);
	}
}

/* One hold of the lock, for `most` looks. */
static void take_piece(struct om_mapping *file, struct om_cursor *c, uintptr_t first,
                       uintptr_t last, unsigned most)
{
	unsigned left = most, looked = 0;
	struct om_part p;

	om_read_lock(file->sys, &file->lock, OM_RANK_MAPPING);
	while (om_i_mmap_next(file, c, first, last, &left, &p)) {
		unsigned n = (unsigned)((p.end - p.start) >> OM_PAGE_SHIFT);

		looked += n + 1;
		note(&p, first, last);
	}
	om_read_unlock(file->sys, &file->lock);
	assert_true(left <= most && looked <= most - left);
	assert_true(c->done || left <= 1);
}

/* Areas of all sizes in all tables, some nonlinear, some never touched. */
static void random_areas(struct space *s, struct om_mapping *file, uint64_t *rand)
{
	for (unsigned i = 0; i < 40; i++) {
		uintptr_t page = unit_rand(rand) % (PAGES - 700), n = 1 + unit_rand(rand) % 12;

		if (i % 8 == 0)
			n = 500 + unit_rand(rand) % 200;
		space_map_file(s, page, n, RW, 0, file, unit_rand(rand) % FILE_PAGES);
		if (unit_rand(rand) % 6 == 0)
			assert_int_equal(om_remap_file_pages(s->mm, at(page), n << OM_PAGE_SHIFT, 0,
			                                     0, 0),
			                 0);
		for (unsigned k = 0; k < 6; k++)
			(void)space_try(s, s->mm, page + unit_rand(rand) % n, false);
	}
}

static void random_range(uint64_t *rand, uintptr_t *first, uintptr_t *last)
{
	*first = unit_rand(rand) % FILE_PAGES;
	*last = *first + unit_rand(rand) % 8;
	if (unit_rand(rand) % 4 == 0)
		*last = OM_NONLINEAR_INDEX;
}

static struct om_mapping *shared_memory(struct space *s)
{
	struct om_mapping *file;

	assert_int_equal(om_mapping_create(s->sys, NULL, NULL, FILE_PAGES << OM_PAGE_SHIFT, &file),
	                 0);
	return file;
}

static void test_once_each(void **state)
{
	uint64_t rand = 1;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct space s = space_start(512, 0);
		struct om_mapping *file = shared_memory(&s);
		struct om_cursor c = {0};
		uintptr_t first, last;

		random_areas(&s, file, &rand);
		random_range(&rand, &first, &last);
		memset(met, 0, sizeof(met));
		while (!c.done)
			take_piece(file, &c, first, last, 2 + (unsigned)(unit_rand(&rand) % 70));
		for (uintptr_t page = 0; page < PAGES; page++) {
			assert_true(met[page] <= 1);
			if (is_wanted(&s, page, first, last))
				assert_int_equal(met[page], 1);
		}
		om_mapping_put(file);
		space_finish(&s);
	}
}

/* What stays where it is, is met once; the rest is mapped and unmapped all the time. */
static void test_others_change(void **state)
{
	uint64_t rand = 2;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct space s = space_start(512, 0);
		struct om_mapping *file = shared_memory(&s);
		struct om_cursor c = {0};

		for (uintptr_t i = 0; i < 100; i++) {
			space_map_file(&s, 20 * i, 4, RW, 0, file, i % 5);
			(void)space_try(&s, s.mm, 20 * i + 3, false);
		}
		memset(met, 0, sizeof(met));
		while (!c.done) {
			uintptr_t odd = 1 + 2 * (unit_rand(&rand) % 50);

			take_piece(file, &c, 2, 7, 2 + (unsigned)(unit_rand(&rand) % 12));
			assert_int_equal(om_munmap(s.mm, at(20 * odd), 4 << OM_PAGE_SHIFT), 0);
			if (unit_rand(&rand) % 2)
				space_map_file(&s, 20 * odd, 4, RW, 0, file, unit_rand(&rand) % 5);
		}
		for (uintptr_t i = 0; i < 100; i += 2)
			assert_int_equal(met[20 * i + 3], 1);
		om_mapping_put(file);
		space_finish(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_once_each),
	    cmocka_unit_test(test_others_change),
	};

	return unit_run(tests);
}
