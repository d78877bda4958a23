# One run's metrics, from what the program printed, what the plugin counted, the debug build printed, and the
# run with walks.

FNR == 1 { file++ }

file == 1 && $1 == "units" { name[$2] = $3; units[$2] = $4; next }
file == 1 && $1 != "design" { print }

# The more there is to divide by, the fewer digits mean something; the counts repeat exactly.
file == 2 && units[$2] { printf "%s_%s %.5g\n", $1, name[$2], $3 / units[$2] }

file == 3 && $1 ~ /^(locks_|hold_)/ { print }

file == 4 && $1 ~ /^(probes_|pages_missed)/ { print }
