package diag_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/diag"
)

func TestPos(t *testing.T) {
	tests := []struct {
		got  diag.Pos
		want string
	}{
		{diag.Pos{File: "a.yaml", Line: 4, Column: 9}, "a.yaml:4:9"},
		{diag.Pos{File: "a.yaml"}, "a.yaml"},
	}
	for _, tt := range tests {
		if got := tt.got.String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestProblemText(t *testing.T) {
	tests := []struct {
		name string
		p    diag.Problem
		src  string
		want string
	}{
		{"caret", diag.Problem{Pos: diag.Pos{File: "f", Line: 2, Column: 3}, Summary: "bad", Hint: "try this"}, "x\n  wrong\n",
			"f:2:3: bad\n  2 |   wrong\n    |   ^ try this"},
		{"tabs and escapes", diag.Problem{Pos: diag.Pos{File: "f", Line: 1, Column: 3}, Summary: "bad"}, "\t\x1bx\r\n",
			"f:1:3: bad\n  1 |  \ufffdx\n    |   ^"},
		{"wide runes", diag.Problem{Pos: diag.Pos{File: "f", Line: 1, Column: 3}, Summary: "bad"}, "客户x",
			"f:1:3: bad\n  1 | 客户x\n    |     ^"},
		{"past the line", diag.Problem{Pos: diag.Pos{File: "f", Line: 1, Column: 50}, Summary: "bad"}, "ab",
			"f:1:50: bad\n  1 | ab\n    |   ^"},
		{"past the file", diag.Problem{Pos: diag.Pos{File: "f", Line: 9, Column: 1}, Summary: "bad"}, "ab", "f:9:1: bad"},
		{"whole file", diag.Problem{Pos: diag.Pos{File: "f"}, Summary: "bad"}, "ab", "f: bad"},
		{"long line", diag.Problem{Pos: diag.Pos{File: "f", Line: 1, Column: 501}, Summary: "bad"},
			strings.Repeat("a", 500) + "b" + strings.Repeat("c", 500),
			"f:1:501: bad\n  1 | " + strings.Repeat("a", 50) + "b" + strings.Repeat("c", 49) + "\n    | " + strings.Repeat(" ", 50) + "^"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.p.Text(tt.src)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestProblemsAreSortedAndCapped(t *testing.T) {
	var ps diag.Problems
	for i := 25; i > 0; i-- {
		ps = append(ps, diag.Errorf(diag.Pos{File: "f", Line: i, Column: 1}, "mistake %d", i))
	}
	lines := strings.Split(ps.Err().Error(), "\n")
	if len(lines) != 21 || lines[0] != "f:1:1: mistake 1" || lines[20] != "and 5 more" {
		t.Errorf("got %d lines, first %q, last %q", len(lines), lines[0], lines[len(lines)-1])
	}
	if ps[0].Line != 25 {
		t.Error("Err changed the order of its receiver")
	}
	if err := (diag.Problems)(nil).Err(); err != nil {
		t.Errorf("no problems: got %v, want nil", err)
	}
}

func TestProblemJSON(t *testing.T) {
	b, err := json.Marshal(&diag.Problem{Pos: diag.Pos{File: "f", Line: 1, Column: 2}, Summary: "bad", Hint: "h"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), `{"file":"f","line":1,"column":2,"summary":"bad","hint":"h"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"customer_message", "chat_closed", "chat_opened", "when", "on", "name"}
	tests := map[string]string{
		"customer_mesage": "customer_message",
		"chat_close":      "chat_closed",
		"Chat_Closed":     "chat_closed",
		"wher":            "when",
		"nam":             "name",
		"x":               "",
		"":                "",
		"survey":          "",
	}
	for name, want := range tests {
		t.Run(strconv.Quote(name), func(t *testing.T) {
			if got := diag.Suggest(name, known); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\n\tb", 2, 1)
	f.Fuzz(func(t *testing.T, src string, line, column int) {
		got := (&diag.Problem{Pos: diag.Pos{File: "f", Line: line, Column: column}, Summary: "s"}).Text(src)
		if !strings.HasPrefix(got, "f") || strings.ContainsAny(got, "\x1b\r\t") {
			t.Errorf("got %q", got)
		}
	})
}
