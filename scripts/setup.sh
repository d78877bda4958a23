#!/bin/sh
# Install what building, testing and checking needs, on Debian or Ubuntu. Does nothing if it is there.
#
#     scripts/setup.sh [run|kernel|test|bench|linux|compare|model|cross|ports|coverage|all]
#
# run: a compiler; kernel: and what makes an image and boots it; linux: and what unpacks Debian's
# kernel; test: what kernel installs and cmocka; bench: and valgrind; model: and spin; compare: and
# QEMU's user mode and gnuplot; cross: and QEMU's user mode, compilers and libraries for other machines;
# ports: and compilers and emulators of other machines; coverage: and gcovr; all (the default):
# everything the Makefile and .ci/run use, including the 32-bit libraries on x86-64.
set -eu

what=${1:-all}
need=
x86_64=$(test "$(uname -m)" = x86_64 && echo yes || true)

# want PACKAGE COMMAND-OR-FILE
want() {
	case $2 in
	/*) test -e "$2" ;;
	*) command -v "$2" >/dev/null 2>&1 ;;
	esac || need="$need $1"
}

want make make
want gcc gcc
want libc6-dev /usr/include/stdlib.h
if [ "$what" != run ] && [ "$what" != kernel ] && [ "$what" != linux ]; then
	want libcmocka-dev /usr/include/cmocka.h
fi
if [ "$what" != run ] && [ -n "$x86_64" ]; then
	want qemu-system-x86 qemu-system-x86_64
	want e2fsprogs /usr/sbin/mke2fs
fi
if [ "$what" = linux ] || [ "$what" = all ]; then
	want cpio cpio
	want kmod /sbin/depmod
	want util-linux /sbin/mkswap
	want xz-utils xz
fi
if [ "$what" = bench ]; then
	want valgrind valgrind
fi
if [ "$what" = compare ]; then
	want qemu-user qemu-x86_64
	want gnuplot-nox gnuplot
fi
if [ "$what" = model ]; then
	want spin spin
fi
if [ "$what" = cross ] || [ "$what" = all ]; then
	want qemu-user qemu-aarch64
	if [ -n "$x86_64" ]; then
		want gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
		want libc6-dev-arm64-cross /usr/aarch64-linux-gnu/lib/libc.a
		want gcc-riscv64-linux-gnu riscv64-linux-gnu-gcc
		want libc6-dev-riscv64-cross /usr/riscv64-linux-gnu/lib/libc.a
	fi
fi
if [ "$what" = ports ] || [ "$what" = all ]; then
	want gcc-riscv64-linux-gnu riscv64-linux-gnu-gcc
	want gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
	want gcc-arm-linux-gnueabihf arm-linux-gnueabihf-gcc
	want qemu-system-arm qemu-system-aarch64
	want qemu-system-misc qemu-system-riscv64
	want opensbi /usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin
fi
if [ "$what" = coverage ]; then
	want gcovr gcovr
fi
if [ "$what" = all ]; then
	want g++ g++
	want clang clang
	want clang-format clang-format
	want gcovr gcovr
	want valgrind valgrind
	want qemu-user qemu-x86_64
	want gnuplot-nox gnuplot
	want spin spin
	want pkg-config pkg-config
	want meson meson
	want cmake cmake
	if [ -n "$x86_64" ]; then
		# The runtime of clang's sanitizers has no path that is the same everywhere.
		ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a >/dev/null 2>&1 ||
			need="$need libclang-rt-14-dev"
		# gcc-multilib itself and compilers for other machines exclude each other.
		ls /usr/lib/gcc/x86_64-linux-gnu/*/32/libgcc.a >/dev/null 2>&1 ||
			need="$need gcc-$(gcc -dumpversion 2>/dev/null || echo 12)-multilib"
		want libcmocka-dev:i386 /usr/lib/i386-linux-gnu/libcmocka.so
	fi
fi
[ -n "$need" ] || exit 0

echo "setup: installing$need"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
case $need in
*:i386*) $sudo dpkg --add-architecture i386 ;;
esac
# One broken package list among many is no reason to stop: installing decides.
$sudo apt-get -q update || echo "setup: apt-get update failed, going on with the lists there are"
# shellcheck disable=SC2086 # a list of words
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $need
