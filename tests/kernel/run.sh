#!/bin/sh
# Boot the kernel with the programs of tests/kernel/ on its disk, once for each number of CPUs in $CPUS, and
# judge what they print: those in $EQUAL must print what they print on this Linux, those in $SELF must end
# with "ok". One line for each; at the end "N passed, M failed".
#
#   run.sh KERNEL DIR     DIR: build/kernel-tests; the logs go to DIR/log, what differs to DIR/log/*.diff
#
# $MEM: memory in MiB. $SEED: other random numbers.
set -u
export SEED="${SEED:-0}"
kernel=$1 dir=$2 log=$2/log
passed=0 failed=0
rm -rf "$log"
mkdir -p "$log/linux"

# Root and others get different answers about rights and locked memory, and the guest is root.
wanted() { # $1: a program
	case "$(id -u) $1" in
	"0 "*) ;;
	*" mlock" | *" limits" | *" users" | *" rights" | *" memlock" | *" userlimits") return 1 ;;
	esac
	[ -z "${ONLY:-}" ] && return 0
	case " $ONLY " in *" $1 "*) return 0 ;; esac
	return 1
}

# The kernel ends the machine through isa-debug-exit: QEMU's status is 2 * value + 1, the value 16 for success.
boot() { # $1: CPUS, $2: log, $3: options and arguments
	truncate -s 0 "$dir/swap"
	truncate -s 128M "$dir/swap"
	PATH=$PATH:/sbin:/usr/sbin mkswap "$dir/swap" >"$log/mkswap" 2>&1
	timeout "${LIMIT:-400}" qemu-system-x86_64 -M q35 -cpu max -m "${MEM:-64}" -smp "$1" -kernel "$kernel" \
		-append "swap verify $3" -display none -serial stdio -no-reboot \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-drive "if=none,id=r,format=raw,readonly=on,file=$dir/root.ext2" -device virtio-blk-pci,drive=r \
		-drive "if=none,id=s,format=raw,file=$dir/swap" -device virtio-blk-pci,drive=s \
		</dev/null >"$2.raw" 2>&1
	status=$?
	tr -d '\r' <"$2.raw" >"$2"
	rm "$2.raw"
}

# The output of one program, and its exit status as the last line.
output() { # $1: log, $2: program
	awk -v name="$2" '
		$1 == "@@" && $3 == name && $2 == "end" { print "status " $4; exit }
		on { print }
		$1 == "@@" && $3 == name && $2 == "begin" { on = 1 }' "$1"
}

verdict() { # $1: name, $2: true or false, $3: remark
	if $2; then
		passed=$((passed + 1))
		echo "pass $1"
	else
		failed=$((failed + 1))
		echo "FAIL $1: $3"
	fi
}

on_linux() { # $1: program
	(cd /tmp && "$bin/$1" </dev/null 2>&1; echo "status $?") >"$log/linux/$1"
}

same() { # $1: program, $2: log, $3: CPUS
	output "$2" "$1" >"$log/$3-$1"
	diff -u "$log/linux/$1" "$log/$3-$1" >"$log/$3-$1.diff" && rm "$log/$3-$1.diff"
}

self() { # $1: program, $2: log, $3: CPUS
	output "$2" "$1" >"$log/$3-$1"
	[ "$(tail -n 2 "$log/$3-$1" | tr '\n' ' ')" = "ok status 0 " ]
}

judge() { # $1: CPUS
	for p in $EQUAL; do
		wanted "$p" || continue
		same "$p" "$log/boot-$1" "$1" && ok=true || ok=false
		verdict "$p, $1 CPU" $ok "differs from Linux, see $log/$1-$p.diff"
	done
	for p in $SELF; do
		wanted "$p" || continue
		self "$p" "$log/boot-$1" "$1" && ok=true || ok=false
		verdict "$p, $1 CPU" $ok "$(tail -n 2 "$log/$1-$p" | tr '\n' ' ')"
	done
	grep -q '^@@ done' "$log/boot-$1" && [ "$status" -eq 33 ] && ok=true || ok=false
	verdict "end, $1 CPU" $ok "status $status, $(tail -n 1 "$log/boot-$1")"
}

bin=$(cd "$dir/bin" && pwd)
programs=
for p in $EQUAL $SELF; do
	wanted "$p" && programs="$programs $p"
done
for p in $EQUAL; do
	wanted "$p" && on_linux "$p"
done
for n in $CPUS; do
	boot "$n" "$log/boot-$n" "init=/init -- SEED=$SEED$programs"
	judge "$n"
done
if wanted swaperr; then
	boot 2 "$log/boot-swaperr" "init=/init swap_fail=100-110 -- swaperr"
	self swaperr "$log/boot-swaperr" 2 && ok=true || ok=false
	verdict "swaperr" $ok "$(tail -n 2 "$log/2-swaperr" | tr '\n' ' ')"
fi
if wanted spare; then
	boot 2 "$log/boot-spare" "init=/tests/spare"
	self spare "$log/boot-spare" 2 && [ "$status" -eq 33 ] && ok=true || ok=false
	verdict "spare" $ok "$(tail -n 2 "$log/2-spare" | tr '\n' ' ')"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
