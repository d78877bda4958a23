/*
 * tty.c: the terminal as a file, on the serial console.
 *
 * The interrupt handler puts what is typed into a small ring. A thread takes it from there to the
 * line discipline, so that echo and ^C work when nobody reads.
 */
#include <asm/poll.h>

#include "tty.h"
#include "vm.h"

static struct tty console = {.typed_wait = WAITQ_INIT(console.typed_wait),
                             .lock = MUTEX_INIT(console.lock),
                             .readable = WAITQ_INIT(console.readable),
                             .started = WAITQ_INIT(console.started)};

/* ---------------------------------------------------------------- what is typed ------------- */

void tty_input(char c)
{
	unsigned long flags = spin_lock_irq(&console.typed_lock);

	if (console.typed_tail - console.typed_head < sizeof(console.typed))
		console.typed[console.typed_tail++ % sizeof(console.typed)] = c;
	spin_unlock_irq(&console.typed_lock, flags);
	wake_all(&console.typed_wait);
}

static bool next_typed(struct tty *tty, char *c)
{
	unsigned long flags = spin_lock_irq(&tty->typed_lock);
	bool any = tty->typed_head != tty->typed_tail;

	if (any)
		*c = tty->typed[tty->typed_head++ % sizeof(tty->typed)];
	spin_unlock_irq(&tty->typed_lock, flags);
	return any;
}

static void input_thread(void *arg)
{
	struct tty *tty = arg;
	char c;

	for (;;) {
		wait_event(&tty->typed_wait, tty->typed_head != tty->typed_tail);
		mutex_lock(&tty->lock);
		while (next_typed(tty, &c))
			tty_receive(tty, (unsigned char)c);
		tty_flush_out(tty);
		mutex_unlock(&tty->lock);
	}
}

void tty_init(void)
{
	tty_line_init(&console);
	if (!kthread("tty", input_thread, &console))
		panic("no memory for the terminal");
}

/* ---------------------------------------------------------------- read ---------------------- */

/* From what is ready, in canonical mode to the end of a line at most. lock held. */
static long take_ready(struct tty *tty, char *buf, size_t n)
{
	bool lines = tty->io.c_lflag & ICANON;
	size_t sum = 0;
	unsigned c = 0;

	while (tty->head != tty->ready) {
		c = tty->ring[tty->head % TTY_RING];
		if (sum == n && !(lines && (c & MARK_EOF)))
			break; /* the end that directly follows belongs to this read */
		tty->head++;
		if (!(c & MARK_EOF))
			buf[sum++] = (char)c;
		if (lines && (c & MARK_END))
			break;
	}
	return (long)sum;
}

/* How many characters a read waits for, and how long, in modes without lines. lock held. */
static unsigned read_wants(const struct tty *tty, size_t n, uint64_t *timeout)
{
	bool lines = tty->io.c_lflag & ICANON;

	*timeout = lines ? 0 : tty->io.c_cc[VTIME] * (NSEC_PER_SEC / 10);
	return lines ? 1 : (unsigned)MIN(n, tty->io.c_cc[VMIN]);
}

static unsigned nr_ready(const struct tty *tty)
{
	return tty->ready - tty->head;
}

/* Sleep until something is typed, or the deadline. */
static int wait_typed(struct tty *tty, unsigned have, uint64_t deadline)
{
	struct waiter w;
	int err = 0;

	wait_begin(&tty->readable, &w, THREAD_INTERRUPTIBLE);
	if (nr_ready(tty) == have) {
		if (signal_pending())
			err = -ERESTARTSYS;
		else
			schedule_until(deadline);
	}
	wait_end(&w);
	return err;
}

/*
 * Wait until a read should return; lock held, and also when it returns. With VMIN, the time counts
 * from the first character on and again with each; without, from the beginning.
 */
static int wait_ready(struct tty *tty, size_t n)
{
	uint64_t timeout, deadline = UINT64_MAX;
	unsigned want = read_wants(tty, n, &timeout), have;
	int err = 0;

	while (!err && ((have = nr_ready(tty)) < want || (!want && !have && timeout))) {
		if (timeout && (have || !want) && deadline == UINT64_MAX)
			deadline = now_ns() + timeout;
		if (now_ns() >= deadline)
			break;
		mutex_unlock(&tty->lock);
		err = wait_typed(tty, have, deadline);
		mutex_lock(&tty->lock);
		if (want && nr_ready(tty) != have)
			deadline = UINT64_MAX;
	}
	return err;
}

static long tty_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	struct tty *tty = file->data;
	long result = tty_check_job(tty, SIGTTIN);

	(void)pos;
	if (result)
		return result;
	mutex_lock(&tty->lock);
	if (!nr_ready(tty) && (file->flags & O_NONBLOCK))
		result = -EAGAIN;
	else
		result = wait_ready(tty, n);
	if (!result || nr_ready(tty))
		result = take_ready(tty, buf, n);
	mutex_unlock(&tty->lock);
	return result;
}

