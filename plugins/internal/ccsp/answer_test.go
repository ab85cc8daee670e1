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
