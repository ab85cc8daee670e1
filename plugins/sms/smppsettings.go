package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// SMPPSettings are those of the provider smpp, without its password.
type SMPPSettings struct {
	Host       string       `json:"host" jsonschema:"required,title=Host of the SMSC,minLength=1"`
	Port       int          `json:"port,omitempty" jsonschema:"title=Port,minimum=1,maximum=65535,default=2775"`
	TLS        *tlsSettings `json:"tls,omitempty" jsonschema:"title=TLS" jsonschema_description:"Present, even if empty: the connection is encrypted."`
	SystemID   string       `json:"system_id" jsonschema:"required,title=System id,minLength=1,maxLength=15"`
	SystemType string       `json:"system_type,omitempty" jsonschema:"title=System type,maxLength=12"`
	Bind       string       `json:"bind,omitempty" jsonschema:"title=How it binds,enum=transceiver,enum=separate,enum=transmitter,default=transceiver" jsonschema_description:"separate: a transmitter and a receiver. transmitter: it only sends, and asks for no receipts."`

	Source      string `json:"source" jsonschema:"required,title=Number or name that writes,minLength=1"`
	SourceKind  string `json:"source_ton_npi,omitempty" jsonschema:"title=Kind of the source" jsonschema_description:"Type of number and numbering plan, such as 3/0. Without it: by what source looks like."`
	LongKind    string `json:"long_ton_npi,omitempty" jsonschema:"title=Kind of phone numbers,default=1/1"`
	ShortKind   string `json:"short_ton_npi,omitempty" jsonschema:"title=Kind of short codes,default=3/0"`
	NameKind    string `json:"name_ton_npi,omitempty" jsonschema:"title=Kind of names,default=5/0"`
	ServiceType string `json:"service_type,omitempty" jsonschema:"title=Service type,maxLength=5"`

	Alphabet      string `json:"alphabet,omitempty" jsonschema:"title=Alphabet of data_coding 0,enum=gsm7,enum=gsm7-packed,enum=latin1,enum=ascii,default=gsm7"`
	Concatenation string `json:"concatenation,omitempty" jsonschema:"title=How long texts go,enum=udh8,enum=udh16,enum=sar,enum=payload,default=udh8"`
	MaxSegments   int    `json:"max_segments,omitempty" jsonschema:"title=Segments of one message,minimum=1,maximum=100,default=10" jsonschema_description:"A longer text goes as several messages."`
	Validity      string `json:"validity,omitempty" jsonschema:"title=How long the SMSC tries" jsonschema_description:"Such as 24h; without it as long as the SMSC likes."`
	Receipts      string `json:"registered_delivery,omitempty" jsonschema:"title=Receipts,enum=all,enum=failure,enum=none,default=all"`
	MessageIDs    string `json:"msgid_mode,omitempty" jsonschema:"title=Ids in receipts,enum=auto,enum=as-is,enum=hex2dec,enum=dec2hex,default=auto" jsonschema_description:"What becomes of the id in a receipt before it is compared with that of the answer to submit_sm."`
	Timezone      string `json:"timezone,omitempty" jsonschema:"title=Time zone of the SMSC" jsonschema_description:"IANA name, for the times in receipts. Without it a receipt counts from when it comes."`

	Window   int     `json:"window,omitempty" jsonschema:"title=Unanswered submits,minimum=1,maximum=1000,default=10"`
	TPS      float64 `json:"tps,omitempty" jsonschema:"title=Segments per second,minimum=0" jsonschema_description:"0: as fast as the SMSC takes them."`
	Connect  string  `json:"connect_timeout,omitempty" jsonschema:"title=To connect and bind,default=10s"`
	Response string  `json:"response_timeout,omitempty" jsonschema:"title=For the answer to a PDU,default=10s"`
	Enquire  string  `json:"enquire_link,omitempty" jsonschema:"title=Silence before enquire_link,default=30s"`
	Deliver  string  `json:"deliver_timeout,omitempty" jsonschema:"title=For our answer to deliver_sm,default=20s" jsonschema_description:"Below what the SMSC waits. What cannot be kept by then it is asked to send again."`
	Assemble string  `json:"reassemble_for,omitempty" jsonschema:"title=For all segments of a text to come,default=5m"`
}

// smppConfig is SMPPSettings, checked.
type smppConfig struct {
	SMPPSettings
	password string
	addr     string // host:port
	binds    []smpp.ID

	alphabet smpp.Alphabet
	concat   smpp.Concat
	source   smpp.Address
	kinds    kinds
	validity string
	receipts uint8 // registered_delivery
	zone     *time.Location

	connect, response, enquire, deliver, assemble time.Duration
}

const (
	defaultSegments   = 10
	septetsPerSegment = 153
)

