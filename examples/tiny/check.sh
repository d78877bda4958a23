#!/bin/sh
# What docs/porting.md promises: the kernel is at most 1000 lines and a machine's part 400, and the table
# there names all files.
set -eu

cd "$(dirname "$0")"
bad=0
lines=$(cat ./*.[chS] ./*.ld | wc -l)
[ "$lines" -le 1000 ] || {
	echo "check-tiny: $lines lines, more than 1000" && bad=1
}
for machine in */machine.c; do
	dir=$(dirname "$machine")
	n=$(cat "$dir"/* | wc -l)
	[ "$n" -le 400 ] || {
		echo "check-tiny: $dir has $n lines, more than 400" && bad=1
	}
done
for file in *.[chS] *.ld user/*.[ch] user/*.ld x86_64/*; do
	grep -q "^|.*\`${file#x86_64/}\`" ../../docs/porting.md || {
		echo "check-tiny: the table in docs/porting.md does not name $file" && bad=1
	}
done
[ $bad = 0 ] && echo "check-tiny: ok, $lines lines"
