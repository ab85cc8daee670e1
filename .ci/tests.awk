# Reads what go test -v prints of many packages, and prints what go test prints
# without -v: one line for each package, and all of those that failed. The
# tests that were skipped come last, and go to the file named by skipped too.

function done() {
	for (i = 0; i < tests; i++)
		list[skips++] = "  " $2 "." names[i]
	lines = tests = 0
}

/^(ok  |\?   )\t/ { print; fflush(); done(); next }
/^FAIL\t/         { for (i = 0; i < lines; i++) print line[i]; print; fflush(); done(); next }
/^ *--- SKIP: /   { names[tests++] = $3 }
                  { line[lines++] = $0 }

END {
	for (i = 0; i < lines; i++)
		print line[i]
	print "skipped tests: " skips + 0 > skipped
	for (i = 0; i < skips; i++)
		print list[i] > skipped
	close(skipped)
	while ((getline text < skipped) > 0)
		print text
}
