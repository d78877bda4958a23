/*
 * check.h: does the recorder see what it is there for?
 */
#ifndef SCALE_CHECK_H
#define SCALE_CHECK_H

#include <stdbool.h>

/* False, and says why on stderr, if the recorder sees nothing, or too much. */
bool check_recorder(void);

#endif
