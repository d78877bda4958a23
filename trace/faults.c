/*
 * faults.c: page faults, as the kernel samples them for perf.
 *
 * Three ways, the best one first: the tracepoints exceptions:page_fault_user and page_fault_kernel (a system
 * call can fault, too), which know whether it was a read, a write or a fetch; the software event of page
 * faults, which does not; and this without the faults of system calls, which is all that others than root
 * are allowed. Each processor has a buffer of its own; children inherit the sampling.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "record.h"

/* Of each processor's buffer, powers of two; who is not root may only lock so much. */
#define RING_BYTES      (8u << 20)
#define RING_BYTES_USER (512u << 10)

static struct ring {
	int fd;
	struct perf_event_mmap_page *head; /* and then the bytes */
} rings[FAULT_CPUS];
static int nr_rings;
static size_t ring_bytes;
static bool tracepoints;
static uint64_t lost;

/* ---------------------------------------------------------------- opening ------------------- */

static const char *const tracefs[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

/* The number of a tracepoint that has the fields where `struct sample` has them; 0: there is none. */
static unsigned tracepoint(const char *name)
{
	char path[128], line[256];
	unsigned id = 0, fields = 0;
	FILE *f = NULL;

	for (size_t i = 0; i < sizeof(tracefs) / sizeof(*tracefs) && !f; i++) {
		snprintf(path, sizeof(path), "%s/events/exceptions/%s/format", tracefs[i], name);
		f = fopen(path, "r");
	}
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "ID: %u", &id);
		fields += strstr(line, " address;\toffset:8;") ||
		          strstr(line, " ip;\toffset:16;") ||
		          strstr(line, " error_code;\toffset:24;");
	}
	fclose(f);
	return fields == 3 ? id : 0;
}

static int open_event(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	attr->size = sizeof(*attr);
	attr->sample_period = 1;
	attr->inherit = 1;
	attr->use_clockid = 1;
	attr->clockid = 1; /* CLOCK_MONOTONIC */
	attr->watermark = 1;
	attr->wakeup_watermark = (uint32_t)ring_bytes / 8;
	return (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static bool add_ring(int fd)
{
	size_t bytes = ring_bytes + (size_t)sysconf(_SC_PAGESIZE);
	void *head = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (head == MAP_FAILED || nr_rings == FAULT_CPUS)
		return false;
	rings[nr_rings++] = (struct ring){fd, head};
	return true;
}

static bool open_tracepoints(pid_t pid, int cpu, unsigned user, unsigned kernel)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT,
	                               .config = user,
	                               .sample_type =
	                                   PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_RAW};
	int fd = open_event(&attr, pid, cpu), other;

	if (fd < 0 || !add_ring(fd))
		return false;
	attr.config = kernel;
	other = open_event(&attr, pid, cpu);
	return other >= 0 && !ioctl(other, PERF_EVENT_IOC_SET_OUTPUT, fd);
}

static bool open_software(pid_t pid, int cpu, bool user_only)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
	                               .config = PERF_COUNT_SW_PAGE_FAULTS,
	                               .exclude_kernel = user_only,
	                               .sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID |
	                                              PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR};
	int fd = open_event(&attr, pid, cpu);

	return fd >= 0 && add_ring(fd);
}

static void close_rings(void)
{
	while (nr_rings) {
		nr_rings--;
		munmap(rings[nr_rings].head, ring_bytes + (size_t)sysconf(_SC_PAGESIZE));
		close(rings[nr_rings].fd);
	}
}

enum way { TRACEPOINTS, SOFTWARE, SOFTWARE_USER, NR_WAYS };

