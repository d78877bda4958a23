/*
 * procfs.h: what the files of procfs share. procfs.c is the tree and how its files are read,
 * procfs_text.c what they are written into; the contents are in procfs_pid.c and procfs_status.c
 * (processes), procfs_maps.c (their memory), procfs_system.c and procfs_memory.c (the machine).
 */
#ifndef PROCFS_H
#define PROCFS_H

#include "process.h"

/* ---------------------------------------------------------------- the tree ------------------ */

struct text;
struct proc_entry;

/* What an inode of this file system stands for. */
struct proc_node {
	const struct proc_entry *entry;
	struct proc *proc; /* referenced; NULL outside of /proc/PID */
	int id;            /* the number in its name: pid, tid, fd */
};

/* A kind of file; tables of them end with a name of NULL. */
struct proc_entry {
	const char *name;
	unsigned mode; /* S_IFMT and permissions */
	/* Files: write the contents to `text`. A process that is gone has empty ones. */
	void (*show)(struct text *text, const struct proc_node *node);
	/*
	 * Long files, instead: write what begins at *at (0 at first), some lines or areas, until
	 * `text` has `want` bytes, and set *at to what comes next. False: that was the end.
	 */
	bool (*show_from)(struct text *text, const struct proc_node *node, uint64_t *at,
	                  size_t want);
	/* Files that can be written: take `len` bytes, terminated. 0 or an error. */
	int (*store)(const struct proc_node *node, const char *buf);
	/* Files and links: only for those that may look into the process. */
	bool guarded;
	/* Files that are not text; file->data is the node. */
	const struct file_ops *fops;
	/* Links: the length; not terminated. */
	int (*link)(const struct proc_node *node, char *buf, unsigned size);
	/* Links that lead to an inode whatever their text says; as inode_ops.follow. */
	int (*follow)(const struct proc_node *node, struct inode **out, char *full);
	/* Directories: fixed children, and those whose names are numbers, all of kind `item`. */
	const struct proc_entry *children;
	const struct proc_entry *item;
	/* The lowest number that is at least `from`; -1: there is none. */
	int (*next)(const struct proc_node *dir, int from);
};

extern const struct proc_entry proc_system_entries[]; /* procfs_system.c: in /proc */
extern const struct proc_entry proc_pid_entry;        /* procfs_pid.c: /proc/PID */
int proc_pid_next(const struct proc_node *dir, int from);

/* ---------------------------------------------------------------- text ---------------------- */

/* Grows as needed. Without memory it stays as it is and `failed` is set. procfs_text.c */
struct text {
	char *buf; /* big_alloc() */
	size_t len, size;
	bool failed;
};
void text_free(struct text *text);
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_bytes(struct text *text, const void *bytes, size_t n);
/* A line of meminfo or smaps: a name, and a size in KiB or in pages, which is shown in KiB. */
void text_kib(struct text *text, const char *name, uint64_t n);
void text_pages(struct text *text, const char *name, uint64_t n);

/* ---------------------------------------------------------------- the machine --------------- */

/* procfs_system.c */
void proc_show_mounts(struct text *text, const struct proc_node *node);
void proc_show_mountinfo(struct text *text, const struct proc_node *node);

/* procfs_memory.c */
void proc_show_meminfo(struct text *text, const struct proc_node *node);
void proc_show_vmstat(struct text *text, const struct proc_node *node);
void proc_show_pressure(struct text *text, const struct proc_node *node);
void proc_show_swaps(struct text *text, const struct proc_node *node);
void proc_show_objrmap(struct text *text, const struct proc_node *node);

/* ---------------------------------------------------------------- processes ----------------- */

/* procfs_status.c */
void proc_show_stat(struct text *text, const struct proc_node *node);
void proc_show_statm(struct text *text, const struct proc_node *node);
void proc_show_status(struct text *text, const struct proc_node *node);
void proc_show_comm(struct text *text, const struct proc_node *node);

/* procfs_maps.c */
bool proc_show_maps(struct text *text, const struct proc_node *node, uint64_t *at, size_t want);
bool proc_show_smaps(struct text *text, const struct proc_node *node, uint64_t *at, size_t want);
extern const struct file_ops proc_pagemap_fops;

#endif
