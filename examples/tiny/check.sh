#!/bin/sh
# What docs/porting.md promises: the kernel is at most 800 lines, and the table names all its files.
#
#     examples/tiny/check.sh FILE...
set -eu

bad=0
lines=$(cat "$@" | wc -l)
[ "$lines" -le 800 ] || {
	echo "check-tiny: $lines lines, more than 800" && bad=1
}
for file in "$@"; do
	grep -q "^|.*\`${file#examples/tiny/}\`" docs/porting.md || {
		echo "check-tiny: the table in docs/porting.md does not name $file" && bad=1
	}
done
[ $bad = 0 ] && echo "check-tiny: ok, $lines lines"
