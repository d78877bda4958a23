/*
 * no_reclaim.c: in the place of src/reclaim/ where there are neither files nor swap: whoever finds
 * no frame free hears so. Then what MADV_FREE has marked stays, and empty page tables go with their
 * areas alone. docs/porting.md, "How small can it be".
 */
#include "area/trim.h"
#include "page/put.h"
#include "reclaim/balance.h"
#include "reclaim/reclaim.h"

void om_ages_init(struct om_system *sys)
{
	(void)sys;
}

static int out_of_memory(struct om_system *sys, int err)
{
	om_count(sys, OM_EV_OOM, 1);
	return err;
}

int om_reclaim_retry(struct om_system *sys, unsigned *tries, size_t want)
{
	(void)tries;
	(void)want;
	return out_of_memory(sys, om_dying(sys) ? -OM_EINTR : -OM_ENOMEM);
}

/* As reclaim/request.c: two tries to make room for a page table, where those are limited. */
int om_reclaim_for_fault(struct om_mm *mm, int why, unsigned *tries)
{
	if (why != -OM_ENOMEM)
		return out_of_memory(mm->sys, OM_FAULT_OOM);
	if (++*tries > 2)
		return OM_FAULT_LIMIT;
	om_trim_mm(mm);
	return 0;
}

size_t om_reclaim_step(struct om_system *sys, size_t pages)
{
	(void)sys;
	(void)pages;
	return 0;
}

unsigned om_reclaim_pages(struct om_system *sys, const om_pfn_t page[], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		om_page_put(sys, om_page_of(sys, page[i]));
	return 0;
}
