package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// What can be done with the control of a thread, as Meta calls it: so it is called in
// rules, too.
const (
	takeControl    = "take_thread_control"
	passControl    = "pass_thread_control"
	releaseControl = "release_thread_control"
	requestControl = "request_thread_control"
)

const (
	maxAsked    = 10_000    // threads that were asked for, and are remembered
	askedFor    = time.Hour // until the app that controls a thread is asked again
	maxMetadata = 1000      // bytes
)

// controlled is the body of a call about a thread.
type controlled struct {
	Recipient recipient `json:"recipient"`
	Target    string    `json:"target_app_id,omitempty"`
	Metadata  string    `json:"metadata,omitempty"`
}

// EventToCustomer implements sdk.CustomerEventSender: what rules want done with the
// control of the thread. Messenger shows customers nothing of agents who come and go.
func (c *channel) EventToCustomer(ctx context.Context, to sdk.Customer, name string, params map[string]string) error {
	body := controlled{Recipient: recipient{to.Address}, Metadata: params["metadata"]}
	switch name {
	case sdk.AgentJoined, sdk.AgentLeft:
		return nil
	case passControl:
		if body.Target = params["target_app_id"]; body.Target == inbox {
			body.Target = c.cfg.InboxAppIDs[0]
		}
		if !number.MatchString(body.Target) {
			return sdk.Rejected("target_app_id", "is neither the number of an app nor inbox")
		}
	case takeControl, releaseControl, requestControl:
	default:
		return sdk.ErrUnsupported
	}
	if len(body.Metadata) > maxMetadata {
		return sdk.Rejected("metadata", fmt.Sprintf("has more than %d bytes", maxMetadata))
	}
	err := c.control(ctx, name, body)
	if errors.Is(err, errNotOwner) {
		return sdk.Rejected(notOwner, "another app controls the thread")
	}
	return err
}

// control makes a call about a thread, which does no harm twice. What this app may not
// do at all is refused for good: it says nothing of the token.
func (c *channel) control(ctx context.Context, verb string, body controlled) error {
	if !addressable(body.Recipient.ID) {
		return sdk.Rejected("address", "is not a page-scoped id")
	}
	if err := c.pace.await(ctx, false); err != nil {
		return err
	}
	var answer struct {
		Success *bool `json:"success"` // Meta does not always say it
	}
	err := ccsp.AsRetry(c.graph.post(ctx, c.cfg.PageID+"/"+verb, body, &answer))
	f, _ := errors.AsType[*failure](err)
	switch {
	case err == nil && answer.Success != nil && !*answer.Success:
		return sdk.Retry(fmt.Errorf("%s: Meta says that it is not done", verb), heldFor)
	case f != nil && errors.Is(err, sdk.ErrAuthConfig) && (f.Code == 3 || f.Code == 10 || f.Code == 200):
		return sdk.Rejected(f.code(), verb+" is not for this app. "+f.Message)
	}
	return err
}

// claim does what the settings say about a thread that another app controls; nil: it
// is ours now. Otherwise the message waits, as held says, but not for ever: the agent
// should know.
func (l *letter) claim(ctx context.Context, held error) error {
	body := controlled{Recipient: recipient{l.to}, Metadata: "openccsp"}
	if l.cfg.TakeControl && !l.claimed {
		l.claimed = true
		err := l.control(ctx, takeControl, body)
		if !refused(err) {
			return err
		}
		l.host.Log().Info("a thread cannot be taken", "err", err)
	}
	now := l.host.Now()
	if l.cfg.RequestControl && l.asked.may(l.to, now) {
		if err := l.control(ctx, requestControl, body); err != nil {
			l.host.Log().Info("a thread cannot be asked for", "err", err)
			if !refused(err) { // it did not come there, so it is made again
				l.asked.forget(l.to)
			}
		}
	}
	if !l.m.Late && !l.m.At.IsZero() && now.Sub(l.m.At) > l.cfg.waitForControl {
		return sdk.Rejected(notOwner, fmt.Sprintf("another app has controlled the thread for %v", l.cfg.waitForControl))
	}
	return held
}

// refused says whether err is Meta's last word.
func refused(err error) bool {
	_, ok := errors.AsType[*sdk.RejectedError](err)
	return ok
}

// asked remembers for which threads other apps were asked.
type asked struct {
	last *lru.Cache[string, time.Time]
}

func newAsked() (asked, error) {
	last, err := lru.New[string, time.Time](maxAsked)
	return asked{last}, err
}

// may says whether it is time to ask for a thread, and takes it that this is done.
func (a asked) may(psid string, now time.Time) bool {
	if t, ok := a.last.Get(psid); ok && now.Sub(t) < askedFor {
		return false
	}
	a.last.Add(psid, now)
	return true
}

// forget has a thread be asked for again.
func (a asked) forget(psid string) { a.last.Remove(psid) }
