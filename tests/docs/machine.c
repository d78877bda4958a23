/*
 * machine.c: the rest of the kernel for the code of docs/porting.md, and a program that uses it.
 *
 * scripts/check-docs.sh puts the blocks of that page into one file, compiles it freestanding with
 * the port skeleton, and links it with this file into a program of the host. User accesses are made
 * by hand: walk the tables as an x86-64 MMU would, call page_fault() when it would fault.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <objrmap/objrmap.h>

#include "om_arch.h"
#include "port.h"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define PAGE ((uintptr_t)1 << OM_PAGE_SHIFT)

/* ---------------------------------------------------------------- of the page --------------- */

struct process {
	struct om_mm *mm;
	bool killed;
};
struct inode {
	uint64_t size;
	uint64_t disk_page;
	struct om_mapping *mapping;
};
struct memory_range {
	uint64_t start, end;
};
enum reason { NOT_MAPPED, NOT_ALLOWED, NO_PAGE, OUT_OF_MEMORY };

struct pipe {
	bool locked;
	char bytes[8];
	size_t n;
};
long pipe_read(struct pipe *p, struct om_mm *mm, uintptr_t user, size_t n);
bool vm_start(void);
int process_create(struct process *p);
int process_map(struct process *p, uintptr_t addr, size_t len);
void page_fault(struct process *p, uintptr_t addr, unsigned error);
int sys_fork(struct process *parent, struct process *child);
int sys_exec(struct process *p, const char *image, size_t size, uintptr_t *entry);
int sys_exec_file(struct process *p, struct inode *inode, uintptr_t *entry);
void sys_exit(struct process *p);
long sys_write_console(struct process *p, uintptr_t user, size_t len);
int inode_open(struct inode *inode);
void inode_close(struct inode *inode);
long sys_mmap_file(struct process *p, struct inode *inode, bool writable, uintptr_t addr,
                   size_t len, int prot, int flags, uint64_t offset);
long sys_read_file(struct process *p, struct inode *inode, uint64_t offset, uintptr_t user,
                   size_t len);
long sys_fsync(struct inode *inode);
long sys_ftruncate(struct inode *inode, uint64_t size);
int swap_start(struct inode *partition, unsigned *area);
void smp_switch(struct om_mm *mm);
void smp_flush_poll(void);
bool vm_selftest(void);
bool vm_is_sound(void *scratch);
extern const struct om_port_ops smp_ops;

/* ---------------------------------------------------------------- what it asks for ---------- */

/* As a kernel's own entries look: they must not disturb anybody. */
#define KERNEL_ENTRY 0x8000000000000223ul
extern om_pte_t kernel_half[256];
om_pte_t kernel_half[256];

static int last_reason = -1;
static char console[256];
static size_t console_len;
static unsigned unused_inodes;

void print(const char *text);
void print(const char *text)
{
	fprintf(stderr, "kernel: %s\n", text);
}

void kill_process(struct process *p, enum reason why, uintptr_t addr);
void kill_process(struct process *p, enum reason why, uintptr_t addr)
{
	(void)addr;
	p->killed = true;
	last_reason = (int)why;
}

void console_put(const char *text, size_t n);
void console_put(const char *text, size_t n)
{
	CHECK(console_len + n <= sizeof(console));
	memcpy(console + console_len, text, n);
	console_len += n;
}

/* ---- a pipe ---- */

void pipe_lock(struct pipe *p);
void pipe_lock(struct pipe *p)
{
	CHECK(!p->locked);
	p->locked = true;
}

void pipe_unlock(struct pipe *p);
void pipe_unlock(struct pipe *p)
{
	CHECK(p->locked);
	p->locked = false;
}

size_t pipe_ready(struct pipe *p, const char **bytes);
size_t pipe_ready(struct pipe *p, const char **bytes)
{
	CHECK(p->locked);
	*bytes = p->bytes;
	return p->n;
}

void pipe_consume(struct pipe *p, size_t n);
void pipe_consume(struct pipe *p, size_t n)
{
	CHECK(p->locked && n <= p->n);
	p->n -= n;
	memmove(p->bytes, p->bytes + n, p->n);
}

