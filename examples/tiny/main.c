/* main.c: the first thing in C. From here on all is done in traps. */
#include "tiny.h"

extern const char family_start[], family_end[], crowd_start[], crowd_end[];

void tiny_main(const uint64_t *start_info)
{
	static struct program family = {"family", family_start, family_end};
	static struct program crowd = {"crowd", crowd_start, crowd_end};

	memory_init(start_info);
	process_start(&family);
	process_start(&crowd);
	process_next();
	resume(&current->regs);
}
