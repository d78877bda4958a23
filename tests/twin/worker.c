/*
 * worker.c: a process of the host, told what to do.
 *
 * A worker is forked by its real parent when the sequence forks, so what it sees is the kernel's
 * real copy-on-write. It sleeps on a futex in its slot of the shared memory, makes the calls it
 * finds there, and leaves the results. It allocates nothing, so that the heap and the limits belong
 * to the test; its own memory (`base`) is added to the limits the test asks for.
 *
 * Everything is called through syscall(2): what a C library does besides would count as the call.
 */
#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PLAIN __attribute__((no_sanitize("address", "undefined")))

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static uint64_t limit[OM_NR_LIMITS] = {[OM_LIMIT_MEMLOCK] = MEMLOCK}; /* as the test asked for */
static struct slot *me;
static unsigned my_slot;

static int64_t answer(long r)
{
	return r == -1 ? -errno : r;
}

/* ---------------------------------------------------------------- accesses ------------------ */

static sigjmp_buf escape;
static volatile sig_atomic_t guarded;
static volatile sig_atomic_t what_happened;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!guarded) {
		me->crashed = sig;
		_exit(1);
	}
	what_happened = (int)fault_result(sig, info->si_code);
	siglongjmp(escape, 1);
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

/* Run the statement; the value is 0, or the signal that ended it. */
#define GUARD(statement)                                                                           \
	({                                                                                         \
		what_happened = 0;                                                                 \
		if (!sigsetjmp(escape, 0)) {                                                       \
			guarded = 1;                                                               \
			statement;                                                                 \
		}                                                                                  \
		guarded = 0;                                                                       \
		(int64_t) what_happened;                                                           \
	})

PLAIN static void store(uintptr_t addr, unsigned n, uint64_t seed)
{
	for (unsigned i = 0; i < n; i++)
		*(volatile uint8_t *)(addr + i) = pattern(seed, i);
}

PLAIN static uint64_t load(uintptr_t addr, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t) * (volatile uint8_t *)(addr + i) << 8 * i;
	return v;
}

/* The byte there is known to be a return instruction, or may not be executed. */
PLAIN static void execute(uintptr_t addr)
{
	((void (*)(void))addr)();
}

static uint64_t hash_at(uintptr_t addr)
{
	uint64_t volatile h = 0;
	int64_t fault = GUARD(h = hash_bytes((const void *)addr, PAGE));

	return fault ? HASH_FAULT + (uint64_t)fault : h;
}

static void hash_pages(void)
{
	for (unsigned i = 0; i < me->nr_hashes; i++)
		me->hash[i] = hash_at((uintptr_t)me->page[i]);
}

/* ---------------------------------------------------------------- kernel copies ------------- */

static uint8_t buffer[COPY_MAX];

/* This worker's part of the scratch file, with the same offset in the page as the address. */
static off_t scratch(uintptr_t addr)
{
	return (off_t)(my_slot * 16 * PAGE + addr % PAGE);
}

static struct result uread(uintptr_t addr, size_t len)
{
	struct result r;

	r.ret = answer(syscall(SYS_pwrite64, scratch_fd, addr, len, scratch(addr)));
	r.v = 0;
	if (r.ret > 0 && pread(scratch_fd, buffer, (size_t)r.ret, scratch(addr)) == r.ret)
		r.v = hash_bytes(buffer, (size_t)r.ret);
	return r;
}

static struct result uwrite(uintptr_t addr, size_t len, uint64_t seed)
{
	for (unsigned i = 0; i < len; i++)
		buffer[i] = pattern(seed, i);
	if (pwrite(scratch_fd, buffer, len, scratch(addr)) != (ssize_t)len)
		return (struct result){-EIO, 0};
	return (struct result){answer(syscall(SYS_pread64, scratch_fd, addr, len, scratch(addr))),
	                       0};
}

static struct result file_read(unsigned file, off_t offset, size_t len)
{
	struct result r = {answer(pread(file_fd[file], buffer, len, offset)), 0};

	if (r.ret > 0)
		r.v = hash_bytes(buffer, (size_t)r.ret);
	return r;
}

static int64_t file_write(unsigned file, off_t offset, size_t len, uint64_t seed)
{
	for (unsigned i = 0; i < len; i++)
		buffer[i] = pattern(seed, i);
	return answer(pwrite(file_fd[file], buffer, len, offset));
}

static int64_t punch(unsigned file, off_t offset, off_t len)
{
	return answer(
	    fallocate(file_fd[file], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len));
}

/* ---------------------------------------------------------------- mapping ------------------- */

static long sys_mmap(uintptr_t addr, size_t len, int prot, int flags, int fd, uint64_t offset)
{
#ifdef SYS_mmap2
	if (offset % PAGE) {
		errno = EINVAL; /* cannot be said */
		return -1;
	}
	return syscall(SYS_mmap2, addr, len, prot, flags, fd, (long)(offset / PAGE));
#else
	return syscall(SYS_mmap, addr, len, prot, flags, fd, (long)offset);
#endif
}

