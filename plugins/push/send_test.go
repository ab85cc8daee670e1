package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/examples/push-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

func byToken(a, b sim.Notice) bool { return a.Token < b.Token }

// TestSend: one notice comes to all apps of the customer, whole.
func TestSend(t *testing.T) {
	r := connect(t)
	r.register(t, android, phone)
	m := sdk.Message{ID: "c.1", Text: "An agent <b>answered</b> 😀", URLPush: "https://e.com/a?b&c",
		Extras:      map[string]string{sdk.PushTitle: "Your order", "page": "chat"},
		Attachments: []sdk.Attachment{{URL: "https://e.com/a.png", MIME: "image/png"}}}
	receipt, err := r.Send(t.Context(), ada, m)
	if err != nil || receipt.MessageID == "" {
		t.Fatalf("%+v, %v", receipt, err)
	}
	data := map[string]string{"page": "chat", "url": "https://e.com/a?b&c", "msg_id": "c.1"}
	onApple := map[string]string{"image": "https://e.com/a.png"}
	for k, v := range data {
		onApple[k] = v
	}
	want := []sim.Notice{
		{Platform: "fcm", Token: android[4:], Key: "c.1", Title: "Your order", Text: m.Text, Image: "https://e.com/a.png", Data: data, Priority: "high"},
		{Platform: "apns", Token: phone[5:], Key: "c.1", Title: "Your order", Text: m.Text, Data: onApple, Priority: "10"},
	}
	if diff := cmp.Diff(want, r.sim.Notices(), cmpopts.SortSlices(byToken), cmpopts.IgnoreFields(sim.Notice{}, "ID")); diff != "" {
		t.Errorf("what apps show (-want +got):\n%s", diff)
	}
	r.unbroken(t)
}

// TestBackground: the app alone gets it, with everything that it needs to show it.
func TestBackground(t *testing.T) {
	r := connect(t, func(s *Settings) { s.Background = true })
	r.register(t, android, phone)
	if err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi", Extras: map[string]string{sdk.PushTitle: "T"}}); err != nil {
		t.Fatal(err)
	}
	for _, n := range r.sim.Notices() {
		want := map[string]string{"title": "T", "text": "Hi", "msg_id": "c.1"}
		if diff := cmp.Diff(want, n.Data); diff != "" || !n.Silent {
			t.Errorf("%+v (-want +got):\n%s", n, diff)
		}
	}
	r.unbroken(t)
}

// TestAddressIsToken: an address that is a token goes to that app alone.
func TestAddressIsToken(t *testing.T) {
	r := connect(t)
	for _, token := range []string{android, phone, "apns:" + strings.ToUpper(tablet[5:])} {
		if _, err := r.Send(t.Context(), sdk.Customer{Address: token}, sdk.Message{ID: "c.1", Text: "Hi"}); err != nil {
			t.Errorf("%s: %v", token, err)
		}
	}
	if n := len(r.sim.Notices()); n != 3 {
		t.Errorf("%d notices, want 3", n)
	}
	r.sim.Forget(android, r.now())
	if _, err := r.Send(t.Context(), sdk.Customer{Address: android}, sdk.Message{Text: "Hi"}); !errors.Is(err, sdk.ErrRecipientGone) {
		t.Errorf("an app that is gone: %v", err)
	}
}

// TestRepeatTakesThePlace: a message that is sent again, to an app or after a
// restart, is shown once.
func TestRepeatTakesThePlace(t *testing.T) {
	r := connect(t)
	r.register(t, android, phone)
	for range 2 {
		if err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi"}); err != nil {
			t.Fatal(err)
		}
		if err := r.Reconfigure(t.Context(), r.settings); err != nil { // it forgets what it sent
			t.Fatal(err)
		}
	}
	if got := r.sim.Notices(); len(got) != 2 {
		t.Errorf("%+v, want two: one in each app", got)
	}
	a, again, b := notice{id: "c.1"}, notice{id: "c.1"}, notice{id: "c.2"}
	if a.uuid("t") != again.uuid("t") || a.uuid("t") == b.uuid("t") || a.uuid("t") == a.uuid("u") {
		t.Error("the id of a notice is not made of message and app")
	}
}

