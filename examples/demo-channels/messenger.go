package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/agent"
	"github.com/openccsp/gateway/examples/messenger-sim/sim"
)

// The page of the scene, and its visitor.
const (
	fbPage    = "1001"
	fbToken   = "page-token"
	fbSecret  = "app-secret-of-the-demo"
	fbVerify  = "verify-token-of-the-demo"
	fbVisitor = "2002"
)

const messengerHCL = `channel "messenger" "messenger" {
  settings {
    page_id      = %q
    app_id       = "9001"
    access_token = %q
    app_secret   = %q
    verify_token = %q
    base_url     = %q
    mark_seen    = "received"
  }
}
`

// messengerRules answer a heart with a question that has buttons.
const messengerRules = `rules:
  - name: a heart on Messenger
    on: custom_event
    event_name: reaction
    channel: messenger
    when: event.params["reaction"] == "love"
    do:
      - send:
          text: Shall we reserve it?
          quick_replies: [{ title: Reserve it, payload: RESERVE_BLUE }, "No"]
`

// messengerScene is a visitor of a Facebook page, against a simulator of Meta's
// platform that signs its webhooks and refuses what Meta would refuse.
func messengerScene() scene {
	var meta *sim.Sim
	prepare := func(ctx context.Context, s *stage) (string, error) {
		meta = sim.New(sim.Options{Page: fbPage, Token: fbToken, AppSecret: fbSecret, Echoes: true, Receipts: true,
			Hook: "http://" + s.home.Listen + "/hooks/messenger",
			Wire: func(in bool, body string) {
				if in {
					s.out.in("webhook " + body)
					return
				}
				s.out.out("POST /v26.0/" + fbPage + "/messages " + body)
			}})
		base, err := serveMeta(ctx, s, meta)
		if err != nil {
			return "", err
		}
		s.atEnd(func() error { meta.Close(); return nil })
		meta.SetBase(base)
		return fmt.Sprintf(messengerHCL, fbPage, fbToken, fbSecret, fbVerify, base), s.rule("messenger", messengerRules)
	}
	play := func(ctx context.Context, s *stage) error {
		if err := verifyHook(ctx, s); err != nil {
			return err
		}
		write := func(_ context.Context, text string) error {
			meta.Say(fbVisitor, text)
			return nil
		}
		a, err := s.talk(ctx, "Grüezi, is the blue one there?", "It is, until Friday", write, readsAt(meta))
		if err != nil {
			return err
		}
		return messengerMore(ctx, s, meta, a)
	}
	return scene{name: "messenger", prepare: prepare, play: play}
}

// verifyHook asks the hook what Meta asks it first.
func verifyHook(ctx context.Context, s *stage) error {
	q := url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {"1158201444"}, "hub.verify_token": {fbVerify}}
	at := "http://" + s.home.Listen + "/hooks/messenger?" + q.Encode()
	return agent.Until(ctx, "the hook is verified", func(ctx context.Context) (bool, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return false, err
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return false, err
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		if err != nil || string(b) != "1158201444" {
			return false, fmt.Errorf("%s %s: %w", res.Status, b, err)
		}
		s.out.in("GET /hooks/messenger?hub.mode=subscribe&hub.challenge=1158201444&… answered " + string(b))
		return true, nil
	})
}

// readsAt waits until the page has said a text.
func readsAt(meta *sim.Sim) func(context.Context, string) error {
	return func(ctx context.Context, text string) error {
		return awaitMeta(ctx, "the visitor reads "+text, meta, func() bool {
			all := meta.Sent()
			return len(all) > 0 && all[len(all)-1].Text == text
		})
	}
}

// awaitMeta waits for what the platform sees.
func awaitMeta(ctx context.Context, what string, meta *sim.Sim, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, agent.StepLimit)
	defer cancel()
	if err := meta.Await(ctx, ok); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// messengerMore is what only Messenger has: a reaction to which a rule answers
// with buttons, webhooks that come twice, and the marks of what was seen.
func messengerMore(ctx context.Context, s *stage, meta *sim.Sim, a *agent.Agent) error {
	all := meta.Sent()
	meta.Post(meta.Act(fbVisitor, "reaction", sim.Event{"reaction": "love", "emoji": "❤", "action": "react", "mid": all[len(all)-1].Mid}))
	if err := readsAt(meta)(ctx, "Shall we reserve it?"); err != nil {
		return err
	}
	meta.Disturb(1, false)
	meta.Choose(fbVisitor, "Reserve it", "RESERVE_BLUE")
	meta.Disturb(0, false)
	seen := 0
	err := agent.Until(ctx, "the agent sees the button", func(ctx context.Context) (bool, error) {
		_, lines, err := a.Log(ctx)
		seen = 0
		for _, l := range lines {
			if strings.Contains(l.Text, "Reserve it") {
				seen++
			}
		}
		return seen > 0, err
	})
	if err != nil {
		return err
	}
	if err := a.Say(ctx, "It is reserved"); err != nil {
		return err
	}
	if err := readsAt(meta)(ctx, "It is reserved"); err != nil {
		return err
	}
	marked := func() bool { return strings.Contains(strings.Join(meta.Actions(), ","), "mark_seen "+fbVisitor) }
	if err := awaitMeta(ctx, "the visitor's messages are seen", meta, marked); err != nil {
		return err
	}
	// A text, a reaction, three echoes with receipts; a mark and a button twice each.
	told := func() bool { taken, _ := meta.Hooks(); return taken == 9 }
	if err := awaitMeta(ctx, "Meta's webhooks are taken", meta, told); err != nil {
		return err
	}
	if breaks := meta.Breaks(); len(breaks) > 0 || seen != 1 {
		return fmt.Errorf("the button was seen %d times; the contract is broken: %q", seen, breaks)
	}
	s.out.say("the webhook with the button came twice, the agent saw it once; nothing broke Meta's contract")
	return nil
}

// serveMeta serves h on a free port of loopback until the stage is taken down.
func serveMeta(ctx context.Context, s *stage, h http.Handler) (base string, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	s.atEnd(func() error {
		err := srv.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	})
	return "http://" + l.Addr().String(), nil
}
