package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/openccsp/gateway/core/diag"
)

// report prints err to a person: problems in files with their place, and on a
// terminal also with the line and a caret; anything else as "gateway: …".
func report(w io.Writer, err error) {
	if ps, ok := errors.AsType[diag.Problems](err); ok {
		printProblems(w, "", ps)
		return
	}
	if p, ok := errors.AsType[*diag.Problem](err); ok {
		printProblems(w, "", diag.Problems{p})
		return
	}
	_, _ = fmt.Fprintln(w, "gateway:", err)
}

// warn prints problems that keep nothing from working.
func warn(w io.Writer, ps diag.Problems) { printProblems(w, "warning: ", ps) }

func printProblems(w io.Writer, prefix string, ps diag.Problems) {
	ps, ok := errors.AsType[diag.Problems](ps.Err()) // sorted
	if !ok {
		return
	}
	if !isTerminal(w) {
		for line := range strings.Lines(ps.Error() + "\n") {
			_, _ = io.WriteString(w, prefix+line)
		}
		return
	}
	printSource(w, prefix, ps)
}

// printSource prints problems with the lines they are in.
func printSource(w io.Writer, prefix string, ps diag.Problems) {
	sources := map[string]string{}
	for _, p := range ps {
		src, read := sources[p.File]
		if !read {
			b, _ := os.ReadFile(p.File) // without it the line is left out
			src = string(b)
			sources[p.File] = src
		}
		text := p.Error()
		if src != "" {
			text = p.Text(src)
		}
		_, _ = fmt.Fprintln(w, prefix+text)
	}
}
