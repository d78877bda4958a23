# Fill in the blocks of docs/comparison.md. Arguments: compare/results.json, then the page. Variables:
# `metrics`, the file that explains them; `list`, lines "WORKLOAD|what it is"; `scale`. A block stands between a line
# "<!-- compare: NAME -->" and a line "<!-- end -->".

BEGIN {
	FS = "\""
	while ((getline line < metrics) > 0)
		if (line !~ /^#/) {
			split(line, part, "|")
			order[++nr_metrics] = part[1]
			title[part[1]] = part[2]
			means[part[1]] = part[3]
		}
	while ((getline line < list) > 0) {
		split(line, part, "|")
		played[++nr_played] = part[1]
		about[part[1]] = part[2]
	}
}

# {"design": "D", "workload": "W", "metric": "M", "value": X}
FILENAME ~ /\.json$/ {
	if (NF < 14)
		next
	x = $15
	gsub(/[^0-9.e+-]/, "", x)
	if (!($4 in id)) { id[$4]; design[++designs] = $4 }
	if (!($8 in known)) { known[$8]; workload[++workloads] = $8 }
	value[$4, $8, $12] = x
	next
}

/^<!-- compare: / {
	print
	if ($0 ~ / glance /) glance()
	if ($0 ~ / tables /) tables()
	if ($0 ~ / workloads /) list_workloads()
	if ($0 ~ / metrics /) list_metrics()
	in_block = 1
}

/^<!-- end -->$/ { in_block = 0 }

!in_block

function head(first,    d)
{
	printf "| %s |", first
	for (d = 1; d <= designs; d++)
		printf " %s |", design[d]
	printf "\n|---|"
	for (d = 1; d <= designs; d++)
		printf "---:|"
	print ""
}

function short(x)
{
	if (x == "") return ""
	x += 0
	if (x >= 10000000) return sprintf("%.0f M", x / 1000000)
	if (x >= 1000000) return sprintf("%.1f M", x / 1000000)
	if (x >= 10000) return sprintf("%.0f k", x / 1000)
	if (x >= 100 || x == int(x)) return sprintf("%.0f", x)
	return sprintf("%.2f", x)
}

function relative(d, m,    w, x, y, sum, n)
{
	for (w = 1; w <= workloads; w++) {
		x = value[d, workload[w], m]
		y = value["objrmap", workload[w], m]
		if (x + 0 > 0 && y + 0 > 0) {
			sum += log(x / y)
			n++
		}
	}
	return n ? sprintf("%.2f", exp(sum / n)) : ""
}

function total(d, m,    w, sum, any)
{
	for (w = 1; w <= workloads; w++)
		if (value[d, workload[w], m] != "") {
			sum += value[d, workload[w], m]
			any = 1
		}
	return any ? short(sum) : ""
}

function glance(    i, d, list, n)
{
	n = split("insn_fault insn_fork insn_exit insn_unmap insn_mremap insn_reclaim probes_mean metadata_bytes " \
		"fault_objects merges_refused pages_copied pages_missed", list, " ")
	head("")
	for (i = 1; i <= n; i++) {
		printf "| %s, `%s` |", title[list[i]], list[i]
		for (d = 1; d <= designs; d++)
			printf " %s |", i <= 7 ? relative(design[d], list[i]) : total(design[d], list[i])
		print ""
	}
	print "\nPlayed at scale " scale ", where 100 is the default."
}

function tables(    i, w, d, list, any, row)
{
	split("metadata_bytes insn_fault insn_fork insn_exit insn_reclaim probes_max", list, " ")
	for (i = 1; i in list; i++) {
		print (i > 1 ? "\n" : "") "**" title[list[i]] "**, `" list[i] "`: " means[list[i]] ".\n"
		head("workload")
		for (w = 1; w <= workloads; w++) {
			row = "| " workload[w] " |"
			any = 0
			for (d = 1; d <= designs; d++) {
				row = row " " short(value[design[d], workload[w], list[i]]) " |"
				any = any || value[design[d], workload[w], list[i]] != ""
			}
			if (any)
				print row
		}
	}
}

function list_workloads(    i)
{
	print "| workload | what it is |\n|---|---|"
	for (i = 1; i <= nr_played; i++)
		print "| `" played[i] "` | " about[played[i]] " |"
}

function list_metrics(    i)
{
	print "| metric | what it means |\n|---|---|"
	for (i = 1; i <= nr_metrics; i++)
		print "| `" order[i] "` | " means[order[i]] " |"
}
