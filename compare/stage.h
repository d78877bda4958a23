/*
 * stage.h: the stage on which a workload plays: a simulated machine with one swap device, one file,
 * and processes, whatever they do being measured, and every page's contents known.
 *
 *     stage_open(4096, 256);
 *     p = stage_exec();
 *     a = stage_map(p, 16, NULL, 0);
 *     stage_write(p, a, 16);
 *     q = stage_fork(p);
 *     stage_survey();              walks of the reverse map, at rest
 *     stage_reclaim(8);            what presses on memory
 *     stage_close();               checks all, takes all down, prints the figures
 *
 * Anything that goes wrong ends the program with a message.
 */
#ifndef COMPARE_STAGE_H
#define COMPARE_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim.h"

#define PAGE SIM_PAGE_SIZE

struct proc;

/* `frames` of memory, four times as many slots of swap; `file_pages` of a file (0: none). */
void stage_open(om_pfn_t frames, size_t file_pages);
void stage_close(void);

/* ---- processes ---- */

struct proc *stage_exec(void);
struct proc *stage_fork(struct proc *parent);
/* The process runs another program: all its memory goes. */
void stage_exec_over(struct proc *p);
void stage_exit(struct proc *p);

/* ---- memory ---- */

enum backing { ANON, FILE_SHARED, FILE_PRIVATE };

/* Readable and writable memory, from page `first` of the file if it is one; its address. */
uintptr_t stage_map(struct proc *p, size_t pages, enum backing backing, size_t first);
/* `n` areas of one page, every other page, so that they are apart; the first one's address. */
uintptr_t stage_map_apart(struct proc *p, size_t n);
#define APART (2 * PAGE)

void stage_unmap(struct proc *p, uintptr_t addr, size_t pages);
void stage_protect(struct proc *p, uintptr_t addr, size_t pages, bool writable);
/* Moves to `to`, or anywhere (0); the new address. */
uintptr_t stage_move(struct proc *p, uintptr_t addr, size_t pages, uintptr_t to);
void stage_lock_all(struct proc *p);

/* Each page gets new contents; is read, and compared. */
void stage_write(struct proc *p, uintptr_t addr, size_t pages);
void stage_read(struct proc *p, uintptr_t addr, size_t pages);

/* ---- pressure ---- */

/* About so many pages are to go, whosever they are. */
void stage_reclaim(size_t pages);

/* Walks the reverse map from each mapped page, as far as that does not take too long: every entry
 * must be found. */
void stage_survey(void);

#endif
