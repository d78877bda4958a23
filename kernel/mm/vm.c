/*
 * vm.c: objrmap on this machine: what memory there is, the hooks it calls, and the thread that
 * reclaims.
 *
 * Storage for the page array is carved right behind the kernel; everything else above 1 MiB and
 * below 4 GiB belongs to objrmap. The kernel's own needs come from it, too (core/kmem.c).
 */
#include "boot.h"
#include "kmem.h"
#include "options.h"
#include "pressure.h"
#include "random.h"
#include "om_arch.h"
#include "vm.h"

#define LOWEST_MEMORY 0x100000ul     /* below: the firmware's, and where application CPUs start */
#define KERNEL_START  0x200000ul     /* kernel.ld */
#define MEMORY_LIMIT  0x100000000ull /* the direct map ends here */

struct om_system *vm;

static om_pfn_t nr_frames, nr_owned;

om_pfn_t vm_nr_frames(void)
{
	return nr_frames;
}

/* ---------------------------------------------------------------- waiting ------------------- */

#define NR_QUEUES 256

static struct waitq queues[NR_QUEUES];

/* Keys are addresses, nearly all of them of one sleeper each. */
static struct waitq *queue_of(const void *key)
{
	return &queues[((uintptr_t)key * 0x9e3779b97f4a7c15ull) >> 56];
}

/*
 * port.h wants blocked() to run under the lock that hook_wake() takes. It is enough that the thread
 * is on the queue before: blocked() tells the other side, in the same step in which it finds that
 * it has to wait, and whoever has been told calls hook_wake() later, which then finds the thread.
 */
static void hook_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	struct waiter w;

	(void)ctx;
	wait_begin_key(queue_of(key), &w, THREAD_SLEEPING, key);
	if (blocked(arg))
		schedule();
	wait_end(&w);
}

static void hook_wait_briefly(void *ctx, const void *key, bool (*blocked)(const void *arg),
                              const void *arg)
{
	uint64_t end = now_ns() + NSEC_PER_SEC / 10;
	struct waiter w;

	(void)ctx;
	while (blocked(arg) && now_ns() < end) {
		wait_begin_key(queue_of(key), &w, THREAD_SLEEPING, key);
		if (blocked(arg))
			schedule_until(end);
		wait_end(&w);
	}
}

static void hook_wake(void *ctx, const void *key)
{
	(void)ctx;
	wake_key(queue_of(key), key);
}

/* ---------------------------------------------------------------- reclaim ------------------- */

#define RECLAIM_BATCH 32
#define RECLAIM_PAUSE (20 * NSEC_PER_SEC / 1000) /* after a round that has freed nothing */

static struct waitq reclaim_queue = WAITQ_INIT(reclaim_queue);
static atomic_bool memory_low;
static _Atomic uint64_t reclaimed; /* pages, by this thread */

/* Comes with every allocation while memory is short, so look before anything is written. */
static void hook_low_memory(void *ctx)
{
	(void)ctx;
	if (atomic_load_explicit(&memory_low, memory_order_relaxed) ||
	    atomic_exchange(&memory_low, true))
		return;
	wake_all(&reclaim_queue);
}

/* True if the high watermark has been reached. */
static bool reclaim_to(om_pfn_t high)
{
	threads_trim();
	while (om_free_frames(vm) < high) {
		size_t n = om_reclaim_step(vm, RECLAIM_BATCH);

		if (!n)
			return false;
		atomic_fetch_add_explicit(&reclaimed, n, memory_order_relaxed);
	}
	return true;
}

static void reclaim_thread(void *arg)
{
	om_pfn_t high = nr_owned / 32;

	(void)arg;
	for (;;) {
		wait_event(&reclaim_queue, atomic_load(&memory_low));
		if (!reclaim_to(high))
			sleep_until(now_ns() + RECLAIM_PAUSE);
		atomic_store(&memory_low, false);
	}
}

uint64_t vm_reclaimed(void)
{
	return atomic_load_explicit(&reclaimed, memory_order_relaxed);
}

bool vm_is_reclaiming(void)
{
	return atomic_load(&memory_low);
}

void vm_start(void)
{
	if (!kthread("reclaim", reclaim_thread, NULL))
		panic("no memory for the reclaim thread");
}

