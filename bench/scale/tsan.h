/*
 * tsan.h: whose accesses the instrumented code makes (tsan.c).
 */
#ifndef SCALE_TSAN_H
#define SCALE_TSAN_H

/*
 * The calling thread plays an operation of that CPU until tsan_end(). Its stack below `stack` is
 * left out.
 */
void tsan_begin(unsigned cpu, const void *stack);
void tsan_end(void);

/* Call `fn` before each atomic access, whoever makes it; NULL: do not. */
void tsan_before_atomic(void (*fn)(void));

#endif
