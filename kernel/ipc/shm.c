/*
 * shm.c: System V shared memory.
 *
 * A segment is a file in memory without a name. The table of segments has one reference to it, each
 * area that maps it another; so a segment that is removed is there until nobody has it attached any
 * more. It has no number from then on: unlike Linux, nobody can attach it again.
 *
 * How often a segment is attached is not counted, as fork, munmap and the end of a process change
 * it, too: all areas of all processes are looked at when somebody asks. When, and by whom, is known
 * of shmat() and shmdt() alone.
 */
#include <asm/shmbuf.h>
#include <linux/ipc.h>
#include <objrmap/objrmap.h>

#include "kmem.h"
#include "process.h"
#include "sys.h"

/* <linux/shm.h> needs a C library. */
#define SHM_HUGETLB 04000u
#define SHM_RDONLY  010000u
#define SHM_RND     020000u
#define SHM_REMAP   040000u
#define SHM_EXEC    0100000u

#define MAX_SEGMENTS 4096u

struct segment {
	struct list node;
	int id, key;
	uint64_t size;
	unsigned mode;
	struct inode *inode; /* referenced; its owner is the segment's */
	unsigned creator, creator_group;
	int created_by, used_by;              /* processes */
	uint64_t attached, detached, changed; /* ns since 1970; 0: never */
};

static struct mutex shm_lock = MUTEX_INIT(shm_lock); /* guards all segments */
static struct list segments = LIST_INIT(segments);
static unsigned nr_segments;
static const char mark; /* inode->data of segments */

static uint64_t wall_now(void)
{
	return boot_time_ns() + now_ns();
}

/* ---------------------------------------------------------------- the table; shm_lock held -- */

static struct segment *segment_find(int id)
{
	struct segment *s;

	list_for_each (s, &segments, node)
		if (s->id == id)
			return s;
	return NULL;
}

static struct segment *segment_of_key(int key)
{
	struct segment *s;

	list_for_each (s, &segments, node)
		if (s->key == key && key != IPC_PRIVATE)
			return s;
	return NULL;
}

static struct segment *segment_of_inode(const struct inode *inode)
{
	struct segment *s;

	list_for_each (s, &segments, node)
		if (s->inode == inode)
			return s;
	return NULL;
}

/* A file of this size. */
static int memory_make(int key, size_t size, struct inode **out)
{
	char path[32];
	int err;

	snprintf(path, sizeof(path), "/SYSV%08x", (unsigned)key);
	err = tmpfs_anon(path, out);
	if (err)
		return err;
	(*out)->data = (void *)&mark;
	if ((*out)->ops->truncate(*out, ALIGN_UP(size, PAGE_SIZE))) {
		inode_put(*out);
		return -ENOMEM;
	}
	return 0;
}

static long segment_new(int key, size_t size, unsigned flags)
{
	const struct cred *c = &current->proc->cred;
	static int last_id;
	struct segment *s;
	int err;

	if (!size || size > INT64_MAX - PAGE_SIZE)
		return -EINVAL;
	if (flags & SHM_HUGETLB)
		return -ENOMEM; /* there is a pool of huge pages, and it is empty */
	if (nr_segments >= MAX_SEGMENTS)
		return -ENOSPC;
	s = kmalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	err = memory_make(key, size, &s->inode);
	if (err) {
		kfree(s);
		return err;
	}
	do {
		last_id = last_id == INT32_MAX ? 0 : last_id + 1;
	} while (segment_find(last_id));
	s->id = last_id;
	s->key = key;
	s->size = size;
	s->mode = flags & 0777;
	s->inode->uid = s->creator = c->uid.effective;
	s->inode->gid = s->creator_group = c->gid.effective;
	s->created_by = current->proc->pid;
	s->changed = wall_now();
	list_append(&segments, &s->node);
	nr_segments++;
	return s->id;
}

