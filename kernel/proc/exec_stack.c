/*
 * exec_stack.c: arguments on their way from the old program to the stack of the new one.
 *
 * From high to low addresses the first stack holds: the program's path, 16 random bytes, the
 * platform's name, the strings of environment and arguments, and then, where the stack pointer is,
 * what the C library reads: argc, pointers to the arguments, to the environment, and pairs of the
 * auxiliary vector.
 */
#include <linux/auxvec.h>

#include "exec.h"
#include "kmem.h"
#include "random.h"

#define STACK_SPARE  (32 * 1024ul)  /* mapped at once below what is written */
#define ALWAYS_FITS  (128 * 1024ul) /* of arguments, whatever the stack's limit is */
#define CLOCK_TICKS  100
#define MAX_POINTERS (256 * 1024u)

static const char platform[] = "x86_64";

/* ---------------------------------------------------------------- strings ------------------- */

/* Room for at most `want` bytes in one page; their number, or an error. */
static long args_room(struct args *a, size_t want, char **at)
{
	size_t page = a->bytes / PAGE_SIZE, offset = a->bytes % PAGE_SIZE;

	if (page >= ARG_PAGES)
		return -E2BIG;
	if (!a->page[page])
		a->page[page] = kmalloc(PAGE_SIZE);
	if (!a->page[page])
		return -ENOMEM;
	*at = a->page[page] + offset;
	return (long)MIN(want, PAGE_SIZE - offset);
}

int args_add(struct args *a, const char *s)
{
	size_t left = strlen(s) + 1;

	while (left) {
		char *to;
		long n = args_room(a, left, &to);

		if (n < 0)
			return (int)n;
		memcpy(to, s, (size_t)n);
		s += n;
		left -= (size_t)n;
		a->bytes += (size_t)n;
	}
	return 0;
}

/*
 * Piece by piece, none beyond a page of the user's: the string may end just before an unmapped one.
 */
int args_add_user(struct args *a, uintptr_t s)
{
	for (;;) {
		char *to;
		size_t want = MIN(256ul, PAGE_SIZE - s % PAGE_SIZE), len;
		long n = args_room(a, want, &to);

		if (n < 0)
			return (int)n;
		if (user_read(to, s, (size_t)n))
			return -EFAULT;
		len = strnlen(to, (size_t)n);
		if (len < (size_t)n) {
			a->bytes += len + 1;
			return 0;
		}
		a->bytes += len;
		s += len;
	}
}

void args_free(struct args *a)
{
	for (unsigned i = 0; i < ARG_PAGES; i++)
		kfree(a->page[i]);
}

/* The offset behind the string at `offset`. */
static size_t string_end(const struct args *a, size_t offset)
{
	while (a->page[offset / PAGE_SIZE][offset % PAGE_SIZE])
		offset++;
	return offset + 1;
}

/* ---------------------------------------------------------------- writing ------------------- */

/* The new stack while it is written; the first error stays. */
struct writer {
	struct om_mm *mm;
	uintptr_t at;
	int err;
	uint64_t word[64]; /* collected: one om_write() each would be slow */
	unsigned n;
};

static void put_bytes(struct writer *w, uintptr_t to, const void *from, size_t n)
{
	if (!w->err)
		w->err = om_write(w->mm, to, from, n, NULL);
}

static void flush_words(struct writer *w)
{
	put_bytes(w, w->at, w->word, w->n * sizeof(uint64_t));
	w->at += w->n * sizeof(uint64_t);
	w->n = 0;
}

static void put_word(struct writer *w, uint64_t word)
{
	w->word[w->n++] = word;
	if (w->n == ARRAY_SIZE(w->word))
		flush_words(w);
}

static void put_aux(struct writer *w, uint64_t type, uint64_t value)
{
	put_word(w, type);
	put_word(w, value);
}

/* ---------------------------------------------------------------- the stack ----------------- */

/* Where everything goes. */
struct plan {
	uintptr_t path, random, platform, strings, end_of_args, end, sp;
	size_t skip;   /* bytes of the arguments that are left out */
	size_t prefix; /* bytes of the strings that come before */
	unsigned argc;
};

#define NR_AUX 20

static void plan_stack(const struct exec *e, struct plan *p)
{
	const struct args *a = &e->args;
	size_t words;

	memset(p, 0, sizeof(*p));
	p->argc = a->argc;
	if (e->nr_prefix && a->argc) {
		p->skip = string_end(a, 0);
		p->argc += e->nr_prefix - 1;
	}
	for (unsigned i = 0; i < e->nr_prefix; i++)
		p->prefix += strlen(e->prefix[i]) + 1;
	p->path = STACK_TOP - sizeof(uint64_t) - strlen(e->path) - 1;
	p->random = ALIGN_DOWN(p->path - 16, (uintptr_t)16);
	p->platform = p->random - sizeof(platform);
	p->end = p->platform;
	p->strings = p->end - p->prefix - (a->bytes - p->skip);
	p->end_of_args = p->end - (a->bytes - a->env_at);
	words = 1 + p->argc + 1 + a->envc + 1 + 2 * NR_AUX;
	p->sp = ALIGN_DOWN(p->strings - words * sizeof(uint64_t), (uintptr_t)16);
}

