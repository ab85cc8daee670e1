package ccsp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

func TestWaitAsked(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
		"Fri, 02 Jan 2036 03:04:00 GMT": time.Hour,
		"7":                             7 * time.Second,
		"-5":                            0,
		"soon":                          0,
		"":                              0,
	} {
		a := ccsp.Answer{Header: http.Header{"Retry-After": {text}}}
		if got := a.WaitAsked(now); got != want {
			t.Errorf("Retry-After %q: %v, want %v", text, got, want)
		}
	}
}

// FuzzWaitAsked: whatever Retry-After says, the wait is from 0 to an hour.
func FuzzWaitAsked(f *testing.F) {
	for _, s := range []string{"7", "-1", "99999999999999999999", "Fri, 02 Jan 2026 03:04:15 GMT", "soon"} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		a := ccsp.Answer{Header: http.Header{"Retry-After": {text}}}
		if got := a.WaitAsked(now); got < 0 || got > time.Hour {
			t.Errorf("%q: %v", text, got)
		}
	})
}
