# The page, from compare.csv. Variables: `metrics`, the file that explains them; `list`, what there is to play;
# `svg`, the directory with the plots; `head`, the style sheet; `scale`.
#
# A cell's colour says how far it is from the best of its row.

BEGIN {
	while ((getline line < metrics) > 0)
		if (line !~ /^#/) {
			split(line, part, "|")
			order[++nr_metrics] = part[1]
			title[part[1]] = part[2]
			means[part[1]] = part[3]
		}
	while ((getline line < list) > 0) {
		split(line, part, " ")
		set[part[2]] = part[1]
		sub(/^[^ ]* [^ ]* /, "", line)
		about[part[1] == "growth" ? "" : part[2]] = line
	}
}

FNR == 1 { next }

!($1 in id) { design[++designs] = $1; id[$1] = designs }

$2 ~ /-[0-9]+$/ { curves++; value[$1, $2, $3] = $4; next }

!($2 in known) { workload[++workloads] = $2; known[$2] }

{
	value[$1, $2, $3] = $4
	has[$3]
	if (!(($2, $3) in best) || $4 + 0 < best[$2, $3])
		best[$2, $3] = $4 + 0
	if ($4 + 0 > worst[$2, $3])
		worst[$2, $3] = $4 + 0
}

END {
	print "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">"
	print "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
	print "<title>Reverse maps compared</title>\n<style>"
	include(head)
	for (d = 1; d <= designs; d++) {
		# A legend entry under the pointer pales the others.
		printf "body:has(.k%d:hover) {", d
		for (e = 1; e <= designs; e++)
			if (e != d)
				printf " --d%d: var(--line);", e
		print " }"
	}
	if ("objrmap" in id)
		printf ":root { --d%d: var(--us); }\n", id["objrmap"]
	print "</style>\n<main>"
	heading()
	summary()
	key()
	if (curves)
		growth()
	workload_dots()
	heat()
	footing()
	print "</main>\n</html>"
}

function include(name,    line)
{
	while ((getline line < name) > 0)
		print line
	close(name)
}

function plot(name, what, more,    file, line)
{
	file = svg "/" name ".svg"
	if ((getline line < file) <= 0)
		return
	printf "<div class=\"card\"><h3>%s</h3><p>%s</p>\n%s\n", what, more, line
	while ((getline line < file) > 0)
		if (line !~ /^[ \t]*$/)
			print line
	close(file)
	print "</div>"
}

function plain(w)
{
	gsub(/_/, " ", w)
	return w
}

function number(x)
{
	x += 0
	if (x >= 9999500) return sprintf("%.0fM", x / 1000000)
	if (x >= 999500) return sprintf("%.1fM", x / 1000000)
	if (x >= 9995) return sprintf("%.0fk", x / 1000)
	if (x >= 1000) return sprintf("%.1fk", x / 1000)
	if (x >= 100 || x == int(x)) return sprintf("%.0f", x)
	return x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x)
}

# 0 to 1: how far is x from the best of its row, on the way to 16 times as much, or to the worst if that is more?
# What is counted from 0 has no ratio, so one is added to all.
function heat_of(x, least, most)
{
	if (least == 0) {
		x++; least++; most++
	}
	most = most / least > 16 ? most / least : 16
	return log(x / least) / log(most)
}

function cell(x, least, most, all_same,    h)
{
	if (x == "")
		return "<td class=\"none\">&middot;</td>"
	h = heat_of(x, least, most)
	if (h < 0.004)
		return "<td" (all_same ? "" : " class=\"best\"") ">" number(x) "</td>"
	return sprintf("<td style=\"--h:%.2f\">%s</td>", 0.06 + h * 0.74, number(x))
}

function column_heads(    d)
{
	printf "<thead><tr><th></th>"
	for (d = 1; d <= designs; d++)
		printf "<th%s style=\"--c:var(--d%d)\"><b>%s</b><i></i></th>",
			(design[d] == "objrmap" ? " class=\"us\"" : ""), d, plain(design[d])
	print "</tr></thead>"
}

# ---- the top ----

