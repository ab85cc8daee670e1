package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// poll asks once.
func (r *rig) poll(t testing.TB, cursor []byte) sdk.PollResult {
	t.Helper()
	res, err := r.PollAccount(t.Context(), cursor)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// catchUp polls as the gateway does, until there is nothing more to ask for. Time
// passes by as much as the channel wants to wait.
func (r *rig) catchUp(t testing.TB, cursor []byte) (events []sdk.Event, end []byte) {
	t.Helper()
	for range 1000 {
		res := r.poll(t, cursor)
		events, cursor = append(events, res.Events...), res.Cursor
		if res.Next == r.cfg.catchUp {
			return events, cursor
		}
		r.pass(res.Next)
	}
	t.Fatal("there is no end")
	return nil, nil
}

func idsOf(events []sdk.Event) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.MessageID)
	}
	return ids
}

// lost has customers write what no webhook tells of.
func (r *rig) lost(n int, text string) (ids []string) {
	for i := range n {
		m := sim.Said{From: []string{ada, "31"}[i%2], Text: fmt.Sprint(text, i), ID: r.x.ID()}
		r.x.Message(m)
		ids = append(ids, m.ID)
	}
	return ids
}

// TestCatchUp: what no webhook brought is read, in order, as a webhook would have
// brought it; echoes, groups and what was there before are not.
func TestCatchUp(t *testing.T) {
	for name, by := range map[string]func(string) settings{"oauth 1.0a": byOAuth1, "oauth 2.0": byOAuth2} {
		t.Run(name, func(t *testing.T) {
			r := dial(t, by)
			r.x.Name(ada, "Ada")
			r.x.Message(sim.Said{From: ada, Text: "long ago"})
			r.pass(time.Hour)
			events, cursor := r.catchUp(t, nil)
			if len(events) != 0 || cursor == nil {
				t.Fatalf("the first poll brings %+v, cursor %q", events, cursor)
			}
			r.pass(time.Second)
			file := r.x.AddFile("image/jpeg", []byte("picture"))
			said := []map[string]any{
				r.x.Message(sim.Said{From: ada, Text: "A & B <c> see https://t.co/x", Long: "https://shop.example/a?b=1&c=2"}),
				r.x.Message(sim.Said{From: "31", Text: "who is there?"}),
				r.x.Message(sim.Said{From: ada, Text: "look", File: file, Base: r.url}),
			}
			r.x.Message(sim.Said{From: ada, Text: "to all of us", Group: "1582103724607971328"})
			if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
				t.Fatal(err)
			}
			r.pass(settled + time.Second)
			got, next := r.catchUp(t, cursor)
			want := r.take(t, string(r.x.Account(listMessages, said[2], said[1], said[0]))).Events
			if d := cmp.Diff(want, got, cmpopts.IgnoreFields(sdk.Event{}, "Payload")); d != "" || len(got) != 3 || got[2].Attachments == nil {
				t.Errorf("missed (-by webhook +by list):\n%s", d)
			}
			if again, last := r.catchUp(t, next); len(again) != 0 || string(last) != string(next) {
				t.Errorf("again: %+v, cursor %s after %s", again, last, next)
			}
			r.sound(t)
		})
	}
}

// TestMissedFileOnce: a file is fetched once, whatever way its message comes.
func TestMissedFileOnce(t *testing.T) {
	r := dial(t, byOAuth1)
	_, cursor := r.catchUp(t, nil)
	r.pass(time.Second)
	m := r.x.Message(sim.Said{From: ada, File: r.x.AddFile("image/jpeg", []byte("picture")), Base: r.url})
	byHook := r.take(t, string(r.x.Account(listMessages, m))).Events
	r.pass(settled + time.Second)
	got, _ := r.catchUp(t, cursor)
	if len(got) != 1 || len(got[0].Attachments) != 1 || got[0].ID != byHook[0].ID || len(r.host.fetched) != 1 {
		t.Errorf("%+v, fetched %d times", got, len(r.host.fetched))
	}
	r.pass(2 * fetchedFor)
	if _, ok := r.files.find(got[0].MessageID, r.host.Now()); ok {
		t.Error("it is remembered for ever")
	}
}

// TestSettled: a message that may be on its way by webhook is left to that, which
// says more of it; after a start it is not left for long.
func TestSettled(t *testing.T) {
	r := dial(t, byOAuth1)
	_, cursor := r.catchUp(t, nil)
	r.reopen(t, r.set)
	for _, wait := range []time.Duration{settled, r.cfg.catchUp} { // after the start, and later
		r.pass(time.Second)
		old := r.lost(2, "old")
		r.pass(settled + time.Second)
		young := r.lost(1, "young")
		r.pass(time.Second)
		var res sdk.PollResult
		for res = r.poll(t, cursor); res.Next == soon; res = r.poll(t, res.Cursor) {
			t.Log("another page")
		}
		if got := idsOf(res.Events); !slices.Equal(got, old) || res.Next != wait {
			t.Errorf("got %q, want %q, next in %v", got, old, res.Next)
		}
		r.pass(wait)
		res = r.poll(t, res.Cursor)
		if got := idsOf(res.Events); !slices.Equal(got, young) || res.Next != r.cfg.catchUp {
			t.Errorf("got %q, want %q, next in %v", got, young, res.Next)
		}
		cursor = res.Cursor
	}
	r.sound(t)
}

