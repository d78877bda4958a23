#!/bin/sh
# make shell: an interactive bash on the machine of `make run`. Ctrl-C and Ctrl-Z go to it. The root is
# read-only, /tmp can be written; /demo holds what `make run` runs. exit ends the machine.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh kernel
scripts/packages.sh
scripts/image.sh build/shell.img demo
make --no-print-directory kernel
echo "shell: leave with exit, or Ctrl-A X"
TERMINAL=1 scripts/qemu.sh build/shell.img swap init=/bin/bash -- -i
