/*
 * call.c: calls as text.
 *
 * A line is the process, the name, and name=value for each argument; what follows a # is for
 * people. Such lines are what a failure prints and what --replay reads.
 */
#include "twin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How an argument is shown. */
enum form { HEX = 'x', DEC = 'd', ADDR = 'a', PROT = 'p', MAP = 'm', ADVICE = 'v', REMAP = 'r' };

static const struct {
	const char *name;
	const char *arg[6];
	const char form[7];
} kinds[NR_KINDS] = {
    [C_MMAP] = {"mmap", {"addr", "len", "prot", "flags", "file", "offset"}, "axpmdx"},
    [C_MUNMAP] = {"munmap", {"addr", "len"}, "ax"},
    [C_MPROTECT] = {"mprotect", {"addr", "len", "prot"}, "axp"},
    [C_MREMAP] = {"mremap", {"old", "old_len", "new_len", "flags", "new", "home"}, "axxraa"},
    [C_MADVISE] = {"madvise", {"addr", "len", "advice"}, "axv"},
    [C_MLOCK] = {"mlock", {"addr", "len"}, "ax"},
    [C_MLOCK2] = {"mlock2", {"addr", "len", "flags"}, "axx"},
    [C_MUNLOCK] = {"munlock", {"addr", "len"}, "ax"},
    [C_MLOCKALL] = {"mlockall", {"flags"}, "x"},
    [C_MUNLOCKALL] = {"munlockall", {0}, ""},
    [C_MINCORE] = {"mincore", {"addr", "len"}, "ax"},
    [C_MSYNC] = {"msync", {"addr", "len", "flags"}, "axx"},
    [C_BRK] = {"brk", {"offset"}, "x"},
    [C_LIMIT] = {"limit", {"which", "value"}, "dx"},
    [C_WRITE] = {"write", {"addr", "n", "seed"}, "adx"},
    [C_READ] = {"read", {"addr", "n"}, "ad"},
    [C_EXEC] = {"exec", {"addr"}, "a"},
    [C_UREAD] = {"uread", {"addr", "len"}, "ax"},
    [C_UWRITE] = {"uwrite", {"addr", "len", "seed"}, "axx"},
    [C_SPAWN] = {"spawn", {0}, ""},
    [C_FORK] = {"fork", {"child"}, "d"},
    [C_EXIT] = {"exit", {0}, ""},
    [C_TRUNCATE] = {"truncate", {"file", "size"}, "dx"},
    [C_PUNCH] = {"punch", {"file", "offset", "len"}, "dxx"},
    [C_PREAD] = {"pread", {"file", "offset", "len"}, "dxx"},
    [C_PWRITE] = {"pwrite", {"file", "offset", "len", "seed"}, "dxxx"},
    [C_FSYNC] = {"fsync", {"file"}, "d"},
    [C_RECLAIM] = {"reclaim", {"pages"}, "d"},
    [C_SWAPOFF] = {"swapoff", {"area"}, "d"},
    [C_FLUSH_TLB] = {"flush_tlb", {0}, ""},
    [C_CHECK] = {"check", {"what"}, "x"},
};

struct flag {
	uint64_t bit;
	const char *name;
};

static const struct flag prot_flags[] = {
    {OM_PROT_READ, "READ"},           {OM_PROT_WRITE, "WRITE"},     {OM_PROT_EXEC, "EXEC"},
    {OM_PROT_GROWSDOWN, "GROWSDOWN"}, {OM_PROT_GROWSUP, "GROWSUP"}, {0, NULL}};

static const struct flag map_flags[] = {{OM_MAP_SHARED, "SHARED"},
                                        {OM_MAP_PRIVATE, "PRIVATE"},
                                        {OM_MAP_FIXED, "FIXED"},
                                        {OM_MAP_GROWSDOWN, "GROWSDOWN"},
                                        {OM_MAP_LOCKED, "LOCKED"},
                                        {OM_MAP_NORESERVE, "NORESERVE"},
                                        {OM_MAP_POPULATE, "POPULATE"},
                                        {OM_MAP_FIXED_NOREPLACE, "FIXED_NOREPLACE"},
                                        {0, NULL}};

static const struct flag remap_flags[] = {{OM_MREMAP_MAYMOVE, "MAYMOVE"},
                                          {OM_MREMAP_FIXED, "FIXED"},
                                          {OM_MREMAP_DONTUNMAP, "DONTUNMAP"},
                                          {0, NULL}};

