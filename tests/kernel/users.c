/* users.c: user and group numbers and capabilities: what a process may change, and what follows from it. */
#include "user.h"

#include <sys/auxv.h>
#include <sys/fsuid.h>

#define A ANN
#define B BOB
#define C EVE

static uint64_t all; /* of root, in the beginning */

static const char *amount(uint64_t set)
{
	static char text[24];

	if (set == all)
		return "all";
	snprintf(text, sizeof(text), "%llx", (unsigned long long)set);
	return set ? text : "none";
}

/* Numbers as letters. */
static char name(unsigned id)
{
	return id == 0 ? '0' : id >= A && id <= C ? (char)('A' + id - A) : '?';
}

static void show(const char *what, long r)
{
	const char *err = r == -1 ? strerrorname_np(errno) : "ok";
	unsigned u[3], g[3];
	char effective[24];

	getresuid(&u[0], &u[1], &u[2]);
	getresgid(&g[0], &g[1], &g[2]);
	strcpy(effective, amount(caps(false)));
	say("%s: %s, uid %c%c%c%c gid %c%c%c%c effective %s permitted %s dumpable %d", what, err,
	    name(u[0]), name(u[1]), name(u[2]), name((unsigned)setfsuid(-1)), name(g[0]),
	    name(g[1]), name(g[2]), name((unsigned)setfsgid(-1)), effective, amount(caps(true)),
	    prctl(PR_GET_DUMPABLE));
}

/* ---------------------------------------------------------------- users --------------------- */

enum kind { NOTHING, ONE, TWO, THREE, FS };

/* The users are letters: 0 is root, X leaves a number as it is. */
struct call {
	enum kind kind;
	char id[4];
};

static long user_call(enum kind kind, const unsigned *id)
{
	switch (kind) {
	case ONE:
		return setuid(id[0]);
	case TWO:
		return setreuid(id[0], id[1]);
	case THREE:
		return setresuid(id[0], id[1], id[2]);
	default:
		return setfsuid(id[0]) < 0;
	}
}

static long group_call(enum kind kind, const unsigned *id)
{
	switch (kind) {
	case ONE:
		return setgid(id[0]);
	case TWO:
		return setregid(id[0], id[1]);
	case THREE:
		return setresgid(id[0], id[1], id[2]);
	default:
		return setfsgid(id[0]) < 0;
	}
}

/* Sequences of calls, each from the beginning. */
static const struct call sequences[][6] = {
    {{ONE, "A"}, {ONE, "A"}, {ONE, "0"}, {TWO, "A0"}, {THREE, "XX0"}},
    {{TWO, "XA"}, {ONE, "B"}, {ONE, "0"}, {ONE, "A"}},
    {{TWO, "AX"}, {TWO, "XA"}, {TWO, "X0"}, {TWO, "0X"}},
    {{TWO, "AB"}, {TWO, "BA"}, {TWO, "XB"}, {TWO, "0X"}, {TWO, "CX"}},
    {{THREE, "ABC"}, {THREE, "CAB"}, {TWO, "BX"}, {ONE, "A"}, {ONE, "C"}, {THREE, "B0X"}},
    {{THREE, "AA0"}, {THREE, "X0X"}, {THREE, "AAA"}, {THREE, "X0X"}},
    {{THREE, "XAX"}, {TWO, "XB"}, {TWO, "X0"}, {TWO, "XB"}},
    {{THREE, "XXX"}, {TWO, "XX"}, {ONE, "X"}, {FS, "X"}},
    {{FS, "A"}, {THREE, "XXX"}, {THREE, "XXB"}, {FS, "A"}, {THREE, "000"}, {TWO, "XX"}},
    {{FS, "A"}, {FS, "B"}, {THREE, "ABC"}, {FS, "A"}, {FS, "C"}, {FS, "0"}},
};

#define NR_SEQUENCES (sizeof(sequences) / sizeof(*sequences))

static size_t nth;
static bool of_groups;

