/*
 * measure.h: what both programs of this benchmark measure with, and the memory they work on. How
 * they count is said in bench.c.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define MIB  (1ul << 20)
#define FOLD (2 * MIB) /* what a huge page holds, or a page table */

extern double ticks_per_instruction;

static inline uint64_t now(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}

static inline double since(uint64_t start)
{
	return (now() - start) / ticks_per_instruction;
}

static inline void keep_least(double *least, double cost)
{
	if (cost < *least)
		*least = cost;
}

/* Find out what ticks_per_instruction is. */
void calibrate(void);
/* Instructions that the process has run so far, those of the kernel for it included. */
double cpu_time(void);
/* What the second of two calls of cpu_time() finds between them. */
double cpu_time_cost(void);
/* Print a result. */
void row(const char *name, double cost);
/* Say what the last error was, and exit. */
void fail(const char *what) __attribute__((noreturn));

/* Private anonymous memory. */
char *map(size_t bytes);
/* At a multiple of FOLD. */
char *map_folds(size_t bytes);
/* One whose pages are all there. */
char *map_touched(size_t bytes);
void unmap(char *p, size_t bytes);
void read_pages(volatile char *p, size_t n);
void write_pages(volatile char *p, size_t n);
/* Instructions per page of touching n pages, less those of touching them again. */
double touch(char *p, size_t n, int write);

/* Fork; the child ends at once, or becomes another program that does. Wait for it. */
void child_and_wait(int exec);

/* The rows of serve.c. */
void rows_serve(void);

#endif
