/*
 * cpu.c: on which simulated CPU a thread runs. Like faulty.c it uses nothing of the rest of the
 * machine, so that unit tests of single core files can link it alone.
 */
#include "om_arch.h"

_Thread_local unsigned sim_this_cpu;
