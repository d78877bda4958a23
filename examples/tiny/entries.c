/* entries.c: the template's test of the format of entries, of this machine's. */
#include "kernel.h"

#include "../../ports/template/check.c"
