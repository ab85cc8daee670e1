package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/voice/phone"
	"github.com/openccsp/gateway/sdk"
)

// SIPSettings are those of the provider sip, without its secret.
type SIPSettings struct {
	Server        string  `json:"server" jsonschema:"required,title=Server" jsonschema_description:"The trunk or registrar: host or host:port; everything goes there."`
	Transport     string  `json:"transport,omitempty" jsonschema:"title=Transport,enum=udp,enum=tcp,enum=tls,default=udp"`
	Domain        string  `json:"domain,omitempty" jsonschema:"title=Domain" jsonschema_description:"Of addresses, such as sip.example.com; empty: the server's host."`
	User          string  `json:"user" jsonschema:"required,title=User" jsonschema_description:"The number or name that calls."`
	AuthUser      string  `json:"auth_user,omitempty" jsonschema:"title=User of the password" jsonschema_description:"Empty: the same."`
	Register      bool    `json:"register,omitempty" jsonschema:"title=Register" jsonschema_description:"As a telephone does. A trunk wants none."`
	NoPing        bool    `json:"no_ping,omitempty" jsonschema:"title=No sign of life" jsonschema_description:"The server is not asked (OPTIONS) before a call whether it is there."`
	Allow         allow   `json:"allow,omitempty" jsonschema:"title=Numbers that may be called" jsonschema_description:"Their beginnings, such as +41; none: any number."`
	Plus          bool    `json:"plus,omitempty" jsonschema:"title=Keep the plus" jsonschema_description:"Numbers go as +41…; else without the plus."`
	Listen        string  `json:"listen,omitempty" jsonschema:"title=Own address" jsonschema_description:"IP address of this machine, and a port if it must be a certain one, such as 192.0.2.7:5060; empty: the one on the way to the server."`
	PublicAddress string  `json:"public_address,omitempty" jsonschema:"title=Own address from outside" jsonschema_description:"IP address that the other side is told, behind a translator of addresses."`
	AudioPorts    string  `json:"audio_ports,omitempty" jsonschema:"title=Ports for audio" jsonschema_description:"Such as 16384-16484; empty: any."`
	Language      string  `json:"language,omitempty" jsonschema:"title=Language,default=en-US" jsonschema_description:"Of what is said to customers without a locale."`
	RingFor       string  `json:"ring_for,omitempty" jsonschema:"title=How long it rings,default=30s" jsonschema_description:"5s to 10m."`
	MaxDuration   string  `json:"max_duration,omitempty" jsonschema:"title=Longest call,default=10m" jsonschema_description:"10s to 4h."`
	Repeat        int     `json:"repeat,omitempty" jsonschema:"title=How often it is said,minimum=1,maximum=10,default=1"`
	Digits        int     `json:"digits,omitempty" jsonschema:"title=Digits to wait for,minimum=0,maximum=32" jsonschema_description:"After what each call says; 0: none."`
	DigitsFor     string  `json:"digits_for,omitempty" jsonschema:"title=How long to wait for a digit,default=5s" jsonschema_description:"1s to 1m."`
	ChoiceText    string  `json:"choice_text,omitempty" jsonschema:"title=What is said of a choice,default=Press {digit} for {title}."`
	Rate          float64 `json:"rate,omitempty" jsonschema:"title=Calls per second,default=1,minimum=0" jsonschema_description:"0: any."`

	password string
}

// sipConfig is SIPSettings, checked.
type sipConfig struct {
	SIPSettings
	ringFor, maxDuration, digitsFor time.Duration
	own, public                     netip.AddrPort
	audio                           [2]uint16
}

// check reports all that is wrong at once.
func (s SIPSettings) check() (sipConfig, error) {
	s.Transport, s.Language = cmp.Or(s.Transport, "udp"), cmp.Or(s.Language, "en-US")
	s.ChoiceText, s.Repeat = cmp.Or(s.ChoiceText, "Press {digit} for {title}."), cmp.Or(s.Repeat, 1)
	c := sipConfig{SIPSettings: s}
	var errs [6]error
	errs[0] = c.checkServer()
	errs[1] = c.checkAddresses()
	c.audio, errs[2] = ports(s.AudioPorts)
	c.ringFor, errs[3] = ccsp.Duration("ring_for", cmp.Or(s.RingFor, "30s"), 5*time.Second, 10*time.Minute)
	c.maxDuration, errs[4] = ccsp.Duration("max_duration", cmp.Or(s.MaxDuration, "10m"), 10*time.Second, 4*time.Hour)
	c.digitsFor, errs[5] = ccsp.Duration("digits_for", cmp.Or(s.DigitsFor, "5s"), time.Second, time.Minute)
	return c, errors.Join(append(errs[:], s.checkWords())...)
}

