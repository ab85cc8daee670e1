package sim_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/openccsp/gateway/examples/push-sim/sim"
)

// TestOAuth: who cannot sign with the account's key gets nothing.
func TestOAuth(t *testing.T) {
	s, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	account := s.ServiceAccount(srv.URL)
	_, text, _ := strings.Cut(account, `"private_key":"`)
	text, _, _ = strings.Cut(text, `"`)
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(strings.ReplaceAll(text, `\n`, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": sim.Email, "scope": "https://www.googleapis.com/auth/firebase.messaging", "aud": srv.URL + "/token", "iat": now, "exp": now + 3600}
	}
	for _, tt := range []struct {
		name   string
		change func(jwt.MapClaims)
		want   string
	}{
		{"good", func(jwt.MapClaims) {}, "access_token"},
		{"another scope", func(c jwt.MapClaims) { c["scope"] = "all" }, "invalid_scope"},
		{"another issuer", func(c jwt.MapClaims) { c["iss"] = "me" }, "invalid_grant"},
		{"another audience", func(c jwt.MapClaims) { c["aud"] = "https://e.com" }, "invalid_grant"},
		{"too long", func(c jwt.MapClaims) { c["exp"] = now + 7200 }, "invalid_grant"},
		{"ended", func(c jwt.MapClaims) { c["iat"], c["exp"] = now-7200, now-3600 }, "invalid_grant"},
	} {
		claims := good()
		tt.change(claims)
		signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.PostForm(srv.URL+"/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {signed}})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if !strings.Contains(string(got), tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if n := s.OAuths(); n != 1 {
		t.Errorf("%d access tokens were given out, want 1", n)
	}
}

// TestStrangers: without a token of ours nothing is shown, and APNs is HTTP/2.
func TestStrangers(t *testing.T) {
	s, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	for path, want := range map[string]int{"/v1/projects/demo-shop/messages:send": 401, "/3/device/" + strings.Repeat("0a", 32): 505} {
		res, err := http.Post(srv.URL+path, "application/json", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, res.Status, want)
		}
	}
	if n, b := len(s.Notices()), s.Breaks(); n != 0 || len(b) != 1 {
		t.Errorf("%d notices, %q", n, b)
	}
}