/* ---- the disk ---- */

#define DISK_PAGES 4096

static char disk[DISK_PAGES][1 << OM_PAGE_SHIFT];

bool disk_read(uint64_t disk_page, void *frame);
bool disk_read(uint64_t disk_page, void *frame)
{
	if (disk_page >= DISK_PAGES)
		return false;
	memcpy(frame, disk[disk_page], PAGE);
	return true;
}

bool disk_write(uint64_t disk_page, const void *frame);
bool disk_write(uint64_t disk_page, const void *frame)
{
	if (disk_page >= DISK_PAGES)
		return false;
	memcpy(disk[disk_page], frame, PAGE);
	return true;
}

bool disk_clear(uint64_t disk_page, uint64_t n);
bool disk_clear(uint64_t disk_page, uint64_t n)
{
	if (n > DISK_PAGES || disk_page > DISK_PAGES - n)
		return false;
	memset(disk[disk_page], 0, n * PAGE);
	return true;
}

void inode_is_modified(struct inode *inode);
void inode_is_modified(struct inode *inode)
{
	(void)inode;
}

void inode_is_unused(struct inode *inode);
void inode_is_unused(struct inode *inode)
{
	CHECK(!inode->mapping);
	unused_inodes++;
}

static struct inode *locked_inode;

void inode_lock(struct inode *inode);
void inode_lock(struct inode *inode)
{
	CHECK(!locked_inode);
	locked_inode = inode;
}

void inode_unlock(struct inode *inode);
void inode_unlock(struct inode *inode)
{
	CHECK(locked_inode == inode);
	locked_inode = NULL;
}

void inode_wait(struct inode *inode);
void inode_wait(struct inode *inode)
{
	(void)inode;
	CHECK(!"nobody else is there to wait for");
}

void inode_wake(struct inode *inode);
void inode_wake(struct inode *inode)
{
	CHECK(locked_inode == inode);
}

unsigned transactions_of_this_thread(void);
unsigned transactions_of_this_thread(void)
{
	return 0;
}

/* ---- threads and CPUs ---- */

struct queue {
	bool locked;
	unsigned sleeps, wakes;
};
static struct queue the_queue;

struct queue *queue_of(const void *key);
struct queue *queue_of(const void *key)
{
	(void)key;
	return &the_queue;
}
void queue_lock(struct queue *q);
void queue_lock(struct queue *q)
{
	CHECK(!q->locked);
	q->locked = true;
}
void queue_unlock(struct queue *q);
void queue_unlock(struct queue *q)
{
	CHECK(q->locked);
	q->locked = false;
}
void queue_sleep(struct queue *q, const void *key);
void queue_sleep(struct queue *q, const void *key)
{
	(void)key;
	CHECK(q->locked);
	q->sleeps++;
}
void queue_wake(struct queue *q, const void *key);
void queue_wake(struct queue *q, const void *key)
{
	(void)key;
	CHECK(q->locked);
	q->wakes++;
}

static unsigned running_cpu, invalidated[8];
static om_pfn_t loaded[8];

unsigned this_cpu(void);
unsigned this_cpu(void)
{
	return running_cpu;
}

/* The other CPU answers at once. */
void send_flush_interrupt(unsigned cpu);
void send_flush_interrupt(unsigned cpu)
{
	unsigned me = running_cpu;

	running_cpu = cpu;
	smp_flush_poll();
	running_cpu = me;
}

void invalidate(uintptr_t start, uintptr_t end);
void invalidate(uintptr_t start, uintptr_t end)
{
	CHECK(start < end);
	invalidated[running_cpu]++;
}

void load_root(om_pfn_t root);
void load_root(om_pfn_t root)
{
	loaded[running_cpu] = root;
}

struct thread {
	struct om_held held;
};
struct thread *current_thread(void);
struct thread *current_thread(void)
{
	static struct thread thread;

	return &thread;
}

