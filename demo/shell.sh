#!/bin/bash
# Pipes, subshells, here-documents and process substitution over coreutils, grep, sed and awk: many
# short processes, whose results are known.

failed=0

# is WHAT GOT EXPECTED
is() {
	if [ "$2" = "$3" ]; then
		echo "  $1: $2"
	else
		echo "  $1: $2, but it must be $3"
		failed=1
	fi
}

dir=$(mktemp -d /tmp/shell.XXXXXX)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

is "sum of a column" "$(seq 1 20000 | awk '{ s += $1 } END { print s }')" 200010000

is "lines sorted two ways" "$(cmp <(seq 1 20000 | sort -rn | tac) <(seq 1 20000) && echo the same)" "the same"

seq -f 'line %g' 1 50000 >lines
is "sha256 of a file" "$(sha256sum <lines | cut -c 1-16)" "$(seq 1 50000 | sed 's/^/line /' | sha256sum | cut -c 1-16)"

is "a long pipe" "$(sed 's/line //' lines | grep -v 7 | tr 0-9 a-j | sort -u | tail -n 3 | paste -sd ' ')" "jjjg jjji jjjj"

is "words of a here-document" "$(wc -w <<-END | tr -d ' '
	all that is mapped is not
	in memory, $((6 * 7)) times
END
)" 10

is "subshells keep to themselves" "$(x=1; (x=2; (x=3; echo -n $x); echo -n $x); echo $x)" 321

split -n l/8 lines part.
for part in part.*; do
	sort -r "$part" >"$part.sorted" &
done
wait
is "eight sorts in the background, merged" "$(sort -rm part.*.sorted | cmp - <(sort -r lines) && echo the same)" "the same"

count=0
for i in {1..100}; do
	count=$((count + $(echo "$i" | cat | cat)))
done
is "three hundred processes" $count 5050

head -c 8M /dev/zero | tr '\0' x | tee copy | md5sum >first
is "eight megabytes through tee" "$(md5sum <copy)" "$(cat first)"

mkdir -p tree/{a,b,c}/{1,2,3}
touch tree/{a,b,c}/{1,2,3}/file
is "files found" "$(find tree -type f | xargs ls | wc -l)" 9

(trap 'exit 42' TERM; kill $BASHPID; sleep 5) # a signal and its handler
is "status of a subshell that was sent a signal" $? 42

exit $failed
