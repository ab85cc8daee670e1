package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/push-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// TestProviderToken: it is used for 20 minutes at least and an hour at most, from
// before its time begins at Apple, and all processes make the same at the same time.
func TestProviderToken(t *testing.T) {
	s := newSim(t, nil)
	set := services(t, s)
	cfg, err := set.config()
	if err != nil {
		t.Fatal(err)
	}
	now := noon.Add(providerAge) // when a new one begins
	clock := func() time.Time { return now }
	a := newAPNs(cfg, nil, clock)
	last, since := "", now
	for ; now.Before(noon.Add(24 * time.Hour)); now = now.Add(time.Minute) {
		token, err := a.provider()
		if err != nil {
			t.Fatal(err)
		}
		if other, err := newAPNs(cfg, nil, clock).provider(); other != token || err != nil {
			t.Fatalf("at %v another process makes another one, %v", now, err)
		}
		if age := now.Sub(a.issued); age < providerAge || age >= time.Hour {
			t.Fatalf("at %v it is %v old", now, age)
		}
		if token == last {
			continue
		}
		if last != "" && now.Sub(since) < tooManyTokens {
			t.Fatalf("at %v there is a new one after %v", now, now.Sub(since))
		}
		last, since = token, now
	}
}

// TestProviderTokenEnds: Apple says that it has ended, so one of the clocks is wrong.
func TestProviderTokenEnds(t *testing.T) {
	r := connect(t, only(onAPNs))
	r.register(t, phone)
	r.fails(t, sim.Fault{Verb: "apns", Kind: "403 ExpiredProviderToken", Count: 1})
	if err := r.push(t, sdk.Message{Text: "Hi"}); !errors.Is(err, sdk.ErrAuthConfig) || !strings.Contains(err.Error(), "clock") {
		t.Errorf("%v, want that somebody looks at the clock", err)
	}
	for i := range 3 {
		if err := r.push(t, sdk.Message{ID: fmt.Sprint("c.", i), Text: "Hi"}); err != nil {
			t.Error(err)
		}
		r.advance(31 * time.Minute)
	}
	if n := r.sim.Providers(); n != 3 {
		t.Errorf("%d provider tokens came through, want 3", n)
	}
	r.unbroken(t)
}

// TestNodeHTTP2: a server that others wrote, Node's http2, gets what Apple documents,
// and verifies the provider token with its own cryptography.
func TestNodeHTTP2(t *testing.T) {
	s := newSim(t, nil)
	pair, key := selfSigned(t)
	dir := t.TempDir()
	files := map[string][]byte{"cert.pem": pair, "key.pem": key, "apple.pem": publicKey(t, s)}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := plugintest.Node(t, "../..", "testdata/apns.cjs", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewReader(out)
	port, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	set := Settings{CA: filepath.Join(dir, "cert.pem"), APNsKey: s.AppleKey(),
		APNs: &APNsSettings{KeyID: sim.KeyID, TeamID: sim.TeamID, Topic: sim.Topic, BaseURL: "https://127.0.0.1:" + strings.TrimSpace(port)}}
	g := sdktest.Start(t, plugin(), "app", "push", set)
	if err := g.Register(t.Context(), ada, phone); err != nil {
		t.Fatal(err)
	}
	m := sdk.Message{ID: "c0ffee.1.2", Text: "Grüezi 😀 <b>", Extras: map[string]string{sdk.PushTitle: "T", "chatid": "C1"}}
	if _, err := g.Send(t.Context(), ada, m); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var got struct {
		Method, Path, Verified string
		Claims                 map[string]any
		Headers                map[string]string
		Body                   map[string]any
	}
	line, err := lines.ReadString('\n')
	if err != nil || json.Unmarshal([]byte(line), &got) != nil {
		t.Fatalf("%q %v: %s", line, err, stderr.String())
	}
	if got.Verified != "yes" || got.Claims["iss"] != sim.TeamID || got.Method != "POST" || got.Path != "/3/device/"+phone[5:] {
		t.Errorf("%s", line)
	}
	for name, want := range map[string]string{"apns-topic": sim.Topic, "apns-push-type": "alert", "apns-priority": "10",
		"apns-collapse-id": m.ID, "apns-id": notice{id: m.ID}.uuid(phone[5:])} {
		if got.Headers[name] != want {
			t.Errorf("%s: %q, want %q", name, got.Headers[name], want)
		}
	}
	alert, _ := got.Body["aps"].(map[string]any)["alert"].(map[string]any)
	if alert["body"] != m.Text || alert["title"] != "T" || got.Body["chatid"] != "C1" {
		t.Errorf("%v", got.Body)
	}
	// The next answer is 410: the app is gone, since a time to come.
	if _, err := g.Send(t.Context(), ada, sdk.Message{ID: "c.2", Text: "Hi"}); !errors.Is(err, sdk.ErrRecipientGone) {
		t.Errorf("410: %v", err)
	}
	if left := g.State(listKey(ada.Address)); len(left) > 0 {
		t.Errorf("it is still registered: %s", left)
	}
}

// publicKey is the other half of Apple's key.
func publicKey(t *testing.T, s *sim.Sim) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(s.AppleKey()))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public(private))
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
