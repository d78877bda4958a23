/* rights.c: what a process may do to others, and to the machine: signals, memory, limits, priorities. */
#include "user.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/uio.h>

/* Those that things are done to: waiting processes of different users. */
static struct other {
	const char *name;
	unsigned user;
	void (*setup)(void);
	pid_t pid;
} others[8];
static size_t nr_others;

static void add(const char *name, unsigned user, void (*setup)(void))
{
	others[nr_others++] = (struct other){name, user, setup, start(user, setup)};
}

static void end_all(void)
{
	while (nr_others)
		end(others[--nr_others].pid);
}

static void each(const char *what, long (*fn)(pid_t pid))
{
	char line[96];

	for (size_t i = 0; i < nr_others; i++) {
		snprintf(line, sizeof(line), "%s %s", what, others[i].name);
		result(line, fn(others[i].pid));
	}
}

static void visible(void)
{
	prctl(PR_SET_DUMPABLE, 1);
}

static void mixed_group(void)
{
	setresgid(BOB, ANN, ANN);
	setresuid(ANN, ANN, ANN);
	visible();
}

static void effective_ann(void)
{
	setresuid(0, ANN, 0);
	visible();
}

static void saved_ann(void)
{
	setresuid(BOB, BOB, ANN);
	visible();
}

static void real_ann(void)
{
	setresuid(ANN, BOB, BOB);
	visible();
}

static void with_capabilities(void)
{
	prctl(PR_SET_KEEPCAPS, 1);
	become(ANN);
	visible();
}

static void add_all(void)
{
	add("root", 0, NULL);
	add("ann", ANN, visible);
	add("bob", BOB, visible);
	add("root, effective ann", 0, effective_ann);
	add("bob, saved ann", 0, saved_ann);
	add("real ann, else bob", 0, real_ann);
}

/* ---------------------------------------------------------------- signals ------------------- */

static long probe(pid_t pid)
{
	return kill(pid, 0);
}

static long go_on(pid_t pid)
{
	return kill(pid, SIGCONT);
}

static long probe_thread(pid_t pid)
{
	return syscall(SYS_tgkill, pid, pid, 0);
}

static long probe_tid(pid_t pid)
{
	return syscall(SYS_tkill, pid, 0);
}

static long queue(pid_t pid)
{
	return sigqueue(pid, 0, (union sigval){0});
}

static void signals(void)
{
	each("signal", probe);
	each("continue", go_on);
	each("signal thread", probe_thread);
	each("signal tid", probe_tid);
	each("queue", queue);
	result("signal 99 to root", kill(others[0].pid, 99));
	result("nobody", kill(0x3ffffff, 0));
	setsid();
	each("continue, another session,", go_on);
}

static void by_ann(void)
{
	become(ANN);
	signals();
}

static void by_mixed(void)
{
	setresuid(BOB, ANN, 0);
	signals();
}

static void by_saved(void)
{
	setresuid(BOB, BOB, ANN);
	signals();
}

static void by_kill(void)
{
	prctl(PR_SET_KEEPCAPS, 1);
	become(ANN);
	set_caps(1 << CAP_KILL, 1 << CAP_KILL, 0);
	signals();
}

static const char *name(unsigned user)
{
	return !user ? "root" : user == ANN ? "ann" : user == BOB ? "bob" : "?";
}

/* Groups: the first member is of this user, and the second of that. */
static void group_of(unsigned first, unsigned second)
{
	pid_t a = start(first, visible), b = start(second, visible);
	char line[64];

	setpgid(a, a);
	setpgid(b, a);
	if (fork() == 0) {
		become(ANN);
		snprintf(line, sizeof(line), "group of %s and %s", name(first), name(second));
		result(line, kill(-a, 0));
		_exit(0);
	}
	wait(NULL);
	end(a);
	end(b);
}

static void everybody(void)
{
	become(ANN);
	result("everybody", kill(-1, 0));
	result("no group", kill(-0x3ffffff, 0));
}

static volatile unsigned sender = -1u;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	sender = info->si_uid;
}

static void senders(void)
{
	struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	siginfo_t info;
	pid_t pid;

	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGCHLD, &act, NULL);
	setresuid(ANN, 0, 0);
	kill(getpid(), SIGUSR1);
	say("sent by %s", name(sender));
	pid = fork();
	if (pid == 0) {
		become(BOB);
		_exit(0);
	}
	waitid(P_PID, (id_t)pid, &info, WEXITED);
	say("SIGCHLD from %s, waitid %s", name(sender), name(info.si_uid));
}

/* ---------------------------------------------------------------- memory -------------------- */

static char there[] = "there";

static long peek(pid_t pid)
{
	char here[8];
	struct iovec l = {here, 5}, r = {there, 5};

	return process_vm_readv(pid, &l, 1, &r, 1, 0);
}

