# compare.csv as tables for a terminal: one for each metric, workloads down, designs across. What a workload
# does not do is left empty. Curves are for the page.

NR == 1 { next }

$2 ~ /-[0-9]+$/ { next }

{
	if (!($1 in seen_design)) { seen_design[$1]; design[++designs] = $1 }
	if (!($2 in seen_workload)) { seen_workload[$2]; workload[++workloads] = $2 }
	if (!($3 in seen_metric)) { seen_metric[$3]; metric[++metrics] = $3 }
	value[$1, $2, $3] = $4
	present[$2, $3]
}

END {
	for (m = 1; m <= metrics; m++) {
		printf "\n%-16s", metric[m]
		for (d = 1; d <= designs; d++)
			printf " %14s", design[d]
		print ""
		for (w = 1; w <= workloads; w++)
			if ((workload[w], metric[m]) in present)
				row(workload[w], metric[m])
	}
	print ""
}

function row(w, m,    d)
{
	printf "  %-14s", w
	for (d = 1; d <= designs; d++)
		printf " %14s", short(value[design[d], w, m])
	print ""
}

function short(x)
{
	if (x == "" || x + 0 < 10000)
		return x
	return x < 10000000 ? sprintf("%.0f k", x / 1000) : sprintf("%.0f M", x / 1000000)
}
