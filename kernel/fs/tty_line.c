/*
 * tty_line.c: the line discipline: editing, echo, signal characters, and the translation of output.
 *
 * Everything typed goes into one ring. In canonical mode the line being edited is its last part,
 * beyond `ready`; with its end, the line becomes readable. In the other modes each character is
 * readable at once.
 */
#include "tty.h"

/* Of the ring's `n` characters the one at index `i`, counted without end. */
static uint16_t *ring_slot(struct tty *tty, unsigned i)
{
	return &tty->ring[i % TTY_RING];
}

static bool has_lflag(const struct tty *tty, unsigned flag)
{
	return tty->io.c_lflag & flag;
}

/* Is `c` the control character `which`? 0 switches one off. */
static bool is_control(const struct tty *tty, unsigned char c, unsigned which)
{
	return c && tty->io.c_cc[which] == c;
}

void tty_line_init(struct tty *tty)
{
	static const unsigned char cc[NCCS] = {
	    [VINTR] = 3,  [VQUIT] = 28,    [VERASE] = 127, [VKILL] = 21,
	    [VEOF] = 4,   [VMIN] = 1,      [VSTART] = 17,  [VSTOP] = 19,
	    [VSUSP] = 26, [VREPRINT] = 18, [VWERASE] = 23, [VLNEXT] = 22};

	tty->io.c_iflag = ICRNL | IXON;
	tty->io.c_oflag = OPOST | ONLCR;
	tty->io.c_cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL;
	tty->io.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	tty->io.c_ispeed = tty->io.c_ospeed = 115200;
	memcpy(tty->io.c_cc, cc, sizeof(cc));
	tty->size = (struct winsize){.ws_row = 24, .ws_col = 80};
}

/* ---------------------------------------------------------------- output -------------------- */

void tty_flush_out(struct tty *tty)
{
	console_write(tty->out, tty->nr_out);
	tty->nr_out = 0;
}

static void put_out(struct tty *tty, char c)
{
	if (tty->nr_out == sizeof(tty->out))
		tty_flush_out(tty);
	tty->out[tty->nr_out++] = c;
}

static bool is_continuation(const struct tty *tty, unsigned char c)
{
	return (tty->io.c_iflag & IUTF8) && (c & 0xc0) == 0x80;
}

static void put_translated(struct tty *tty, char c)
{
	if (c == '\n') {
		if (tty->io.c_oflag & ONLCR)
			put_out(tty, '\r');
		tty->column = 0;
	} else if (c == '\r') {
		if (tty->io.c_oflag & OCRNL)
			c = '\n';
		tty->column = 0;
	} else if (c == '\b') {
		tty->column -= tty->column > 0;
	} else if (c == '\t') {
		tty->column = (tty->column | 7) + 1;
	} else if ((unsigned char)c >= ' ' && !is_continuation(tty, (unsigned char)c)) {
		tty->column++;
	}
	put_out(tty, c);
}

void tty_output(struct tty *tty, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (tty->io.c_oflag & OPOST)
			put_translated(tty, s[i]);
		else
			put_out(tty, s[i]);
}

/* ---------------------------------------------------------------- echo ---------------------- */

static bool shown_as_two(const struct tty *tty, unsigned char c)
{
	return has_lflag(tty, ECHOCTL) && (c < ' ' || c == 127) && c != '\t' && c != '\n';
}

static void echo_char(struct tty *tty, unsigned char c)
{
	char two[2] = {'^', (char)(c ^ 0x40)}, one = (char)c;

	if (!has_lflag(tty, ECHO) &&
	    !(c == '\n' && has_lflag(tty, ECHONL) && has_lflag(tty, ICANON)))
		return;
	if (shown_as_two(tty, c))
		tty_output(tty, two, 2);
	else
		tty_output(tty, &one, 1);
}

/* The column behind the line as it is shown. */
static unsigned line_width(struct tty *tty)
{
	unsigned column = tty->line_column;

	for (unsigned i = tty->ready; i != tty->tail; i++) {
		unsigned char c = (unsigned char)*ring_slot(tty, i);

		if (c == '\t')
			column = (column | 7) + 1;
		else if (shown_as_two(tty, c))
			column += 2;
		else if (c >= ' ' && !is_continuation(tty, c))
			column++;
	}
	return column;
}

/* Take `n` cells before the cursor off the screen. */
static void rub_out(struct tty *tty, unsigned n)
{
	while (n--)
		tty_output(tty, "\b \b", 3);
}

/* ---------------------------------------------------------------- editing ------------------- */

static bool line_empty(const struct tty *tty)
{
	return tty->tail == tty->ready;
}

static unsigned char last_char(struct tty *tty)
{
	return (unsigned char)*ring_slot(tty, tty->tail - 1);
}

/* Of a character of several bytes, all. */
static void erase_char(struct tty *tty)
{
	unsigned before = line_width(tty);

	while (!line_empty(tty) && is_continuation(tty, last_char(tty)))
		tty->tail--;
	if (!line_empty(tty))
		tty->tail--;
	if (has_lflag(tty, ECHO) && has_lflag(tty, ECHOE))
		rub_out(tty, before - line_width(tty));
	else
		echo_char(tty, tty->io.c_cc[VERASE]);
}

static void erase_word(struct tty *tty)
{
	while (!line_empty(tty) && (last_char(tty) == ' ' || last_char(tty) == '\t'))
		erase_char(tty);
	while (!line_empty(tty) && last_char(tty) != ' ' && last_char(tty) != '\t')
		erase_char(tty);
}

