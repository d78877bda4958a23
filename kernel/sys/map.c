/*
 * map.c: the system calls that make, change and look at mappings: mmap, munmap, mprotect, mremap,
 * brk, remap_file_pages, mincore, msync.
 *
 * The core has the semantics, the order of the checks included. What is left is Linux's coding of
 * the arguments, and what only a kernel knows: open files and how they were opened.
 */
#include <linux/fcntl.h>

#include "sys.h"

/* ---------------------------------------------------------------- mmap ---------------------- */

/* What MAP_SHARED_VALIDATE lets pass; the other types ignore what they do not know. */
#define KNOWN_FLAGS                                                                                \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE |        \
	 MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |   \
	 MAP_HUGETLB)

/* Flags that the core knows under the same numbers. */
#define CORE_FLAGS                                                                                 \
	(MAP_FIXED | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE |                   \
	 MAP_FIXED_NOREPLACE)

/*
 * Where MAP_32BIT ends. If the hint is taken, Linux looks from 1 GiB upwards; the core, from here
 * downwards.
 */
#define LOW_END 0x80000000ul

static int core_flags(unsigned long flags)
{
	int core = (int)(flags & CORE_FLAGS);

	return flags & MAP_NONBLOCK ? core & ~MAP_POPULATE : core;
}

static long map(struct om_map_request *r)
{
	int err = om_mmap(current_mm(), r);

	return err ? err : (long)r->addr;
}

/*
 * The call fails with `err`, but Linux finds that out only after it has looked for a place, which
 * may fail, too. A request without a type gets just as far in the core.
 */
static long refuse(struct om_map_request *r, int err)
{
	bool misplaced = (r->flags & MAP_FIXED) && (r->addr & ~PAGE_MASK);
	int core;

	r->flags &= ~(MAP_SHARED | MAP_PRIVATE);
	core = om_mmap(current_mm(), r);
	return core != -EINVAL || r->len == 0 || misplaced ? core : err;
}

static long map_anonymous(struct om_map_request *r, unsigned long flags)
{
	unsigned type = flags & MAP_TYPE;

	if (flags & MAP_HUGETLB)
		return -ENOMEM; /* there is a pool of huge pages, and it is empty */
	if (type == MAP_SHARED || type == MAP_PRIVATE)
		r->flags |= (int)type; /* of any other the core says EINVAL, after other checks */
	return map(r);
}

static bool is_sealed(const struct file *file)
{
	return file->inode && is_write_sealed(file->inode);
}

/* May the file be mapped like this? In Linux's order. */
static int check_file(const struct file *file, int prot, unsigned long flags)
{
	unsigned type = flags & MAP_TYPE, mode = file->flags & O_ACCMODE;

	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && (flags & ~(unsigned long)KNOWN_FLAGS))
		return -EOPNOTSUPP;
	if (type != MAP_PRIVATE && (prot & PROT_WRITE) && mode == O_RDONLY)
		return -EACCES;
	if (mode == O_WRONLY)
		return -EACCES;
	if (!file->ops->mmap && !(file->inode && file->inode->mapping))
		return -ENODEV;
	if (flags & MAP_GROWSDOWN)
		return -EINVAL;
	return type != MAP_PRIVATE && (prot & PROT_WRITE) && is_sealed(file) ? -EPERM : 0;
}

static long map_file(struct om_map_request *r, struct file *file, unsigned long flags)
{
	bool private = (flags & MAP_TYPE) == MAP_PRIVATE;
	int err;

	if (flags & MAP_HUGETLB)
		return -EINVAL;
	if (file->inode)
		r->file = file->inode->mapping;
	err = check_file(file, r->prot, flags);
	if (!err && file->ops->mmap)
		err = file->ops->mmap(file, &r->file);
	if (err)
		return refuse(r, err);
	r->flags |= private ? MAP_PRIVATE : MAP_SHARED;
	if ((file->flags & O_ACCMODE) == O_RDONLY || is_sealed(file))
		r->flags |= OM_MAP_FILE_RDONLY;
	if (file->inode && !inode_is_ours(file->inode))
		r->flags |= OM_MAP_HIDE_CACHE;
	return map(r);
}

long sys_mmap(uintptr_t addr, size_t len, unsigned long prot, unsigned long flags, int fd,
              uint64_t offset)
{
	struct om_map_request r = {.addr = addr,
	                           .len = len,
	                           .prot = (int)(prot & (PROT_READ | PROT_WRITE | PROT_EXEC)),
	                           .flags = core_flags(flags),
	                           .offset = offset,
	                           .below = flags & MAP_32BIT ? LOW_END : 0};
	struct file *file;
	long result;

	if (offset & ~PAGE_MASK)
		return -EINVAL;
	if (flags & MAP_ANONYMOUS)
		return map_anonymous(&r, flags);
	file = fd_get(fd);
	if (!file)
		return -EBADF;
	result = map_file(&r, file, flags);
	file_put(file);
	return result;
}

/* ---------------------------------------------------------------- the others ---------------- */

long sys_munmap(uintptr_t addr, size_t len)
{
	return om_munmap(current_mm(), addr, len);
}

/* Bits beyond those of an int are unknown. So is the highest of an int, which stands for them. */
static int narrow(unsigned long bits)
{
	return (int)(bits >> 32 ? bits | 0x80000000 : bits);
}

long sys_mprotect(uintptr_t addr, size_t len, unsigned long prot)
{
	return om_mprotect(current_mm(), addr, len, narrow(prot) & ~PROT_SEM);
}

long sys_mremap(uintptr_t old_addr, size_t old_len, size_t new_len, unsigned long flags,
                uintptr_t new_addr)
{
	struct om_remap_request r = {.old_addr = old_addr,
	                             .old_len = old_len,
	                             .new_len = new_len,
	                             .flags = narrow(flags),
	                             .new_addr = new_addr};
	int err = om_mremap(current_mm(), &r);

	return err ? err : (long)r.new_addr;
}

long sys_brk(uintptr_t end)
{
	return (long)om_brk(current_mm(), end);
}

long sys_remap_file_pages(uintptr_t addr, size_t len, unsigned long prot, size_t pgoff,
                          unsigned long flags)
{
	return om_remap_file_pages(current_mm(), addr, len, narrow(prot), pgoff, narrow(flags));
}

/* In pieces of the vector, which a buffer on the stack holds. */
long sys_mincore(uintptr_t addr, size_t len, uintptr_t vec)
{
	unsigned char buf[256];
	size_t pages = len / PAGE_SIZE + (len % PAGE_SIZE != 0);

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (addr > USER_LIMIT || len > USER_LIMIT - addr)
		return -ENOMEM;
	if (vec > USER_LIMIT || pages > USER_LIMIT - vec)
		return -EFAULT;
	while (pages) {
		size_t n = MIN(pages, sizeof(buf));
		int err = om_mincore(current_mm(), addr, n * PAGE_SIZE, buf);

		if (!err)
			err = user_write(vec, buf, n);
		if (err)
			return err;
		addr += n * PAGE_SIZE;
		vec += n;
		pages -= n;
	}
	return 0;
}

long sys_msync(uintptr_t addr, size_t len, int flags)
{
	return om_msync(current_mm(), addr, len, flags);
}
