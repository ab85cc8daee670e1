package main

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Settings is the settings block of a channel "rtm" in gateway.hcl.
type Settings struct {
	AppID  string `json:"app_id" jsonschema:"required,title=App id,minLength=1,maxLength=64" jsonschema_description:"Name of the app, part of every topic: letters, digits and . _ ~ @ : = -"`
	Secret string `json:"secret,omitempty" jsonschema:"title=App secret" jsonschema_description:"Signs access tokens and the app's own proofs of a user id. Without it one is made at the first start and kept." jsonschema_extras:"x-secret=true"`

	MQTTListen string   `json:"mqtt_listen,omitempty" jsonschema:"title=MQTT address" jsonschema_description:"TCP address of the embedded broker, such as 127.0.0.1:1883. Without it there is MQTT over WebSocket only."`
	Origins    []string `json:"origins,omitempty" jsonschema:"title=Browser origins" jsonschema_description:"Pages that may use this channel, such as https://shop.example.com; * allows all. Pages from the gateway's own host always may."`
	TokenTTL   string   `json:"token_ttl,omitempty" jsonschema:"title=Token lifetime,default=24h" jsonschema_description:"How long an access token is valid."`

	MaxMessage            int `json:"max_message,omitempty" jsonschema:"title=Longest message,minimum=1,maximum=131072,default=16384" jsonschema_description:"Bytes of the text of one message from a customer."`
	MessagesPerMinute     int `json:"messages_per_minute,omitempty" jsonschema:"title=Messages per minute,minimum=1,default=120" jsonschema_description:"Messages and files from one customer."`
	ReceiptsPerMinute     int `json:"receipts_per_minute,omitempty" jsonschema:"title=Receipts per minute,minimum=100,default=1200" jsonschema_description:"Messages that one customer confirms or marks as read."`
	ReadsPerMinute        int `json:"reads_per_minute,omitempty" jsonschema:"title=Reads per minute,minimum=1,default=240" jsonschema_description:"How often one customer's clients may ask for what they missed, and how far an upload is."`
	RegistersPerMinute    int `json:"registers_per_minute,omitempty" jsonschema:"title=Registrations per minute,minimum=1,default=120" jsonschema_description:"Registrations from one IP address."`
	ConnectionsPerUser    int `json:"connections_per_user,omitempty" jsonschema:"title=Connections per user,minimum=1,maximum=1000,default=16" jsonschema_description:"MQTT clients of one customer at the embedded broker; a further one ends the oldest."`
	ConnectionsPerAddress int `json:"connections_per_address,omitempty" jsonschema:"title=Connections per address,minimum=1,maximum=10000,default=256" jsonschema_description:"MQTT clients from one IPv4 address or IPv6 /64 at the embedded broker; those of this machine are not counted."`
	MaxFile               int `json:"max_file,omitempty" jsonschema:"title=Largest file,minimum=1,maximum=104857600,default=10485760" jsonschema_description:"Bytes of one file from a customer."`
	FileBytesPerHour      int `json:"file_bytes_per_hour,omitempty" jsonschema:"title=Bytes of files per hour,minimum=1,default=104857600" jsonschema_description:"Bytes of files from one customer."`

	TrustAddresses bool `json:"trust_addresses,omitempty" jsonschema:"title=Trust addresses" jsonschema_description:"Believe the phone numbers and other addresses that visitors state of themselves: rules then send texts and place calls to whatever number anybody writes there."`

	Presence bool `json:"presence,omitempty" jsonschema:"title=Presence" jsonschema_description:"Report customers who come and go as custom events named presence."`

	BrokerURL        string `json:"broker_url,omitempty" jsonschema:"title=External broker" jsonschema_description:"Broker to publish to in place of the embedded one, such as mqtts://broker.example.com:8883."`
	BrokerUser       string `json:"broker_user,omitempty" jsonschema:"title=User at the external broker"`
	BrokerPassword   string `json:"broker_password,omitempty" jsonschema:"title=Password at the external broker" jsonschema_extras:"x-secret=true"`
	BrokerClientURL  string `json:"broker_client_url,omitempty" jsonschema:"title=External broker for clients" jsonschema_description:"Address of the external broker that customers' clients are told, such as wss://broker.example.com/mqtt."`
	BrokerHookSecret string `json:"broker_hook_secret,omitempty" jsonschema:"title=Secret of the external broker's questions" jsonschema_description:"With it the external broker may ask the channel's hook who may connect, and use which topic." jsonschema_extras:"x-secret=true"`
}

// config is Settings, checked, with defaults.
type config struct {
	Settings
	tokenTTL time.Duration
}

const (
	defaultTokenTTL   = 24 * time.Hour
	maxTokenTTL       = 366 * 24 * time.Hour
	defaultMaxMessage = 16 << 10 // bytes: words of it fit into 20 parts of 1024 for an agent's desk
	limitMaxMessage   = 128 << 10
	defaultPerMinute  = 120
	defaultReceipts   = 1200 // per minute
	defaultReads      = 240  // per minute
	defaultPerUser    = 16
	defaultPerAddress = 256
	defaultMaxFile    = 10 << 20
	limitMaxFile      = 100 << 20
	defaultFileBytes  = 100 << 20 // per hour
	minSecret         = 16        // bytes
)

// idPattern is what app, user and device ids look like: they become MQTT topic
// levels, so no slash, wildcard or control character.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~@:=-]{0,127}$`)

// Check implements sdk.Checker.
func (s Settings) Check() error {
	_, err := s.config()
	return err
}

