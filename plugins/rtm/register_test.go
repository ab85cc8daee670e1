package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/sdk"
)

// sign is what an app's backend does.
func sign(secret, app, user string, timestamp int64) string {
	h := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(h, "%s\n%s\n%d", app, user, timestamp)
	return hex.EncodeToString(h.Sum(nil))
}

// backendJWT is a JWT of the app's backend, with some claims replaced.
func backendJWT(t *testing.T, method jwt.SigningMethod, key any, change jwt.MapClaims) string {
	t.Helper()
	cl := jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range change {
		cl[k] = v
		if v == nil {
			delete(cl, k)
		}
	}
	token, err := jwt.NewWithClaims(method, cl).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRegisterRandomID(t *testing.T) {
	r := newRig(t, nil)
	r.listen()
	a, b := r.register(), r.register()
	if a.UserID == b.UserID || len(a.UserID) != 34 || a.AppID != "webshop" {
		t.Errorf("users %q and %q of app %q", a.UserID, b.UserID, a.AppID)
	}
	if d := time.Until(a.ExpiresAt); d < 23*time.Hour || d > 24*time.Hour {
		t.Errorf("expires in %v, want 24 h", d)
	}
	name := "webshop/" + a.UserID
	want := map[string]string{
		"path": "/hooks/webshop/mqtt", "url": "wss://gw.example.com/hooks/webshop/mqtt", "tcp": r.link.address()["tcp"],
		"username": name, "topic": name, "clientId": name + "/d1",
	}
	if diff := cmp.Diff(want, a.Broker); diff != "" {
		t.Error(diff)
	}
	if got := into[registered](t, r.call("POST", "/register", `{"userId":"alice"}`)).UserID; got == "alice" {
		t.Error("a chosen id without proof was accepted")
	}
	if got := into[registered](t, r.call("POST", "/webshop/register", `{}`)).UserID; got == "" {
		t.Error("the vendor's path does not work")
	}
}

func TestRegisterBySignature(t *testing.T) {
	r := newRig(t, nil)
	now := time.Now().Unix()
	good := sign(testSecret, "webshop", "alice", now)
	body := func(user string, timestamp any, signature string) string {
		return fmt.Sprintf(`{"userId":%q,"timestamp":%v,"signature":%q}`, user, timestamp, signature)
	}
	at := func(offset time.Duration) string {
		ts := time.Now().Add(offset).Unix()
		return body("alice", ts, sign(testSecret, "webshop", "alice", ts))
	}
	ms := time.Now().UnixMilli()
	tests := []struct {
		name, body string
		headers    []string
		status     int
	}{
		{"right", body("alice", now, good), nil, 200},
		{"used before", body("alice", now, good), nil, 401},
		{"right in milliseconds", body("alice", ms, sign(testSecret, "webshop", "alice", ms)), nil, 200},
		{"timestamp as string", body("carol", fmt.Sprintf(`"%d"`, now), sign(testSecret, "webshop", "carol", now)), nil, 200},
		{"in headers", `{"userId":"bob"}`, []string{"signature: " + sign(testSecret, "webshop", "bob", now), "timestamp: " + strconv.FormatInt(now, 10)}, 200},
		{"299 s old", at(-299 * time.Second), nil, 200},
		{"301 s old", at(-301 * time.Second), nil, 401},
		{"301 s ahead", at(301 * time.Second), nil, 401},
		{"another user", body("mallory", now, good), nil, 401},
		{"another timestamp", body("alice", now+1, good), nil, 401},
		{"another app", body("alice", now, sign(testSecret, "otherapp", "alice", now)), nil, 401},
		{"wrong key", body("alice", now, sign("wrong key of some length", "webshop", "alice", now)), nil, 401},
		{"empty key", body("alice", now, sign("", "webshop", "alice", now)), nil, 401},
		{"cut", body("alice", now, good[:63]), nil, 401},
		{"longer", body("alice", now, good+"0"), nil, 401},
		{"upper case", body("alice", now, strings.ToUpper(good)), nil, 401},
		{"with prefix", body("alice", now, "sha256="+good), nil, 401},
		{"no timestamp", fmt.Sprintf(`{"userId":"alice","signature":%q}`, good), nil, 401},
		{"timestamp is no number", body("alice", `"soon"`, good), nil, 401},
		{"no user", fmt.Sprintf(`{"timestamp":%d,"signature":%q}`, now, good), nil, 400},
		{"user with slash", body("a/b", now, sign(testSecret, "webshop", "a/b", now)), nil, 400},
		{"user with wildcard", body("+", now, sign(testSecret, "webshop", "+", now)), nil, 400},
		{"user with newline", `{"userId":"a\nb","timestamp":1,"signature":"00"}`, nil, 400},
		{"two signature headers", `{"userId":"dave"}`, []string{"signature: " + good, "signature: " + good}, 401},
		{"header and body", body("alice", now, good), []string{"signature: " + good}, 401},
		{"empty header", `{"userId":"alice"}`, []string{"signature: "}, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := r.call("POST", "/register", tt.body, tt.headers...)
			if resp.Status != tt.status {
				t.Errorf("status %d %s, want %d", resp.Status, resp.Body, tt.status)
			}
		})
	}
}

