/*
 * main.c: from the first line of C to process 1, and the end after it.
 */
#include "blk.h"
#include "boot.h"
#include "options.h"
#include "process.h"
#include "report.h"
#include "syscalls.h"
#include "timer.h"

static struct boot_info info;

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
	int err = boot_option(OPTION_swap) ? swap_on_disk(1) : 0;

	if (err)
		printk("swap: error %d\n", err);
}

static void terminal_init(void)
{
	int err = serial_listen(tty_input);

	if (err)
		printk("serial: no interrupt (%d)\n", err);
}

static void start_init(void)
{
	static char *const env[] = {
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
	    "TERM=linux", NULL};
	const char *path = boot_option(OPTION_init);
	static char name[256];
	char **args = boot_arguments();
	int err;

	strlcpy(name, path ? path : "/sbin/init", sizeof(name));
	args[0] = name;
	err = proc_start_init(name, args, env);
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
	terminal_init();
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
	mmu_init();
	if (!acpi_init(info.rsdp))
		printk("acpi: no table of CPUs\n");
	memory_init();
	interrupts_init();
	clock_init();
	syscall_init();
	timers_init();
	sched_init();
	max = boot_option(OPTION_maxcpus);
	sched_start_cpus(max ? (unsigned)strtoul(max, NULL) : MAX_CPUS);
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

/* Threads of the kernel may still free stacks, and pages, when the last process has gone. */
static bool at_rest(void)
{
	return !kill_others() && !vm_is_reclaiming() && sched_at_rest();
}

/*
 * Process 1 has exited, or somebody has called reboot(2). The others end first, so that the figures
 * are about a machine at rest. The machine's exit code is what a shell would tell.
 */
void kernel_finish(int status)
{
	unsigned code = status & 0x7f ? 128u + (status & 0x7f) : (unsigned)status >> 8 & 0xff;

	for (unsigned tries = 1000; tries && !at_rest(); tries--)
		pause_ms(10);
	report_print();
	if (boot_option(OPTION_verify) && !report_verify() && !code)
		code = 3;
	machine_end(code);
}