function heading()
{
	printf "<header><h1>%d reverse maps, %d workloads, one checker</h1>\n", designs, workloads
	print "<p class=\"lead\">A kernel that wants a page back must find every page-table entry that maps it. " \
		"Here each design for that is linked into the same library, plays the same programs, and has the " \
		"contents of every page checked. Instructions are counted, so the figures repeat.</p>"
	printf "<p>%s</p></header>\n", findings()
	tiles()
}

# Of how many workloads (stands[1] of stands[2]) does the default have the least of m, or within a hundredth
# of it? And where is it farthest from that: stands[3] times what the design stands[4] has, in stands[5].
# virtual_scan is not asked about metadata: it keeps none of pages or areas, and pays in walks.
function standing(m, stands,    w, mine, d, x, least, who)
{
	split("0 0 0", stands, " ")
	for (w = 1; w <= workloads; w++) {
		mine = value["objrmap", workload[w], m]
		least = who = ""
		for (d = 1; d <= designs; d++) {
			x = value[design[d], workload[w], m]
			if (x == "" || design[d] == "objrmap" || (design[d] == "virtual_scan" && m ~ /^metadata/))
				continue
			if (least == "" || x + 0 < least) {
				least = x + 0
				who = design[d]
			}
		}
		if (mine == "" || least == "")
			continue
		stands[2]++
		if (mine <= least * 1.01) {
			stands[1]++
		} else if (least > 0 && mine / least > stands[3]) {
			stands[3] = mine / least
			stands[4] = who
			stands[5] = workload[w]
		}
	}
	return stands[2]
}

function times(x)
{
	return sprintf(x < 1.1 ? "%.2f" : x < 10 ? "%.1f" : "%.0f", x)
}

function tiles(    i, m, list, stands)
{
	if (!("objrmap" in id) || designs < 2)
		return
	print "<div class=\"tiles\">"
	split("metadata_bytes fault_objects insn_fault insn_fork insn_exit insn_reclaim probes_mean probes_max", list, " ")
	for (i = 1; i in list; i++) {
		m = list[i]
		if (!standing(m, stands))
			continue
		printf "<div class=\"tile\" title=\"%s\"><h3>%s</h3><b>%d<small> of %d</small></b><p>%s</p></div>\n",
			means[m], title[m], stands[1], stands[2], stands[3] ? sprintf("at most %s &times; %s, in %s",
			times(stands[3]), plain(stands[4]), plain(stands[5])) : "nowhere more than a rival"
	}
	print "</div>"
}

function findings(    list, i, stands, n, of, d, w, missed)
{
	split("insn_fault insn_fork insn_exit insn_unmap insn_mremap insn_reclaim", list, " ")
	for (i = 1; i in list; i++) {
		standing(list[i], stands)
		n += stands[1]
		of += stands[2]
	}
	for (d = 1; d <= designs; d++)
		for (w = 1; w <= workloads; w++)
			missed += value[design[d], workload[w], "pages_missed"]
	return sprintf("In %d of %d cases the default, objrmap, takes no more instructions than the best rival, or a " \
		"hundredth more. Below: in how many workloads it has the least of what is counted, and where it is " \
		"farthest from that. Walks that did not find every entry of their page, in all designs: %d.",
		n, of, missed)
}
# ---- a line for each design ----

# The geometric mean, over the workloads that both have, of what the design needs for what the default needs.
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
	return n ? exp(sum / n) : ""
}

function total(d, m,    w, sum, any)
{
	for (w = 1; w <= workloads; w++)
		if (value[d, workload[w], m] != "") {
			sum += value[d, workload[w], m]
			any = 1
		}
	return any ? sum + 0 : ""
}