// A signature counts once, also when thousands come at a time.
func TestSignatureReplayAtOnce(t *testing.T) {
	r := newRig(t, nil)
	now := time.Now().Unix()
	signature, timestamp := sign(testSecret, "webshop", "alice", now), strconv.FormatInt(now, 10)
	results := make(chan error)
	for range 1000 {
		go func() { results <- r.signer.signature("alice", timestamp, signature) }()
	}
	accepted := 0
	for range 1000 {
		if <-results == nil {
			accepted++
		}
	}
	if accepted != 1 {
		t.Errorf("accepted %d times, want once", accepted)
	}
}

// A thousand forgeries of one signature: each single bit and many cuts.
func TestForgedSignatures(t *testing.T) {
	r := newRig(t, nil)
	now := time.Now().Unix()
	good, timestamp := sign(testSecret, "webshop", "alice", now), strconv.FormatInt(now, 10)
	for i := range 1000 {
		b := []byte(good)
		b[i%len(b)] ^= byte(1 + i/len(b))
		if err := r.signer.signature("alice", timestamp, string(b)); err == nil {
			t.Fatalf("%s was accepted in place of %s", b, good)
		}
	}
	if err := r.signer.signature("alice", timestamp, good); err != nil {
		t.Errorf("the right one afterwards: %v", err)
	}
}

func TestRegisterByToken(t *testing.T) {
	r := newRig(t, nil)
	alice, bob := r.user("alice"), r.user("bob")
	hs := jwt.SigningMethodHS256
	key := []byte(testSecret)
	none := backendJWT(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil)
	tests := []struct {
		name, token, body string
		status            int
		user              string
	}{
		{"access token", alice.AccessToken, `{}`, 200, "alice"},
		{"access token and its user", alice.AccessToken, `{"userId":"alice"}`, 200, "alice"},
		{"access token of another user", bob.AccessToken, `{"userId":"alice"}`, 403, ""},
		{"JWT of the backend", backendJWT(t, hs, key, nil), `{}`, 200, "alice"},
		{"JWT with the app as audience", backendJWT(t, hs, key, jwt.MapClaims{"aud": "webshop"}), `{}`, 200, "alice"},
		{"JWT for another app", backendJWT(t, hs, key, jwt.MapClaims{"aud": "otherapp"}), `{}`, 401, ""},
		{"JWT for another user", backendJWT(t, hs, key, nil), `{"userId":"bob"}`, 403, ""},
		{"JWT without exp", backendJWT(t, hs, key, jwt.MapClaims{"exp": nil}), `{}`, 401, ""},
		{"JWT without sub", backendJWT(t, hs, key, jwt.MapClaims{"sub": nil}), `{}`, 401, ""},
		{"JWT with a bad sub", backendJWT(t, hs, key, jwt.MapClaims{"sub": "a/#"}), `{}`, 401, ""},
		{"stale JWT", backendJWT(t, hs, key, jwt.MapClaims{"exp": time.Now().Unix() - 1}), `{}`, 401, ""},
		{"JWT of the future", backendJWT(t, hs, key, jwt.MapClaims{"nbf": time.Now().Unix() + 60}), `{}`, 401, ""},
		{"JWT by a wrong key", backendJWT(t, hs, []byte("wrong key of some length"), nil), `{}`, 401, ""},
		{"JWT by an empty key", backendJWT(t, hs, []byte{}, nil), `{}`, 401, ""},
		{"JWT alg HS512", backendJWT(t, jwt.SigningMethodHS512, key, nil), `{}`, 401, ""},
		{"JWT alg none", none, `{}`, 401, ""},
		{"JWT without signature", none[:strings.LastIndex(none, ".")], `{}`, 401, ""},
		{"garbage", "garbage", `{}`, 401, ""},
		{"long garbage", strings.Repeat("a.", maxToken), `{}`, 401, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := r.call("POST", "/register", tt.body, "Authorization: Bearer "+tt.token)
			if resp.Status != tt.status {
				t.Fatalf("status %d %s, want %d", resp.Status, resp.Body, tt.status)
			}
			if tt.status == 200 {
				if got := into[registered](t, resp).UserID; got != tt.user {
					t.Errorf("user %q, want %q", got, tt.user)
				}
			}
		})
	}
	// A JWT of the backend is no access token: it proves an id, nothing more.
	resp := r.call("POST", "/mo", `{"message":"x"}`, "accesstoken: "+backendJWT(t, hs, key, jwt.MapClaims{"aud": "webshop"}))
	if resp.Status != 401 {
		t.Errorf("a backend's JWT as access token: %d", resp.Status)
	}
}

