#!/bin/sh
# What README.md shows is true: its first C block is examples/hello.c, so that what readers copy is
# what is compiled; the first text block is what the program prints; the figures are those of
# bench/results/.
#
#     scripts/check-readme.sh HELLO        the compiled example
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The first block of README.md that begins with ```KIND.
block() {
	awk -v first="\`\`\`$1" '$0 == first { on = 1; next } on && /^```$/ { exit } on' README.md
}

# same FILE KIND WHAT
same() {
	block "$2" >"$work/block"
	diff -u "$1" "$work/block" || {
		echo "check-readme: the first block of $2 in README.md is not $3"
		exit 1
	}
}

same examples/hello.c c examples/hello.c
"$1" >"$work/output"
same "$work/output" text "what $1 prints"
scripts/figures.sh check
echo "check-readme: ok"
