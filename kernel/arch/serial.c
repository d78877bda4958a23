/*
 * serial.c: the console, a 16550 at the first serial port. Output waits for the transmitter; input
 * comes by interrupt and goes to the function that serial_listen() was given.
 */
#include "boot.h"
#include "cpu.h"
#include "spin.h"

#define COM1     0x3f8
#define COM1_IRQ 4

#define DATA    (COM1 + 0)
#define IRQS    (COM1 + 1)
#define FIFO    (COM1 + 2)
#define LINE    (COM1 + 3)
#define MODEM   (COM1 + 4)
#define STATUS  (COM1 + 5)
#define DIVISOR (COM1 + 0) /* two bytes, while LINE_DIVISOR is set */

#define LINE_8N1     0x03
#define LINE_DIVISOR 0x80

#define STATUS_RECEIVED 0x01
#define STATUS_EMPTY    0x20

#define FIFO_SIZE 16

static struct spin lock; /* of output */
static void (*listener)(char c);

void serial_init(void)
{
	outb(IRQS, 0);
	outb(LINE, LINE_DIVISOR);
	outb(DIVISOR, 1); /* 115200 baud */
	outb(DIVISOR + 1, 0);
	outb(LINE, LINE_8N1);
	outb(FIFO, 0x07);  /* on, both cleared, interrupt for each character */
	outb(MODEM, 0x0b); /* ready; interrupts reach the line */
}

/* One FIFO full at a time. The wait has an end: a port that is not there never becomes ready. */
static void write_some(const char *s, size_t n)
{
	for (unsigned patience = 1000000; patience && !(inb(STATUS) & STATUS_EMPTY); patience--)
		cpu_relax();
	for (size_t i = 0; i < n; i++)
		outb(DATA, (uint8_t)s[i]);
}

void console_write(const char *s, size_t n)
{
	for (size_t at = 0; at < n; at += FIFO_SIZE) {
		bool locked = !atomic_load(&panicking);
		unsigned long flags = locked ? spin_lock_irq(&lock) : 0;

		write_some(s + at, MIN(n - at, FIFO_SIZE));
		if (locked)
			spin_unlock_irq(&lock, flags);
	}
}

static void serial_interrupt(void *arg)
{
	(void)arg;
	while (inb(STATUS) & STATUS_RECEIVED)
		listener((char)inb(DATA));
}

int serial_listen(void (*input)(char c))
{
	int err;

	listener = input;
	err = irq_isa(COM1_IRQ, serial_interrupt, NULL);
	if (!err)
		outb(IRQS, 1);
	return err;
}
