#!/usr/bin/python3
# memory.py [MIB]: data several times larger than memory, shared by fork and partly rewritten.
#
# Every page of the data has contents that can be computed from its number. Four workers are forked:
# each checks and rewrites every fourth page, then checks that it sees its own writing, and for the rest
# what it inherited. In the end the parent's copy must be as it was. Beside the big block there is a
# crowd of small objects, whose reference counts Python changes by just looking at them.

import os
import sys
import time

PAGE = 4096
WORKERS = 4
MIB = int(sys.argv[1]) if len(sys.argv) > 1 else 320
PAGES = MIB * 1024 * 1024 // PAGE
OBJECTS = 200000


def page(number, writer):
    """What the page `number` holds after `writer` (0: the parent) has written it."""
    return (number * WORKERS * 2 + writer).to_bytes(8, "little") * (PAGE // 8)


def wrong_pages(data, writer):
    """How many pages are not what they must be for one that rewrote every page of its part."""
    wrong = 0
    for number in range(PAGES):
        mine = writer and number % WORKERS == writer - 1
        at = number * PAGE
        wrong += data[at : at + PAGE] != page(number, writer if mine else 0)
    return wrong


def rewrite(data, writer):
    """Rewrite the writer's part; how many of its pages were not as the parent wrote them."""
    wrong = 0
    for number in range(writer - 1, PAGES, WORKERS):
        at = number * PAGE
        wrong += data[at : at + PAGE] != page(number, 0)
        data[at : at + PAGE] = page(number, writer)
    return wrong


def wrong_objects(objects):
    return sum(objects[str(i)] != i * 7 for i in range(OBJECTS))


def work(data, objects, writer):
    return rewrite(data, writer) + wrong_pages(data, writer) + wrong_objects(objects)


def start_worker(data, objects, writer):
    """A child that reports through a pipe: its number and how much it found wrong."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(receive)
            os.write(send, b"%d %d" % (writer, work(data, objects, writer)))
            status = 0
        finally:
            os._exit(status)
    os.close(send)
    return pid, receive


def result_of(pid, receive):
    """True if the worker found nothing wrong and ended well."""
    with os.fdopen(receive) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    writer, wrong = (text.split() + ["?", "?"])[:2]
    print(f"  worker {writer}: {wrong} wrong, exit status {status}", flush=True)
    return wrong == "0" and status == 0


def step(text, since=[time.monotonic()]):
    now = time.monotonic()
    print(f"  {text} ({now - since[0]:.1f} s)", flush=True)
    since[0] = now


def main():
    data = bytearray(PAGES * PAGE)
    for number in range(PAGES):
        data[number * PAGE : (number + 1) * PAGE] = page(number, 0)
    objects = {str(i): i * 7 for i in range(OBJECTS)}
    step(f"built {MIB} MiB and {OBJECTS} objects")

    workers = [start_worker(data, objects, writer + 1) for writer in range(WORKERS)]
    step(f"forked {WORKERS} workers")
    good = [result_of(*worker) for worker in workers]
    step("the workers have ended")

    wrong = wrong_pages(data, 0) + wrong_objects(objects)
    step(f"the parent's own copy: {wrong} wrong")
    return 0 if all(good) and wrong == 0 else 1


sys.exit(main())
