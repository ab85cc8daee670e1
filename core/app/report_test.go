package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/openccsp/gateway/core/diag"
)

func TestReport(t *testing.T) {
	p := &diag.Problem{Pos: diag.Pos{File: "a.hcl", Line: 1, Column: 2}, Summary: "bad", Hint: "try this"}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"problems", diag.Problems{p, p}.Err(), "a.hcl:1:2: bad; try this\na.hcl:1:2: bad; try this\n"},
		{"one problem, joined", errors.Join(p, nil), "a.hcl:1:2: bad; try this\n"},
		{"wrapped", fmt.Errorf("reload: %w", diag.Problems{p}.Err()), "a.hcl:1:2: bad; try this\n"},
		{"other", errors.New("boom"), "gateway: boom\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if report(&out, tt.err); out.String() != tt.want {
				t.Errorf("got %q, want %q", out.String(), tt.want)
			}
		})
	}
}

func TestPrintSource(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.hcl")
	if err := os.WriteFile(file, []byte("listn = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	printSource(&out, "warning: ", diag.Problems{
		{Pos: diag.Pos{File: file, Line: 1, Column: 3}, Summary: "bad"},
		{Pos: diag.Pos{File: "gone.hcl", Line: 1, Column: 1}, Summary: "bad"},
	})
	want := "warning: " + file + ":1:3: bad\n  1 | listn = 1\n    |   ^\nwarning: gone.hcl:1:1: bad\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
