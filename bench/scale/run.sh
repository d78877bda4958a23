#!/bin/sh
# Plays the rows of rows.c on 2, 8 and 64 CPUs, then whole kernels on fewer (kernels.sh); prints the tables
# and writes BUILD/bench-scale.json.
#
#     run.sh SCALE-LINES SCALE-INSN KERNEL BUILD
#
# CPUS="2 16", ROW=name: other numbers of CPUs, one row; then no json is written, no instructions are
# counted, and no kernel is booted. NAMES=20: write BUILD/scale/names.txt, with the 20 names of lines that
# are visited most, and kernel-names.txt.
set -eu

lines=$1 insn=$2 kernel=$3 build=$4
cpus=${CPUS:-2 8 64}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Addresses go into hashes. Where the host does not let them be fixed, last digits may differ.
fixed=
setarch -R true 2>/dev/null && fixed="setarch -R"

# shellcheck disable=SC2086 # lists of words
count_lines() {
	$fixed "$lines" ${NAMES:+--lines "$NAMES"} $cpus >"$work/lines"
	grep '^#' "$work/lines" >"$build/scale/names.txt" || rm -f "$build/scale/names.txt"
	grep -v '^#' "$work/lines" >>"$work/figures"
}

# shellcheck disable=SC2086 # lists of words
count_instructions() {
	valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file="$work/cg" \
		--compress-strings=no --compress-pos=no "$insn" $cpus >"$work/log" 2>&1 ||
		{ cat "$work/log"; exit 1; }
	for dump in "$work"/cg.*; do
		awk -f scripts/callgrind.awk "$dump"
	done | awk '{ print $1, $2, $3, "instructions", $4 }' >>"$work/figures"
}

# A row for each operation and kind of address space, in the order of the first results.
table() {
	awk -v cpus="$cpus" '
	function cell(metric, format,    s, i) {
		for (i = 1; i <= n; i++)
			s = s sprintf(format, value[k, cpu[i], metric])
		return s
	}
	BEGIN { n = split(cpus, cpu, " ") }
	{ value[$1 " " $2, $3, $4] = $5 }
	!(($1 " " $2) in seen) { seen[$1 " " $2] = 1; order[++rows] = $1 " " $2 }
	END {
		printf "%-21s %-9s %s at %s CPUs\n", "", "spaces", \
			"lines written, lines read, instructions, flushes", cpus
		for (r = 1; r <= rows; r++) {
			k = order[r]
			split(k, word, " ")
			printf "%-21s %-9s|%s |%s |%s |%s\n", word[1], word[2], cell("lines", "%7.2f"), \
				cell("lines_read", "%7.2f"), cell("instructions", "%8.0f"), \
				cell("flushes", "%6.2f")
		}
	}' "$work/figures"
}

kernel_table() {
	echo "whole kernels: objrmap, linux"
	awk '{ v = $4 == "instructions" ? "%s %.0f %.0f" : "%s %.2f %.2f"; k = $1 " " $2 " " $3 }
		k != last { if (last != "") print line; line = sprintf("%-28s %-9s %3s CPUs", $1, $2, $3); last = k }
		{ line = line sprintf(" | " v, $4, $5, $6) }
		END { print line }' "$work/kernels"
}

# A ratio to nothing is null, like what was not measured.
json() {
	awk 'BEGIN { printf "[" }
		$4 == "flushes" { next }
		{ linux = NF > 5 ? $6 : "null"; ratio = NF > 5 && $6 > 0 ? sprintf("%.2f", $5 / $6) : "null" }
		{ printf "%s\n  {\"name\": \"%s\", \"cpus\": %s, \"spaces\": \"%s\", ", sep, $1, $3, $2; sep = "," }
		{ printf "\"metric\": \"%s\", \"objrmap\": %s, \"linux\": %s, \"ratio\": %s}", $4, $5, linux, ratio }
		END { print "\n]" }' "$work/figures" "$work/kernels"
}

count_lines
if [ -n "${CPUS:-}${ROW:-}" ]; then
	table
	exit
fi
count_instructions
table
"$(dirname "$0")/kernels.sh" "$kernel" "$build" "$work/kernels"
kernel_table
json >"$build/bench-scale.json"
