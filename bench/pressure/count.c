/*
 * count.c: a plugin of QEMU's that counts the instructions of a whole machine, those of programs
 * and those of the kernel apart, whatever the kernel.
 *
 *     qemu-system-x86_64 -plugin libcount.so,out=FILE ...
 *
 * Whenever a program executes the marker of guest/moment.h, which is a nop to the processor, FILE
 * gets a line "USER KERNEL": how many there have been so far. For machines with one CPU.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../../trace/qemu_plugin.h"
#include "guest/moment.h"

EXPORT int qemu_plugin_version = PLUGIN_VERSION;

/* ---------------------------------------------------------------- counting ------------------ */

static uint64_t user, kernel;
static FILE *out;

static void in_user(unsigned cpu, void *n)
{
	(void)cpu;
	user += (uintptr_t)n;
}

static void in_kernel(unsigned cpu, void *n)
{
	(void)cpu;
	kernel += (uintptr_t)n;
}

static void on_marker(unsigned cpu, void *arg)
{
	(void)cpu, (void)arg;
	fprintf(out, "%" PRIu64 " %" PRIu64 "\n", user, kernel);
	fflush(out);
}

static bool is_marker(const struct qemu_plugin_insn *insn)
{
	static const unsigned char marker[] = {MOMENT_MARKER};

	return qemu_plugin_insn_size(insn) == sizeof(marker) &&
	       !memcmp(qemu_plugin_insn_data(insn), marker, sizeof(marker));
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
	bool high = qemu_plugin_tb_vaddr(tb) >> 63;
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, high ? in_kernel : in_user, NO_REGISTERS,
	                                     (void *)n);
	for (size_t i = 0; i < n && !high; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (is_marker(insn))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker, NO_REGISTERS, NULL);
	}
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc == 1 && !strncmp(argv[0], "out=", 4))
		out = fopen(argv[0] + 4, "w");
	if (!out)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
