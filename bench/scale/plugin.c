/*
 * plugin.c: a plugin of QEMU's that records the accesses of a kernel, whichever it is, and counts
 * its instructions, in the operations that a program has marked (marker.h).
 *
 *     qemu-system-x86_64 -plugin libscale.so,out=FILE[,top=N] ...
 *
 * FILE gets a line "OPERATIONS WRITES READS INSTRUCTIONS" for each row, visits as in record.h; with
 * top, lines "# WRITES READS INSTRUCTION-ADDRESS" of the N cache lines that were visited most come
 * after it: who has written there last.
 *
 * Lines are those of physical memory. Contents of pages should not be counted, and what a frame is
 * for is not known here. So instructions by which both kernels clear and copy pages are left out:
 * string instructions, and moves of XMM registers, which kernels use for nothing else. A program's
 * own accesses are left out, too. The emulator must run all CPUs in one thread: -accel
 * tcg,thread=single.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../trace/qemu_plugin.h"
#include "marker.h"
#include "record.h"

EXPORT int qemu_plugin_version = PLUGIN_VERSION;

static FILE *out;
static unsigned top;
static bool row; /* one is being measured */
static bool inside[RECORD_CPUS];
static uint64_t instructions;

/* ---------------------------------------------------------------- results ------------------- */

static struct shared_line *lines;
static size_t nr_lines;

static int anything(uintptr_t addr)
{
	(void)addr;
	return 0;
}

static void keep_line(const struct shared_line *line)
{
	lines = realloc(lines, ++nr_lines * sizeof(*lines));
	if (!lines)
		exit(1);
	lines[nr_lines - 1] = *line;
}

static int most_first(const void *a, const void *b)
{
	const struct shared_line *x = a, *y = b;
	uint64_t of_x = x->writes + x->reads, of_y = y->writes + y->reads;

	return of_x > of_y ? -1 : of_x < of_y;
}

static void print_lines(void)
{
	qsort(lines, nr_lines, sizeof(*lines), most_first);
	for (size_t i = 0; i < nr_lines && i < top; i++)
		fprintf(out, "# %" PRIu64 " %" PRIu64 " %" PRIxPTR "\n", lines[i].writes,
		        lines[i].reads, lines[i].by);
	free(lines);
	lines = NULL;
	nr_lines = 0;
}

static void end_row(void)
{
	struct record_sum sum;

	row = false;
	record_sum(&sum, top ? keep_line : NULL);
	fprintf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", sum.operations,
	        sum.writes, sum.reads, instructions);
	print_lines();
	fflush(out);
}

/* ---------------------------------------------------------------- watching ------------------ */

static void on_marker(unsigned cpu, void *number)
{
	switch ((uintptr_t)number) {
	case MARK_BEGIN:
		inside[cpu] = row;
		if (row)
			record_begin(cpu);
		break;
	case MARK_END:
		inside[cpu] = false;
		record_end(cpu);
		break;
	case MARK_ROW:
		memset(inside, 0, sizeof(inside));
		instructions = 0;
		record_start(anything);
		row = true;
		break;
	case MARK_ROW_END:
		end_row();
		break;
	}
}

static void on_kernel(unsigned cpu, void *n)
{
	if (inside[cpu])
		instructions += (uintptr_t)n;
}

static void on_access(unsigned cpu, uint32_t info, uint64_t addr, void *by)
{
	struct qemu_plugin_hwaddr *at;

	if (!inside[cpu])
		return;
	at = qemu_plugin_get_hwaddr(info, addr);
	if (at && !qemu_plugin_hwaddr_is_io(at))
		record_access(cpu, qemu_plugin_hwaddr_phys_addr(at),
		              (size_t)1 << qemu_plugin_mem_size_shift(info),
		              qemu_plugin_mem_is_store(info), (uintptr_t)by);
}

/* ---------------------------------------------------------------- translation --------------- */

/* The number of a marker, or 0. */
static unsigned marker(const struct qemu_plugin_insn *insn)
{
	static const uint8_t head[] = {MARKER_HEAD}, tail[] = {MARKER_TAIL};
	const uint8_t *bytes = qemu_plugin_insn_data(insn);

	if (qemu_plugin_insn_size(insn) != 8 || memcmp(bytes, head, sizeof(head)) ||
	    memcmp(bytes + 5, tail, sizeof(tail)))
		return 0;
	return bytes[4];
}

/* Does it move blocks of memory: movs, stos, or a move of an XMM register? */
static bool moves_block(const struct qemu_plugin_insn *insn)
{
	const uint8_t *b = qemu_plugin_insn_data(insn);
	size_t n = qemu_plugin_insn_size(insn), i = 0;

	while (i + 1 < n && (b[i] == 0xf2 || b[i] == 0xf3 || b[i] == 0x66 || b[i] >> 4 == 4))
		i++;
	if (b[i] == 0xa4 || b[i] == 0xa5 || b[i] == 0xaa || b[i] == 0xab)
		return true;
	return b[i] == 0x0f && i + 1 < n && (b[i + 1] == 0x28 || b[i + 1] == 0x29);
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
	bool kernel = qemu_plugin_tb_vaddr(tb) >> 63;
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	if (kernel)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_kernel, NO_REGISTERS, (void *)n);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		unsigned number = kernel ? 0 : marker(insn);

		if (number)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker, NO_REGISTERS,
			                                       (void *)(uintptr_t)number);
		if (kernel && !moves_block(insn))
			qemu_plugin_register_vcpu_mem_cb(insn, on_access, NO_REGISTERS,
			                                 LOADS | STORES,
			                                 (void *)(uintptr_t)qemu_plugin_insn_vaddr(
			                                     insn));
	}
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		if (!strncmp(argv[i], "top=", 4))
			top = (unsigned)strtoul(argv[i] + 4, NULL, 10);
	}
	if (!out)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
