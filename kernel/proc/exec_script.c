/*
 * exec_script.c: programs that are scripts: "#! interpreter argument" in the first line.
 */
#include <linux/stat.h>

#include "exec.h"
#include "kmem.h"

bool exec_is_program(const struct file *file)
{
	const struct inode *inode = file->inode;

	return inode && S_ISREG(inode->mode) && (inode->mode & 0111);
}

int exec_open(int dirfd, const char *path, unsigned flags, struct file **file)
{
	int err = path_open(dirfd, path, O_RDONLY | flags, 0, file);

	if (err || exec_is_program(*file))
		return err;
	file_put(*file);
	*file = NULL;
	return -EACCES;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Split "#! interpreter argument" in place; *arg is NULL without one. */
static int parse_script(char *head, size_t n, char **interp, char **arg)
{
	char *p = head + 2, *end = strchr(p, '\n');

	if (!end) {
		if (n == sizeof(((struct exec *)0)->head) - 1)
			return -ENOEXEC; /* cut off */
		end = head + strlen(head);
	}
	while (end > p && is_blank(end[-1]))
		end--;
	*end = 0;
	while (is_blank(*p))
		p++;
	if (!*p)
		return -ENOEXEC;
	*interp = p;
	while (*p && !is_blank(*p))
		p++;
	*arg = NULL;
	if (*p) {
		*p++ = 0;
		while (is_blank(*p))
			p++;
		*arg = p;
	}
	return 0;
}

/* The script's name and what its first line says take the place of the first argument. */
static int push_prefix(struct exec *e, const char *interp, const char *arg, const char *script)
{
	const char *first[3] = {interp, arg ? arg : script, arg ? script : NULL};
	unsigned n = arg ? 3 : 2, keep = e->nr_prefix ? e->nr_prefix - 1 : 0;
	char *copy[3] = {NULL};

	for (unsigned i = 0; i < n; i++)
		copy[i] = kstrdup(first[i]);
	if (e->nr_prefix)
		kfree(e->prefix[0]);
	memmove(e->prefix + n, e->prefix + 1, keep * sizeof(char *));
	memcpy(e->prefix, copy, n * sizeof(char *));
	e->nr_prefix = n + keep;
	return copy[0] && copy[1] && (n < 3 || copy[2]) ? 0 : -ENOMEM;
}

static bool read_head(struct exec *e, long *n)
{
	memset(e->head, 0, sizeof(e->head));
	*n = file_read_at(e->file, e->head, sizeof(e->head) - 1, 0);
	return *n >= 2 && e->head[0] == '#' && e->head[1] == '!';
}

int exec_script(struct exec *e)
{
	long n;

	for (int level = 0; read_head(e, &n); level++) {
		char *interp, *arg;
		int err = level < SCRIPT_LEVELS ? parse_script(e->head, (size_t)n, &interp, &arg)
		                                : -ELOOP;

		if (!err)
			err = push_prefix(e, interp, arg, level ? e->prefix[0] : e->path);
		if (err)
			return err;
		file_put(e->file);
		e->file = NULL;
		err = exec_open(AT_FDCWD, e->prefix[0], 0, &e->file);
		if (err)
			return err;
	}
	return n < 0 ? (int)n : 0;
}