void sleep_until_low(void);
void sleep_until_low(void)
{
}

void report_and_halt(void *ctx, const struct om_bug *bug);
void report_and_halt(void *ctx, const struct om_bug *bug)
{
	(void)ctx;
	print(bug->what);
	exit(1);
}

/* ---------------------------------------------------------------- the MMU ------------------- */

/* The byte at addr, or NULL: page fault. Needs the user bit and the right at every level. */
static char *walk(struct om_mm *mm, uintptr_t addr, bool write)
{
	om_pte_t need = PORT_P | PORT_U | (write ? PORT_W : 0), *entry;
	om_pfn_t pfn = om_mm_root(mm);

	for (unsigned level = OM_LEVELS; level > 0; level--) {
		unsigned shift = OM_PAGE_SHIFT + (level - 1) * OM_TABLE_SHIFT;

		entry = (om_pte_t *)port_frame(pfn) + (addr >> shift & 511);
		if ((*entry & need) != need)
			return NULL;
		*entry |= PORT_A | (write && level == 1 ? PORT_D : 0);
		pfn = (om_pfn_t)((*entry & PORT_PFN) >> OM_PAGE_SHIFT);
	}
	return (char *)port_frame(pfn) + (addr & (PAGE - 1));
}

/* One access of a program; false if it was killed. */
static bool access_byte(struct process *p, uintptr_t addr, char *byte, bool write)
{
	for (unsigned tries = 0; !p->killed; tries++) {
		char *at = walk(p->mm, addr, write);

		if (at) {
			*(write ? at : byte) = *(write ? byte : at);
			return true;
		}
		CHECK(tries < 100);
		page_fault(p, addr, write ? 2 : 0);
	}
	p->killed = false;
	return false;
}

static bool put(struct process *p, uintptr_t addr, char byte)
{
	return access_byte(p, addr, &byte, true);
}

static int get(struct process *p, uintptr_t addr)
{
	char byte;

	return access_byte(p, addr, &byte, false) ? byte : -1;
}

/* ---------------------------------------------------------------- what the page promises ---- */

#define BASE 0x40000000ul
#define RW   ((int)OM_PROT_READ | (int)OM_PROT_WRITE)

static struct om_system *sys;
static uint64_t scratch[PORT_FRAMES];

/* Into a page that is not there yet, over the end of it, and to nowhere. */
static void before_you_start(struct process *p)
{
	struct pipe pipe = {.bytes = "through", .n = 8};

	CHECK(pipe_read(&pipe, p->mm, BASE + 8 * PAGE - 3, 8) == 3);
	CHECK(get(p, BASE + 8 * PAGE - 3) == 't');
	CHECK(pipe_read(&pipe, p->mm, BASE + 8 * PAGE, 4) == 4);
	CHECK(pipe_read(&pipe, p->mm, 0x1000, 8) == -OM_EFAULT);
	CHECK(pipe_read(&pipe, p->mm, BASE + 8 * PAGE + 4, 8) == 1);
	CHECK(pipe_read(&pipe, p->mm, BASE, 8) == 0 && !pipe.locked);
	CHECK(get(p, BASE + 8 * PAGE) == 'o' && get(p, BASE + 8 * PAGE + 3) == 'h');
}

