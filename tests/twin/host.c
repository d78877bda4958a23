/*
 * host.c: the runner's end of the workers: starting them, talking to them, and looking at them
 * through /proc.
 *
 * The zygote is forked before the runner allocates anything, so workers are small and their heap is
 * untouched. It has no privileges: limits and mmap_min_addr mean what they say. Its memory is
 * measured once; all workers inherit it and never change it.
 */
#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORKER_SECONDS 120

int file_fd[NR_FILES], file_rdonly_fd[NR_FILES], scratch_fd;

static uint64_t file_inode[NR_FILES];
/* /proc/PID/maps, smaps, status, pagemap */
enum proc_file { P_MAPS, P_SMAPS, P_STATUS, P_PAGEMAP, NR_PROC_FILES };
static int proc_fd[NR_SLOTS][NR_PROC_FILES];
static char text[1 << 18]; /* of a file in /proc */

/* ---------------------------------------------------------------- windows ------------------- */

bool page_number(uint64_t addr, unsigned *page)
{
	if (addr >= ARENA && addr < ARENA + ARENA_PAGES * PAGE)
		*page = (unsigned)((addr - ARENA) / PAGE);
	else if (addr >= shared->heap && addr < shared->heap + HEAP_PAGES * PAGE)
		*page = ARENA_PAGES + (unsigned)((addr - shared->heap) / PAGE);
	else
		return false;
	return true;
}

uintptr_t page_address(unsigned page)
{
	return page < ARENA_PAGES ? ARENA + page * PAGE
	                          : shared->heap + (page - ARENA_PAGES) * PAGE;
}

/* ---------------------------------------------------------------- reading /proc ------------- */

static const char *read_proc(int fd)
{
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) - 1 &&
	       (got = pread(fd, text + n, sizeof(text) - 1 - n, (off_t)n)) > 0)
		n += (size_t)got;
	text[n] = 0;
	return text;
}