static long poke_there(pid_t pid)
{
	char here[] = "THERE";
	struct iovec l = {here, 5}, r = {there, 5};

	return process_vm_writev(pid, &l, 1, &r, 1, 0);
}

static long robust(pid_t pid)
{
	void *head;
	size_t size;

	return syscall(SYS_get_robust_list, pid, &head, &size);
}

static const char *proc_name;

static long open_proc(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, proc_name);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static long read_link(pid_t pid)
{
	char path[64], buf[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, proc_name);
	return readlink(path, buf, sizeof(buf)) < 0 ? -1 : 0;
}

static void memory(void)
{
	static const char *const files[] = {"maps",    "smaps",  "environ",
	                                    "pagemap", "status", "cmdline"};
	static const char *const links[] = {"exe", "cwd", "fd/0"};

	each("read", peek);
	each("write", poke_there);
	each("robust list of", robust);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		proc_name = files[i];
		each(files[i], open_proc);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		proc_name = links[i];
		each(links[i], read_link);
	}
	result("own", peek(getpid()));
}

static void memory_by_ann(void)
{
	become(ANN);
	add("dropped", 0, NULL);
	add("own child", 0, visible);
	memory();
	visible();
	add("child since it is visible", 0, NULL);
	memory();
}

static void memory_with_ptrace(void)
{
	prctl(PR_SET_KEEPCAPS, 1);
	become(ANN);
	set_caps(1 << CAP_SYS_PTRACE, 1 << CAP_SYS_PTRACE, 0);
	each("read, with the capability,", peek);
	set_caps(0, 1 << CAP_SYS_PTRACE, 0);
	each("read, permitted only,", peek);
	proc_name = "maps";
	each("maps, permitted only,", open_proc);
}

static void pagemap(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	char *p = pages(NULL, 1);
	uint64_t entry = 0;

	result("pagemap", pread(fd, &entry, 8, (off_t)((uintptr_t)p / PAGE * 8)));
	say("present %d, frame %s", (int)(entry >> 63), entry << 9 ? "shown" : "hidden");
	close(fd);
}

static void pagemap_by_ann(void)
{
	become(ANN);
	visible();
	pagemap();
}

/* ---------------------------------------------------------------- victims ------------------- */

static int score;

static long set_score(pid_t pid)
{
	char path[64], value[16];
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	snprintf(value, sizeof(value), "%d", score);
	fd = open(path, O_WRONLY);
	n = fd < 0 ? -1 : (int)write(fd, value, strlen(value));
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

static void scores(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "r");
	int before = 0;

	if (!f || fscanf(f, "%d", &before) != 1)
		say("no score");
	become(ANN);
	score = 500;
	result("of a process that was root", set_score(getpid()));
	visible();
	each("score of", set_score);
	result("worse", set_score(getpid()));
	score = before;
	result("as before", set_score(getpid()));
	score = -1;
	result("better", set_score(getpid()));
	score = -1000;
	result("never", set_score(getpid()));
	score = 1001;
	result("too much", set_score(getpid()));
}

/* ---------------------------------------------------------------- limits -------------------- */

static struct rlimit64 wanted;
static int which = RLIMIT_CORE;

static long get_limit(pid_t pid)
{
	struct rlimit64 l;

	return syscall(SYS_prlimit64, pid, which, NULL, &l);
}

static long set_limit(pid_t pid)
{
	return syscall(SYS_prlimit64, pid, which, &wanted, NULL);
}

static void limits_of_others(void)
{
	each("limit of", get_limit);
	each("lower limit of", set_limit);
	wanted = (struct rlimit64){5, 5};
	each("raise limit of", set_limit);
	wanted = (struct rlimit64){5, 4};
	each("wrong limit of", set_limit);
	which = 99;
	each("no limit of", get_limit);
	result("bad pointer", syscall(SYS_prlimit64, others[0].pid, 99, 8, NULL));
	result("nobody", syscall(SYS_prlimit64, 0x3ffffff, 99, NULL, NULL));
}

static void limits_by_ann(void)
{
	become(ANN);
	limits_of_others();
}

static void own_limits(void)
{
	struct rlimit l = {10, 20};

	result("set", setrlimit(RLIMIT_MSGQUEUE, &l));
	l.rlim_cur = 20;
	result("up to the hard limit", setrlimit(RLIMIT_MSGQUEUE, &l));
	l.rlim_cur = 21;
	result("soft above hard", setrlimit(RLIMIT_MSGQUEUE, &l));
	l.rlim_max = 21;
	result("hard raised", setrlimit(RLIMIT_MSGQUEUE, &l));
	l.rlim_cur = l.rlim_max = 5;
	result("hard lowered", setrlimit(RLIMIT_MSGQUEUE, &l));
	l.rlim_max = 6;
	result("and raised again", setrlimit(RLIMIT_MSGQUEUE, &l));
}

