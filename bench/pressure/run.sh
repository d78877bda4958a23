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

# measure ROW: a workload that fails leaves no figures.
measure() {
	command=$(awk -v row="$1" '$1 == row { sub(/^[^ ]+ +/, ""); print }' "$here/rows")
	[ -n "$command" ] || { echo "run: there is no row $1" >&2 && return 1; }
	rm -f "$out/$1"
	# shellcheck disable=SC2086 # words
	"$here/machine.sh" "$images" "$kernel" "$memory" "$out/$1" $command || return 1
	awk -f "$here/metrics.awk" "$out/$1.log" "$out/$1.moments" >"$out/$1.new" &&
		mv "$out/$1.new" "$out/$1"
}

heading() {
	echo "$kernel, $memory MiB"
	printf '%-12s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n' row major in out swaprd rootrd requests \
		file_MiB Minsn_u Minsn_k model_s
}

# show ROW
show() {
	awk -v row="$1" '
	{ v[$1] = $2 }
	function spread(what, unit) {
		return sprintf("%.5g / %.5g / %.5g", v["latency_" what "_p50"] / unit,
			v["latency_" what "_p99"] / unit, v["latency_" what "_worst"] / unit)
	}
	END {
		printf "%-12s ", row
		if ("room_mib" in v)
			printf "%.1f MiB for programs\n", v["room_mib"]
		else if ("latency_requests_p50" in v)
			printf "p50 / p99 / worst: %s M instructions, %s requests, %s major faults\n",
				spread("instructions", 1e6), spread("requests", 1), spread("major_faults", 1)
		else
			printf "%8d %8d %8d %8d %8d %8d %8.1f %8.0f %8.0f %8.3f\n", v["major_faults"],
				v["pages_in"], v["pages_out"], v["swap_requests"], v["file_requests"],
				v["requests"], v["file_mib"], v["user_instructions"] / 1e6,
				(v["instructions"] - v["user_instructions"]) / 1e6, v["modelled_s"]
	}' "$out/$1"
}

mkdir -p "$out"
heading
failed=0
for row in $rows; do
	if measure "$row"; then
		show "$row"
	else
		failed=1
	fi
done
exit $failed
