/*
 * events.c: everything that happened, put in order by time, and written as a trace.
 *
 * Processes become address spaces here, in the order of events: a fork gives a new one, a child that shares
 * its parent's memory (vfork) has none of its own until it executes a program, and an address space goes
 * with the last process that uses it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record.h"

#define PAGE_SHIFT TRACE_PAGE_SHIFT

enum what { CALL, FORK, VFORK, EXEC, EXIT };

struct event {
	uint64_t time;
	size_t order; /* among those of one time */
	enum what what;
	pid_t pid, child;
	struct trace_record r;
};

struct fault {
	uint64_t time;
	uint64_t page; /* and the kind, in the highest bits */
	pid_t pid;
};
#define KIND_SHIFT 60

static struct event *events;
static size_t nr_events, max_events;
static struct fault *faults;
static size_t nr_faults, max_faults;

struct file {
	uint64_t device, inode;
};
static struct file *files;
static size_t nr_files, max_files;

uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---------------------------------------------------------------- noting -------------------- */

static void *grown(void *array, size_t n, size_t *max, size_t size)
{
	if (n < *max)
		return array;
	*max = *max ? 2 * *max : 1024;
	return must(realloc(array, *max * size));
}

static struct event *note(uint64_t time, pid_t pid, enum what what)
{
	struct event *e;

	events = grown(events, nr_events, &max_events, sizeof(*events));
	e = &events[nr_events];
	*e = (struct event){.time = time, .order = nr_events, .what = what, .pid = pid};
	nr_events++;
	return e;
}

void note_call(uint64_t time, pid_t pid, enum trace_op op, uint64_t addr, uint64_t a, uint64_t b,
               uint64_t c, uint64_t d, uint64_t e)
{
	note(time, pid, CALL)->r =
	    (struct trace_record){.op = op, .addr = addr, .arg = {a, b, c, d, e}};
}

void note_fork(uint64_t time, pid_t pid, pid_t child, bool shares_memory)
{
	note(time, pid, shares_memory ? VFORK : FORK)->child = child;
}

void note_exec(uint64_t time, pid_t pid)
{
	note(time, pid, EXEC);
}

void note_exit(uint64_t time, pid_t pid)
{
	note(time, pid, EXIT);
}

void note_fault(uint64_t time, pid_t pid, uint64_t addr, enum trace_kind kind)
{
	uint64_t page = addr >> PAGE_SHIFT;

	if (page >= TRACE_PAGES_MAX)
		return; /* the kernel's */
	faults = grown(faults, nr_faults, &max_faults, sizeof(*faults));
	faults[nr_faults++] = (struct fault){time, page | (uint64_t)kind << KIND_SHIFT, pid};
}

unsigned note_file(uint64_t device, uint64_t inode, bool memory)
{
	for (size_t i = 0; inode && i < nr_files; i++)
		if (files[i].device == device && files[i].inode == inode)
			return (unsigned)i + 1;
	files = grown(files, nr_files, &max_files, sizeof(*files));
	files[nr_files++] = (struct file){device, inode};
	note_call(0, 0, TRACE_FILE, 0, nr_files - 1, memory, 0, 0, 0);
	return (unsigned)nr_files;
}

/* ---------------------------------------------------------------- processes ----------------- */

#define NO_SPACE UINT32_MAX

struct process {
	pid_t pid;
	uint32_t space; /* NO_SPACE: not one of ours, or gone */
};
static struct process *processes;
static size_t nr_processes, max_processes;
static unsigned *users; /* of each space: processes */
static uint32_t nr_spaces;
static size_t max_spaces;

static uint32_t *space_of(pid_t pid)
{
	for (size_t i = nr_processes; i-- > 0;)
		if (processes[i].pid == pid)
			return &processes[i].space;
	processes = grown(processes, nr_processes, &max_processes, sizeof(*processes));
	processes[nr_processes] = (struct process){pid, NO_SPACE};
	return &processes[nr_processes++].space;
}

