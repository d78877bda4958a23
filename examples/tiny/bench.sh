#!/bin/sh
# Boot the kernel with the program that counts instructions, print its figures, and write them beside the
# kernel, with the sizes of the core: lines of a JSON object. One instruction takes one nanosecond of
# virtual time (-icount shift=0), so any host finds the same.
#
#     examples/tiny/bench.sh MACHINE KERNEL SIZE CORE-O2 CORE-OS
set -eu

dir=$(dirname "$0") machine=$1 kernel=$2 size=$3
EXTRA="-icount shift=0,sleep=off" "$dir/run.sh" "$machine" 1 "$kernel" >"$kernel.log" 2>&1
tr -d '\r' <"$kernel.log" | grep -q "^tiny: all frames are free again$" || {
	cat "$kernel.log"
	echo "bench-ports: FAILED, $machine"
	exit 1
}
text() {
	"$size" "$1" | awk 'NR == 2 { print $1 }'
}
{
	tr -d '\r' <"$kernel.log" | sed -n 's/^bench: //p'
	echo "text_o2_bytes $(text "$4")"
	echo "text_os_bytes $(text "$5")"
} | awk -v machine="$machine" '{
	printf "  %-10s %-18s %8d\n", machine, $1, $2 >"/dev/stderr"
	printf "  \"%s_%s\": %d\n", machine, $1, $2
}' >"$(dirname "$kernel")/figures"