/* On all processors, or on none. */
static bool try(pid_t pid, enum way way)
{
	unsigned user = tracepoint("page_fault_user"), kernel = tracepoint("page_fault_kernel");
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), cpu = 0;
	bool good = way != TRACEPOINTS || (user && kernel);

	ring_bytes = way == SOFTWARE_USER ? RING_BYTES_USER : RING_BYTES;
	for (; good && cpu < cpus; cpu++)
		good = way == TRACEPOINTS ? open_tracepoints(pid, cpu, user, kernel)
		                          : open_software(pid, cpu, way == SOFTWARE_USER);
	if (!good)
		close_rings();
	return good;
}

unsigned faults_open(pid_t pid)
{
	static const char *const shortcoming[NR_WAYS] = {
	    [SOFTWARE] = "reads and writes are not told apart: no tracepoints of page faults",
	    [SOFTWARE_USER] = "reads and writes are not told apart, and faults inside of system "
	                      "calls are not seen: that is not allowed",
	};

	for (enum way way = TRACEPOINTS; way < NR_WAYS; way++) {
		if (!try(pid, way))
			continue;
		if (shortcoming[way])
			fprintf(stderr, "objrmap-record: warning: %s\n", shortcoming[way]);
		tracepoints = way == TRACEPOINTS;
		return tracepoints ? TRACE_FAULTS | TRACE_KINDS : TRACE_FAULTS;
	}
	fprintf(stderr,
	        "objrmap-record: warning: page faults cannot be sampled (%s; see "
	        "/proc/sys/kernel/perf_event_paranoid): none are recorded\n",
	        strerror(errno));
	return 0;
}

/* ---------------------------------------------------------------- reading ------------------- */

struct sample {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t time;
	uint32_t raw_size;
	uint32_t raw[2]; /* what all tracepoints have; then the fields, not aligned */
	unsigned char fields[24];
};

struct software_sample {
	struct perf_event_header header;
	uint64_t ip;
	uint32_t pid, tid;
	uint64_t time, addr;
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

enum { ERROR_WRITE = 2, ERROR_FETCH = 16 }; /* of an x86 processor */

static void note_sample(const void *record)
{
	const struct software_sample *soft = record;
	const struct sample *s = record;
	uint64_t field[3]; /* address, ip, error code */

	if (!tracepoints) {
		note_fault(soft->time, (pid_t)soft->pid, soft->addr,
		           soft->addr == soft->ip ? TRACE_EXEC : TRACE_UNKNOWN);
		return;
	}
	memcpy(field, s->fields, sizeof(field));
	note_fault(s->time, (pid_t)s->pid, field[0],
	           field[2] & ERROR_FETCH   ? TRACE_EXEC
	           : field[2] & ERROR_WRITE ? TRACE_WRITE
	                                    : TRACE_READ);
}

/* Records may wrap around the ring's end. */
static void copy_out(const struct ring *r, uint64_t at, void *to, size_t n)
{
	const char *bytes = (const char *)r->head + sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < n; i++)
		((char *)to)[i] = bytes[(at + i) & (ring_bytes - 1)];
}

static void drain(struct ring *r)
{
	uint64_t end = __atomic_load_n(&r->head->data_head, __ATOMIC_ACQUIRE),
	         at = r->head->data_tail;
	struct perf_event_header header;
	uint64_t record[32];

	while (at < end) {
		copy_out(r, at, &header, sizeof(header));
		copy_out(r, at, record,
		         header.size < sizeof(record) ? header.size : sizeof(record));
		if (header.type == PERF_RECORD_SAMPLE)
			note_sample(record);
		else if (header.type == PERF_RECORD_LOST)
			lost += ((struct lost_record *)(void *)record)->lost;
		at += header.size;
	}
	__atomic_store_n(&r->head->data_tail, at, __ATOMIC_RELEASE);
}

void faults_drain(void)
{
	for (int i = 0; i < nr_rings; i++)
		drain(&rings[i]);
}

int faults_fds(int *fds)
{
	for (int i = 0; i < nr_rings; i++)
		fds[i] = rings[i].fd;
	return nr_rings;
}

uint64_t faults_lost(void)
{
	return lost;
}
