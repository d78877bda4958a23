# The figures of one workload, as lines "METRIC VALUE". Arguments: OUT.log and OUT.moments of machine.sh.
#
# What is measured lies between the moments "begin" and "end". Where there are stretches between "from"
# and "to" in it, these are single runs of a command beside a hog that never ends, and how they are
# spread is told instead, since the sum of all depends on how far the hog gets.

FILENAME ~ /\.log$/ {
	if ($1 == "@count")
		count[$2] = $3
	else if ($1 == "@run")
		faults[++told] = $2
	next
}

# A moment: name, user, kernel, root rd_bytes wr_bytes reads writes, swap the same.
$1 == "begin" || $1 == "from" {
	for (i = 2; i <= 11; i++)
		start[$1, i] = $i
}

$1 == "end" {
	ended = 1
	for (i = 2; i <= 11; i++)
		total[i] = $i - start["begin", i]
}

$1 == "to" {
	runs++
	insns[runs] = $2 + $3 - start["from", 2] - start["from", 3]
	reads[runs] = $6 + $10 - start["from", 6] - start["from", 10]
}

END {
	if (!ended || runs != told)
		exit 1
	if ("room_mib" in count)
		put("room_mib", count["room_mib"])
	else if (runs)
		latency()
	else
		transfers()
}

# Some awks would print a large number as 1.2e+10.
function put(metric, value)
{
	print metric, (value == int(value) ? sprintf("%.0f", value) : value)
}

function transfers(    instructions, requests)
{
	instructions = total[2] + total[3]
	requests = total[6] + total[10]
	put("major_faults", count["pgmajfault"] + 0)
	put("pages_in", count["pswpin"] + 0)
	put("requests", requests)
	put("file_mib", sprintf("%.1f", total[4] / 1048576))
	put("instructions", instructions)
	put("modelled_s", sprintf("%.3f", seconds(instructions, requests, total[4] + total[8])))
	put("pages_out", count["pswpout"] + 0)
	put("swap_requests", total[10])
	put("file_requests", total[6])
	put("user_instructions", total[2])
}

# A processor of 3 G instructions a second; a disk of 80 us a request and 2 GB/s. Nothing overlaps.
function seconds(instructions, requests, bytes)
{
	return instructions / 3e9 + requests * 80e-6 + bytes / 2e9
}

# Of the whole machine while the command ran, hog included; the faults are the command's own.
function latency()
{
	spread("latency_instructions", insns)
	spread("latency_requests", reads)
	spread("latency_major_faults", faults)
}

function spread(metric, v,    i, j, t)
{
	for (i = 2; i <= runs; i++) {
		t = v[i]
		for (j = i - 1; j > 0 && v[j] > t; j--)
			v[j + 1] = v[j]
		v[j + 1] = t
	}
	put(metric "_p50", v[int((runs * 50 + 99) / 100)])
	put(metric "_p99", v[int((runs * 99 + 99) / 100)])
	put(metric "_worst", v[runs])
}
