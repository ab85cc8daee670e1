package sdk_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// TestCallersWaitForAnExclusiveChange: an exclusive plugin closes an instance before
// it opens it with other settings. What comes meanwhile waits for that, also if the
// old settings are what is opened again.
func TestCallersWaitForAnExclusiveChange(t *testing.T) {
	for _, fails := range []error{nil, errors.New("no such account")} {
		opening, let := make(chan struct{}), make(chan struct{})
		opens, hooks := 0, &hook{answer: func(*sdk.WebhookRequest) (sdk.WebhookResponse, error) { return sdk.WebhookResponse{}, nil }}
		p := onePlugin(sdk.NewChannel("hook", sdk.Capabilities{ChannelType: "sms"},
			func(context.Context, fakeSettings, sdk.Host) (*hook, error) {
				if opens++; opens == 2 {
					close(opening)
					<-let
					return hooks, fails
				}
				return hooks, nil
			}))
		p.Exclusive = true
		g := sdktest.Start(t, p, "inst", "hook", fakeSettings{})
		changed := make(chan error, 1)
		go func() { changed <- g.Reconfigure(t.Context(), fakeSettings{}) }()
		<-opening
		status, sent := make(chan int, 1), make(chan error, 1)
		go func() {
			r, err := g.Webhook(t.Context(), &sdk.WebhookRequest{Method: "POST"})
			if err != nil {
				t.Error(err)
			}
			status <- r.Status
		}()
		go func() {
			_, err := g.Send(t.Context(), ada, sdk.Message{Text: "hi"})
			sent <- err
		}()
		select {
		case s := <-status:
			t.Errorf("a webhook got status %d before the instance was open", s)
		case err := <-sent:
			t.Errorf("a message ended before the instance was open: %v", err)
		case <-time.After(100 * time.Millisecond): // nothing happens, which is right
		}
		close(let)
		if err := <-changed; (err != nil) != (fails != nil) {
			t.Errorf("change: %v", err)
		}
		if s := <-status; s != 200 {
			t.Errorf("webhook: status %d", s)
		}
		if err := <-sent; err != nil {
			t.Errorf("message: %v", err)
		}
	}
}
