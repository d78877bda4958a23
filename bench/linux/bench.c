/*
 * bench.c: what a kernel's memory management costs, in instructions. One static program that runs
 * under Debian's kernel and under the reference kernel alike (bench/linux/run.sh). What needs more
 * memory is in another one, large.c.
 *
 * QEMU with -icount shift=0 lets one nanosecond of virtual time pass for each instruction, so the
 * processor's time stamp counts instructions; calibrate() finds out how many ticks one is. Each
 * row does its operation many times, takes off what the loop around it costs, and is repeated:
 * the smallest result counts, for the others hold timer ticks and first uses.
 *
 * Waiting for the disk is no work, yet virtual time goes on while the machine idles. So the rows
 * about swap use the process's CPU time, which both kernels keep to the nanosecond. What is
 * counted: all that happens inside the process's own system calls and faults, and interrupts that
 * hit it while it runs. Not counted on either side: completions that arrive while nothing runs,
 * and kernel threads; QEMU's own count of the whole machine is 1 to 7 % higher for each.
 *
 * Output: "row: NAME VALUE" each, VALUE in instructions per operation, then "done".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "measure.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define NPAGES 2048ul /* of the rows about faults */
#define NCALLS 1000ul /* of the rows about single calls */

/*
 * The program starts here. Executed with an argument it ends at once, before the C library has
 * set itself up: the rows about exec are to show the kernel's work, not the library's.
 */
__asm__(".globl bench_start\n"
        "bench_start:\n"
        "	cmpl $1, (%rsp)\n" /* argc */
        "	jle _start\n"
        "	xorl %edi, %edi\n"
        "	movl $231, %eax\n" /* exit_group */
        "	syscall\n");

/* ---------------------------------------------------------------- system calls -------------- */

static double null_call(size_t n)
{
	uint64_t start = now();
	double calls, loop;

	for (size_t i = 0; i < n; i++)
		syscall(SYS_getppid);
	calls = since(start);
	start = now();
	for (size_t i = 0; i < n; i++)
		__asm__ volatile("" ::: "memory"); /* the compiler keeps the loop */
	loop = since(start);
	return (calls - loop) / n;
}

/* ---------------------------------------------------------------- faults -------------------- */

static double anonymous(int write)
{
	char *p = map(NPAGES * PAGE);
	double cost = touch(p, NPAGES, write);

	unmap(p, NPAGES * PAGE);
	return cost;
}

static double anonymous_read(size_t unused)
{
	(void)unused;
	return anonymous(0);
}

static double anonymous_write(size_t unused)
{
	(void)unused;
	return anonymous(1);
}

/* The child sleeps when this returns. */
static pid_t fork_sleeper(void)
{
	struct timespec while_it_starts = {0, 5000000};
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid)
		for (;;)
			pause();
	nanosleep(&while_it_starts, NULL);
	return pid;
}

