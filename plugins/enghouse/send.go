package main

import (
	"context"
	"errors"

	"github.com/openccsp/gateway/sdk"
)

// Send implements sdk.Connector: sendmsg. The far side gives messages no id. A
// message that needs several calls goes on, when it is tried again, with the
// one that failed.
func (c *connector) Send(ctx context.Context, chat sdk.Chat, m sdk.Message) (sdk.Receipt, error) {
	s := c.progress.of(chat.Ref, m.ID)
	what, err := c.content(ctx, chat, s, m)
	if err == nil {
		err = c.show(ctx, chat.Ref, s, what)
	}
	if !repeats(err) {
		c.progress.forget(chat.Ref, m.ID)
	}
	return sdk.Receipt{}, err
}

// show makes the calls for what that s does not name as done.
func (c *connector) show(ctx context.Context, ref sdk.ChatRef, s *sent, what content) error {
	all := what.effects(c.cfg, ref)
	if len(all) == 0 {
		return sdk.Rejected("no_text", "the message has nothing that the agent's desk could show")
	}
	for _, e := range all[min(s.done, len(all)):] {
		if err := c.tell(ctx, e.verb, ref, e.body); err != nil {
			return err
		}
		s.done++
	}
	return nil
}

// repeats reports whether the gateway will make a call again that ended so.
func repeats(err error) bool {
	_, retry := errors.AsType[*sdk.RetryError](err)
	_, ambiguous := errors.AsType[*sdk.AmbiguousError](err)
	return retry || ambiguous || errors.Is(err, sdk.ErrAuthConfig)
}

// effect is one call of which the agent sees something.
type effect struct {
	verb string
	body any
}

// effects are the calls that show what to the agent.
func (w content) effects(cfg config, ref sdk.ChatRef) []effect {
	var all []effect
	for _, text := range w.texts {
		all = append(all, effect{"sendmsg", struct {
			ID   sdk.ChatRef `json:"Connection_ID"`
			Text string      `json:"Message_Text"`
		}{ref, text}})
	}
	for _, address := range w.files {
		all = append(all, effect{"fireevent", fired{ref, cfg.Upload.Event, pairs(map[string]string{cfg.Upload.Parameter: address})}})
	}
	return all
}

const followTries = 3

// follow brings what had no room in joinchat. The chat is open whatever becomes
// of it, so it is not the opening that fails.
func (c *connector) follow(ctx context.Context, chat sdk.Chat, what content) {
	ref := chat.Ref
	for _, e := range what.effects(c.cfg, ref) {
		err := c.tell(ctx, e.verb, ref, e.body)
		for try := 1; try < followTries && err != nil && isRetry(err); try++ {
			err = c.tell(ctx, e.verb, ref, e.body)
		}
		if err != nil {
			c.host.Log().Error("the end of a chat's first message may not have arrived", "conversation", chat.Conversation, "verb", e.verb, "err", err)
		}
	}
}

func isRetry(err error) bool {
	_, ok := errors.AsType[*sdk.RetryError](err)
	return ok
}
