/*
 * tty.h: the terminal on the serial console. tty.c is the file, tty_line.c the line discipline:
 * what becomes of characters on their way in and out; tty_job.c is job control.
 */
#ifndef TTY_H
#define TTY_H

#include <asm/ioctls.h>
#include <asm/termios.h>

#include "fs.h"
#include "syscalls.h"

#define TTY_RING 4096u /* characters, a power of two */

/* A character in the ring, and what is special about it. */
#define MARK_END 0x100u /* ends a line, so a read in canonical mode stops behind it */
#define MARK_EOF 0x200u /* is not there at all: only ends a line */

struct tty {
	/* What was typed, from the interrupt handler to the thread. */
	struct spin typed_lock;
	char typed[256];
	_Atomic unsigned typed_head, typed_tail;
	struct waitq typed_wait;

	struct mutex lock; /* guards all below */
	struct termios2 io;
	struct winsize size;
	uint16_t ring[TTY_RING];
	_Atomic unsigned head;  /* the first character; */
	unsigned tail;          /* one behind the last; */
	_Atomic unsigned ready; /* those from here on are a line still being edited */
	struct waitq readable;
	bool literal; /* the next character is taken as it is */
	bool stopped; /* by ^S */
	struct waitq started;
	unsigned column; /* of the cursor, and where it was when the line began */
	unsigned line_column;
	char out[256];
	unsigned nr_out;

	int sid, pgrp; /* (proc_lock) the session it controls, and its foreground group; 0: none */
};

/* ---- tty_line.c; lock held */
void tty_line_init(struct tty *tty);
void tty_receive(struct tty *tty, unsigned char c); /* one that was typed */
void tty_output(struct tty *tty, const char *s, size_t n);
void tty_flush_out(struct tty *tty); /* what tty_output() has gathered */
void tty_flush_in(struct tty *tty);  /* forget what was typed */
/* The modes have changed from these. */
void tty_modes_changed(struct tty *tty, unsigned old_lflag);

/* ---- tty_job.c */
/*
 * May the running process do what only the foreground may? -EIO, -ERESTARTSYS (and the signal is
 * sent).
 */
int tty_check_job(struct tty *tty, int sig);
void tty_signal(struct tty *tty, int sig); /* to the foreground */
long tty_job_ioctl(struct tty *tty, unsigned cmd, uintptr_t arg);

#endif
