package rules

import (
	"slices"
	"strings"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/profile"
)

// customerPrefix begins the names of what set changes in the customer's profile.
const customerPrefix = "customer."

// profileField reports a name that set cannot change in the profile, and a text,
// without templates in it, that it cannot be set to.
func (l *ruleLoader) profileField(p pair, t *template) {
	field := strings.TrimPrefix(p.key, customerPrefix)
	table, key, ok := profile.Split(field)
	switch {
	case field == "address":
		l.src.problem(p.pos, `further addresses are set by type, such as customer.addresses.sms`, "the address is who the customer is; it cannot be set")
		return
	case !ok:
		l.src.problem(p.pos, diag.DidYouMean(p.key, l.profileFields(field)), "unknown field %q of a customer", p.key)
		return
	case table == profile.Addresses && !slices.Contains(l.world.channelTypes(), key) && !l.world.Past:
		l.src.problem(p.pos, diag.DidYouMean(key, l.world.channelTypes()), "unknown channel_type %q", key)
		return
	}
	if text, ok := t.literal(); ok {
		if what, hint := profile.Problem(field, text); what != "" {
			l.src.problem(l.src.pos(p.value), hint, "%s", what)
		}
	}
}

// profileFields are names that may have been meant. Those of tables are there
// with what stands behind the point in the one that was written.
func (l *ruleLoader) profileFields(field string) (names []string) {
	for _, name := range profile.Plain() {
		names = append(names, customerPrefix+name)
	}
	_, key, ok := strings.Cut(field, ".")
	if !ok || key == "" {
		key = "NAME"
	}
	return append(names, customerPrefix+profile.Addresses+"."+key, customerPrefix+profile.Attributes+"."+key)
}

// setKeys is what the schema says of the keys of set.
func setKeys() schema {
	var names []any
	for _, name := range profile.Plain() {
		names = append(names, customerPrefix+name)
	}
	return schema{"anyOf": []any{
		schema{"enum": names},
		schema{"pattern": `^customer\.(addresses|attributes)\..`},
		schema{"not": schema{"pattern": `^customer\.`}},
	}}
}
