package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/openccsp/gateway/examples/internal/agent"
	"github.com/openccsp/gateway/examples/wechat-sim/sim"
)

const wechatHCL = `
channel "wechat" "wechat" {
  settings {
    app_id           = "wx5823bf96d3bd56c7"
    app_secret       = "demo-app-secret"
    token            = "wxtoken"
    encoding_aes_key = %q
    base_url         = %q
  }
}
`

const (
	wechatUser = "oUser1"
	wechatKey  = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

// wechatScene plays against WeChat's wire protocol, encrypted: WeChat checks the
// hook, the customer writes, the agent answers by the customer service API.
func wechatScene() scene {
	var far *sim.Sim
	return scene{
		name: "wechat",
		prepare: func(_ context.Context, s *stage) (string, error) {
			var err error
			far, err = sim.New(sim.Options{
				AppID: "wx5823bf96d3bd56c7", Secret: "demo-app-secret", Token: "wxtoken", AESKey: wechatKey,
				Wire: func(toHook bool, what string) {
					if toHook {
						s.out.in(what)
					} else {
						s.out.out(what)
					}
				},
			})
			if err != nil {
				return "", err
			}
			api := httptest.NewServer(far)
			s.atEnd(func() error {
				api.Close()
				return nil
			})
			return fmt.Sprintf(wechatHCL, wechatKey, api.URL), nil
		},
		play: func(ctx context.Context, s *stage) error {
			far.SetHook(s.home.Hook("wechat"))
			if err := far.Check(ctx); err != nil {
				return err
			}
			s.out.say("WeChat has checked the address")
			_, err := s.talk(ctx, "你好, is my parcel on its way?", "It comes today <before noon> 😀",
				func(ctx context.Context, text string) error { return far.Say(ctx, wechatUser, text) },
				func(ctx context.Context, text string) error { return wechatShows(ctx, far, text) })
			if err != nil {
				return err
			}
			if broken := far.Breaks(); len(broken) > 0 {
				return errors.New("the contract with WeChat was broken: " + strings.Join(broken, "; "))
			}
			return nil
		},
	}
}

// wechatShows waits until the customer sees a text.
func wechatShows(ctx context.Context, far *sim.Sim, text string) error {
	return agent.Until(ctx, "the customer sees the answer", func(context.Context) (bool, error) {
		return slices.ContainsFunc(far.Shown(), func(sh sim.Shown) bool { return sh.To == wechatUser && sh.Text == text }), nil
	})
}
