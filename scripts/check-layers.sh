#!/bin/sh
# Layers: no file refers to one above it. And circles: files each of which needs all the others.
#
#     scripts/check-layers.sh [-v] LAYERFILE OBJDIR        -v: also what ties each circle together
#
# LAYERFILE names the layers, the lowest first. Its lines, with # for comments:
#
#     NAME GLOB...                     a layer and its files, headers too; paths from the root of the tree
#     upcalls: SYMBOL... -- REASON     these may be used from below
#     circle: N -- REASON              no circle has more than N files; without this line any may be
#     all: GLOB...                     each of these files must be in a layer
#
# A file refers to the headers it includes in quotes, and to the files that define what its object,
# OBJDIR/path/of/file.o, leaves undefined. Upcalls apart, these references lead down, or stay in the layer:
# there they may form circles. Sources without an object and symbols that no layer defines are left out.
#
# Status 1: an upward reference, a file in no layer or in two, an upcall that is none, a circle too large,
# a weak symbol (which would hide that a function is missing).
set -eu

verbose=0
if [ "${1:-}" = -v ]; then
	verbose=1
	shift
fi
layerfile=$1
objdir=${2%/}

# All below prints facts, one a line, as layers.awk reads them.
layers() {
	rank=0
	while read -r name rest; do
		case $name in
		'' | '#'*) ;;
		upcalls: | circle:) echo "$name $rest" ;;
		*)
			[ "$name" = all: ] || rank=$((rank + 1))
			# shellcheck disable=SC2086 # a list of patterns, to be expanded
			for file in $rest; do
				[ ! -e "$file" ] || echo "file: $rank $name $file"
			done
			;;
		esac
	done <"$layerfile"
}

includes() {
	awk '/^[ \t]*#[ \t]*include[ \t]*"/ { split($0, part, "\""); print "include:", FILENAME, part[2] }' "$@"
}

symbols() {
	for file; do
		case $file in
		*.h) continue ;;
		esac
		object=$objdir/${file%.*}.o
		[ ! -e "$object" ] || printf '%s\n' "$object"
	done | xargs -r nm -A -P -g | sed "s|^$objdir/\(.*\)\.o: |symbol: \1 |"
}

known=$(layers)
# shellcheck disable=SC2046 # a list of files
set -- $(echo "$known" | awk '$1 == "file:" && $3 != "all:" { print $4 }')
{
	echo "$known"
	[ $# = 0 ] || includes "$@"
	symbols "$@"
} | awk -v verbose=$verbose -v layerfile="$layerfile" -f "${0%/*}/layers.awk"