// config checks s. Every error names its setting.
func (s Settings) config() (config, error) {
	c := config{Settings: s, tokenTTL: defaultTokenTTL}
	if !idPattern.MatchString(s.AppID) || len(s.AppID) > 64 {
		return c, fmt.Errorf("app_id %q: want 1 to 64 of A-Z a-z 0-9 . _ ~ @ : = - with a letter or digit first", s.AppID)
	}
	if s.Secret != "" && len(s.Secret) < minSecret {
		return c, fmt.Errorf("secret: %d bytes are too few; use at least %d", len(s.Secret), minSecret)
	}
	if s.TokenTTL != "" {
		d, err := time.ParseDuration(s.TokenTTL)
		if err != nil || d < time.Minute || d > maxTokenTTL {
			return c, fmt.Errorf("token_ttl %q: want a duration from 1m to 8784h, such as \"24h\"", s.TokenTTL)
		}
		c.tokenTTL = d
	}
	if err := s.checkNumbers(); err != nil {
		return c, err
	}
	for setting, unset := range map[*int]int{
		&c.MaxMessage:            defaultMaxMessage,
		&c.MessagesPerMinute:     defaultPerMinute,
		&c.RegistersPerMinute:    defaultPerMinute,
		&c.ReceiptsPerMinute:     defaultReceipts,
		&c.ReadsPerMinute:        defaultReads,
		&c.ConnectionsPerAddress: defaultPerAddress,
		&c.ConnectionsPerUser:    defaultPerUser,
		&c.MaxFile:               defaultMaxFile,
		&c.FileBytesPerHour:      defaultFileBytes,
	} {
		if *setting == 0 {
			*setting = unset
		}
	}
	for i, o := range s.Origins {
		origin, err := cleanOrigin(o)
		if err != nil {
			return c, fmt.Errorf("origins[%d]: %w", i, err)
		}
		c.Origins = slices.Clone(c.Origins)
		c.Origins[i] = origin
	}
	if s.BrokerHookSecret != "" && len(s.BrokerHookSecret) < minSecret {
		return c, fmt.Errorf("broker_hook_secret: %d bytes are too few; use at least %d", len(s.BrokerHookSecret), minSecret)
	}
	return c, s.checkBroker()
}

func (s Settings) checkNumbers() error {
	if s.MaxMessage < 0 || s.MaxMessage > limitMaxMessage {
		return fmt.Errorf("max_message %d: want 1 to %d bytes", s.MaxMessage, limitMaxMessage)
	}
	if s.MaxFile < 0 || s.MaxFile > limitMaxFile {
		return fmt.Errorf("max_file %d: want 1 to %d bytes", s.MaxFile, limitMaxFile)
	}
	if s.ConnectionsPerUser < 0 || s.ConnectionsPerUser > 1000 {
		return fmt.Errorf("connections_per_user %d: want 1 to 1000", s.ConnectionsPerUser)
	}
	if s.ConnectionsPerAddress < 0 || s.ConnectionsPerAddress > maxConnections {
		return fmt.Errorf("connections_per_address %d: want 1 to %d", s.ConnectionsPerAddress, maxConnections)
	}
	if n := s.ReceiptsPerMinute; n < 0 || n > 0 && n < maxReceipts {
		return fmt.Errorf("receipts_per_minute %d: want at least %d, which one call may have", n, maxReceipts)
	}
	for _, of := range []struct {
		name string
		n    int
	}{
		{"messages_per_minute", s.MessagesPerMinute},
		{"registers_per_minute", s.RegistersPerMinute},
		{"reads_per_minute", s.ReadsPerMinute},
		{"file_bytes_per_hour", s.FileBytesPerHour},
	} {
		if of.n < 0 {
			return fmt.Errorf("%s %d: want at least 1", of.name, of.n)
		}
	}
	return nil
}

func (s Settings) checkBroker() error {
	if s.MQTTListen != "" {
		if _, _, err := net.SplitHostPort(s.MQTTListen); err != nil {
			return fmt.Errorf("mqtt_listen %q: want host:port, such as \"127.0.0.1:1883\"", s.MQTTListen)
		}
	}
	if s.BrokerURL == "" {
		if s.BrokerUser != "" || s.BrokerPassword != "" || s.BrokerClientURL != "" || s.BrokerHookSecret != "" {
			return fmt.Errorf("broker_url: missing, while other broker_ settings are given")
		}
		return nil
	}
	if s.MQTTListen != "" {
		return fmt.Errorf("mqtt_listen: there is no embedded broker when broker_url is set; remove one of them")
	}
	if err := checkURL(s.BrokerURL, "mqtt", "mqtts", "tcp", "ssl", "tls", "ws", "wss"); err != nil {
		return fmt.Errorf("broker_url: %w", err)
	}
	if s.BrokerClientURL == "" {
		return nil
	}
	if err := checkURL(s.BrokerClientURL, "mqtt", "mqtts", "ws", "wss"); err != nil {
		return fmt.Errorf("broker_client_url: %w", err)
	}
	return nil
}

func checkURL(text string, schemes ...string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		return fmt.Errorf("want an address with scheme %s", strings.Join(schemes, ", "))
	}
	if u.User != nil {
		return fmt.Errorf("credentials do not belong into the address; use broker_user and broker_password")
	}
	return nil
}

// cleanOrigin returns o as browsers write it in the Origin header.
func cleanOrigin(o string) (string, error) {
	if o == "*" {
		return o, nil
	}
	u, err := url.Parse(o)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return "", fmt.Errorf("%q is not an origin; want scheme, host and port only, such as \"https://shop.example.com\"", o)
	}
	return strings.ToLower(u.Scheme + "://" + u.Host), nil
}
