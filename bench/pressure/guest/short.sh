#!/bin/bash
# What one types at a shell: a pipe of three, a substitution.
# shellcheck disable=SC2012 # it is the work that counts
files=$(ls /usr/bin | sort -r | wc -l)
[ "$files" -gt 100 ] && [ "$(echo "$files" | cat)" = "$files" ]
