/*
 * format.h: recordings of what a family of processes did to its memory.
 *
 * A trace is a header, blocks, and an empty block as its end; all numbers beyond bytes are varints (seven
 * bits a byte, the lowest first) but those of a block's head, which are little-endian words of 32 bits:
 *
 *     header   "omtrace\n", version, flags (enum trace_flags), page shift, length of the command, the
 *              command, and as a word of 32 bits, the lowest byte first, the CRC-32 of all that
 *     block    length, CRC-32 of what follows, then `length` bytes of whole records
 *
 * A record is about an address space, the one that the last SPACE named (0 at first). Its first byte is
 *
 *     1kkddddd   a page fault of kind k (enum trace_kind): d, or if it is 31 the varint that follows, is
 *                the zigzag distance in pages from the page after that of the last fault of this
 *                kind in this space
 *     0000oooo   operation o (enum trace_op) and its operands, see trace_operands(). Addresses are zigzag
 *                distances in pages from the page after the last such address (or fault of kind
 *                UNKNOWN), lengths are in pages.
 *
 * Space numbers and file numbers count up from 0 and are not used twice. Nothing in a trace is trusted:
 * trace_next() checks the form, and whoever plays it, the sense.
 */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_MAGIC      "omtrace\n"
#define TRACE_VERSION    1
#define TRACE_PAGE_SHIFT 12
#define TRACE_PAGES_MAX  (UINT64_C(1) << 35) /* of an address space: 47 bits */
#define TRACE_BLOCK_MAX  (1u << 14)
#define TRACE_NAME_MAX   4095
#define TRACE_SPACES_MAX (1u << 20)
#define TRACE_FILES_MAX  (1u << 20)

enum trace_flags {
	TRACE_FAULTS = 1,   /* page faults were recorded */
	TRACE_KINDS = 2,    /* and of which kind they were */
	TRACE_ACCESSES = 4, /* they are accesses, most of which would not fault */
};

enum trace_kind { TRACE_READ, TRACE_WRITE, TRACE_EXEC, TRACE_UNKNOWN };

enum trace_op {
	TRACE_END,   /* of the trace; never in a block */
	TRACE_SPACE, /* space: what follows is about it */
	TRACE_START, /* space: it exists now, and is empty; a program from outside, or exec after vfork */
	TRACE_FORK,    /* space: a copy of this one */
	TRACE_CLEAR,   /* this space becomes empty */
	TRACE_EXIT,    /* this space goes */
	TRACE_FILE,    /* file, memory: it exists now; 1: shared memory, which can go to swap */
	TRACE_MAP,     /* addr, len, prot, flags, file + 1 or 0, first page of it */
	TRACE_UNMAP,   /* addr, len */
	TRACE_PROTECT, /* addr, len, prot */
	TRACE_REMAP,   /* addr, len, new len, new addr, dontunmap */
	TRACE_ADVISE,  /* addr, len, advice: as in madvise(2) */
	TRACE_LOCK,    /* addr, len */
	TRACE_UNLOCK,  /* addr, len */
	TRACE_FAULT,   /* addr, kind; has a form of its own */
	TRACE_NR_OPS
};

enum trace_map_flags { TRACE_MAP_SHARED = 1, TRACE_MAP_STACK = 2, TRACE_MAP_LOCKED = 4 };
enum trace_prot { TRACE_PROT_READ = 1, TRACE_PROT_WRITE = 2, TRACE_PROT_EXEC = 4 };

struct trace_record {
	enum trace_op op;
	unsigned space;  /* that it is about; of SPACE, START and FORK: the operand is `other` */
	uint64_t addr;   /* pages */
	uint64_t arg[5]; /* in the order above, after the address */
	uint64_t offset; /* of its first byte in the trace, for messages */
};

/* What each operation takes: 'a' an address, 'n' a number; NULL: none such. */
const char *trace_operands(enum trace_op op);

/* ---------------------------------------------------------------- writing ------------------- */

struct trace_writer;

/* NULL, with errno, if the file cannot be written. */
struct trace_writer *trace_create(const char *path, unsigned flags, const char *command);
/* `space` and `arg` as above; SPACE records are written by themselves. */
void trace_put(struct trace_writer *w, const struct trace_record *r);
/* Ends the trace; false, with errno, if it could not all be written. */
bool trace_finish(struct trace_writer *w);

/* ---------------------------------------------------------------- reading ------------------- */

struct trace_reader;

/* NULL if there is no such file or it is no trace; `error` (TRACE_ERROR_MAX bytes) says why. */
#define TRACE_ERROR_MAX 256
struct trace_reader *trace_open(const char *path, char *error);
/* 1: a record, 0: the end, -1: damaged, trace_error() says where. SPACE records are not shown. */
int trace_next(struct trace_reader *t, struct trace_record *r);
const char *trace_error(const struct trace_reader *t);
unsigned trace_flags(const struct trace_reader *t);
const char *trace_command(const struct trace_reader *t);
/* Bytes read, and in the whole file. */
uint64_t trace_position(const struct trace_reader *t);
uint64_t trace_size(const struct trace_reader *t);
void trace_close(struct trace_reader *t);

/* ---------------------------------------------------------------- both ---------------------- */

/* Of each space, the page after the last address of a fault of each kind; of calls, as UNKNOWN. */
struct trace_last {
	uint64_t *page;
	size_t n;
};
/* NULL if there is no memory. */
uint64_t *trace_last(struct trace_last *last, unsigned space, uint64_t kind);
uint32_t trace_crc(const void *bytes, size_t n);

#endif
