package sdk

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// host implements Host over the link.
type host struct {
	s      *server
	spec   *pluginv1.InstanceSpec
	log    *slog.Logger
	client *http.Client // not shared: one far side that hangs must not use up the connections of the others
}

func newHost(s *server, spec *pluginv1.InstanceSpec) *host {
	return &host{s: s, spec: spec, log: s.log.With("instance", spec.Instance), client: newHTTPClient()}
}

// The facts of the instance implement Host.

func (h *host) Instance() string   { return h.spec.Instance }
func (h *host) PublicURL() string  { return h.spec.PublicUrl }
func (h *host) DataDir() string    { return h.spec.DataDir }
func (h *host) Log() *slog.Logger  { return h.log }
func (h *host) HTTP() *http.Client { return h.client }
func (h *host) Now() time.Time     { return h.s.now() }

// TextLimit implements Host. A gateway that sets none splits by the driver's.
func (h *host) TextLimit() TextLimit {
	l := h.spec.TextLimit
	if l == nil {
		return h.s.drivers[h.spec.Driver].caps.Text
	}
	return TextLimit{Limit: int(l.Limit), Unit: TextUnit(l.Unit)}
}

// State implements Host.
func (h *host) State(ctx context.Context, key string) ([]byte, error) {
	r, err := h.ask(ctx, &pluginv1.HostCall{Op: &pluginv1.HostCall_StateGet{
		StateGet: &pluginv1.StateGet{Key: key}}})
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", key, err)
	}
	if len(r.Value) == 0 {
		return nil, nil
	}
	return r.Value, nil
}

// SetState implements Host.
func (h *host) SetState(ctx context.Context, key string, old, new []byte) error {
	_, err := h.ask(ctx, &pluginv1.HostCall{Op: &pluginv1.HostCall_StateSet{
		StateSet: &pluginv1.StateSet{Key: key, Old: old, New: new}}})
	if err != nil {
		return fmt.Errorf("set state %s: %w", key, err)
	}
	return nil
}

// SaveSecret implements Host.
func (h *host) SaveSecret(ctx context.Context, name, value string) error {
	_, err := h.ask(ctx, &pluginv1.HostCall{Op: &pluginv1.HostCall_SaveSecret{
		SaveSecret: &pluginv1.SaveSecret{Name: name, Value: []byte(value)}}})
	if err != nil {
		return fmt.Errorf("save secret %s: %w", name, err)
	}
	return nil
}

// Undelivered implements Host.
func (h *host) Undelivered(ctx context.Context, address, after string, limit int) ([]Message, error) {
	r, err := h.ask(ctx, &pluginv1.HostCall{Op: &pluginv1.HostCall_Undelivered{
		Undelivered: &pluginv1.UndeliveredRequest{
			Address: address, After: after, Limit: uint32(max(limit, 0))}}})
	if err != nil {
		return nil, fmt.Errorf("undelivered messages: %w", err)
	}
	ms := make([]Message, len(r.Messages))
	for i, m := range r.Messages {
		ms[i] = messageFrom(m)
	}
	return ms, nil
}

// CustomerTyping implements Host.
func (h *host) CustomerTyping(address string, on bool) {
	h.tell(&pluginv1.Typing{Address: valid(address), On: on})
}

// ChatTyping implements Host.
func (h *host) ChatTyping(ref ChatRef, on bool) {
	h.tell(&pluginv1.Typing{ChatRef: valid(string(ref)), On: on})
}

func (h *host) tell(t *pluginv1.Typing) {
	if l := h.s.currentLink(); l != nil {
		l.offer(h.frame(&pluginv1.HostCall{Op: &pluginv1.HostCall_Typing{Typing: t}}))
	}
}

func (h *host) frame(c *pluginv1.HostCall) *pluginv1.PluginFrame {
	return &pluginv1.PluginFrame{Instance: h.spec.Instance, Body: &pluginv1.PluginFrame_Call{Call: c}}
}

func (h *host) ask(ctx context.Context, c *pluginv1.HostCall) (*pluginv1.HostReply, error) {
	f := h.frame(c)
	if f.SizeVT() > maxFrameBytes {
		return nil, Rejected("too_large", "more than the gateway takes")
	}
	l, err := h.s.waitLink(ctx)
	if err != nil {
		return nil, err
	}
	got, err := l.ask(ctx, f, nil)
	if err != nil {
		return nil, err
	}
	r := got.GetReply()
	switch {
	case r == nil:
		return nil, errLinkLost
	case r.Ok:
		return r, nil
	case r.Conflict:
		return nil, ErrConflict
	case r.Refused:
		return nil, Rejected(cmp.Or(r.Code, "refused"), r.Message)
	}
	return nil, &RetryError{Err: fmt.Errorf("the gateway: %s", r.Message), Code: r.Code}
}
