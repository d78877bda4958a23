#!/bin/sh
# Check the models in docs/model/ with spin, in all states they can reach; and that each would not hold
# without what it takes to be needed: these runs, MODEL fails, must find what is wrong.
#
#     scripts/check-model.sh [DIRECTORY]     for what spin and the compiler make (default: build/model)
set -eu

here=$PWD work=${1:-build/model}
mkdir -p "$work"

# MODEL holds|fails OPTION...
check() {
	model=$1 wanted=$2
	shift 2
	(
		cd "$work"
		spin -a "$@" "$here/docs/model/$model.pml"
		${CC:-cc} -O2 -DSAFETY -DCOLLAPSE -w -o pan pan.c
		./pan -m100000 >log
	)
	if ! grep -q 'errors: [01]$' "$work/log" || grep -q 'max search depth' "$work/log"; then
		cat "$work/log"
		exit 1
	fi
	found=holds
	grep -q 'errors: 0$' "$work/log" || found=fails
	if [ $found = holds ] && grep -q 'not completed' "$work/log"; then
		cat "$work/log"
		exit 1
	fi
	states=$(awk '/states, stored/ { print $1 }' "$work/log")
	echo "check-model: $model $*: $found, $states states"
	[ $found = "$wanted" ] || { cat "$work/log"; exit 1; }
}

check frames holds -DCPUS=2 -DFRAMES=3
check frames holds -DCPUS=3 -DFRAMES=4 -DROUNDS=1
check frames fails -DCPUS=2 -DFRAMES=3 -DANY_OPEN=false
check frames fails -DCPUS=2 -DFRAMES=3 -DDRAIN_LOCK=skip -DDRAIN_UNLOCK=skip
check part holds -DCPUS=3 -DTHREADS=2 -DFAULTS=1
check part fails -DCPUS=2 -DTHREADS=2 -DFAULTS=1 -DSTILL_MINE=true
check part fails -DCPUS=2 -DTHREADS=2 -DFAULTS=1 -DWAIT_FOR_FOLD=skip
check fork holds -DCPUS=3
check fork fails -DCPUS=2 -DRECALLS=false
check fork fails -DCPUS=2 -DFLUSHES_FIRST=false
echo "check-model: ok"