func TestProfileTravelsInToken(t *testing.T) {
	r := newRig(t, nil)
	reg := into[registered](t, r.call("POST", "/register",
		`{"data":{"name":"Ada L","firstName":"Ada","locale":"de-CH","timezone":"Europe/Zurich","addresses":{"sms":"+4179"},"attributes":{"plan":"gold"}}}`))
	again := into[registered](t, r.call("POST", "/register", `{}`, "Authorization: Bearer "+reg.AccessToken))
	resp := r.call("POST", "/mo", `{"message":"hi"}`, "accesstoken: "+again.AccessToken)
	want := sdk.Customer{Address: reg.UserID, Name: "Ada L", FirstName: "Ada", Locale: "de-CH", Timezone: "Europe/Zurich",
		Attributes: map[string]string{"plan": "gold", "claimed_sms": "+4179"}}
	if diff := cmp.Diff(want, resp.Events[0].Customer); diff != "" {
		t.Error(diff)
	}
	if resp := r.call("POST", "/register", `{"data":{"name":"`+strings.Repeat("x", maxProfile+1)+`"}}`); resp.Status != 400 {
		t.Errorf("too long a profile: %d, want 400", resp.Status)
	}
}

func TestRegisterIsLimited(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.RegistersPerMinute = 2 })
	got := []int{}
	for range 3 {
		got = append(got, r.call("POST", "/register", `{}`).Status)
	}
	if diff := cmp.Diff([]int{200, 200, 429}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSecretIsMadeOnce(t *testing.T) {
	h := newFakeHost()
	c, err := new(secrets).open(t.Context(), Settings{AppID: "webshop"}, h)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := c.signer.issue("alice", identity{})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.secrets["secret"]) < 32 {
		t.Fatalf("%d characters were saved", len(h.secrets["secret"]))
	}
	again, err := new(secrets).open(t.Context(), Settings{AppID: "webshop", Secret: h.secrets["secret"]}, h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.signer.access(token); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	for _, c := range []*channel{c, again} {
		c.CloseInstance(context.Background())
	}
}

func TestSettingsProblems(t *testing.T) {
	tests := []struct {
		change func(*Settings)
		want   string
	}{
		{func(s *Settings) { s.AppID = "a/b" }, `app_id "a/b": want 1 to 64 of A-Z a-z 0-9 . _ ~ @ : = - with a letter or digit first`},
		{func(s *Settings) { s.AppID = "" }, `app_id "": want 1 to 64 of A-Z a-z 0-9 . _ ~ @ : = - with a letter or digit first`},
		{func(s *Settings) { s.Secret = "short" }, `secret: 5 bytes are too few; use at least 16`},
		{func(s *Settings) { s.TokenTTL = "1d" }, `token_ttl "1d": want a duration from 1m to 8784h, such as "24h"`},
		{func(s *Settings) { s.TokenTTL = "-1h" }, `token_ttl "-1h": want a duration from 1m to 8784h, such as "24h"`},
		{func(s *Settings) { s.MQTTListen = "1883" }, `mqtt_listen "1883": want host:port, such as "127.0.0.1:1883"`},
		{func(s *Settings) { s.MaxMessage = 1 << 20 }, `max_message 1048576: want 1 to 131072 bytes`},
		{func(s *Settings) { s.Origins = []string{"shop.example.com"} }, `origins[0]: "shop.example.com" is not an origin; want scheme, host and port only, such as "https://shop.example.com"`},
		{func(s *Settings) { s.Origins = []string{"*", "https://a.example/x"} }, `origins[1]: "https://a.example/x" is not an origin; want scheme, host and port only, such as "https://shop.example.com"`},
		{func(s *Settings) { s.ReceiptsPerMinute = 99 }, `receipts_per_minute 99: want at least 100, which one call may have`},
		{func(s *Settings) { s.ReadsPerMinute = -1 }, `reads_per_minute -1: want at least 1`},
		{func(s *Settings) { s.ConnectionsPerAddress = 10001 }, `connections_per_address 10001: want 1 to 10000`},
		{func(s *Settings) { s.BrokerUser = "x" }, `broker_url: missing, while other broker_ settings are given`},
		{func(s *Settings) { s.BrokerURL, s.MQTTListen = "mqtt://b", ":1883" }, `mqtt_listen: there is no embedded broker when broker_url is set; remove one of them`},
		{func(s *Settings) { s.BrokerURL = "http://b" }, `broker_url: want an address with scheme mqtt, mqtts, tcp, ssl, tls, ws, wss`},
		{func(s *Settings) { s.BrokerURL = "mqtt://u:p@b" }, `broker_url: credentials do not belong into the address; use broker_user and broker_password`},
	}
	for _, tt := range tests {
		s := Settings{AppID: "webshop", Secret: testSecret}
		tt.change(&s)
		if _, err := new(secrets).open(t.Context(), s, newFakeHost()); err == nil || err.Error() != tt.want {
			t.Errorf("open = %v\nwant %s", err, tt.want)
		}
	}
}
