/*
 * futex_word.c: words of user memory that are changed indivisibly, while threads of the program
 * change them on other CPUs. The page is pinned, and the word changed where all memory is mapped
 * for the kernel.
 */
#include "futex.h"

int user_cmpxchg(uintptr_t addr, uint32_t expect, uint32_t value, uint32_t *old)
{
	om_pfn_t pfn;
	_Atomic uint32_t *word;
	int err;

	if (addr % sizeof(uint32_t))
		return -EINVAL;
	if (addr >= USER_LIMIT)
		return -EFAULT;
	err = om_pin(current_mm(), ALIGN_DOWN(addr, PAGE_SIZE), OM_WRITE, &pfn);
	if (err)
		return err;
	word = (_Atomic uint32_t *)((char *)frame_addr(pfn) + addr % PAGE_SIZE);
	*old = expect;
	atomic_compare_exchange_strong(word, old, value);
	om_unpin(vm, pfn, true);
	return 0;
}