// config reports all that is wrong at once.
func (s SMPPSettings) config(password string) (*smppConfig, error) {
	c := &smppConfig{SMPPSettings: s, password: password}
	c.Port, c.Window, c.MaxSegments = cmp.Or(s.Port, 2775), cmp.Or(s.Window, 10), cmp.Or(s.MaxSegments, defaultSegments)
	c.addr = net.JoinHostPort(s.Host, strconv.Itoa(c.Port))
	errs := []error{c.names(), c.addresses(), c.times()}
	if s.Host == "" || s.SystemID == "" {
		errs = append(errs, errors.New("host and system_id must be there"))
	}
	if len(s.SystemID) > 15 || len(s.SystemType) > 12 || len(s.ServiceType) > 5 || len(password) > 64 {
		errs = append(errs, errors.New("system_id has at most 15 letters, system_type 12, service_type 5, password 64"))
	}
	if c.Port < 1 || c.Port > 65535 || c.Window < 1 || c.Window > 1000 || c.MaxSegments < 1 || c.MaxSegments > 100 || s.TPS < 0 {
		errs = append(errs, errors.New("port is 1 to 65535, window 1 to 1000, max_segments 1 to 100, tps not below 0"))
	}
	if s.TLS != nil {
		_, err := s.TLS.load(s.Host)
		errs = append(errs, err)
	}
	return c, errors.Join(errs...)
}

// names reads the settings that are words.
func (c *smppConfig) names() (err error) {
	var errs []error
	if c.alphabet, err = smpp.ParseAlphabet(cmp.Or(c.Alphabet, "gsm7")); err != nil {
		errs = append(errs, fmt.Errorf("alphabet: %w", err))
	}
	if c.concat, err = smpp.ParseConcat(cmp.Or(c.Concatenation, "udh8")); err != nil {
		errs = append(errs, fmt.Errorf("concatenation: %w", err))
	}
	binds := map[string][]smpp.ID{
		"": {smpp.BindTransceiver}, "transceiver": {smpp.BindTransceiver}, "transmitter": {smpp.BindTransmitter},
		"separate": {smpp.BindTransmitter, smpp.BindReceiver},
	}
	var ok bool
	if c.binds, ok = binds[c.Bind]; !ok {
		errs = append(errs, fmt.Errorf("bind %q is none of transceiver, separate, transmitter", c.Bind))
	}
	if c.receipts, ok = map[string]uint8{"": 1, "all": 1, "failure": 2, "none": 0}[c.Receipts]; !ok {
		errs = append(errs, fmt.Errorf("registered_delivery %q is none of all, failure, none", c.Receipts))
	}
	if c.Bind == "transmitter" { // nobody would take them
		c.receipts = 0
	}
	c.MessageIDs = cmp.Or(c.MessageIDs, idsAuto)
	if !knownIDs(c.MessageIDs) {
		errs = append(errs, fmt.Errorf("msgid_mode %q is none of auto, as-is, hex2dec, dec2hex", c.MessageIDs))
	}
	if c.Timezone != "" {
		if c.zone, err = time.LoadLocation(c.Timezone); err != nil {
			errs = append(errs, fmt.Errorf("timezone %q is not known; write one such as \"Europe/Zurich\"", c.Timezone))
		}
	}
	return errors.Join(errs...)
}

// times reads the durations.
func (c *smppConfig) times() error {
	var errs []error
	for _, t := range []struct {
		to          *time.Duration
		name, value string
		least, most time.Duration
	}{
		{&c.connect, "connect_timeout", cmp.Or(c.Connect, "10s"), 100 * time.Millisecond, time.Minute},
		{&c.response, "response_timeout", cmp.Or(c.Response, "10s"), 100 * time.Millisecond, time.Minute},
		{&c.enquire, "enquire_link", cmp.Or(c.Enquire, "30s"), 100 * time.Millisecond, 10 * time.Minute},
		{&c.deliver, "deliver_timeout", cmp.Or(c.Deliver, "20s"), 100 * time.Millisecond, 2 * time.Minute},
		{&c.assemble, "reassemble_for", cmp.Or(c.Assemble, "5m"), time.Second, 24 * time.Hour},
	} {
		var err error
		if *t.to, err = ccsp.Duration(t.name, t.value, t.least, t.most); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Validity != "" {
		d, err := ccsp.Duration("validity", c.Validity, time.Minute, 31*24*time.Hour)
		if err != nil {
			errs = append(errs, err)
		}
		c.validity = smpp.RelativeTime(d)
	}
	return errors.Join(errs...)
}

// capabilities are those of the channel sms when it goes over SMPP.
func (c *smppConfig) capabilities(of sdk.Capabilities) sdk.Capabilities {
	of.Text = sdk.TextLimit{Limit: c.MaxSegments * septetsPerSegment, Unit: sdk.GSM7}
	of.Receipts = c.receipts != 0
	of.ReceiptsByRef = c.receipts != 0
	of.Rate = c.TPS
	of.Burst = min(c.Window, max(1, int(c.TPS)))
	return of
}
