#!/bin/sh
# Documentation that cannot rot unseen. Every om_ name and every file of the tree that the pages
# mention exists; check-comments.sh asks as much of the comments. And the C blocks of
# docs/porting.md, put together in their order, are a piece of a kernel: they are compiled
# freestanding with the port skeleton, linked with tests/docs/machine.c, and run.
#
#     scripts/check-docs.sh KERNEL_OBJECT        the core and ports/template, partially linked
set -eu

scripts/check-comments.sh

bad=0
pages=$(ls *.md docs/*.md 2>/dev/null || true)
# shellcheck disable=SC2086 # lists of words
for name in $(grep -ohE '\b(om|OM)_[A-Za-z0-9_]*[A-Za-z0-9]\b' $pages | sort -u); do
	grep -rqwE "$name" include src ports tests Makefile || {
		echo "check-docs: $name is in the documentation only" && bad=1
	}
done
# shellcheck disable=SC2086
for file in $(grep -ohE '\b(src|include|ports|tests|docs|examples|demo|scripts|bench|kernel)/[a-zA-Z0-9_/.-]*[a-z0-9]\b' $pages | grep -v NAME | sort -u); do
	ls $file* >/dev/null 2>&1 || {
		echo "check-docs: there is no $file" && bad=1
	}
done
for page in $pages; do
	for target in $(grep -oE '\]\([^)#]+' "$page" | sed 's/..//; /^https:/d' | sort -u); do
		[ -e "$(dirname "$page")/$target" ] || {
			echo "check-docs: $page links to $target, which does not exist" && bad=1
		}
	done
done
[ $bad = 0 ] || exit 1

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
