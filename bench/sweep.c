/*
 * sweep.c: what the hand of reclaim does for a frame as memory grows, up to a terabyte.
 *
 *     sweep [LARGEST]      in GiB: 1, 16, 128, 1024 (which takes 11 GiB, and half an hour)
 *
 * The descriptors are real, and so is the hand (src/reclaim/hand.c, scan.c); behind them is no
 * memory, since nothing reads a page. Part of the frames is in use all the time, each page used
 * twice while a stream goes once through the frames that are left. One part in fifty cannot leave:
 * tables, locked pages. What is counted is how many frames the hand looks at for one page that
 * leaves, and how many of these were in use: for our hand, which passes by regions, and for one
 * that looks everywhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "page/put.h"
#include "page/table.h"
#include "reclaim/balance.h"
#include "reclaim/scan.h"

enum { BATCH = OM_RECLAIM_BATCH, PIECE = 512, STUCK_PERCENT = 2, USES = 2, WARM = 4, PASSES = 4 };

/* Pages used again and again; pages used once; what cannot leave. */
enum part { HOT, STREAM, STUCK };

struct machine {
	struct om_system *sys;
	unsigned hot_percent;
	om_pfn_t hot, stream;     /* frames of these parts */
	om_pfn_t next_use;        /* of the hot ones */
	om_pte_t *pte;            /* of each frame's page */
	struct om_page *table;    /* of 512 frames each */
	bool everywhere;          /* the hand may not pass by */
	uint64_t looked, gone_by; /* frames */
	uint64_t left, wrong;     /* pages that left; of these, in use */
};

static void no_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end, enum om_flush how)
{
	(void)ctx, (void)mm, (void)start, (void)end, (void)how;
}

static void panic(void *ctx, const struct om_bug *bug)
{
	(void)ctx;
	fprintf(stderr, "sweep: %s\n", bug->what);
	abort();
}

static void *take(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("sweep");
		exit(1);
	}
	return p;
}

static void use(struct machine *m, om_pfn_t pfn)
{
	m->pte[pfn] = om_pte_mkyoung(om_pte_make(pfn, OM_PROT_READ));
}

/* As after a fault. */
static void arrive(struct machine *m, struct om_page *page)
{
	om_page_set_age(page, 0);
	om_page_set(page, OM_PG_ANON | OM_PG_DIRECT | OM_PG_SWAPBACKED | OM_PG_UPTODATE);
	use(m, om_page_pfn(m->sys, page));
}

/* Pieces of all parts lie among one another. */
static enum part part_of(const struct machine *m, om_pfn_t pfn)
{
	unsigned place = (unsigned)(pfn / PIECE * 2654435761u >> 8) % 100;

	if (place < STUCK_PERCENT)
		return STUCK;
	return place < STUCK_PERCENT + m->hot_percent ? HOT : STREAM;
}

static void fill(struct machine *m)
{
	for (om_pfn_t i = 0; i < m->sys->nr_frames; i++) {
		struct om_page *page = om_page_of(m->sys, i);
		enum part part = part_of(m, i);

		page->kind = part == STUCK ? OM_KIND_USER : OM_KIND_DATA;
		if (part == STUCK)
			continue;
		page->holds = OM_ONE_REF;
		page->mapcount = 1;
		page->object = &m->table[i / OM_TABLE_ENTRIES];
		page->index = i % OM_TABLE_ENTRIES;
		arrive(m, page);
		m->hot += part == HOT;
		m->stream += part == STREAM;
	}
	m->sys->swap.free = 1; /* there is room for who looks */
}

/* While so many pages have left, the stream is so much further, and so are those in use. */
static void use_hot(struct machine *m, unsigned left)
{
	double n = USES * (double)m->hot * left / (double)m->stream;

	while (n > 0) {
		if (part_of(m, m->next_use) != HOT) {
			m->next_use = (m->next_use | (PIECE - 1)) + 1;
		} else {
			use(m, m->next_use++);
			n--;
		}
		if (m->next_use >= m->sys->nr_frames)
			m->next_use = 0;
	}
}

/* A hand that cannot pass by: up to the next region, and this one is to be looked at. */
static void scan_here(struct machine *m, struct om_round *round, unsigned want,
                      struct om_victims *v)
{
	om_pfn_t hand = atomic_load(&m->sys->ages.hand);
	size_t all = round->left, here = OM_REGION - hand % OM_REGION;

	atomic_store(&m->sys->region[hand / OM_REGION].left, 0);
	here = here < all ? here : all;
	round->left = here;
	om_scan(m->sys, round, want, v);
	round->left += all - here;
}

