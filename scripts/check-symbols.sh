#!/bin/sh
# The sealed face: a library that exports the functions of its public header, no more and no less, and needs
# nothing but memcpy, memset, memmove and memcmp. (And what the port's om_arch.h refers to: in that of the sim,
# the number of the CPU on which a thread runs.)
#
#     scripts/check-symbols.sh LIBRARY
set -eu

bad=$(nm --undefined-only "$1" | awk '$1 == "U" { print $2 }' | sort -u |
	grep -vxE 'memcpy|memset|memmove|memcmp|_GLOBAL_OFFSET_TABLE_|sim_this_cpu' || true)
if [ -n "$bad" ]; then
	echo "check-symbols: $1 needs:" $bad
	exit 1
fi
exports=$(nm --defined-only --extern-only "$1" | awk 'NF == 3 { print $3 }' | grep -v '^__x86\.get_pc_thunk\.' | sort -u)
promises=$(grep -oE '^OM_API .*' include/objrmap/objrmap.h | grep -oE '\bom_[a-z_0-9]+\(' | tr -d '(' | sort -u)
if [ "$exports" != "$promises" ]; then
	echo "check-symbols: $1 and include/objrmap/objrmap.h differ (< is exported, > is promised):"
	echo "$exports" >"$1.exports"
	echo "$promises" | diff "$1.exports" - | grep '^[<>]'
	exit 1
fi
# Writable data would be a global variable: everything belongs to a struct om_system. (Constants that hold
# addresses are in .data.rel.ro.)
bad=$(objdump -t "$1" | awk 'NF >= 4 && $NF !~ /^\./ && $(NF - 2) !~ /^\.data\.rel\.ro/ &&
	$(NF - 2) ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ { print $NF }')
if [ -n "$bad" ]; then
	echo "check-symbols: $1 has writable variables:" $bad
	exit 1
fi
echo "check-symbols: ok, $(echo "$exports" | wc -l) functions"