static void kill_line(struct tty *tty)
{
	unsigned before = line_width(tty);

	tty->tail = tty->ready;
	if (has_lflag(tty, ECHO) && has_lflag(tty, ECHOK) && has_lflag(tty, ECHOKE)) {
		rub_out(tty, before - tty->line_column);
		return;
	}
	echo_char(tty, tty->io.c_cc[VKILL]);
	if (has_lflag(tty, ECHOK))
		echo_char(tty, '\n');
}

static void reprint(struct tty *tty)
{
	echo_char(tty, tty->io.c_cc[VREPRINT]);
	echo_char(tty, '\n');
	tty->line_column = 0;
	for (unsigned i = tty->ready; i != tty->tail; i++)
		echo_char(tty, (unsigned char)*ring_slot(tty, i));
}

/* What is in the ring may be read. */
static void line_ready(struct tty *tty)
{
	tty->ready = tty->tail;
	wake_all(&tty->readable);
}

/* Room for the end of the line is kept. */
static bool push(struct tty *tty, unsigned c, unsigned keep)
{
	if (tty->tail - tty->head >= TTY_RING - keep)
		return false;
	*ring_slot(tty, tty->tail++) = (uint16_t)c;
	return true;
}

static void add_to_line(struct tty *tty, unsigned char c)
{
	if (line_empty(tty))
		tty->line_column = tty->column;
	if (push(tty, c, 1))
		echo_char(tty, c);
	else
		put_out(tty, '\a');
}

static void end_line(struct tty *tty, unsigned c)
{
	if (push(tty, c | MARK_END, 0))
		line_ready(tty);
}

/* Returns false if it is a character like others. */
static bool edit(struct tty *tty, unsigned char c)
{
	if (is_control(tty, c, VERASE)) {
		if (!line_empty(tty))
			erase_char(tty);
	} else if (is_control(tty, c, VKILL)) {
		kill_line(tty);
	} else if (is_control(tty, c, VEOF)) {
		end_line(tty, MARK_EOF);
	} else if (has_lflag(tty, IEXTEN) && is_control(tty, c, VWERASE)) {
		erase_word(tty);
	} else if (has_lflag(tty, IEXTEN) && is_control(tty, c, VREPRINT)) {
		reprint(tty);
	} else if (c == '\n' || is_control(tty, c, VEOL) || is_control(tty, c, VEOL2)) {
		echo_char(tty, c);
		end_line(tty, c);
	} else {
		return false;
	}
	return true;
}

/* ---------------------------------------------------------------- input --------------------- */

void tty_flush_in(struct tty *tty)
{
	tty->head = tty->ready = tty->tail;
	tty->literal = false;
}

/* A change to or from lines: what is there may be read as it is. */
void tty_modes_changed(struct tty *tty, unsigned old_lflag)
{
	if ((old_lflag ^ tty->io.c_lflag) & ICANON)
		line_ready(tty);
	if (!(tty->io.c_iflag & IXON) && tty->stopped) {
		tty->stopped = false;
		wake_all(&tty->started);
	}
}

static int signal_of(const struct tty *tty, unsigned char c)
{
	if (!has_lflag(tty, ISIG))
		return 0;
	return is_control(tty, c, VINTR)   ? SIGINT
	       : is_control(tty, c, VQUIT) ? SIGQUIT
	       : is_control(tty, c, VSUSP) ? SIGTSTP
	                                   : 0;
}

/* ^S and ^Q. */
static bool flow_control(struct tty *tty, unsigned char c)
{
	if (!(tty->io.c_iflag & IXON) || !(is_control(tty, c, VSTART) || is_control(tty, c, VSTOP)))
		return false;
	tty->stopped = is_control(tty, c, VSTOP);
	if (!tty->stopped)
		wake_all(&tty->started);
	return true;
}

static void receive_signal(struct tty *tty, unsigned char c, int sig)
{
	if (!has_lflag(tty, NOFLSH))
		tty_flush_in(tty);
	echo_char(tty, c);
	tty_signal(tty, sig);
}

/* Returns false for one that is to be dropped. */
static bool translate_input(const struct tty *tty, unsigned char *c)
{
	unsigned flags = tty->io.c_iflag;

	if (flags & ISTRIP)
		*c &= 0x7f;
	if (*c == '\r' && (flags & IGNCR))
		return false;
	if (*c == '\r' && (flags & ICRNL))
		*c = '\n';
	else if (*c == '\n' && (flags & INLCR))
		*c = '\r';
	return true;
}

static void receive_plain(struct tty *tty, unsigned char c)
{
	if (has_lflag(tty, ICANON)) {
		add_to_line(tty, c);
		return;
	}
	echo_char(tty, c);
	if (push(tty, c, 0))
		line_ready(tty);
}

void tty_receive(struct tty *tty, unsigned char c)
{
	int sig;

	if (tty->literal) {
		tty->literal = false;
		receive_plain(tty, c);
		return;
	}
	if (!translate_input(tty, &c) || flow_control(tty, c))
		return;
	sig = signal_of(tty, c);
	if (sig)
		receive_signal(tty, c, sig);
	else if (has_lflag(tty, ICANON) && has_lflag(tty, IEXTEN) && is_control(tty, c, VLNEXT))
		tty->literal = true;
	else if (!has_lflag(tty, ICANON) || !edit(tty, c))
		receive_plain(tty, c);
}
