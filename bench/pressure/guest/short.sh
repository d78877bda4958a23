#!/bin/bash
# What one types at a shell: a pipe of three, a substitution, a loop of built-ins.
set -- $(ls /usr/bin | grep -v '^x' | wc -l)
[ "$(echo "$1" | cat)" = "$1" ] && for i in {1..100}; do :; done
