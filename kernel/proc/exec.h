/*
 * exec.h: what the files that start programs have in common: exec.c decides and commits,
 * exec_script.c finds the interpreter of a script, elf.c maps the program, exec_stack.c carries the
 * arguments over and builds the first stack.
 */
#ifndef PROC_EXEC_H
#define PROC_EXEC_H

#include "internal.h"

#define ARG_PAGES     64 /* of strings: E2BIG beyond */
#define SCRIPT_LEVELS 4
#define MAX_PREFIX    (1 + 2 * SCRIPT_LEVELS)
#define STACK_TOP     0x7fffffffe000ul

/* Argument and environment strings, each with its 0, one after the other in kernel pages. */
struct args {
	char *page[ARG_PAGES];
	size_t bytes;
	size_t env_at; /* where the environment begins */
	unsigned argc, envc;
};

/* A program, mapped and ready to run. */
struct image {
	struct space *space;
	uintptr_t start, sp; /* first instruction and stack pointer */
	/* For the dynamic linker: of the program, and where the linker itself is. */
	uintptr_t entry, phdr, base;
	unsigned phnum;
	bool exec_stack;
};

struct exec {
	char *path;        /* as the caller named it */
	char *exe;         /* the ELF file's, for /proc/PID/exe */
	struct file *file; /* the ELF file, after scripts have been looked through */
	struct args args;
	/* From scripts: what comes instead of the first argument. */
	char *prefix[MAX_PREFIX];
	unsigned nr_prefix;
	struct proc *p; /* that is to run it */
	struct image image;
	char head[256];
};

/* ---- exec_script.c */
/* A regular file with an x bit. */
bool exec_is_program(const struct file *file);
/* Open for execution: -EACCES unless it is a program. */
int exec_open(int dirfd, const char *path, unsigned flags, struct file **file);
/*
 * While e->file is a script, go on to its interpreter. 0: it is none. -ENOEXEC, -ELOOP, -ENOMEM...
 */
int exec_script(struct exec *e);

/* ---- elf.c: make image->space and map e->file and its linker there. */
int elf_load(struct exec *e);

/* ---- exec_stack.c */
int args_add(struct args *a, const char *s); /* a kernel string */
int args_add_user(struct args *a, uintptr_t s);
void args_free(struct args *a);
/* Map the stack and write arguments, environment and auxiliary vector; sets image->sp. */
int stack_build(struct exec *e);

#endif
