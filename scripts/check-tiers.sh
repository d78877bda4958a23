#!/bin/sh
# The tiers of objrmap.cmake: each is linked with a program that uses what it has (tests/tiers/) and run; and
# a program that uses what a tier has not does not link.
#
#     scripts/check-tiers.sh DIR            DIR has the objects of src/, tiers/, tests/tiers/ and libobjrmap-sim.a
#     scripts/check-tiers.sh size [PREFIX]  bytes of each tier for 64-bit RISC-V, with what nobody calls left out
#
# The second compiles with PREFIXgcc, and fails if the smallest is larger than KIB_MAX.
set -eu

KIB_MAX=48
tiers="core swap files swap_files all"
# What beside the core a tier's program can call.
parts_core="" parts_swap="swap" parts_files="files" parts_swap_files="swap files"
parts_all="calls swap files nonlinear verify"

# The files that a list of objrmap.cmake names, lists in it, too.
files_of() {
	awk -v want="$1" '
		/^set\(/ { name = substr($1, 5); $1 = "" }
		name { line = line " " $0 }
		name && /\)/ { gsub(/[()]/, " ", line); list[name] = line; name = line = "" }
		function show(name,  n, part, i) {
			n = split(list[name], part)
			for (i = 1; i <= n; i++)
				if (part[i] ~ /^\$\{OBJRMAP_DIR\}\//)
					print substr(part[i], 16)
				else if (part[i] ~ /^\$\{/)
					show(substr(part[i], 3, length(part[i]) - 3))
		}
		END { show(want) }' objrmap.cmake
}

list_of() {
	case $1 in
	all) files_of OBJRMAP_SOURCES ;;
	*) files_of "OBJRMAP_TIER_$(echo "$1" | tr a-z A-Z)" ;;
	esac
}

# Objects of a tier in directory $2, and more parts in $3...
objects() {
	tier=$1 in=$2
	shift 2
	{
		list_of "$tier"
		for part; do files_of "OBJRMAP_$(echo "$part" | tr a-z A-Z)"; done
	} | sort -u | sed "s|^|$in/|; s|\.c$|.o|"
}

link() { # TIER PART...: what the program uses
	tier=$1
	shift
	set -- smoke $(printf 'smoke_%s ' "$@")
	set -- $(for p; do [ "$p" = smoke_ ] || echo "$dir/tests/tiers/$p.o"; done)
	# shellcheck disable=SC2046 # lists of files
	${CC:-gcc} -pthread -o "$dir/tests/tiers/$tier" "$@" $(objects "$tier" "$dir" $more) "$dir/libobjrmap-sim.a"
}

run_tiers() {
	for tier in $tiers; do
		eval "parts=\$parts_$tier"
		for more in "" "calls verify"; do
			# shellcheck disable=SC2086 # lists of words
			link "$tier" $(echo "$parts $more" | tr ' ' '\n' | sort -u)
			"$dir/tests/tiers/$tier" || {
				echo "check-tiers: $tier $more"
				exit 1
			}
		done
	done
	more=""
	for pair in "core swap om_swapon" "core files om_mapping_create" "swap files om_mapping_create" \
		"files swap om_swapon" "core calls om_mremap" "swap_files nonlinear om_remap_file_pages" \
		"core verify om_verify"; do
		# shellcheck disable=SC2086
		set -- $pair
		if link "$1" "$2" 2>"$dir/tests/tiers/errors"; then
			echo "check-tiers: $1 links with a program that calls $3"
			exit 1
		fi
		grep -q "undefined reference to .$3'" "$dir/tests/tiers/errors" || {
			cat "$dir/tests/tiers/errors"
			exit 1
		}
	done
	echo "check-tiers: ok"
}

# ---- size ----

# What the program of a tier calls, so that the linker keeps it.
calls_core="om_system_bytes om_system_init om_add_memory om_free_frames om_frame_alloc om_frame_free om_mm_create
	om_mm_destroy om_mm_empty om_fork om_mm_root om_mm_cookie om_fault om_read om_write om_mmap om_munmap
	om_mprotect om_brk"
calls_swap="$calls_core om_swapon om_reclaim_step"
calls_files="$calls_core om_reclaim_step om_mapping_create om_mapping_get om_mapping_put om_mapping_read
	om_mapping_write om_mapping_sync om_mapping_truncate om_mapping_size om_msync"
calls_swap_files="$calls_files om_swapon"

measure() {
	cc=${1:-riscv64-linux-gnu-}gcc
	command -v "$cc" >/dev/null || {
		echo "check-tiers: skipped: no $cc here"
		exit 0
	}
	dir=build/tiers
	mkdir -p $dir
	flags="-std=c11 -Os -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic
		-march=rv64gc -mabi=lp64d -mcmodel=medany -ffunction-sections -fdata-sections -fvisibility=hidden"
	for file in src/*.c src/*/*.c tiers/*.c; do
		object=$dir/${file%.c}.o
		mkdir -p "${object%/*}"
		[ "$object" -nt "$file" ] && [ -z "$(find src include ports/riscv64 -newer "$object" -name '*.h')" ] ||
			# shellcheck disable=SC2086 # lists of words
			$cc $flags -Iinclude -Isrc -Iports/riscv64 -c -o "$object" "$file"
	done
	for tier in $tiers; do
		if [ $tier = all ]; then
			calls=$(grep -oE '^OM_API .*' include/objrmap/objrmap.h | grep -oE '\bom_[a-z_0-9]+\(' | tr -d '(')
		else
			eval "calls=\$calls_$tier"
		fi
		# shellcheck disable=SC2046,SC2086
		$cc -nostdlib -static -no-pie -Wl,--gc-sections -Wl,--unresolved-symbols=ignore-all -Wl,-e,om_fault \
			-Wl,--build-id=none $(printf ' -Wl,-u,%s' $calls) -o $dir/$tier $(objects $tier $dir)
		bytes=$("${cc%gcc}size" -A $dir/$tier | awk '/^\.(text|rodata|srodata|data|sdata)/ { n += $2 } END { print n }')
		echo "$tier $bytes" | awk '{ printf "%-12s %6.1f KiB\n", $1, $2 / 1024 }'
		if [ $tier = core ] && [ "$bytes" -gt $((KIB_MAX * 1024)) ]; then
			echo "check-tiers: core is larger than $KIB_MAX KiB"
			exit 1
		fi
	done
}

if [ "$1" = size ]; then
	shift
	measure "$@"
else
	dir=$1
	run_tiers
fi
