/*
 * procfs_system.c: the files in /proc that are about the machine and the kernel.
 */
#include <linux/stat.h>

#include "fs.h"
#include "procfs.h"
#include "random.h"
#include "uname.h"

#define TICK (NSEC_PER_SEC / 100) /* ns; the unit of times in stat */

/* ---------------------------------------------------------------- time and load ------------- */

static uint64_t idle_ns(const struct cpu *cpu)
{
	uint64_t since = cpu->idle_since;

	return cpu->idle_ns + (since && now_ns() > since ? now_ns() - since : 0);
}

static void show_uptime(struct text *text, const struct proc_node *node)
{
	uint64_t up = now_ns() / TICK, idle = 0;

	(void)node;
	for (unsigned i = 0; i < nr_cpus; i++)
		idle += idle_ns(&cpus[i]) / TICK;
	text_add(text, "%lu.%02lu %lu.%02lu\n", up / 100, up % 100, idle / 100, idle % 100);
}

struct thread_counts {
	unsigned all, running, blocked;
	int last_pid;
	uint64_t user_ns,
	    cpu_ns; /* of the processes there are, and of children they have waited for */
};

static void count_process(struct thread_counts *c, const struct proc *p)
{
	const struct thread *t;
	uint64_t cpu, user;

	list_for_each (t, &p->threads, siblings) {
		enum thread_state state = atomic_load(&t->state);

		c->all++;
		c->running += state == THREAD_RUNNING;
		c->blocked += state == THREAD_SLEEPING;
	}
	proc_times(p, &cpu, &user);
	c->cpu_ns += cpu + p->child_cpu_ns;
	c->user_ns += user + p->child_user_ns;
	c->last_pid = MAX(c->last_pid, p->pid);
}

static void count_threads(struct thread_counts *c)
{
	const struct proc *p;

	memset(c, 0, sizeof(*c));
	spin_lock(&proc_lock);
	list_for_each (p, &all_procs, all)
		count_process(c, p);
	spin_unlock(&proc_lock);
}

/* Averages are not kept: all three are the threads that run at this moment, without the reader. */
static void show_loadavg(struct text *text, const struct proc_node *node)
{
	struct thread_counts c;
	unsigned others;

	(void)node;
	count_threads(&c);
	others = c.running ? c.running - 1 : 0;
	text_add(text, "%u.00 %u.00 %u.00 %u/%u %d\n", others, others, others, c.running, c.all,
	         c.last_pid);
}

/* user nice system idle: how busy time divides is known for the whole machine only. */
static void show_cpu(struct text *text, const char *name, uint64_t busy, uint64_t idle,
                     const struct thread_counts *c)
{
	uint64_t percent = c->cpu_ns / 100 ? c->user_ns / (c->cpu_ns / 100) : 0;
	uint64_t user = busy / 100 * MIN(percent, 100);

	text_add(text, "%s %lu 0 %lu %lu 0 0 0 0 0 0\n", name, (unsigned long)(user / TICK),
	         (unsigned long)((busy - user) / TICK), (unsigned long)(idle / TICK));
}

static void show_stat(struct text *text, const struct proc_node *node)
{
	uint64_t idle = 0, now = now_ns();
	struct thread_counts c;
	struct om_sysinfo info;
	char name[16];

	(void)node;
	count_threads(&c);
	om_sysinfo(vm, &info);
	for (unsigned i = 0; i < nr_cpus; i++)
		idle += idle_ns(&cpus[i]);
	idle = MIN(idle, now * nr_cpus);
	show_cpu(text, "cpu ", now * nr_cpus - idle, idle, &c);
	for (unsigned i = 0; i < nr_cpus; i++) {
		snprintf(name, sizeof(name), "cpu%u", i);
		idle = MIN(idle_ns(&cpus[i]), now);
		show_cpu(text, name, now - idle, idle, &c);
	}
	text_add(text, "btime %lu\nprocesses %lu\nprocs_running %u\nprocs_blocked %u\n",
	         (unsigned long)(boot_time_ns() / NSEC_PER_SEC), info.event[OM_EV_FORK] + 1,
	         c.running, c.blocked);
}

/* ---------------------------------------------------------------- the CPUs ------------------ */

struct cpuid {
	uint32_t a, b, c, d;
};

static struct cpuid cpuid(uint32_t leaf)
{
	struct cpuid r = {.a = leaf};

	__asm__ volatile("cpuid" : "+a"(r.a), "=b"(r.b), "+c"(r.c), "=d"(r.d));
	return r;
}