/* The table at the end of section 2. */
static void tier_1(void)
{
	struct process p = {0};

	CHECK(vm_start());
	CHECK(process_create(&p) == 0);
	sys = om_mm_system(p.mm);
	CHECK(om_mm_cookie(p.mm) == &p);
	CHECK(om_free_frames(sys) == 1021);
	CHECK(process_map(&p, BASE, 16 * PAGE) == 0);
	CHECK(om_free_frames(sys) == 1020);
	port_switch(p.mm);
	CHECK(put(&p, BASE, 'a'));
	CHECK(om_free_frames(sys) == 1016);
	CHECK(put(&p, BASE + PAGE, 'b'));
	CHECK(om_free_frames(sys) == 1015);
	CHECK(get(&p, BASE + 2 * PAGE) == 0);
	CHECK(om_free_frames(sys) == 1015);
	CHECK(get(&p, BASE) == 'a');
	CHECK(put(&p, 0x7ffffffd0000 - 0x8000, 's')); /* the stack grows */
	CHECK(get(&p, BASE - 1) == -1 && last_reason == NOT_MAPPED);
	CHECK(get(&p, 0xffff888000000000) == -1 && last_reason == NOT_MAPPED);
	before_you_start(&p);
	CHECK(om_mprotect(p.mm, BASE, PAGE, OM_PROT_NONE) == 0);
	CHECK(get(&p, BASE) == -1 && last_reason == NOT_ALLOWED);
	CHECK(om_mprotect(p.mm, BASE, PAGE, OM_PROT_READ) == 0);
	CHECK(get(&p, BASE) == 'a');
	CHECK(put(&p, BASE, 'x') == false && last_reason == NOT_ALLOWED);
	CHECK(vm_is_sound(scratch));
	sys_exit(&p);
	CHECK(om_free_frames(sys) == 1023);
}

/* A program: text, and data with 2 pages of .bss behind it. As a linker lays it out. */
struct program {
	struct {
		unsigned char ident[16];
		uint16_t type, machine;
		uint32_t version;
		uint64_t entry, segments, sections;
		uint32_t flags;
		uint16_t size, segment_size, nr_segments, section_size, nr_sections, names;
	} header;
	struct {
		uint32_t type, flags;
		uint64_t offset, addr, unused, file_size, size, align;
	} segment[3];
	char text[32], data[32], more[64];
};

#define TEXT 0x400000ul
#define DATA 0x601000ul

static struct program make_program(void)
{
	struct program e = {.text = "text", .data = "data", .more = "not of the program"};
	const size_t text = offsetof(struct program, text), data = offsetof(struct program, data);

	memcpy(e.header.ident, "\177ELF\2", 5);
	e.header.entry = TEXT + text;
	e.header.segments = offsetof(struct program, segment);
	e.header.segment_size = sizeof(e.segment[0]);
	e.header.nr_segments = 3;
	for (unsigned i = 0; i < 3; i++)
		e.segment[i].type = i ? 1 : 4; /* the first is a note */
	e.segment[1].flags = 5;
	e.segment[1].addr = TEXT;
	e.segment[1].file_size = e.segment[1].size = data;
	e.segment[2].flags = 6;
	e.segment[2].offset = data;
	e.segment[2].addr = DATA + data;
	e.segment[2].file_size = sizeof(e.data);
	e.segment[2].size = 2 * PAGE;
	return e;
}

/* What exec has made of it. */
static void check_program(struct process *p, uintptr_t entry)
{
	const uintptr_t data = DATA + offsetof(struct program, data), end = DATA + 3 * PAGE;
	struct om_vmainfo info;
	char text[8];
	size_t n;

	CHECK(entry == TEXT + offsetof(struct program, text));
	CHECK(om_read_string(p->mm, entry, text, sizeof(text), &n) == 0 && n == 4);
	CHECK(!strcmp(text, "text"));
	CHECK(!put(p, entry, 'x') && last_reason == NOT_ALLOWED);
	CHECK(om_vma_next(p->mm, TEXT, &info) && info.start == TEXT && info.end == TEXT + PAGE);
	CHECK(info.flags == (OM_VM_READ | OM_VM_EXEC | OM_VM_MAYWRITE));
	CHECK(get(p, data) == 'd' && get(p, data + 4) == 0);
	for (uintptr_t a = data + 32; a < data + 2 * PAGE; a += 16)
		CHECK(get(p, a) == 0);
	CHECK(put(p, data, 'D') && put(p, data + 2 * PAGE - 1, 'E'));
	CHECK(get(p, BASE) == -1);
	CHECK(om_brk(p->mm, 0) == end);
	CHECK(om_brk(p->mm, end + 10) == end + 10 && put(p, end, 'h'));
	CHECK(vm_is_sound(scratch));
}

