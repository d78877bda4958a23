/*
 * machine.c: system calls about the machine as a whole: its names, how full it is, its random
 * numbers, its end.
 */
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "random.h"
#include "sys.h"
#include "uname.h"

/* ---------------------------------------------------------------- names --------------------- */

long sys_uname(uintptr_t buf)
{
	struct new_utsname name = {.sysname = UTS_SYSNAME,
	                           .release = UTS_RELEASE,
	                           .version = UTS_VERSION,
	                           .machine = UTS_MACHINE,
	                           .domainname = "(none)"};

	_Static_assert(sizeof(name.nodename) == HOSTNAME_MAX + 1, "uname: length of names");
	hostname_get(name.nodename);
	return user_put(buf, name);
}

long sys_sethostname(uintptr_t name, size_t len)
{
	char new_name[HOSTNAME_MAX + 1] = "";
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len > HOSTNAME_MAX)
		return -EINVAL;
	err = user_read(new_name, name, len);
	if (err)
		return err;
	hostname_set(new_name);
	return 0;
}

/* ---------------------------------------------------------------- state --------------------- */

static unsigned short count_procs(void)
{
	struct proc *p;
	unsigned n = 0;

	spin_lock(&proc_lock);
	list_for_each (p, &all_procs, all)
		n += p->nr_threads;
	spin_unlock(&proc_lock);
	return (unsigned short)MIN(n, UINT16_MAX);
}

long sys_sysinfo(uintptr_t buf)
{
	struct om_sysinfo om;
	struct sysinfo info;

	om_sysinfo(vm, &om);
	memset(&info, 0, sizeof(info));
	info.uptime = (long)(now_ns() / NSEC_PER_SEC);
	info.totalram = om.frames;
	info.freeram = om.free;
	info.sharedram = om.shmem;
	info.totalswap = om.swap_slots;
	info.freeswap = om.swap_free;
	info.procs = count_procs();
	info.mem_unit = PAGE_SIZE;
	return user_put(buf, info);
}

/* ---------------------------------------------------------------- random numbers ------------ */

long sys_getrandom(uintptr_t buf, size_t len, unsigned flags)
{
	char chunk[256];
	size_t done = 0;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	len = MIN(len, 0x1ffffffu); /* as much as Linux gives in one call */
	while (done < len) {
		size_t now = MIN(len - done, sizeof(chunk));

		random_bytes(chunk, now);
		if (user_write(buf + done, chunk, now))
			return done ? (long)done : -EFAULT;
		done += now;
	}
	return (long)done;
}

/* ---------------------------------------------------------------- the end ------------------- */

long sys_reboot(unsigned magic1, unsigned magic2, unsigned cmd)
{
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (magic1 != LINUX_REBOOT_MAGIC1 ||
	    (magic2 != LINUX_REBOOT_MAGIC2 && magic2 != LINUX_REBOOT_MAGIC2A &&
	     magic2 != LINUX_REBOOT_MAGIC2B && magic2 != LINUX_REBOOT_MAGIC2C))
		return -EINVAL;
	switch (cmd) {
	case LINUX_REBOOT_CMD_CAD_ON:
	case LINUX_REBOOT_CMD_CAD_OFF:
		return 0; /* there is no Ctrl-Alt-Del */
	case LINUX_REBOOT_CMD_HALT:
	case LINUX_REBOOT_CMD_POWER_OFF:
	case LINUX_REBOOT_CMD_RESTART:
		kernel_finish(0);
	default:
		return -EINVAL;
	}
}

/* There is no log to read: messages go to the console. */
long sys_syslog(int type)
{
	(void)type;
	return -EPERM;
}
