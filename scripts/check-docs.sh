#!/bin/sh
# The C blocks of docs/porting.md, put together in their order, are a piece of a kernel: compile it
# freestanding with the port skeleton, link it with tests/docs/machine.c, and run that.
#
#     scripts/check-docs.sh KERNEL_OBJECT        the core and ports/template, partially linked
set -eu

dir=$(dirname "$1")/docs
warn="-std=c11 -g -O1 -Wall -Wextra -Wshadow -Wundef -Wvla -Wcast-qual -Werror"
mkdir -p "$dir"
# Lines keep their numbers, so that errors point into the page.
awk 'BEGIN { print "#line 1 \"docs/porting.md\"" }
	/^```c$/ { on = 1; print ""; next } /^```$/ { on = 0 } { print on ? $0 : "" }' \
	docs/porting.md >"$dir/porting.c"
# shellcheck disable=SC2086 # lists of words
${CC:-gcc} $warn -ffreestanding -fno-stack-protector -Wno-unused-function \
	-Iinclude -Iports/template -c -o "$dir/porting.o" "$dir/porting.c"
# shellcheck disable=SC2086
${CC:-gcc} $warn -D_GNU_SOURCE -Iinclude -Iports/template -o "$dir/machine" tests/docs/machine.c \
	"$dir/porting.o" "$1"
"$dir/machine"
echo "check-docs: ok"
