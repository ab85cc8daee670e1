package conform_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/conform"
)

// testOptions are for the test binary as a plugin that breaks one rule.
func testOptions(t *testing.T, breaks, handover string) conform.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return conform.Options{
		Target: conform.Target{Command: []string{self, asPlugin, breaks, handover}},
		Setup: conform.Setup{
			Settings: json.RawMessage(`{"url":"{{vendor}}","listen":"{{listen}}"}`),
			Secrets:  map[string]string{"token": "canary-7f3a"},
			Outcome:  "OK",
			Inbound:  &conform.Inbound{Dial: "{{listen}}", Each: "hello {{n}}\n"},
		},
		Patience: 30 * time.Second, StopWithin: 20 * time.Second, // a busy machine breaks no rule
	}
}

// TestGood: a plugin that keeps all rules passes every case.
func TestGood(t *testing.T) {
	for _, test := range []struct {
		handover string
		only     []string
		other    string // the case that does not apply
	}{
		{"parallel", nil, "handover/exclusive"},
		{"exclusive", []string{"describe", "handover/"}, "handover/parallel"},
	} {
		t.Run(test.handover, func(t *testing.T) {
			o := testOptions(t, "none", test.handover)
			o.Only = test.only
			r, err := conform.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range r.Cases {
				want := conform.Pass
				if c.Name == test.other {
					want = conform.NotApplicable
				}
				if c.Verdict != want {
					t.Errorf("%s: %s, want %s: %s", c.Name, c.Verdict, want, c.Detail)
				}
			}
			if r.Plugin != "test.conform" || r.Version != "1.0.0" || r.Driver != "test" || r.Blocked != "" {
				t.Errorf("report of %+v", r)
			}
		})
	}
}

// TestBroken: for every case there is a plugin that keeps all rules but this
// one, and fails.
func TestBroken(t *testing.T) {
	for _, name := range conform.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits
			handover := "parallel"
			if name == "handover/exclusive" {
				handover = "exclusive"
			}
			o := testOptions(t, name, handover)
			o.Only = []string{name}
			o.Patience, o.StopWithin = 2*time.Second, time.Second // it fails by not answering
			r, err := conform.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Cases) != 1 || r.Cases[0].Verdict != conform.Fail {
				t.Fatalf("the broken plugin did not fail: %+v", r.Cases)
			}
			t.Log(r.Cases[0].Detail)
		})
	}
}

func TestNoProgram(t *testing.T) {
	r, err := conform.Run(t.Context(), conform.Options{
		Target: conform.Target{Command: []string{"/nonexistent/plugin"}}, Only: []string{"handshake/line", "order"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cases) != 1 || r.NotRun == 0 || r.Blocked == "" || r.Plugin != "" {
		t.Fatalf("report of a program that is not there: %+v", r)
	}
	if c := r.Cases[0]; c.Verdict != conform.Fail || !strings.Contains(c.Detail, "no such file") {
		t.Errorf("%s: %s, %q does not say that there is no such file", c.Name, c.Verdict, c.Detail)
	}
}

func TestWrongOptions(t *testing.T) {
	if _, err := conform.Run(t.Context(), conform.Options{}); err == nil {
		t.Error("no command is no error")
	}
	o := testOptions(t, "none", "parallel")
	o.Only = []string{"surely/unknown"}
	if _, err := conform.Run(t.Context(), o); err == nil {
		t.Error("a case that there is not is no error")
	}
}

func TestReport(t *testing.T) {
	r := conform.Report{Plugin: "org.example.acme", Version: "1.2.0", Driver: "acme", Cases: []conform.Result{
		{Name: "a", What: "it does a", Verdict: conform.Pass, Seconds: 0.25},
		{Name: "bb", What: "it does b", Verdict: conform.Fail, Detail: "it does not\nnor does it c", Seconds: 1},
		{Name: "c", What: "it does c", Verdict: conform.NotApplicable, Detail: "there is no c"},
	}}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	want := `pass  a   0.25 s  it does a
FAIL  bb  1.00 s  it does not
                  nor does it c
n/a   c   0.00 s  there is no c
org.example.acme 1.2.0, driver acme: 1 passed, 1 failed, 1 do not apply
`
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Error(diff)
	}
	b, err := json.Marshal(r.Cases[2])
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"c","what":"it does c","verdict":"not_applicable","detail":"there is no c","seconds":0}`; string(b) != want {
		t.Errorf("JSON %s, want %s", b, want)
	}
}
