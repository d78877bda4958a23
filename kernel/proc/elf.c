/*
 * elf.c: map an ELF program, and the dynamic linker it asks for, into a new address space.
 *
 * The file's pages are mapped privately from its page cache, so programs share what they do not
 * write. Position-independent programs go to a fixed place; the linker goes where mmap() finds
 * room. Everything a file says is checked before it is used: it may be any program's work.
 */
#include <linux/elf.h>

#include "exec.h"
#include "kmem.h"

#define PIE_BASE   0x555555554000ul
#define MAX_PHDRS  ((unsigned)(PAGE_SIZE / sizeof(Elf64_Phdr)))
#define MAX_INTERP 256

/* One ELF file. */
struct elf {
	struct file *file;
	Elf64_Ehdr head;
	Elf64_Phdr *ph;
	uintptr_t low, high; /* of its segments, page aligned, before relocation */
	uintptr_t bias;      /* added to every address */
};

/* ---------------------------------------------------------------- reading ------------------- */

static int read_exactly(struct file *file, void *buf, size_t n, uint64_t at)
{
	size_t done = 0;

	while (done < n) {
		long got = file_read_at(file, (char *)buf + done, n - done, at + done);

		if (got < 0)
			return (int)got;
		if (!got)
			return -ENOEXEC;
		done += (size_t)got;
	}
	return 0;
}

static bool head_is_right(const Elf64_Ehdr *h)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) && h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_ident[EI_DATA] == ELFDATA2LSB && h->e_machine == EM_X86_64 &&
	       (h->e_type == ET_EXEC || h->e_type == ET_DYN) &&
	       h->e_phentsize == sizeof(Elf64_Phdr) && h->e_phnum && h->e_phnum <= MAX_PHDRS;
}

static bool segment_is_right(const Elf64_Phdr *ph)
{
	return ph->p_filesz <= ph->p_memsz && ph->p_vaddr < USER_LIMIT &&
	       ph->p_memsz <= USER_LIMIT - ph->p_vaddr &&
	       ph->p_vaddr % PAGE_SIZE == ph->p_offset % PAGE_SIZE &&
	       ph->p_offset + ph->p_filesz >= ph->p_offset &&
	       ph->p_offset + ph->p_filesz < INT64_MAX;
}

/* The range of its segments. */
static int measure_segments(struct elf *elf)
{
	elf->low = USER_LIMIT;
	for (unsigned i = 0; i < elf->head.e_phnum; i++) {
		const Elf64_Phdr *ph = &elf->ph[i];

		if (ph->p_type != PT_LOAD)
			continue;
		if (!segment_is_right(ph))
			return -ENOEXEC;
		elf->low = MIN(elf->low, ALIGN_DOWN(ph->p_vaddr, PAGE_SIZE));
		elf->high = MAX(elf->high, ALIGN_UP(ph->p_vaddr + ph->p_memsz, PAGE_SIZE));
	}
	return elf->low < elf->high ? 0 : -ENOEXEC;
}

/* Headers of elf->file. elf->ph is the caller's to free, also on failure. */
static int elf_read(struct elf *elf)
{
	int err = read_exactly(elf->file, &elf->head, sizeof(elf->head), 0);

	if (err)
		return err;
	if (!head_is_right(&elf->head) || !elf->file->inode->mapping)
		return -ENOEXEC;
	elf->ph = kmalloc(elf->head.e_phnum * sizeof(*elf->ph));
	if (!elf->ph)
		return -ENOMEM;
	err = read_exactly(elf->file, elf->ph, elf->head.e_phnum * sizeof(*elf->ph),
	                   elf->head.e_phoff);
	return err ? err : measure_segments(elf);
}

/* Open the dynamic linker if the program names one. */
static int open_interp(const struct elf *elf, struct elf *interp)
{
	char path[MAX_INTERP];

	for (unsigned i = 0; i < elf->head.e_phnum; i++) {
		const Elf64_Phdr *ph = &elf->ph[i];
		int err;

		if (ph->p_type != PT_INTERP)
			continue;
		if (ph->p_filesz < 2 || ph->p_filesz > sizeof(path))
			return -ENOEXEC;
		err = read_exactly(elf->file, path, ph->p_filesz, ph->p_offset);
		if (err)
			return err;
		if (path[ph->p_filesz - 1])
			return -ENOEXEC;
		err = exec_open(AT_FDCWD, path, 0, &interp->file);
		if (err)
			return err;
		err = elf_read(interp);
		return !err && interp->head.e_type != ET_DYN ? -ENOEXEC : err;
	}
	return 0;
}

/* ---------------------------------------------------------------- mapping ------------------- */

static int segment_prot(const Elf64_Phdr *ph)
{
	return (ph->p_flags & PF_R ? OM_PROT_READ : 0) | (ph->p_flags & PF_W ? OM_PROT_WRITE : 0) |
	       (ph->p_flags & PF_X ? OM_PROT_EXEC : 0);
}

/* What follows the file's bytes in their last page reads as zero. */
static int clear_bss_tail(struct om_mm *mm, uintptr_t from, uintptr_t to)
{
	static const char zeros[256];
	int err = 0;

	while (!err && from < to) {
		size_t n = MIN(to - from, sizeof(zeros));

		err = om_write(mm, from, zeros, n, NULL);
		from += n;
	}
	return err;
}

