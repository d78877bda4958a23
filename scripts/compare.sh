#!/bin/sh
# Compare all reverse-map designs on all workloads, and write build/compare/: compare.json, compare.csv and the
# page index.html; the terminal gets the tables.
#
#     scripts/compare.sh [--scale PERCENT] [--jobs N] [--designs "NAME..."] [--workloads "NAME..."] [--report]
#
# --scale 100, the default, takes some minutes; 5 is for a quick look, 1000 for a machine with 16 GiB.
# --report makes the report again from what was measured before.
set -eu

scale=100 jobs=$(nproc) designs='' workloads='' report=
while [ $# -gt 0 ]; do
	case $1 in
	--scale) scale=$2 && shift 2 ;;
	--jobs) jobs=$2 && shift 2 ;;
	--designs) designs=$2 && shift 2 ;;
	--workloads) workloads=$2 && shift 2 ;;
	--report) report=yes && shift ;;
	*) sed -n '5p' "$0" && exit 2 ;;
	esac
done
out=build/compare
runs=$out/runs

# The rivals, by age of the idea as far as it is known, and those that are not in the list; then the default.
all_designs() {
	known='virtual_scan pte_chain anonmm rfc_vma anon_vma_267 anon_vma_chain cow_context'
	present=$(grep -l '^const struct om_rmap_traits om_rmap_traits' src/rmap/rivals/*.c 2>/dev/null |
		sed 's|.*/||; s|\.c$||')
	for d in $known; do
		echo "$present" | grep -qx "$d" && echo "$d"
	done
	for d in $present; do
		echo " $known " | grep -q " $d " || echo "$d"
	done
	echo objrmap
}

# Sizes of the curves: as far as the scale goes.
sizes() {
	case $1 in
	children) echo 1 10 100 1000 ;;
	depth) echo 1 3 10 30 100 ;;
	areas) echo 10 100 1000 10000 ;;
	esac | tr ' ' '\n' | awk -v scale="$scale" 'NR <= 3 || scale >= 100'
}

# What there is to play, says any of the programs.
list() {
	first=${designs%% *}
	suffix=
	[ "$first" = objrmap ] || suffix=-$first
	"build/release$suffix/compare/compare" --list
}

# Lines "DESIGN RESULT WORKLOAD ARGUMENTS".
plan() {
	list | while read -r set name _; do
		[ -z "$workloads" ] || echo " $workloads " | grep -q " $name " || continue
		for d in $designs; do
			if [ "$set" = growth ]; then
				sizes "$name" | while read -r n; do echo "$d $name-$n $name --size $n"; done
			else
				echo "$d $name $name --scale $scale"
			fi
		done
	done
}

build() {
	echo "compare: building"
	make --no-print-directory compare-plugin >/dev/null
	for d in $designs; do
		for v in release debug; do
			make --no-print-directory -j"$jobs" RMAP="$d" V=$v compare-program >"$out/build.log" 2>&1 ||
				{ cat "$out/build.log" && exit 1; }
		done
	done
}

# One line of the plan. A run that fails is reported, and the others go on.
one() {
	design=$1 result=$2
	shift 2
	if scripts/compare-run.sh "$design" "$runs/$design/$result" "$@" >"$runs/$design/$result.log" 2>&1; then
		rm "$runs/$design/$result.log"
	else
		echo "compare: FAILED: $design $*"
		cat "$runs/$design/$result.log"
		echo "$design $result" >>"$runs/failed"
	fi
	echo . >>"$runs/done"
	printf 'compare: %4d of %d  %s, %s\n' "$(wc -l <"$runs/done")" "$(wc -l <"$runs/plan")" "$design" "$result"
}

if [ "${COMPARE_ONE:-}" ]; then
	# shellcheck disable=SC2086 # words
	one $COMPARE_ONE
	exit
fi

mkdir -p $out
[ -n "$designs" ] || designs=$(all_designs | tr '\n' ' ')
if [ -z "$report" ]; then
	build
	rm -rf $runs
	for d in $designs; do mkdir -p "$runs/$d"; done
	: >$runs/done
	plan >$runs/plan
	xargs -P "$jobs" -I '{}' env COMPARE_ONE='{}' "$0" <$runs/plan
	list >$runs/workloads
	echo "scale $scale" >$runs/scale
fi

# What was measured, in the order of designs and workloads: lines "DESIGN,WORKLOAD,METRIC,VALUE".
{
	echo design,workload,metric,value
	for d in $designs; do
		while read -r design result _; do
			if [ "$design" = "$d" ] && [ -f "$runs/$d/$result" ]; then
				awk -v d="$d" -v w="$result" '{ print d "," w "," $1 "," $2 }' "$runs/$d/$result"
			fi
		done <$runs/plan
	done
} >$out/compare.csv
awk -F, -f scripts/compare-json.awk $out/compare.csv >$out/compare.json
awk -F, -f scripts/compare-table.awk $out/compare.csv
scripts/compare-page.sh $out
echo "compare: $out/index.html, compare.csv, compare.json"
if [ -s $runs/failed ]; then
	echo "compare: failed: $(wc -l <$runs/failed) runs" && exit 1
fi
