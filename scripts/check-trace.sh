#!/bin/sh
# objrmap-record records a small family of processes, objrmap-replay plays it, and says what is wrong with a
# damaged recording. Where the kernel allows no tracing, the first part is left out, with a message.
#
#     scripts/check-trace.sh DIRECTORY-OF-THE-PROGRAMS
set -eu

bin=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "check-trace: $*"
	exit 1
}

# Words of objrmap-replay's summary: $1 is the file, $2 the name.
value() {
	awk -v name="$2" '$1 == name { print $2 }' "$1"
}

record() {
	# shellcheck disable=SC2016 # for the shell that is recorded
	"$bin/objrmap-record" "$@" -o "$work/trace" -- sh -c '(sleep 0; echo a) | cat; exit 7' >"$work/out" 2>"$work/err" &&
		fail "the status of the command is lost"
	[ -s "$work/trace" ] || return 1
	[ "$(cat "$work/out")" = a ] || fail "the command did not do its work"
}

if [ -x "$bin/objrmap-record" ] && record; then
	"$bin/objrmap-replay" "$work/trace" --ram 16M --check >"$work/sum" 2>"$work/err" || fail "$(cat "$work/err")"
	grep -q '^check ok$' "$work/sum" || fail "no check was made"
	[ "$(value "$work/sum" spaces)" -ge 3 ] || fail "processes are missing"
	[ "$(value "$work/sum" calls)" -ge 30 ] || fail "calls are missing"
	if ! grep -q 'none are recorded' "$work/err"; then
		[ "$(value "$work/sum" accesses)" -ge 100 ] || fail "faults are missing"
	fi
else
	echo "check-trace: nothing can be recorded here: $(cat "$work/err" 2>/dev/null)"
fi

# The same of each use of a page, which is more than faults.
if [ -x "$bin/objrmap-record" ] && command -v qemu-x86_64 >/dev/null && record --accesses; then
	"$bin/objrmap-replay" "$work/trace" --ram 2M --check >"$work/sum" 2>"$work/err" || fail "$(cat "$work/err")"
	[ "$(value "$work/sum" spaces)" -ge 3 ] || fail "processes are missing from what was emulated"
	[ "$(value "$work/sum" accesses)" -ge 1000 ] || fail "accesses are missing"
	[ "$(value "$work/sum" accesses_refused)" = 0 ] || fail "accesses where no memory is"
	[ "$(value "$work/sum" misses)" -ge "$(value "$work/sum" misses_optimum)" ] || fail "better than the optimum"
else
	echo "check-trace: accesses cannot be recorded here"
fi

# A recording that lacks its end.
head -c 3000 trace/recordings/sqlite.trace >"$work/cut"
if "$bin/objrmap-replay" "$work/cut" >/dev/null 2>"$work/err"; then
	fail "a recording that is cut short was played"
fi
grep -q 'offset 3000: the trace is cut short' "$work/err" || fail "wrong message: $(cat "$work/err")"
echo "check-trace: ok"
