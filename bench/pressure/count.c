/*
 * count.c: a plugin of QEMU's that counts the instructions of a whole machine, those of programs
 * and those of the kernel apart, whatever the kernel.
 *
 *     qemu-system-x86_64 -plugin libcount.so,out=FILE ...
 *
 * Whenever a program executes the marker of guest/moment.h, which is a nop to the processor, FILE
 * gets a line "USER KERNEL": how many there have been so far. For machines with one CPU.
 *
 * The prototypes are those of the plugin interface of QEMU 4.2 and later that this file needs, as
 * Debian 12 has no header of it. PLUGIN_VERSION is 1 before QEMU 9.0, and 2 from there on.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "guest/moment.h"

#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION 1
#endif
#define EXPORT __attribute__((visibility("default")))

/* ---------------------------------------------------------------- QEMU's interface ---------- */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;

enum { NO_REGISTERS = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*fn)(plugin_id id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
                                          void (*fn)(unsigned cpu, void *arg), int flags,
                                          void *arg);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            void (*fn)(unsigned cpu, void *arg), int flags,
                                            void *arg);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = PLUGIN_VERSION;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

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
