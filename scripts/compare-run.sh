#!/bin/sh
# Play one workload on one design, under QEMU's user mode with the plugin that counts (compare/count.c), then
# in a debug build, which sees locks, then once more to walk from all pages; write "METRIC VALUE" lines.
#
#     scripts/compare-run.sh DESIGN OUTPUT WORKLOAD [ARGUMENT...]
set -eu

design=$1 out=$2
shift 2
suffix=
[ "$design" = objrmap ] || suffix=-$design
release=build/release$suffix/compare/compare
debug=build/debug$suffix/compare/compare
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

span() {
	printf ",$1=%x-%x" $(($2)) $(($2 + $3))
}

# Where the library's text is: the linker's map has a line for each part, or two if its name is long.
text=$(awk '
	NF == 1 { part = $1; next }
	NF == 3 { $0 = part " " $0 }
	$1 ~ /^\.text/ && $4 ~ /libparts\.a/ && $3 != "0x0" { print $2, $3 }' "$release.map" |
	while read -r start size; do span text "$start" "$size"; done)
mark=$(nm -S "$release" | awk '$4 == "compare_mark" { print "0x" $1, "0x" $2 }')
cells=$(nm "$release" | awk '$3 == "compare_cells" { print $1 }')

qemu-x86_64 -plugin "build/compare/libcount.so$text$(span mark "${mark% *}" "${mark#* }")\
,cells=$cells,out=$work/count" "$release" "$@" >"$work/release"
"$debug" "$@" >"$work/debug"
"$release" "$@" --walks >"$work/walks"
awk -f scripts/compare-run.awk "$work/release" "$work/count" "$work/debug" "$work/walks" >"$out.new"
mv "$out.new" "$out"
