#!/bin/sh
# Run workloads under memory pressure on one kernel, each in a machine of its own, and print what they
# took.
#
#     bench/pressure/run.sh [--kernel FILE|linux] [--rows "NAME..."] [--memory MIB] [--images DIR] [--out DIR]
#
# --kernel: the reference kernel's file (default: build/kernel/release/objrmap-kernel), or Debian's
# --rows:   of the file bench/pressure/rows (default: all)
# --memory: default 96 for the reference kernel and 173 for Linux, which leave programs 90 MiB each
# --images: what prepare.sh has made (default: build/pressure)
# --out:    gets NAME (lines "METRIC VALUE"), NAME.moments and NAME.log, which has all that has
#           changed in /proc/vmstat (default: build/pressure/out/objrmap or .../linux)
#
# Columns: major faults; pages swapped in, and out; read requests to swap and to the root disk, and
# their sum; MiB read from files; millions of instructions of programs and of the kernel; seconds as
# modelled in metrics.awk. Exit status: 1 if a workload failed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build
kernel=$build/kernel/release/objrmap-kernel images=$build/pressure
rows="" memory="" out=""

usage() {
	sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0"
	exit 2
}

while [ $# -gt 0 ]; do
	[ $# -gt 1 ] || usage
	case $1 in
	--kernel) kernel=$2 ;;
	--rows) rows=$2 ;;
	--memory) memory=$2 ;;
	--images) images=$2 ;;
	--out) out=$2 ;;
	*) usage ;;
	esac
	shift 2
done

name=objrmap default=96
[ "$kernel" != linux ] || name=linux default=173
memory=${memory:-$default}
out=${out:-$build/pressure/out/$name}
rows=${rows:-$(awk 'NF && !/^#/ { print $1 }' "$here/rows")}
mkdir -p "$out"
echo "$kernel, $memory MiB"
printf '%-12s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n' row major in out swaprd rootrd requests \
	file_MiB Minsn_u Minsn_k model_s
failed=0
for row in $rows; do
	command=$(awk -v row="$row" '$1 == row { sub(/^[^ ]+ +/, ""); print }' "$here/rows")
	[ -n "$command" ] || { echo "run: no row $row" >&2 && exit 2; }
	# shellcheck disable=SC2086 # words
	"$here/machine.sh" "$images" "$kernel" "$memory" "$out/$row" $command || failed=1
	awk -f "$here/metrics.awk" "$out/$row.log" "$out/$row.moments" >"$out/$row" || { failed=1; continue; }
	awk -v row="$row" '{ v[$1] = $2 }
		END {
			if ("room_mib" in v) {
				printf "%-12s %.1f MiB\n", row, v["room_mib"]
				exit
			}
			printf "%-12s %8d %8d %8d %8d %8d %8d %8.1f %8.0f %8.0f %8.3f\n", row, v["major_faults"],
				v["pages_in"], v["pages_out"], v["swap_requests"], v["file_requests"], v["requests"],
				v["file_mib"], v["user_instructions"] / 1e6,
				(v["instructions"] - v["user_instructions"]) / 1e6, v["modelled_s"]
			if ("latency_requests_p50" in v)
				printf "%12s one run, p50 / p99 / worst: %.1f / %.1f / %.1f M instructions, %d / %d / %d requests\n", "",
					v["latency_instructions_p50"] / 1e6, v["latency_instructions_p99"] / 1e6,
					v["latency_instructions_worst"] / 1e6, v["latency_requests_p50"],
					v["latency_requests_p99"], v["latency_requests_worst"]
		}' "$out/$row"
done
exit $failed