static const struct flag advices[] = {{OM_MADV_NORMAL, "NORMAL"},
                                      {OM_MADV_RANDOM, "RANDOM"},
                                      {OM_MADV_SEQUENTIAL, "SEQUENTIAL"},
                                      {OM_MADV_WILLNEED, "WILLNEED"},
                                      {OM_MADV_DONTNEED, "DONTNEED"},
                                      {OM_MADV_FREE, "FREE"},
                                      {OM_MADV_REMOVE, "REMOVE"},
                                      {OM_MADV_DONTFORK, "DONTFORK"},
                                      {OM_MADV_DOFORK, "DOFORK"},
                                      {OM_MADV_WIPEONFORK, "WIPEONFORK"},
                                      {OM_MADV_KEEPONFORK, "KEEPONFORK"},
                                      {OM_MADV_COLD, "COLD"},
                                      {OM_MADV_PAGEOUT, "PAGEOUT"},
                                      {OM_MADV_POPULATE_READ, "POPULATE_READ"},
                                      {OM_MADV_POPULATE_WRITE, "POPULATE_WRITE"},
                                      {OM_MADV_DONTNEED_LOCKED, "DONTNEED_LOCKED"},
                                      {0, NULL}};

const char *kind_name(unsigned kind)
{
	return kind < NR_KINDS ? kinds[kind].name : "?";
}

bool is_address(unsigned kind, unsigned i)
{
	return kind < NR_KINDS && i < nr_args(kind) && kinds[kind].form[i] == ADDR;
}

unsigned nr_args(unsigned kind)
{
	return (unsigned)strlen(kinds[kind].form);
}

/* ---------------------------------------------------------------- out ----------------------- */

static void print_flags(FILE *out, const struct flag *f, uint64_t value)
{
	const char *sep = " ";

	for (; f->name; f++) {
		if (value & f->bit) {
			fprintf(out, "%s%s", sep, f->name);
			sep = "|";
		}
	}
}

static void print_advice(FILE *out, uint64_t value)
{
	for (const struct flag *f = advices; f->name; f++)
		if (f->bit == value)
			fprintf(out, " %s", f->name);
}

static void print_arg(FILE *out, char form, uint64_t v)
{
	if (form == DEC)
		fprintf(out, "%" PRId64, (int64_t)v);
	else
		fprintf(out, "0x%" PRIx64, v);
}

/* Where in its window, in pages. */
static void print_place(FILE *out, uint64_t a)
{
	if ((a & ~(HEAP_TAG - 1)) == HEAP_TAG)
		fprintf(out, " heap+%" PRIu64, (a & (HEAP_TAG - 1)) / PAGE);
	else if (a >= ARENA && a < ARENA + ARENA_PAGES * PAGE)
		fprintf(out, " arena+%" PRIu64, (a - ARENA) / PAGE);
}

static void print_comment(FILE *out, char form, uint64_t v)
{
	switch (form) {
	case ADDR:
		print_place(out, v);
		break;
	case PROT:
		print_flags(out, prot_flags, v);
		break;
	case MAP:
		print_flags(out, map_flags, v);
		break;
	case REMAP:
		print_flags(out, remap_flags, v);
		break;
	case ADVICE:
		print_advice(out, v);
		break;
	default:
		break;
	}
}

void print_call(FILE *out, const struct call *c)
{
	fprintf(out, "p%u %s", c->proc, kinds[c->kind].name);
	for (unsigned i = 0; i < nr_args(c->kind); i++) {
		fprintf(out, " %s=", kinds[c->kind].arg[i]);
		print_arg(out, kinds[c->kind].form[i], c->a[i]);
	}
	fputs("   #", out);
	for (unsigned i = 0; i < nr_args(c->kind); i++)
		print_comment(out, kinds[c->kind].form[i], c->a[i]);
	fputc('\n', out);
}

/* ---------------------------------------------------------------- in ------------------------ */

static bool parse_arg(const char *word, struct call *c)
{
	const char *eq = strchr(word, '=');

	if (!eq)
		return false;
	for (unsigned i = 0; i < nr_args(c->kind); i++) {
		const char *name = kinds[c->kind].arg[i];

		if (strlen(name) == (size_t)(eq - word) && !memcmp(name, word, strlen(name))) {
			c->a[i] = eq[1] == '-' ? (uint64_t)strtoll(eq + 1, NULL, 0)
			                       : strtoull(eq + 1, NULL, 0);
			return true;
		}
	}
	return false;
}

/* False: not a call (empty, a comment, nonsense). */
bool parse_call(const char *line, struct call *c)
{
	char text[512], *save, *word;

	snprintf(text, sizeof(text), "%s", line);
	text[strcspn(text, "#\n")] = 0;
	memset(c, 0, sizeof(*c));
	word = strtok_r(text, " ", &save);
	if (!word || word[0] != 'p')
		return false;
	c->proc = (uint8_t)atoi(word + 1);
	word = strtok_r(NULL, " ", &save);
	if (!word || c->proc >= NR_PROCS)
		return false;
	for (c->kind = 0; c->kind < NR_KINDS && strcmp(word, kinds[c->kind].name); c->kind++)
		;
	if (c->kind == NR_KINDS)
		return false;
	while ((word = strtok_r(NULL, " ", &save)))
		if (!parse_arg(word, c))
			return false;
	return true;
}
