/*
 * procfs_pid.c: the directory /proc/PID and most of its files. /proc/PID/task/TID is the same for a
 * thread.
 *
 * A process may end at any time: then its files are empty, or say that it is a zombie.
 */
#include <linux/stat.h>

#include "fs.h"
#include "procfs.h"

/* ---------------------------------------------------------------- command line -------------- */

/* Bytes of [start, end) in another address space, from its beginning. */
static long read_strings(struct space *s, uintptr_t start, uintptr_t end, void *buf, size_t n,
                         uint64_t *pos)
{
	size_t got = 0;

	if (*pos < end - start)
		om_read(s->mm, start + *pos, buf, MIN(n, end - start - *pos), &got);
	*pos += got;
	return (long)got;
}

static long cmdline_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	const struct proc_node *node = file->data;
	struct space *s = proc_space(node->proc);
	long got = s ? read_strings(s, s->arg_start, s->arg_end, buf, n, pos) : 0;

	if (s)
		space_put(s);
	return got;
}

static long environ_read(struct file *file, void *buf, size_t n, uint64_t *pos)
{
	const struct proc_node *node = file->data;
	struct space *s = proc_space(node->proc);
	long got = s ? read_strings(s, s->env_start, s->env_end, buf, n, pos) : 0;

	if (s)
		space_put(s);
	return got;
}

static const struct file_ops cmdline_fops = {.read = cmdline_read};
static const struct file_ops environ_fops = {.read = environ_read, .no_end = true};

/* ---------------------------------------------------------------- limits, oom_score --------- */

static void show_limit(struct text *text, unsigned long value)
{
	if (value == RLIM_INFINITY)
		text_add(text, "%-20s ", "unlimited");
	else
		text_add(text, "%-20lu ", value);
}

