#!/bin/sh
# Line and branch coverage of src/ from the counters a V=cov test run left behind. Branches of
# OM_BUG_ON, OM_ASSERT and OM_CHECK are not counted: they are taken only if the library contradicts itself.
#
#     scripts/coverage.sh OBJECTS OUTPUT
set -eu

mkdir -p "$2"
gcovr -r . --object-directory "$1" --filter 'src/' --exclude-unreachable-branches \
	--exclude-branches-by-pattern '.*(OM_BUG_ON|OM_ASSERT|OM_CHECK).*' \
	--txt "$2/lines.txt" --html-details "$2/index.html" --print-summary "$1/src"
gcovr -r . --object-directory "$1" --filter 'src/' --exclude-unreachable-branches --branches \
	--exclude-branches-by-pattern '.*(OM_BUG_ON|OM_ASSERT|OM_CHECK).*' --txt "$2/branches.txt" "$1/src"
cat "$2/lines.txt"
echo "coverage: $2/index.html, $2/lines.txt, $2/branches.txt"