static void put_strings(struct writer *w, const struct exec *e, const struct plan *p)
{
	const struct args *a = &e->args;
	uintptr_t to = p->strings;

	for (unsigned i = 0; i < e->nr_prefix; i++) {
		size_t n = strlen(e->prefix[i]) + 1;

		put_bytes(w, to, e->prefix[i], n);
		to += n;
	}
	for (size_t at = p->skip; at < a->bytes;) {
		size_t n = MIN(PAGE_SIZE - at % PAGE_SIZE, a->bytes - at);

		put_bytes(w, to, a->page[at / PAGE_SIZE] + at % PAGE_SIZE, n);
		to += n;
		at += n;
	}
}

static void put_pointers(struct writer *w, const struct exec *e, const struct plan *p)
{
	const struct args *a = &e->args;
	uintptr_t to = p->strings;
	size_t at = p->skip;

	put_word(w, p->argc);
	for (unsigned i = 0; i < e->nr_prefix; i++) {
		put_word(w, to);
		to += strlen(e->prefix[i]) + 1;
	}
	for (; at < a->bytes; at = string_end(a, at)) {
		if (at == a->env_at)
			put_word(w, 0);
		put_word(w, to + (at - p->skip));
	}
	if (!a->envc)
		put_word(w, 0);
	put_word(w, 0);
}

static uint32_t cpu_features(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return edx;
}

static void put_auxv(struct writer *w, const struct exec *e, const struct plan *p)
{
	const struct image *im = &e->image;
	const struct cred *c = &e->p->cred;

	put_aux(w, AT_HWCAP, cpu_features());
	put_aux(w, AT_PAGESZ, PAGE_SIZE);
	put_aux(w, AT_CLKTCK, CLOCK_TICKS);
	put_aux(w, AT_PHDR, im->phdr);
	put_aux(w, AT_PHENT, 56);
	put_aux(w, AT_PHNUM, im->phnum);
	put_aux(w, AT_BASE, im->base);
	put_aux(w, AT_FLAGS, 0);
	put_aux(w, AT_ENTRY, im->entry);
	put_aux(w, AT_UID, c->uid.real);
	put_aux(w, AT_EUID, c->uid.effective);
	put_aux(w, AT_GID, c->gid.real);
	put_aux(w, AT_EGID, c->gid.effective);
	put_aux(w, AT_SECURE, cred_is_mixed(c));
	put_aux(w, AT_RANDOM, p->random);
	put_aux(w, AT_HWCAP2, 0);
	put_aux(w, AT_EXECFN, p->path);
	put_aux(w, AT_PLATFORM, p->platform);
	put_aux(w, AT_MINSIGSTKSZ, sigframe_bytes());
	put_aux(w, AT_NULL, 0);
}

static int map_stack(const struct exec *e, const struct plan *p)
{
	uintptr_t at = ALIGN_DOWN(p->sp - STACK_SPARE, PAGE_SIZE);
	struct om_map_request map = {.addr = at,
	                             .len = STACK_TOP - at,
	                             .prot = OM_PROT_READ | OM_PROT_WRITE |
	                                     (e->image.exec_stack ? OM_PROT_EXEC : 0),
	                             .flags = OM_MAP_PRIVATE | OM_MAP_FIXED | OM_MAP_GROWSDOWN};

	if (STACK_TOP - p->sp > MAX(e->p->limit[RLIMIT_STACK].rlim_cur / 4, ALWAYS_FITS))
		return -E2BIG;
	return om_mmap(e->image.space->mm, &map);
}

int stack_build(struct exec *e)
{
	struct space *space = e->image.space;
	struct writer w = {.mm = space->mm};
	struct plan p;
	uint64_t random[2];

	if (e->args.argc + e->args.envc > MAX_POINTERS)
		return -E2BIG;
	plan_stack(e, &p);
	w.err = map_stack(e, &p);
	random_bytes(random, sizeof(random));
	put_bytes(&w, p.path, e->path, strlen(e->path) + 1);
	put_bytes(&w, p.random, random, sizeof(random));
	put_bytes(&w, p.platform, platform, sizeof(platform));
	put_strings(&w, e, &p);
	w.at = p.sp;
	put_pointers(&w, e, &p);
	put_auxv(&w, e, &p);
	flush_words(&w);
	e->image.sp = p.sp;
	space->stack_top = STACK_TOP;
	space->arg_start = p.strings;
	space->arg_end = space->env_start = p.end_of_args;
	space->env_end = p.end;
	return w.err;
}
