#!/bin/sh
# What the pages quote is what stands in the file: the lines of a block that begins with
#
#     ```c FILE
#
# must all be in FILE, one after the other. Any language; paths are from the root of the tree.
set -eu

cd "$(dirname "$0")/.."
# shellcheck disable=SC2016 # awk's $
awk '
	function text(file, line, all) {
		all = "\n"
		while ((getline line <file) > 0)
			all = all line "\n"
		close(file)
		return all
	}
	/^```/ && on {
		on = 0
		quotes++
		if (index(text(path), block))
			next
		print "check-quotes: " where ": that is not in " path
		bad = 1
		next
	}
	/^```[a-z]+ [^ ]+$/ { on = 1; path = $2; block = "\n"; where = FILENAME ":" FNR; next }
	on { block = block $0 "\n" }
	END {
		if (!quotes || on) {
			print "check-quotes: " (on ? "a block does not end" : "nothing is quoted")
			bad = 1
		}
		exit bad
	}
' README.md docs/*.md
echo "check-quotes: ok"
