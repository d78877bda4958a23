#!/bin/sh
# Each public header compiles alone, as C99, C11 and C++, without a warning.
set -eu

flags="-Wall -Wextra -pedantic -Werror -fsyntax-only -Iinclude -Iports/sim"
for header in include/objrmap/*.h ports/sim/sim.h ports/sim/fail.h; do
	${CC:-gcc} -std=c99 $flags -x c "$header"
	${CC:-gcc} -std=c11 $flags -x c "$header"
	${CXX:-g++} -std=c++11 $flags -x c++ "$header"
done
echo "check-headers: ok"
