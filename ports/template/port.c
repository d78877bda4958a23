/*
 * port.c: the run-time half of a port: the hooks of struct om_port_ops, and setting up a system.
 *
 * A skeleton to copy, next to om_arch.h. It works as it stands for one CPU whose threads change
 * only where they ask for it: its memory is a static array, and the six places where a real
 * machine has to do something are the functions port_random() to port_yield() just below.
 * Nothing is needed from a C library.
 *
 * Each hook says: whether it is required and what happens without it; what may be held when it is
 * called and whether it may sleep; what may be a no-op.
 */
#include <objrmap/objrmap.h>

#include "om_arch.h"
#include "port.h"

/* ---------------------------------------------------------------- the machine --------------- */

/*
 * Memory. On a real machine: the direct map of all of it, set up by your boot code; frames that the
 * kernel itself occupies are not handed to om_add_memory().
 */
static char ram[PORT_FRAMES << OM_PAGE_SHIFT] __attribute__((aligned(1 << OM_PAGE_SHIFT)));

/* The struct om_system and its page array: om_system_bytes() of memory that is not in `ram`. */
static char storage[PORT_STORAGE] __attribute__((aligned(64)));

/*
 * A word that programs cannot guess; struct om_config says what for. x86-64: rdrand, or what the
 * boot loader got from the firmware; the time of booting is better than nothing.
 */
static uintptr_t port_random(void)
{
	/* uint64_t word; __asm__ volatile("rdrand %0" : "=r"(word)); return word; */
	return 0;
}

/* The address space this CPU runs on. */
static struct om_mm *current_mm;

static struct om_arch arch = {.base = ram};

/* Drop one translation of the current address space. x86-64: invlpg. */
static void port_invalidate(uintptr_t addr)
{
	/* __asm__ volatile("invlpg (%0)" : : "r"(addr) : "memory"); */
	(void)addr;
}

/* Drop all translations of user addresses. x86-64 without tags: mov %cr3, %rax; mov %rax, %cr3. */
static void port_invalidate_all(void)
{
}

/* Let the MMU walk another top-level table. x86-64: mov to CR3, which drops all translations, too.
 */
static void port_load_root(om_pfn_t root)
{
	/* uint64_t cr3 = ((uint64_t)root + PORT_FIRST_FRAME) << OM_PAGE_SHIFT;
	 * __asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory"); */
	(void)root;
}

/* Print what you can, and stop the machine. */
static _Noreturn void port_halt(const struct om_bug *bug)
{
	/* printk("objrmap: %s: %s at %s:%d\n", bug->rule, bug->what, bug->file, bug->line); */
	(void)bug;
	for (;;)
		om_arch_pause();
}

/* Run another thread of this CPU, if there is one. */
static void port_yield(void)
{
	om_arch_pause();
}

/* ---------------------------------------------------------------- tier 1 -------------------- */

/*
 * Required. When this returns no CPU has what it kept of `mm` for [start, end): of its pages
 * (OM_FLUSH_PAGES), of upper levels on the way there (OM_FLUSH_TABLES), or both.
 *
 * Context: spinning locks may be held, so it must not sleep; it may spin for other CPUs. Interrupts
 * are as the caller of objrmap left them.
 * No-op: if nothing of `mm` can be in a TLB. On a machine without address-space tags that is every
 * mm but the current one, as loading a root drops everything. With tags, invalidate by tag.
 * Example: flush(ctx, mm, 0x400000, 0x402000, OM_FLUSH_PAGES) is two invlpg, at 0x400000 and
 * 0x401000; fork asks for 0 .. OM_VA_LIMIT: that is one reload of CR3, not 2^35 invlpg.
 *
 * With OM_FLUSH_TABLES page tables are freed next, or found at other addresses, so an MMU that
 * still knew them would walk somebody's data. Dropping everything is right on every MMU. x86-64:
 * any invlpg drops all cached upper levels, so one is enough if OM_FLUSH_PAGES is not asked for.
 */
static void port_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end,
                       enum om_flush what)
{
	(void)ctx;
	if (mm != current_mm)
		return;
	if ((what & OM_FLUSH_TABLES) || (end - start) >> OM_PAGE_SHIFT > PORT_FLUSH_PAGES) {
		port_invalidate_all();
		return;
	}
	for (uintptr_t addr = start; addr < end; addr += (uintptr_t)1 << OM_PAGE_SHIFT)
		port_invalidate(addr);
}

/*
 * Optional; for MMUs whose TLB keeps what a fault was raised for. Drop what this CPU has kept of
 * the page at `addr`: the fault has been resolved. `was_present`: it was a fault for lack of
 * permission; otherwise nothing was there, which only some TLBs keep.
 *
 * Context: no lock is held; must not sleep.
 * No-op, and best left NULL: on x86-64, where a fault drops the translation. On Arm a no-op unless
 * was_present.
 * Example: fork has made a page read-only, the program writes: flush_local(ctx, mm, addr, true)
 * when it is writable again. Without the hook an Arm CPU would go on with its read-only
 * translation, and fault for ever.
 */
