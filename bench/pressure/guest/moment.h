/*
 * moment.h: how a program in the machine tells the host that a measured stretch begins or ends.
 *
 * A moment has two halves: a marker instruction, at which count.c notes the instructions so far,
 * and a line "@ask NAME" on the console, after which machine.sh notes the counters of the disks and
 * answers with a line. In between the program waits, so what it has caused so far is in them and
 * nothing later. The halves are in this order at the end of a stretch and in the other at its
 * beginning, which leaves the asking out of the count.
 */
#ifndef PRESSURE_MOMENT_H
#define PRESSURE_MOMENT_H

#include <stdio.h>

/* nopl disp32(%rax,%rax), with a displacement that no compiler would choose. */
#define MOMENT_MARKER 0x0f, 0x1f, 0x84, 0x00, 0x4d, 0x41, 0x52, 0x4b

#define MOMENT_TEXT(...)  #__VA_ARGS__
#define MOMENT_BYTES(...) MOMENT_TEXT(__VA_ARGS__)

static inline void moment_mark(void)
{
	__asm__ volatile(".byte " MOMENT_BYTES(MOMENT_MARKER)::: "memory");
}

static inline void moment_ask(const char *name)
{
	char answer[16];

	printf("@ask %s\n", name);
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin))
		printf("the host does not answer\n");
}

static inline void moment_begin(const char *name)
{
	moment_ask(name);
	moment_mark();
}

static inline void moment_end(const char *name)
{
	moment_mark();
	moment_ask(name);
}

#endif
