#!/bin/sh
# The figures in README.md and docs/figures.md come from the results in bench/results/ by way of the
# tables in scripts/figures.in, so that they cannot go stale.
#
#     scripts/figures.sh          rewrite them
#     scripts/figures.sh check    fail if that would change anything
#     scripts/figures.sh keep     take new results from build/ (make results), and rewrite
set -eu

what=${1:-write}
results=bench/results
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the measuring was done with, as far as this machine knows it.
versions() {
	cat <<-END
		{
		  "compiler": "gcc $(${CC:-gcc} -dumpfullversion)",
		  "system": "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)",
		  "valgrind": "$(valgrind --version | tr - ' ')",
		  "qemu": "QEMU $(qemu-system-x86_64 --version | awk 'NR == 1 { print $4 }')",
		  "linux": "$(ls build/linux/lib/modules)"
		}
	END
}

# Every result is in a table.
all_shown() {
	{
		sed -n 's/^  "\([^"]*\)".*/\1/p' "$results"/bench.json "$results"/bench-ports.json \
			"$results"/machine.json
		sed -n 's/.*"name": "\([^"]*\)".*/\1/p' "$results"/bench-linux.json
		sed -n 's/.*"name": "\([^"]*\)", "metric": "\([^"]*\)".*/\1.\2/p' \
			"$results"/bench-pressure.json
		sed -n 's/.*"name": "\([^"]*\)", "cpus": \([0-9]*\), "spaces": "\([^"]*\)", "metric": "\([^"]*\)".*/\1.\2.\3.\4/p' \
			"$results"/bench-scale.json
	} | while read -r key; do
		grep -q "[{ ]$key}" scripts/figures.in || echo "$key"
	done >"$work/missing"
	[ -s "$work/missing" ] || return 0
	echo "figures: no table of scripts/figures.in has:"
	cat "$work/missing"
	exit 1
}

case $what in
keep)
	cp build/bench.json build/bench-ports.json build/bench-linux.json build/bench-pressure.json \
		build/bench-scale.json "$results"
	versions >"$results/machine.json"
	;;
write | check) ;;
*) echo "usage: $0 [check|keep]" && exit 2 ;;
esac

all_shown
for page in README.md docs/figures.md; do
	awk -v blocks=scripts/figures.in -f scripts/figures.awk "$results"/*.json $page >"$work/page"
	if [ "$what" != check ]; then
		cmp -s $page "$work/page" || cp "$work/page" $page
	elif ! diff -u $page "$work/page"; then
		echo "figures: $page is not what bench/results/ says: make figures"
		exit 1
	fi
done