static bool in_windows(uintptr_t addr)
{
	unsigned page;

	return page_number(addr, &page);
}

static struct result do_mmap(const uint64_t *a)
{
	int64_t file = (int64_t)a[4];
	int fd = file < 0 ? -1 : file >= 100 ? file_rdonly_fd[file - 100] : file_fd[file];
	int flags = (int)a[3] | (file < 0 ? MAP_ANONYMOUS : 0);
	long r = sys_mmap((uintptr_t)a[0], (size_t)a[1], (int)a[2], flags, fd, a[5]);

	if (r == -1)
		return (struct result){-errno, 0};
	if (in_windows((uintptr_t)r))
		return (struct result){0, (uintptr_t)r};
	syscall(SYS_munmap, r, a[1]);
	return (struct result){0, 1};
}

/* An area that has moved where the kernel liked is brought home: a[5]. */
static struct result do_mremap(const uint64_t *a)
{
	size_t new_len = ((size_t)a[2] + PAGE - 1) & ~(PAGE - 1);
	long r = syscall(SYS_mremap, (uintptr_t)a[0], (size_t)a[1], (size_t)a[2], (int)a[3],
	                 (uintptr_t)a[4]);
	long back;

	if (r == -1)
		return (struct result){-errno, 0};
	if (in_windows((uintptr_t)r))
		return (struct result){0, (uintptr_t)r};
	back = syscall(SYS_mremap, r, new_len, new_len, MREMAP_MAYMOVE | MREMAP_FIXED,
	               (uintptr_t)a[5]);
	if (back == -1) {
		back = -errno;
		syscall(SYS_munmap, r, new_len);
		return (struct result){0, (uint64_t)back};
	}
	return (struct result){0, 1};
}

static struct result do_mincore(uintptr_t addr, size_t len)
{
	static unsigned char vec[32768];
	struct result r = {answer(syscall(SYS_mincore, addr, len, vec)), 0};

	for (size_t i = 0; !r.ret && i < (len + PAGE - 1) / PAGE && i < 64; i++)
		r.v |= (uint64_t)(vec[i] & 1) << i;
	return r;
}

/* ---------------------------------------------------------------- limits -------------------- */

static void set_rlimit(int which, uint64_t value, uint64_t base)
{
	struct rlimit rl;

	getrlimit((__rlimit_resource_t)which, &rl);
	rl.rlim_cur = rl.rlim_max;
	if (value != OM_UNLIMITED && value < rl.rlim_max - base)
		rl.rlim_cur = (rlim_t)(value + base);
	setrlimit((__rlimit_resource_t)which, &rl);
}

static void set_limit(unsigned which, uint64_t value)
{
	limit[which] = value;
	switch (which) {
	case OM_LIMIT_AS:
		set_rlimit(RLIMIT_AS, value, shared->base_size);
		break;
	case OM_LIMIT_DATA:
		set_rlimit(RLIMIT_DATA, value, shared->base_data);
		break;
	case OM_LIMIT_STACK:
		set_rlimit(RLIMIT_STACK, value, 0);
		break;
	case OM_LIMIT_MEMLOCK:
		set_rlimit(RLIMIT_MEMLOCK, value, 0);
		break;
	default:
		break;
	}
}

/* Unlock the worker's own memory again: locked bytes are the test's alone. */
static void unlock_self(void)
{
	for (unsigned i = 0; i < shared->nr_own; i++)
		syscall(SYS_munlock, shared->own[i].start,
		        shared->own[i].end - shared->own[i].start);
}

static int64_t do_mlockall(int flags)
{
	uint64_t max = limit[OM_LIMIT_MEMLOCK];
	int64_t r;

	if ((flags & MCL_CURRENT) && max)
		set_rlimit(RLIMIT_MEMLOCK, max, shared->base_size);
	r = answer(syscall(SYS_mlockall, flags));
	unlock_self();
	set_rlimit(RLIMIT_MEMLOCK, max, 0);
	return r;
}

/* ---------------------------------------------------------------- processes ----------------- */

static sigjmp_buf restart;

static void become(unsigned slot)
{
	my_slot = slot;
	me = &shared->slot[slot];
}

/* The child goes back to where workers begin, so that generations do not pile up on the stack. */
static int64_t do_fork(unsigned child)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		become(child);
		siglongjmp(restart, 1);
	}
	if (pid < 0)
		return -errno;
	shared->slot[child].pid = (int)pid;
	return 0;
}

/* Make a private page forget what it holds, as lost memory after MADV_FREE. */
static int64_t zap(uintptr_t addr)
{
	if (!syscall(SYS_madvise, addr, PAGE, MADV_DONTNEED_LOCKED))
		return 0;
	return answer(syscall(SYS_madvise, addr, PAGE, MADV_DONTNEED));
}

