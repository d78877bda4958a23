/*
 * pages.h: what the workloads have in common: memory whose pages know their numbers, and random
 * numbers that are the same in each run.
 */
#ifndef PRESSURE_PAGES_H
#define PRESSURE_PAGES_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul
#define MIB  (1ul << 20)

/* Anonymous memory; ends the program if there is none. */
char *pages_map(size_t bytes);
/* Write its number into each page. */
void pages_number(char *memory, size_t pages);
/* Page i, whose number must be right: ends the program if it is not. */
size_t *page_at(char *memory, size_t i);

uint64_t random_next(void);
void random_seed(uint64_t seed);
/* Mostly (`percent` of 100) one of the first fifth of n, otherwise one of the rest. */
size_t random_skewed(size_t n, unsigned percent);

/* Run a command without output, and give its wait status. */
int run_quietly(char **command);

/* The workloads; each ends with the status of the program. */
int room(long mib);
int sequential(long mib, long passes);
int scattered(long mib, long accesses, long hot_percent);
int swapped_back(long mib, long hog_mib, const char *order);
int fork_server(long mib, long children, long rounds);
int beside_turns(long mib, long rounds, char **command);
int beside_hog(long mib, long runs, char **command);
int stream(long set_mib, const char *mapped, const char *path);

#endif
