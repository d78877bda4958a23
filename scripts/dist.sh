#!/bin/sh
# What an embedder takes along: the core as one file, with its header and the skeleton of a port; and the sources
# as an archive, with a wrap for Meson.
#
#     scripts/dist.sh VERSION DIR       DIR/objrmap-VERSION/, DIR/objrmap-VERSION.tar.gz, DIR/objrmap.wrap
set -eu

name=objrmap-$1 dir=$2
one=$dir/$name

rm -rf "$one" "$one.tar.gz" "$dir/objrmap.wrap"
mkdir -p "$one"

# Layer by layer, so that whoever reads it goes from the ground up.
files=$(awk '/^[a-z]+ +src/ { for (i = 2; i <= NF; i++) print $i }' src/layers.txt | while read -r pattern; do
	ls $pattern
done | grep '\.c$' | grep -v /rivals/)
# shellcheck disable=SC2086 # a list of files
awk -v dirs="src include" -f scripts/amalgamate.awk $files >"$one/objrmap.c"
{
	cat include/objrmap/port.h
	sed '/^#include <objrmap\/port.h>$/d' include/objrmap/objrmap.h
} >"$one/objrmap.h"
for file in om_arch.h port.c port.h check.c; do
	sed 's|^#include <objrmap/objrmap.h>$|#include "objrmap.h"|' ports/template/$file >"$one/$file"
done
cp LICENSE "$one"
cat >"$one/README" <<END
objrmap $1: virtual memory as a library.

objrmap.c        the core, all of it: -std=c11 (or later) -ffreestanding, and om_arch.h on the include path
objrmap.h        its interface
om_arch.h        the compile-time half of a port, to fill in; as it stands, for x86-64
port.c, port.h   the run-time half, to fill in
check.c          whether om_arch.h keeps its promises

docs/porting.md in $name.tar.gz goes through it step by step.
END

# Files the shell expands, so that nothing that was built is among them.
ln -s "$PWD" "$dir/$name.from"
# shellcheck disable=SC2046 # a list of files
tar -C "$dir" -czf "$one.tar.gz" --sort=name --owner=0 --group=0 --mtime=@0 --transform "s|^$name.from/|$name/|" \
	$(ls README.md LICENSE *.md meson.build objrmap.cmake docs/*.md include/objrmap/*.h src/*.[ch] src/*/*.[ch] \
		tiers/*.c ports/*.[ch] ports/*/*.[ch] | sort -u | sed "s|^|$name.from/|")
rm "$dir/$name.from"
cat >"$dir/objrmap.wrap" <<END
# For subprojects/; the archive goes to subprojects/packagefiles/, or write source_url here.
[wrap-file]
directory = $name
source_filename = $name.tar.gz
source_hash = $(sha256sum "$one.tar.gz" | cut -d ' ' -f 1)

[provide]
dependency_names = objrmap
END
echo "dist: $one, $name.tar.gz, objrmap.wrap"