/* Go round, and let pages leave, which come again with other contents, until there are enough. */
static unsigned go_round(struct machine *m, struct om_round *round, enum om_scan how, unsigned want)
{
	unsigned n = 0;

	round->how = how;
	round->left = m->sys->nr_frames;
	while (n < want && round->left) {
		struct om_victims v = {.n = 0};
		size_t before = round->left;

		round->looked = 0;
		if (m->everywhere)
			scan_here(m, round, want - n, &v);
		else
			om_scan(m->sys, round, want - n, &v);
		m->looked += round->looked;
		m->gone_by += before - round->left;
		n += v.n;
		for (unsigned i = 0; i < v.n; i++) {
			struct om_page *page = om_page_of(m->sys, v.page[i]);

			om_page_clear(page, OM_PG_REFERENCED);
			m->wrong += part_of(m, v.page[i]) == HOT;
			arrive(m, page);
			om_page_unlock_put(m->sys, page);
		}
		if (how <= OM_SCAN_REST)
			om_balance(m->sys, round->looked,
			           (const unsigned[]){[OM_AGE_ANON] = v.n, [OM_AGE_FILE] = 0});
	}
	return n;
}

/* As reclaim does it, without what it does at the last: src/reclaim/reclaim.c. */
static void step(struct machine *m)
{
	struct om_round round = {.early = 0};
	unsigned n = go_round(m, &round, OM_SCAN_OLD, BATCH);
	unsigned early = OM_AGE_MAX;

	for (unsigned time = 1; n < BATCH && time < early; time = 2 * time + 1) {
		round.early = time;
		n += go_round(m, &round, OM_SCAN_REST, BATCH - n);
		early = om_round_early(&round, BATCH - n);
	}
	round.early = early;
	if (n < BATCH)
		n += go_round(m, &round, OM_SCAN_NEXT, BATCH - n);
	m->left += n;
	use_hot(m, n);
}

static void run(om_pfn_t frames, unsigned hot_percent, bool everywhere)
{
	static const struct om_arch arch;
	struct om_port_ops ops = {.flush = no_flush, .panic = panic};
	size_t bytes = om_system_bytes(&(struct om_config){.nr_frames = frames});
	void *storage = take(bytes);
	size_t pte_bytes = frames * sizeof(om_pte_t);
	size_t table_bytes = frames / OM_TABLE_ENTRIES * sizeof(struct om_page);
	struct machine m = {.hot_percent = hot_percent,
	                    .pte = take(pte_bytes),
	                    .table = take(table_bytes)};

	m.everywhere = everywhere;
	m.sys = om_system_init(&(
	    struct om_config){.arch = &arch, .ops = &ops, .nr_frames = frames, .storage = storage});
	if (!m.sys)
		exit(1);
	for (om_pfn_t i = 0; i < frames / OM_TABLE_ENTRIES; i++)
		m.table[i].entries = &m.pte[i * OM_TABLE_ENTRIES];
	fill(&m);
	while (m.left < frames + WARM * m.stream) /* until the limits have settled */
		step(&m);
	m.looked = m.gone_by = m.left = m.wrong = 0;
	while (m.left < PASSES * m.stream)
		step(&m);
	printf("%6llu %5u%%   %-10s %9.2f %15.4f %12.1f%%\n", (unsigned long long)(frames >> 18),
	       hot_percent, everywhere ? "everywhere" : "passes by",
	       (double)m.looked / (double)m.left,
	       (double)(m.gone_by - m.looked) / (double)OM_REGION / (double)m.left,
	       100.0 * (double)m.wrong / (double)m.left);
	fflush(stdout);
	munmap(m.table, table_bytes);
	munmap(m.pte, pte_bytes);
	munmap(storage, bytes);
}

int main(int argc, char **argv)
{
	static const unsigned gib[] = {1, 16, 128, 1024}, hot[] = {50, 80, 94};
	unsigned largest = argc > 1 ? (unsigned)atoi(argv[1]) : 16;

	puts("   GiB in use   the hand   looks a page    regions passed    in use of");
	puts("                           that left       by for one        those that left");
	for (unsigned i = 0; i < sizeof(gib) / sizeof(*gib) && gib[i] <= largest; i++)
		for (unsigned h = 0; h < sizeof(hot) / sizeof(*hot); h++)
			for (int everywhere = 1; everywhere >= 0; everywhere--)
				run((om_pfn_t)gib[i] << 18, hot[h], everywhere);
	return 0;
}