// TestPartly: what fails at one app is tried again there, and nowhere else; what
// reached one has reached the customer.
func TestPartly(t *testing.T) {
	r := connect(t)
	r.register(t, android, phone)
	r.fails(t, sim.Fault{Verb: "fcm", Kind: "503 UNAVAILABLE"})
	for attempt := 1; attempt < patience; attempt++ {
		err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi", Attempt: attempt})
		if e, ok := errors.AsType[*sdk.RetryError](err); !ok || e.After < 10*time.Second {
			t.Fatalf("attempt %d: %v, want another one, not soon", attempt, err)
		}
	}
	if err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi", Attempt: patience}); err != nil {
		t.Errorf("one app has it, and the last attempt says %v", err)
	}
	if got := r.sim.Notices(); len(got) != 1 || got[0].Platform != "apns" {
		t.Errorf("%+v, want one of Apple's", got)
	}
	r.sim.ClearFaults()
	r.fails(t, sim.Fault{Verb: "apns", Kind: "500"}) // it must not be asked again
	if err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi", Attempt: 5}); err != nil {
		t.Error(err)
	}
	if got := r.sim.Notices(); len(got) != 2 {
		t.Errorf("%+v, want one in each app", got)
	}
}

// TestNobody: who never had an app, or has none any more.
func TestNobody(t *testing.T) {
	r := connect(t)
	if err := r.push(t, sdk.Message{Text: "Hi"}); !errors.Is(err, sdk.ErrRecipientGone) {
		t.Errorf("no app: %v", err)
	}
	r.register(t, android, phone)
	r.sim.Forget(android, r.now())
	if err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi"}); err != nil {
		t.Errorf("one app is there: %v", err)
	}
	r.sim.Forget(phone, r.now().Add(time.Minute))
	if err := r.push(t, sdk.Message{ID: "c.2", Text: "Hi"}); !errors.Is(err, sdk.ErrRecipientGone) {
		t.Errorf("no app any more: %v", err)
	}
	if got := r.State(listKey(ada.Address)); len(got) > 0 {
		t.Errorf("still registered: %s", got)
	}
	if got := r.State(ownerKey(android)); len(got) > 0 {
		t.Errorf("it still has an owner: %s", got)
	}
}

// TestCameBack: an app that was registered again after Apple saw it go stays.
func TestCameBack(t *testing.T) {
	r := connect(t)
	r.register(t, phone)
	r.sim.Forget(phone, r.now().Add(-time.Hour))
	if err := r.push(t, sdk.Message{Text: "Hi"}); plugintest.Verdict(err) != "retry" {
		t.Errorf("%v, want another attempt", err)
	}
	if err := r.push(t, sdk.Message{Text: "Hi", Attempt: patience}); plugintest.Verdict(err) != "rejected came_back" {
		t.Errorf("%v, want that it is not tried for ever", err)
	}
	if got := r.State(listKey(ada.Address)); len(got) == 0 {
		t.Error("it was unregistered")
	}
}

// TestRegisteredMeanwhile: FCM does not say since when an app is gone. One that is
// registered while FCM is asked stays.
func TestRegisteredMeanwhile(t *testing.T) {
	r := connect(t)
	h := &stateHost{state: map[string][]byte{}}
	c, err := open(t.Context(), r.settings, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(t.Context()) })
	h.Set(noon)
	if err := c.Register(t.Context(), ada, android); err != nil {
		t.Fatal(err)
	}
	c.platforms[onFCM] = asked(func() error {
		h.Set(noon.Add(time.Second))
		if err := c.Register(t.Context(), ada, android); err != nil {
			t.Error(err)
		}
		return &goneError{reason: "UNREGISTERED"}
	})
	if _, err := c.Send(t.Context(), ada, sdk.Message{ID: "c.1", Text: "Hi"}); plugintest.Verdict(err) != "retry" {
		t.Errorf("%v, want another attempt", err)
	}
	h.Set(noon.Add(time.Minute))
	c.platforms[onFCM] = asked(func() error { return &goneError{reason: "UNREGISTERED"} })
	if _, err := c.Send(t.Context(), ada, sdk.Message{ID: "c.1", Text: "Hi"}); !errors.Is(err, sdk.ErrRecipientGone) {
		t.Errorf("%v, want that it is gone", err)
	}
}

