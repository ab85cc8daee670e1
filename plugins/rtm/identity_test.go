package main

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
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
