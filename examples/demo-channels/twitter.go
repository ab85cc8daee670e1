package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/agent"
	"github.com/openccsp/gateway/examples/twitter-sim/sim"
)

const twitterHCL = `channel "twitter" "twitter" {
  settings {
    user_id         = "43"
    consumer_key    = "demo"
    consumer_secret = "demo-consumer-secret"
    client_id       = "demo"
    setup_key       = "demo-setup-key-0123"
    api_url         = %[1]q
    authorize_url   = "%[1]s/i/oauth2/authorize"
  }
}
`

// twitterScene: an administrator authorizes the gateway at X, which challenges the
// hook; a customer writes, types, reads, and writes encrypted.
func twitterScene() scene {
	var x *sim.Sim
	return scene{
		name: "twitter",
		prepare: func(_ context.Context, s *stage) (string, error) {
			x = sim.New(sim.Options{UserID: "43", ConsumerKey: "demo", ConsumerSecret: "demo-consumer-secret", ClientID: "demo",
				Window: 15, Seen: func(what string) {
					if in, ok := strings.CutPrefix(what, "> "); ok {
						s.out.in(in)
						return
					}
					s.out.out(strings.TrimPrefix(what, "< "))
				}})
			x.Name("30", "Ada")
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return "", err
			}
			srv := &http.Server{Handler: x, ReadHeaderTimeout: 10 * time.Second}
			done := make(chan error, 1)
			go func() { done <- srv.Serve(l) }()
			s.atEnd(func() error {
				err := srv.Close()
				if ended := <-done; !errors.Is(ended, http.ErrServerClosed) {
					err = errors.Join(err, ended)
				}
				return err
			})
			return fmt.Sprintf(twitterHCL, "http://"+l.Addr().String()), nil
		},
		play: func(ctx context.Context, s *stage) error { return playTwitter(ctx, s, x) },
	}
}

func playTwitter(ctx context.Context, s *stage, x *sim.Sim) error {
	hook := "http://" + s.home.Listen + "/hooks/twitter"
	if err := x.Challenge(ctx, hook); err != nil {
		return err
	}
	s.out.say("the hook has answered X's challenge (CRC)")
	x.SetHook(hook)
	if err := authorizeTwitter(ctx, hook); err != nil {
		return err
	}
	s.out.say("an administrator has authorized the gateway at X (OAuth 2.0, PKCE)")

	write := func(ctx context.Context, text string) error {
		body := x.Activity("dm.received", map[string]any{"direct_message_events": []any{x.Message(sim.Said{From: "30", Text: text})}})
		return x.PostAll(ctx, [][]byte{x.Typing("30"), body}, sim.Chaos{Duplicate: true})
	}
	read := func(ctx context.Context, answer string) error {
		return agent.Until(ctx, "the answer is at X", func(context.Context) (bool, error) {
			return slices.ContainsFunc(x.Sent(), func(m sim.Message) bool { return m.To == "30" && strings.Contains(m.Text, answer) }), nil
		})
	}
	a, err := s.talk(ctx, "Where is my parcel & when does it come?", "It is at your neighbour's.", write, read)
	if err != nil {
		return err
	}
	sent := x.Sent()
	more := [][]byte{x.Read("30", sent[len(sent)-1].ID), x.Account("follow_events", map[string]any{"type": "follow", "id": x.ID()}), x.Encrypted("30")}
	if err := x.PostAll(ctx, more, sim.Chaos{}); err != nil {
		return err
	}
	err = agent.Until(ctx, "the agent sees that there was an encrypted message", func(ctx context.Context) (bool, error) {
		_, lines, err := a.Log(ctx)
		return slices.ContainsFunc(lines, func(e agent.Entry) bool { return strings.Contains(e.Text, "unsupported encrypted message") }), err
	})
	if err != nil {
		return err
	}
	_, lines, err := a.Log(ctx)
	if err != nil {
		return err
	}
	if len(lines) != 2 {
		return fmt.Errorf("the agent sees %d messages of a customer who wrote 2, one of them twice on the wire", len(lines))
	}
	if breaks := x.Breaks(); len(breaks) > 0 {
		return fmt.Errorf("what X complains of: %s", strings.Join(breaks, "; "))
	}
	return nil
}

// authorizeTwitter does what an administrator's browser does.
func authorizeTwitter(ctx context.Context, hook string) error {
	form := url.Values{"key": {"demo-setup-key-0123"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, hook+"/oauth/start", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r) // it follows to X and back
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(page), "Done") {
		return fmt.Errorf("authorize: %s %s", res.Status, page)
	}
	return nil
}
