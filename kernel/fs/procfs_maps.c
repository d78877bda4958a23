/*
 * procfs_maps.c: /proc/PID/maps, smaps and pagemap: an address space area by area, and page by
 * page.
 *
 * An area names a file by its mapping's store, the inode. om_vma_next() gives no reference to it,
 * so it is looked at under `inode_names`, without which no inode is freed (fs.h); what is needed of
 * it is copied.
 */
#include "fs.h"
#include "procfs.h"

struct area {
	struct om_vmainfo info;
	uint64_t dev, ino;
	char name[PATH_MAX_LEN - 256]; /* room for the rest: a page in all */
};

_Static_assert(sizeof(struct area) <= PAGE_SIZE, "an area fits the buffer");

struct area_walk {
	struct space *space;
	uintptr_t brk;
	struct area *area;
};

/* ---------------------------------------------------------------- areas --------------------- */

static void name_file(struct area *a)
{
	const struct inode *inode = a->info.store;
	size_t len;

	a->dev = inode->dev;
	a->ino = inode->ino;
	strlcpy(a->name, inode->path ? inode->path : "", sizeof(a->name));
	len = strlen(a->name);
	if (inode->nlink == 0 && len)
		strlcpy(a->name + len, " (deleted)", sizeof(a->name) - len);
}

static void name_area(const struct area_walk *w, struct area *a)
{
	const struct space *s = w->space;
	const struct om_vmainfo *i = &a->info;

	a->name[0] = 0;
	a->dev = a->ino = 0;
	if (i->store)
		name_file(a);
	else if (i->mapping)
		strlcpy(a->name, "/dev/zero (deleted)", sizeof(a->name));
	else if (i->start < s->stack_top && s->stack_top <= i->end)
		strlcpy(a->name, "[stack]", sizeof(a->name));
	else if (i->start < w->brk && i->end > s->brk_start)
		strlcpy(a->name, "[heap]", sizeof(a->name));
}

/* The first area that ends above `addr`, in w->area. */
static bool next_area(struct area_walk *w, uintptr_t addr)
{
	bool found;

	mutex_lock(&inode_names);
	found = om_vma_next(w->space->mm, addr, &w->area->info);
	if (found)
		name_area(w, w->area);
	mutex_unlock(&inode_names);
	return found;
}

/* Until there are `want` bytes. Areas come and go: those that end above *at are to be shown yet. */
static bool show_areas(struct text *text, const struct proc_node *node, uint64_t *at, size_t want,
                       void (*show)(struct text *text, struct om_mm *mm, const struct area *a))
{
	struct area_walk w = {.space = proc_space(node->proc)};
	bool more = true;

	if (!w.space)
		return false;
	w.area = (struct area *)buffer_get();
	w.brk = om_brk(w.space->mm, 0);
	if (!w.area)
		text->failed = true;
	while (!text->failed && text->len < want && (more = next_area(&w, *at))) {
		show(text, w.space->mm, w.area);
		*at = w.area->info.end;
	}
	buffer_put((char *)w.area);
	space_put(w.space);
	return more;
}

/* ---------------------------------------------------------------- maps ---------------------- */

#define NAME_COLUMN 73

static void show_line(struct text *text, struct om_mm *mm, const struct area *a)
{
	const struct om_vmainfo *i = &a->info;
	unsigned f = i->flags;
	size_t start = text->len, width;

	(void)mm;
	text_add(text, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", i->start, i->end,
	         f & OM_VM_READ ? 'r' : '-', f & OM_VM_WRITE ? 'w' : '-',
	         f & OM_VM_EXEC ? 'x' : '-', f & OM_VM_SHARED ? 's' : 'p',
	         i->mapping ? i->pgoff << PAGE_SHIFT : 0, (unsigned)(a->dev >> 8),
	         (unsigned)(a->dev & 0xff), a->ino);
	width = text->len - start;
	if (a->name[0])
		text_add(text, "%*s%s", width < NAME_COLUMN ? (int)(NAME_COLUMN - width) : 0, "",
		         a->name);
	text_bytes(text, "\n", 1);
}

bool proc_show_maps(struct text *text, const struct proc_node *node, uint64_t *at, size_t want)
{
	return show_areas(text, node, at, want, show_line);
}

/* ---------------------------------------------------------------- smaps --------------------- */

