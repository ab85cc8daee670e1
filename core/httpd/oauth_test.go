package httpd_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/httpd"
)

// TestOAuthCallback: who comes back from a platform's page gets to the driver.
func TestOAuthCallback(t *testing.T) {
	h := &hooks{}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, PublicURL: "https://gw.example.com"})
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/oauth/shop/callback?code=a%2Fb&state=s", 200},
		{"POST", "/oauth/shop/callback", 405}, {"HEAD", "/oauth/shop/callback", 405},
		{"GET", "/oauth/nobody/callback", 404}, {"GET", "/oauth/shop", 404}, {"GET", "/oauth/shop/callback/", 404},
		{"GET", "/oauth//callback", 404}, {"GET", "/oauth/callback", 404}, {"GET", "/oauth/a/b/callback", 404},
		{"GET", "/oauth/../callback", 404}, {"GET", "/oauth/sho%70/callback", 404}, {"POST", "/oauth/shop/start", 404},
	} {
		got := do(t, client(t), request(t, tt.method, "http://"+p.addr+tt.path, ""))
		if got.StatusCode != tt.status {
			t.Errorf("%s %s: status %d, want %d", tt.method, tt.path, got.StatusCode, tt.status)
		}
	}
	r := h.requests()[0]
	want := []string{"GET", "/oauth/callback", "code=a%2Fb&state=s", "https://gw.example.com/oauth/shop/callback?code=a%2Fb&state=s"}
	if diff := cmp.Diff(want, []string{r.Method, r.Path, r.Query, r.Url}); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}
