#!/bin/sh
# Write DIRECTORY/index.html, one self-contained page, from DIRECTORY/compare.csv.
#
#     scripts/compare-page.sh DIRECTORY
#
# gnuplot draws; what it draws in colours #000001, #000002... becomes the page's variables for designs, so that the
# page looks right in light and dark, and can show one design alone.
set -eu

dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
designs=$(awk -F, 'NR > 1 && !($1 in seen) { seen[$1]; print $1 }' "$dir/compare.csv")

# plot NAME WIDTH HEIGHT: commands from standard input.
plot() {
	{
		echo "set terminal svg size $2,$3 dynamic font 'system-ui,12' background '#ffffff'"
		echo "set output '$work/$1.raw'"
		echo 'set border 3 lw 0.5 lc rgb "#000064"; set tics nomirror scale 0.4 tc rgb "#000064"'
		echo 'set grid lw 1 lc rgb "#000065" dt 1; unset key'
		echo 'set format x "%.0s%c"; set format y "%.0s%c"'
		cat
	} >"$work/$1.gp"
	gnuplot "$work/$1.gp" 2>"$work/$1.err" || { cat "$work/$1.err" >&2 && return 1; }
	sed -e '1,/<svg/{/<?xml/d}' -e '/<title>/d; /<desc>/d; /^ *<rect.*fill="#ffffff"/d' \
		-e "s/rgb( *0, *0, *100)/var(--ink2)/g; s/rgb( *0, *0, *101)/var(--line)/g" \
		-e "s/rgb( *0, *0, *\([0-9]*\))/var(--d\1)/g; s/#000064/var(--ink2)/g" \
		-e "s/stroke='black'/stroke='currentColor'/g; s/stroke:black/stroke:currentColor/g; s/fill=\"black\"/fill=\"currentColor\"/g" \
				"$work/$1.raw" >"$work/$1.svg"
}

# How a metric grows along a curve.
curve() {
	n=0 commands=
	for d in $designs; do
		n=$((n + 1))
		awk -F, -v d="$d" -v w="^$1-" -v m="$2" '$1 == d && $2 ~ w && $3 == m && $4 > 0 {
			sub(w, "", $2); print $2, $4 }' "$dir/compare.csv" >"$work/$1-$2-$n"
		[ -s "$work/$1-$2-$n" ] || continue
		width=1.6
		[ "$d" = objrmap ] && width=3.2
		commands="$commands${commands:+, }'$work/$1-$2-$n' with linespoints lw $width pt 7 ps 0.45 lc rgb '$(printf '#%06x' $n)'"
	done
	[ -n "$commands" ] || return 0
	plot "$1-$2" 360 240 <<-END
		set logscale xy; set xlabel "$1" tc rgb "#000064" offset 0,0.6
		set lmargin 6; set rmargin 1; set tmargin 0.6; set bmargin 2.8
		plot $commands
	END
}

# Every workload a row, every design a dot in it.
dots() {
	awk -F, -v m="$1" '$3 == m && $4 > 0 && $2 !~ /-[0-9]+$/ && !($2 in row) { row[$2]; print $2 }' \
		"$dir/compare.csv" >"$work/rows"
	[ -s "$work/rows" ] || return 0
	n=0 commands=
	for d in $designs; do
		n=$((n + 1))
		awk -F, -v d="$d" -v m="$1" 'NR == FNR { row[$1] = NR; next }
			$1 == d && $3 == m && $4 > 0 && ($2 in row) { print $4, -row[$2] }' \
			"$work/rows" "$dir/compare.csv" >"$work/$1-$n"
		[ -s "$work/$1-$n" ] || continue
		size=0.75
		[ "$d" = objrmap ] && size=1.05
		commands="$commands${commands:+, }'$work/$1-$n' with points pt 7 ps $size lc rgb '$(printf '#%06x' $n)'"
	done
	# Where the values are, and ticks at decades, or at 1, 2, 5 if they are few.
	range=$(awk -F, -v m="$1" '$3 == m && $4 > 0 && $2 !~ /-[0-9]+$/ {
			if (!low || $4 < low) low = $4 + 0
			if ($4 > high) high = $4 + 0 }
		END {
			printf "set xrange [%g:%g]; set xtics (", low * 0.8, high * 1.25
			for (d = 0.01; d < high * 1.25; d *= 10)
				for (k = 1; k < 10; k += k == 1 ? 1 : k == 2 ? 3 : 5)
					if ((k == 1 || high / low < 50) && d * k > low * 0.8)
						printf "%s%g", (n++ ? ", " : ""), d * k
			print ")" }' "$dir/compare.csv")
	tics=$(awk '{ printf "%s\"%s\" %d", (NR > 1 ? ", " : ""), $1, -NR }' "$work/rows" | sed 's/_/\\\\_/g')
	rows=$(wc -l <"$work/rows")
	plot "$1" 400 $((rows * 22 + 40)) <<-END
		set logscale x; $range; set yrange [-$rows.6:-0.4]; set ytics ($tics); set format y "%s"
		set border 1; set lmargin 12; set rmargin 2; set tmargin 0.3; set bmargin 2
		plot $commands
	END
}

for along in children depth areas; do
	for metric in metadata_bytes insn_fault insn_fork insn_reclaim probes_mean probes_max; do
		curve $along $metric
	done
done
for metric in metadata_bytes insn_fault insn_fork insn_exit insn_reclaim probes_max; do
	dots $metric
done

awk -F, -v metrics=scripts/compare.in -v svg="$work" -v list="$dir/runs/workloads" \
	-v scale="$(awk '{ print $2 }' "$dir/runs/scale")" -v head=scripts/compare-page.css \
	-f scripts/compare-page.awk "$dir/compare.csv" >"$dir/index.html"
