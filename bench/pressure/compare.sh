#!/bin/sh
# Programs under memory pressure on the reference kernel and on Debian's, side by side.
#
#     compare.sh KERNEL BUILD [ROW...]     ROW: of the file rows, what to measure (default: all)
#
# Wants what prepare.sh makes. BUILD/bench-pressure.json gets the results: an array of objects {name,
# metric, objrmap, linux, ratio} for all rows that have been measured; ratio is null where Linux has 0.
# The single runs, with all they have said, are in BUILD/pressure/out. Debian's kernel does not change:
# a row of it is measured again only when something in this directory has changed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kernel=$1 build=$2
shift 2
out=$build/pressure/out
metrics="room_mib major_faults pages_in requests file_mib instructions modelled_s
	latency_instructions_p50 latency_instructions_p99 latency_instructions_worst
	latency_requests_p50 latency_requests_p99 latency_requests_worst
	latency_major_faults_p50 latency_major_faults_p99 latency_major_faults_worst"
all=$(awk 'NF && !/^#/ { print $1 }' "$here/rows")
failed=0

# measure KERNEL DIRECTORY ROW...
measure() {
	on=$1 to=$2
	shift 2
	[ $# -gt 0 ] || return 0
	"$here/run.sh" --images "$build/pressure" --rows "$*" --kernel "$on" --out "$to" || failed=1
}

outdated() {
	for row in "$@"; do
		if [ ! -e "$out/linux/$row" ] || [ -n "$(find "$here" -type f -newer "$out/linux/$row")" ]; then
			echo "$row"
		fi
	done
}

# NAME METRIC OBJRMAP LINUX RATIO
results() {
	for row in $all; do
		if ! [ -e "$out/objrmap/$row" ] || ! [ -e "$out/linux/$row" ]; then
			continue
		fi
		awk -v row="$row" -v metrics="$metrics" '
			FNR == NR { ours[$1] = $2; next }
			{ linux[$1] = $2 }
			END {
				n = split(metrics, metric)
				for (i = 1; i <= n; i++) {
					m = metric[i]
					if (m in ours && m in linux)
						print row, m, ours[m], linux[m],
							linux[m] + 0 ? sprintf("%.2f", ours[m] / linux[m]) : "null"
				}
			}' "$out/objrmap/$row" "$out/linux/$row"
	done
}

# shellcheck disable=SC2086 # words
[ $# -gt 0 ] || set -- $all
measure "$kernel" "$out/objrmap" "$@"
# shellcheck disable=SC2046 # words
measure linux "$out/linux" $(outdated "$@")
results >"$out/results"
{
	echo row metric objrmap linux ratio
	cat "$out/results"
} | awk '{ printf "%-12s %-28s %14s %14s %6s\n", $1, $2, $3, $4, $5 }'
awk 'BEGIN { printf "[" }
	{ printf "%s\n  {\"name\": \"%s\", \"metric\": \"%s\", ", sep, $1, $2; sep = "," }
	{ printf "\"objrmap\": %s, \"linux\": %s, \"ratio\": %s}", $3, $4, $5 }
	END { print "\n]" }' "$out/results" >"$build/bench-pressure.json"
exit $failed
