/*
 * area.c: areas come and go, and change, in the reverse map: in the tree of their file here, and in
 * what the design keeps (design.h).
 */
#include "rmap/rmap.h"

/* Areas of a file that change their places keep out who goes through all of them (i_mmap.h). */
static void lock_file(struct om_system *sys, struct om_mapping *mapping)
{
	if (!mapping)
		return;
	om_rwsem_read(sys, &mapping->shape, OM_RANK_SHAPE);
	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
}

static void unlock_file(struct om_system *sys, struct om_mapping *mapping)
{
	if (!mapping)
		return;
	om_write_unlock(sys, &mapping->lock);
	om_rwsem_read_done(sys, &mapping->shape);
}

static void enqueue(struct om_vma *vma)
{
	om_tree_insert(vma->mm->sys, &vma->mapping->i_mmap, &vma->by_file, &om_file_tree.tree);
}

static void dequeue(struct om_vma *vma)
{
	om_tree_remove(vma->mm->sys, &vma->mapping->i_mmap, &vma->by_file, &om_file_tree.tree);
}

void om_rmap_vma_link(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_mapping *mapping = vma->mapping;

	if (!mapping) {
		om_anon_link(vma);
		return;
	}
	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	enqueue(vma);
	om_anon_link(vma);
	om_write_unlock(sys, &mapping->lock);
}

void om_rmap_vma_unlink(struct om_vma *vma)
{
	struct om_system *sys = vma->mm->sys;
	struct om_mapping *mapping = vma->mapping;

	if (!mapping) {
		om_anon_unlink(vma);
		return;
	}
	om_write_lock(sys, &mapping->lock, OM_RANK_MAPPING);
	dequeue(vma);
	om_anon_unlink(vma);
	om_write_unlock(sys, &mapping->lock);
}

static bool is_queued(const struct om_vma *vma)
{
	return vma && vma->mapping && vma->start != vma->end;
}

void om_rmap_change_begin(struct om_vma *vma, struct om_vma *partner)
{
	lock_file(vma->mm->sys, vma->mapping);
	if (is_queued(vma))
		dequeue(vma);
	if (is_queued(partner))
		dequeue(partner);
	om_anon_change_begin(vma, partner);
}

void om_rmap_change_end(struct om_vma *vma, struct om_vma *partner)
{
	om_anon_change_end(vma, partner);
	if (is_queued(vma))
		enqueue(vma);
	if (is_queued(partner))
		enqueue(partner);
	unlock_file(vma->mm->sys, vma->mapping);
}

void om_rmap_move_begin(struct om_vma *vma)
{
	lock_file(vma->mm->sys, vma->mapping);
	om_anon_move_begin(vma);
}

void om_rmap_move_end(struct om_vma *vma)
{
	om_anon_move_end(vma);
	unlock_file(vma->mm->sys, vma->mapping);
}
