package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

// settings are the connection parameters of an IMIchat instance. Durations are
// written as in "1s".
type settings struct {
	InstanceURL    string `json:"instance_url" jsonschema:"required,title=IMIchat instance" jsonschema_description:"Address of the instance, such as https://acme.imi.chat."`
	TeamSecret     string `json:"team_secret" jsonschema:"required,title=Team secret" jsonschema_description:"IMIchat also calls it client secret or API key; administrators see it." jsonschema_extras:"x-secret=true"`
	FurtherSecrets string `json:"further_secrets,omitempty" jsonschema:"title=Further secrets" jsonschema_description:"Valid as well, while the team secret is being replaced; separated by blanks." jsonschema_extras:"x-secret=true"`

	routing
	Services    map[string]routing `json:"services,omitempty" jsonschema:"title=Routing by service" jsonschema_description:"What is different for the chats of a service of the gateway."`
	Assets      map[string]string  `json:"assets,omitempty" jsonschema:"title=Assets" jsonschema_description:"The asset in IMIchat of each of the gateway's channels. Absent: it has the channel's name. Chats that agents begin need it."`
	AliasPrefix string             `json:"alias_prefix,omitempty" jsonschema:"title=Prefix of alias ids" jsonschema_description:"Tells the chats of several gateways apart."`
	Fields      map[string]string  `json:"fields,omitempty" jsonschema:"title=Names of members" jsonschema_description:"Other names of members that IMIchat does not document, or off, such as message.text."`

	APIVersion string    `json:"api_version,omitempty" jsonschema:"title=Version of the API,default=v3.1"`
	AuthHeader string    `json:"auth_header,omitempty" jsonschema:"title=Header of the team secret,default=key"`
	AuthPrefix string    `json:"auth_prefix,omitempty" jsonschema:"title=What stands before the team secret" jsonschema_description:"Such as Bearer and a blank, in the header Authorization."`
	Endpoints  endpoints `json:"endpoints,omitempty" jsonschema:"title=Endpoints" jsonschema_description:"Method and path of each call."`
	Timeout    string    `json:"timeout,omitempty" jsonschema:"title=Time limit of a call,default=30s"`
	CatchUp    string    `json:"catch_up,omitempty" jsonschema:"title=Catching up,default=5m" jsonschema_description:"How often open chats are read for what no webhook has brought, or off."`

	WebhookAuth   string            `json:"webhook_auth,omitempty" jsonschema:"title=Proof of webhooks,enum=secret,enum=hmac,enum=header_token,enum=query_token,enum=none,default=secret" jsonschema_description:"secret: hmac, or header_token where there is no signature."`
	WebhookHeader string            `json:"webhook_header,omitempty" jsonschema:"title=Header of the proof" jsonschema_description:"Absent: X-Hub-Signature of hmac, Authorization of header_token."`
	WebhookQuery  string            `json:"webhook_query,omitempty" jsonschema:"title=Query parameter of the proof,default=token"`
	IPAllow       []string          `json:"ip_allow,omitempty" jsonschema:"title=Addresses that webhooks may come from" jsonschema_description:"Addresses or networks, such as 192.0.2.0/24. Absent: all."`
	EventAliases  map[string]string `json:"event_aliases,omitempty" jsonschema:"title=Names of events" jsonschema_description:"Which of the gateway's events another name of IMIchat's stands for."`
}

// config is settings, checked.
type config struct {
	settings
	base    string // scheme and host
	calls   calls
	keys    keys
	timeout time.Duration
	catchUp time.Duration // 0: off
	door    door
	types   map[string]string // of events, by their names, folded
	aliases map[string]string // those of the settings alone
	names   names
	assets  map[string]string // the gateway's channels by IMIchat's assets
}

const (
	maxTimeout = 5 * time.Minute
	minCatchUp = 10 * time.Second
	maxCatchUp = 24 * time.Hour
)

// Check implements sdk.Checker.
func (s settings) Check() error {
	_, err := s.check()
	return err
}