var (
	authUser = regexp.MustCompile(`^[^\x00-\x20"\\\x7f]{1,128}$`)
	sipHost  = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]{1,255}$`)
)

func (c *sipConfig) checkServer() error {
	host, _, err := net.SplitHostPort(c.Server)
	if err != nil {
		host = strings.Trim(c.Server, "[]")
		port := "5060"
		if c.Transport == "tls" {
			port = "5061"
		}
		c.Server = net.JoinHostPort(host, port)
	}
	c.Domain = cmp.Or(c.Domain, host)
	switch {
	case host == "" || !sipHost.MatchString(c.Server):
		return fmt.Errorf("server %q is not a host or host:port", c.Server)
	case !sipHost.MatchString(c.Domain):
		return fmt.Errorf("domain %q is none", c.Domain)
	case c.Transport != "udp" && c.Transport != "tcp" && c.Transport != "tls":
		return fmt.Errorf("transport %q is not udp, tcp or tls", c.Transport)
	case c.AuthUser != "" && !authUser.MatchString(c.AuthUser):
		return fmt.Errorf("auth_user %q is no user of a password", c.AuthUser)
	case !dialable.MatchString(c.User):
		return fmt.Errorf("user %q is not a number or a name", c.User)
	case c.Register && c.password == "":
		return errors.New("register wants a password")
	}
	return nil
}

// checkAddresses reads our own addresses.
func (c *sipConfig) checkAddresses() (err error) {
	if c.PublicAddress != "" {
		a, err := netip.ParseAddr(c.PublicAddress)
		if err != nil {
			return fmt.Errorf("public_address %q is no IP address", c.PublicAddress)
		}
		c.public = netip.AddrPortFrom(a, 0)
	}
	if c.Listen == "" {
		return nil
	}
	if c.own, err = netip.ParseAddrPort(c.Listen); err != nil {
		a, err := netip.ParseAddr(c.Listen)
		if err != nil {
			return fmt.Errorf("listen %q is no IP address, with or without a port", c.Listen)
		}
		c.own = netip.AddrPortFrom(a, 0)
	}
	if c.own.Addr().IsUnspecified() && !c.public.IsValid() {
		return fmt.Errorf("listen %q is all addresses, and the other side is told one; set public_address", c.Listen)
	}
	return nil
}

// towards is our address on the way to a server; nothing is sent for that but a question
// for its name.
func towards(server string) (netip.Addr, error) {
	conn, err := net.Dial("udp", server)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("server %q cannot be reached from here; set listen: %w", server, err)
	}
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), conn.Close()
}

// ports reads "first-last".
func ports(text string) (p [2]uint16, err error) {
	if text == "" {
		return p, nil
	}
	_, err = fmt.Sscanf(text, "%d-%d", &p[0], &p[1])
	if err != nil || p[0] < 1024 || p[1] < p[0]+2 || fmt.Sprintf("%d-%d", p[0], p[1]) != text {
		return p, fmt.Errorf("audio_ports %q is not first-last, from 1024 and at least two apart", text)
	}
	return p, nil
}

func (s SIPSettings) checkWords() error {
	switch {
	case !language.MatchString(s.Language):
		return fmt.Errorf("language %q is not one such as en-US", s.Language)
	case s.Digits < 0 || s.Digits > maxDigits:
		return fmt.Errorf("digits %d is not from 0 to %d", s.Digits, maxDigits)
	case s.Repeat < 1 || s.Repeat > 10:
		return fmt.Errorf("repeat %d is not from 1 to 10", s.Repeat)
	case !strings.Contains(s.ChoiceText, "{digit}") || !strings.Contains(s.ChoiceText, "{title}"):
		return fmt.Errorf("choice_text %q says not both {digit} and {title}", s.ChoiceText)
	case s.Rate < 0:
		return errors.New("rate is below 0")
	}
	return s.Allow.check()
}

// phone is the telephone that these settings describe.
func (c sipConfig) phone() phone.Config {
	p := phone.Config{
		Server: c.Server, Transport: c.Transport, Domain: c.Domain, User: c.User, AuthUser: c.AuthUser, Password: c.password,
		Register: c.Register, Ping: !c.NoPing, Listen: c.own.Addr(), Port: c.own.Port(), Public: c.public.Addr(), Audio: c.audio,
		Ring: c.ringFor, Most: c.maxDuration,
	}
	if c.Transport == "tls" {
		host, _, _ := net.SplitHostPort(c.Server)
		p.TLS = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	return p
}

// capabilities are those of the channel voice when calls go over SIP.
func (s SIPSettings) capabilities(of sdk.Capabilities) sdk.Capabilities {
	of.Text = sdk.TextLimit{Limit: maxSaid, Unit: sdk.UTF16}
	of.QuickReplies, of.MaxQuickReplies = true, maxChoices
	of.MediaTypes = []string{"audio/wav", "audio/x-wav"}
	of.Rate = s.Rate
	return of
}