/* Bytes named by a line of /proc/PID/status. */
static uint64_t status_bytes(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

void host_status(unsigned proc, struct host_status *st)
{
	const char *s = read_proc(proc_fd[proc][P_STATUS]);

	st->size = status_bytes(s, "VmSize:") - shared->base_size;
	st->data = status_bytes(s, "VmData:") - shared->base_data;
	st->locked = status_bytes(s, "VmLck:");
}

void host_present(unsigned proc, uintptr_t addr, unsigned n, bool *present)
{
	uint64_t entry[512];

	while (n) {
		unsigned part = n < 512 ? n : 512;
		ssize_t size = (ssize_t)(part * sizeof(*entry));

		if (pread(proc_fd[proc][P_PAGEMAP], entry, (size_t)size,
		          (off_t)(addr / PAGE * sizeof(*entry))) != size)
			fail("host: cannot read pagemap");
		for (unsigned i = 0; i < part; i++)
			present[i] = entry[i] >> 62;
		addr += part * PAGE;
		present += part;
		n -= part;
	}
}

/* ---------------------------------------------------------------- areas --------------------- */

static uint64_t number(const char **p, int base)
{
	char *end;
	uint64_t v = strtoull(*p, &end, base);

	if (*end)
		end++;
	*p = end;
	return v;
}

static int64_t object_of(uint64_t inode)
{
	if (!inode)
		return -1;
	for (int i = 0; i < NR_FILES; i++)
		if (file_inode[i] == inode)
			return i;
	return (int64_t)(OTHER + inode);
}

/* A line of maps: start-end rwxs offset dev inode path. */
static void parse_area(const char *p, struct segment *s)
{
	s->start = number(&p, 16);
	s->end = number(&p, 16);
	s->flags = (p[0] == 'r' ? OM_VM_READ : 0u) | (p[1] == 'w' ? OM_VM_WRITE : 0u) |
	           (p[2] == 'x' ? OM_VM_EXEC : 0u) | (p[3] == 's' ? OM_VM_SHARED : 0u);
	p += 5;
	s->offset = number(&p, 16);
	p += strcspn(p, " \n"); /* the device */
	p += *p == ' ';
	s->object = object_of(number(&p, 10));
	if (s->object == -1)
		s->offset = 0;
}

/* The line "VmFlags: rd wr mr mw ..." of smaps. */
static uint32_t parse_flags(const char *p)
{
	static const struct {
		char name[3];
		uint32_t flag;
	} names[] = {{"mw", OM_VM_MAYWRITE},    {"gd", OM_VM_GROWSDOWN}, {"lo", OM_VM_LOCKED},
	             {"lf", OM_VM_LOCKONFAULT}, {"dc", OM_VM_DONTFORK},  {"wf", OM_VM_WIPEONFORK},
	             {"sr", OM_VM_SEQ_READ},    {"rr", OM_VM_RAND_READ}};
	uint32_t flags = 0;

	for (p += 9; *p && *p != '\n'; p += p[2] == ' ' ? 3 : 2)
		for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (!strncmp(p, names[i].name, 2))
				flags |= names[i].flag;
	return flags;
}

static const char *next_line(const char *p)
{
	p = strchr(p, '\n');
	return p ? p + 1 : "";
}

static bool is_area_line(const char *p)
{
	return (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f');
}

static unsigned read_segments(int fd, struct segment *s, unsigned max)
{
	const char *p = read_proc(fd);
	struct segment here = {0};
	bool ours = false;
	unsigned n = 0, page;

	for (; *p; p = next_line(p)) {
		if (is_area_line(p)) {
			parse_area(p, &here);
			ours = page_number(here.start, &page);
			if (ours && n < max)
				s[n++] = here;
		} else if (ours && !strncmp(p, "VmFlags:", 8)) {
			s[n - 1].flags |= parse_flags(p);
		}
	}
	return n;
}

unsigned host_segments(unsigned proc, struct segment *s, bool flags)
{
	return read_segments(proc_fd[proc][flags ? P_SMAPS : P_MAPS], s, MAX_SEGMENTS);
}

unsigned own_segments(struct segment *s, unsigned max)
{
	int fd = open("/proc/self/smaps", O_RDONLY);
	unsigned n = read_segments(fd, s, max);

	close(fd);
	return n;
}

/* ---------------------------------------------------------------- talking ------------------- */

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	struct timespec tick = {0, 200000000};

	syscall(SYS_futex, word, FUTEX_WAIT, value, &tick, NULL, 0);
}

static bool is_dead(const struct slot *s)
{
	return s->crashed || (kill(s->pid, 0) && errno == ESRCH);
}

void host_run(unsigned proc)
{
	struct slot *s = &shared->slot[proc];
	uint32_t done = s->done;

	s->asked = done + 1;
	syscall(SYS_futex, &s->asked, FUTEX_WAKE, 1, NULL, NULL, 0);
	while (s->done == done) {
		futex_wait(&s->done, done);
		if (s->done != done)
			break;
		if (is_dead(s))
			fail("host: worker of process %u died, signal %d", proc, s->crashed);
	}
}

struct result host_call(const struct call *c)
{
	struct slot *s = &shared->slot[c->kind == C_SPAWN ? ZYGOTE : c->proc];

	s->call[0] = *c;
	s->n = 1;
	host_run((unsigned)(s - shared->slot));
	return s->result[0];
}

uint64_t host_hash(unsigned proc, uintptr_t addr)
{
	struct call c = {.kind = C_HASH, .proc = (uint8_t)proc};

	shared->slot[proc].nr_hashes = 1;
	shared->slot[proc].page[0] = addr;
	host_call(&c);
	return shared->slot[proc].hash[0];
}

/* ---------------------------------------------------------------- their lives --------------- */

bool host_alive(unsigned proc)
{
	return proc < NR_SLOTS && shared->slot[proc].pid;
}

void host_adopt(unsigned proc)
{
	static const char *const names[NR_PROC_FILES] = {"maps", "smaps", "status", "pagemap"};

	for (unsigned i = 0; i < NR_PROC_FILES; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/%s", shared->slot[proc].pid, names[i]);
		proc_fd[proc][i] = open(path, O_RDONLY | O_CLOEXEC);
		if (proc_fd[proc][i] < 0)
			skip("cannot open %s: %s", path, strerror(errno));
	}
}

void host_forget(unsigned proc)
{
	for (unsigned i = 0; i < NR_PROC_FILES; i++)
		close(proc_fd[proc][i]);
	shared->slot[proc].pid = 0;
}

void host_close(void)
{
	for (unsigned i = 0; i < NR_SLOTS; i++) {
		if (host_alive(i))
			kill(shared->slot[i].pid, SIGKILL);
		shared->slot[i].pid = 0;
	}
}

/* ---------------------------------------------------------------- the zygote ---------------- */

/* A worker that runs for ever dies of the limit, and the runner sees it. */
static void limit_processor(void)
{
	struct rlimit rl = {WORKER_SECONDS, WORKER_SECONDS};

	setrlimit(RLIMIT_CPU, &rl);
}

static void drop_privileges(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2];
	struct rlimit rl = {MEMLOCK, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &rl)) {
		getrlimit(RLIMIT_MEMLOCK, &rl);
		rl.rlim_cur = rl.rlim_max < MEMLOCK ? rl.rlim_max : MEMLOCK;
		setrlimit(RLIMIT_MEMLOCK, &rl);
	}
	memset(none, 0, sizeof(none));
	syscall(SYS_capset, &head, none);
}

