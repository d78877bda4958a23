/*
 * marker.h: how the program in the machine (guest.c) tells the plugin (plugin.c) where it stands:
 * by instructions that do nothing, nopl with a displacement that no compiler would choose.
 */
#ifndef SCALE_MARKER_H
#define SCALE_MARKER_H

enum {
	MARK_BEGIN = 1, /* an operation of this CPU begins */
	MARK_END,       /* and ends */
	MARK_ROW,       /* from now on they count */
	MARK_ROW_END,
};

/* The bytes before the number above and behind it. */
#define MARKER_HEAD 0x0f, 0x1f, 0x84, 0x00
#define MARKER_TAIL 0x4c, 0x49, 0x4e

#define MARKER_TEXT(...)  #__VA_ARGS__
#define MARKER_BYTES(...) MARKER_TEXT(__VA_ARGS__)

#define MARK(number)                                                                               \
	__asm__ volatile(                                                                          \
	    ".byte " MARKER_BYTES(MARKER_HEAD) ", %c0, " MARKER_BYTES(MARKER_TAIL)::"i"(number)    \
	    : "memory")

#endif
