/*
 * test_system.c: setting up a machine's memory, and what it refuses.
 */
#include "unit.h"

#include <string.h>

#include <objrmap/objrmap.h>

#include "sim.h"

static char *memory;
static struct om_arch arch;

static void no_flush(void *ctx, struct om_mm *mm, uintptr_t start, uintptr_t end,
                     enum om_flush what)
{
	(void)ctx, (void)mm, (void)start, (void)end, (void)what;
}

static void no_panic(void *ctx, const struct om_bug *bug)
{
	(void)ctx, (void)bug;
	abort();
}

static void no_wait(void *ctx, const void *key, bool (*blocked)(const void *arg), const void *arg)
{
	(void)ctx, (void)key, (void)blocked, (void)arg;
}

#define FRAMES 64

static struct om_config config(struct om_port_ops *ops)
{
	*ops = (struct om_port_ops){.flush = no_flush, .panic = no_panic};
	memory = aligned_alloc(4096, FRAMES * 4096);
	arch.base = memory;
	return (struct om_config){.arch = &arch,
	                          .ops = ops,
	                          .nr_frames = FRAMES,
	                          .storage = aligned_alloc(4096, 1 << 18)};
}

static void release(struct om_config *c)
{
	free(c->storage);
	free(memory);
}

/* The rule that is broken begins with `rule`. */
#define refused(field, wrong, rule)                                                                \
	do {                                                                                       \
		struct om_config bad_ = c;                                                         \
                                                                                                   \
		bad_.field = wrong;                                                                \
		assert_null(om_system_init(&bad_));                                                \
		assert_non_null(om_check_config(&bad_));                                           \
		assert_non_null(strstr(om_check_config(&bad_), rule));                             \
	} while (0)

static void test_config(void **state)
{
	struct om_port_ops ops, other;
	struct om_config c = config(&ops);

	(void)state;
	assert_true(om_system_bytes(&c) <= 1 << 18);
	refused(arch, NULL, "arch");
	refused(ops, NULL, "ops");
	refused(nr_frames, 1, "nr_frames");
	refused(storage, NULL, "storage");
	refused(storage, (char *)c.storage + 8, "aligned");
	refused(swap_cluster, 6, "swap_cluster");
	other = ops;
	other.flush = NULL;
	refused(ops, &other, "flush");
	other = ops;
	other.panic = NULL;
	refused(ops, &other, "panic");
	other = ops;
	other.wait = no_wait; /* without wake */
	refused(ops, &other, "wake");
	other = ops;
	other.wait_briefly = no_wait; /* without wait */
	refused(ops, &other, "wait_briefly");
	assert_null(om_check_config(&c));
	assert_non_null(om_system_init(&c));
	release(&c);
}

static void test_memory(void **state)
{
	struct om_port_ops ops;
	struct om_config c = config(&ops);
	struct om_system *sys = om_system_init(&c);

	(void)state;
	assert_int_equal(om_system_fini(sys), 0);
	assert_int_equal(om_add_memory(sys, 0, 0), -OM_EINVAL);
	assert_int_equal(om_add_memory(sys, FRAMES, 1), -OM_EINVAL);
	assert_int_equal(om_add_memory(sys, 60, 5), -OM_EINVAL);
	assert_int_equal(om_free_frames(sys), 0);
	/* Holes are fine; the first frame handed over becomes the zero page. */
	assert_int_equal(om_add_memory(sys, 8, 8), 0);
	assert_int_equal(om_free_frames(sys), 7);
	assert_int_equal(om_add_memory(sys, 32, 16), 0);
	assert_int_equal(om_free_frames(sys), 23);
	assert_int_equal(om_add_memory(sys, 47, 2), -OM_EINVAL); /* one of them is ours already */
	assert_int_equal(om_free_frames(sys), 23);
	assert_int_equal(om_system_fini(sys), 0);
	release(&c);
}

static void test_watermarks(void **state)
{
	struct om_port_ops ops;
	struct om_config c = config(&ops);
	struct om_system *sys = om_system_init(&c);
	om_pfn_t pfn;

	(void)state;
	assert_int_equal(om_add_memory(sys, 0, 32), 0);
	assert_int_equal(om_set_watermarks(sys, 3, 2, 4), -OM_EINVAL);
	assert_int_equal(om_set_watermarks(sys, 1, 5, 4), -OM_EINVAL);
	assert_int_equal(om_set_watermarks(sys, 1, 2, 33), -OM_EINVAL);
	assert_int_equal(om_set_watermarks(sys, 1, 2, 3), 0);
	assert_int_equal(om_add_memory(sys, 32, 32), 0); /* what was set stays */
	assert_int_equal(sys->mark_high, 3);

	assert_int_equal(om_frame_alloc(sys, &pfn), 0);
	assert_int_equal(om_system_fini(sys), -OM_EBUSY);
	assert_int_equal(((char *)om_arch_frame(&arch, pfn))[100], 0);
	om_frame_free(sys, pfn);
	assert_int_equal(om_system_fini(sys), 0);
	for (unsigned i = 0; i < 63; i++)
		assert_int_equal(om_frame_alloc(sys, &pfn), 0);
	assert_int_equal(om_frame_alloc(sys, &pfn), -OM_ENOMEM);
	release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_config),
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_watermarks),
	};

	return unit_run(tests);
}
