#!/bin/sh
# Each public header compiles alone, as C99, C11 and C++, without a warning. And those of the core can be
# translated by programs (Rust's bindgen, Zig's translate-c): they have no macros with arguments, no bit-fields, no
# inline functions, and each function has an address, which a small program takes.
set -eu

flags="-Wall -Wextra -pedantic -Werror -fsyntax-only -Iinclude -Iports/sim"
for header in include/objrmap/*.h ports/sim/sim.h ports/sim/fail.h; do
	${CC:-gcc} -std=c99 $flags -x c "$header"
	${CC:-gcc} -std=c11 $flags -x c "$header"
	${CXX:-g++} -std=c++11 $flags -x c++ "$header"
done

bad=$(grep -nE '^ *# *define +[A-Za-z_0-9]+\(|\binline\b|^\s[^*]*[a-z] *: *[0-9]+;' include/objrmap/*.h || true)
if [ -n "$bad" ]; then
	echo "check-headers: not for programs that translate headers:"
	echo "$bad"
	exit 1
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
{
	echo '#include <objrmap/objrmap.h>'
	echo 'int main(void) { void (*const f[])(void) = {'
	cat include/objrmap/*.h | awk '/^OM_API/ && match($0, /om_[a-z_0-9]+\(/) {
		print "(void (*)(void))" substr($0, RSTART, RLENGTH - 1) "," }'
	echo '}; for (unsigned i = 0; i < sizeof(f) / sizeof(*f); i++) if (!f[i]) return 1; return sizeof(f) == 0; }'
} >"$dir/addresses.c"
${CC:-gcc} -std=c11 -Wall -Wextra -Werror -Iinclude -o "$dir/addresses" "$dir/addresses.c" \
	-Wl,--start-group "$1" "${1%objrmap.a}objrmap-sim.a" -Wl,--end-group -pthread
"$dir/addresses"
if command -v bindgen >/dev/null; then
	bindgen include/objrmap/objrmap.h -- -Iinclude >"$dir/objrmap.rs"
	grep -q 'pub fn om_fault' "$dir/objrmap.rs"
fi
if command -v zig >/dev/null; then
	zig translate-c -Iinclude -lc include/objrmap/objrmap.h >"$dir/objrmap.zig"
	grep -q 'pub extern fn om_fault' "$dir/objrmap.zig"
	! grep -n 'unable to translate' "$dir/objrmap.zig"
fi
echo "check-headers: ok"
