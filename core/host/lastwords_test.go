package host_test

import (
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/host"
)

func TestLastWords(t *testing.T) {
	const stack = "goroutine 1 [running]:\npanic({0x1, 0x2})\n\t/go/panic.go:1 +0x1\nmain.(*T).run(...)\n\t/x.go:5 +0x1d\ncreated by main.main in goroutine 7\n\t/x.go:9 +0x1\n"
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"the last line", "one\nno licence found\n", "no licence found"},
		{"a panic", "one\npanic: asked to\n\n" + stack, "panic: asked to"},
		{"of several lines", "panic: first\nsecond\nthird)\n\n" + stack, "panic: first"},
		{"recovered once", "panic: one [recovered, repanicked]\n" + stack, "panic: one"},
		{"recovered, with another", "panic: one [recovered]\n\tpanic: two\n" + stack, "panic: one"},
		{"all on one line", "panic: boom goroutine 7 [running]:", "panic: boom"},
		{"about a goroutine", "panic: leaked goroutine 7 of x\n" + stack, "panic: leaked goroutine 7 of x"},
		{"a signal", "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1]\n" + stack,
			"panic: runtime error: invalid memory address or nil pointer dereference"},
		{"a deadlock", "fatal error: all goroutines are asleep - deadlock!\n\n" + stack + "rax    0x0\nrip    0x45e1a3\nexit status 2\n",
			"fatal error: all goroutines are asleep - deadlock!"},
		{"a record in between", "panic: asked to\n{\"@message\":\"still here\"}\n" + stack, "panic: asked to"},
		{"a record in the stack", "panic: asked to\n" + stack + "{\"@message\":\"still here\"}\nmain.main()\n", "panic: asked to"},
		{"a panic of long ago", "panic: made up\n" + stack + "it goes on\nno licence found\n", "no licence found"},
		{"the latest panic", "panic: one\n" + stack + "panic: two\n" + stack, "panic: two"},
		{"node", "/x.js:1\nthrow new Error()\n^\n\nError: boom at\n the second line\n    at f (/x.js:1:29)\n    at node:internal/x:1:2 {\n  code: 'X'\n}\n\nNode.js v20.20.2\n",
			"Error: boom at"},
		{"node's event", "node:events:502\n      throw er;\n      ^\n\nError: connect ECONNREFUSED 127.0.0.1:1\n    at TCP (node:net:1:1)\nEmitted 'error' event on Socket instance at:\n    at f (x:1)\n\nNode.js v20.20.2\n",
			"Error: connect ECONNREFUSED 127.0.0.1:1"},
		{"node's code", "TypeError [ERR_INVALID_ARG_TYPE]: The \"path\" argument\n    at f (x:1)\n", `TypeError [ERR_INVALID_ARG_TYPE]: The "path" argument`},
		{"node's promise", "UnhandledPromiseRejection: This error originated\n    at x (y:1)\n\nNode.js v20.20.2\n", "UnhandledPromiseRejection: This error originated"},
		{"an error of long ago", "Error: busy, once more\n    at f (x:1)\n[2026-11-30] no licence found\n", "[2026-11-30] no licence found"},
		{"thrown text", "/x.js:1\nthrow \"text\"\n^\ntext\n(Use `node --trace-uncaught ...` to show where)\n\nNode.js v20.20.2\n", "text"},
		{"out of memory", "FATAL ERROR: Reached heap limit\n----- Native stack trace -----\n 1: 0xb09 node::Abort()\n", "FATAL ERROR: Reached heap limit"},
		{"python", "Traceback (most recent call last):\n  File \"x.py\", line 1\nValueError: x\n", "ValueError: x"},
		{"python's dots", "grpc._channel.InactiveError: <it>\n\tstatus = x\n", "grpc._channel.InactiveError: <it>"},
		{"not for a terminal", "panic: a\x1b[2Jb\rc\xff\u202e", `panic: a\x1b[2Jb\rc` + "\ufffd" + `\u202e`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := lastWords(tt.text); got != tt.want {
				t.Errorf("last words of\n%s\n got %q\nwant %q", tt.text, got, tt.want)
			}
		})
	}
	if got := lastWords("panic: " + strings.Repeat("x", 1<<20)); len(got) > 600 || !strings.HasSuffix(got, "x…") {
		t.Errorf("%d bytes of a long line, want it cut", len(got))
	}
}

func lastWords(text string) string {
	var w host.LastWords
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			w.Add([]byte(line))
		}
	}
	return w.String()
}
