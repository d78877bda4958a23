#!/bin/sh
# The first C block of README.md is examples/hello.c, so that what readers copy is what is compiled.
set -eu

block=$(mktemp)
trap 'rm -f "$block"' EXIT
awk '/^```c$/ && !done { on = 1; next } /^```$/ && on { on = 0; done = 1 } on' README.md >"$block"
if ! diff -u examples/hello.c "$block"; then
	echo "check-readme: the first C block of README.md differs from examples/hello.c"
	exit 1
fi
echo "check-readme: ok"
