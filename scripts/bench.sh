#!/bin/sh
# Run the benchmark programs and collect what they print, one JSON object a line, in one array.
#
#     scripts/bench.sh OUTPUT PROGRAM...
set -eu

out=$1
shift
rm -f "$out.lines"
for program in "$@"; do
	echo "bench: $program" >&2
	"$program" | tee -a "$out.lines"
done
{
	echo "["
	[ ! -e "$out.lines" ] || sed '$!s/$/,/' "$out.lines"
	echo "]"
} >"$out"
rm -f "$out.lines"
