package profile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/core/profile"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestSet(t *testing.T) {
	full := func() *pluginv1.Customer {
		return &pluginv1.Customer{
			Address: "ada", Name: "Ada", Locale: "de-CH", Timezone: "Europe/Zurich",
			Addresses: map[string]string{"sms": "+41790000000"}, Attributes: map[string]string{"tier": "gold"},
		}
	}
	tests := []struct {
		field, value string
		why          string
		changed      bool
		want         func(*pluginv1.Customer)
	}{
		{"name", " Ada L. ", "", true, func(c *pluginv1.Customer) { c.Name = "Ada L." }},
		{"name", "Ada", "", false, nil},
		{"name", " ", "", true, func(c *pluginv1.Customer) { c.Name = "" }},
		{"first_name", "Ada", "", true, func(c *pluginv1.Customer) { c.FirstName = "Ada" }},
		{"last_name", strings.Repeat("x", 5000), "", true, func(c *pluginv1.Customer) { c.LastName = strings.Repeat("x", state.MaxText) }},
		{"locale", "fr_FR", "", true, func(c *pluginv1.Customer) { c.Locale = "fr_FR" }},
		{"locale", "Swiss German", profile.BadLocale, false, nil},
		{"locale", "", "", true, func(c *pluginv1.Customer) { c.Locale = "" }},
		{"timezone", "Asia/Tokyo", "", true, func(c *pluginv1.Customer) { c.Timezone = "Asia/Tokyo" }},
		{"timezone", "Mars/Olympus", profile.BadTimezone, false, nil},
		{"timezone", "Local", profile.BadTimezone, false, nil},
		{"timezone", "../../etc/passwd", profile.BadTimezone, false, nil},
		{"addresses.sms", "+41791111111", "", true, func(c *pluginv1.Customer) { c.Addresses["sms"] = "+41791111111" }},
		{"addresses.voice", "+41", "", true, func(c *pluginv1.Customer) { c.Addresses["voice"] = "+41" }},
		{"addresses.sms", "", "", true, func(c *pluginv1.Customer) { delete(c.Addresses, "sms") }},
		{"addresses.sms", strings.Repeat("4", 2000), profile.BadAddress, false, nil},
		{"addresses.sms", "+41\r\nX: y", profile.BadAddress, false, nil},
		{"addresses", "", "", true, func(c *pluginv1.Customer) { c.Addresses = nil }},
		{"addresses", "x", profile.UnknownField, false, nil},
		{"attributes.tier", "gold", "", false, nil},
		{"attributes.a.b", "c", "", true, func(c *pluginv1.Customer) { c.Attributes["a.b"] = "c" }},
		{"attributes.nothing", "", "", false, nil},
		{"attributes", "", "", true, func(c *pluginv1.Customer) { c.Attributes = nil }},
		{"attributes.", "x", profile.UnknownField, false, nil},
		{"address", "eve", profile.UnknownField, false, nil},
		{"nam_e", "x", profile.UnknownField, false, nil},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s=%.20q", tt.field, tt.value), func(t *testing.T) {
			got, want := full(), full()
			if tt.want != nil {
				tt.want(want)
			}
			changed, why := profile.Set(got, tt.field, tt.value)
			if changed != tt.changed || why != tt.why {
				t.Errorf("changed %v, why %q; want %v, %q", changed, why, tt.changed, tt.why)
			}
			if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
				t.Errorf("profile (-want +got):\n%s", d)
			}
		})
	}
}

func TestTablesAreBounded(t *testing.T) {
	c := &pluginv1.Customer{}
	for i := range profile.MaxFields {
		if _, why := profile.Set(c, fmt.Sprint("attributes.", i), "x"); why != "" {
			t.Fatal(why)
		}
		if _, why := profile.Set(c, fmt.Sprint("addresses.", i), "x"); why != "" {
			t.Fatal(why)
		}
	}
	if _, why := profile.Set(c, "attributes.more", "x"); why != profile.TooManyAttributes {
		t.Errorf("one attribute more: %q", why)
	}
	if _, why := profile.Set(c, "addresses.more", "x"); why != profile.TooManyAddresses {
		t.Errorf("one address more: %q", why)
	}
	if changed, why := profile.Set(c, "attributes.7", "y"); !changed || why != "" {
		t.Errorf("one that is there: %v %q", changed, why)
	}
}

func TestMerge(t *testing.T) {
	c := &pluginv1.Customer{Address: "ada", Name: "Ada", Attributes: map[string]string{"tier": "gold"}}
	from := &pluginv1.Customer{Address: "eve", LastName: "Lovelace", Attributes: map[string]string{"vip": "yes"}}
	if !profile.Merge(c, from) {
		t.Error("nothing changed")
	}
	want := &pluginv1.Customer{
		Address: "ada", Name: "Ada", LastName: "Lovelace", Attributes: map[string]string{"tier": "gold", "vip": "yes"},
	}
	if d := cmp.Diff(want, c, protocmp.Transform()); d != "" {
		t.Errorf("profile (-want +got):\n%s", d)
	}
	if profile.Merge(c, from) {
		t.Error("the same again changed something")
	}
}
