/*
 * test_coroutine.c: the flows of control that tests/coroutine.h offers to tests.
 */
#include "unit.h"

#include <string.h>

#include "coroutine.h"

static struct coroutine *co[2];
static char trace[100];

static void say(char c)
{
	trace[strlen(trace)] = c;
}

/* ---- who runs when ------------------------------------------------------------------------- */

static void first(void *arg)
{
	say('a');
	coroutine_switch(co[1]);
	say('b');
	coroutine_switch(NULL);
	say(*(char *)arg);
}

static void second(void *arg)
{
	(void)arg;
	say('1');
	coroutine_switch(NULL);
	say('2');
	coroutine_switch(co[0]);
	say('3');
}

static void test_order(void **state)
{
	char end = 'z';

	(void)state;
	memset(trace, 0, sizeof(trace));
	co[0] = coroutine_create(first, &end);
	co[1] = coroutine_create(second, NULL);
	coroutine_switch(NULL); /* to itself */
	coroutine_switch(co[0]);
	assert_string_equal(trace, "a1");
	coroutine_switch(co[1]);
	assert_string_equal(trace, "a12b");
	coroutine_switch(co[0]);
	assert_string_equal(trace, "a12bz");
	coroutine_switch(co[1]);
	assert_string_equal(trace, "a12bz3");
	for (unsigned i = 0; i < 2; i++)
		coroutine_destroy(co[i]);
}

/* ---- each has its own locals ---------------------------------------------------------------- */

/* Some live in registers across the switch, some on the stack. */
static unsigned long deep(unsigned levels, unsigned long a, unsigned long b, unsigned long c)
{
	volatile unsigned char page[1000];
	unsigned long sum;

	memset((void *)(uintptr_t)page, (int)levels, sizeof(page));
	coroutine_switch(NULL);
	sum = levels ? deep(levels - 1, b + 1, c + 2, a + 3) : 0;
	unit_check(page[0] == levels && page[sizeof(page) - 1] == levels);
	return sum + a * levels + b + c;
}

static unsigned long result[2];

static void dive(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	result[i] = deep(50, i, i * 1000, i * 1000000);
}

static void test_locals(void **state)
{
	(void)state;
	for (uintptr_t i = 0; i < 2; i++)
		co[i] = coroutine_create(dive, (void *)i);
	memset(result, 0, sizeof(result));
	for (unsigned turn = 0; turn < 52; turn++)
		for (unsigned i = 0; i < 2; i++)
			coroutine_switch(co[i]);
	for (unsigned i = 0; i < 2; i++)
		coroutine_destroy(co[i]);
	assert_true(result[0] && result[1] && result[0] != result[1]);
	for (uintptr_t i = 0; i < 2; i++) {
		unsigned long alone = result[i];

		co[i] = coroutine_create(dive, (void *)i);
		result[i] = 0;
		for (unsigned turn = 0; turn < 52; turn++)
			coroutine_switch(co[i]);
		assert_int_equal(result[i], alone);
		coroutine_destroy(co[i]);
	}
}

/* ---- dropped in the middle ------------------------------------------------------------------ */

static void never_ends(void *arg)
{
	char page[5000];

	memset(page, *(char *)arg, sizeof(page));
	for (;;) {
		say(page[sizeof(page) - 1]);
		coroutine_switch(NULL);
	}
}

static void test_destroy(void **state)
{
	char name[] = "x";

	(void)state;
	memset(trace, 0, sizeof(trace));
	for (unsigned i = 0; i < 20; i++) {
		co[0] = coroutine_create(never_ends, name);
		co[1] = coroutine_create(never_ends, name);
		for (unsigned turn = 0; turn < 2; turn++)
			coroutine_switch(co[0]);
		coroutine_destroy(co[0]);
		coroutine_destroy(co[1]);
	}
	assert_int_equal(strlen(trace), 40);
	assert_int_equal(strspn(trace, "x"), 40);
}

/* ---- jumps on its own stack ----------------------------------------------------------------- */

static void jumps(void *arg)
{
	static jmp_buf env;

	(void)arg;
	if (setjmp(env) == 0) {
		say('s');
		coroutine_switch(NULL);
		longjmp(env, 1);
	}
	say('j');
}

static void test_jump(void **state)
{
	(void)state;
	memset(trace, 0, sizeof(trace));
	co[0] = coroutine_create(jumps, NULL);
	coroutine_switch(co[0]);
	coroutine_switch(co[0]);
	coroutine_destroy(co[0]);
	assert_string_equal(trace, "sj");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_locals),
	    cmocka_unit_test(test_destroy),
	    cmocka_unit_test(test_jump),
	};

	return unit_run(tests);
}
