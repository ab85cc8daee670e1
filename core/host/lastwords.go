package host

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxLastWords = 512 // bytes of what says why a process ended
	maxPanicText = 50  // lines that a panic's message may have
)

// LastWords finds, in what a process writes to standard error, the line that
// says why it ended: that of a panic, or of an error that nobody caught, and
// not of the stack below it; or else the last line. Its zero value is ready.
type LastWords struct {
	line    string
	stack   bool // what follows belongs to line
	message int  // how many lines of a panic's message may still come
}

// Add takes the next line, without its end.
func (w *LastWords) Add(line []byte) {
	switch {
	case isPanic(line):
		w.begin(line, maxPanicText)
	case errorForm.Match(clipBytes(line, maxLastWords)):
		w.begin(line, 0)
	case w.message > 0:
		w.message--
		if bytes.HasPrefix(line, []byte("goroutine ")) {
			w.message = 0
		}
	case w.stack && isStack(line), w.line != "" && hasPrefix(line, trailers):
	default:
		w.line, w.stack = string(clipBytes(line, maxLastWords)), false
	}
}

func (w *LastWords) begin(line []byte, message int) {
	w.line, w.stack, w.message = string(clipBytes(line, maxLastWords)), true, message
}

// InStack says that the line that was added last belongs to a panic or an error.
func (w *LastWords) InStack() bool { return w.stack }

// String returns the line, at most 512 bytes of it and some for what had to be
// escaped; "" if there was none.
func (w *LastWords) String() string {
	line := strings.ToValidUTF8(strings.TrimSpace(w.line), "\uFFFD")
	if len(w.line) == maxLastWords {
		line += "…"
	}
	if isPanic([]byte(line)) {
		line = recoveredForm.ReplaceAllString(line, "")
	}
	var b strings.Builder
	for _, r := range line {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

var (
	panics = []string{"panic: ", "fatal error: ", "FATAL ERROR: "} // of Go, and V8
	// trailers are what Node ends with, whatever it was.
	trailers = []string{"Node.js v", "(Use `node --trace"}
	// stackLines begin what is between an error and the end, beside what is
	// indented.
	stackLines = []string{" ", "\t", "}", "]", "{", "[signal ", "[originating ", "goroutine ", "created by ", "runtime: ", "runtime stack:",
		"...", "Emitted 'error' event", "-----", "exit status "}

	errorForm     = regexp.MustCompile(`^(Uncaught )?[\w.]*(Error|Exception|Rejection)( \[\w+\])?(: |$)`) // of Node and Python
	frameForm     = regexp.MustCompile(`^\S+\(.*\)$`)                                                     // main.main()
	registerForm  = regexp.MustCompile(`^[a-z0-9]+ +0x[0-9a-f]+$`)
	recoveredForm = regexp.MustCompile(`( \[recovered.*\])?( goroutine \d+ \[.*\]:)?$`)
)

func isPanic(line []byte) bool { return hasPrefix(line, panics) }

func isStack(line []byte) bool {
	return hasPrefix(line, stackLines) || frameForm.Match(line) || registerForm.Match(line)
}

func hasPrefix(line []byte, prefixes []string) bool {
	for _, p := range prefixes {
		if bytes.HasPrefix(line, []byte(p)) {
			return true
		}
	}
	return false
}

func clipBytes(b []byte, n int) []byte { return b[:min(len(b), n)] }