/* The memory stays as long as it is attached. */
static void segment_remove(struct segment *s)
{
	list_remove(&s->node);
	nr_segments--;
	inode_put(s->inode);
	kfree(s);
}

static long get(int key, size_t size, unsigned flags)
{
	struct segment *s = segment_of_key(key);

	if (!s)
		return key == IPC_PRIVATE || (flags & IPC_CREAT) ? segment_new(key, size, flags)
		                                                 : -ENOENT;
	if ((flags & IPC_CREAT) && (flags & IPC_EXCL))
		return -EEXIST;
	return size > s->size ? -EINVAL : s->id;
}

long sys_shmget(int key, size_t size, unsigned flags)
{
	long id;

	mutex_lock(&shm_lock);
	id = get(key, size, flags);
	mutex_unlock(&shm_lock);
	return id;
}

/* ---------------------------------------------------------------- attach -------------------- */

/* The memory of a segment, referenced, which is about to be attached. */
static int segment_use(int id, struct inode **inode, uint64_t *size)
{
	struct segment *s;

	mutex_lock(&shm_lock);
	s = segment_find(id);
	if (s) {
		s->used_by = current->proc->pid;
		s->attached = wall_now();
		*inode = inode_get(s->inode);
		*size = s->size;
	}
	mutex_unlock(&shm_lock);
	return s ? 0 : -EINVAL;
}

long sys_shmat(int id, uintptr_t addr, unsigned flags)
{
	struct om_map_request r = {.prot = OM_READ, .flags = OM_MAP_SHARED};
	struct inode *inode;
	uint64_t size;
	int err;

	if (id < 0)
		return -EINVAL;
	if (addr % PAGE_SIZE && !(flags & SHM_RND))
		return -EINVAL;
	r.addr = ALIGN_DOWN(addr, PAGE_SIZE);
	if (!r.addr && (addr || (flags & SHM_REMAP)))
		return -EINVAL;
	if (r.addr)
		r.flags |= flags & SHM_REMAP ? OM_MAP_FIXED : OM_MAP_FIXED_NOREPLACE;
	if (flags & SHM_RDONLY)
		r.flags |= OM_MAP_FILE_RDONLY;
	else
		r.prot |= OM_WRITE;
	if (flags & SHM_EXEC)
		r.prot |= OM_EXEC;
	err = segment_use(id, &inode, &size);
	if (err)
		return err;
	r.len = size;
	r.file = inode->mapping;
	err = om_mmap(current_mm(), &r);
	inode_put(inode);
	return err == -EEXIST ? -EINVAL : err ? err : (long)r.addr;
}

/* ---------------------------------------------------------------- detach -------------------- */

/* Is the area one of a segment? How long that is. */
static bool is_attached(const struct om_vmainfo *info, uint64_t *size)
{
	const struct inode *inode = info->store;

	if (!inode || inode->data != &mark)
		return false;
	*size = om_mapping_size(inode->mapping);
	return true;
}

/* The first area in [from, end) that has what a segment attached at `addr` has there. */
static bool next_part(uintptr_t addr, uintptr_t from, uintptr_t end, struct om_vmainfo *info,
                      uint64_t *size)
{
	bool found = false;

	mutex_lock(&inode_names);
	while (!found && om_vma_next(current_mm(), from, info) && info->start < end) {
		found = info->start >= addr && is_attached(info, size) &&
		        info->start - addr == info->pgoff * PAGE_SIZE;
		from = info->end;
	}
	mutex_unlock(&inode_names);
	return found;
}

static void note_detached(const void *store)
{
	struct segment *s;

	mutex_lock(&shm_lock);
	s = segment_of_inode(store);
	if (s) {
		s->used_by = current->proc->pid;
		s->detached = wall_now();
	}
	mutex_unlock(&shm_lock);
}