/* ---------------------------------------------------------------- write, poll --------------- */

static long tty_write(struct file *file, const void *buf, size_t n, uint64_t *pos)
{
	struct tty *tty = file->data;
	int err = tty->io.c_lflag & TOSTOP ? tty_check_job(tty, SIGTTOU) : 0;

	(void)pos;
	if (err)
		return err;
	mutex_lock(&tty->lock);
	while (tty->stopped) {
		mutex_unlock(&tty->lock);
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_intr(&tty->started, !tty->stopped))
			return -ERESTARTSYS;
		mutex_lock(&tty->lock);
	}
	tty_output(tty, buf, n);
	tty_flush_out(tty);
	mutex_unlock(&tty->lock);
	return (long)n;
}

static unsigned tty_poll(struct file *file, struct poll_table *table)
{
	struct tty *tty = file->data;
	unsigned mask = 0;

	poll_wait(table, &tty->readable);
	poll_wait(table, &tty->started);
	if (nr_ready(tty))
		mask |= POLLIN | POLLRDNORM;
	if (!tty->stopped)
		mask |= POLLOUT | POLLWRNORM;
	return mask;
}

/* ---------------------------------------------------------------- ioctl --------------------- */

static long get_modes(struct tty *tty, uintptr_t to, size_t size)
{
	struct termios2 io;

	mutex_lock(&tty->lock);
	io = tty->io;
	mutex_unlock(&tty->lock);
	return user_write(to, &io, size);
}

/* struct termios is the beginning of termios2. */
static long set_modes(struct tty *tty, uintptr_t from, size_t size, bool flush)
{
	unsigned old_lflag;
	struct termios2 io;
	int err = tty_check_job(tty, SIGTTOU);

	if (err)
		return err;
	mutex_lock(&tty->lock);
	io = tty->io;
	mutex_unlock(&tty->lock);
	if (user_read(&io, from, size))
		return -EFAULT;
	mutex_lock(&tty->lock);
	old_lflag = tty->io.c_lflag;
	tty->io = io;
	if (flush)
		tty_flush_in(tty);
	tty_modes_changed(tty, old_lflag);
	mutex_unlock(&tty->lock);
	return 0;
}

static long get_size(struct tty *tty, uintptr_t to)
{
	struct winsize size;

	mutex_lock(&tty->lock);
	size = tty->size;
	mutex_unlock(&tty->lock);
	return user_put(to, size);
}

static long set_size(struct tty *tty, uintptr_t from)
{
	struct winsize size;
	bool changed;

	if (user_get(size, from))
		return -EFAULT;
	mutex_lock(&tty->lock);
	changed = memcmp(&size, &tty->size, sizeof(size));
	tty->size = size;
	mutex_unlock(&tty->lock);
	if (changed)
		tty_signal(tty, SIGWINCH);
	return 0;
}

/* Output is never queued, so there is only input to flush. */
static long flush_queue(struct tty *tty, uintptr_t which)
{
	if (which > TCIOFLUSH)
		return -EINVAL;
	if (which == TCOFLUSH)
		return 0;
	mutex_lock(&tty->lock);
	tty_flush_in(tty);
	mutex_unlock(&tty->lock);
	return 0;
}

static long put_int(uintptr_t to, unsigned n)
{
	return user_put(to, n);
}

static long tty_ioctl(struct file *file, unsigned cmd, uintptr_t arg)
{
	struct tty *tty = file->data;

	switch (cmd) {
	case TCGETS:
		return get_modes(tty, arg, sizeof(struct termios));
	case TCGETS2:
		return get_modes(tty, arg, sizeof(struct termios2));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_modes(tty, arg, sizeof(struct termios), cmd == TCSETSF);
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return set_modes(tty, arg, sizeof(struct termios2), cmd == TCSETSF2);
	case TIOCGWINSZ:
		return get_size(tty, arg);
	case TIOCSWINSZ:
		return set_size(tty, arg);
	case TCFLSH:
		return flush_queue(tty, arg);
	case TCSBRK:
	case TCSBRKP:
		return 0; /* all output is out */
	case TIOCINQ:
		return put_int(arg, nr_ready(tty));
	case TIOCOUTQ:
		return put_int(arg, 0);
	default:
		return tty_job_ioctl(tty, cmd, arg);
	}
}

/* ---------------------------------------------------------------- open ---------------------- */

static const struct file_ops tty_fops = {
    .read = tty_read, .write = tty_write, .poll = tty_poll, .ioctl = tty_ioctl, .stream = true};

int tty_open(struct file *file)
{
	file->ops = &tty_fops;
	file->data = &console;
	return 0;
}

/* Process 1, which is about to start, gets the terminal with its session. */
void tty_give(struct proc *p, int sid)
{
	spin_lock(&proc_lock);
	p->tty = &console;
	console.sid = console.pgrp = sid;
	spin_unlock(&proc_lock);
}
