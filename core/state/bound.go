package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// The limits of what rules are evaluated on.
const (
	MaxText    = 4 << 10  // bytes of a text
	MaxItems   = 100      // of a list or map
	MaxPayload = 64 << 10 // bytes of JSON
	MaxNesting = 32       // of lists and maps in JSON
)

// Bound returns v if all of it is within the limits: texts of 4 KB, lists and
// maps of 100, a payload of 64 KB. Otherwise it returns a copy that is cut to
// them and says so in its field cut. v itself is never changed. What Bound
// returned is what is evaluated and recorded.
func Bound(v *View) *View {
	if (&cutter{}).view(v) {
		return v
	}
	v = v.CloneVT()
	(&cutter{cut: true}).view(v)
	v.Cut = true
	return v
}

// cutter goes through a view. It cuts, or only finds out that there is
// something to cut; each method reports whether all was within the limits.
type cutter struct{ cut bool }

func (c *cutter) view(v *View) bool {
	ok := c.texts(&v.Type, &v.Id, &v.Source, &v.Instance, &v.Channel, &v.ChannelType, &v.Service, &v.Integration) &&
		c.list(&v.Tags) && c.table(&v.Attributes)
	if e := v.Event; e != nil && (ok || c.cut) {
		ok = c.event(e) && ok
	}
	if p := v.Customer; p != nil && (ok || c.cut) {
		ok = c.customer(p) && ok
	}
	if chat := v.Chat; chat != nil && (ok || c.cut) {
		ok = c.texts(&chat.Integration, &chat.Ref, &chat.Status, &chat.Reason, &chat.Queue) && ok
		ok = c.agent(chat.Agent) && ok
	}
	return ok
}

func (c *cutter) event(e *pluginv1.Event) bool {
	ok := c.texts(&e.Type, &e.Id, &e.Ref, &e.Text, &e.MessageId, &e.Queue, &e.Reason, &e.ReasonCode, &e.Kind, &e.From,
		&e.To, &e.Status, &e.By, &e.EventName, &e.Code, &e.CallId, &e.Digits, &e.Comment, &e.UrlPush) &&
		c.table(&e.Params) && c.agent(e.Agent)
	if len(e.Attachments) > MaxItems {
		if ok = false; c.cut {
			e.Attachments = e.Attachments[:MaxItems]
		}
	}
	for _, a := range e.Attachments {
		ok = (a == nil || c.texts(&a.Url, &a.MediaId, &a.Mime, &a.Name, &a.Caption)) && ok
	}
	if len(e.QuickReplies) > MaxItems {
		if ok = false; c.cut {
			e.QuickReplies = e.QuickReplies[:MaxItems]
		}
	}
	for _, q := range append(e.QuickReplies[:len(e.QuickReplies):len(e.QuickReplies)], e.QuickReply) {
		ok = (q == nil || c.texts(&q.Title, &q.Payload)) && ok
	}
	if e.Customer != nil {
		ok = c.customer(e.Customer) && ok
	}
	if mayExceed(e.Payload) {
		ok = c.payload(e) && ok
	}
	return ok
}

func (c *cutter) customer(p *pluginv1.Customer) bool {
	return c.texts(&p.Address, &p.Name, &p.FirstName, &p.LastName, &p.Locale, &p.Timezone) &&
		c.table(&p.Addresses) && c.table(&p.Attributes)
}

func (c *cutter) agent(a *pluginv1.Agent) bool {
	return a == nil || c.texts(&a.Id, &a.Name)
}

// texts reports false at the first long text when it only looks.
func (c *cutter) texts(list ...*string) bool {
	for _, s := range list {
		if len(*s) <= MaxText {
			continue
		}
		if !c.cut {
			return false
		}
		*s = CutText(*s)
	}
	return true
}

// CutText returns s, cut to 4 KB at the edge of a code point if it is longer.
func CutText(s string) string {
	if len(s) <= MaxText {
		return s
	}
	end := MaxText
	for end > MaxText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.Clone(s[:end])
}

func (c *cutter) list(list *[]string) bool {
	if len(*list) > MaxItems {
		if !c.cut {
			return false
		}
		*list = (*list)[:MaxItems]
	}
	for i := range *list {
		if !c.texts(&(*list)[i]) {
			return false
		}
	}
	return true
}

// table keeps the first names in their order.
func (c *cutter) table(m *map[string]string) bool {
	within := len(*m) <= MaxItems
	for k, v := range *m {
		within = within && len(k) <= MaxText && len(v) <= MaxText
	}
	if within || !c.cut {
		return within
	}
	out := make(map[string]string, MaxItems)
	for _, k := range slices.Sorted(maps.Keys(*m)) {
		if len(out) == MaxItems {
			break
		}
		if v := (*m)[k]; len(k) <= MaxText {
			c.texts(&v)
			out[k] = v
		}
	}
	*m = out
	return true
}

// mayExceed spares most payloads the parsing.
func mayExceed(payload []byte) bool {
	return len(payload) > MaxText || bytes.Count(payload, []byte{','}) >= MaxItems ||
		bytes.Count(payload, []byte{'['})+bytes.Count(payload, []byte{'{'}) >= MaxNesting
}

// payload cuts inside the JSON; one that is too long all the same is left out.
func (c *cutter) payload(e *pluginv1.Event) bool {
	v, err := parseJSON(e.Payload)
	if err != nil {
		if c.cut {
			e.Payload = nil
		}
		return c.cut
	}
	v, within := cutJSON(v, 0)
	if within && len(e.Payload) <= MaxPayload {
		return true
	}
	if !c.cut {
		return false
	}
	b, err := json.Marshal(v)
	if err != nil || len(b) > MaxPayload {
		b = nil
	}
	e.Payload = b
	return true
}

// parseJSON keeps numbers as they are written.
func parseJSON(b []byte) (v any, err error) {
	if len(b) > 16*MaxPayload {
		return nil, errors.New("too long")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

// cutJSON cuts texts and lists, and what is nested deeper than
// MaxNesting.
func cutJSON(v any, depth int) (_ any, within bool) {
	within = true
	switch x := v.(type) {
	case string:
		if len(x) > MaxText {
			return CutText(x), false
		}
	case []any:
		if depth == MaxNesting {
			return nil, false
		}
		if len(x) > MaxItems {
			x, within = x[:MaxItems], false
		}
		for i := range x {
			var ok bool
			x[i], ok = cutJSON(x[i], depth+1)
			within = within && ok
		}
		return x, within
	case map[string]any:
		if depth == MaxNesting {
			return nil, false
		}
		for n, k := range slices.Sorted(maps.Keys(x)) {
			if n >= MaxItems || len(k) > MaxText {
				delete(x, k)
				within = false
				continue
			}
			var ok bool
			x[k], ok = cutJSON(x[k], depth+1)
			within = within && ok
		}
		return x, within
	}
	return v, within
}
