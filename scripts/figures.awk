# Fill in the blocks of a page. Arguments: the results, *.json, then the page. The variable `blocks`
# names the file with the tables, scripts/figures.in. In the page a block stands between a line
# "<!-- figures: NAME -->" and a line "<!-- end -->".

BEGIN {
	while ((getline line < blocks) > 0) {
		if (line ~ /^@ /)
			name = substr(line, 3)
		else if (name != "")
			block[name] = block[name] line "\n"
	}
}

# "key": value, one or several a line; lines of bench-linux.json have a name, those of
# bench-pressure.json a name and a metric, those of bench-scale.json name, cpus, spaces and metric.
FILENAME ~ /\.json$/ {
	row = ""
	for (rest = $0; match(rest, /"[^"]*": ("[^"]*"|[0-9.]+|null)/); rest = substr(rest, RSTART + RLENGTH)) {
		split(substr(rest, RSTART + 1, RLENGTH - 1), part, /": "?/)
		sub(/"$/, "", part[2])
		if (part[1] == "name")
			row = part[2]
		else if (row != "" && part[1] ~ /^(cpus|spaces|metric)$/)
			row = row "." part[2]
		else
			value[row == "" ? part[1] : part[1] == "objrmap" ? row : row "." part[1]] = part[2]
	}
	next
}

/^<!-- figures: / {
	if (!($3 in block))
		fail("there is no table " $3)
	print
	sub(/\n+$/, "", block[$3])
	print substitute(block[$3])
	in_block = 1
}

/^<!-- end -->$/ { in_block = 0 }

!in_block

END {
	if (in_block && !failed)
		fail("a block has no end")
}

function fail(what)
{
	print "figures: " what >"/dev/stderr"
	failed = 1
	exit 1
}

function substitute(text,    done)
{
	for (; match(text, /[{][^}]*[}]/); text = substr(text, RSTART + RLENGTH))
		done = done substr(text, 1, RSTART - 1) show(substr(text, RSTART + 1, RLENGTH - 2))
	return done text
}

# {key}, or {KiB key} for bytes. Seconds, MiB and lines keep decimals, as they are small.
function show(key,    kib)
{
	kib = sub(/^KiB /, "", key)
	if (!(key in value))
		fail("no result is called " key)
	if (value[key] == "null")
		return "-"
	if (value[key] !~ /^[0-9.]+$/ || key ~ /\.ratio(_thp)?$/)
		return value[key]
	if (key ~ /(_s|\.lines(_read)?)(\.linux)?$/)
		return sprintf("%.2f", value[key])
	if (key ~ /_mib(\.linux)?$/)
		return sprintf(value[key] < 10 ? "%.1f" : "%.0f", value[key])
	return kib ? sprintf("%.0f KiB", value[key] / 1024) : short(value[key])
}

# 9999, 99.9 k, 999 k, 9.9 M, 9.9 G
function short(x)
{
	if (x < 10000)
		return sprintf("%.0f", x)
	if (x < 1000000)
		return sprintf(x < 100000 ? "%.1f k" : "%.0f k", x / 1000)
	if (x < 1000000000)
		return sprintf(x < 100000000 ? "%.1f M" : "%.0f M", x / 1000000)
	return sprintf("%.1f G", x / 1000000000)
}
