# The figures of one run, as lines "METRIC VALUE". Arguments: OUT.log and OUT.moments of machine.sh.
# The whole stretch lies between the moments "begin" and "end"; stretches between "from" and "to" are
# single runs of a command, and how these are spread is told as well.

FILENAME ~ /\.log$/ {
	if ($1 == "@count")
		count[$2] = $3
	next
}

# A moment: name, user, kernel, root rd_bytes wr_bytes reads writes, swap the same.
$1 == "begin" || $1 == "from" { for (i = 2; i <= 11; i++) start[$1, i] = $i }
$1 == "end" { for (i = 2; i <= 11; i++) total[i] = $i - start["begin", i] }
$1 == "to" {
	runs++
	insns[runs] = $2 + $3 - start["from", 2] - start["from", 3]
	reads[runs] = $6 + $10 - start["from", 6] - start["from", 10]
}

END {
	if (!(2 in total))
		exit 1
	instructions = total[2] + total[3]
	requests = total[6] + total[10]
	if ("room_mib" in count) {
		put("room_mib", count["room_mib"])
		exit
	}
	put("major_faults", count["pgmajfault"] + 0)
	put("pages_in", count["pswpin"] + 0)
	put("requests", requests)
	put("file_mib", sprintf("%.1f", total[4] / 1048576))
	put("instructions", instructions)
	put("modelled_s", sprintf("%.3f", seconds(instructions, requests, total[4] + total[8])))
	put("swap_requests", total[10])
	put("file_requests", total[6])
	put("write_requests", total[7] + total[11])
	put("pages_out", count["pswpout"] + 0)
	put("user_instructions", total[2])
	if (runs) {
		spread("latency_instructions", insns)
		spread("latency_requests", reads)
	}
}

# A processor of 3 G instructions a second; a disk of 80 us a request and 2 GB/s. Nothing overlaps.
function seconds(instructions, requests, bytes)
{
	return instructions / 3e9 + requests * 80e-6 + bytes / 2e9
}

function put(metric, value)
{
	print metric, value
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