// TestManyMissed: page by page, within X's limits, batch by batch, each once and in
// order, also if the process ends on the way.
func TestManyMissed(t *testing.T) {
	for _, n := range []int{9, 10, 11, 110, 111, 1700, maxFound + 300} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := dial(t, byOAuth2)
			_, cursor := r.catchUp(t, nil)
			r.pass(time.Second)
			want := r.lost(n, "missed")
			r.pass(settled + time.Second)
			var got []string
			ended := false
			for polls := 0; len(got) < n && polls < 1000; polls++ {
				res := r.poll(t, cursor)
				if len(res.Events) > batchSize || len(r.walk.found) > maxFound {
					t.Fatalf("%d events at once, %d messages kept", len(res.Events), len(r.walk.found))
				}
				got, cursor = append(got, idsOf(res.Events)...), res.Cursor
				if len(got) == 4*batchSize && !ended {
					ended = true
					r.reopen(t, r.set)
					r.pass(15 * time.Minute) // a new process does not know how many calls X still takes
				}
				r.pass(res.Next)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got) %s", d)
			}
			if more, _ := r.catchUp(t, cursor); len(more) != 0 {
				t.Errorf("%d more", len(more))
			}
			r.sound(t)
		})
	}
}

// TestNotKeptBatch: what the gateway could not keep comes again.
func TestNotKeptBatch(t *testing.T) {
	r := dial(t, byOAuth1)
	_, cursor := r.catchUp(t, nil)
	r.pass(time.Second)
	want := r.lost(batchSize+5, "missed")
	r.pass(settled + time.Second)
	var first sdk.PollResult
	for first = r.poll(t, cursor); len(first.Events) == 0; first = r.poll(t, cursor) {
		r.pass(first.Next)
	}
	if string(first.Cursor) == string(cursor) {
		t.Error("the cursor does not move")
	}
	if got, _ := r.catchUp(t, cursor); !slices.Equal(idsOf(got), want) {
		t.Errorf("got %q, want %q", idsOf(got), want)
	}
	r.sound(t)
}

// TestLongMessages: pages are as small as they must be for what X answers to be read.
func TestLongMessages(t *testing.T) {
	r := dial(t, byOAuth1)
	_, cursor := r.catchUp(t, nil)
	r.pass(time.Second)
	want := r.lost(120, strings.Repeat("😀", 9_990))
	r.pass(settled + time.Second)
	if got, _ := r.catchUp(t, cursor); !slices.Equal(idsOf(got), want) {
		t.Errorf("%d messages, want %d", len(got), len(want))
	}
	r.sound(t)
}

// TestBatch: what is handed over at a time has room in one answer.
func TestBatch(t *testing.T) {
	for _, tt := range []struct{ messages, bytes, want int }{
		{0, 1, 0}, {1, 2 * maxBatchBytes, 1}, {3, maxBatchBytes/2 + 1, 1}, {3, maxBatchBytes / 2, 2}, {batchSize + 1, 10, batchSize},
	} {
		w := walk{found: make([]dm, tt.messages)}
		for i := range w.found {
			w.found[i].item.raw = make([]byte, tt.bytes)
		}
		if got := len(w.batch()); got != tt.want {
			t.Errorf("%d messages of %d bytes: %d, want %d", tt.messages, tt.bytes, got, tt.want)
		}
	}
}

// TestNothingToAsk: whoever does not want it, or has not authorized the gateway, has
// X asked for nothing, and gets no flood later.
func TestNothingToAsk(t *testing.T) {
	off := func(url string) settings { s := byOAuth1(url); s.CatchUp = never; return s }
	for name, tt := range map[string]struct {
		by   func(string) settings
		kept bool
	}{"off": {off, false}, "not authorized": {unauthorized, true}} {
		t.Run(name, func(t *testing.T) {
			r := dial(t, tt.by)
			x := r.x.Breaks()
			old := r.cursor("1")
			res := r.poll(t, old)
			if len(res.Events) != 0 || res.Next != notNow || (string(res.Cursor) == string(old)) != tt.kept {
				t.Errorf("%+v", res)
			}
			if first := r.poll(t, nil); (positionOf(first.Cursor, shop) != "") != tt.kept {
				t.Errorf("the first poll: %+v", first)
			}
			if len(r.x.Breaks()) != len(x) {
				t.Errorf("X was asked: %q", r.x.Breaks())
			}
		})
	}
}