static void port_flush_local(void *ctx, struct om_mm *mm, uintptr_t addr, bool was_present)
{
	(void)ctx;
	if (was_present && mm == current_mm)
		port_invalidate(addr);
}

/*
 * Required. objrmap has met a contradiction: going on would lose data. Must not return (if it does,
 * the core traps). Context: anything may be held: do not call objrmap, do not sleep.
 */
static void port_panic(void *ctx, const struct om_bug *bug)
{
	(void)ctx;
	port_halt(bug);
}

/* ---------------------------------------------------------------- tier 4 -------------------- */

static bool memory_is_low;

/*
 * Optional; without it there is only direct reclaim: whoever needs a frame looks for one himself.
 * Frames have fallen below the low watermark: wake the thread that calls port_reclaim().
 *
 * Context: no lock is held; must not sleep, must not reclaim, may be called very often. So: set a
 * flag, and wake the thread if it was clear.
 */
static void port_low_memory(void *ctx)
{
	(void)ctx;
	memory_is_low = true;
}

/* What the background thread, or an idle loop, does. Returns whether it did anything. */
bool port_reclaim(struct om_system *sys, om_pfn_t high)
{
	if (!memory_is_low)
		return false;
	memory_is_low = false;
	while (om_free_frames(sys) < high && om_reclaim_step(sys, 32) > 0)
		port_yield();
	return true;
}

/* ---------------------------------------------------------------- tier 5 -------------------- */

/*
 * Optional; needed as soon as two threads use objrmap at a time. Sleep until port_wake(key), unless
 * blocked(arg) is false. Without it the core spins on blocked(arg), which is right as long as
 * whoever is waited for runs on another CPU.
 *
 * Context: no spinning lock is held. blocked(arg) must be called under the lock that wake takes
 * for this key, or a wake-up in between is lost. Returning early is allowed, the core checks
 * again. With a sleep queue for each of, say, 64 hash values of the key:
 *
 *     struct queue *q = queue_of(key);
 *     spin_lock(&q->lock);
 *     if (blocked(arg))
 *         sleep_on(q, key);             releases q->lock while the thread sleeps
 *     spin_unlock(&q->lock);
 *
 * This one lets the other threads of the only CPU run until the condition has changed.
 */
static void port_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	(void)ctx;
	(void)key;
	while (blocked(arg))
		port_yield();
}

/*
 * Required if there is `wait`. Wake every thread that sleeps on `key`, mostly there is one.
 * Others that share its queue may be woken as well, in vain. `key` is a name: do not look at what
 * is there. Context: spinning locks may be held; must not sleep. No-op: here, where sleepers look
 * for themselves whenever they run.
 */
static void port_wake(void *ctx, const void *key)
{
	(void)ctx;
	(void)key;
}

/*
 * Optional: NULL switches the check of lock ranks off. Asked for in debug builds only (OM_DEBUG=1),
 * at every lock and unlock. The record of the running thread: its own, not that of the CPU, if
 * threads can change while one of them sleeps inside objrmap; zeroed when the thread is made.
 */
static struct om_held *port_held(void *ctx)
{
	static struct om_held held; /* one thread. Otherwise: return &current_thread->held; */

	(void)ctx;
	return &held;
}

/* ---------------------------------------------------------------- set-up -------------------- */

static const struct om_port_ops ops = {
    .flush = port_flush,
    .flush_local = port_flush_local,
    .panic = port_panic,
    .wait = port_wait,
    .wake = port_wake,
    .low_memory = port_low_memory,
    .held = port_held,
};

struct om_system *port_init(void)
{
	const struct om_config config = {
	    .arch = &arch,
	    .ops = &ops,
	    .nr_frames = PORT_FRAMES,
	    .storage = storage,
	    .swap_cluster = 3,
	    .seed = port_random(),
	    .nr_cpus = 1,
	};
	struct om_system *sys;

	if (om_system_bytes(&config) > sizeof(storage))
		return NULL;
	sys = om_system_init(&config);
	if (!sys || om_add_memory(sys, 0, PORT_FRAMES))
		return NULL;
	return sys;
}

void *port_frame(om_pfn_t pfn)
{
	return om_arch_frame(&arch, pfn);
}

/*
 * The context switch. Loading a root drops the translations of the mm before, so from here on
 * port_flush() need not care about it. Switch to NULL before om_mm_destroy(): an mm must not be in
 * use when it goes, and its address may be that of the next one.
 */
void port_switch(struct om_mm *mm)
{
	if (mm == current_mm)
		return;
	current_mm = mm;
	if (mm)
		port_load_root(om_mm_root(mm));
	else
		port_invalidate_all(); /* and load your kernel's own root */
}
