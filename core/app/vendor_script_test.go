package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// shipped builds a program that comes with the gateway: shipped FILE FOLDER.
func shipped(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shipped file folder")
	}
	cmd := exec.Command("go", "build", "-o", ts.MkAbs(args[0]), "./"+args[1])
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

// desk is a contact center that takes all and tells nobody: desk FILE. What is
// read of it is in the file; its address is in $DESK.
func desk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: desk file")
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := []byte(`{"status_code":200,"response":{"chat_id":"CSR1"}}`)
		if r.Method == http.MethodGet {
			var err error
			if answer, err = os.ReadFile(ts.MkAbs(args[0])); err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
		}
		_, _ = w.Write(answer)
	}))
	ts.Defer(srv.Close)
	ts.Setenv("DESK", srv.URL)
}
