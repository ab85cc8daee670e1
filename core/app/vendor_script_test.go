package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// shipped builds a plugin that comes with the gateway, or an example that lies
// beside them: shipped FILE NAME, or FILE examples/NAME.
func shipped(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shipped file name")
	}
	dir := "./plugins/" + args[1]
	if strings.HasPrefix(args[1], "examples/") {
		dir = "./" + args[1]
	}
	cmd := exec.Command("go", "build", "-o", ts.MkAbs(args[0]), dir)
	cmd.Dir = ts.Getenv("TEST_ROOT")
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("go build: %v\n%s", err, out)
	}
}

// far serves whatever is posted, and writes it to a file, a line each: far FILE.
// Its address is in $FAR.
func far(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: far file")
	}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	var mu sync.Mutex
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if _, werr := f.Write(append(b, '\n')); err != nil || werr != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	ts.Defer(func() {
		srv.Close()
		_ = f.Close()
	})
	ts.Setenv("FAR", srv.URL)
}
