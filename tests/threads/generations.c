/*
 * generations.c: a process forks while its threads write: none of what they write is lost, and no
 * child sees what was written after its fork.
 *
 * Each thread has a word in every page and writes rising numbers, generations, into them: page
 * after page, over and over. What it reads there before must be what it wrote last. Another thread
 * forks; a child must have a moment of each writer, generation g in the first pages and g - 1 in
 * the others, and must keep it while the parent goes on. All write to the same pages, so a store
 * through an old translation that goes to the child's page, or a copy made for one thread while
 * another still writes to the old page, is missed soon. Now and then all pages go to swap.
 *
 * Hazard 80 of docs/testing.md; test_h80_fork_x_generations plays the same under a scheduler.
 */
#include "threads.h"

#include <sched.h>
#include <stdio.h>

#define WRITERS 4u
#define PAGES   6u
#define FORKS   400u
#define FRAMES  512u
#define SLOTS   1024u

struct family {
	struct sim *sim;
	struct om_mm *mm;
	uintptr_t base;
	_Atomic bool stop; /* all forks have been made */
};

struct writer {
	struct family *f;
	pthread_t pthread;
	unsigned nr;
	unsigned long generation;
};

#define EXPECT(cond, ...)                                                                          \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "threads: generations: " __VA_ARGS__);                     \
			fputc('\n', stderr);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static uintptr_t word_at(const struct family *f, unsigned writer, unsigned page)
{
	return f->base + page * PAGE + 64 * (uintptr_t)writer;
}

static void write_one(struct writer *w, unsigned page)
{
	struct sim_cpu *cpu = sim_cpu(w->f->sim, w->nr);
	uintptr_t addr = word_at(w->f, w->nr, page);
	unsigned long word = sim_get(cpu, w->f->mm, addr);

	EXPECT(word == w->generation - 1, "page %u of writer %u holds %lu, written was %lu", page,
	       w->nr, word, w->generation - 1);
	sim_put(cpu, w->f->mm, addr, w->generation);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	while (!atomic_load(&w->f->stop)) {
		w->generation++;
		for (unsigned i = 0; i < PAGES; i++)
			write_one(w, i);
	}
	return NULL;
}

/* All words of one address space, through the CPU of the thread that forks. */
static void look(const struct family *f, struct om_mm *mm, unsigned long word[WRITERS][PAGES])
{
	for (unsigned n = 0; n < WRITERS; n++)
		for (unsigned i = 0; i < PAGES; i++)
			word[n][i] = sim_get(sim_cpu(f->sim, WRITERS), mm, word_at(f, n, i));
}

static void check_moment(unsigned n, const unsigned long word[PAGES])
{
	for (unsigned i = 1; i < PAGES; i++)
		EXPECT(word[i] <= word[i - 1] && word[0] - word[i] <= 1,
		       "a child has %lu, %lu and %lu of writer %u in pages 0, %u and %u", word[0],
		       word[i - 1], word[i], n, i - 1, i);
}

static void check_child(const struct family *f, struct om_mm *child)
{
	unsigned long first[WRITERS][PAGES], again[WRITERS][PAGES];

	look(f, child, first);
	for (unsigned n = 0; n < WRITERS; n++)
		check_moment(n, first[n]);
	sched_yield();
	look(f, child, again);
	EXPECT(!memcmp(first, again, sizeof(first)), "a child's pages have changed");
}

/* Two children at a time, so that pages have one, two and three owners. */
static void fork_all(const struct family *f)
{
	struct om_mm *child[2] = {NULL};

	for (unsigned i = 0; i < FORKS; i++) {
		struct om_mm **c = &child[i % 2];

		if (*c)
			om_mm_destroy(*c);
		EXPECT(!om_fork(f->mm, NULL, c), "fork failed");
		check_child(f, *c);
		if (i % 8 == 7)
			(void)om_madvise(f->mm, f->base, PAGES * PAGE, OM_MADV_PAGEOUT);
	}
	for (unsigned i = 0; i < 2; i++)
		om_mm_destroy(child[i]);
}

static void family_init(struct family *f, unsigned jitter)
{
	struct om_map_request r = {.len = PAGES * PAGE,
	                           .prot = OM_PROT_READ | OM_PROT_WRITE,
	                           .flags = OM_MAP_PRIVATE};

	atomic_init(&f->stop, false);
	f->sim = sim_create(&(struct sim_config){
	    .nr_frames = FRAMES, .nr_cpus = WRITERS + 1, .junk = true, .ops = jitter_ops(jitter)});
	EXPECT(f->sim && !om_mm_create(sim_system(f->sim), &sim_layout, NULL, &f->mm) &&
	           !om_mmap(f->mm, &r),
	       "no memory");
	f->base = r.addr;
}

static void play(unsigned jitter)
{
	struct writer writer[WRITERS];
	struct sim_store *swap = sim_store_ram();
	struct family f;
	unsigned device;

	family_init(&f, jitter);
	EXPECT(!om_swapon(sim_system(f.sim), &sim_store_ops, swap, SLOTS, 0, &device), "swapon");
	for (unsigned n = 0; n < WRITERS; n++) {
		writer[n] = (struct writer){.f = &f, .nr = n};
		pthread_create(&writer[n].pthread, NULL, writer_main, &writer[n]);
	}
	fork_all(&f);
	atomic_store(&f.stop, true);
	for (unsigned n = 0; n < WRITERS; n++) {
		pthread_join(writer[n].pthread, NULL);
		writer[n].generation++; /* one more, to see what is there now */
		for (unsigned i = 0; i < PAGES; i++)
			write_one(&writer[n], i);
	}
	om_mm_destroy(f.mm);
	EXPECT(!om_swapoff(sim_system(f.sim), device) && !sim_destroy(f.sim), "something is left");
	sim_store_free(swap);
}

void generations(void)
{
	play(0);
	play(40);
	printf("threads: generations: %u forks of %u writers\n", 2 * FORKS, WRITERS);
	fflush(stdout);
}
