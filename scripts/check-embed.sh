#!/bin/sh
# An embedder's ways to take the core: meson.build and objrmap.cmake name exactly the sources of src/ and tiers/,
# the same ones in each part, and the version of objrmap.h; a project that uses either builds the core, whole and
# as the smallest tier, with a port's om_arch.h, and runs.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

version=$(awk '/define OM_VERSION_(MAJOR|MINOR)/ { v = v s $3; s = "." } END { print v }' include/objrmap/objrmap.h)
grep -q "^project('objrmap', 'c', version: '$version'" meson.build && grep -q "OBJRMAP_VERSION $version)" objrmap.cmake || {
	echo "check-embed: the version is $version in objrmap.h, but not in meson.build, or not in objrmap.cmake"
	exit 1
}

# PART FILE, a line for each.
parts() {
	sed -E 's/set\(OBJRMAP_([A-Z_]+)/part \1/; s/^objrmap_([a-z_]+) = /part \1 /' "$1" |
		awk '$1 == "part" { part = tolower($2) } {
			while (match($0, /(src|tiers)\/[a-z0-9_\/]+\.c/)) {
				print part, substr($0, RSTART, RLENGTH)
				$0 = substr($0, RSTART + RLENGTH)
			}
		}' | sort
}
parts meson.build >"$dir/parts"
parts objrmap.cmake | diff "$dir/parts" - >"$dir/diff" || {
	echo "check-embed: meson.build and objrmap.cmake differ:"
	grep '^[<>]' "$dir/diff"
	exit 1
}

ls src/*.c src/*/*.c tiers/*.c >"$dir/there"
for list in meson.build objrmap.cmake; do
	grep -oE '(src|tiers)/[a-z0-9_/]+\.c' $list | sort >"$dir/named"
	if ! sort "$dir/there" | diff "$dir/named" - >"$dir/diff"; then
		echo "check-embed: $list and the tree differ:"
		grep '^[<>]' "$dir/diff"
		exit 1
	fi
done

# A project of somebody else: the core, the simulated machine as its port, examples/hello.c as its program; and
# the smallest tier with tests/tiers/smoke.c. Meson takes objrmap by a wrap.
mkdir "$dir/subprojects"
ln -s "$root" "$dir/subprojects/objrmap"
ln -s "$root/ports/sim" "$root/examples" "$root/tests/tiers" "$dir"
printf '[wrap-file]\ndirectory = objrmap\n\n[provide]\ndependency_names = objrmap\n' >"$dir/subprojects/objrmap.wrap"

sim=$(cd ports && ls sim/*.c)

cat >"$dir/meson.build" <<END
project('embedder', 'c', default_options: ['c_std=c11'])
port = [$(printf "'%s', " $sim)]
args = {'c_args': ['-D_GNU_SOURCE'], 'include_directories': include_directories('sim')}
executable('hello', port, 'examples/hello.c', dependencies: [dependency('objrmap'), dependency('threads')],
  kwargs: args)
objrmap = subproject('objrmap')
executable('smoke', port, 'tiers/smoke.c', objrmap.get_variable('objrmap_tier_core'),
  include_directories: [objrmap.get_variable('objrmap_includes'), include_directories('sim')],
  c_args: ['-D_GNU_SOURCE'], dependencies: dependency('threads'))
END
cat >"$dir/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.18)
project(embedder C)
include(subprojects/objrmap/objrmap.cmake)
find_package(Threads REQUIRED)
add_executable(hello \${OBJRMAP_SOURCES} $(echo $sim) examples/hello.c)
add_executable(smoke \${OBJRMAP_TIER_CORE} $(echo $sim) tiers/smoke.c)
foreach(program hello smoke)
  target_include_directories(\${program} PRIVATE \${OBJRMAP_INCLUDES} sim)
  target_compile_definitions(\${program} PRIVATE _GNU_SOURCE)
  set_target_properties(\${program} PROPERTIES C_STANDARD 11)
  target_link_libraries(\${program} Threads::Threads)
endforeach()
END

if command -v meson >/dev/null; then
	meson setup "$dir/by-meson" "$dir" >"$dir/log" 2>&1 && meson compile -C "$dir/by-meson" >>"$dir/log" 2>&1 &&
		"$dir/by-meson/hello" >>"$dir/log" 2>&1 && "$dir/by-meson/smoke" >>"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
else
	echo "check-embed: skipped: no meson here"
fi
if command -v cmake >/dev/null; then
	cmake -S "$dir" -B "$dir/by-cmake" >"$dir/log" 2>&1 && cmake --build "$dir/by-cmake" >>"$dir/log" 2>&1 &&
		"$dir/by-cmake/hello" >>"$dir/log" 2>&1 && "$dir/by-cmake/smoke" >>"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
else
	echo "check-embed: skipped: no cmake here"
fi
echo "check-embed: ok"
