/*
 * init.c: process 1 under Debian's kernel. Loads the modules that lie in /modules in the order of
 * their names, mounts the root image that the reference kernel mounts as well, turns swap on,
 * runs /bench in it and switches the machine off.
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
	}
}

static void mount_all(void)
{
	check(mount("dev", "/dev", "devtmpfs", 0, NULL), "/dev");
	check(mount("/dev/vda", "/root", "ext2", MS_RDONLY, NULL), "/dev/vda");
	check(swapon("/dev/vdb", 0), "/dev/vdb");
	check(mount("dev", "/root/dev", "devtmpfs", 0, NULL), "/root/dev");
	check(mount("proc", "/root/proc", "proc", 0, NULL), "/root/proc");
	check(mount("tmp", "/root/tmp", "tmpfs", 0, NULL), "/root/tmp");
}

int main(void)
{
	static char *const argv[] = {"/bench", NULL}, *const env[] = {NULL};
	pid_t pid;

	load_modules();
	mount_all();
	pid = fork();
	check(pid, "fork");
	if (!pid) {
		if (!chroot("/root") && !chdir("/"))
			execve("/bench", argv, env);
		perror("/bench");
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	reboot(RB_POWER_OFF);
	return 1;
}