// asked is a platform that answers so.
type asked func() error

func (a asked) send(context.Context, string, notice) (string, error) { return "", a() }

// TestPlatformsApart: a quota or refused credentials of one platform stop that one
// alone, and nobody asks it meanwhile.
func TestPlatformsApart(t *testing.T) {
	for _, tt := range []struct {
		verb, kind, mine, other string
		wait                    time.Duration
	}{
		{"apns", "429 TooManyProviderTokenUpdates", phone, android, tooManyTokens},
		{"apns", "403 InvalidProviderToken", phone, android, authPause},
		{"fcm", "429", android, phone, oneMinute},
		{"oauth", "400", android, phone, authPause},
	} {
		t.Run(tt.verb+" "+tt.kind, func(t *testing.T) {
			r := connect(t)
			r.register(t, tt.mine)
			if err := r.Register(t.Context(), bob, tt.other); err != nil {
				t.Fatal(err)
			}
			r.fails(t, sim.Fault{Verb: tt.verb, Kind: tt.kind, Count: 1})
			for i := range 3 {
				err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi"})
				if e, ok := errors.AsType[*sdk.RetryError](err); !ok || e.Throttled || e.After <= tt.wait-time.Minute || e.After > tt.wait {
					t.Errorf("%d: %v, want another attempt in %v, of this app alone", i, err, tt.wait)
				}
				if _, err := r.Send(t.Context(), bob, sdk.Message{ID: fmt.Sprint("d.", i), Text: "Hi"}); err != nil {
					t.Errorf("the other platform: %v", err)
				}
			}
			if n := len(r.sim.Notices()); n != 3 {
				t.Errorf("%d notices, want those of the other platform", n)
			}
			r.advance(tt.wait)
			if err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi"}); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			r.unbroken(t)
		})
	}
}

// TestLongerWait: of two calls that are under way the one that asks for less does not end
// the wait that the other one asks for.
func TestLongerWait(t *testing.T) {
	g := &gate{name: onAPNs, host: new(plugintest.Host)}
	throttled := errors.New("throttled")
	g.platform = asked(func() error {
		g.platform = asked(func() error { return sdk.Throttled(throttled, tooManyTokens) })
		_, _ = g.send(t.Context(), phone, notice{}) // the other one
		return sdk.Throttled(throttled, oneMinute)
	})
	for i := range 2 {
		_, err := g.send(t.Context(), phone, notice{})
		if e, ok := errors.AsType[*sdk.RetryError](err); !ok || e.After <= oneMinute {
			t.Errorf("%d: %v, want another attempt in %v", i, err, tooManyTokens)
		}
	}
}

// TestLongID: APNs takes 64 bytes of what a copy takes the first one's place by.
func TestLongID(t *testing.T) {
	r := connect(t)
	r.register(t, android, phone)
	long := strings.Repeat("c", 65)
	for _, id := range []string{long + "1", long + "2", long + "2"} {
		if err := r.push(t, sdk.Message{ID: id, Text: "Hi"}); err != nil {
			t.Fatal(err)
		}
		if err := r.Reconfigure(t.Context(), r.settings); err != nil { // it forgets what it sent
			t.Fatal(err)
		}
	}
	if n := len(r.sim.Notices()); n != 4 {
		t.Errorf("%d notices, want two in each app", n)
	}
	r.unbroken(t)
}

