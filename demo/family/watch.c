/*
 * watch.c: the eyes of the demonstration: what stops it, what checks it, what it prints.
 */
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "family.h"

/* Other threads may go on meanwhile. */
void die(const char *format, ...)
{
	struct om_sysinfo info;
	va_list args;

	va_start(args, format);
	fputs("\nFAILED: ", stdout);
	vprintf(format, args);
	va_end(args);
	if (family.sys) {
		om_sysinfo(family.sys, &info);
		printf("\n%u of %u frames free, %u of %u swap slots; anonymous %u active, "
		       "%u inactive; file %u active, %u inactive; %u locked, %u tables, "
		       "%llu out of memory",
		       info.free, info.frames, info.swap_free, info.swap_slots, info.active_anon,
		       info.inactive_anon, info.active_file, info.inactive_file, info.unevictable,
		       info.tables, (unsigned long long)info.event[OM_EV_OOM]);
	}
	putchar('\n');
	fflush(stdout);
	_exit(1);
}

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
void verify(void)
{
	static uint64_t scratch[RAM_FRAMES];
	struct om_mm *mm[PROCESSES];
	struct sim_tlb_entry entry;
	struct om_bug bug;
	unsigned n = 0;

	if (om_verify(family.sys, scratch, &bug)) {
		sim_print_bug(stdout, &bug);
		die("om_verify found a contradiction");
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		if (family.process[i].mm)
			mm[n++] = family.process[i].mm;
	}
	if (sim_check_tlb(family.sim, mm, n, &entry))
		die("a TLB maps page %#lx to frame %u, against the page tables",
		    (unsigned long)entry.page, entry.pfn);
}

static void progress(double time, const struct om_sysinfo *info)
{
	const uint64_t *ev = info->event;

	printf("%s%4.0f s  %2lu processes  %5.2f x RAM  %8llu faults  swap out %7llu in %7llu  "
	       "%8lu pages checked",
	       isatty(1) ? "\r" : "", time, family.births - family.deaths,
	       (double)demand(info) / info->frames, (unsigned long long)ev[OM_EV_PGFAULT],
	       (unsigned long long)ev[OM_EV_PSWPOUT], (unsigned long long)ev[OM_EV_PSWPIN],
	       family.checked);
	putchar(isatty(1) ? ' ' : '\n');
	fflush(stdout);
}

/* Watch until the time is over; returns the largest demand seen. */
unsigned watch(double seconds)
{
	double start = now(), next_verify = 2, next_line = 0, time;
	struct om_sysinfo info;
	unsigned peak = 0;

	while ((time = now() - start) < seconds) {
		om_sysinfo(family.sys, &info);
		peak = demand(&info) > peak ? demand(&info) : peak;
		family.hungry = demand(&info) < DEMAND;
		family.full = demand(&info) > DEMAND + DEMAND / 4;
		if (time >= next_line) {
			progress(time, &info);
			next_line += isatty(1) ? 0.25 : 2;
		}
		if (time >= next_verify) {
			pthread_rwlock_wrlock(&family.world);
			sim_kswapd_stop(family.sim);
			verify();
			MUST(sim_kswapd_start(family.sim, RAM_FRAMES / 16));
			pthread_rwlock_unlock(&family.world);
			next_verify += 2;
		}
		usleep(5000);
	}
	putchar('\n');
	return peak;
}

/* What the processes did. */
static void report_family(const struct om_sysinfo *info, unsigned peak)
{
	struct sim_cpu_stats stats;
	unsigned long long hits = 0, walks = 0;

	for (unsigned i = 0; i < CPUS; i++) {
		sim_cpu_stats(sim_cpu(family.sim, i), &stats);
		hits += stats.hits;
		walks += stats.walks;
	}
	printf("\nmemory     %u frames; most ever needed: %.2f times that\n", info->frames,
	       (double)peak / info->frames);
	printf("family     %lu born, %lu ended, %lu alive with %u areas, %u anon_vmas\n",
	       family.births, family.deaths, family.births - family.deaths, info->nr_vma,
	       info->nr_anon_vma);
	printf("programs   %lu pages written (%lu by a device), %lu areas moved\n", family.written,
	       family.by_device, family.moves);
	printf("TLBs       %llu hits, %llu walks\n", hits, walks);
}

/* What objrmap did for them. */
static void report_library(const struct om_sysinfo *info)
{
	unsigned long long ev[OM_NR_EVENTS];

	for (unsigned i = 0; i < OM_NR_EVENTS; i++)
		ev[i] = info->event[i];
	printf("faults     %llu: %llu fresh, %llu zero page, %llu copied, %llu reused\n",
	       ev[OM_EV_PGFAULT], ev[OM_EV_FAULT_ANON], ev[OM_EV_FAULT_ZERO], ev[OM_EV_FAULT_COW],
	       ev[OM_EV_FAULT_REUSE]);
	printf("           %llu file, %llu swap; %llu waited for a disk\n", ev[OM_EV_FAULT_FILE],
	       ev[OM_EV_FAULT_SWAP], ev[OM_EV_PGMAJFAULT]);
	printf("swap       %llu pages out, %llu in (%llu ahead, of which %llu were wanted)\n",
	       ev[OM_EV_PSWPOUT], ev[OM_EV_PSWPIN], ev[OM_EV_SWAP_RA], ev[OM_EV_SWAP_RA_HIT]);
	printf("file       %llu pages read, %llu written\n", ev[OM_EV_PGPGIN], ev[OM_EV_PGPGOUT]);
	printf("reclaim    %llu pages looked at, %llu freed, %llu direct reclaims\n",
	       ev[OM_EV_PGSCAN], ev[OM_EV_PGSTEAL], ev[OM_EV_ALLOCSTALL]);
	printf("mremap     %llu page tables moved as a whole\n", ev[OM_EV_TABLE_MOVE]);
	printf("rmap       %llu walks looked at %llu entries, of which %llu mapped the page; "
	       "%llu started again\n",
	       ev[OM_EV_RMAP_WALKS], ev[OM_EV_RMAP_PROBES], ev[OM_EV_RMAP_FOUND],
	       ev[OM_EV_RMAP_RETRIES]);
	printf("pages now  %u direct, %u shared, %u of the file, %u of shared memory, %u locked\n",
	       info->anon_direct, info->anon_shared, info->file_cached, info->shmem,
	       info->unevictable);
	printf("           %u swap slots in use, %zu bytes of reverse map\n",
	       info->swap_slots - info->swap_free, info->rmap_bytes);
}

void report(unsigned peak)
{
	struct om_sysinfo info;

	om_sysinfo(family.sys, &info);
	report_family(&info, peak);
	report_library(&info);
}
