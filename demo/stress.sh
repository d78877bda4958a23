#!/bin/bash
# The memory stressors of stress-ng, each of which checks what it reads back (--verify). They end after
# a fixed number of operations; the time-out is there for a machine that hangs.

log=/tmp/stress.log
failed=0

# stress NAME OPTION...
stress() {
	name=$1
	shift
	begin=$SECONDS
	stress-ng --verify --oomable --temp-path /tmp --timeout 120 "$@" >$log 2>&1
	status=$?
	result=ok
	if [ $status != 0 ] || grep -q ' fail: ' $log || ! grep -q 'successful run completed' $log; then
		result="FAILED, exit status $status"
		cat $log
		failed=1
	fi
	echo "  $name: $result ($((SECONDS - begin)) s)"
}

stress vm --vm 2 --vm-bytes 48m --vm-method all --vm-ops 100
stress mmap --mmap 2 --mmap-bytes 48m --mmap-ops 4
stress mremap --mremap 2 --mremap-bytes 16m --mremap-ops 20
stress mlock --mlock 1 --mlock-ops 500
stress brk --brk 2 --brk-ops 20000
stress bigheap --bigheap 1 --bigheap-ops 300
stress stack --stack 2 --stack-ops 4
stress fork --fork 2 --fork-ops 300
stress fault --fault 2 --fault-ops 2000

exit $failed
