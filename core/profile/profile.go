// Package profile is what the fields of a customer's profile are called, and how
// they are checked, set and merged, whoever does it: a driver, a rule, the API.
package profile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/language"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Limits of a profile.
const (
	MaxFields  = 100  // addresses, and attributes
	MaxAddress = 1024 // bytes
	MaxName    = 256  // bytes of a field's name that people write
)

// The tables of a profile: their fields are called addresses.sms, attributes.tier
// and so on.
const (
	Addresses  = "addresses" // by channel type
	Attributes = "attributes"
)

// plain are the fields that are one text.
var plain = map[string]func(*pluginv1.Customer) *string{
	"name":       func(c *pluginv1.Customer) *string { return &c.Name },
	"first_name": func(c *pluginv1.Customer) *string { return &c.FirstName },
	"last_name":  func(c *pluginv1.Customer) *string { return &c.LastName },
	"locale":     func(c *pluginv1.Customer) *string { return &c.Locale },
	"timezone":   func(c *pluginv1.Customer) *string { return &c.Timezone },
}

// Plain are the names of the fields that are one text, sorted.
func Plain() []string { return slices.Sorted(maps.Keys(plain)) }

// Split takes the name of a field apart: table is addresses or attributes, ""
// if the field is one text. It is false if there is no such field.
func Split(field string) (table, key string, ok bool) {
	if plain[field] != nil {
		return "", field, true
	}
	table, key, _ = strings.Cut(field, ".")
	return table, key, (table == Addresses || table == Attributes) && strings.TrimSpace(key) != ""
}

// Why a field is not set.
const (
	UnknownField      = "unknown_field"
	BadLocale         = "bad_locale"
	BadTimezone       = "bad_timezone"
	BadAddress        = "bad_address"
	TooManyAddresses  = "too_many_addresses"
	TooManyAttributes = "too_many_attributes"
)

// Check says why a field cannot have a value, "" if it can. A blank value is
// none: it can be given to every field.
func Check(field, value string) (why string) {
	value = strings.TrimSpace(value)
	table, _, ok := Split(field)
	switch {
	case !ok:
		return UnknownField
	case value == "":
	case field == "locale" && !isLocale(value):
		return BadLocale
	case field == "timezone" && !isZone(value):
		return BadTimezone
	case table == Addresses && !isAddress(value):
		return BadAddress
	}
	return ""
}

// Problem says for people why a field cannot have a value, and what to write; ""
// if it can. It is stricter than Check: what people write is never cut.
func Problem(field, value string) (what, hint string) {
	switch why := Check(field, value); {
	case why == BadLocale:
		return fmt.Sprintf("locale %.40q is not one", value), `write one such as "de-CH"`
	case why == BadTimezone:
		return fmt.Sprintf("timezone %.40q is not known", value), `write one such as "Europe/Zurich"`
	case why == BadAddress:
		return fmt.Sprintf("%.60s is not an address", field), fmt.Sprintf("it has line breaks, or is longer than %d bytes", MaxAddress)
	case why != "":
		return fmt.Sprintf("unknown field %.60q of a customer", field), "known are " + strings.Join(Plain(), ", ") + ", addresses.TYPE and attributes.NAME"
	case len(field) > MaxName:
		return fmt.Sprintf("the name %.60q is too long", field), fmt.Sprintf("names have at most %d bytes", MaxName)
	case len(value) > state.MaxText:
		return fmt.Sprintf("the value of %.60s is too long", field), fmt.Sprintf("values have at most %d bytes", state.MaxText)
	}
	return "", ""
}

func isLocale(s string) bool {
	_, err := language.Parse(s)
	return err == nil
}

func isZone(s string) bool {
	_, err := time.LoadLocation(s)
	return err == nil && s != "Local" // which would differ from machine to machine
}

func isAddress(s string) bool {
	return len(s) <= MaxAddress && !strings.ContainsFunc(s, unicode.IsControl)
}

// Set gives a field of c a value, and says whether that changed anything or why
// it cannot be. A blank value takes the field away; addresses or attributes
// alone, with a blank value, takes away all of them.
func Set(c *pluginv1.Customer, field, value string) (changed bool, why string) {
	blank := strings.TrimSpace(value) == ""
	if to := tableOf(c, field); to != nil && blank {
		changed, *to = len(*to) > 0, nil
		return changed, ""
	}
	if why := Check(field, value); why != "" {
		return false, why
	}
	table, key, _ := Split(field)
	to := tableOf(c, table)
	if table != Attributes {
		value = strings.TrimSpace(value)
	}
	switch {
	case to == nil:
		return setText(plain[key](c), value), ""
	case blank:
		n := len(*to)
		delete(*to, state.CutText(key))
		return len(*to) < n, ""
	}
	changed, ok := Put(to, key, value)
	switch {
	case ok:
		return changed, ""
	case table == Addresses:
		return false, TooManyAddresses
	}
	return false, TooManyAttributes
}

func tableOf(c *pluginv1.Customer, table string) *map[string]string {
	switch table {
	case Addresses:
		return &c.Addresses
	case Attributes:
		return &c.Attributes
	}
	return nil
}

// Merge takes over all that from knows, except for the address, and says whether
// that changed anything.
func Merge(c, from *pluginv1.Customer) (changed bool) {
	for _, of := range plain {
		if s := *of(from); s != "" && setText(of(c), s) {
			changed = true
		}
	}
	addresses := mergeTable(&c.Addresses, from.Addresses)
	return mergeTable(&c.Attributes, from.Attributes) || addresses || changed
}

// mergeTable goes by the names' order: which ones fit must not be chance.
func mergeTable(to *map[string]string, from map[string]string) (changed bool) {
	for _, k := range slices.Sorted(maps.Keys(from)) {
		if news, _ := Put(to, k, from[k]); news {
			changed = true
		}
	}
	return changed
}

func setText(to *string, s string) (changed bool) {
	old := *to
	*to = state.CutText(s)
	return *to != old
}

// Put sets a field of m, and says whether that changed anything. It is not ok if
// m would be too large.
func Put(m *map[string]string, k, v string) (changed, ok bool) {
	k, v = state.CutText(k), state.CutText(v)
	old, there := (*m)[k]
	if !there && len(*m) >= MaxFields {
		return false, false
	}
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[k] = v
	return !there || old != v, true
}