static void show_flags(struct text *text, unsigned f)
{
	static const struct {
		unsigned bit;
		char name[4];
	} names[] = {
	    {OM_VM_READ, "rd"},      {OM_VM_WRITE, "wr"},     {OM_VM_EXEC, "ex"},
	    {OM_VM_SHARED, "sh"},    {OM_VM_MAYWRITE, "mw"},  {OM_VM_GROWSDOWN, "gd"},
	    {OM_VM_LOCKED, "lo"},    {OM_VM_SEQ_READ, "sr"},  {OM_VM_RAND_READ, "rr"},
	    {OM_VM_DONTFORK, "dc"},  {OM_VM_NORESERVE, "nr"}, {OM_VM_WIPEONFORK, "wf"},
	    {OM_VM_NONLINEAR, "nl"},
	};

	text_add(text, "VmFlags: ");
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (f & names[i].bit)
			text_add(text, "%s ", names[i].name);
	text_bytes(text, "\n", 1);
}

static void show_area(struct text *text, struct om_mm *mm, const struct area *a)
{
	struct om_mminfo m;

	if (om_mminfo(mm, a->info.start, a->info.end, &m))
		return;
	show_line(text, mm, a);
	text_pages(text, "Size:", (a->info.end - a->info.start) >> PAGE_SHIFT);
	text_pages(text, "KernelPageSize:", 1);
	text_pages(text, "MMUPageSize:", 1);
	text_pages(text, "Rss:", m.rss);
	text_kib(text, "Pss:", m.pss / 1024); /* comes in bytes */
	text_pages(text, "Shared_Clean:", m.shared_clean);
	text_pages(text, "Shared_Dirty:", m.shared_dirty);
	text_pages(text, "Private_Clean:", m.private_clean);
	text_pages(text, "Private_Dirty:", m.private_dirty);
	text_pages(text, "Referenced:", m.referenced);
	text_pages(text, "Anonymous:", m.direct + m.shared);
	text_pages(text, "Swap:", m.swap);
	text_pages(text, "Locked:", a->info.flags & OM_VM_LOCKED ? m.rss : 0);
	show_flags(text, a->info.flags);
}

bool proc_show_smaps(struct text *text, const struct proc_node *node, uint64_t *at, size_t want)
{
	return show_areas(text, node, at, want, show_area);
}

/* ---------------------------------------------------------------- pagemap ------------------- */

#define PM_FRAME     ((1ull << 55) - 1) /* the number of the frame, or the place in swap */
#define PM_EXCLUSIVE (1ull << 56)
#define PM_FILE      (1ull << 61) /* or shared memory */
#define PM_SWAP      (1ull << 62)
#define PM_PRESENT   (1ull << 63)

#define SWAP_OFFSET_BITS 26 /* of a slot's number in objrmap; the area is above */

static uint64_t pagemap_entry(struct om_mm *mm, uintptr_t addr)
{
	struct om_pageinfo i;
	uint64_t swap_area, swap_offset;

	om_pageinfo(mm, addr, &i);
	switch (i.kind) {
	case OM_PAGE_ZERO:
		return PM_PRESENT | i.value;
	case OM_PAGE_DIRECT:
	case OM_PAGE_SHARED:
		return PM_PRESENT | i.value | (i.mapcount == 1 ? PM_EXCLUSIVE : 0);
	case OM_PAGE_FILE:
		return PM_PRESENT | PM_FILE | i.value | (i.mapcount == 1 ? PM_EXCLUSIVE : 0);
	case OM_PAGE_SWAP:
		swap_area = i.value >> SWAP_OFFSET_BITS;
		swap_offset = i.value & ((1u << SWAP_OFFSET_BITS) - 1);
		return PM_SWAP | swap_area | swap_offset << 5;
	case OM_PAGE_NONE:
	case OM_PAGE_OFFSET:
		return 0;
	}
	return 0;
}

/* An entry of 8 bytes for each page of the address space. Numbers of frames are for root. */
static long pagemap_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	const uint64_t end = USER_LIMIT / PAGE_SIZE * sizeof(uint64_t);
	const struct proc_node *node = file->data;
	uint64_t *entry = buf, shown = capable(CAP_SYS_ADMIN) ? ~0ull : ~PM_FRAME;
	struct space *space;

	if (*pos % sizeof(*entry) || n % sizeof(*entry))
		return -EINVAL;
	space = proc_space(node->proc);
	if (!space || *pos >= end)
		n = 0;
	else
		n = MIN(n, end - *pos);
	for (size_t i = 0; i < n / sizeof(*entry); i++)
		entry[i] =
		    pagemap_entry(space->mm, (*pos / sizeof(*entry) + i) * PAGE_SIZE) & shown;
	if (space)
		space_put(space);
	*pos += n;
	return (long)n;
}

const struct file_ops proc_pagemap_fops = {.read = pagemap_read, .no_end = true};
