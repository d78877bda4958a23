#!/bin/sh
# What `make dist` makes works in a directory of somebody else's: the one file compiles with the skeleton of a port,
# needs nothing but mem*, and runs on the simulated machine; the archive is a subproject of Meson.
set -eu

root=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
version=$1
scripts/dist.sh "$version" "$dir/dist" >/dev/null
one=$dir/dist/objrmap-$version
cd "$dir"

warn="-Wall -Wextra -Werror -Wno-unused-function -O2 -ffreestanding -fno-stack-protector"
other=clang
command -v clang >/dev/null || other=${CC:-gcc}
for how in "$other -std=gnu17 -DOM_DEBUG=1" "${CC:-gcc} -std=c11"; do
	for file in objrmap port check; do
		# shellcheck disable=SC2086 # lists of words
		$how $warn -I"$one" -c -o $file.o "$one/$file.c"
	done
	${CC:-gcc} -nostdlib -r -o kernel.o objrmap.o port.o check.o
	bad=$(nm --undefined-only kernel.o | grep -vE ' (mem(cpy|set|move|cmp)|_GLOBAL_OFFSET_TABLE_)$' || true)
	if [ -n "$bad" ]; then
		echo "check-dist: objrmap.c needs: $bad"
		exit 1
	fi
done
awk '/^OM_API/ && match($0, /om_[a-z_0-9]+\(/) { print substr($0, RSTART, RLENGTH - 1) }' "$one/objrmap.h" | sort >promised
nm --defined-only --extern-only objrmap.o | awk '{ print $3 }' | sort | comm -13 - promised >missing
[ ! -s missing ] || { echo "check-dist: missing:" && cat missing && exit 1; }

# With another port than the one that is to be filled in.
mkdir objrmap
ln -s "$one/objrmap.h" objrmap/objrmap.h
ln -s "$one/objrmap.h" objrmap/port.h
for file in "$root"/ports/sim/*.c "$root"/tests/tiers/*.c "$root"/examples/hello.c; do
	${CC:-gcc} -std=c11 -D_GNU_SOURCE -DOM_DEBUG=1 -pthread -I. -I"$root/ports/sim" -c "$file"
done
${CC:-gcc} -std=c11 -O1 -g -ffreestanding -DOM_DEBUG=1 -I. -I"$root/ports/sim" \
	-c -o core.o -x c - <<END
#include "$root/ports/sim/om_arch.h"
#include "$one/objrmap.c"
END
sim=$(ls "$root"/ports/sim/*.c | sed 's|.*/||; s|\.c$|.o|')
# shellcheck disable=SC2086 # a list of files
${CC:-gcc} -pthread -o smoke smoke*.o core.o $sim
./smoke
# shellcheck disable=SC2086
${CC:-gcc} -pthread -o hello hello.o core.o $sim
./hello >/dev/null

if command -v meson >/dev/null; then
	mkdir -p foreign/subprojects/packagefiles
	cp dist/objrmap.wrap foreign/subprojects
	cp "$one.tar.gz" foreign/subprojects/packagefiles
	cp -r "$root"/tests/tiers/smoke.[ch] "$root/ports/sim" foreign
	cat >foreign/meson.build <<END
project('foreign', 'c', default_options: ['c_std=c11'])
assert(dependency('objrmap').type_name() == 'internal')
objrmap = subproject('objrmap')
executable('smoke', 'smoke.c', $(cd foreign && printf "'%s', " sim/*.c) objrmap.get_variable('objrmap_tier_core'),
  include_directories: [objrmap.get_variable('objrmap_includes'), include_directories('sim')],
  c_args: ['-D_GNU_SOURCE'], dependencies: dependency('threads'))
END
	{ meson setup by-meson foreign && meson compile -C by-meson && by-meson/smoke; } >log 2>&1 || { cat log; exit 1; }
else
	echo "check-dist: skipped: no meson here"
fi
echo "check-dist: ok, $(wc -l <"$one/objrmap.c") lines"
