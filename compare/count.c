/*
 * count.c: a plugin of QEMU's user mode that counts what the library does, by operation.
 *
 *     qemu-x86_64 -plugin libcount.so,text=START-END,mark=START-END,cells=ADDRESS,out=FILE PROGRAM
 *
 * `text` (any number of them) is where the library's instructions are: only these are counted, so
 * what clears a page, and the simulated hardware, is not. `mark` is the function compare_mark() of
 * the program; it says what is being done, and on whose behalf, by storing into one of the cells.
 * In the end FILE has a line "insn OPERATION COUNT" and a line "lines OPERATION COUNT" for each
 * operation, by number.
 *
 * `lines` are the cache lines that change hands: a store of one process to a line that another one
 * has written last. If each process had a CPU of its own, the line would have to travel. The stack
 * does not count, because each process has its own in a kernel.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../trace/qemu_plugin.h"

EXPORT int qemu_plugin_version = PLUGIN_VERSION;

/* ---------------------------------------------------------------- where and what ------------ */

#define OPS   16 /* cells of operations; those of processes follow */
#define TEXTS 1024

struct span {
	uint64_t start, end;
};

static struct span text[TEXTS], mark;
static unsigned texts;
static uint64_t cells, stack;
static const char *out;

static unsigned op, who;
static uint64_t insns[OPS], lines[OPS];

static bool within(struct span s, uint64_t addr)
{
	return addr >= s.start && addr < s.end;
}

static bool in_text(uint64_t addr)
{
	for (unsigned i = 0; i < texts; i++)
		if (within(text[i], addr))
			return true;
	return false;
}

/* ---------------------------------------------------------------- who wrote a line ---------- */

#define LINES_PAGE 64
#define PAGES      (1u << 21)

struct writers {
	uint64_t page;            /* number + 1; 0: none */
	uint16_t who[LINES_PAGE]; /* + 1; 0: nobody yet */
};

static struct writers *table[PAGES]; /* open addressing */

static struct writers *writers_of(uint64_t page)
{
	uint32_t i = (uint32_t)((page * UINT64_C(0x9e3779b97f4a7c15)) >> 43);

	while (table[i] && table[i]->page != page + 1)
		i = (i + 1) % PAGES;
	if (!table[i]) {
		table[i] = calloc(1, sizeof(struct writers));
		if (!table[i])
			abort();
		table[i]->page = page + 1;
	}
	return table[i];
}

static void on_store(unsigned cpu, uint32_t info, uint64_t addr, void *arg)
{
	uint16_t *last;

	(void)cpu, (void)info, (void)arg;
	if (op == 0 || (addr < stack + (1u << 16) && addr + (1u << 20) > stack))
		return;
	last = &writers_of(addr >> 12)->who[addr >> 6 & (LINES_PAGE - 1)];
	lines[op] += *last && *last != who + 1;
	*last = (uint16_t)(who + 1);
}

/* ---------------------------------------------------------------- counting ------------------ */

static void on_mark(unsigned cpu, uint32_t info, uint64_t addr, void *arg)
{
	(void)cpu, (void)info, (void)arg;
	if (addr < cells || addr >= cells + OPS + 4096)
		stack = addr;
	else if (addr < cells + OPS)
		op = (unsigned)(addr - cells);
	else
		who = (unsigned)(addr - cells - OPS);
}

static void on_block(unsigned cpu, void *n)
{
	(void)cpu;
	insns[op] += (uintptr_t)n;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
	uint64_t addr = qemu_plugin_tb_vaddr(tb);
	size_t n = qemu_plugin_tb_n_insns(tb);
	bool ours = in_text(addr);

	(void)id;
	if (ours)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, NO_REGISTERS, (void *)n);
	if (ours || within(mark, addr))
		for (size_t i = 0; i < n; i++)
			qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i),
			                                 ours ? on_store : on_mark, NO_REGISTERS,
			                                 STORES, NULL);
}

static void on_exit_(plugin_id id, void *arg)
{
	FILE *f = fopen(out, "w");

	(void)id, (void)arg;
	if (!f)
		return;
	for (unsigned i = 0; i < OPS; i++)
		if (insns[i])
			fprintf(f, "insn %u %" PRIu64 "\nlines %u %" PRIu64 "\n", i, insns[i], i,
			        lines[i]);
	fclose(f);
}

/* ---------------------------------------------------------------- arguments ----------------- */

static bool argument(const char *arg)
{
	struct span s;

	if (sscanf(arg, "text=%" SCNx64 "-%" SCNx64, &s.start, &s.end) == 2 && texts < TEXTS)
		text[texts++] = s;
	else if (sscanf(arg, "mark=%" SCNx64 "-%" SCNx64, &s.start, &s.end) == 2)
		mark = s;
	else if (sscanf(arg, "cells=%" SCNx64, &s.start) == 1)
		cells = s.start;
	else if (!strncmp(arg, "out=", 4))
		out = strdup(arg + 4);
	else
		return false;
	return true;
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!argument(argv[i]))
			return 1;
	if (!texts || !mark.end || !cells || !out)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_exit_, NULL);
	return 0;
}
