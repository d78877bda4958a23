#!/bin/sh
# The freestanding promise: a library that exports names with om_ only, and needs nothing but
# memcpy, memset, memmove and memcmp.
#
#     scripts/check-symbols.sh LIBRARY
set -eu

bad=$(nm --undefined-only "$1" | awk '$1 == "U" { print $2 }' | sort -u |
	grep -vxE 'memcpy|memset|memmove|memcmp|_GLOBAL_OFFSET_TABLE_' || true)
if [ -n "$bad" ]; then
	echo "check-symbols: $1 needs:" $bad
	exit 1
fi
bad=$(nm --defined-only --extern-only "$1" | awk 'NF == 3 { print $3 }' | sort -u |
	grep -vE '^(om_|__x86\.get_pc_thunk\.)' || true)
if [ -n "$bad" ]; then
	echo "check-symbols: $1 exports:" $bad
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
echo "check-symbols: ok"
