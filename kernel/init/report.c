/*
 * report.c: what memory management has done since boot: the table at the end of `make run`.
 *
 * The last thing before the machine ends, when process 1 has exited. It also lets objrmap check all
 * its invariants (boot option `verify`): whatever the programs have done, the tables must agree to
 * the last entry.
 */
#include "kmem.h"
#include "process.h"
#include "report.h"

static uint64_t ev(const struct om_sysinfo *i, enum om_event event)
{
	return i->event[event];
}

static void row(const char *name, uint64_t value)
{
	printk("  %-44s %12lu\n", name, value);
}

static void print_faults(const struct om_sysinfo *i)
{
	row("page faults", ev(i, OM_EV_PGFAULT));
	row("  fresh memory", ev(i, OM_EV_FAULT_ANON));
	row("  zero page", ev(i, OM_EV_FAULT_ZERO));
	row("  copy on write: copied", ev(i, OM_EV_FAULT_COW));
	row("  copy on write: reused by its sole owner", ev(i, OM_EV_FAULT_REUSE));
	row("  file page", ev(i, OM_EV_FAULT_FILE));
	row("  swapped page", ev(i, OM_EV_FAULT_SWAP));
	row("  of all these, with a transfer", ev(i, OM_EV_PGMAJFAULT));
	row("forks", ev(i, OM_EV_FORK));
}

static void print_traffic(const struct om_sysinfo *i)
{
	row("pages swapped out", ev(i, OM_EV_PSWPOUT));
	row("pages swapped in", ev(i, OM_EV_PSWPIN));
	row("  of these, read ahead", ev(i, OM_EV_SWAP_RA));
	row("pages read from files", ev(i, OM_EV_PGPGIN));
	row("pages reclaim looked at", ev(i, OM_EV_PGSCAN));
	row("pages reclaim freed", ev(i, OM_EV_PGSTEAL_ANON) + ev(i, OM_EV_PGSTEAL_FILE));
	row("direct reclaims", ev(i, OM_EV_ALLOCSTALL));
}

static void print_rmap(const struct om_sysinfo *i)
{
	row("reverse-map walks", ev(i, OM_EV_RMAP_WALKS));
	row("  entries probed", ev(i, OM_EV_RMAP_PROBES));
	row("  entries found", ev(i, OM_EV_RMAP_FOUND));
	row("  walks started again", ev(i, OM_EV_RMAP_RETRIES));
	row("pages that fork made shared", ev(i, OM_EV_DIRECT_TO_SHARED));
	row("pages that became direct again", ev(i, OM_EV_SHARED_TO_DIRECT));
}

static void print_flushes(void)
{
	const struct x86_figures f = x86_mmu_figures(&mmu);

	row("TLB flushes that interrupted other CPUs", f.shootdowns);
	row("  CPUs interrupted", f.ipis);
	row("TLB flushes of everything", f.full_flushes);
}

static void print_state(const struct om_sysinfo *i)
{
	row("anonymous pages mapped now: direct", i->anon_direct);
	row("anonymous pages mapped now: shared", i->anon_shared);
	row("file pages mapped now", i->file_mapped);
	row("file pages cached now", i->file_cached);
	row("bytes of the reverse map now", i->rmap_bytes);
	row("frames of the kernel itself", kmem_frames());
	row("frames free / owned: free", i->free);
	row("frames free / owned: owned", i->frames);
}

void report_print(void)
{
	struct om_sysinfo info;
	uint64_t ms = now_ns() / 1000000;

	om_sysinfo(vm, &info);
	printk("\nobjrmap: what memory management did\n");
	print_faults(&info);
	print_traffic(&info);
	print_rmap(&info);
	print_flushes();
	print_state(&info);
	printk("  %-44s %8lu.%03lu\n", "seconds since boot", ms / 1000, ms % 1000);
}

bool report_verify(void)
{
	size_t frames = vm_nr_frames();
	void *scratch = vmalloc(frames * 8);
	struct om_bug bug;
	unsigned bad;

	if (!scratch) {
		printk("verify: no memory for it\n");
		return false;
	}
	bad = om_verify(vm, scratch, &bug);
	if (bad)
		printk("verify: %u violations; first: %s: %s at %s:%d, %lx %lx\n", bad, bug.rule,
		       bug.what, bug.file, bug.line, bug.value[0], bug.value[1]);
	else
		printk("verify: all invariants hold\n");
	vfree(scratch);
	return bad == 0;
}