static long make(const struct call *c)
{
	unsigned id[3];

	for (size_t i = 0; i < 3; i++)
		id[i] = c->id[i] == '0'   ? 0
		        : c->id[i] == 'X' ? -1u
		                          : A + (unsigned)(c->id[i] - 'A');
	return of_groups ? group_call(c->kind, id) : user_call(c->kind, id);
}

static const char *text(const struct call *c)
{
	static const char *const names[] = {"", "set", "setre", "setres", "setfs"};
	static char line[64];

	snprintf(line, sizeof(line), "%s%s %s", names[c->kind], of_groups ? "gid" : "uid", c->id);
	return line;
}

static void play(void)
{
	if (of_groups && nth % 2)
		setresuid(A, A, A); /* without the capability */
	for (size_t i = 0; i < 6; i++) {
		const struct call *c = &sequences[nth][i];

		if (c->kind == NOTHING)
			break;
		show(text(c), make(c));
	}
}

static void numbers(void)
{
	for (nth = 0; nth < NR_SEQUENCES; nth++) {
		say("users, %zu", nth);
		child(play);
	}
	of_groups = true;
	for (nth = 0; nth < NR_SEQUENCES; nth++) {
		say("groups, %zu", nth);
		child(play);
	}
}

static void groups(void)
{
	gid_t list[4] = {7, 8, 9};

	result("no groups", getgroups(4, list));
	result("set", setgroups(3, (gid_t[]){5, 6, 7}));
	result("how many", getgroups(0, NULL));
	result("too short", getgroups(2, list));
	result("get", getgroups(4, list));
	say("%d %d %d", list[0], list[1], list[2]);
	result("bad pointer", setgroups(3, (gid_t *)8));
	result("too many", setgroups(100000, list));
	become(A);
	result("still there", getgroups(4, list));
	result("set by a user", setgroups(1, list));
	result("set by a user, too many", setgroups(100000, list));
}

/* ---------------------------------------------------------------- capabilities -------------- */

#define CAP(c) (1ull << (c))

static void lowering(void)
{
	const uint64_t some = CAP(CAP_KILL) | CAP(CAP_IPC_LOCK);

	show("lower effective", set_caps(some, caps(true), 0));
	show("raise it", set_caps(some | CAP(CAP_SYS_NICE), caps(true), 0));
	show("lower permitted", set_caps(some, some, 0));
	show("effective beyond it", set_caps(some | CAP(CAP_SYS_NICE), some, 0));
	show("raise permitted", set_caps(some, some | CAP(CAP_SYS_NICE), 0));
	show("inheritable beyond it", set_caps(some, some, CAP(CAP_SYS_NICE)));
	show("inheritable", set_caps(some, some, CAP(CAP_KILL)));
	show("unknown ones", set_caps(some | 1ull << 60, some | 1ull << 60, 0));
	show("become A", setresuid(A, A, A));
}

static void keeping(void)
{
	result("keep 2", prctl(PR_SET_KEEPCAPS, 2));
	result("keep", prctl(PR_SET_KEEPCAPS, 1));
	result("kept", prctl(PR_GET_KEEPCAPS));
	show("become A", setresuid(A, A, A));
	show("take one up", set_caps(CAP(CAP_IPC_LOCK), caps(true), 0));
	show("without SETUID", setresuid(B, B, B));
	show("with it", set_caps(CAP(CAP_SETUID), caps(true), 0));
	show("become B", setresuid(B, B, B));
	show("drop all", set_caps(0, 0, 0));
	show("come back", set_caps(0, CAP(CAP_KILL), 0));
}