static void end(pid_t pid)
{
	if (kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
		fail("end of the child");
}

/* Write to pages that a child has too, or had until it ended. */
static double cow(int child_lives)
{
	char *p = map_touched(NPAGES * PAGE);
	pid_t child = fork_sleeper();
	double cost;

	/* Else nothing is reused: fork may share whole tables until the first write. */
	if (!child_lives) {
		for (size_t i = 0; i < NPAGES; i += 512)
			p[i * PAGE] = 1;
		p[(NPAGES - 1) * PAGE] = 1;
		end(child);
	}
	cost = touch(p, NPAGES, 1);
	if (child_lives)
		end(child);
	unmap(p, NPAGES * PAGE);
	return cost;
}

static double cow_copy(size_t unused)
{
	(void)unused;
	return cow(1);
}

static double cow_reuse(size_t unused)
{
	(void)unused;
	return cow(0);
}

/* Pages of a file that are in memory already. */
static double file(int flags, int write)
{
	const size_t bytes = 4 * MIB;
	int fd = open("/bench.dat", O_RDONLY);
	int prot = flags == MAP_PRIVATE ? PROT_READ | PROT_WRITE : PROT_READ;
	char *p = mmap(NULL, bytes, prot, flags, fd, 0), *keep;
	double cost;

	if (p == MAP_FAILED)
		fail("/bench.dat");
	keep = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	read_pages(keep, bytes / PAGE);
	cost = touch(p, bytes / PAGE, write);
	unmap(keep, bytes);
	unmap(p, bytes);
	close(fd);
	return cost;
}

static double private_read(size_t unused)
{
	(void)unused;
	return file(MAP_PRIVATE, 0);
}

static double private_write(size_t unused)
{
	(void)unused;
	return file(MAP_PRIVATE, 1);
}

static double shared_read(size_t unused)
{
	(void)unused;
	return file(MAP_SHARED, 0);
}

/* ---------------------------------------------------------------- processes ----------------- */

static double process(size_t bytes, int exec)
{
	char *p = map_touched(bytes);
	double best = 1e18;

	for (int i = bytes > 16 * MIB ? 3 : 10; i; i--) {
		uint64_t start = now();
		double cost;

		child_and_wait(exec);
		cost = since(start);
		if (cost < best)
			best = cost;
	}
	unmap(p, bytes);
	return best;
}

static double fork_exit(size_t mib)
{
	return process(mib * MIB, 0);
}

static double fork_exec_exit(size_t mib)
{
	return process(mib * MIB, 1);
}

/* ---------------------------------------------------------------- the mmap family ----------- */

static double munmap_page(size_t mib)
{
	char *p = map_touched(mib * MIB);
	uint64_t start = now();

	unmap(p, mib * MIB);
	return since(start) / (mib * MIB / PAGE);
}

/*
 * Move a mapping to and fro between two places in the same big hole: both at multiples of `align`
 * and, if that is one page, at different offsets within a page table's range.
 */
static double move(size_t bytes, size_t align, size_t calls)
{
	size_t apart = bytes + (align == PAGE ? 3 * PAGE : align), room = apart + bytes + align;
	char *hole = map(room), *from = (char *)(((uintptr_t)hole + align) & -align);
	double cost;
	uint64_t start;

	unmap(hole, room);
	if (mmap(from, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
	         0) != from)
		fail("mmap");
	write_pages(from, bytes / PAGE);
	start = now();
	for (size_t i = 0; i < calls; i++) {
		char *to = i % 2 ? from : from + apart, *old = i % 2 ? from + apart : from;

		if (mremap(old, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
			fail("mremap");
	}
	cost = since(start) / calls;
	unmap(from, bytes);
	return cost;
}

static double mremap_page(size_t unused)
{
	char *neighbour = map_touched(2 * MIB); /* the page tables stay */
	double cost = move(PAGE, PAGE, NCALLS);

	(void)unused;
	unmap(neighbour, 2 * MIB);
	return cost;
}

static double mremap_16m(size_t align)
{
	return move(16 * MIB, align, 10);
}

/* There and back again, per call: `bytes` in the middle of `room`. */
static double protect(size_t room, size_t bytes, size_t calls)
{
	char *all = map_touched(room), *p = all + (room - bytes) / 2 / PAGE * PAGE;
	uint64_t start = now();
	double cost;

	for (size_t i = 0; i < calls; i++)
		if (mprotect(p, bytes, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ))
			fail("mprotect");
	cost = since(start) / calls;
	unmap(all, room);
	return cost;
}

static double mprotect_page(size_t unused)
{
	(void)unused;
	return protect(64 * PAGE, PAGE, NCALLS);
}

static double mprotect_16m(size_t unused)
{
	(void)unused;
	return protect(16 * MIB, 16 * MIB, 10);
}

static double map_touch_unmap(size_t unused)
{
	uint64_t start = now();

	(void)unused;
	for (size_t i = 0; i < NCALLS; i++)
		unmap(map_touched(PAGE), PAGE);
	return since(start) / NCALLS;
}

/* ---------------------------------------------------------------- swap ---------------------- */

#define SWAP_PAGES 4096ul

static long disk_faults(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return use.ru_majflt;
}

/* Linux writes without waiting and keeps the pages until it needs the memory. */
static void page_out(char *p)
{
	struct timespec until_written = {2, 0};

	if (madvise(p, SWAP_PAGES * PAGE, MADV_PAGEOUT))
		fail("madvise");
	nanosleep(&until_written, NULL);
}

static double swap_out(size_t unused)
{
	char *p = map_touched(SWAP_PAGES * PAGE);
	double cost = cpu_time();

	(void)unused;
	page_out(p);
	cost = (cpu_time() - cost) / SWAP_PAGES;
	unmap(p, SWAP_PAGES * PAGE);
	return cost;
}

/*
 * Read the pages back from the disk. After one MADV_PAGEOUT Linux still has them in its swap
 * cache; pages that were written, read again and not changed it gives up at once when it is told
 * so again.
 */
static double swap_in(size_t unused)
{
	char *p = map_touched(SWAP_PAGES * PAGE);
	double cost;
	long faults;

	(void)unused;
	page_out(p);
	read_pages(p, SWAP_PAGES);
	page_out(p);
	faults = disk_faults();
	cost = cpu_time();
	read_pages(p, SWAP_PAGES);
	cost = (cpu_time() - cost) / SWAP_PAGES;
	printf("# swap-in: %lu pages, %ld faults waited for the disk\n", SWAP_PAGES,
	       disk_faults() - faults);
	unmap(p, SWAP_PAGES * PAGE);
	return cost;
}

/* ---------------------------------------------------------------- rows ---------------------- */

static const struct row {
	const char *name;
	double (*round)(size_t arg);
	size_t arg;
	int rounds;
} rows[] = {
    {"system-call-null", null_call, 10000, 5},
    {"anonymous-read-fault", anonymous_read, 0, 5},
    {"anonymous-write-fault", anonymous_write, 0, 5},
    {"cow-fault", cow_copy, 0, 5},
    {"cow-reuse", cow_reuse, 0, 5},
    {"private-file-read-fault", private_read, 0, 5},
    {"private-file-write-fault", private_write, 0, 5},
    {"shared-file-read-fault", shared_read, 0, 5},
    {"fork-exit-1M", fork_exit, 1, 2},
    {"fork-exit-16M", fork_exit, 16, 2},
    {"fork-exit-256M", fork_exit, 256, 1},
    {"fork-exec-exit-1M", fork_exec_exit, 1, 2},
    {"fork-exec-exit-16M", fork_exec_exit, 16, 2},
    {"fork-exec-exit-256M", fork_exec_exit, 256, 1},
    {"munmap-per-page", munmap_page, 16, 5},
    {"mremap-1-page", mremap_page, 0, 5},
    {"mremap-16M", mremap_16m, PAGE, 5},
    {"mremap-16M-aligned-2M", mremap_16m, 2 * MIB, 5},
    {"mprotect-1-page", mprotect_page, 0, 5},
    {"mprotect-16M", mprotect_16m, 0, 5},
    {"mmap-touch-munmap", map_touch_unmap, 0, 5},
    {"swap-out-per-page", swap_out, 0, 3},
    {"swap-in-per-page", swap_in, 0, 3},
};

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	calibrate();
	printf("# %.3f ticks per instruction\n", ticks_per_instruction);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double best = 1e18;

		for (int n = rows[i].rounds; n; n--)
			keep_least(&best, rows[i].round(rows[i].arg));
		row(rows[i].name, best);
	}
	puts("done");
	return 0;
}
