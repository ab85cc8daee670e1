# Reads what go test -v prints of many packages, and prints what go test prints
# without -v: one line for each package, and all of those that failed. What the
# failed tests said comes again at the end, where it is found. The tests that were
# skipped come last, and go to the file named by skipped too.

function done() {
	for (i = 0; i < tests; i++)
		list[skips++] = "  " $2 "." names[i]
	lines = tests = said = 0
}

/^(ok  |\?   )\t/ { print; fflush(); done(); next }
/^FAIL\t/ {
	for (i = 0; i < lines; i++)
		print line[i]
	print
	fflush()
	for (i = 0; i < said; i++)
		failure[failures++] = words[i]
	failure[failures++] = $0
	done()
	next
}
/^=== RUN/        { from = lines }
/^ *--- SKIP: /   { names[tests++] = $3 }
                  { line[lines++] = $0 }
/^ *--- FAIL: / {
	for (i = from; i < lines; i++)
		words[said++] = substr(line[i], 1, 500)
	from = lines
}

END {
	for (i = 0; i < lines; i++)
		print line[i]
	print "skipped tests: " skips + 0 > skipped
	for (i = 0; i < skips; i++)
		print list[i] > skipped
	close(skipped)
	while ((getline text < skipped) > 0)
		print text
	if (failures)
		print "== what failed"
	for (i = (failures > 400 ? failures - 400 : 0); i < failures; i++)
		print failure[i]
}
