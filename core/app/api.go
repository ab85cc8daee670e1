package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/engine"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// mostOutbox is how many commands of one conversation the API shows.
const mostOutbox = 200

// Conversations implements httpd.Gateway. The index is not written for each
// message: when the last one was is in the documents. One that cannot be read
// is listed all the same.
func (g *gateway) Conversations(ctx context.Context, f store.Filter, after string, limit int) (store.Page[store.Listed], error) {
	page, err := g.store.Reader().List(ctx, f, after, limit)
	if err != nil {
		return page, err
	}
	for i := range page.Items {
		l := &page.Items[i]
		b, _, err := g.store.Reader().Document(ctx, l.ID)
		if err != nil {
			continue
		}
		if doc, err := decode(b, &state.Document{}, l.ID.String()); err == nil {
			l.Index.UpdatedMS = max(l.Index.UpdatedMS, doc.GetCustomerMs(), doc.GetAgentMs())
		}
	}
	return page, nil
}

// Conversation implements httpd.Gateway.
func (g *gateway) Conversation(ctx context.Context, id core.ConversationID) (*state.Document, []*state.Pending, error) {
	doc, err := g.document(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	out, err := g.store.Reader().Outbox(ctx, id, mostOutbox)
	if err != nil {
		return nil, nil, err
	}
	var pending []*state.Pending
	for _, o := range out {
		p, err := decode(o.Body, &state.Pending{}, "command "+o.ID.String())
		if err != nil {
			return nil, nil, err
		}
		pending = append(pending, p)
	}
	return doc, pending, nil
}

// document reads a conversation's document.
func (g *gateway) document(ctx context.Context, id core.ConversationID) (*state.Document, error) {
	b, _, err := g.store.Reader().Document(ctx, id)
	if err != nil {
		return nil, err
	}
	return decode(b, &state.Document{}, "conversation "+id.String())
}

// History implements httpd.Gateway. A conversation may have none left.
func (g *gateway) History(ctx context.Context, id core.ConversationID, after string, limit int) (store.Page[*state.Entry], error) {
	p, err := g.store.Reader().History(ctx, id, after, limit)
	if err == nil && len(p.Items) == 0 {
		_, _, err = g.store.Reader().Document(ctx, id)
	}
	return decodePage(p, err, func(e store.Entry) []byte { return e.Body }, func() *state.Entry { return &state.Entry{} })
}

// decoder is a stored message.
type decoder interface{ UnmarshalVT([]byte) error }

// decode reads a stored body into m and returns it. what names it in errors.
func decode[M decoder](body []byte, m M, what string) (M, error) {
	if err := m.UnmarshalVT(body); err != nil {
		var none M
		return none, fmt.Errorf("%s cannot be read: %w", what, err)
	}
	return m, nil
}

func decodePage[T any, M decoder](p store.Page[T], err error, body func(T) []byte, empty func() M) (store.Page[M], error) {
	if err != nil {
		return store.Page[M]{}, err
	}
	out := store.Page[M]{Next: p.Next}
	for _, v := range p.Items {
		m, err := decode(body(v), empty(), "an item of a list")
		if err != nil {
			return store.Page[M]{}, err
		}
		out.Items = append(out.Items, m)
	}
	return out, nil
}

// BindOrphan implements httpd.Gateway.
func (g *gateway) BindOrphan(ctx context.Context, o httpd.Orphan) (core.ConversationID, error) {
	return g.engine.Link(ctx, o.Integration, o.ChatID, o.Channel, o.Customer)
}

// CloseConversation implements httpd.Gateway.
func (g *gateway) CloseConversation(ctx context.Context, id core.ConversationID, reason string) error {
	doc, _, err := g.Conversation(ctx, id)
	if err != nil {
		return err
	}
	if s := doc.GetChat().GetState(); s != state.ChatState_CHAT_OPEN && s != state.ChatState_CHAT_OPENING {
		return core.Errorf(core.Conflict, "the conversation has no open chat")
	}
	return g.engine.Close(ctx, id, "operator", reason)
}

// ControlConversation implements httpd.Gateway.
func (g *gateway) ControlConversation(ctx context.Context, id core.ConversationID, c httpd.Control) error {
	return g.engine.Control(ctx, id, engine.Control{
		Action: c.Action, To: c.To, By: "operator", Reason: c.Reason, Params: c.Params,
	})
}

// DeadLetters implements httpd.Gateway.
func (g *gateway) DeadLetters(ctx context.Context, after string, limit int) (store.Page[*state.DeadLetter], error) {
	p, err := g.store.Reader().Dead(ctx, after, limit)
	return decodePage(p, err, func(d store.Dead) []byte { return d.Body }, func() *state.DeadLetter { return &state.DeadLetter{} })
}

// DeadLetter implements httpd.Gateway.
func (g *gateway) DeadLetter(ctx context.Context, id string) (*state.DeadLetter, error) {
	d, err := g.store.Reader().DeadLetter(ctx, id)
	if err != nil {
		return nil, err
	}
	return decode(d.Body, &state.DeadLetter{}, "dead letter "+id)
}

// ReplayDeadLetters implements httpd.Gateway.
func (g *gateway) ReplayDeadLetters(ctx context.Context, ids []string) (int, error) {
	return g.engine.Replay(ctx, ids...)
}

// DeleteDeadLetter implements httpd.Gateway.
func (g *gateway) DeleteDeadLetter(ctx context.Context, id string) error {
	return g.store.DeleteDead(ctx, id)
}

// Quarantined implements httpd.Gateway.
func (g *gateway) Quarantined(ctx context.Context, after string, limit int) (store.Page[*state.Quarantined], error) {
	p, err := g.store.Reader().Quarantined(ctx, after, limit)
	return decodePage(p, err, func(d store.Dead) []byte { return d.Body }, func() *state.Quarantined { return &state.Quarantined{} })
}

// QuarantinedItem implements httpd.Gateway.
func (g *gateway) QuarantinedItem(ctx context.Context, id string) (*state.Quarantined, error) {
	d, err := g.store.Reader().QuarantinedItem(ctx, id)
	if err != nil {
		return nil, err
	}
	return decode(d.Body, &state.Quarantined{}, "quarantined "+id)
}

// ReplayQuarantined implements httpd.Gateway: a request goes to its driver
// again, an event to its conversation.
func (g *gateway) ReplayQuarantined(ctx context.Context, id string) error {
	q, err := g.QuarantinedItem(ctx, id)
	if err != nil {
		return err
	}
	if q.Webhook == nil {
		return g.engine.ReplayQuarantined(ctx, id)
	}
	a, err := g.host.Webhook(ctx, q.Instance, q.Webhook)
	if err != nil {
		return err
	}
	if a.Quarantine {
		return core.Errorf(core.Conflict, "%s still cannot read it: %s", q.Instance, a.Detail)
	}
	if a.Status >= 400 {
		return core.Errorf(core.Conflict, "%s refuses it with status %d", q.Instance, a.Status)
	}
	return g.store.DeleteQuarantined(ctx, id)
}

// DeleteQuarantined implements httpd.Gateway.
func (g *gateway) DeleteQuarantined(ctx context.Context, id string) error {
	return g.store.DeleteQuarantined(ctx, id)
}

func (g *gateway) keep(ctx context.Context, q *state.Quarantined) error {
	b, err := q.MarshalVT()
	if err != nil {
		return fmt.Errorf("quarantine of %s: %w", q.Instance, err)
	}
	return g.store.Quarantine(ctx, store.Dead{ID: q.Id, Body: b})
}

func quarantineID(now time.Time) string {
	return fmt.Sprintf("%013d-%s", now.UnixMilli(), rand.Text()[:16])
}

// Rules implements httpd.Gateway.
func (g *gateway) Rules() httpd.RuleSet {
	st := g.rules.Status()
	out := httpd.RuleSet{TriedAt: st.LastAttempt, Problems: st.Problems}
	live := g.live.Load()
	if live == nil {
		return out
	}
	out.Hash, out.Snap, out.LoadedAt, out.Warnings = live.set.Hash(), live.snap, live.at, live.set.Warnings()
	for _, r := range live.set.Rules(g.rules.Counters()) {
		out.Rules = append(out.Rules, ruleOf(r))
	}
	return out
}

func ruleOf(r rules.Info) httpd.Rule {
	out := httpd.Rule{
		Name: r.Name, On: strings.Join(r.On, ", "), At: diag.Pos{File: r.File, Line: r.Line, Column: r.Column},
		Matched: r.Matched, NotMatched: r.NotMatched, Errors: r.Errors,
	}
	if r.LastFired != nil {
		out.LastMatch = *r.LastFired
	}
	if r.LastError != nil {
		out.LastError = r.LastError.Message
	}
	if !r.Active {
		out.Disabled = "inactive"
	} else if r.Slow {
		out.Disabled = "over its time budget"
	}
	return out
}

// Integrations implements httpd.Gateway.
func (g *gateway) Integrations() []httpd.Instance {
	return g.instances(g.now().Integrations, config.Integration)
}

// Channels implements httpd.Gateway.
func (g *gateway) Channels() []httpd.Instance {
	return g.instances(g.now().Channels, config.Channel)
}

// instances shows those of gateway.hcl, and those of the kind that leave.
func (g *gateway) instances(list []*config.Instance, kind config.Kind) (out []httpd.Instance) {
	now := g.now()
	list = slices.Clone(list)
	for _, k := range now.leaving {
		if k.Kind == kind {
			list = append(list, k.Instance)
		}
	}
	byName := map[string]host.InstanceStatus{}
	for _, s := range g.host.Instances() {
		byName[s.Name] = s
	}
	owner := map[string]string{}
	for _, p := range g.host.Plugins() {
		for _, d := range p.Drivers {
			if p.State != host.Standby {
				owner[d] = p.ID
			}
		}
	}
	snap := g.engine.Snap()
	for _, i := range list {
		st := byName[i.Name]
		in := httpd.Instance{
			Name: i.Name, Driver: i.Driver, Plugin: owner[i.Driver], Provisioned: true, State: st.State, Since: st.Since,
			OK: st.State == host.Opened && st.Healthy, Health: whyNot(st),
		}
		if conf := snap.Instances[i.Name]; conf != nil {
			in.Type = conf.Caps.GetChannelType()
		}
		for _, s := range now.Services {
			if mentions(s, i.Name) {
				in.Services = append(in.Services, s.Name)
			}
		}
		if k := now.leaves(i.Name); k != nil {
			in.Provisioned, in.Draining = false, g.draining(k)
		}
		if g.config.PublicURL != "" {
			in.HookURL = g.config.PublicURL + "/hooks/" + i.Name
		}
		out = append(out, in)
	}
	return out
}

// draining says what an instance that leaves still has.
func (g *gateway) draining(k *known) *httpd.Draining {
	d := &httpd.Draining{Since: k.left, Forced: !k.forced.IsZero()}
	if left, ok := g.remains.of(k.Name); ok {
		d.Counted, d.Chats, d.Commands = true, left.Chats, left.Commands
	}
	return d
}

// whyNot says what is wrong with an instance, "" if nothing is.
func whyNot(s host.InstanceStatus) string {
	text := host.ProblemText(s.Problems)
	if s.Message != "" && text != "" {
		return s.Message + ": " + text
	}
	return s.Message + text
}

// Endpoints implements httpd.Gateway.
func (g *gateway) Endpoints() (out []httpd.Endpoint) {
	for _, s := range g.notify.Status() {
		out = append(out, httpd.Endpoint{
			Name: s.Name, Host: s.Host, Format: string(s.Format), State: s.State, Since: s.Since, Reason: s.Reason,
		})
	}
	return out
}

// EnableEndpoint implements httpd.Gateway.
func (g *gateway) EnableEndpoint(ctx context.Context, name string) error {
	return g.notify.Enable(ctx, name)
}

// Services implements httpd.Gateway.
func (g *gateway) Services() (out []httpd.Service) {
	for _, s := range g.now().Services {
		svc := httpd.Service{
			Name: s.Name, Integration: s.Integration, Bot: s.Bot, Channels: s.Channels, Forward: string(s.Forward),
			Timezone: s.Timezone.String(), Provisioned: true, OK: true, BotResumes: s.Bot != "" && s.BotResumes, Copies: string(s.Copies),
			Transcript: s.Transcript,
		}
		if s.IdleAfter > 0 {
			svc.IdleAfter = s.IdleAfter.String()
		}
		for _, d := range s.UnattendedAfter {
			svc.UnattendedAfter = append(svc.UnattendedAfter, d.String())
		}
		if s.CloseAfter > 0 {
			svc.CloseAfter = s.CloseAfter.String()
		}
		if s.ReopenWithin > 0 {
			svc.ReopenWithin = s.ReopenWithin.String()
		}
		out = append(out, svc)
	}
	return out
}

// reasons says why the gateway is not ready.
func (g *gateway) reasons() (why []string) {
	if !g.engine.Ready() {
		why = append(why, "the engine is starting")
	}
	if h := g.store.Health(); !h.OK || h.Full {
		why = append(why, "the store cannot take new events: "+healthText(h))
	}
	if g.rules.Set() == nil {
		why = append(why, "no rules are loaded")
	}
	if g.door != nil && !g.door.Serving() {
		why = append(why, "the hooks are closed")
	}
	for _, s := range g.host.Instances() {
		if s.State != host.Opened && g.now().leaves(s.Name) == nil {
			why = append(why, strings.TrimSuffix(fmt.Sprintf("%s is %s: %s", s.Name, s.State, whyNot(s)), ": "))
		}
	}
	return why
}

func healthText(h store.Health) string {
	if h.Err != nil {
		return h.Err.Error()
	}
	return fmt.Sprintf("%d MB free", h.FreeBytes>>20)
}

var (
	_ httpd.Gateway = (*gateway)(nil)
	_ httpd.Hooks   = (*gateway)(nil)
	_ host.Core     = (*gateway)(nil)
)
