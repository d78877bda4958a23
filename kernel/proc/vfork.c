/*
 * vfork.c: the parent of a vfork() waits while the child uses its address space.
 */
#include "internal.h"

void vfork_init(struct vfork *vfork, struct proc *child)
{
	waitq_init(&vfork->q);
	vfork->done = false;
	child->vfork = vfork;
}

void vfork_wait(struct vfork *vfork, struct proc *child)
{
	struct waiter w;

	while (!vfork->done && !current->dying) {
		wait_begin(&vfork->q, &w, THREAD_INTERRUPTIBLE);
		if (!vfork->done && !current->dying)
			schedule();
		wait_end(&w);
	}
	/* The lock: vfork_done() may still be at it, and `vfork` is on this stack. */
	spin_lock(&proc_lock);
	if (child->vfork == vfork)
		child->vfork = NULL;
	/* In the meantime they were those of the child. */
	limits_apply(current->proc, current->space);
	spin_unlock(&proc_lock);
}

void vfork_done(struct proc *p)
{
	if (!p->vfork)
		return;
	p->vfork->done = true;
	wake_all(&p->vfork->q);
	p->vfork = NULL;
}
