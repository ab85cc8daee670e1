package vonage_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/internal/vonage"
)

const (
	secret = "vonage-signature-secret"
	body   = `{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab","status":"delivered"}`
	hash   = "d5ecbc7ab77b376b2cf635a6869d4dbb15322175f95b5c19260a27f6217e4eff"
	token  = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImoxIiwiaXNzIjoiVm9uYWdlIiwicGF5bG9hZF9oYXNoIjoi" +
		"ZDVlY2JjN2FiNzdiMzc2YjJjZjYzNWE2ODY5ZDRkYmIxNTMyMjE3NWY5NWI1YzE5MjYwYTI3ZjYyMTdlNGVmZiIsImFwaV9rZXkiOiJhYmNkMTIzNCIsImFwcGxp" +
		"Y2F0aW9uX2lkIjoiMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAxIn0.b2flfaN0vQqnBI57zzLEu2qAYf-GDKqwPEAK8TqK1ow"
)

var at = time.Unix(1700000000, 0)

func TestVector(t *testing.T) {
	c, err := vonage.Verify(secret, http.Header{"Authorization": {"Bearer " + token}}, []byte(body), at)
	if err != nil || c.ID != "j1" || c.PayloadHash != hash || c.APIKey != "abcd1234" || c.ApplicationID != "00000000-0000-4000-8000-000000000001" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestForged(t *testing.T) {
	signed := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) []string {
		c := jwt.MapClaims{"iat": at.Unix(), "jti": "j1", "iss": "Vonage", "payload_hash": hash}
		change(c)
		text, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return []string{"Bearer " + text}
	}
	hs256 := func(change func(jwt.MapClaims)) []string {
		return signed(jwt.SigningMethodHS256, []byte(secret), change)
	}
	same := func(jwt.MapClaims) {}
	for _, tt := range []struct {
		name   string
		bearer []string
		body   string
		now    time.Time
		ok     bool
	}{
		{"as it was", hs256(same), body, at, true},
		{"five minutes later", hs256(same), body, at.Add(5 * time.Minute), true},
		{"later", hs256(same), body, at.Add(5*time.Minute + time.Second), false},
		{"from the future", hs256(same), body, at.Add(-6 * time.Minute), false},
		{"another body", hs256(same), body + " ", at, false},
		{"another secret", signed(jwt.SigningMethodHS256, []byte("another"), same), body, at, false},
		{"another algorithm", signed(jwt.SigningMethodHS512, []byte(secret), same), body, at, false},
		{"none", signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same), body, at, false},
		{"another issuer", hs256(func(c jwt.MapClaims) { c["iss"] = "Nexmo" }), body, at, false},
		{"no time", hs256(func(c jwt.MapClaims) { delete(c, "iat") }), body, at, false},
		{"no id", hs256(func(c jwt.MapClaims) { delete(c, "jti") }), body, at, false},
		{"no hash", hs256(func(c jwt.MapClaims) { delete(c, "payload_hash") }), body, at, false},
		{"no header", nil, body, at, false},
		{"two headers", append(hs256(same), hs256(same)...), body, at, false},
		{"basic", []string{"Basic " + token}, body, at, false},
		{"cut", []string{"Bearer " + token[:len(token)-1]}, body, at, false},
		{"nonsense", []string{"Bearer a.b.c"}, body, at, false},
	} {
		_, err := vonage.Verify(secret, http.Header{"Authorization": tt.bearer}, []byte(tt.body), tt.now)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := vonage.Verify("", http.Header{"Authorization": signed(jwt.SigningMethodHS256, []byte(""), same)}, []byte(body), at); err == nil {
		t.Error("no secret: taken")
	}
}

// TestAnotherLibrary: what a library that others wrote signs is taken.
func TestAnotherLibrary(t *testing.T) {
	cmd := plugintest.Node(t, "../../..", "testdata/sign.cjs", secret, strconv.FormatInt(at.Unix(), 10))
	cmd.Stdin = strings.NewReader(body)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	c, err := vonage.Verify(secret, http.Header{"Authorization": {"Bearer " + string(out)}}, []byte(body), at)
	if err != nil || c.ID != "j2" {
		t.Errorf("%+v, %v", c, err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("Bearer "+token, body)
	f.Add("Bearer a.b.c", "")
	f.Fuzz(func(t *testing.T, bearer, text string) {
		_, err := vonage.Verify(secret, http.Header{"Authorization": {bearer}}, []byte(text), at)
		if err == nil && (text != body || !strings.Contains(bearer, token)) {
			t.Errorf("%q %q is taken", bearer, text)
		}
	})
}
