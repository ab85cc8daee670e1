package main

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/sdk"
)

// TestPushAddressIsNotOnesOwnWord: an address for push is where the app's token is
// bound: who could choose it would get what another customer's app is told.
func TestPushAddressIsNotOnesOwnWord(t *testing.T) {
	r := newRig(t, nil)
	body := `{"data":{"addresses":{"push":"alice"}}}`
	for name, headers := range map[string][]string{
		"a visitor":  nil,
		"a customer": {"Authorization: Bearer " + r.user("eve").AccessToken},
		"a customer whom the backend knows": {"Authorization: Bearer " +
			backendJWT(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"sub": "eve"})},
	} {
		if resp := r.call("POST", "/register", body, headers...); resp.Status != 400 {
			t.Errorf("%s: %d, want 400", name, resp.Status)
		}
	}
	told := backendJWT(t, jwt.SigningMethodHS256, []byte(testSecret),
		jwt.MapClaims{"profile": map[string]any{"addresses": map[string]string{"push": "app-7"}}})
	reg := into[registered](t, r.call("POST", "/register", `{}`, "Authorization: Bearer "+told))
	resp := r.call("POST", "/mo", `{"message":"hi"}`, "accesstoken: "+reg.AccessToken)
	if got := resp.Events[0].Customer.Addresses["push"]; got != "app-7" {
		t.Errorf("%q, want what the backend says", got)
	}
}

// TestAddressesAreProved: rules send texts and place calls to addresses. Who could
// name them could make the operator pay for any number.
func TestAddressesAreProved(t *testing.T) {
	phone := map[string]string{"sms": "+41791111111"}
	told := func(claims jwt.MapClaims) string {
		return "Authorization: Bearer " + backendJWT(t, jwt.SigningMethodHS256, []byte(testSecret), claims)
	}
	const forged = `{"data":{"name":"Eve","addresses":{"sms":"+1900","voice":"+1901"}}}`
	tests := []struct {
		name, body, proof     string
		trust                 bool
		addresses, attributes map[string]string
	}{
		{"a visitor's word", forged, "", false, nil, map[string]string{"claimed_sms": "+1900", "claimed_voice": "+1901"}},
		{"believed by the operator", forged, "", true, map[string]string{"sms": "+1900", "voice": "+1901"}, nil},
		{"the backend's claim", `{}`, told(jwt.MapClaims{"addresses": phone}), false, phone, nil},
		{"the backend's claim in the profile", `{}`, told(jwt.MapClaims{"profile": map[string]any{"addresses": phone}}), false, phone, nil},
		{"a word beside the claim", forged, told(jwt.MapClaims{"addresses": phone}), false, phone,
			map[string]string{"claimed_sms": "+1900", "claimed_voice": "+1901"}},
		{"a believed word beside the claim", forged, told(jwt.MapClaims{"addresses": phone}), true,
			map[string]string{"sms": "+41791111111", "voice": "+1901"}, nil},
		{"a word beside a proof of the id alone", forged, told(nil), false, nil,
			map[string]string{"claimed_sms": "+1900", "claimed_voice": "+1901"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(s *Settings) { s.TrustAddresses = tt.trust })
			var headers []string
			if tt.proof != "" {
				headers = append(headers, tt.proof)
			}
			reg := into[registered](t, r.call("POST", "/register", tt.body, headers...))
			for range 2 { // the second time with the access token of the first
				who := r.call("POST", "/mo", `{"message":"hi"}`, "accesstoken: "+reg.AccessToken).Events[0].Customer
				if diff := cmp.Diff(tt.addresses, who.Addresses, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("addresses %s", diff)
				}
				if diff := cmp.Diff(tt.attributes, who.Attributes, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("attributes %s", diff)
				}
				reg = into[registered](t, r.call("POST", "/register", `{}`, "Authorization: Bearer "+reg.AccessToken))
			}
		})
	}
}

