/*
 * account.c: what all processes of a user have together, for the limits that count by user:
 * RLIMIT_NPROC and RLIMIT_SIGPENDING.
 *
 * A user has an account as long as a process has that real user number, or a signal is queued that
 * was sent to such a one. They are few, so a list will do; proc_lock guards it.
 */
#include "internal.h"
#include "kmem.h"

static struct list accounts = LIST_INIT(accounts);

static struct account *find_account(unsigned uid)
{
	struct account *a;

	list_for_each (a, &accounts, node)
		if (a->uid == uid)
			return a;
	return NULL;
}

struct account *account_get(unsigned uid)
{
	struct account *fresh = kmalloc(sizeof(*fresh)), *a;

	if (!fresh)
		return NULL;
	spin_lock(&proc_lock);
	a = find_account(uid);
	if (!a) {
		a = fresh;
		fresh = NULL;
		a->uid = uid;
		list_append(&accounts, &a->node);
	}
	a->refs++;
	spin_unlock(&proc_lock);
	kfree(fresh);
	return a;
}

void account_put(struct account *a)
{
	if (!a || --a->refs)
		return;
	list_remove(&a->node);
	kfree(a);
}
