package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestWeComCrypto: the package that WeChat's sister product publishes encrypts to
// us, and opens what our simulator encrypts. Each length of padding is among them.
func TestWeComCrypto(t *testing.T) {
	cmd := plugintest.Node(t, "../..", "testdata/wecom.cjs")
	var messages, texts []string
	for n := range 40 {
		m := strings.Replace(hello, "你好", strings.Repeat("a", n)+"好 <&>\"😀", 1)
		text, err := sim.Encrypt(key, appID, random16, []byte(m))
		if err != nil {
			t.Fatal(err)
		}
		messages, texts = append(messages, m), append(texts, text)
	}
	in, err := json.Marshal(map[string]any{"key": key, "app": appID, "token": token, "timestamp": "1700000000", "nonce": nonce,
		"messages": messages, "encrypted": texts})
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Opened []struct{ Message, ID string }
		Sealed []struct{ Encrypt, Signature string }
	}
	if err := json.Unmarshal(out, &got); err != nil || len(got.Opened) != 40 || len(got.Sealed) != 40 {
		t.Fatalf("%s %v", out, err)
	}
	for i, m := range messages {
		if got.Opened[i].Message != m || got.Opened[i].ID != appID {
			t.Errorf("it reads %q of %q for %s", got.Opened[i].Message, m, got.Opened[i].ID)
		}
		if want := sign(token, "1700000000", nonce, got.Sealed[i].Encrypt); got.Sealed[i].Signature != want {
			t.Errorf("it signs %s, we %s", got.Sealed[i].Signature, want)
		}
		c := receiver(t, func(s *Settings) { s.AESKey = key })
		res := post(c, t, aesQuery(got.Sealed[i].Encrypt), envelope(got.Sealed[i].Encrypt))
		if res.Status != 200 || len(res.Events) != 1 || !strings.Contains(m, res.Events[0].Text) {
			t.Errorf("what it encrypts is not read: %d %s", res.Status, res.Body)
		}
	}
}
