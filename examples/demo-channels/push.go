package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/openccsp/gateway/examples/internal/agent"
	"github.com/openccsp/gateway/examples/push-sim/sim"
)

const pushHCL = `
channel "push" "push" {
  settings {
    fcm_service_account = file(%[2]q)
    apns_key            = file(%[3]q)
    ca                  = %[4]q
    fcm                 = { base_url = %[1]q }
    apns                = { base_url = %[1]q, key_id = %[5]q, team_id = %[6]q, topic = %[7]q }
  }
}

channel "rtm" "push-shop" {
  settings {
    app_id = "push-shop"
  }
}

service "app" {
  integration = "desk"
  channels    = ["push-shop", "push"]
}
`

// pushApps are the customer's, by platform.
var pushApps = map[string]string{"fcm": "demo-android-app", "apns": strings.Repeat("0a1b", 16)}

const pushRule = `rules:
  - name: tell the customer's apps of an answer
    on: incoming_message
    service: app
    do:
      - push: { title: The shop, text: "An agent has answered: {{ event.text ?? 'a file' }}" }
`

// pushScene plays against the wire of FCM and of APNs over HTTP/2: the customer
// has the shop's app on two phones, which register their tokens, writes in one,
// and hears of the agent's answer by a notice on each.
func pushScene() scene {
	var far *sim.Sim
	return scene{
		name: "push", apart: true,
		prepare: func(_ context.Context, s *stage) (string, error) {
			var err error
			if far, err = sim.New(sim.Options{Wire: s.out.out}); err != nil {
				return "", err
			}
			srv := httptest.NewUnstartedServer(far)
			srv.EnableHTTP2 = true
			srv.StartTLS()
			s.atEnd(func() error {
				srv.Close()
				return nil
			})
			return pushBlock(s, far, srv)
		},
		play: func(ctx context.Context, s *stage) error { return playPush(ctx, s, far) },
	}
}

// pushBlock writes the credentials and the rule, and returns the configuration.
func pushBlock(s *stage, far *sim.Sim, srv *httptest.Server) (string, error) {
	account, key := s.home.Path("fcm.json"), s.home.Path("apns.p8")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	err := errors.Join(
		os.WriteFile(account, []byte(far.ServiceAccount(srv.URL)), 0o600),
		os.WriteFile(key, []byte(far.AppleKey()), 0o600),
		s.rule("push", pushRule),
	)
	return fmt.Sprintf(pushHCL, srv.URL, account, key, cert, sim.KeyID, sim.TeamID, sim.Topic), err
}

func playPush(ctx context.Context, s *stage, far *sim.Sim) error {
	const answer = "Yes, it comes today."
	hook := s.home.Hook("push-shop")
	var app struct{ AccessToken string }
	if err := agent.Call(ctx, http.MethodPost, hook+"/register", nil, map[string]any{}, &app); err != nil {
		return err
	}
	header := http.Header{"Accesstoken": {app.AccessToken}}
	for platform, token := range pushApps {
		s.out.in("POST /hooks/push-shop/push, an app of " + platform)
		body := map[string]string{"platform": platform, "token": token}
		if err := agent.Call(ctx, http.MethodPost, hook+"/push", header, body, nil); err != nil {
			return err
		}
	}
	write := func(ctx context.Context, text string) error {
		s.out.say("in the shop's app the customer writes: %s", text)
		return agent.Call(ctx, http.MethodPost, hook+"/mo", header, map[string]string{"tid": "1", "message": text}, nil)
	}
	read := func(ctx context.Context, text string) error {
		return agent.Until(ctx, "both apps show a notice", func(context.Context) (bool, error) {
			shown := map[string]bool{}
			for _, n := range far.Notices() {
				shown[n.Platform] = shown[n.Platform] || strings.HasSuffix(n.Text, text)
			}
			return shown["fcm"] && shown["apns"], nil
		})
	}
	if _, err := s.talk(ctx, "Is my parcel on its way?", answer, write, read); err != nil {
		return err
	}
	if broken := far.Breaks(); len(broken) > 0 {
		return errors.New("the contract with FCM or APNs was broken: " + strings.Join(broken, "; "))
	}
	return nil
}