static void forget(pid_t pid)
{
	size_t i = 0;

	while (i < nr_processes && processes[i].pid != pid)
		i++;
	if (i < nr_processes)
		processes[i] = processes[--nr_processes];
}

static uint32_t new_space(void)
{
	users = grown(users, nr_spaces, &max_spaces, sizeof(*users));
	users[nr_spaces] = 1;
	return nr_spaces++;
}

static void put(struct trace_writer *w, enum trace_op op, uint32_t space, uint64_t other)
{
	trace_put(w, &(struct trace_record){.op = op, .space = space, .arg = {other}});
}

static void forked(struct trace_writer *w, const struct event *e)
{
	uint32_t parent = *space_of(e->pid), child;

	if (parent == NO_SPACE)
		return;
	if (e->what == VFORK) {
		users[parent]++;
		*space_of(e->child) = parent;
		return;
	}
	child = new_space();
	*space_of(e->child) = child;
	put(w, TRACE_FORK, parent, child);
}

static void executed(struct trace_writer *w, const struct event *e)
{
	uint32_t *space = space_of(e->pid);

	if (*space != NO_SPACE && users[*space] == 1) {
		put(w, TRACE_CLEAR, *space, 0);
		return;
	}
	if (*space != NO_SPACE)
		users[*space]--;
	*space = new_space();
	put(w, TRACE_START, *space, *space);
}

static void exited(struct trace_writer *w, const struct event *e)
{
	uint32_t space = *space_of(e->pid);

	if (space != NO_SPACE && --users[space] == 0)
		put(w, TRACE_EXIT, space, 0);
	forget(e->pid);
}

/* ---------------------------------------------------------------- writing ------------------- */

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

/* Those of one processor are in order already; of two, a glance is enough. */
static int by_fault_time(const void *a, const void *b)
{
	const struct fault *x = a, *y = b;

	return (x->time > y->time) - (x->time < y->time);
}

static void write_call(struct trace_writer *w, struct event *e)
{
	uint32_t space;

	if (e->r.op == TRACE_FILE) {
		trace_put(w, &e->r);
		return;
	}
	space = *space_of(e->pid);
	if (space == NO_SPACE)
		return;
	e->r.space = space;
	trace_put(w, &e->r);
}

static void write_event(struct trace_writer *w, struct event *e)
{
	switch (e->what) {
	case CALL:
		write_call(w, e);
		break;
	case FORK:
	case VFORK:
		forked(w, e);
		break;
	case EXEC:
		executed(w, e);
		break;
	case EXIT:
		exited(w, e);
		break;
	}
}

static bool write_fault(struct trace_writer *w, const struct fault *f)
{
	uint32_t space = *space_of(f->pid);

	if (space == NO_SPACE)
		return false;
	trace_put(w, &(struct trace_record){.op = TRACE_FAULT,
	                                    .space = space,
	                                    .addr = f->page & ((UINT64_C(1) << KIND_SHIFT) - 1),
	                                    .arg = {f->page >> KIND_SHIFT}});
	return true;
}

void write_events(const char *path, unsigned flags, const char *command)
{
	struct trace_writer *w = must(trace_create(path, flags, command));
	size_t e = 0, written = 0;

	qsort(events, nr_events, sizeof(*events), by_time);
	if (nr_faults)
		qsort(faults, nr_faults, sizeof(*faults), by_fault_time);
	for (size_t f = 0; f < nr_faults; f++) {
		while (e < nr_events && events[e].time <= faults[f].time)
			write_event(w, &events[e++]);
		written += write_fault(w, &faults[f]);
	}
	while (e < nr_events)
		write_event(w, &events[e++]);
	if (!trace_finish(w))
		die(path);
	fprintf(stderr, "objrmap-record: %s: %u address spaces, %zu calls, %zu faults\n", path,
	        nr_spaces, nr_events, written);
}