static void show_names(struct text *text, uint32_t bits, const char *const names[32])
{
	for (unsigned i = 0; i < 32; i++)
		if (bits >> i & 1 && names[i])
			text_add(text, " %s", names[i]);
}

/* Features that programs look for here; leaf 1. */
static void show_features(struct text *text)
{
	static const char *const edx[32] = {"fpu", "vme",  "de",   "pse",   "tsc", "msr",     "pae",
	                                    "mce", "cx8",  "apic", NULL,    "sep", "mtrr",    "pge",
	                                    "mca", "cmov", "pat",  "pse36", "pn",  "clflush", NULL,
	                                    "dts", "acpi", "mmx",  "fxsr",  "sse", "sse2",    "ss",
	                                    "ht",  "tm",   "ia64", "pbe"};
	static const char *const ecx[32] = {
	    "pni",    "pclmulqdq", "dtes64", "monitor", "ds_cpl",
	    "vmx",    "smx",       "est",    "tm2",     "ssse3",
	    "cid",    "sdbg",      "fma",    "cx16",    "xtpr",
	    "pdcm",   NULL,        "pcid",   "dca",     "sse4_1",
	    "sse4_2", "x2apic",    "movbe",  "popcnt",  "tsc_deadline_timer",
	    "aes",    "xsave",     NULL,     "avx",     "f16c",
	    "rdrand", "hypervisor"};
	struct cpuid leaf = cpuid(1);

	text_add(text, "flags\t\t:");
	show_names(text, leaf.d, edx);
	show_names(text, leaf.c, ecx);
	text_add(text, "\n");
}

static void show_model(struct text *text)
{
	struct cpuid brand[3] = {cpuid(0x80000002), cpuid(0x80000003), cpuid(0x80000004)};
	struct cpuid vendor = cpuid(0);
	uint32_t v = cpuid(1).a, family = v >> 8 & 15, model = v >> 4 & 15;

	if (family == 6 || family == 15)
		model |= v >> 12 & 0xf0;
	if (family == 15)
		family += v >> 20 & 0xff;
	text_add(text, "vendor_id\t: %.4s%.4s%.4s\n", (char *)&vendor.b, (char *)&vendor.d,
	         (char *)&vendor.c);
	text_add(text, "cpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %.48s\nstepping\t: %u\n",
	         family, model, (char *)brand, v & 15);
}

static bool show_cpuinfo(struct text *text, const struct proc_node *node, uint64_t *at, size_t want)
{
	(void)node;
	for (; *at < nr_cpus && text->len < want; ++*at) {
		text_add(text, "processor\t: %lu\n", *at);
		show_model(text); /* they are all alike */
		text_add(text, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %lu\n", nr_cpus,
		         *at);
		text_add(text, "cpu cores\t: %u\napicid\t\t: %u\nfpu\t\t: yes\n", nr_cpus,
		         cpus[*at].apic_id);
		show_features(text);
		text_add(text, "\n");
	}
	return *at < nr_cpus;
}

/* ---------------------------------------------------------------- mounts -------------------- */

static const char *type_of(const struct inode *root)
{
	return root->ops->fs_type ? root->ops->fs_type : "none";
}

void proc_show_mounts(struct text *text, const struct proc_node *node)
{
	struct inode *root;
	const char *path;

	(void)node;
	for (unsigned i = 0; mount_info(i, &path, &root); i++) {
		text_add(text, "%s %s %s %s 0 0\n", i ? type_of(root) : "/dev/root", path,
		         type_of(root), i ? "rw" : "ro");
		inode_put(root);
	}
}

/* As mounts, and with numbers, which df looks for. All are mounted in the root. */
void proc_show_mountinfo(struct text *text, const struct proc_node *node)
{
	struct inode *root;
	const char *path, *options;

	(void)node;
	for (unsigned i = 0; mount_info(i, &path, &root); i++) {
		options = i ? "rw" : "ro";
		text_add(text, "%u %u %lu:%lu / %s %s - %s %s %s\n", i + 2, i ? 2 : 1,
		         root->dev >> 8, root->dev & 0xff, path, options, type_of(root),
		         i ? type_of(root) : "/dev/root", options);
		inode_put(root);
	}
}

/* ---------------------------------------------------------------- names and settings -------- */

static void show_version(struct text *text, const struct proc_node *node)
{
	(void)node;
	text_add(text, "%s version %s %s\n", UTS_SYSNAME, UTS_RELEASE, UTS_VERSION);
}

