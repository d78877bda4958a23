# compare.csv as an array of objects, one a line.

BEGIN { printf "[" }

NR > 1 {
	printf "%s\n{\"design\": \"%s\", \"workload\": \"%s\", \"metric\": \"%s\", \"value\": %s}",
		(NR > 2 ? "," : ""), $1, $2, $3, $4
}

END { print "\n]" }