static int map_segment(struct om_mm *mm, const struct elf *elf, const Elf64_Phdr *ph)
{
	uintptr_t vaddr = ph->p_vaddr + elf->bias, start = ALIGN_DOWN(vaddr, PAGE_SIZE);
	uintptr_t file_end = vaddr + ph->p_filesz, end = ALIGN_UP(vaddr + ph->p_memsz, PAGE_SIZE);
	uintptr_t anon = ph->p_filesz ? ALIGN_UP(file_end, PAGE_SIZE) : start;
	struct om_map_request file = {.addr = start,
	                              .len = anon - start,
	                              .prot = segment_prot(ph),
	                              .flags = OM_MAP_PRIVATE | OM_MAP_FIXED,
	                              .file = elf->file->inode->mapping,
	                              .offset = ALIGN_DOWN(ph->p_offset, PAGE_SIZE)};
	struct om_map_request zeros = {.addr = anon,
	                               .len = end - anon,
	                               .prot = file.prot,
	                               .flags = file.flags};
	int err = 0;

	if (ph->p_filesz)
		err = om_mmap(mm, &file);
	if (!err && anon < end)
		err = om_mmap(mm, &zeros);
	if (!err && ph->p_filesz && ph->p_memsz > ph->p_filesz && (ph->p_flags & PF_W))
		err = clear_bss_tail(mm, file_end, ALIGN_UP(file_end, PAGE_SIZE));
	return err;
}

static int map_elf(struct om_mm *mm, const struct elf *elf)
{
	for (unsigned i = 0; i < elf->head.e_phnum; i++) {
		const Elf64_Phdr *ph = &elf->ph[i];
		int err = ph->p_type == PT_LOAD && ph->p_memsz ? map_segment(mm, elf, ph) : 0;

		if (err)
			return err;
	}
	return 0;
}

/* Let mmap() find a place for all segments together. Nobody else runs in this space yet. */
static int place_interp(struct om_mm *mm, struct elf *interp)
{
	size_t span = interp->high - interp->low;
	struct om_map_request map = {.len = span, .flags = OM_MAP_PRIVATE};
	int err = om_mmap(mm, &map);

	if (err)
		return err;
	interp->bias = map.addr - interp->low;
	return om_munmap(mm, map.addr, span);
}

/* ---------------------------------------------------------------- the whole ----------------- */

/* Where the program headers are in memory, for the linker. */
static uintptr_t phdr_address(const struct elf *elf)
{
	for (unsigned i = 0; i < elf->head.e_phnum; i++) {
		const Elf64_Phdr *ph = &elf->ph[i];

		if (ph->p_type == PT_LOAD && elf->head.e_phoff >= ph->p_offset &&
		    elf->head.e_phoff - ph->p_offset < ph->p_filesz)
			return ph->p_vaddr + elf->bias + (elf->head.e_phoff - ph->p_offset);
	}
	return 0;
}

static void describe_code(struct space *space, const struct elf *elf)
{
	space->code_start = USER_LIMIT;
	for (unsigned i = 0; i < elf->head.e_phnum; i++) {
		const Elf64_Phdr *ph = &elf->ph[i];

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		space->code_start = MIN(space->code_start, ph->p_vaddr + elf->bias);
		space->code_end = MAX(space->code_end, ph->p_vaddr + elf->bias + ph->p_filesz);
	}
}

static void describe_image(struct image *im, const struct elf *elf, const struct elf *interp)
{
	im->entry = elf->head.e_entry + elf->bias;
	im->start = im->entry;
	if (interp->file) {
		im->base = interp->bias;
		im->start = interp->head.e_entry + interp->bias;
	}
	im->phdr = phdr_address(elf);
	im->phnum = elf->head.e_phnum;
	for (unsigned i = 0; i < elf->head.e_phnum; i++)
		if (elf->ph[i].p_type == PT_GNU_STACK)
			im->exec_stack = elf->ph[i].p_flags & PF_X;
	describe_code(im->space, elf);
}

static int load_both(struct exec *e, struct elf *elf, struct elf *interp)
{
	int err = elf_read(elf);

	if (!err)
		err = open_interp(elf, interp);
	if (err)
		return err;
	if (elf->head.e_type == ET_DYN)
		elf->bias = PIE_BASE - elf->low;
	if (elf->high + elf->bias > USER_LIMIT)
		return -ENOEXEC;
	err = space_create(elf->high + elf->bias, &e->image.space);
	if (err)
		return err;
	limits_apply(e->p, e->image.space);
	err = map_elf(e->image.space->mm, elf);
	if (!err && interp->file)
		err = place_interp(e->image.space->mm, interp);
	if (!err && interp->file)
		err = map_elf(e->image.space->mm, interp);
	if (err)
		return err;
	describe_image(&e->image, elf, interp);
	return e->image.start < USER_LIMIT ? 0 : -ENOEXEC;
}

int elf_load(struct exec *e)
{
	struct elf elf = {.file = e->file}, interp = {.file = NULL};
	int err = load_both(e, &elf, &interp);

	kfree(elf.ph);
	kfree(interp.ph);
	if (interp.file)
		file_put(interp.file);
	return err;
}
