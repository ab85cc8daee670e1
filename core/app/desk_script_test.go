package app_test

import (
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

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
