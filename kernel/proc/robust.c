/*
 * robust.c: what the C library's locks ask of the kernel when a thread ends: the list of robust
 * futexes it holds (set_robust_list), and the word that pthread_join() waits on (set_tid_address).
 *
 * The list is in user memory and may be anything: it is followed for a limited number of steps.
 */
#include <linux/futex.h>

#include "futex.h"
#include "internal.h"
#include "sys.h"

#define LIST_STEPS 2048

/* A futex whose owner dies: mark it, and wake one that waits for it. */
static void owner_died(uintptr_t word, uint32_t tid)
{
	uint32_t value, old;

	do {
		if (user_get(value, word) || (value & FUTEX_TID_MASK) != tid)
			return;
		if (user_cmpxchg(word, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &old))
			return;
	} while (old != value);
	if (value & FUTEX_WAITERS)
		futex_wake_addr(word, 1);
}

static void follow_list(uintptr_t head_at, uint32_t tid)
{
	struct robust_list_head head;
	uintptr_t entry, pending;

	if (user_get(head, head_at))
		return;
	/* Bit 0 marks a futex with priority inheritance: there are none here. */
	pending = (uintptr_t)head.list_op_pending & ~1ul;
	entry = (uintptr_t)head.list.next & ~1ul;
	for (int i = 0; entry != head_at && i < LIST_STEPS; i++) {
		uintptr_t next;
		int err = user_get(next, entry);

		if (entry != pending)
			owner_died(entry + (uintptr_t)head.futex_offset, tid);
		if (err)
			return;
		entry = next & ~1ul;
	}
	if (pending)
		owner_died(pending + (uintptr_t)head.futex_offset, tid);
}

/* The running thread ends, or leaves its address space by exec. */
void robust_exit(void)
{
	struct thread *t = current;
	const int zero = 0;

	if (t->robust_list)
		follow_list(t->robust_list, (uint32_t)t->tid);
	t->robust_list = 0;
	if (t->clear_tid && !user_put(t->clear_tid, zero))
		futex_wake_addr(t->clear_tid, 1);
	t->clear_tid = 0;
}

/* ---------------------------------------------------------------- system calls -------------- */

long sys_set_robust_list(uintptr_t head, size_t size)
{
	if (size != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

long sys_get_robust_list(int tid, uintptr_t head, uintptr_t size)
{
	const size_t len = sizeof(struct robust_list_head);
	uintptr_t list = current->robust_list;
	struct thread *t;
	int err;

	if (tid) {
		spin_lock(&proc_lock);
		t = thread_find(tid);
		err = !t ? -ESRCH : may_trace(t->proc) ? 0 : -EPERM;
		list = err ? 0 : t->robust_list;
		spin_unlock(&proc_lock);
		if (err)
			return err;
	}
	return user_put(head, list) || user_put(size, len) ? -EFAULT : 0;
}

long sys_set_tid_address(uintptr_t tid)
{
	current->clear_tid = tid;
	return current->tid;
}