static void exec_fails(struct process *p, struct program e, size_t size, int err)
{
	uintptr_t entry;

	CHECK(sys_exec(p, (const char *)&e, size, &entry) == err);
	CHECK(vm_is_sound(scratch));
}

static void exec(struct process *p)
{
	struct program e = make_program(), bad = e;
	uintptr_t entry;

	CHECK(sys_exec(p, (const char *)&e, sizeof(e), &entry) == 0);
	check_program(p, entry);
	bad.header.ident[1] = 'e';
	exec_fails(p, bad, sizeof(e), -OM_EINVAL);
	exec_fails(p, e, 10, -OM_EINVAL);
	exec_fails(p, e, offsetof(struct program, text) - 1, -OM_EINVAL);
	exec_fails(p, e, offsetof(struct program, data) + 31, -OM_EINVAL); /* data is cut off */
	bad = e;
	bad.segment[2].addr = UINT64_MAX - 100;
	exec_fails(p, bad, sizeof(e), -OM_EINVAL);
	bad.segment[2].addr = TEXT + 0x800; /* on a page of the text */
	exec_fails(p, bad, sizeof(e), -OM_EEXIST);
	CHECK(sys_exec(p, (const char *)&e, sizeof(e), &entry) == 0);
	check_program(p, entry);
}

static void exec_file(struct process *p)
{
	struct inode inode = {.size = sizeof(struct program), .disk_page = 10};
	struct program e = make_program();
	uintptr_t entry;

	memcpy(disk[10], &e, sizeof(e));
	CHECK(inode_open(&inode) == 0);
	CHECK(sys_exec_file(p, &inode, &entry) == 0);
	check_program(p, entry);
	CHECK(sys_exec_file(p, &inode, &entry) == 0); /* what was written is not in the file */
	check_program(p, entry);
	CHECK(om_mapping_truncate(inode.mapping, 20) == 0);
	inode.size = 20;
	CHECK(sys_exec_file(p, &inode, &entry) == -OM_EINVAL);
	inode_close(&inode);
	om_mm_empty(p->mm);
	CHECK(!inode.mapping);
}

static void tier_2(void)
{
	struct process p = {0}, c = {0};
	struct om_sysinfo info;

	CHECK(process_create(&p) == 0 && process_map(&p, BASE, 16 * PAGE) == 0);
	CHECK(put(&p, BASE, 'p') && put(&p, BASE + PAGE, 'p'));
	CHECK(sys_fork(&p, &c) == 0);
	CHECK(put(&c, BASE, 'c'));
	CHECK(get(&p, BASE) == 'p' && get(&c, BASE) == 'c' && get(&c, BASE + PAGE) == 'p');
	om_sysinfo(sys, &info);
	CHECK(info.event[OM_EV_FAULT_COW] == 1);
	CHECK(om_write(p.mm, BASE, "hello, console", 14, NULL) == 0);
	CHECK(sys_write_console(&p, BASE, 14) == 14);
	CHECK(console_len == 14 && !memcmp(console, "hello, console", 14));
	CHECK(sys_write_console(&p, 0x1000, 1) == -OM_EFAULT);
	CHECK(vm_is_sound(scratch));
	exec(&c);
	sys_exit(&c);
	sys_exit(&p);
	CHECK(om_free_frames(sys) == 1023);
}