static void versions(void)
{
	struct __user_cap_header_struct h = {.version = 1};
	struct __user_cap_data_struct d[2];

	result("version 1, no data", syscall(SYS_capget, &h, NULL));
	say("version %x", h.version);
	h.version = 1;
	result("version 1", syscall(SYS_capget, &h, d));
	h.version = 1;
	result("version 1, set", syscall(SYS_capset, &h, d));
	result("known, no data", syscall(SYS_capget, &h, NULL));
	result("bad header", syscall(SYS_capget, 8, d));
	result("bad data", syscall(SYS_capget, &h, 8));
	result("bad data, set", syscall(SYS_capset, &h, 8));
	h.pid = -1;
	result("pid -1", syscall(SYS_capget, &h, d));
	h.pid = 0x3ffffff;
	result("no such pid", syscall(SYS_capget, &h, d));
	result("another's, set", syscall(SYS_capset, &h, d));
	h.pid = getpid();
	result("own pid", syscall(SYS_capget, &h, d));
	result("own pid, set", syscall(SYS_capset, &h, d));
	h.version = _LINUX_CAPABILITY_VERSION_1;
	memset(d, 0xff, sizeof(d));
	result("old version", syscall(SYS_capget, &h, d));
	say("second word: %x", d[1].effective);
	result("bounding, first", prctl(PR_CAPBSET_READ, 0));
	result("bounding, last", prctl(PR_CAPBSET_READ, CAP_LAST_CAP));
	result("bounding, none", prctl(PR_CAPBSET_READ, 99));
}

/* ---------------------------------------------------------------- exec ---------------------- */

static void by_exec(const char *what)
{
	char number[48], *argv[] = {"users", (char *)what, number, NULL}, *envp[] = {NULL};

	if (!fork()) {
		show(what, 0);
		snprintf(number, sizeof(number), "%llx %x", (unsigned long long)all, first_user);
		execve("/proc/self/exe", argv, envp);
		_exit(1);
	}
	wait(NULL);
}

static void executed(const char *what)
{
	static char after[64];

	snprintf(after, sizeof(after), "%s, after exec", what);
	show(after, 0);
	say("auxv: %c%c %c%c secure %lu keep %d", name((unsigned)getauxval(AT_UID)),
	    name((unsigned)getauxval(AT_EUID)), name((unsigned)getauxval(AT_GID)),
	    name((unsigned)getauxval(AT_EGID)), getauxval(AT_SECURE), prctl(PR_GET_KEEPCAPS));
}

static void as_root(void)
{
	by_exec("root");
	set_caps(0, CAP(CAP_KILL), CAP(CAP_KILL));
	by_exec("root with little");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	by_exec("and no more privileges");
}

static void as_user(void)
{
	become(A);
	by_exec("user");
}

static void as_both(void)
{
	prctl(PR_SET_KEEPCAPS, 1);
	setresuid(A, 0, B);
	by_exec("real A, saved B");
	setresuid(0, A, B);
	by_exec("effective A, saved B");
	setresuid(A, A, 0);
	by_exec("A, saved 0");
}

/* Numbers of users, as letters. */
static void print_status(char *line)
{
	unsigned id[4];

	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "%*3[UG]id: %u %u %u %u", &id[0], &id[1], &id[2], &id[3]) == 4)
		say("%.3s: %c %c %c %c", line, name(id[0]), name(id[1]), name(id[2]), name(id[3]));
	else
		say("%s", line);
}

static void status(void)
{
	char line[256];
	FILE *f;

	setgroups(2, (gid_t[]){5, 6});
	setresgid(A, B, C);
	setresuid(A, B, C);
	f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Uid", 3) || !strncmp(line, "Gid", 3) ||
		    !strncmp(line, "Groups", 6) || !strncmp(line, "CapEff", 6) ||
		    !strncmp(line, "CapPrm", 6) || !strncmp(line, "CapInh", 6) ||
		    !strncmp(line, "NoNewPrivs", 10)) {
			print_status(line);
		}
}

int main(int argc, char **argv)
{
	if (argc > 2) {
		sscanf(argv[2], "%lx %x", &all, &first_user);
		executed(argv[1]);
		return 0;
	}
	all = caps(true);
	in_child("root", as_root); /* exec gives back what be_root() gives up */
	be_root();
	numbers();
	in_child("groups", groups);
	in_child("lowering", lowering);
	in_child("keeping", keeping);
	in_child("versions", versions);
	in_child("user", as_user);
	in_child("both", as_both);
	in_child("status", status);
	return 0;
}
