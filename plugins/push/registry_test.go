package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// reach returns the tokens that a notice to a customer comes to.
func (r *rig) reach(t *testing.T, who sdk.Customer) string {
	t.Helper()
	before := len(r.sim.Notices())
	_, _ = r.Send(t.Context(), who, sdk.Message{ID: fmt.Sprint("c.", before, ".", time.Now().UnixNano()), Text: "Hi"})
	var all []string
	for _, n := range r.sim.Notices()[before:] {
		all = append(all, n.Platform+":"+n.Token)
	}
	return strings.Join(all, " ")
}

func TestRegister(t *testing.T) {
	r := connect(t, func(s *Settings) { s.MaxTokens = 2 })
	for _, token := range []string{android, android, "apns:" + strings.ToUpper(phone[5:]), phone} {
		r.register(t, token)
	}
	if got := r.reach(t, ada); len(strings.Fields(got)) != 2 {
		t.Errorf("%s, want each app once", got)
	}
	r.register(t, android) // now phone is the oldest
	r.register(t, tablet)
	if got := r.reach(t, ada); !strings.Contains(got, android) || !strings.Contains(got, tablet) || strings.Contains(got, phone) {
		t.Errorf("%s, want the two that were registered last", got)
	}
	// Somebody else signs in on the tablet.
	if err := r.Register(t.Context(), bob, tablet); err != nil {
		t.Fatal(err)
	}
	if a, b := r.reach(t, ada), r.reach(t, bob); a != android || b != tablet {
		t.Errorf("ada has %s and bob %s, want that each has one", a, b)
	}
	for range 2 {
		if err := unregister(t, r, ada, android); err != nil {
			t.Fatal(err)
		}
		if err := unregister(t, r, ada, tablet); err != nil { // it is bob's
			t.Fatal(err)
		}
	}
	if a, b := r.reach(t, ada), r.reach(t, bob); a != "" || b != tablet {
		t.Errorf("ada has %q and bob %s", a, b)
	}
}

// TestRegisterForEver: who registers one app after the other does not fill the state.
func TestRegisterForEver(t *testing.T) {
	h := &stateHost{state: map[string][]byte{}}
	r := &registry{h, 3}
	for i := range 100 {
		if err := r.add(t.Context(), "ada", fmt.Sprint("fcm:app", i)); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	for _, value := range h.state {
		if len(value) > 0 {
			kept++
		}
	}
	if kept != 1+3 {
		t.Errorf("%d values are kept, want the list and three owners", kept)
	}
	// An app that had to go belongs to who registers it next, and comes back to ada.
	for _, who := range []string{"bob", "ada"} {
		if err := r.add(t.Context(), who, "fcm:app7"); err != nil {
			t.Fatal(err)
		}
		if all, err := r.apps(t.Context(), who); err != nil || all[len(all)-1].Token != "fcm:app7" {
			t.Errorf("%s has %v, %v", who, all, err)
		}
	}
	if all, err := r.apps(t.Context(), "bob"); err != nil || len(all) > 0 {
		t.Errorf("bob still has %v, %v", all, err)
	}
}

func TestRegisterProblems(t *testing.T) {
	r := connect(t, func(s *Settings) { s.FCM, s.FCMServiceAccount = nil, "" })
	for token, want := range map[string]string{
		"":                                 "rejected token",
		"fcm:":                             "rejected token",
		"apns:xyz":                         "rejected token",
		"apns:0a":                          "rejected token",
		"apns:" + strings.Repeat("0", 63):  "rejected token",
		"fcm:a b":                          "rejected token",
		"fcm:../../x":                      "rejected token",
		"fcm:" + strings.Repeat("a", 4097): "rejected token",
		"wns:abc":                          "rejected token",
		android:                            "rejected platform",
	} {
		if err := r.Register(t.Context(), ada, token); plugintest.Verdict(err) != want {
			t.Errorf("%.40s: %v, want %s", token, err, want)
		}
		if strings.HasPrefix(want, "rejected platform") {
			if _, err := r.Send(t.Context(), sdk.Customer{Address: token}, sdk.Message{Text: "Hi"}); plugintest.Verdict(err) != want {
				t.Errorf("sent to %.40s: %v, want %s", token, err, want)
			}
		}
	}
	if err := r.Register(t.Context(), sdk.Customer{}, phone); plugintest.Verdict(err) != "rejected address" {
		t.Errorf("nobody: %v", err)
	}
}

// TestRegisterTogether: many customers register the same phone and their own ones
// at once. In the end it belongs to one of them.
func TestRegisterTogether(t *testing.T) {
	r := connect(t)
	const people = 8
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			who := sdk.Customer{Address: fmt.Sprint("user", i)}
			for _, token := range []string{phone, fmt.Sprint("fcm:own", i)} {
				if err := r.Register(t.Context(), who, token); err != nil && plugintest.Verdict(err) != "retry" {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	owners := 0
	for i := range people {
		list := string(r.State(listKey(fmt.Sprint("user", i))))
		if strings.Contains(list, phone) {
			owners++
			if string(r.State(ownerKey(phone))) != hash(fmt.Sprint("user", i)) {
				t.Errorf("user%d has the phone and is not its owner", i)
			}
		}
		if !strings.Contains(list, fmt.Sprint("fcm:own", i)) {
			t.Errorf("user%d has %s", i, list)
		}
	}
	if owners > 1 {
		t.Errorf("the phone belongs to %d", owners)
	}
}

// TestStateOfStrangers: what cannot be read is no app, and does not stand in the way.
func TestStateOfStrangers(t *testing.T) {
	for _, raw := range []string{"x", "{}", "null", `[{"token":"fcm:a b"}]`, `[{"token":7}]`, `["a"]`} {
		r := connect(t)
		r.SetState(listKey(ada.Address), []byte(raw))
		if got := r.reach(t, ada); got != "" {
			t.Errorf("%s: %s", raw, got)
		}
		r.register(t, phone)
		if got := r.reach(t, ada); got != phone {
			t.Errorf("%s: %q after a registration", raw, got)
		}
	}
}

// FuzzApps: whatever the gateway has kept, it is a list of tokens or none.
func FuzzApps(f *testing.F) {
	for _, s := range []string{"", "null", `[{"token":"fcm:a","at":"2026-01-02T03:04:05Z"}]`, `[[[`, `[{"token":"apns:0A"}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, a := range readApps(raw) {
			if _, _, err := parseToken(a.Token); err != nil {
				t.Errorf("%q: the token %q", raw, a.Token)
			}
		}
	})
}

// FuzzToken: a token is one line of harmless letters.
func FuzzToken(f *testing.F) {
	for _, s := range []string{android, phone, "fcm:", "apns:../x", ":", "fcm:a\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, token, err := parseToken(s)
		if err != nil {
			return
		}
		if name != onFCM && name != onAPNs || token == "" || strings.ContainsAny(token, "/\\ \n\r\t?#\x00") {
			t.Errorf("%q is %q of %q", s, token, name)
		}
	})
}

func unregister(t *testing.T, r *rig, who sdk.Customer, token string) error {
	t.Helper()
	return r.Unregister(t.Context(), who, token)
}
