#!/bin/sh
# The tables in docs/comparison.md come from compare/results.json.
#
#     scripts/compare-docs.sh          rewrite them
#     scripts/compare-docs.sh check    fail if that would change anything
#     scripts/compare-docs.sh keep     take new results from build/compare/, without the curves, and rewrite
set -eu

results=compare/results.json page=docs/comparison.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "${1:-}" = keep ]; then
	grep -v '"workload": "[a-z]*-[0-9]*"' build/compare/compare.json | sed '$!N; s/,\n\]/\n]/; P; D' >$results
	sed "s/^scale //" build/compare/runs/scale >compare/results.scale
fi
# Descriptions of the workloads are where they are played.
sed -n 's/^ *{"\([a-z0-9_]*\)", "\([^"]*\)",.*/\1|\2/p' compare/history.c compare/families.c compare/recorded.c >"$work/workloads"
awk -v metrics=scripts/compare.in -v list="$work/workloads" -v scale="$(cat compare/results.scale)" \
	-f scripts/compare-docs.awk $results $page >"$work/page"
if [ "${1:-}" = check ]; then
	diff -u $page "$work/page" || { echo "comparison: $page is not what $results says: scripts/compare-docs.sh" && exit 1; }
else
	cmp -s $page "$work/page" || cp "$work/page" $page
fi
