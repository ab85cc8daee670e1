package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
)

// Memory keeps values over a restart. A store is one.
type Memory interface {
	// State returns nil if there is no value.
	State(ctx context.Context, instance, key string) ([]byte, error)
	// SetState replaces old by next; an error if the value is not old.
	SetState(ctx context.Context, instance, key string, old, next []byte) error
}

// memoryName is the instance under which a Memory has what is disabled, by the
// name of the endpoint. No instance of gateway.hcl can have it.
const memoryName = ".endpoints"

// Disabled says since when and why an endpoint gets nothing.
type Disabled struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	URL    string    `json:"url"` // a hash of it: with another URL the endpoint is enabled
}

// The states of an endpoint.
const (
	Answers = "ok"       // or was never asked
	Failing = "failing"  // attempts fail, or it asked for quiet: they are made less often
	Off     = "disabled" // it gets nothing until it is enabled
)

// Status is how an endpoint does.
type Status struct {
	Name   string
	Host   string // the URL without its path
	Format Format
	State  string
	Since  time.Time // of State, zero for one that answers
	Reason string    // why, where it is known
}

// Status returns how the endpoints do, by name.
func (n *Notifier) Status() []Status {
	set := *n.endpoints.Load()
	var all []Status
	for _, name := range slices.Sorted(maps.Keys(set)) {
		e := set[name]
		s := Status{Name: name, Host: e.host(), Format: e.Format, State: Answers}
		e.gate.mu.Lock()
		switch g := e.gate; {
		case g.off != nil:
			s.State, s.Since, s.Reason = Off, g.off.At, g.off.Reason
		case !g.failing.IsZero():
			s.State, s.Since = Failing, g.failing
			if g.unasked() {
				s.Reason = "it has not said that it wants notifications"
			}
		}
		e.gate.mu.Unlock()
		all = append(all, s)
	}
	return all
}

// Enable lets notifications go to an endpoint again that was disabled.
func (n *Notifier) Enable(ctx context.Context, name string) error {
	e := (*n.endpoints.Load())[name]
	if e == nil {
		return core.Errorf(core.NotFound, "there is no endpoint %q", name)
	}
	if err := n.remember(ctx, name, nil); err != nil {
		return err
	}
	e.gate.enable()
	n.disabled.WithLabelValues(name).Set(0)
	n.log.InfoContext(ctx, "endpoint enabled", "endpoint", name)
	return nil
}

// disable stops an endpoint, also for the time after a restart.
func (n *Notifier) disable(ctx context.Context, e *endpoint, reason string) {
	d := &Disabled{At: n.now(), Reason: reason, URL: hashOf(e.URL)}
	if !e.gate.disable(d) {
		return // by another attempt that was under way
	}
	n.disabled.WithLabelValues(e.name).Set(1)
	err := n.remember(context.WithoutCancel(ctx), e.name, d)
	n.log.ErrorContext(ctx, "endpoint disabled: it gets nothing until it is enabled, or has another URL",
		"endpoint", e.name, "reason", reason, "err", err)
}

// remember keeps that an endpoint is disabled, nil that it is not.
func (n *Notifier) remember(ctx context.Context, name string, d *Disabled) error {
	if n.memory == nil {
		return nil
	}
	old, err := n.memory.State(ctx, memoryName, name)
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", name, err)
	}
	var next []byte
	if d != nil {
		if next, err = json.Marshal(d); err != nil {
			return err
		}
	}
	if old == nil && next == nil {
		return nil
	}
	if err := n.memory.SetState(ctx, memoryName, name, old, next); err != nil {
		return fmt.Errorf("endpoint %s: %w", name, err)
	}
	return nil
}

// rememberFor bounds the read of one endpoint's state.
const rememberFor = 10 * time.Second

// remembered returns what is kept of an endpoint, nil if it is enabled.
func (n *Notifier) remembered(e *endpoint) (*Disabled, error) {
	if n.memory == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), rememberFor)
	defer cancel()
	b, err := n.memory.State(ctx, memoryName, e.name)
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", e.name, err)
	}
	var d Disabled
	if b == nil || json.Unmarshal(b, &d) != nil || d.URL != hashOf(e.URL) {
		return nil, nil
	}
	return &d, nil
}

func hashOf(url string) string {
	h := sha256.Sum256([]byte(url))
	return hex.EncodeToString(h[:16])
}
