package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

var update = flag.Bool("update", false, "write what happened into testdata/life")

// TestLifeCycles plays each life of a chat as it was recorded, and compares all
// that goes over the wire, and every event, byte for byte. A recording has lines
// that say what is done, and below them what follows:
//
//	do NAME JSON   the gateway makes a call, with this message or argument
//	answer BODY    what IMIchat answers from now on, after its status
//	-> METHOD …    what it got, below that the body
//	= …            what the gateway learned
//	hook BODY      IMIchat sends a webhook
//	=> EVENT       an event, without its payload
func TestLifeCycles(t *testing.T) {
	files, err := filepath.Glob("testdata/life/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := newPlayer(t)
			for line := range strings.Lines(string(want)) {
				p.play(strings.TrimSuffix(line, "\n"))
			}
			if *update {
				if err := os.WriteFile(file, p.out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want), p.out.String()); diff != "" {
				t.Errorf("(-recorded +played):\n%s", diff)
			}
		})
	}
}

type player struct {
	t    *testing.T
	c    *connector
	far  *answering
	chat sdk.Chat
	mark []byte
	out  bytes.Buffer
}

// answering is a contact center that answers what it is told.
type answering struct {
	status int
	body   string
	got    bytes.Buffer
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(&a.got, "-> %s %s key: %s\n", r.Method, r.URL.RequestURI(), r.Header.Get("key"))
	if len(body) > 0 || err != nil {
		fmt.Fprintf(&a.got, "%s\n", body)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func newPlayer(t *testing.T) *player {
	p := &player{t: t, far: &answering{status: 200}, chat: sdk.Chat{Conversation: "0123", Number: 1, Channel: "shop",
		ChannelType: "sms", Service: "retail", Customer: ada, Attributes: map[string]string{"skill": "french", "tag": "vip, gold"}}}
	c, host := dial(t, p.far, func(s *settings) {
		s.Assets = map[string]string{"shop": "+41800"}
		s.Services = map[string]routing{"retail": {TeamName: "Retail", Subject: "Order", Flag: "red"}}
	})
	host.Set(noon)
	p.c = c
	emit := emitter(func(_ context.Context, all ...sdk.Event) error {
		for _, e := range all {
			p.event(e)
		}
		return nil
	})
	c.emit.Store(&emit)
	return p
}

// play repeats the lines that say what is done, and does it.
func (p *player) play(line string) {
	p.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "#", "":
		fmt.Fprintln(&p.out, line)
	case "answer":
		fmt.Fprintln(&p.out, line)
		if _, err := fmt.Sscanf(rest, "%d", &p.far.status); err != nil {
			p.t.Fatalf("%s: %v", line, err)
		}
		_, p.far.body, _ = strings.Cut(rest, " ")
	case "hook":
		fmt.Fprintln(&p.out, line)
		res, err := p.c.Webhook(p.t.Context(), hooked(rest))
		if err != nil || res.Status != 0 {
			p.t.Errorf("%s: status %d, %v", line, res.Status, err)
		}
		for _, e := range res.Events {
			p.event(e)
		}
	case "do":
		fmt.Fprintln(&p.out, line)
		name, arg, _ := strings.Cut(rest, " ")
		p.do(name, arg)
	}
}

func (p *player) do(name, arg string) {
	var m sdk.Message
	if strings.HasPrefix(arg, "{") {
		if err := json.Unmarshal([]byte(arg), &m); err != nil {
			p.t.Fatalf("%s: %v", arg, err)
		}
	}
	ctx := p.t.Context()
	learned := ""
	var err error
	switch name {
	case "transcript":
		err = json.Unmarshal([]byte(arg), &p.chat.Transcript)
	case "open":
		var ref sdk.ChatRef
		if ref, err = p.c.Open(ctx, p.chat, m); err == nil {
			p.chat.Ref, p.chat.Transcript, learned = ref, nil, string(ref)
		}
	case "send":
		var r sdk.Receipt
		r, err = p.c.Send(ctx, p.chat, m)
		learned = r.MessageID
	case "close":
		err = p.c.Close(ctx, p.chat, arg)
	case "hold":
		err = p.c.Hold(ctx, p.chat, arg == "on")
	case "typing":
		err = p.c.TypingToChat(ctx, p.chat, arg == "on")
	case "transfer":
		err = p.c.Transfer(ctx, p.chat, arg)
	case "receipt":
		f := strings.Fields(arg)
		err = p.c.Receipt(ctx, p.chat, f[0], f[1], strings.Join(f[2:], " "))
	case "event":
		err = p.c.SendEvent(ctx, p.chat, arg, map[string]string{"a": "b"})
	case "update":
		p.chat.Customer.Attributes = map[string]string{"tier": arg}
		err = p.c.Update(ctx, p.chat)
	case "reopen":
		var ref sdk.ChatRef
		ref, err = p.c.Reopen(ctx, p.chat)
		learned = string(ref)
	case "restart":
		p.c.lives, p.c.repeats = newLives(), newRepeats()
	case "read":
		p.c.lives.change(string(p.chat.Ref), func(l *life) { l.read = noon })
		var res sdk.PollResult
		res, err = p.c.Poll(ctx, p.chat, p.mark)
		p.flush()
		p.mark, learned = res.Cursor, string(res.Cursor)
	default:
		p.t.Fatalf("do %s: what is that?", name)
	}
	p.flush()
	if err != nil {
		learned = plugintest.Verdict(err)
	}
	fmt.Fprintln(&p.out, strings.TrimSpace("= "+learned))
}

// flush writes what the contact center got.
func (p *player) flush() {
	_, _ = p.far.got.WriteTo(&p.out)
}

// event writes what an event says.
func (p *player) event(e sdk.Event) {
	p.flush()
	e.Payload = nil
	b, err := json.Marshal(e)
	if err != nil {
		p.t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		p.t.Fatal(err)
	}
	prune(all)
	if b, err = json.Marshal(all); err != nil {
		p.t.Fatal(err)
	}
	fmt.Fprintf(&p.out, "=> %s\n", b)
}

// prune removes what says nothing.
func prune(all map[string]any) {
	for name, v := range all {
		if m, ok := v.(map[string]any); ok {
			prune(m)
			if len(m) == 0 {
				delete(all, name)
			}
		}
		if slices.Contains([]any{nil, "", false, float64(0), "0001-01-01T00:00:00Z"}, v) {
			delete(all, name)
		}
	}
}
