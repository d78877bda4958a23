#!/bin/sh
# Run the benchmark, print its table and write it as one JSON object.
#
#     scripts/bench.sh BENCH SIZE-LIBRARY OUTPUT.json
#
# Instructions are counted by callgrind: those of the library's own functions. What memset and memcpy do to
# a page, and what stands for hardware here (the port's TLB, the swap store), is left out. text_bytes is
# the library built with -Os.
set -eu

bench=$1 library=$2 out=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$bench" figures >"$work/figures"
valgrind --tool=callgrind --callgrind-out-file="$work/cg" --compress-strings=no --compress-pos=no \
	"$bench" insn >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

for dump in $(ls "$work" | grep '^cg\.' | sort -t. -k2n); do
	awk -f scripts/callgrind.awk "$work/$dump"
done >>"$work/figures"
size "$library" | awk 'NR > 1 { text += $1 } END { print "text_bytes", text }' >>"$work/figures"

awk '{ printf "  %-38s %12s\n", $1, $2 }' "$work/figures"
awk 'BEGIN { print "{" } { printf "%s  \"%s\": %s", (NR > 1 ? ",\n" : ""), $1, $2 } END { print "\n}" }' \
	"$work/figures" >"$out"