static void tier_3(void)
{
	struct inode inode = {.size = 3 * PAGE + 100, .disk_page = 0};
	struct process p = {0};
	unsigned unused = unused_inodes;
	long addr;

	for (int i = 0; i < 4; i++)
		memset(disk[i], '0' + i, PAGE);
	CHECK(process_create(&p) == 0 && process_map(&p, BASE, 16 * PAGE) == 0);
	CHECK(inode_open(&inode) == 0 && inode_open(&inode) == 0);
	inode_close(&inode);
	CHECK(sys_mmap_file(&p, &inode, false, 0, 4 * PAGE, RW, OM_MAP_SHARED, 0) == -OM_EACCES);
	addr = sys_mmap_file(&p, &inode, true, 0, 8 * PAGE, RW, OM_MAP_SHARED, 0);
	CHECK(addr > 0);
	CHECK(get(&p, (uintptr_t)addr + PAGE) == '1');
	CHECK(get(&p, (uintptr_t)addr + 3 * PAGE + 99) == '3');
	CHECK(get(&p, (uintptr_t)addr + 3 * PAGE + 100) == 0);
	CHECK(get(&p, (uintptr_t)addr + 4 * PAGE) == -1 && last_reason == NO_PAGE);
	CHECK(put(&p, (uintptr_t)addr + 2 * PAGE, '!'));
	CHECK(disk[2][0] == '2');
	CHECK(sys_read_file(&p, &inode, 2 * PAGE, BASE, PAGE) == (long)PAGE);
	CHECK(get(&p, BASE) == '!' && get(&p, BASE + 1) == '2');
	CHECK(sys_fsync(&inode) == 0);
	CHECK(disk[2][0] == '!');
	CHECK(sys_ftruncate(&inode, PAGE) == 0);
	CHECK(get(&p, (uintptr_t)addr) == '0' && get(&p, (uintptr_t)addr + PAGE) == -1);
	CHECK(vm_is_sound(scratch));
	inode_close(&inode);
	CHECK(unused_inodes == unused);
	exec_file(&p);
	CHECK(unused_inodes == unused + 2);
	sys_exit(&p);
	CHECK(om_free_frames(sys) == 1023);
}

static void tier_4(void)
{
	struct inode partition = {.size = 2048 * PAGE, .disk_page = 1024};
	struct process p = {0};
	unsigned area;

	CHECK(swap_start(&partition, &area) == 0);
	CHECK(process_create(&p) == 0 && process_map(&p, BASE, 2000 * PAGE) == 0);
	for (uintptr_t i = 0; i < 2000; i++)
		CHECK(put(&p, BASE + i * PAGE, (char)(i % 101)));
	CHECK(port_reclaim(sys, 32));
	CHECK(om_free_frames(sys) >= 32);
	for (uintptr_t i = 0; i < 2000; i++)
		CHECK(get(&p, BASE + i * PAGE) == (int)(i % 101));
	CHECK(vm_is_sound(scratch));
	CHECK(vm_selftest());
	sys_exit(&p);
	CHECK(om_swapoff(sys, area) == 0);
	CHECK(om_free_frames(sys) == 1023);
}

static bool is_blocked(const void *arg)
{
	return *(const bool *)arg;
}

/* The hooks for several CPUs, called by hand. */
static void tier_5(void)
{
	struct process p = {0}, q = {0};
	bool blocked = true;

	CHECK(process_create(&p) == 0 && process_create(&q) == 0);
	for (running_cpu = 0; running_cpu < 3; running_cpu++)
		smp_switch(running_cpu == 2 ? q.mm : p.mm);
	running_cpu = 0;
	CHECK(loaded[1] == om_mm_root(p.mm) && loaded[2] == om_mm_root(q.mm));
	smp_ops.flush(NULL, p.mm, 0, PAGE, OM_FLUSH_PAGES);
	CHECK(invalidated[0] == 1 && invalidated[1] == 1 && invalidated[2] == 0);
	smp_ops.flush(NULL, q.mm, 0, PAGE, OM_FLUSH_TABLES);
	CHECK(invalidated[0] == 1 && invalidated[1] == 1 && invalidated[2] == 1);
	smp_ops.wait(NULL, &blocked, is_blocked, &blocked);
	smp_ops.wake(NULL, &blocked);
	CHECK(the_queue.sleeps == 1 && the_queue.wakes == 1 && !the_queue.locked);
	CHECK(smp_ops.held(NULL)->depth == 0);
	sys_exit(&p);
	sys_exit(&q);
}

int main(void)
{
	for (unsigned i = 0; i < 256; i++)
		kernel_half[i] = KERNEL_ENTRY;
	tier_1();
	tier_2();
	tier_3();
	tier_4();
	tier_5();
	CHECK(om_system_fini(sys) == 0);
	return 0;
}
