package main

import (
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/sms-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/pemfile"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk/pluginv1"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	c := newCenter(t, sim.Options{NoReceipts: true})
	sdktest.Run(t, sdktest.Config{
		Plugin: plugin(), Driver: "sms", Settings: c.settings(nil), Customer: ada,
		BadSettings: []any{
			settings{},
			settings{Provider: "pigeon"},
			settings{Provider: "smpp"},
			c.settings(func(s *SMPPSettings) { s.SystemID = "" }),
			c.settings(func(s *SMPPSettings) { s.Source = "much too long a name" }),
			c.settings(func(s *SMPPSettings) { s.Bind = "twice" }),
			c.settings(func(s *SMPPSettings) { s.Validity = "for ever" }),
			c.settings(func(s *SMPPSettings) { s.TLS = &tlsSettings{TLS: pemfile.TLS{CA: "/nonexistent"}} }),
		},
	})
}

func TestSettingErrors(t *testing.T) {
	base := SMPPSettings{Host: "smsc.example.com", SystemID: "shop", Source: "12345"}
	for _, test := range []struct {
		change func(*SMPPSettings)
		want   string
	}{
		{func(*SMPPSettings) {}, ""},
		{func(s *SMPPSettings) { s.Host = "" }, "host and system_id must be there"},
		{func(s *SMPPSettings) { s.Source = "" }, `source "": is empty`},
		{func(s *SMPPSettings) { s.Source = "Käse" }, `source "Käse": has letters that a name cannot have`},
		{func(s *SMPPSettings) { s.Source = strings.Repeat("1", 16) }, `has more than 15 digits`},
		{func(s *SMPPSettings) { s.SourceKind = "1" }, `source_ton_npi "1" is not type of number and numbering plan; write such as "1/1"`},
		{func(s *SMPPSettings) { s.LongKind = "1/300" }, `long_ton_npi "1/300" is not`},
		{func(s *SMPPSettings) { s.Alphabet = "ebcdic" }, `alphabet: "ebcdic" is no alphabet; want gsm7, gsm7-packed, latin1 or ascii`},
		{func(s *SMPPSettings) { s.Concatenation = "glue" }, `concatenation: "glue" is no concatenation; want udh8, udh16, sar or payload`},
		{func(s *SMPPSettings) { s.Bind = "x" }, `bind "x" is none of transceiver, separate, transmitter`},
		{func(s *SMPPSettings) { s.Receipts = "x" }, `registered_delivery "x" is none of all, failure, none`},
		{func(s *SMPPSettings) { s.MessageIDs = "x" }, `msgid_mode "x" is none of auto, as-is, hex2dec, dec2hex`},
		{func(s *SMPPSettings) { s.Timezone = "Mars" }, `timezone "Mars" is not known; write one such as "Europe/Zurich"`},
		{func(s *SMPPSettings) { s.Enquire = "soon" }, `enquire_link "soon" is not a duration from 100ms to 10m0s; write one such as "5s"`},
		{func(s *SMPPSettings) { s.Window = -1 }, `window 1 to 1000`},
		{func(s *SMPPSettings) { s.TLS = &tlsSettings{TLS: pemfile.TLS{Cert: "x"}} }, `tls.cert and tls.key go together; one is missing`},
	} {
		s := base
		test.change(&s)
		_, err := s.config("secret")
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %s", s, err, test.want)
		}
	}
}

func TestCapabilities(t *testing.T) {
	c := newCenter(t, sim.Options{})
	for _, test := range []struct {
		change   func(*SMPPSettings)
		limit    uint32
		receipts bool
		rate     float64
	}{
		{nil, 1530, true, 0},
		{func(s *SMPPSettings) { s.MaxSegments, s.TPS = 3, 50 }, 459, true, 50},
		{func(s *SMPPSettings) { s.Receipts = "none" }, 1530, false, 0},
	} {
		g := c.start(test.change)
		got := g.Capabilities()
		if got.ToOutside.Limit != test.limit || got.ToOutside.Unit != pluginv1.TextUnit_GSM7 || got.Receipts != test.receipts ||
			got.ReceiptsByRef != test.receipts || got.RatePerSecond != test.rate || got.ChannelType != "sms" {
			t.Errorf("capabilities %+v", got)
		}
		if err := g.Validate(t.Context(), c.settings(test.change)); err != nil {
			t.Errorf("live check: %v", err)
		}
		g.Stop()
		c.until("it has unbound", func() bool { return c.Bound() == 0 })
	}
}

func TestReadme(t *testing.T) { plugintest.Readme(t, settings{}, SMPPSettings{}, tlsSettings{}) }