/* All that is left of it at the place where it was attached: parts may have been unmapped. */
long sys_shmdt(uintptr_t addr)
{
	struct om_vmainfo info;
	const void *store;
	uintptr_t end;
	uint64_t size;

	if (addr % PAGE_SIZE || !next_part(addr, addr, UINTPTR_MAX, &info, &size))
		return -EINVAL;
	store = info.store;
	end = addr + size;
	do {
		if (info.store == store)
			om_munmap(current_mm(), info.start, info.end - info.start);
	} while (next_part(addr, info.end, end, &info, &size));
	note_detached(store);
	return 0;
}

/* ---------------------------------------------------------------- control ------------------- */

static unsigned long count_areas(struct space *space, const struct inode *inode)
{
	struct om_vmainfo info = {.end = 0};
	unsigned long n = 0;

	while (om_vma_next(space->mm, info.end, &info))
		n += info.store == inode;
	return n;
}

/* The process with the next number. Referenced; NULL: there is none. */
static struct proc *next_proc(int pid)
{
	struct proc *p, *next = NULL;

	spin_lock(&proc_lock);
	list_for_each (p, &all_procs, all)
		if (p->pid > pid && (!next || p->pid < next->pid))
			next = p;
	if (next)
		next->refs++;
	spin_unlock(&proc_lock);
	return next;
}

static unsigned long count_attached(const struct inode *inode)
{
	unsigned long n = 0;
	struct proc *p;

	for (int pid = 0; (p = next_proc(pid)) != NULL;) {
		struct space *space = proc_space(p);

		pid = p->pid;
		if (space) {
			n += count_areas(space, inode);
			space_put(space);
		}
		proc_put(p);
	}
	return n;
}

static long seconds(uint64_t ns)
{
	return (long)(ns / NSEC_PER_SEC);
}

/* shm_lock held. */
static struct shmid64_ds describe(const struct segment *s)
{
	struct shmid64_ds d;

	memset(&d, 0, sizeof(d));
	d.shm_perm.key = s->key;
	d.shm_perm.uid = s->inode->uid;
	d.shm_perm.gid = s->inode->gid;
	d.shm_perm.cuid = s->creator;
	d.shm_perm.cgid = s->creator_group;
	d.shm_perm.mode = s->mode;
	d.shm_segsz = s->size;
	d.shm_atime = seconds(s->attached);
	d.shm_dtime = seconds(s->detached);
	d.shm_ctime = seconds(s->changed);
	d.shm_cpid = s->created_by;
	d.shm_lpid = s->used_by;
	d.shm_nattch = count_attached(s->inode);
	return d;
}

/* shm_lock held. */
static bool may_change(const struct segment *s)
{
	unsigned uid = current->proc->cred.uid.effective;

	return uid == s->inode->uid || uid == s->creator || capable(CAP_SYS_ADMIN);
}

/* shm_lock held. `d`: out for IPC_STAT, in for IPC_SET. */
static int control(int id, int cmd, struct shmid64_ds *d)
{
	struct segment *s = segment_find(id);

	if (!s)
		return -EINVAL;
	if (cmd == IPC_STAT) {
		*d = describe(s);
		return 0;
	}
	if (!may_change(s))
		return -EPERM;
	if (cmd == IPC_RMID) {
		segment_remove(s);
		return 0;
	}
	s->inode->uid = d->shm_perm.uid;
	s->inode->gid = d->shm_perm.gid;
	s->mode = d->shm_perm.mode & 0777;
	s->changed = wall_now();
	return 0;
}

long sys_shmctl(int id, int cmd, uintptr_t buf)
{
	struct shmid64_ds d;
	int err;

	if (id < 0 || (cmd != IPC_STAT && cmd != IPC_SET && cmd != IPC_RMID))
		return -EINVAL;
	if (cmd == IPC_SET && user_get(d, buf))
		return -EFAULT;
	mutex_lock(&shm_lock);
	err = control(id, cmd, &d);
	mutex_unlock(&shm_lock);
	if (!err && cmd == IPC_STAT)
		err = user_put(buf, d);
	return err;
}