static void show_limits(struct text *text, const struct proc_node *node)
{
	static const struct {
		const char *name, *unit;
	} names[RLIM_NLIMITS] = {
	    [RLIMIT_CPU] = {"Max cpu time", "seconds"},
	    [RLIMIT_FSIZE] = {"Max file size", "bytes"},
	    [RLIMIT_DATA] = {"Max data size", "bytes"},
	    [RLIMIT_STACK] = {"Max stack size", "bytes"},
	    [RLIMIT_CORE] = {"Max core file size", "bytes"},
	    [RLIMIT_RSS] = {"Max resident set", "bytes"},
	    [RLIMIT_NPROC] = {"Max processes", "processes"},
	    [RLIMIT_NOFILE] = {"Max open files", "files"},
	    [RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
	    [RLIMIT_AS] = {"Max address space", "bytes"},
	    [RLIMIT_LOCKS] = {"Max file locks", "locks"},
	    [RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
	    [RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
	    [RLIMIT_NICE] = {"Max nice priority", ""},
	    [RLIMIT_RTPRIO] = {"Max realtime priority", ""},
	    [RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
	};
	struct rlimit limit[RLIM_NLIMITS];

	spin_lock(&proc_lock);
	memcpy(limit, node->proc->limit, sizeof(limit));
	spin_unlock(&proc_lock);
	text_add(text, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned i = 0; i < RLIM_NLIMITS; i++) {
		text_add(text, "%-25s ", names[i].name);
		show_limit(text, limit[i].rlim_cur);
		show_limit(text, limit[i].rlim_max);
		text_add(text, "%-10s\n", names[i].unit);
	}
}

static void show_oom_score(struct text *text, const struct proc_node *node)
{
	text_add(text, "%ld\n", oom_score(node->proc));
}

static void show_oom_score_adj(struct text *text, const struct proc_node *node)
{
	text_add(text, "%d\n", node->proc->oom_score_adj);
}

/*
 * Files in /proc/PID are the process's user's. Without the capability nobody becomes safer than
 * a process that has changed nothing.
 */
static int set_oom_score_adj(struct proc *p, int value)
{
	bool safer = value < MIN(p->oom_score_adj, 0);
	unsigned owner;
	int err = 0;

	spin_lock(&proc_lock);
	owner = p->dumpable ? p->cred.uid.effective : 0;
	if ((current->proc->cred.uid.fs != owner && !capable(CAP_DAC_OVERRIDE)) ||
	    (safer && !capable(CAP_SYS_RESOURCE)))
		err = -EACCES;
	else
		p->oom_score_adj = value;
	spin_unlock(&proc_lock);
	return err;
}

static int store_oom_score_adj(const struct proc_node *node, const char *buf)
{
	bool negative = *buf == '-';
	const char *end;
	unsigned long value = strtoul(buf + negative, &end);

	if (end == buf + negative || (*end && *end != '\n') || value > 1000)
		return -EINVAL;
	return set_oom_score_adj(node->proc, negative ? -(int)value : (int)value);
}

/* ---------------------------------------------------------------- links --------------------- */

/* Copies a path that proc_lock guards. */
static int copy_path(char *const *path, char *buf, unsigned size)
{
	int len = -ENOENT;

	spin_lock(&proc_lock);
	if (*path) {
		len = (int)MIN(strlen(*path), size);
		memcpy(buf, *path, (size_t)len);
	}
	spin_unlock(&proc_lock);
	return len;
}

static int link_exe(const struct proc_node *node, char *buf, unsigned size)
{
	return copy_path(&node->proc->exe, buf, size);
}

static int link_cwd(const struct proc_node *node, char *buf, unsigned size)
{
	return copy_path(&node->proc->fs.cwd_path, buf, size);
}

static int link_root(const struct proc_node *node, char *buf, unsigned size)
{
	(void)node;
	if (size)
		*buf = '/';
	return size ? 1 : 0;
}

/* ---------------------------------------------------------------- fd ------------------------ */

static int next_fd(const struct proc_node *dir, int from)
{
	struct proc *p = dir->proc;
	int found = -1;

	spin_lock(&p->files_lock);
	for (unsigned i = (unsigned)from; i < p->files.size && found < 0; i++)
		if (p->files.fd[i].file)
			found = (int)i;
	spin_unlock(&p->files_lock);
	return found;
}

static struct file *get_file(const struct proc_node *node)
{
	struct proc *p = node->proc;
	struct file *file = NULL;

	spin_lock(&p->files_lock);
	if ((unsigned)node->id < p->files.size)
		file = p->files.fd[node->id].file;
	if (file)
		file_get(file);
	spin_unlock(&p->files_lock);
	return file;
}

static int link_fd(const struct proc_node *node, char *buf, unsigned size)
{
	struct file *file = get_file(node);
	char name[40];
	const char *text = name;
	int len;

	if (!file)
		return -ENOENT;
	if (file->path)
		text = file->path;
	else
		snprintf(name, sizeof(name), "%s:[%lu]",
		         file->inode && S_ISFIFO(file->inode->mode) ? "pipe" : "anon_inode",
		         file->inode ? file->inode->ino : 0);
	len = (int)MIN(strlen(text), size);
	memcpy(buf, text, (size_t)len);
	file_put(file);
	return len;
}

/* A pipe has no path, and another file may be at the path of this one by now. */
static int follow_fd(const struct proc_node *node, struct inode **out, char *full)
{
	struct file *file = get_file(node);

	if (!file)
		return -ENOENT;
	*out = file->inode ? inode_get(file->inode) : NULL;
	if (*out && full)
		strlcpy(full, file->path ? file->path : "", PATH_MAX_LEN);
	file_put(file);
	return *out ? 0 : -ENXIO;
}

/* ---------------------------------------------------------------- task ---------------------- */

static int next_task(const struct proc_node *dir, int from)
{
	const struct thread *t;
	int found = -1;

	spin_lock(&proc_lock);
	list_for_each (t, &dir->proc->threads, siblings)
		if (t->tid >= from && (found < 0 || t->tid < found))
			found = t->tid;
	spin_unlock(&proc_lock);
	return found;
}

int proc_pid_next(const struct proc_node *dir, int from)
{
	const struct proc *p;
	int found = -1;

	(void)dir;
	spin_lock(&proc_lock);
	list_for_each (p, &all_procs, all)
		if (p->pid >= from && (found < 0 || p->pid < found))
			found = p->pid;
	spin_unlock(&proc_lock);
	return found;
}

/* ---------------------------------------------------------------- the tables ---------------- */

#define FILE_R  (S_IFREG | 0444)
#define FILE_RW (S_IFREG | 0644)
#define LINK    (S_IFLNK | 0777)
#define DIR     (S_IFDIR | 0555)

static const struct proc_entry fd_entry = {"fd", LINK, .link = link_fd, .follow = follow_fd,
                                           .guarded = true};
static const struct proc_entry task_entry;

/* A thread has the same files as a process, without the first. */
static const struct proc_entry entries[] = {
    {"task", DIR, .item = &task_entry, .next = next_task},
    {"cmdline", FILE_R, .fops = &cmdline_fops},
    {"comm", FILE_R, .show = proc_show_comm},
    {"cwd", LINK, .link = link_cwd, .guarded = true},
    {"environ", FILE_R, .fops = &environ_fops, .guarded = true},
    {"exe", LINK, .link = link_exe, .guarded = true},
    {"fd", DIR, .item = &fd_entry, .next = next_fd},
    {"limits", FILE_R, .show = show_limits},
    {"maps", FILE_R, .show_from = proc_show_maps, .guarded = true},
    {"mountinfo", FILE_R, .show = proc_show_mountinfo},
    {"mounts", FILE_R, .show = proc_show_mounts},
    {"oom_score", FILE_R, .show = show_oom_score},
    {"oom_score_adj", FILE_RW, .show = show_oom_score_adj, .store = store_oom_score_adj},
    {"pagemap", FILE_R, .fops = &proc_pagemap_fops, .guarded = true},
    {"root", LINK, .link = link_root, .guarded = true},
    {"smaps", FILE_R, .show_from = proc_show_smaps, .guarded = true},
    {"stat", FILE_R, .show = proc_show_stat},
    {"statm", FILE_R, .show = proc_show_statm},
    {"status", FILE_R, .show = proc_show_status},
    {.name = NULL},
};
static const struct proc_entry task_entry = {"task", DIR, .children = entries + 1};
const struct proc_entry proc_pid_entry = {"pid", DIR, .children = entries};
