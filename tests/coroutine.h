/*
 * coroutine.h: several flows of control on one thread, of which one runs until it switches to
 * another. So who runs when is up to the program alone, and a switch costs some nanoseconds.
 *
 *     struct coroutine *co = coroutine_create(fn, arg);
 *     coroutine_switch(co);           fn(arg) runs until it switches to NULL, or returns
 *     coroutine_destroy(co);          whether it has come to its end or not
 *
 * NULL stands for the thread's own flow, which exists from the start. One thread of a program may
 * use this. AddressSanitizer and ThreadSanitizer are told about each switch.
 */
#ifndef COROUTINE_H
#define COROUTINE_H

struct coroutine;

/* Has a stack of 256 KiB. Begins when it is first switched to; aborts if the host has no memory. */
struct coroutine *coroutine_create(void (*fn)(void *arg), void *arg);

/* Returns when somebody switches back to the caller. When `fn` returns, NULL goes on. */
void coroutine_switch(struct coroutine *to);

/* Not the running one. What lies on its stack is simply gone. */
void coroutine_destroy(struct coroutine *co);

#endif
