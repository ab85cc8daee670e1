package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
)

const (
	encrypted = "Q3stYC6hdFzMh9T8HCvyDNMeYCOnAyf3OrKC+Ct5/vHY+4HxRM+EWjQUOGPCeNxe4ue1MV2+Flk4atOWBegBEGq6d3qOb76VpBcxjKywoZjzxhEshahT9LEOv8HPbdQ/EWsdh1CKlHOrrNLIxD3XeaDPAZP9NDqz4pPofwdKN0pGTTY2nwBRotZ6tOz947BlVS4OeOQ9JvXkBN1HrOVlQ4ORacZfStP269WK7UJbo6oGylrksIMVES7dJlNyG50vBCt6W4DPChJj1tOYQlpmpDmHoDvjnezh/exPEqmedQiMBbFFLW1xoOTKeiGaTzS1xF0ZAA9di4Nkqdn0KU/OUcpLxXO/1gjxV4r+Idb7ggL65vo5x5tN3xw45XWos70z"
	msgSigned = "036c5e1d74de5f85422ca3e11efcd0830d3f4a9f"
	random16  = "0123456789abcdef"
)

// TestCryptVector is the one that openssl encrypted. The last letter of its key
// has bits that are not used and not zero.
func TestCryptVector(t *testing.T) {
	k, err := parseAESKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(k); got != "69b71d79f8218a39259a7a29aabb2dbafc31cb3d35db7e39ebbf3d0010831051" {
		t.Errorf("key %s", got)
	}
	plain, err := k.decrypt(encrypted, appID)
	if err != nil || string(plain) != hello || len(plain) != 238 {
		t.Errorf("%d bytes %q, %v", len(plain), plain, err)
	}
	if got := sign(token, "1700000000", nonce, encrypted); got != msgSigned {
		t.Errorf("msg_signature %s", got)
	}
	if got, err := sim.Encrypt(key, appID, random16, []byte(hello)); got != encrypted || err != nil {
		t.Errorf("the simulator encrypts otherwise: %s, %v", got, err)
	}
}

func TestParseAESKey(t *testing.T) {
	for _, bad := range []string{"", key[:42], key + "=", key + "a", strings.Repeat("-", 43), strings.Repeat("é", 43)} {
		if k, err := parseAESKey(bad); err == nil {
			t.Errorf("%q is the key %x", bad, k)
		}
	}
}

// TestDecryptProblems: what is not encrypted so is no message.
func TestDecryptProblems(t *testing.T) {
	k, err := parseAESKey(key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	for name, tt := range map[string]struct {
		text, app string
		want      error
	}{
		"another app":       {encrypted, "wx0", errOtherApp},
		"no base64":         {"*", appID, errCipher},
		"empty":             {"", appID, errCipher},
		"half a block":      {b64(raw[:40]), appID, errCipher},
		"cut":               {b64(raw[:len(raw)-32]), appID, errCipher},
		"zeros":             {b64(make([]byte, 64)), appID, errCipher},
		"changed in middle": {b64(append(append(append([]byte{}, raw[:16]...), 1), raw[17:]...)), appID, errCipher},
	} {
		if plain, err := k.decrypt(tt.text, tt.app); !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %v, want %v", name, plain, err, tt.want)
		}
	}
}

// sealed makes the query and body of an encrypted message.
func sealed(t testing.TB, key, app, message string) (string, string) {
	t.Helper()
	text, err := sim.Encrypt(key, app, random16, []byte(message))
	if err != nil {
		t.Fatal(err)
	}
	return aesQuery(text), envelope(text)
}

func aesQuery(text string) string {
	return query + "&encrypt_type=aes&" + url.Values{"msg_signature": {sign(token, "1700000000", nonce, text)}}.Encode()
}

func envelope(text string) string {
	return "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><Encrypt><![CDATA[" + text + "]]></Encrypt></xml>"
}

// TestModes: who gets through in which mode.
func TestModes(t *testing.T) {
	q, body := sealed(t, key, appID, hello)
	_, old := sealed(t, nextKey, appID, hello)
	oldQuery := aesQuery(strings.TrimSuffix(strings.Split(old, "Encrypt><![CDATA[")[1], "]]></Encrypt></xml>"))
	otherQuery, otherBody := sealed(t, key, "wx0", hello)
	both := strings.Replace(hello, "</xml>", "<Encrypt><![CDATA["+encrypted+"]]></Encrypt></xml>", 1)
	lie := strings.Replace(both, "你好", "a lie", 1)
	in := func(mode, key, previous string) func(*Settings) {
		return func(s *Settings) { s.Mode, s.AESKey, s.PreviousAESKey = mode, key, previous }
	}
	for _, tt := range []struct {
		name        string
		with        func(*Settings)
		query, body string
		status      int
		text        string
	}{
		{"plain", in("", "", ""), query, hello, 200, "你好"},
		{"plain, of WeChat's compatible mode", in("", "", ""), q, both, 200, "你好"},
		{"plain, and it is encrypted", in("", "", ""), q, body, 400, ""},
		{"encrypted", in("", key, ""), q, body, 200, "你好"},
		{"encrypted, and it is plain", in("", key, ""), query, hello, 401, ""},
		{"encrypted, and both are there", in("", key, ""), q, both, 200, "你好"},
		{"encrypted, and the plain one lies", in("", key, ""), q, lie, 200, "你好"},
		{"encrypted, another type", in("", key, ""), strings.Replace(q, "aes", "raw", 1), body, 401, ""},
		{"encrypted, not signed", in("", key, ""), query + "&encrypt_type=aes", body, 401, ""},
		{"encrypted, another text", in("", key, ""), q, envelope(encrypted[4:]), 401, ""},
		{"encrypted, for another app", in("", key, ""), otherQuery, otherBody, 401, ""},
		{"encrypted, with another key", in("", key, ""), oldQuery, old, 400, ""},
		{"encrypted, with the previous key", in("", key, nextKey), oldQuery, old, 200, "你好"},
		{"encrypted, with the current key", in("", nextKey, key), oldQuery, old, 200, "你好"},
		{"encrypted, no XML", in("", key, ""), q, "x", 401, ""},
		{"compatible, encrypted", in(modeCompatible, key, ""), q, both, 200, "你好"},
		{"compatible, plain", in(modeCompatible, key, ""), query, hello, 401, ""},
		{"compatible, without the type", in(modeCompatible, key, ""), strings.Replace(q, "&encrypt_type=aes", "", 1), both, 401, ""},
		{"compatible, without the encrypted one", in(modeCompatible, key, ""), q, hello, 401, ""},
		{"compatible, not signed", in(modeCompatible, key, ""), query + "&encrypt_type=aes", both, 401, ""},
		{"compatible, and the plain one lies", in(modeCompatible, key, ""), q, lie, 200, "你好"},
	} {
		res := post(receiver(t, tt.with), t, tt.query, tt.body)
		text := ""
		if len(res.Events) > 0 {
			text = res.Events[0].Text
		}
		if res.Status != tt.status || text != tt.text {
			t.Errorf("%s: %d %q %s, want %d %q", tt.name, res.Status, text, res.Body, tt.status, tt.text)
		}
	}
}
