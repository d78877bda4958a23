/*
 * report.h: figures and checks at the end of the machine's life. init/report.c
 */
#ifndef REPORT_H
#define REPORT_H

#include "lib.h"

/* The table of what memory management has done. */
void report_print(void);

/*
 * om_verify() over everything. Nothing else may run in objrmap meanwhile: the other processes are
 * stopped. True if all invariants hold. May sleep.
 */
bool report_verify(void);

#endif
