#!/bin/bash
# The memory stressors of stress-ng, each of which checks what it reads back (--verify). They end after
# a fixed number of operations; the time-out is there for a machine that hangs.

log=/tmp/stress.log
failed=0

# check OPTION...: run them, and tell whether all went well
check() {
	stress-ng --verify --oomable --temp-path /tmp --timeout 120 "$@" >$log 2>&1 &&
		grep -q 'successful run completed' $log && ! grep -q ' fail: ' $log && return
	echo "  stress-ng $*: FAILED"
	cat $log
	failed=1
	return 1
}

# stress NAME OPTION...
stress() {
	begin=$SECONDS
	check "${@:2}" && echo "  $1: ok ($((SECONDS - begin)) s)"
}

# With a given number of operations the method "all" comes no further than its first ones, so each
# gets a turn of its own. Two of them would take minutes.
each_vm_method() {
	begin=$SECONDS count=0
	for method in $(stress-ng --vm 1 --vm-method help 2>&1 | sed -n 's/.*: all //p'); do
		check --vm 1 --vm-bytes 4m --vm-method "$method" --vm-ops 50 --timeout 2 && count=$((count + 1))
	done
	[ $count -ge 30 ] || failed=1
	echo "  vm, its methods one by one: $count ok ($((SECONDS - begin)) s)"
}

stress vm --vm 2 --vm-bytes 160m --vm-method all --timeout 15
each_vm_method
stress mmap --mmap 2 --mmap-bytes 64m --mmap-ops 16
stress mremap --mremap 2 --mremap-bytes 16m --mremap-ops 100
ulimit -l 256 # by this limit mlock sizes a table, and locks it with all else it has
stress mlock --mlock 2 --mlock-ops 4000
stress brk --brk 2 --brk-ops 100000
stress bigheap --bigheap 1 --bigheap-growth 65536 --bigheap-ops 2400
stress stack --stack 2 --stack-ops 8
stress fork --fork 2 --fork-ops 1000
stress fault --fault 2 --fault-ops 5000

exit $failed
