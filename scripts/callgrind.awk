# Instructions in the library's own functions, from one profile of callgrind's, written without
# compression of names and positions. The profile was asked for by the program, with a name of several
# words of which the last is by what to divide. Prints the other words and the quotient.
#
# "fl=" is the file a function is in, or rather its first instruction, which may be from an inlined
# accessor of om_arch.h; cost lines are "line cost", and the one after "calls=" belongs to the callee.

sub(/^desc: Trigger: Client Request: /, "") { n = $NF; key = $0; sub(/ [^ ]*$/, "", key) }
/^fl=/ { ours = $0 ~ /(^fl=|\/)src\//; inlined = $0 ~ /om_arch\.h$/ }
/^fn=om_/ && inlined { ours = 1 }
/^calls=/ { callee = 1; next }
/^[0-9]/ { if (callee) callee = 0; else if (ours) cost += $2 }
END { if (key != "") printf "%s %.1f\n", key, cost / n }
