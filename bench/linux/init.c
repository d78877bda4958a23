/*
 * init.c: process 1 of the initramfs under Debian's kernel. Loads the modules that lie in /modules
 * in the order of their names, mounts the root image that the reference kernel mounts as well,
 * turns swap on, runs a program of the image and switches the machine off. The program and its
 * arguments are what follows "--" on the kernel's command line; /bench if there is nothing.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(long result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	reboot(RB_POWER_OFF);
}

static int is_module(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void load_modules(void)
{
	struct dirent **names;
	int n = scandir("/modules", &names, is_module, alphasort);

	check(n, "/modules");
	for (int i = 0; i < n; i++) {
		char path[300];
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		check(fd, path);
		check(syscall(SYS_finit_module, fd, "", 0), path);
		close(fd);
		unlink(path); /* an initramfs is memory, which is the programs' */
	}
}

static void mount_all(void)
{
	check(mount("dev", "/dev", "devtmpfs", 0, NULL), "/dev");
	check(mount("/dev/vda", "/root", "ext2", MS_RDONLY, NULL), "/dev/vda");
	check(swapon("/dev/vdb", 0), "/dev/vdb");
	check(mount("dev", "/root/dev", "devtmpfs", 0, NULL), "/root/dev");
	check(mount("proc", "/root/proc", "proc", 0, NULL), "/root/proc");
	check(mount("tmp", "/root/tmp", "tmpfs", 0, "size=1g"), "/root/tmp");
	check(symlink("/proc/self/fd", "/root/dev/fd"), "/root/dev/fd");
}

/* Kernels put words that they do not know before the program. */
static char **program(char **argv)
{
	static char *bench[] = {"/bench", NULL};

	while (*argv && **argv != '/')
		argv++;
	return *argv ? argv : bench;
}

int main(int argc, char **argv)
{
	static char *const env[] = {"PATH=/usr/bin:/bin", "HOME=/root", "LANG=C", NULL};
	char **run = program(argv + (argc > 0));
	pid_t pid;

	load_modules();
	mount_all();
	unlink("/init");
	pid = fork();
	check(pid, "fork");
	if (!pid) {
		if (!chroot("/root") && !chdir("/"))
			execve(run[0], run, env);
		perror(run[0]);
		_exit(1);
	}
	while (wait(NULL) > 0)
		;
	reboot(RB_POWER_OFF);
	return 1;
}