// TestTooLarge: a notice of more than 4096 bytes is refused, or shortened at the end
// of what people see as one character.
func TestTooLarge(t *testing.T) {
	family := "👨‍👩‍👧‍👦"
	long := sdk.Message{ID: "c.1", Text: strings.Repeat("a", 100) + strings.Repeat(family, 400), Extras: map[string]string{sdk.PushTitle: "T"}}
	for _, token := range []string{android, phone} {
		r := connect(t)
		r.register(t, token)
		if err := r.push(t, long); plugintest.Verdict(err) != "rejected too_large" {
			t.Errorf("%s: %v, want that it is too large", token, err)
		}
		r = connect(t, func(s *Settings) { s.Truncate = true })
		r.register(t, token)
		if err := r.push(t, long); err != nil {
			t.Fatal(err)
		}
		got := r.sim.Notices()[0].Text
		kept, ok := strings.CutSuffix(got, "…")
		if !ok || !strings.HasPrefix(long.Text, kept) || (len(kept)-100)%len(family) != 0 || len(kept) < 3700 {
			t.Errorf("%s: %d bytes that end in %q", token, len(got), got[max(0, len(got)-30):])
		}
		r.unbroken(t)
		data := sdk.Message{ID: "c.2", Text: "a", Extras: map[string]string{"k": strings.Repeat("x", 4096)}}
		if err := r.push(t, data); plugintest.Verdict(err) != "rejected too_large" {
			t.Errorf("%s, data: %v", token, err)
		}
	}
	if got := (Settings{Truncate: true}).Capabilities(capabilities()).Text; got != (sdk.TextLimit{}) {
		t.Errorf("a limit of %+v where texts are shortened", got)
	}
}

func TestRefusedNotices(t *testing.T) {
	r := connect(t)
	r.register(t, android)
	for _, key := range []string{"aps", "from", "message_type", "google.x", "gcm_y", "notification", ""} {
		if err := r.push(t, sdk.Message{Text: "Hi", Extras: map[string]string{key: "v"}}); plugintest.Verdict(err) != "rejected data_key" {
			t.Errorf("the key %q: %v", key, err)
		}
	}
	if err := r.push(t, sdk.Message{}); plugintest.Verdict(err) != "rejected empty" {
		t.Errorf("nothing: %v", err)
	}
	if n := len(r.sim.Notices()); n > 0 {
		t.Errorf("%d notices were shown", n)
	}
}

// TestSum: what one outcome is made of several.
func TestSum(t *testing.T) {
	c := &channel{host: new(plugintest.Host)}
	again, slow := sdk.Retry(errors.New("busy"), time.Second), sdk.Throttled(errors.New("quota"), time.Minute)
	refused, act := sdk.Rejected("bad", "bad"), authConfig(errors.New("key"))
	var gone error = &goneError{reason: "410"}
	for _, tt := range []struct {
		attempt int
		errs    []error
		want    string
	}{
		{1, []error{nil, nil}, "ok"},
		{1, []error{nil, refused}, "ok"},
		{1, []error{nil, gone}, "ok"},
		{1, []error{gone, gone}, "recipient gone: all 2 apps are gone"},
		{1, []error{gone, refused}, "rejected bad"},
		{1, []error{refused, again}, "retry"},
		{1, []error{again, slow}, "throttled 1m0s"},
		{1, []error{slow, again}, "throttled 1m0s"},
		{1, []error{again, act, slow}, "credentials refused"},
		{3, []error{nil, again}, "retry"},
		{4, []error{nil, again}, "ok"},
		{9, []error{gone, again}, "retry"},
	} {
		var all []result
		for i, err := range tt.errs {
			all = append(all, result{id: fmt.Sprint(i), err: err})
		}
		_, err := c.sum(sdk.Message{Attempt: tt.attempt}, all)
		if got := plugintest.Verdict(err); got != tt.want {
			t.Errorf("attempt %d of %v: %s, want %s", tt.attempt, tt.errs, got, tt.want)
		}
		slices.Reverse(all)
		if _, err := c.sum(sdk.Message{Attempt: tt.attempt}, all); plugintest.Verdict(err) != tt.want {
			t.Errorf("attempt %d of %v, in another order: %v", tt.attempt, tt.errs, err)
		}
	}
}
