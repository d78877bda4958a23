#!/bin/sh
# The deepest stack of any public function, by gcc's own account of frames and calls.
#
#     scripts/check-stack.sh [-v] LIMIT OBJECT...      -v: the depth of each public function, too
#
# The objects are those of a core that was compiled with -fcallgraph-info=su -save-temps=obj, so that X.ci and X.s
# are beside X.o. Hooks of the port, and mem*(), count nothing; what is called through other pointers, and how
# deep recursion goes, says scripts/stack.in. Who ends with a jump to the function that it calls is on the stack
# no more.
#
# Status 1: deeper than LIMIT, a function without a frame of fixed size, or something that is not in stack.in.
set -eu

verbose=0
if [ "${1:-}" = -v ]; then
	verbose=1
	shift
fi
limit=$1
shift

{
	cat scripts/stack.in
	sed -n 's/^OM_API .*\b\(om_[a-z_0-9]*\)(.*/public: \1/p' include/objrmap/objrmap.h
	sed -n 's/^\t.*(\*\([a-z_]*\))(.*/hook: \1/p' include/objrmap/port.h
	for object; do
		cat "${object%.o}.ci" "${object%.o}.s"
	done
} | awk -v verbose="$verbose" -v limit="$limit" -f "${0%/*}/stack.awk"
