#!/bin/sh
# An embedder's ways to take the core: meson.build and objrmap.cmake name exactly the sources of src/, and a
# project that uses either builds the core with a port's om_arch.h and runs.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

ls src/*.c src/*/*.c >"$dir/there"
for list in meson.build objrmap.cmake; do
	grep -oE 'src/[a-z0-9_/]+\.c' $list | sort >"$dir/named"
	if ! sort "$dir/there" | diff "$dir/named" - >"$dir/diff"; then
		echo "check-embed: $list and src/ differ:"
		grep '^[<>]' "$dir/diff"
		exit 1
	fi
done

# A project of somebody else: the core, the simulated machine as its port, examples/hello.c as its program.
mkdir "$dir/subprojects"
ln -s "$root" "$dir/subprojects/objrmap"
ln -s "$root/ports/sim" "$root/examples" "$dir"

sim=$(cd ports && ls sim/*.c)

cat >"$dir/meson.build" <<END
project('embedder', 'c', default_options: ['c_std=c11'])
objrmap = subproject('objrmap')
sources = [$(printf "'%s', " $sim) 'examples/hello.c']
executable('hello', sources, objrmap.get_variable('objrmap_sources'),
  include_directories: [objrmap.get_variable('objrmap_includes'), include_directories('sim')],
  c_args: ['-D_GNU_SOURCE'], dependencies: dependency('threads'))
END
cat >"$dir/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.18)
project(embedder C)
include(subprojects/objrmap/objrmap.cmake)
find_package(Threads REQUIRED)
add_executable(hello \${OBJRMAP_SOURCES} $(echo $sim) examples/hello.c)
target_include_directories(hello PRIVATE \${OBJRMAP_INCLUDES} sim)
target_compile_definitions(hello PRIVATE _GNU_SOURCE)
set_target_properties(hello PROPERTIES C_STANDARD 11)
target_link_libraries(hello Threads::Threads)
END

if command -v meson >/dev/null; then
	meson setup "$dir/by-meson" "$dir" >"$dir/log" 2>&1 && meson compile -C "$dir/by-meson" >>"$dir/log" 2>&1 &&
		"$dir/by-meson/hello" >>"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
else
	echo "check-embed: skipped: no meson here"
fi
if command -v cmake >/dev/null; then
	cmake -S "$dir" -B "$dir/by-cmake" >"$dir/log" 2>&1 && cmake --build "$dir/by-cmake" >>"$dir/log" 2>&1 &&
		"$dir/by-cmake/hello" >>"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
else
	echo "check-embed: skipped: no cmake here"
fi
echo "check-embed: ok"