// TestAnotherAccount: a cursor of another account, or one that cannot be read, is
// none: there is no flood of what is there.
func TestAnotherAccount(t *testing.T) {
	r := dial(t, byOAuth1)
	r.lost(3, "old")
	r.pass(time.Hour)
	for _, cursor := range []string{`{"user_id":"44","seen":"1"}`, `{"user_id":"43"}`, `{`, `x`, `{"user_id":"43","seen":"x"}`} {
		if res := r.poll(t, []byte(cursor)); len(res.Events) != 0 || positionOf(res.Cursor, shop) != idAt(r.host.Now()) {
			t.Errorf("%s: %+v", cursor, res)
		}
	}
}

// TestListTrouble: what X may say to a list, and when it is asked again.
func TestListTrouble(t *testing.T) {
	reset := http.Header{"X-Rate-Limit-Remaining": {"0"}, "X-Rate-Limit-Reset": {fmt.Sprint(noon.Add(10 * time.Minute).Unix())}}
	for _, tt := range []struct {
		name  string
		by    func(string) settings
		fault sim.Fault
		err   string
		next  time.Duration
		log   string
	}{
		{"the plan", byOAuth1, sim.Fault{Status: 403, Body: `{"type":"https://api.twitter.com/2/problems/client-forbidden"}`}, "ok", notAllowed, `catch_up`},
		{"not permitted", byOAuth1, sim.Fault{Status: 403, Body: `{}`}, "ok", notAllowed, `catch_up`},
		{"no such call", byOAuth1, sim.Fault{Status: 404}, "ok", notAllowed, `catch_up`},
		{"down", byOAuth1, sim.Fault{Status: 503}, "retry", 0, "503"},
		{"a proxy gives up", byOAuth1, sim.Fault{Status: 504}, "retry", 0, "504"},
		{"no list", byOAuth1, sim.Fault{Status: 200, Body: `[1]`}, "retry", 0, "cannot be read"},
		{"a page", byOAuth1, sim.Fault{Status: 200, Body: `<html>`}, "retry", 0, "not X's"},
		{"limited", byOAuth1, sim.Fault{Status: 429, Header: reset}, "ok", 6 * time.Minute, ""},
		{"the token is too old", byOAuth2, sim.Fault{Status: 401}, "ok", soon, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, tt.by)
			_, cursor := r.catchUp(t, nil)
			if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
				t.Fatal(err)
			}
			r.pass(settled + time.Second)
			want := r.lost(1, "missed")
			r.pass(settled + time.Second)
			tt.fault.Path = "/2/dm_events"
			r.x.Fail(tt.fault)
			res, err := r.PollAccount(t.Context(), cursor)
			if got := plugintest.Verdict(err); got != tt.err || res.Next.Truncate(time.Minute) != tt.next.Truncate(time.Minute) || len(res.Events) != 0 {
				t.Errorf("%v, want %s; %+v", err, tt.err, res)
			}
			if err == nil && string(res.Cursor) != string(cursor) {
				t.Errorf("the cursor moves to %s", res.Cursor)
			}
			if !strings.Contains(r.host.Logged(), tt.log) {
				t.Errorf("log %q lacks %q", r.host.Logged(), tt.log)
			}
			if why, _ := r.health.state(); why != "" {
				t.Errorf("the channel is in trouble: %s", why)
			}
			r.pass(max(res.Next, time.Minute))
			if got, _ := r.catchUp(t, cursor); !slices.Equal(idsOf(got), want) {
				t.Errorf("after that %q, want %q", idsOf(got), want)
			}
			r.sound(t)
		})
	}
}

// TestPageTokenRefused: the token of a page has become too old: the walk begins anew.
func TestPageTokenRefused(t *testing.T) {
	r := dial(t, byOAuth1)
	_, cursor := r.catchUp(t, nil)
	r.pass(time.Second)
	want := r.lost(50, "missed")
	r.pass(settled + time.Second)
	r.poll(t, cursor) // the first page
	r.x.Fail(sim.Fault{Path: "/2/dm_events", Status: 400})
	if res := r.poll(t, cursor); res.Next != notAllowed || r.walk.token != "" {
		t.Errorf("%+v, next page %q", res, r.walk.token)
	}
	if got, _ := r.catchUp(t, cursor); !slices.Equal(idsOf(got), want) {
		t.Errorf("got %q, want %q", idsOf(got), want)
	}
}

