/*
 * process.c: a process is an address space, and the registers to go on with.
 *
 * Its program is a file to objrmap, with the image in the kernel as the store: it is read on
 * demand, like everything else.
 */
#include "tiny.h"

#define TEXT      0x400000ul /* user/program.ld */
#define STACK_TOP 0x7fffff000000ul
#define USER_SS   0x13 /* boot.S */
#define USER_CS   0x1b

extern const om_pte_t kernel_root[512];

static struct process table[8], *const table_end = table + 8;

struct process *current = table;

static struct process *find_free(void)
{
	for (struct process *p = table; p < table_end; p++)
		if (!p->mm && !p->parent)
			return p;
	return NULL;
}

/* The kernel's half of an address space. It goes in before anybody can load the root. */
static void add_kernel(struct om_mm *mm)
{
	om_pte_t *root = om_arch_frame(NULL, om_mm_root(mm));

	root[511] = kernel_root[511];
}

static int program_read(void *store, uint64_t first, unsigned n, void *const frame[])
{
	const struct program *program = store;

	for (unsigned i = 0; i < n; i++) {
		const char *from = program->start + (first + i) * PAGE;

		memset(frame[i], 0, PAGE);
		memcpy(frame[i], from, MIN((size_t)(program->end - from), PAGE));
	}
	return 0;
}

/* At `addr`, or if that is 0, where there is room. Answers with the address. */
long process_map(struct process *p, uintptr_t addr, size_t len, int prot, int flags,
                 struct om_mapping *file)
{
	flags |= OM_MAP_PRIVATE | (addr ? OM_MAP_FIXED : 0);
	struct om_map_request r = {addr, len, prot, flags, file, 0};
	int err = om_mmap(p->mm, &r);

	return err ? err : (long)r.addr;
}

/* With its program, and a stack that grows. */
void process_start(struct program *program)
{
	static const struct om_store_ops ops = {.read = program_read};
	static const struct om_layout layout = {.lowest = 0x10000,
	                                        .highest = 0x7ffffffff000,
	                                        .mmap_base = 0x7f0000000000};
	size_t size = (size_t)(program->end - program->start);
	struct process *p = find_free();
	struct om_mapping *file;

	if (!p || om_mm_create(vm, &layout, NULL, &p->mm) ||
	    om_mapping_create(vm, &ops, program, size, &file) ||
	    process_map(p, TEXT, size, OM_PROT_READ | OM_PROT_EXEC, 0, file) < 0 ||
	    process_map(p, STACK_TOP - PAGE, PAGE, PROT_RW, OM_MAP_GROWSDOWN, NULL) < 0)
		panic("%s does not start", program->name);
	om_mapping_put(file); /* the area has a reference of its own */
	om_set_limit(p->mm, OM_LIMIT_STACK, 16 * PAGE);
	add_kernel(p->mm);
	p->name = program->name;
	p->regs = (struct regs){.rip = TEXT, .cs = USER_CS, .rsp = STACK_TOP, .ss = USER_SS};
}

long process_fork(struct process *parent)
{
	struct process *child = find_free();
	struct om_mm *mm;
	int err = child ? om_fork(parent->mm, NULL, &mm) : -OM_EAGAIN;

	if (err)
		return err;
	add_kernel(mm);
	*child = (struct process){mm, parent, parent->name, .regs = parent->regs};
	child->regs.rax = 0;
	return child - table + 1;
}

long process_wait(struct process *parent)
{
	for (struct process *p = table; p < table_end; p++)
		if (p->parent == parent && !p->mm) {
			p->parent = NULL;
			return p->status;
		}
	return -OM_EAGAIN;
}

/* No CPU may have an address space loaded when it goes. */
void process_end(struct process *ended, long status)
{
	memory_check();
	x86_write_cr3((uintptr_t)kernel_root - X86_DIRECT_MAP);
	om_mm_destroy(ended->mm);
	ended->mm = NULL;
	ended->status = status;
	for (struct process *p = table; p < table_end; p++)
		if (p->parent == ended)
			p->parent = NULL;
	process_next();
}

/* Switch to the next one. Who waits has a child that runs: when nobody does, all have ended. */
void process_next(void)
{
	struct process *last = current;

	do
		current = current + 1 < table_end ? current + 1 : table;
	while (!current->mm && current != last);
	if (!current->mm)
		memory_end();
	x86_write_cr3((uint64_t)om_mm_root(current->mm) << OM_PAGE_SHIFT);
}
