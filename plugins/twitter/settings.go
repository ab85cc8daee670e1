package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// settings is the settings block of a channel "twitter" in gateway.hcl.
type settings struct {
	UserID         string `json:"user_id" jsonschema:"required,title=User id,pattern=^[0-9]+$,maxLength=20" jsonschema_description:"Number of the account that customers write to."`
	ConsumerKey    string `json:"consumer_key,omitempty" jsonschema:"title=API key" jsonschema_description:"Of the app at X; also called consumer key."`
	ConsumerSecret string `json:"consumer_secret,omitempty" jsonschema:"title=API key secret" jsonschema_description:"Signs webhooks, and calls by OAuth 1.0a." jsonschema_extras:"x-secret=true"`

	AccessToken       string `json:"access_token,omitempty" jsonschema:"title=Access token" jsonschema_description:"Of the account, OAuth 1.0a. Quick replies need it." jsonschema_extras:"x-secret=true"`
	AccessTokenSecret string `json:"access_token_secret,omitempty" jsonschema:"title=Access token secret" jsonschema_extras:"x-secret=true"`

	ClientID     string `json:"client_id,omitempty" jsonschema:"title=OAuth 2.0 client id"`
	ClientSecret string `json:"client_secret,omitempty" jsonschema:"title=OAuth 2.0 client secret" jsonschema_description:"Of a confidential client; a public one has none. Signs webhooks, too." jsonschema_extras:"x-secret=true"`
	RefreshToken string `json:"refresh_token,omitempty" jsonschema:"title=OAuth 2.0 refresh token" jsonschema_description:"The first one. The gateway keeps those that follow. Absent: an administrator authorizes the gateway with setup_key." jsonschema_extras:"x-secret=true"`
	SetupKey     string `json:"setup_key,omitempty" jsonschema:"title=Setup key" jsonschema_description:"Opens the page /oauth/start below the hook, once; 16 bytes or more." jsonschema_extras:"x-secret=true"`

	WebhookSecret string `json:"webhook_secret,omitempty" jsonschema:"title=Secret of the challenge,enum=consumer,enum=client" jsonschema_description:"Which secret answers X's challenge (CRC): consumer_secret, or client_secret. Absent: consumer_secret if there is one."`

	Register    bool   `json:"register,omitempty" jsonschema:"title=Register by itself" jsonschema_description:"The gateway registers its hook at X and subscribes to the account's events. It needs bearer_token and OAuth 2.0."`
	BearerToken string `json:"bearer_token,omitempty" jsonschema:"title=Bearer token" jsonschema_description:"Of the app itself." jsonschema_extras:"x-secret=true"`

	API          string `json:"api,omitempty" jsonschema:"title=API for messages,enum=v2,enum=v1.1,default=v2" jsonschema_description:"Messages with quick replies go by v1.1 in either case."`
	APIURL       string `json:"api_url,omitempty" jsonschema:"title=Address of the API,default=https://api.x.com"`
	AuthorizeURL string `json:"authorize_url,omitempty" jsonschema:"title=Address of the page that authorizes,default=https://x.com/i/oauth2/authorize"`
	CatchUp      string `json:"catch_up,omitempty" jsonschema:"title=Catch up,default=15m" jsonschema_description:"How often messages are read at X which no webhook brought; off: never."`
	Timeout      string `json:"timeout,omitempty" jsonschema:"title=Time limit of a call,default=20s"`
}

// config is settings, checked.
type config struct {
	settings
	api       string // scheme and host
	authorize *url.URL
	challenge string // secret that answers X's challenge
	timeout   time.Duration
	catchUp   time.Duration // 0: never
}

const (
	apiV2, apiV11 = "v2", "v1.1"
	never         = "off"
	minSetupKey   = 16 // bytes
)

// Check implements sdk.Checker.
func (s settings) Check() error {
	_, err := s.check()
	return err
}