// TestEndlessList: a list that goes in circles ends.
func TestEndlessList(t *testing.T) {
	number := idAt(noon.Add(-time.Hour))
	event := `{"event_type":"MessageCreate","id":"` + string(number) + `","text":"Hi","sender_id":"30","dm_conversation_id":"30-43"}`
	for name, body := range map[string]string{
		"the same":      `{"data":[` + event + `],"meta":{"next_token":"t"}}`,
		"nothing, more": `{"meta":{"next_token":"t"}}`,
		"no message":    `{"data":[7,null,{"id":"1"},{"event_type":"MessageCreate","id":"2","sender_id":"30"}],"meta":{"next_token":"t"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				_, _ = io.WriteString(w, body)
			}))
			defer far.Close()
			r := at(t, byOAuth1(far.URL))
			got, _ := r.catchUp(t, r.cursor(idAt(noon.Add(-2*time.Hour))))
			if asked > 3 || (len(got) == 1) != (name == "the same") {
				t.Errorf("asked %d times, got %+v", asked, got)
			}
			if !strings.Contains(r.host.Logged(), "goes in circles") {
				t.Errorf("the log does not say so: %s", r.host.Logged())
			}
		})
	}
}

// TestOverlappingPolls: a second poll does not wait for the first, and brings nothing.
func TestOverlappingPolls(t *testing.T) {
	r := dial(t, byOAuth1)
	r.walking.Lock()
	defer r.walking.Unlock()
	old := r.cursor("1")
	if res := r.poll(t, old); len(res.Events) != 0 || string(res.Cursor) != string(old) || res.Next != soon {
		t.Errorf("%+v", res)
	}
}

// TestListed: what stands in X's list is read, whatever of it is there.
func TestListed(t *testing.T) {
	const event = `{"event_type":"MessageCreate","id":"9544","text":"Hi https://t.co/f","sender_id":"30","dm_conversation_id":"30-43","attachments":{"media_keys":["7_5"]}`
	for _, tt := range []struct{ name, body, want string }{
		{"a video", `{"data":[` + event + `,"entities":{"urls":[{"url":"https://t.co/f","expanded_url":"https://x.com/a/video/1","media_key":"7_5"}]}}],` +
			`"includes":{"media":[{"media_key":"7_5","type":"video","variants":[{"content_type":"video/mp4","url":"http://127.0.0.1:2/b.mp4","bit_rate":2},` +
			`{"content_type":"video/mp4","url":"http://127.0.0.1:1/a.mp4","bit_rate":1}]}]}}`, "Hi http://127.0.0.1:2/b.mp4 video/mp4"},
		{"a file that X does not name", `{"data":[` + event + `}]}`, "Hi https://t.co/f\n[a file without an address]"},
		{"odd includes", `{"data":[` + event + `}],"includes":{"media":[7,{"media_key":"7_5","url":"x"}],"users":[null,{"id":"x"},{"id":"30","name":5}]}}`,
			"Hi https://t.co/f\n[a file without an address]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := bare(t)
			r.host.refuse = sdk.Retry(io.EOF, 0)
			p, err := r.readPage([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range r.messages(t.Context(), p.messages) {
				for _, a := range e.Attachments {
					e.Text += " " + a.URL + " " + a.MIME
				}
				got = append(got, e.Text)
			}
			if d := cmp.Diff([]string{tt.want}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzList: whatever stands in X's list is customers' messages, or nothing.
func FuzzList(f *testing.F) {
	f.Add(`{"data":[{"event_type":"MessageCreate","id":"1582838499983564806","text":"Hi &amp; <","sender_id":"30","dm_conversation_id":"30-43",` +
		`"created_at":"2022-10-19T20:58:00.000Z","attachments":{"media_keys":["3_5"]},"entities":{"urls":[{"url":"https://t.co/a","expanded_url":"https://e.com"}]}}],` +
		`"includes":{"users":[{"id":"30","name":"Ada","username":"ada"}],"media":[{"media_key":"3_5","type":"photo","url":"http://127.0.0.1:1/a.jpg"}]},"meta":{"next_token":"t"}}`)
	for _, v := range oddValues {
		f.Add(fmt.Sprintf(`{"data":[%s],"includes":%s,"meta":%s}`, v, v, v))
		f.Add(`{"data":[{"event_type":"MessageCreate","id":"1","sender_id":"30","dm_conversation_id":"30-43","text":` + v + `}]}`)
	}
	r := bare(f)
	r.host.refuse = sdk.Retry(io.EOF, 0)
	f.Fuzz(func(t *testing.T, body string) {
		p, err := r.readPage([]byte(body))
		if err != nil && plugintest.Verdict(err) != "retry" {
			t.Fatalf("%.200q: %v", body, err)
		}
		for _, e := range r.messages(t.Context(), p.messages) {
			if why := wrong(e); why != "" || e.Type != sdk.CustomerMessage {
				t.Fatalf("%.200q: %s: %+v", body, why, e)
			}
		}
	})
}
