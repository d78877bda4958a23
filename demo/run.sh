#!/bin/bash
# What `make run` runs on the reference kernel, as process 1: unmodified programs of Debian that need far
# more memory than there is. The exit status is 0 only if every part was right.

cd "$(dirname "$0")" || exit 1
failed=0

# part COMMAND WHAT
part() {
	begin=$SECONDS
	echo "$1: $2"
	if "./$1"; then
		result=right
	else
		result=WRONG
		failed=1
	fi
	echo "$1: $result ($((SECONDS - begin)) s)"
	echo
}

echo
grep -E '^(MemTotal|MemFree|SwapTotal)' /proc/meminfo
echo "CPUs:           $(nproc)"
echo
part shell.sh "bash with pipes and subshells over coreutils"
part memory.py "python3 with data several times larger than memory, and forked workers"
part database.sh "sqlite3 with a database in memory, larger than memory"
part stress.sh "stress-ng's memory stressors, verifying"

[ $failed = 0 ] && echo "demo: all of it was right in $SECONDS s" || echo "demo: FAILED"
exit $failed