func (s settings) check() (config, error) {
	c := config{settings: s, timeout: 20 * time.Second, catchUp: 15 * time.Minute}
	if !isID(s.UserID) {
		return c, fmt.Errorf("user_id %q is not the number of an account; write one such as \"2244994945\"", s.UserID)
	}
	switch {
	case s.ConsumerSecret == "" && s.ClientSecret == "":
		return c, errors.New("consumer_secret is missing; without it, or client_secret, nothing proves that webhooks are X's")
	case s.AccessToken != "" && (s.ConsumerKey == "" || s.ConsumerSecret == ""):
		return c, errors.New("access_token needs consumer_key and consumer_secret, the app's keys at X")
	case (s.AccessToken == "") != (s.AccessTokenSecret == ""):
		return c, errors.New("access_token and access_token_secret belong together; one of them is missing")
	case s.AccessToken == "" && s.ClientID == "":
		return c, errors.New("access_token is missing; write it and its secret (OAuth 1.0a), or client_id (OAuth 2.0)")
	case s.ClientID == "" && s.ClientSecret+s.RefreshToken+s.SetupKey != "":
		return c, errors.New("client_id is missing, while other settings of OAuth 2.0 are given")
	case s.ClientID != "" && s.RefreshToken == "" && s.SetupKey == "":
		return c, errors.New("refresh_token is missing; write it, or a setup_key with which to get one")
	case s.SetupKey != "" && len(s.SetupKey) < minSetupKey:
		return c, fmt.Errorf("setup_key has less than %d bytes", minSetupKey)
	case s.Register && (s.BearerToken == "" || s.ClientID == ""):
		return c, errors.New("register needs bearer_token, the app's own, and client_id: X wants OAuth 2.0 for subscriptions to messages")
	case s.API != "" && s.API != apiV2 && s.API != apiV11:
		return c, fmt.Errorf("api %q is not known; write v2 or v1.1", s.API)
	case s.API == apiV11 && s.AccessToken == "":
		return c, errors.New("api v1.1 needs access_token and access_token_secret")
	}
	if s.API == "" {
		c.API = apiV2
	}
	if err := c.chooseSecret(); err != nil {
		return c, err
	}
	if err := c.durations(); err != nil {
		return c, err
	}
	return c, c.addresses()
}

// chooseSecret finds the secret that answers X's challenge.
func (c *config) chooseSecret() error {
	switch c.WebhookSecret {
	case "":
		c.challenge = cmp.Or(c.ConsumerSecret, c.ClientSecret)
	case "consumer":
		c.challenge = c.ConsumerSecret
	case "client":
		c.challenge = c.ClientSecret
	default:
		return fmt.Errorf("webhook_secret %q is not known; write consumer or client", c.WebhookSecret)
	}
	if c.challenge == "" {
		return fmt.Errorf("webhook_secret is %q, and %s_secret is missing", c.WebhookSecret, c.WebhookSecret)
	}
	return nil
}

func (c *config) durations() (err error) {
	if c.Timeout != "" {
		if c.timeout, err = ccsp.Duration("timeout", c.Timeout, time.Second, 5*time.Minute); err != nil {
			return err
		}
	}
	switch c.CatchUp {
	case "":
	case never:
		c.catchUp = 0
	default:
		c.catchUp, err = ccsp.Duration("catch_up", c.CatchUp, time.Minute, 24*time.Hour)
	}
	return err
}

func (c *config) addresses() (err error) {
	if c.APIURL == "" {
		c.APIURL = "https://api.x.com"
	}
	if c.AuthorizeURL == "" {
		c.AuthorizeURL = "https://x.com/i/oauth2/authorize"
	}
	api, err := ccsp.Server("api_url", c.APIURL, "https://api.x.com", "nothing: paths are fixed")
	if err != nil {
		return err
	}
	c.api = api.String()
	c.authorize, err = url.Parse(c.AuthorizeURL)
	if err != nil || c.authorize.Host == "" || c.authorize.User != nil || !strings.HasPrefix(c.authorize.Scheme, "http") {
		return errors.New("authorize_url is not an http or https address")
	}
	return nil
}

// oauth1 reports whether there is a user context of OAuth 1.0a, oauth2 the same
// of OAuth 2.0.
func (s settings) oauth1() bool { return s.AccessToken != "" }
func (s settings) oauth2() bool { return s.ClientID != "" }

// Capabilities implements sdk.Capable: only v1.1 shows quick replies and typing, and
// it wants OAuth 1.0a.
func (s settings) Capabilities(of sdk.Capabilities) sdk.Capabilities {
	if !s.oauth1() {
		of.QuickReplies, of.MaxQuickReplies, of.MaxQuickReplyTitle, of.TypingOut = false, 0, 0, false
	}
	return of
}

// Validate implements sdk.Validator: it asks X whose the credentials are. Those of
// OAuth 2.0 cannot be tried: that would use up the refresh token.
func (s settings) Validate(ctx context.Context) error {
	cfg, err := s.check()
	if err != nil || !cfg.oauth1() {
		return err
	}
	c := newClient(cfg, plainHTTP(), time.Now)
	a, err := c.do(ctx, request{method: "GET", path: "/2/users/me", by: c.oauth1})
	if err != nil {
		return fmt.Errorf("api_url: %w", err)
	}
	return sameUser(a, cfg.UserID, time.Now())
}