/* ---------------------------------------------------------------- priorities ---------------- */

static long same_nice(pid_t pid)
{
	return setpriority(PRIO_PROCESS, (id_t)pid, 0);
}

static long less(pid_t pid)
{
	return setpriority(PRIO_PROCESS, (id_t)pid, 3);
}

static long more(pid_t pid)
{
	return setpriority(PRIO_PROCESS, (id_t)pid, -3);
}

static long all_cpus(pid_t pid)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	return sched_setaffinity(pid, sizeof(set), &set);
}

static long batch(pid_t pid)
{
	const struct sched_param p = {0};

	return sched_setscheduler(pid, SCHED_BATCH, &p);
}

static void priorities(void)
{
	each("same nice", same_nice);
	each("more nice", less);
	each("less nice", more);
	each("affinity", all_cpus);
	each("policy", batch);
	result("nobody", same_nice(0x3ffffff));
	result("self, more nice", setpriority(PRIO_PROCESS, 0, 5));
	result("self, same", setpriority(PRIO_PROCESS, 0, 5));
	result("self, less nice", setpriority(PRIO_PROCESS, 0, 4));
	result("self", getpriority(PRIO_PROCESS, 0));
	result("own user's", setpriority(PRIO_USER, 0, 7));
	result("self", getpriority(PRIO_PROCESS, 0));
	result("bob's", setpriority(PRIO_USER, BOB, 7));
	result("nobody's", setpriority(PRIO_USER, EVE, 7));
	result("bob has", getpriority(PRIO_USER, BOB));
	result("nobody has", getpriority(PRIO_USER, EVE));
}

static void priorities_by_ann(void)
{
	become(ANN);
	priorities();
}

/* ---------------------------------------------------------------- the machine --------------- */

static void machine(void)
{
	become(ANN);
	result("reboot", syscall(SYS_reboot, 1, 2, 3, NULL));
	result("swapon, flags", swapon("/dev/null", 0x100000));
	result("swapon", swapon("/dev/null", 0));
	result("swapoff", swapoff("/dev/null"));
	result("sethostname", syscall(SYS_sethostname, "x", 1000));
	result("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
}

/* ---- mincore() */

static int sparse; /* a file of 8 pages, of which the fourth is in memory */

static void ask_mincore(const char *what, int prot, int flags)
{
	unsigned char vec[8];
	char text[9] = "";

	if (mincore(mmap(NULL, 8 * PAGE, prot, flags, sparse, 0), 8 * PAGE, vec))
		_exit(1);
	for (unsigned i = 0; i < 8; i++)
		text[i] = '0' + (vec[i] & 1);
	say("%s: %s", what, text);
}

/* Who could not open the file for writing learns nothing of what others have brought into memory. */
static void cache_by_ann(void)
{
	become(ANN);
	ask_mincore("shared", PROT_READ, MAP_SHARED);
	ask_mincore("private", RW, MAP_PRIVATE);
	ask_mincore("anonymous", RW, ANON);
}

static void cache(void)
{
	sparse = memfd_create("sparse", 0);
	if (ftruncate(sparse, 8 * PAGE) || pwrite(sparse, "x", 1, 3 * PAGE) != 1)
		_exit(1);
	fchmod(sparse, 0644);
	ask_mincore("owner", PROT_READ, MAP_SHARED);
	in_child("readable", cache_by_ann);
	fchmod(sparse, 0646);
	in_child("writable", cache_by_ann);
	result("group", fchown(sparse, 0, ANN));
	in_child("readable to the group", cache_by_ann);
	fchmod(sparse, 0464);
	in_child("writable to the group", cache_by_ann);
	result("owner", fchown(sparse, ANN, 0));
	in_child("her own", cache_by_ann);
}

int main(void)
{
	be_root();
	add_all();
	in_child("signals by ann", by_ann);
	in_child("signals by effective ann", by_mixed);
	in_child("signals by saved ann", by_saved);
	in_child("signals with CAP_KILL", by_kill);
	group_of(0, 0);
	group_of(0, ANN);
	group_of(ANN, 0);
	group_of(BOB, BOB);
	in_child("everybody", everybody);
	in_child("senders", senders);
	in_child("limits", limits_by_ann);
	in_child("own limits", own_limits);
	in_child("priorities", priorities_by_ann);
	in_child("machine", machine);
	add("ann, group of bob's", 0, mixed_group);
	add("ann with capabilities", 0, with_capabilities);
	end(others[1].pid); /* a child of its own below; not in everybody's list */
	others[1] = others[--nr_others];
	in_child("memory", memory_by_ann);
	in_child("memory with CAP_SYS_PTRACE", memory_with_ptrace);
	in_child("scores", scores);
	in_child("pagemap", pagemap);
	in_child("pagemap by ann", pagemap_by_ann);
	end_all();
	in_child("cache", cache);
	return 0;
}
