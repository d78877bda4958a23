/*
 * main.c: from the first line of C to process 1, and the end after it; options of the command line.
 *
 * Options are NAME or NAME=VALUE, separated by blanks; what follows `--` are arguments of init.
 *
 *   init=PATH    process 1; /sbin/init if there is none
 *   maxcpus=N    use no more CPUs
 *   swap         swap to the second disk
 *   verify       check all invariants of memory management at the end
 *   log_syscalls tell which system calls are missing
 */
#include "blk.h"
#include "boot.h"
#include "kmem.h"
#include "process.h"
#include "report.h"

#define MAX_WORDS 64

static struct boot_info info;

/* ---------------------------------------------------------------- options ------------------- */

static char *options[MAX_WORDS], *init_args[MAX_WORDS + 1];
static unsigned nr_options, nr_init_args = 1; /* the first is the program */

static void add_word(char *word, bool *for_init)
{
	if (*for_init) {
		if (nr_init_args < MAX_WORDS)
			init_args[nr_init_args++] = word;
	} else if (!strcmp(word, "--")) {
		*for_init = true;
	} else if (nr_options < MAX_WORDS) {
		options[nr_options++] = word;
	}
}

/* Cut the line into words, in place. */
static void options_init(char *line)
{
	bool for_init = false;

	for (;;) {
		char *end;

		while (*line == ' ')
			*line++ = 0;
		if (!*line)
			return;
		end = strchr(line, ' ');
		if (end)
			*end = 0;
		add_word(line, &for_init);
		if (!end)
			return;
		line = end + 1;
	}
}

const char *boot_option(const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 0; i < nr_options; i++) {
		if (strncmp(options[i], name, n))
			continue;
		if (options[i][n] == 0)
			return "";
		if (options[i][n] == '=')
			return options[i] + n + 1;
	}
	return NULL;
}

/* ---------------------------------------------------------------- file systems -------------- */

static struct inode *root_mount(void)
{
	struct blkdev *disk = blk_get(0);
	struct inode *root;
	int err = disk ? ext2_mount(disk, &root) : tmpfs_mount(&root, 0755);

	if (err)
		panic("the root file system: error %d", err);
	return root;
}

/* Directories that must be writable, whatever the root is. */
static void mount_at(const char *path, struct inode *fs, int err)
{
	if (!err)
		err = mount(path, fs);
	if (err)
		printk("mount %s: error %d\n", path, err);
}

static void mount_all(void)
{
	static const struct {
		const char *path;
		unsigned mode;
	} writable[] = {{"/tmp", 01777}, {"/run", 0755}, {"/var/tmp", 01777}, {"/dev/shm", 01777}};
	struct inode *fs = NULL;
	int err;

	vfs_init(root_mount());
	err = devfs_mount(&fs);
	mount_at("/dev", fs, err);
	err = procfs_mount(&fs);
	mount_at("/proc", fs, err);
	for (unsigned i = 0; i < ARRAY_SIZE(writable); i++) {
		err = tmpfs_mount(&fs, writable[i].mode);
		mount_at(writable[i].path, fs, err);
	}
}

/* ---------------------------------------------------------------- process 1 ----------------- */

static void swap_init(void)
{
	int err = boot_option("swap") ? swap_on_disk(1) : 0;

	if (err)
		printk("swap: error %d\n", err);
}

static void start_init(void)
{
	static char *const env[] = {
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
	    "TERM=linux", NULL};
	const char *path = boot_option("init");
	static char name[256];
	int err;

	strlcpy(name, path ? path : "/sbin/init", sizeof(name));
	init_args[0] = name;
	err = proc_start_init(name, init_args, env);
	if (err)
		panic("%s does not start: error %d", name, err);
}

/* What may sleep, in a thread of its own. */
static void boot(void *arg)
{
	(void)arg;
	vm_start();
	blk_init();
	mount_all();
	swap_init();
	serial_listen();
	start_init();
}

/* ---------------------------------------------------------------- begin and end ------------- */

static void memory_init(void)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < info.nr_ranges; i++)
		bytes += info.range[i].end - info.range[i].start;
	printk("objrmap kernel, %lu MiB of memory\n", bytes >> 20);
	vm_init(info.range, info.nr_ranges, boot_kernel_end());
}

void kernel_main(uint64_t start_info)
{
	const char *max;

	cpu_init_first();
	serial_init();
	boot_info_read(&info, start_info);
	options_init(info.cmdline);
	pages_protect();
	memory_init();
	acpi_init(info.rsdp);
	interrupts_init();
	clock_init();
	syscall_init();
	sched_init();
	max = boot_option("maxcpus");
	smp_start(max ? (unsigned)strtoul(max, NULL) : MAX_CPUS);
	if (!kthread("boot", boot, NULL))
		panic("no memory to boot");
	sched_idle();
}

/* How many processes are left beside the running one; all of them are told to end. */
static unsigned kill_others(void)
{
	struct proc *p;
	unsigned n = 0;

	spin_lock(&proc_lock);
	list_for_each (p, &all_procs, all) {
		if (p == current->proc || p->state == PROC_ZOMBIE)
			continue;
		signal_proc(p, SIGKILL, NULL);
		n++;
	}
	spin_unlock(&proc_lock);
	return n;
}

static void pause_ms(unsigned ms)
{
	atomic_store(&current->state, THREAD_SLEEPING);
	schedule_until(now_ns() + ms * 1000000ull);
	atomic_store(&current->state, THREAD_RUNNING);
}

/*
 * Process 1 has exited, or somebody has called reboot(2). The others end first, so that the figures
 * are about a machine at rest. The machine's exit code is what a shell would tell.
 */
void kernel_finish(int status)
{
	unsigned code = status & 0x7f ? 128u + (status & 0x7f) : (unsigned)status >> 8 & 0xff;

	for (unsigned tries = 1000; tries && kill_others(); tries--)
		pause_ms(10);
	report_print();
	if (boot_option("verify") && !report_verify() && !code)
		code = 3;
	machine_end(code);
}