/* ---------------------------------------------------------------- dispatch ------------------ */

static struct result value(int64_t ret)
{
	return (struct result){ret, 0};
}

static struct result access_call(const struct call *c, uintptr_t volatile addr)
{
	struct result r = {0, 0};
	uint64_t volatile v = 0;

	switch (c->kind) {
	case C_WRITE:
		r.ret = GUARD(store(addr, (unsigned)c->a[1], c->a[2]));
		break;
	case C_READ:
		r.ret = GUARD(v = load(addr, (unsigned)c->a[1]));
		r.v = r.ret ? 0 : v;
		break;
	default:
		r.ret = GUARD(execute(addr));
		break;
	}
	return r;
}

static struct result other_call(const struct call *c, const uint64_t *a)
{
	switch (c->kind) {
	case C_UREAD:
		return uread((uintptr_t)a[0], (size_t)a[1]);
	case C_UWRITE:
		return uwrite((uintptr_t)a[0], (size_t)a[1], a[2]);
	case C_SPAWN:
		return value(do_fork(c->proc));
	case C_FORK:
		return value(do_fork((unsigned)a[0]));
	case C_TRUNCATE:
		return value(answer(ftruncate(file_fd[a[0]], (off_t)a[1])));
	case C_PUNCH:
		return value(punch((unsigned)a[0], (off_t)a[1], (off_t)a[2]));
	case C_PREAD:
		return file_read((unsigned)a[0], (off_t)a[1], (size_t)a[2]);
	case C_PWRITE:
		return value(file_write((unsigned)a[0], (off_t)a[1], (size_t)a[2], a[3]));
	case C_HASH:
		hash_pages();
		return value(0);
	case C_ZAP:
		return value(zap((uintptr_t)a[0]));
	default:
		return value(0);
	}
}

static struct result make_call(const struct call *c)
{
	uint64_t a[6];
	uintptr_t addr;
	size_t len;

	for (unsigned i = 0; i < 6; i++)
		a[i] = is_address(c->kind, i) ? real_address(c->a[i]) : c->a[i];
	addr = (uintptr_t)a[0];
	len = (size_t)a[1];
	switch (c->kind) {
	case C_MMAP:
		return do_mmap(a);
	case C_MUNMAP:
		return value(answer(syscall(SYS_munmap, addr, len)));
	case C_MPROTECT:
		return value(answer(syscall(SYS_mprotect, addr, len, (int)a[2])));
	case C_MREMAP:
		return do_mremap(a);
	case C_MADVISE:
		return value(answer(syscall(SYS_madvise, addr, len, (int)a[2])));
	case C_MLOCK:
		return value(answer(syscall(SYS_mlock, addr, len)));
	case C_MLOCK2:
		return value(answer(syscall(SYS_mlock2, addr, len, (int)a[2])));
	case C_MUNLOCK:
		return value(answer(syscall(SYS_munlock, addr, len)));
	case C_MLOCKALL:
		return value(do_mlockall((int)a[0]));
	case C_MUNLOCKALL:
		return value(answer(syscall(SYS_munlockall)));
	case C_MINCORE:
		return do_mincore(addr, len);
	case C_MSYNC:
		return value(answer(syscall(SYS_msync, addr, len, (int)a[2])));
	case C_BRK:
		return (struct result){0,
		                       (uintptr_t)syscall(SYS_brk, shared->heap + (uintptr_t)a[0]) -
		                           shared->heap};
	case C_LIMIT:
		set_limit((unsigned)a[0], a[1]);
		return value(0);
	case C_WRITE:
	case C_READ:
	case C_EXEC:
		return access_call(c, addr);
	default:
		return other_call(c, a);
	}
}

/* ---------------------------------------------------------------- life ---------------------- */

/* Sleep until there is work; the runner's death is the worker's. */
static void wait_for_work(void)
{
	struct timespec second = {1, 0};

	while (me->asked == me->done) {
		long r = syscall(SYS_futex, &me->asked, FUTEX_WAIT, me->done, &second, NULL, 0);

		if (r && errno == ETIMEDOUT && kill(shared->runner, 0) && errno == ESRCH)
			_exit(0);
	}
}

static void work(void)
{
	bool last = false;

	wait_for_work();
	for (uint32_t i = 0; i < me->n; i++) {
		me->result[i] = make_call(&me->call[i]);
		last |= me->call[i].kind == C_EXIT;
	}
	me->done = me->asked;
	syscall(SYS_futex, &me->done, FUTEX_WAKE, 1, NULL, NULL, 0);
	if (last)
		_exit(0);
}

_Noreturn void worker(unsigned slot)
{
	become(slot);
	catch_signals();
	set_limit(OM_LIMIT_STACK, STACK);
	sigsetjmp(restart, 0);
	for (;;)
		work();
}
