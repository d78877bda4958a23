/*
 * space.c: address spaces of processes.
 *
 * The top-level table of each has the kernel's half: the three slots in use, copied from the
 * kernel's own root. The tables below them are shared, so what is mapped there later appears
 * everywhere.
 */
#include "kmem.h"
#include "om_arch.h"
#include "vm.h"

#define STACK_RESERVE (256ul << 20) /* kept free by mmap() below the top, for the stack */
#define GUARD_GAP     (256 * PAGE_SIZE)

/* The slot of an address in the top-level table. */
#define ROOT_SLOT(addr) ((addr) >> 39 & 511)

static void add_kernel_half(struct om_mm *mm)
{
	const om_pte_t *kernel = phys_to_virt(mmu.config.kernel_root);
	om_pte_t *root = frame_addr(om_mm_root(mm));

	root[ROOT_SLOT(DIRECT_MAP)] = kernel[ROOT_SLOT(DIRECT_MAP)];
	root[ROOT_SLOT(VMALLOC_START)] = kernel[ROOT_SLOT(VMALLOC_START)];
	root[ROOT_SLOT(KERNEL_BASE)] = kernel[ROOT_SLOT(KERNEL_BASE)];
}

static struct space *space_alloc(void)
{
	struct space *space = kmalloc(sizeof(*space));

	if (!space)
		return NULL;
	space->refs = 1;
	x86_mm_init(&mmu, &space->x86);
	return space;
}

int space_create(uintptr_t brk_start, struct space **out)
{
	const struct om_layout layout = {
	    .lowest = USER_LOWEST,
	    .highest = USER_LIMIT,
	    .mmap_base = USER_LIMIT - STACK_RESERVE,
	    .brk_start = ALIGN_UP(brk_start, PAGE_SIZE),
	    .guard_gap = GUARD_GAP,
	};
	struct space *space = space_alloc();
	int err;

	if (!space)
		return -ENOMEM;
	err = om_mm_create(vm, &layout, &space->x86, &space->mm);
	if (err) {
		kfree(space);
		return err;
	}
	add_kernel_half(space->mm);
	space->brk_start = layout.brk_start;
	*out = space;
	return 0;
}

/* What /proc and others know of a program is the same in its child. */
static void copy_facts(struct space *child, const struct space *parent)
{
	child->brk_start = parent->brk_start;
	child->code_start = parent->code_start;
	child->code_end = parent->code_end;
	child->stack_top = parent->stack_top;
	child->arg_start = parent->arg_start;
	child->arg_end = parent->arg_end;
	child->env_start = parent->env_start;
	child->env_end = parent->env_end;
	child->membarrier = parent->membarrier;
}

int space_fork(struct space *parent, struct space **out)
{
	struct space *child = space_alloc();
	int err;

	if (!child)
		return -ENOMEM;
	err = om_fork(parent->mm, &child->x86, &child->mm);
	if (err) {
		kfree(child);
		return err;
	}
	add_kernel_half(child->mm);
	copy_facts(child, parent);
	*out = child;
	return 0;
}

void space_get(struct space *space)
{
	atomic_fetch_add_explicit(&space->refs, 1, memory_order_relaxed);
}

void space_put(struct space *space)
{
	if (atomic_fetch_sub(&space->refs, 1) != 1)
		return;
	x86_mm_retire(&mmu, &space->x86);
	om_mm_destroy(space->mm);
	kfree(space);
}

void space_switch(struct space *space)
{
	BUG_ON(irqs_on());
	if (space)
		x86_switch(&mmu, &space->x86, om_mm_root(space->mm));
	else
		x86_switch(&mmu, NULL, 0);
}

void space_activate(struct space *space)
{
	unsigned long flags = irq_save();

	space_switch(space);
	irq_restore(flags);
}
