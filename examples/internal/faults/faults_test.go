package faults_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// serve is an API with one call, POST /do, which counts itself.
func serve(t *testing.T, l *faults.List) (base string, done *atomic.Int32) {
	t.Helper()
	done = new(atomic.Int32)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /do", l.Call("do", func(w http.ResponseWriter, _ *http.Request) {
		done.Add(1)
		_, _ = io.WriteString(w, "done")
	}))
	l.Handle(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, done
}

func post(t *testing.T, url, body string) (status int, header http.Header, answer string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(b), err
}

// TestKinds: each kind, once, before and after the call was carried out.
func TestKinds(t *testing.T) {
	l := &faults.List{Half: `{"a":`, More: []string{"odd"}, Own: func(kind string) bool { return kind == "odd" }}
	base, done := serve(t, l)
	for _, tt := range []struct {
		kind, want string // of the answer
		err        error
	}{
		{"hang", "", context.DeadlineExceeded},
		{"slow", "", context.DeadlineExceeded},
		{"rst", "", syscall.ECONNRESET},
		{"html", "200 <!DOCTYPE html>", nil},
		{"half", `200 {"a":`, nil},
		{"empty", "200 ", nil},
		{"redirect", "307 ", nil},
		{"503", "503 ", nil},
	} {
		for _, after := range []bool{false, true} {
			done.Store(0)
			if err := l.Add(faults.Fault{Verb: "do", Kind: tt.kind, Count: 1, After: after}); err != nil {
				t.Fatal(err)
			}
			status, _, body, err := post(t, base+"/do", "x")
			if !errors.Is(err, tt.err) || err == nil && !strings.HasPrefix(strconv.Itoa(status)+" "+body, tt.want) {
				t.Errorf("%s: %d %q, %v", tt.kind, status, body, err)
			}
			if (done.Load() == 1) != after {
				t.Errorf("%s: done %d times, after: %v", tt.kind, done.Load(), after)
			}
			if _, _, body, err := post(t, base+"/do", "x"); body != "done" || err != nil {
				t.Errorf("after %s: %q, %v", tt.kind, body, err)
			}
		}
	}
}

// TestOrders: what is ordered over HTTP, and what is refused.
func TestOrders(t *testing.T) {
	l := &faults.List{More: []string{"odd"}, Own: func(kind string) bool { return kind == "odd" },
		Refuse: func(w http.ResponseWriter, _ *http.Request, f faults.Fault) { http.Error(w, f.Kind, http.StatusTeapot) }}
	base, _ := serve(t, l)
	for body, want := range map[string]string{
		`{"kind":"sulk"}`:                `{"error":"kind \"sulk\" is neither a status nor one of hang, rst, slow, html, half, empty, redirect, odd"}`,
		`{"kind":"600"}`:                 `{"error":"kind \"600\" is neither`,
		`{"knid":"500"}`:                 `{"error":"json: unknown field \"knid\""}`,
		`{"kind":"500","envelope":true}`: `{"error":"answers have no envelope"}`,
		``:                               `{"error":"EOF"}`,
		`{"verb":"x","kind":"hang"}`:     `{"faults":[{"verb":"x","kind":"hang","count":0,"after":false,"retry_after":0}]}`,
	} {
		l.Clear()
		if _, _, got, err := post(t, base+"/sim/faults", body); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, %v, want %s", body, got, err, want)
		}
	}
	l.Clear()
	if err := l.Add(faults.Fault{Kind: "odd", RetryAfter: 7}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is for ever
		if _, header, body, err := post(t, base+"/do", ""); err != nil || body != "odd\n" || header.Get("Retry-After") != "7" {
			t.Errorf("%v %q, %v", header, body, err)
		}
	}
	for range 99 {
		if err := l.Add(faults.Fault{Kind: "odd"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Add(faults.Fault{Kind: "odd"}); err == nil || len(l.All()) != 100 {
		t.Errorf("%d faults, %v", len(l.All()), err)
	}
}