// TestAddressesOfAnotherData: data replaces what a customer said before, and not
// what the backend vouches for.
func TestAddressesOfAnotherData(t *testing.T) {
	r := newRig(t, nil)
	told := backendJWT(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"addresses": map[string]string{"sms": "+41"}})
	reg := into[registered](t, r.call("POST", "/register", `{"data":{"name":"A"}}`, "Authorization: Bearer "+told))
	reg = into[registered](t, r.call("POST", "/register", `{"data":{"name":"B","addresses":{"sms":"+1900"}}}`, "Authorization: Bearer "+reg.AccessToken))
	got := r.call("POST", "/mo", `{"message":"hi"}`, "accesstoken: "+reg.AccessToken).Events[0].Customer
	want := sdk.Customer{Address: "alice", Name: "B", Addresses: map[string]string{"sms": "+41"}, Attributes: map[string]string{"claimed_sms": "+1900"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestOldTokensProveNoAddresses: access tokens used to carry a customer's word as if
// it were proved, and are valid for up to a year.
func TestOldTokensProveNoAddresses(t *testing.T) {
	r := newRig(t, nil)
	old, _, err := r.signer.issue("eve", identity{Profile: profile{Addresses: map[string]string{"sms": "+1900", "push": "alice"}}})
	if err != nil {
		t.Fatal(err)
	}
	again := into[registered](t, r.call("POST", "/register", `{}`, "Authorization: Bearer "+old)).AccessToken
	for _, token := range []string{old, again} {
		if got := r.call("POST", "/mo", `{"message":"hi"}`, "accesstoken: "+token).Events[0].Customer.Addresses; len(got) > 0 {
			t.Errorf("addresses %v, want none", got)
		}
	}
}

// TestBackendsWordGoesFirst: rules decide by attributes. A page's own data, which
// anybody can change, does not replace what the backend says of a customer.
func TestBackendsWordGoesFirst(t *testing.T) {
	r := newRig(t, nil)
	told := backendJWT(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{
		"profile": map[string]any{"name": "Ada", "attributes": map[string]string{"tier": "basic"}}})
	token := told
	for range 2 { // the second time with the access token of the first
		reg := into[registered](t, r.call("POST", "/register",
			`{"data":{"name":"Eve","locale":"de","attributes":{"tier":"gold","page":"cart"}}}`, "Authorization: Bearer "+token))
		got := r.call("POST", "/mo", `{"message":"hi"}`, "accesstoken: "+reg.AccessToken).Events[0].Customer
		want := sdk.Customer{Address: "alice", Name: "Ada", Locale: "de", Attributes: map[string]string{"tier": "basic", "page": "cart"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		token = reg.AccessToken
	}
	forged := backendJWT(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"vouched": map[string]any{"name": "x"}})
	reg := into[registered](t, r.call("POST", "/register", `{}`, "Authorization: Bearer "+forged))
	if got := r.call("POST", "/mo", `{"message":"hi"}`, "accesstoken: "+reg.AccessToken).Events[0].Customer.Name; got != "" {
		t.Errorf("a claim that only access tokens have makes the name %q", got)
	}
}

// TestTokensThatAreIssuedCount: one that is too long would be refused everywhere.
func TestTokensThatAreIssuedCount(t *testing.T) {
	r := newRig(t, nil)
	for _, c := range []string{"x", "<", "\\u0001", "é"} { // some become six times as long
		for _, n := range []int{300, 340, 400, 1000, maxProfile} {
			resp := r.call("POST", "/register", `{"data":{"name":"`+strings.Repeat(c, n)+`"}}`)
			if resp.Status == 400 {
				continue
			}
			if resp := r.call("POST", "/mo", `{"message":"hi"}`, "accesstoken: "+into[registered](t, resp).AccessToken); resp.Status != 200 {
				t.Errorf("a name of %d times %s: the token is refused with %d", n, c, resp.Status)
			}
		}
	}
}

// TestClocksDiffer: a backend whose clock is ahead of ours may say when it made its JWT.
func TestClocksDiffer(t *testing.T) {
	r := newRig(t, nil)
	token := backendJWT(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"iat": time.Now().Add(10 * time.Second).Unix()})
	if resp := r.call("POST", "/register", `{}`, "Authorization: Bearer "+token); resp.Status != 200 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
}
