/*
 * session.c: the first program of a measured machine, under both kernels.
 *
 *     session COMMAND ARG...
 *
 * Runs the command between two moments (moment.h), then prints by how much each figure of
 * /proc/vmstat has grown, as lines "@count NAME NUMBER", and the command's status in the same way.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moment.h"

#define FIGURES 400

struct vmstat {
	int n;
	struct {
		char name[48];
		long long value;
	} figure[FIGURES];
};

static void read_vmstat(struct vmstat *v)
{
	FILE *f = fopen("/proc/vmstat", "r");

	v->n = 0;
	if (!f) {
		perror("/proc/vmstat");
		return;
	}
	while (v->n < FIGURES &&
	       fscanf(f, "%47s %lld", v->figure[v->n].name, &v->figure[v->n].value) == 2)
		v->n++;
	fclose(f);
}

static void print_growth(const struct vmstat *before, const struct vmstat *after)
{
	for (int i = 0; i < after->n && i < before->n; i++) {
		long long grown = after->figure[i].value - before->figure[i].value;

		if (grown)
			printf("@count %s %lld\n", after->figure[i].name, grown);
	}
}

static int run(char **command)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		execv(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) != pid)
		;
	return status;
}

int main(int argc, char **argv)
{
	static struct vmstat before, after;
	int status;

	if (argc < 2)
		return 2;
	setvbuf(stdin, NULL, _IONBF, 0);
	read_vmstat(&before);
	read_vmstat(&before); /* what the first look allocates is there now */
	moment_begin("begin");
	status = run(argv + 1);
	moment_end("end");
	read_vmstat(&after);
	print_growth(&before, &after);
	printf("@count status %d\n", status);
	return status != 0;
}