// check reports all that is wrong at once.
func (s settings) check() (config, error) {
	s.fill()
	c := config{settings: s, assets: s.channelsByAsset()}
	var errs [10]error
	c.base, errs[0] = s.parseURL()
	c.keys, errs[1] = parseKeys(s.TeamSecret, s.FurtherSecrets)
	c.calls, errs[2] = s.Endpoints.parse(s.APIVersion)
	c.timeout, errs[3] = ccsp.Duration("timeout", s.Timeout, 100*time.Millisecond, maxTimeout)
	c.types, c.aliases, errs[4] = eventTypes(s.EventAliases)
	c.door, errs[5] = s.parseDoor(c.keys)
	errs[6] = s.checkAuth()
	if strings.ContainsFunc(s.AliasPrefix, func(r rune) bool { return r <= ' ' || r > '~' }) || len(s.AliasPrefix) > 64 {
		errs[7] = errors.New("alias_prefix is more than 64 letters, digits and signs of ASCII")
	}
	c.names, errs[8] = parseNames(s.Fields)
	if s.CatchUp != off {
		c.catchUp, errs[9] = ccsp.Duration("catch_up", s.CatchUp, minCatchUp, maxCatchUp)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return config{}, err
	}
	return c, nil
}

// channelsByAsset turns assets around. An asset that several channels have says
// nothing of where a customer is.
func (s settings) channelsByAsset() map[string]string {
	all := make(map[string]string)
	for _, channel := range slices.Sorted(maps.Keys(s.Assets)) {
		asset := s.Assets[channel]
		if _, twice := all[asset]; twice {
			all[asset] = ""
			continue
		}
		all[asset] = channel
	}
	return all
}

// fill sets what is empty: a text that is there and empty counts as absent.
func (s *settings) fill() {
	for _, d := range []struct {
		to      *string
		standby string
	}{
		{&s.APIVersion, "v3.1"}, {&s.AuthHeader, "key"}, {&s.Timeout, "30s"}, {&s.CatchUp, "5m"},
		{&s.WebhookAuth, authSecret}, {&s.WebhookQuery, "token"},
	} {
		if *d.to == "" {
			*d.to = d.standby
		}
	}
	s.Endpoints.fill()
}

func (s settings) parseURL() (string, error) {
	u, err := ccsp.Server("instance_url", s.InstanceURL, "https://acme.imi.chat", "endpoints and team_secret")
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func (s settings) checkAuth() error {
	if !headerName(s.AuthHeader) {
		return fmt.Errorf("auth_header %q is not the name of a header", s.AuthHeader)
	}
	if strings.ContainsFunc(s.AuthPrefix, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("auth_prefix is not one line of ASCII")
	}
	return nil
}

func headerName(name string) bool {
	return ccsp.HeaderName(name) && http.CanonicalHeaderKey(name) != "Content-Type"
}

func (s settings) parseDoor(k keys) (door, error) {
	d := door{mode: s.WebhookAuth, header: http.CanonicalHeaderKey(s.WebhookHeader), query: s.WebhookQuery, keys: k}
	switch s.WebhookAuth {
	case authSecret, authHMAC, authHeader, authQuery, authNone:
	default:
		return door{}, fmt.Errorf("webhook_auth %q is none of secret, hmac, header_token, query_token and none", s.WebhookAuth)
	}
	if s.WebhookHeader != "" && !headerName(s.WebhookHeader) {
		return door{}, fmt.Errorf("webhook_header %q is not the name of a header", s.WebhookHeader)
	}
	if s.WebhookHeader != "" && s.WebhookAuth != authHMAC && s.WebhookAuth != authHeader {
		return door{}, errors.New("webhook_header is for webhook_auth hmac and header_token")
	}
	for _, text := range s.IPAllow {
		p, err := parseNetwork(text)
		if err != nil {
			return door{}, fmt.Errorf(`ip_allow: %q is neither an address nor a network; write one such as "192.0.2.0/24"`, text)
		}
		d.allow = append(d.allow, p)
	}
	if s.WebhookAuth == authNone && len(d.allow) == 0 {
		return door{}, errors.New(`webhook_auth "none" needs ip_allow; otherwise everybody could write to your customers`)
	}
	return d, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}
