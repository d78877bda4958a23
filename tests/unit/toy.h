/*
 * toy.h: a few lines that play objrmap for the tests of the sim port: one address space with a page
 * table that the test writes, and an om_fault() that does what the test has prepared. So a test
 * says what the MMU, the TLB and the stores do whatever the core does. Included once a program.
 */
#ifndef TOY_H
#define TOY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine.h"

#define FRAMES    64
#define ADDR      ((uintptr_t)0x400000)
#define FIRST_PFN 16 /* of data; below: tables */

struct om_mm {
	struct sim *sim;
	om_pfn_t root, next_table;
	unsigned faults;
	enum om_fault_result (*fault)(struct om_mm *mm, uintptr_t addr, enum om_access access);
};

struct om_system {
	const struct om_port_ops *ops;
	void *ctx;
	_Atomic om_pfn_t free;
	_Atomic unsigned steps;
};

size_t om_system_bytes(const struct om_config *config)
{
	return sizeof(struct om_system) + config->nr_frames;
}

struct om_system *om_system_init(const struct om_config *config)
{
	struct om_system *sys = config->storage;

	assert_int_equal((uintptr_t)sys % 64, 0);
	*sys = (struct om_system){.ops = config->ops, .ctx = config->ctx};
	return sys;
}

int om_system_fini(struct om_system *sys)
{
	(void)sys;
	return 0;
}

int om_add_memory(struct om_system *sys, om_pfn_t first, om_pfn_t n)
{
	assert_int_equal(first, 1);
	sys->free = n;
	return 0;
}

om_pfn_t om_free_frames(const struct om_system *sys)
{
	return sys->free;
}

size_t om_reclaim_step(struct om_system *sys, size_t pages)
{
	sys->steps++;
	sys->free += (om_pfn_t)pages;
	return pages;
}

om_pfn_t om_mm_root(const struct om_mm *mm)
{
	return mm->root;
}

enum om_fault_result om_fault(struct om_mm *mm, uintptr_t addr, enum om_access access)
{
	mm->faults++;
	return mm->fault ? mm->fault(mm, addr, access) : OM_FAULT_MAPERR;
}

static struct om_mm *new_machine(enum sim_mode mode)
{
	struct om_mm *mm = calloc(1, sizeof(*mm));
	const struct sim_config config = {.nr_frames = FRAMES,
	                                  .nr_cpus = 2,
	                                  .junk = true,
	                                  .mode = mode};

	assert_non_null(mm);
	mm->sim = sim_create(&config);
	assert_non_null(mm->sim);
	mm->root = 1;
	mm->next_table = 2;
	memset(sim_frame(mm->sim, mm->root), 0, SIM_PAGE_SIZE);
	return mm;
}

static void free_machine(struct om_mm *mm)
{
	assert_int_equal(sim_destroy(mm->sim), 0);
	free(mm);
}

static int setup(void **state)
{
	*state = new_machine(SIM_X86);
	return 0;
}

static int teardown(void **state)
{
	free_machine(*state);
	return 0;
}

#endif