static void show_filesystems(struct text *text, const struct proc_node *node)
{
	(void)node;
	text_add(text, "nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\n\text2\n");
}

static void show_osrelease(struct text *text, const struct proc_node *node)
{
	(void)node;
	text_add(text, "%s\n", UTS_RELEASE);
}

static void show_ostype(struct text *text, const struct proc_node *node)
{
	(void)node;
	text_add(text, "%s\n", UTS_SYSNAME);
}

static void show_hostname(struct text *text, const struct proc_node *node)
{
	char name[HOSTNAME_MAX + 1];

	(void)node;
	hostname_get(name);
	text_add(text, "%s\n", name);
}

static void show_pid_max(struct text *text, const struct proc_node *node)
{
	(void)node;
	text_add(text, "%d\n", PID_MAX);
}

static void show_uuid(struct text *text, const struct proc_node *node)
{
	uint8_t b[16];

	(void)node;
	random_bytes(b, sizeof(b));
	b[6] = (b[6] & 0x0f) | 0x40; /* version 4: random */
	b[8] = (b[8] & 0x3f) | 0x80;
	for (unsigned i = 0; i < sizeof(b); i++)
		text_add(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
	text_add(text, "\n");
}

/* Memory is never reserved: any mapping is granted. */
static void show_overcommit(struct text *text, const struct proc_node *node)
{
	(void)node;
	text_add(text, "1\n");
}

static void show_max_map_count(struct text *text, const struct proc_node *node)
{
	(void)node;
	text_add(text, "65530\n");
}

static void show_mmap_min_addr(struct text *text, const struct proc_node *node)
{
	(void)node;
	text_add(text, "%lu\n", (unsigned long)USER_LOWEST);
}

/* ---------------------------------------------------------------- links --------------------- */

static int link_self(const struct proc_node *node, char *buf, unsigned size)
{
	char pid[16];
	int len = snprintf(pid, sizeof(pid), "%d", current->proc->pid);

	(void)node;
	len = MIN(len, (int)size);
	memcpy(buf, pid, (size_t)len);
	return len;
}

static int link_mounts(const struct proc_node *node, char *buf, unsigned size)
{
	static const char target[] = "self/mounts";
	int len = (int)MIN(sizeof(target) - 1, size);

	(void)node;
	memcpy(buf, target, (size_t)len);
	return len;
}

/* ---------------------------------------------------------------- the tables ---------------- */

#define FILE_R (S_IFREG | 0444)
#define LINK   (S_IFLNK | 0777)
#define DIR    (S_IFDIR | 0555)

static const struct proc_entry random_entries[] = {{"uuid", FILE_R, .show = show_uuid},
                                                   {.name = NULL}};

static const struct proc_entry kernel_entries[] = {
    {"hostname", FILE_R, .show = show_hostname}, {"osrelease", FILE_R, .show = show_osrelease},
    {"ostype", FILE_R, .show = show_ostype},     {"pid_max", FILE_R, .show = show_pid_max},
    {"random", DIR, .children = random_entries}, {.name = NULL},
};

static const struct proc_entry pressure_entries[] = {{"memory", FILE_R, .show = proc_show_pressure},
                                                     {.name = NULL}};

static const struct proc_entry vm_entries[] = {
    {"max_map_count", FILE_R, .show = show_max_map_count},
    {"mmap_min_addr", FILE_R, .show = show_mmap_min_addr},
    {"overcommit_memory", FILE_R, .show = show_overcommit},
    {.name = NULL},
};

static const struct proc_entry sys_entries[] = {
    {"kernel", DIR, .children = kernel_entries},
    {"vm", DIR, .children = vm_entries},
    {.name = NULL},
};

const struct proc_entry proc_system_entries[] = {
    {"cpuinfo", FILE_R, .show_from = show_cpuinfo},
    {"filesystems", FILE_R, .show = show_filesystems},
    {"loadavg", FILE_R, .show = show_loadavg},
    {"meminfo", FILE_R, .show = proc_show_meminfo},
    {"mounts", LINK, .link = link_mounts},
    {"objrmap", FILE_R, .show = proc_show_objrmap},
    {"pressure", DIR, .children = pressure_entries},
    {"self", LINK, .link = link_self},
    {"stat", FILE_R, .show = show_stat},
    {"swaps", FILE_R, .show = proc_show_swaps},
    {"sys", DIR, .children = sys_entries},
    {"uptime", FILE_R, .show = show_uptime},
    {"version", FILE_R, .show = show_version},
    {"vmstat", FILE_R, .show = proc_show_vmstat},
    {.name = NULL},
};