/* ---------------------------------------------------------------- other hooks --------------- */

static _Noreturn void hook_panic(void *ctx, const struct om_bug *bug)
{
	(void)ctx;
	for (unsigned i = 0; i < current->held.depth; i++)
		printk("holding %p, rank %u, for %u steps\n", current->held.entry[i].lock,
		       current->held.entry[i].rank, current->held.entry[i].steps);
	panic("objrmap: %s: %s at %s:%d, object %p, %lx, %lx", bug->rule, bug->what, bug->file,
	      bug->line, bug->object, bug->value[0], bug->value[1]);
}

static bool hook_dying(void *ctx)
{
	(void)ctx;
	return current->dying;
}

static void hook_stall(void *ctx, bool begin)
{
	(void)ctx;
	if (begin)
		pressure_begin();
	else
		pressure_end();
}

static struct om_held *hook_held(void *ctx)
{
	(void)ctx;
	return &current->held;
}

static const struct om_port_ops ops = {
    .flush = x86_flush,
    .panic = hook_panic,
    .wait = hook_wait,
    .wait_briefly = hook_wait_briefly,
    .wake = hook_wake,
    .dying = hook_dying,
    .low_memory = hook_low_memory,
    .stall = hook_stall,
    .held = hook_held,
};

/* ---------------------------------------------------------------- at boot ------------------- */

static om_pfn_t count_frames(const struct memory_range *ranges, unsigned n)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < n; i++)
		end = MAX(end, MIN(ranges[i].end, MEMORY_LIMIT));
	return (om_pfn_t)(end >> PAGE_SHIFT);
}

/* The part of a range that lies in [low, high). */
static void add_part(const struct memory_range *range, uint64_t low, uint64_t high)
{
	uint64_t first = ALIGN_UP(MAX(range->start, low), PAGE_SIZE) >> PAGE_SHIFT;
	uint64_t end = MIN(range->end, high) >> PAGE_SHIFT;

	if (first >= end)
		return;
	if (om_add_memory(vm, (om_pfn_t)first, (om_pfn_t)(end - first)))
		panic("memory map: frames %lx to %lx", first, end);
	nr_owned += (om_pfn_t)(end - first);
}

/* The core's storage must lie in memory, too. */
static void check_storage(const struct memory_range *ranges, unsigned n, uint64_t start,
                          uint64_t end)
{
	for (unsigned i = 0; i < n; i++)
		if (ranges[i].start <= start && end <= MIN(ranges[i].end, MEMORY_LIMIT))
			return;
	panic("no room for the page array");
}

/* The boot option `huge`. */
static void set_huge(const char *where)
{
	if (!where)
		return;
	if (!strcmp(where, "never"))
		om_set_huge(vm, OM_HUGE_NEVER);
	else if (!strcmp(where, "always"))
		om_set_huge(vm, OM_HUGE_ALWAYS);
	else if (strcmp(where, "madvise"))
		printk("huge=%s: never, madvise or always\n", where);
}

void vm_init(const struct memory_range *ranges, unsigned n, uint64_t first_free)
{
	static const struct om_arch arch;
	uint64_t storage = ALIGN_UP(first_free, PAGE_SIZE), end;
	struct om_config config = {
	    .arch = &arch, .ops = &ops, .ctx = &mmu, .swap_cluster = 5, .nr_cpus = cpus_present()};

	for (unsigned i = 0; i < NR_QUEUES; i++)
		waitq_init(&queues[i]);
	nr_frames = count_frames(ranges, n);
	config.nr_frames = nr_frames;
	end = storage + om_system_bytes(&config);
	check_storage(ranges, n, storage, end);
	config.storage = phys_to_virt(storage);
	config.seed = random_word();
	vm = om_system_init(&config);
	if (!vm)
		panic("objrmap does not start");
	for (unsigned i = 0; i < n; i++) {
		add_part(&ranges[i], LOWEST_MEMORY, KERNEL_START);
		add_part(&ranges[i], end, MEMORY_LIMIT);
	}
	set_huge(boot_option(OPTION_huge));
	kmem_init(vm);
	vmalloc_init();
}
