/*
 * emulate.c: the command in QEMU's user mode, whose plugin (accesses.c) sees each access.
 *
 * Each program that is executed is QEMU instead, with the program as its argument: the system call is
 * changed while the process is stopped in it. QEMU makes processes and threads as the program does, so
 * these are followed as ever. What the program does to its memory is not what QEMU does: the plugin
 * tells of those calls, and of the moment when a program is about to start, by a system call that does not
 * exist.
 *
 * QEMU leaves a program's addresses as they are, not far from 2^38; what it has itself is far above.
 */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#include "accesses.h"

#define QEMU "/usr/bin/qemu-x86_64"

static char store[] = "/tmp/objrmap-accesses-XXXXXX";
static char plugin[PATH_MAX + 64];

void emulate_open(unsigned window)
{
	char self[PATH_MAX] = "";
	int fd = mkstemp(store);

	if (fd < 0 || close(fd) || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		die(store);
	if (access(QEMU, X_OK))
		die(QEMU);
	snprintf(plugin, sizeof(plugin), "%s/libaccesses.so,out=%s,window=%u", dirname(self), store,
	         window);
}

/* ---------------------------------------------------------------- memory of the process ----- */

static bool read_memory(pid_t tid, uint64_t from, void *to, size_t n)
{
	return process_vm_readv(tid, &(struct iovec){to, n}, 1,
	                        &(struct iovec){(void *)(uintptr_t)from, n}, 1, 0) == (ssize_t)n;
}

static bool write_memory(pid_t tid, uint64_t to, void *from, size_t n)
{
	return process_vm_writev(tid, &(struct iovec){from, n}, 1,
	                         &(struct iovec){(void *)(uintptr_t)to, n}, 1, 0) == (ssize_t)n;
}

static bool read_string(pid_t tid, uint64_t from, char *to, size_t max)
{
	for (size_t i = 0; i < max; i++) {
		if (!read_memory(tid, from + i, to + i, 1))
			return false;
		if (!to[i])
			return true;
	}
	return false;
}

/* ---------------------------------------------------------------- programs ------------------ */

/* What QEMU is called with: new words, and old ones, which are there already. */
struct words {
	uint64_t at;  /* where the strings go */
	char *string; /* they, one behind the other */
	size_t used, max;
	uint64_t *word;
	size_t n;
};

static void add(struct words *w, const char *s)
{
	size_t n = strlen(s) + 1;

	if (w->used + n > w->max)
		die("a program's name is too long");
	memcpy(w->string + w->used, s, n);
	w->word[w->n++] = w->at + w->used;
	w->used += n;
}

/* The beginning of what is to be executed; false: it cannot be. */
static bool read_head(pid_t tid, const char *path, char *head, size_t max)
{
	char whole[PATH_MAX + 64];
	ssize_t n = -1;
	int fd;

	snprintf(whole, sizeof(whole), "/proc/%d/cwd/%s", (int)tid, path);
	if (access(path[0] == '/' ? path : whole, X_OK))
		return false;
	fd = open(path[0] == '/' ? path : whole, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, head, max - 1);
	close(fd);
	head[n > 0 ? n : 0] = '\0';
	return n > 2;
}

/* "#!" INTERPRETER [ARGUMENT], and then the script. */
static void add_interpreter(struct words *w, char *line)
{
	char *rest, *name;

	line[strcspn(line, "\n")] = '\0';
	name = strtok_r(line, " \t", &rest);
	if (!name)
		return;
	add(w, name);
	rest += strspn(rest, " \t");
	if (*rest)
		add(w, rest);
}

static void add_program(pid_t tid, struct words *w, const char *path, char *head, uint64_t argv)
{
	uint64_t word;

	add(w, QEMU);
	add(w, "-plugin");
	add(w, plugin);
	if (head[0] == '#') {
		add_interpreter(w, head + 2);
	} else {
		add(w, "-0");
		if (!read_memory(tid, argv, &w->word[w->n++], sizeof(word)))
			die("execve");
	}
	add(w, path);
	for (argv += sizeof(word); read_memory(tid, argv, &word, sizeof(word)) && word;
	     argv += sizeof(word))
		w->word[w->n++] = word;
	w->word[w->n++] = 0;
}

static size_t count_words(pid_t tid, uint64_t argv)
{
	uint64_t word;
	size_t n = 0;

	while (read_memory(tid, argv + n * sizeof(word), &word, sizeof(word)) && word)
		n++;
	return n;
}

/* The new words go below the stack, where nobody has anything. */
void emulate_exec(pid_t tid, struct user_regs_struct *r)
{
	char path[PATH_MAX], head[256], string[3 * PATH_MAX];
	struct words w = {.string = string, .max = sizeof(string)};
	size_t words;

	if (!read_string(tid, r->rdi, path, sizeof(path)) ||
	    !read_head(tid, path, head, sizeof(head)) ||
	    (memcmp(head, "\177ELF", 4) != 0 && memcmp(head, "#!", 2) != 0))
		return; /* it will fail, and the program goes on */
	words = count_words(tid, r->rsi) + 10;
	w.word = must(calloc(words, sizeof(*w.word)));
	w.at = (r->rsp - 1024 - sizeof(string)) & ~UINT64_C(15);
	add_program(tid, &w, path, head, r->rsi);
	r->rdi = w.word[0];
	r->rsi = w.at - words * sizeof(*w.word);
	if (!write_memory(tid, w.at, string, w.used) ||
	    !write_memory(tid, r->rsi, w.word, w.n * sizeof(*w.word)) ||
	    ptrace(PTRACE_SETREGS, tid, 0, r))
		die("a program cannot be emulated");
	free(w.word);
}

/* ---------------------------------------------------------------- what the plugin says ------ */

void emulate_mark(pid_t tid, pid_t pid, const struct user_regs_struct *r, uint64_t *brk)
{
	struct call c;

	if (r->rdi == MARK_LAYOUT)
		note_layout(now(), pid, true);
	else if (r->rdi == MARK_RETURN && read_memory(tid, r->rsi, &c, sizeof(c)))
		call_done(pid, &c, (int64_t)r->rdx, brk);
}

void emulate_close(void)
{
	const uint64_t kind = ~UINT64_C(0) << ACCESS_KIND_SHIFT;
	FILE *f = must(fopen(store, "rb"));
	struct access_batch *b = must(malloc(sizeof(*b)));

	while (fread(b, offsetof(struct access_batch, access), 1, f) == 1 && b->n <= ACCESS_BATCH &&
	       fread(b->access, sizeof(*b->access), b->n, f) == b->n)
		for (uint64_t i = 0; i < b->n; i++)
			note_fault(b->access[i].time, (pid_t)b->pid,
			           (b->access[i].page & ~kind) << TRACE_PAGE_SHIFT,
			           (enum trace_kind)(b->access[i].page >> ACCESS_KIND_SHIFT));
	fclose(f);
	free(b);
	unlink(store);
}
