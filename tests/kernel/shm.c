/* shm.c: System V shared memory. */
#include "test.h"

#include <sys/ipc.h>
#include <sys/shm.h>

static void *volatile nowhere = (void *)16;

static key_t key; /* another in each run, so that nothing is there already */

static void says(const char *what, int id)
{
	struct shmid_ds d;

	if (shmctl(id, IPC_STAT, &d))
		say("%s: %s", what, strerrorname_np(errno));
	else
		say("%s: size %zu, mode %o, attached %lu, by this process %d, times %d %d", what,
		    d.shm_segsz, d.shm_perm.mode, (unsigned long)d.shm_nattch,
		    d.shm_cpid == getpid(), d.shm_atime != 0, d.shm_ctime != 0);
}

static void attached(const char *what, void *got, void *want)
{
	if (got == (void *)-1)
		say("%s: %s", what, strerrorname_np(errno));
	else
		say("%s: %s", what, !want || got == want ? "ok" : "elsewhere");
}

static void keys(void)
{
	int id;

	result("no such key", shmget(key, PAGE, 0600));
	result("size 0", shmget(key, 0, IPC_CREAT | 0600));
	id = shmget(key, 2 * PAGE + 1, IPC_CREAT | IPC_EXCL | 0640);
	say("new: %d", id >= 0);
	result("again, exclusive", shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600));
	say("again: %d", shmget(key, 2 * PAGE + 1, IPC_CREAT | 0600) == id);
	say("smaller: %d", shmget(key, PAGE, 0) == id);
	say("size 0: %d", shmget(key, 0, 0) == id);
	result("larger", shmget(key, 2 * PAGE + 2, 0));
	says("new", id);
	result("remove", shmctl(id, IPC_RMID, NULL));
	result("gone", shmget(key, PAGE, 0600));
	says("gone", id);
	result("remove again", shmctl(id, IPC_RMID, NULL));
	result("no such command", shmctl(id, 99, NULL));
	result("negative", shmctl(-1, IPC_RMID, NULL));
}

static int the_id;

static void writes_in_child(void)
{
	char *p = shmat(the_id, NULL, 0);

	p[PAGE] = 'C';
	says("in the child", the_id);
}

static void attaching(void)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE - 1, 0600);
	char *p, *q, *at = hole(8);
	struct shmid_ds d;

	the_id = id;
	p = shmat(id, NULL, 0);
	attached("anywhere", p, NULL);
	say("zero: %s", letters(p, 3));
	strcpy(p, "Parent");
	says("attached", id);
	q = shmat(id, at, SHM_RDONLY);
	attached("read-only, at an address", q, at);
	say("it: %s", q);
	store("write to it", q, 'x');
	result("protect", mprotect(q, PAGE, RW));
	says("twice", id);
	attached("over it", shmat(id, at + PAGE, 0), NULL);
	attached("over it, replacing", shmat(id, at + PAGE, SHM_REMAP), at + PAGE);
	say("both: %s", letters(at, 4));
	attached("not aligned", shmat(id, at + 8 * PAGE - 1, 0), NULL);
	attached("rounded", shmat(id, at + 5 * PAGE - 1, SHM_RND), at + 4 * PAGE);
	attached("replacing anything", shmat(id, NULL, SHM_REMAP), NULL);
	attached("no such segment", shmat(-1, NULL, 0), NULL);
	in_child("a child", writes_in_child);
	say("what it has written: %s", letters(p, 3));
	says("the child has ended", id);
	result("detach not aligned", shmdt(p + 1));
	result("detach nothing", shmdt(hole(1)));
	result("unmap a part", munmap(p + PAGE, PAGE));
	says("in two parts", id);
	result("detach", shmdt(p));
	look("gone", p);
	look("gone", p + 2 * PAGE);
	result("detach again", shmdt(p));
	says("detached", id);
	result("what is left of the first", shmdt(at));
	result("the other", shmdt(at + PAGE));
	result("the last", shmdt(at + 4 * PAGE));
	says("none", id);
	result("other memory", shmdt(pages(NULL, 1)));
	result("stat", shmctl(id, IPC_STAT, &d));
	d.shm_perm.mode = 0666;
	result("set", shmctl(id, IPC_SET, &d));
	says("set", id);
	result("bad place", shmctl(id, IPC_STAT, nowhere));
	result("bad place", shmctl(id, IPC_SET, nowhere));
	p = shmat(id, NULL, 0);
	attached("once more", p, NULL);
	say("it: %s", letters(p, 3));
	result("remove", shmctl(id, IPC_RMID, NULL));
	say("still there: %s", letters(p, 3));
	if (fork() == 0) {
		p[2 * PAGE] = 'F';
		_exit(shmdt(p));
	}
	wait(NULL);
	say("written after: %s", letters(p, 3));
	result("detach", shmdt(p));
	look("gone", p);
}

/* What nobody has any more must not stay: more than there is memory and swap, in all. */
static void forgotten(void)
{
	for (int i = 0; i < 20; i++) {
		int id = shmget(IPC_PRIVATE, 1000 * PAGE, 0600);
		char *p = shmat(id, NULL, 0);

		if (p == (void *)-1)
			_exit(1);
		memset(p, 'x', 1000 * PAGE);
		shmctl(id, IPC_RMID, NULL);
		if (i % 2)
			shmdt(p);
		else
			munmap(p, 1000 * PAGE);
	}
}

int main(void)
{
	key = 0x0b000000 + getpid();
	keys();
	attaching();
	in_child("forgotten", forgotten);
	return 0;
}
