/*
 * accesses.c: a plugin of QEMU's user mode that notes which pages a program uses, for objrmap-record.
 *
 *     qemu-x86_64 -plugin libaccesses.so,out=FILE,window=N PROGRAM
 *
 * Each load, store and block of instructions is seen; accesses.h says which are noted. Processes that are
 * forked go on in a QEMU of their own, with a copy of all that is here but the batch.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "accesses.h"
#include "qemu_plugin.h"

#define SHIFT TRACE_PAGE_SHIFT

EXPORT int qemu_plugin_version = PLUGIN_VERSION;

static const char *out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct access_batch batch;

/*
 * By page, those that were noted last; one that has lost its place to another is noted again. Read
 * without the lock: threads that are not seen in the right order are as good as in the other.
 */
#define SEEN (16 * ACCESS_WINDOW_MAX)
static struct seen {
	uint64_t page;
	uint64_t used, written; /* the number of the access that was noted */
} seen[SEEN];
static uint64_t window, noted = ACCESS_WINDOW_MAX;

static uint64_t now_(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---------------------------------------------------------------- noting -------------------- */

/*
 * Under the lock. The file is not kept open, because the program may close all that is, or find it open.
 */
static void flush(void)
{
	ssize_t n =
	    (ssize_t)(offsetof(struct access_batch, access) + batch.n * sizeof(*batch.access));
	int fd;

	if (!batch.n)
		return;
	fd = open(out, O_WRONLY | O_APPEND | O_CLOEXEC);
	batch.pid = (uint64_t)getpid();
	if (write(fd, &batch, (size_t)n) != n)
		_exit(125);
	close(fd);
	batch.n = 0;
}

static void note(struct seen *s, uint64_t page, enum trace_kind kind)
{
	pthread_mutex_lock(&lock);
	if (s->page != page)
		*s = (struct seen){.page = page};
	s->used = ++noted;
	if (kind == TRACE_WRITE)
		s->written = noted;
	batch.access[batch.n++] =
	    (struct access){now_(), page | (uint64_t)kind << ACCESS_KIND_SHIFT};
	if (batch.n == ACCESS_BATCH)
		flush();
	pthread_mutex_unlock(&lock);
}

static void used(uint64_t page, enum trace_kind kind)
{
	struct seen *s = &seen[page % SEEN];
	uint64_t last = kind == TRACE_WRITE ? s->written : s->used;

	if (s->page != page || noted - last >= window)
		note(s, page, kind);
}

static void on_access(unsigned cpu, uint32_t info, uint64_t addr, void *arg)
{
	(void)cpu, (void)arg;
	used(addr >> SHIFT, qemu_plugin_mem_is_store(info) ? TRACE_WRITE : TRACE_READ);
}

static void on_block(unsigned cpu, void *page)
{
	(void)cpu;
	used((uintptr_t)page, TRACE_EXEC);
}

/* ---------------------------------------------------------------- telling ------------------- */

static void mark(enum mark what, const struct call *c, int64_t result)
{
	syscall(MARK_CALL, what, c, result);
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
	static bool started;
	size_t n = qemu_plugin_tb_n_insns(tb);
	uint64_t first = qemu_plugin_tb_vaddr(tb) >> SHIFT, last;

	(void)id;
	if (!started)
		mark(MARK_LAYOUT, NULL, 0);
	started = true;
	last = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, n - 1)) >> SHIFT;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, NO_REGISTERS, (void *)first);
	if (last != first)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, NO_REGISTERS, (void *)last);
	for (size_t i = 0; i < n; i++)
		qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), on_access,
		                                 NO_REGISTERS, LOADS | STORES, NULL);
}

static __thread struct call call;

static void flush_now(void)
{
	pthread_mutex_lock(&lock);
	flush();
	pthread_mutex_unlock(&lock);
}

static void on_call(plugin_id id, unsigned cpu, int64_t nr, uint64_t a, uint64_t b, uint64_t c,
                    uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
	(void)id, (void)cpu, (void)g, (void)h;
	call = (struct call){now_(), (uint64_t)nr, {a, b, c, d, e, f}};
	if (nr == SYS_execve || nr == SYS_exit_group)
		flush_now();
}

static void on_return(plugin_id id, unsigned cpu, int64_t nr, int64_t result)
{
	(void)id, (void)cpu;
	if (call_matters((uint64_t)nr))
		mark(MARK_RETURN, &call, result);
}

/* ---------------------------------------------------------------- begin, fork, end ---------- */

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
	batch.n = 0;
	memset(seen, 0, sizeof(seen));
	pthread_mutex_unlock(&lock);
}

static void on_exit_(plugin_id id, void *arg)
{
	(void)id, (void)arg;
	flush_now();
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
		else
			sscanf(argv[i], "window=%" SCNu64, &window);
	}
	if (!out || window < 1 || window > ACCESS_WINDOW_MAX ||
	    pthread_atfork(before_fork, in_parent, in_child))
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_vcpu_syscall_cb(id, on_call);
	qemu_plugin_register_vcpu_syscall_ret_cb(id, on_return);
	qemu_plugin_register_atexit_cb(id, on_exit_, NULL);
	return 0;
}