function summary(    i, d, n, col, sum, least, most, same)
{
	n = split("insn_fault insn_fork insn_exit insn_unmap insn_mremap insn_reclaim probes_mean " \
		"metadata_bytes fault_objects merges_refused pages_copied pages_missed", col, " ")
	print "<h2>At a glance</h2><p>Instructions and probes as a multiple of the default's, the geometric mean over " \
		"all workloads; the rest summed up over them. Colour: distance from the best of the column.</p>"
	print "<div class=\"scroll\"><table class=\"sum\"><thead><tr><th></th>"
	for (i = 1; i <= n; i++)
		printf "<th title=\"%s\">%s</th>", means[col[i]], title[col[i]]
	print "</tr></thead><tbody>"
	for (i = 1; i <= n; i++) {
		same[i] = 1
		for (d = 1; d <= designs; d++) {
			sum[d, i] = i <= 7 ? relative(design[d], col[i]) : total(design[d], col[i])
			if (sum[d, i] == "")
				continue
			if (least[i] != "" && sum[d, i] != least[i])
				same[i] = 0
			if (least[i] == "" || sum[d, i] + 0 < least[i])
				least[i] = sum[d, i] + 0
			if (sum[d, i] + 0 > most[i])
				most[i] = sum[d, i] + 0
		}
	}
	for (d = 1; d <= designs; d++) {
		printf "<tr><th style=\"--c:var(--d%d)\"><i></i>%s</th>", d,
			design[d] == "objrmap" ? "<b>objrmap</b>" : plain(design[d])
		for (i = 1; i <= n; i++)
			printf "%s", cell(sum[d, i], least[i], most[i], same[i])
		print "</tr>"
	}
	print "</tbody></table></div>"
}

function key(    d)
{
	print "<div class=\"key\">"
	for (d = 1; d <= designs; d++)
		printf "<span class=\"k%d%s\" style=\"--c:var(--d%d)\"><i></i>%s</span>\n", d,
			(design[d] == "objrmap" ? " us" : ""), d, plain(design[d])
	print "</div>"
}

# ---- plots ----

function growth(    i, list)
{
	print "<h2>How it grows</h2><p>A family in which all but one rewrite what they inherit: wide, then deep; and a " \
		"process that has more and more areas. Both axes are logarithmic.</p>"
	print "<div class=\"grid\">"
	split("metadata_bytes insn_reclaim probes_max insn_fork", list, " ")
	for (i = 1; i in list; i++) {
		plot("children-" list[i], title[list[i]] ", by children", means[list[i]])
		plot("depth-" list[i], title[list[i]] ", by depth of forks", means[list[i]])
		plot("areas-" list[i], title[list[i]] ", by areas", means[list[i]])
	}
	print "</div>"
}

function workload_dots(    i, list)
{
	print "<h2>Workload by workload</h2><p>Farther left is better. Where dots lie on each other, the designs do not differ.</p>"
	print "<div class=\"grid\">"
	split("metadata_bytes insn_fault insn_fork insn_exit insn_reclaim probes_max", list, " ")
	for (i = 1; i in list; i++)
		plot(list[i], title[list[i]], means[list[i]])
	print "</div>"
}

# ---- heat ----

function heat(    i, w, m)
{
	print "<h2>Every figure</h2><p>The best of a row is green; the warmer, the farther from it, on a logarithmic scale. " \
		"A point: the workload does no such thing.</p>"
	print "<div class=\"grid wide\">"
	for (i = 1; i <= nr_metrics; i++) {
		m = order[i]
		if (!(m in has))
			continue
		printf "<div class=\"card\"><h3>%s</h3><p>%s</p><table>\n", title[m], means[m]
		column_heads()
		print "<tbody>"
		for (w = 1; w <= workloads; w++)
			if ((workload[w], m) in best)
				heat_row(workload[w], m)
		print "</tbody></table></div>"
	}
	print "</div>"
}

function heat_row(w, m,    d, x, same)
{
	same = 1
	for (d = 1; d <= designs; d++) {
		x = value[design[d], w, m]
		if (x != "" && heat_of(x, best[w, m], worst[w, m]) >= 0.004)
			same = 0
	}
	printf "<tr><th title=\"%s\">%s</th>", about[w], plain(w)
	for (d = 1; d <= designs; d++)
		printf "%s", cell(value[design[d], w, m], best[w, m], worst[w, m], same)
	print "</tr>"
}

function footing(    w)
{
	print "<h2>What is played</h2><dl>"
	for (w = 1; w <= workloads; w++)
		printf "<dt>%s</dt><dd>%s</dd>\n", plain(workload[w]), about[workload[w]]
	print "</dl>"
	printf "<footer>Made by <code>make compare</code> at scale %s. Instructions are those of the library alone, " \
		"counted under QEMU; locks are those that a debug build takes. docs/comparison.md says how each figure is " \
		"measured; compare.json and compare.csv, beside this page, have them all.</footer>\n", scale
}