/* The stack a worker will ever need, so that it does not grow later. */
static void __attribute__((noinline)) grow_stack(void)
{
	volatile char room[256 * 1024];

	for (unsigned i = 0; i < sizeof(room); i += 1024)
		room[i] = 1;
}

static bool start_of_heap_is(uintptr_t heap)
{
	const char *p;
	int fd = open("/proc/self/stat", O_RDONLY);

	p = strrchr(read_proc(fd), ')');
	close(fd);
	/* start_brk is field 47; the one after ')' is field 3 */
	for (unsigned field = 2; p && field < 47; field++)
		p = strchr(p + 1, ' ');
	return p && strtoull(p, NULL, 10) == heap;
}

static void note_own(uintptr_t start, uintptr_t end)
{
	unsigned n = shared->nr_own;

	if (n && shared->own[n - 1].end == start) {
		shared->own[n - 1].end = end;
	} else if (n < sizeof(shared->own) / sizeof(*shared->own)) {
		shared->own[n].start = start;
		shared->own[n].end = end;
		shared->nr_own++;
	}
}

/* What a worker has mapped itself; the windows must be free. */
static bool measure_own(void)
{
	int fd = open("/proc/self/maps", O_RDONLY);
	const char *p = read_proc(fd);

	close(fd);
	shared->nr_own = 0;
	for (; *p; p = next_line(p)) {
		struct segment s;
		unsigned page;

		parse_area(p, &s);
		if (page_number(s.start, &page) || page_number(s.end - 1, &page))
			return false;
		if (s.end == shared->heap)
			shared->heap_is_ours = false; /* the areas would become one */
		note_own((uintptr_t)s.start, (uintptr_t)s.end);
	}
	fd = open("/proc/self/status", O_RDONLY);
	p = read_proc(fd);
	close(fd);
	shared->base_size = status_bytes(p, "VmSize:");
	shared->base_data = status_bytes(p, "VmData:");
	return true;
}

_Noreturn static void zygote(void)
{
	uintptr_t heap = (uintptr_t)sbrk(0);

	limit_processor();
	drop_privileges();
	munmap(call_list, MAX_CALLS * sizeof(*call_list));
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	grow_stack();
	shared->heap = (heap + PAGE - 1) & ~(PAGE - 1);
	syscall(SYS_brk, shared->heap);
	shared->heap_is_ours = start_of_heap_is(shared->heap);
	shared->windows_free = measure_own();
	if (shared->windows_free)
		probe();
	probe_limits();
	shared->can_lock_all =
	    shared->base_size + MEMLOCK <= shared->host.hard_limit[OM_LIMIT_MEMLOCK];
	worker(ZYGOTE);
}

static void make_files(void)
{
	for (int i = 0; i < NR_FILES; i++) {
		char path[64];
		struct stat st;

		file_fd[i] = (int)syscall(SYS_memfd_create, "twin", 0);
		if (file_fd[i] < 0)
			skip("memfd_create: %s", strerror(errno));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd[i]);
		file_rdonly_fd[i] = open(path, O_RDONLY);
		if (file_rdonly_fd[i] < 0 || fstat(file_fd[i], &st))
			skip("%s: %s", path, strerror(errno));
		file_inode[i] = st.st_ino;
	}
	scratch_fd = (int)syscall(SYS_memfd_create, "scratch", 0);
	if (scratch_fd < 0 || ftruncate(scratch_fd, NR_SLOTS * 16 * PAGE))
		fail("host: memfd_create: %s", strerror(errno));
}

/* A call that does nothing, to see that the zygote is ready. */
void host_open(void)
{
	struct call nothing = {.kind = C_FSYNC, .proc = ZYGOTE};
	int pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	signal(SIGCHLD, SIG_IGN);
	shared->runner = getpid();
	memset(shared->slot, 0, sizeof(shared->slot));
	make_files();
	pid = fork();
	if (pid == 0)
		zygote();
	shared->slot[ZYGOTE].pid = pid;
	host_call(&nothing);
	if (!shared->windows_free)
		skip("the addresses of the test are taken here");
}
