package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// settings are those of one page. Durations are written as in "20s".
type settings struct {
	PageID            string `json:"page_id" jsonschema:"required,title=Page id" jsonschema_description:"Number of the Facebook page."`
	AccessToken       string `json:"access_token" jsonschema:"required,title=Page access token" jsonschema_description:"Of a system user or person with the task MESSAGE; pages_messaging is the permission." jsonschema_extras:"x-secret=true"`
	AppSecret         string `json:"app_secret" jsonschema:"required,title=App secret" jsonschema_description:"Signs webhooks, and proves our calls." jsonschema_extras:"x-secret=true"`
	PreviousAppSecret string `json:"previous_app_secret,omitempty" jsonschema:"title=Previous app secret" jsonschema_description:"Webhooks may be signed with it as well, while the app secret is being replaced." jsonschema_extras:"x-secret=true"`
	VerifyToken       string `json:"verify_token" jsonschema:"required,title=Verify token" jsonschema_description:"A text of your own, the same as at the webhook in Meta's app dashboard." jsonschema_extras:"x-secret=true"`
	AppID             string `json:"app_id,omitempty" jsonschema:"title=App id" jsonschema_description:"Number of the app: what the page says through it is not heard again."`

	BaseURL string `json:"base_url,omitempty" jsonschema:"title=Graph API,default=https://graph.facebook.com"`
	Version string `json:"version,omitempty" jsonschema:"title=Version of the Graph API,default=v26.0"`
	Timeout string `json:"timeout,omitempty" jsonschema:"title=Time limit of a call,default=20s"`

	HumanAgent        bool     `json:"human_agent,omitempty" jsonschema:"title=Agents may answer for 7 days" jsonschema_description:"The app has Meta's feature Human Agent: what a person wrote goes with the tag HUMAN_AGENT once 24 hours are over."`
	TakeControl       bool     `json:"take_control,omitempty" jsonschema:"title=Take control of threads" jsonschema_description:"When another app controls the thread, take it and send: Meta lets the page's default app do so. Otherwise the message waits."`
	RequestControl    bool     `json:"request_control,omitempty" jsonschema:"title=Ask for control of threads" jsonschema_description:"When another app controls the thread, ask it for the thread. The message waits meanwhile."`
	WaitForControl    string   `json:"wait_for_control,omitempty" jsonschema:"title=Wait for control,default=1h" jsonschema_description:"How long a message waits for the thread. Then it is refused, and the agent is told."`
	MarkSeen          string   `json:"mark_seen,omitempty" jsonschema:"title=Mark as seen,enum=never,enum=received,enum=delivered,enum=read,default=read" jsonschema_description:"When customers see that what they wrote was seen: once the gateway has it, once the contact center or bot has it, or once it was read there."`
	Profiles          bool     `json:"profiles" jsonschema:"title=Look up names,default=true" jsonschema_description:"Ask Meta for the name and picture of who writes."`
	Upload            bool     `json:"upload,omitempty" jsonschema:"title=Upload files" jsonschema_description:"Always upload files that are sent, also where Meta could fetch them from the gateway."`
	MessagesPerSecond int      `json:"messages_per_second,omitempty" jsonschema:"title=Messages per second,minimum=1,maximum=300,default=40"`
	InboxAppIDs       []string `json:"inbox_app_ids,omitempty" jsonschema:"title=App ids of the page inbox" jsonschema_description:"What comes from them was written by a person in Meta's inbox. Without it: the two that are known."`

	AllowSHA1 bool   `json:"allow_sha1,omitempty" jsonschema:"title=Allow SHA-1 signatures" jsonschema_description:"Take webhooks that have only the old header X-Hub-Signature."`
	MaxAge    string `json:"max_age,omitempty" jsonschema:"title=Age of webhooks,default=168h" jsonschema_description:"Older ones are refused as replayed. Meta repeats for about 36 hours."`
}

// config is settings, checked.
type config struct {
	settings
	base           *url.URL // with the version
	timeout        time.Duration
	maxAge         time.Duration
	waitForControl time.Duration
	keys           [][]byte
}

var (
	number  = regexp.MustCompile(`^[0-9]{1,32}$`)
	version = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)

	// inboxApps are those by which Meta's own inbox writes, as people have seen them.
	inboxApps = []string{"263902037430900", "26390203743090"}

	// seens are when a customer's message can be marked as seen.
	seens = []string{"never", seenReceived, "delivered", "read"}
)

// seenReceived: as soon as the gateway has it.
const seenReceived = "received"

// minSecret is less than any of Meta's secrets has, in bytes.
const minSecret = 8

// Check implements sdk.Checker.
func (s settings) Check() error {
	_, err := s.check()
	return err
}

// check reports all that is wrong at once.
func (s settings) check() (config, error) {
	c := config{settings: s}
	c.Version = cmp.Or(s.Version, "v26.0")
	c.MarkSeen = cmp.Or(s.MarkSeen, "read")
	c.MessagesPerSecond = cmp.Or(s.MessagesPerSecond, defaultRate)
	if len(s.InboxAppIDs) == 0 {
		c.InboxAppIDs = inboxApps
	}
	var errs []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	add(!number.MatchString(s.PageID), "page_id %q is not the number of a page; it is at the page's About, Page transparency", s.PageID)
	add(s.AppID != "" && !number.MatchString(s.AppID), "app_id %q is not the number of an app", s.AppID)
	add(s.AccessToken == "" || strings.ContainsFunc(s.AccessToken, notPrintable), "access_token is empty or not one word; generate one for the page")
	add(len(s.AppSecret) < minSecret, "app_secret is missing or short; it is in the app's basic settings")
	add(s.PreviousAppSecret != "" && len(s.PreviousAppSecret) < minSecret, "previous_app_secret is short")
	add(len(s.VerifyToken) < minSecret, "verify_token has less than %d bytes; make one up", minSecret)
	add(!version.MatchString(c.Version), `version %q is not one such as "v26.0"`, s.Version)
	add(c.MessagesPerSecond < 1 || c.MessagesPerSecond > maxRate, "messages_per_second is not from 1 to %d", maxRate)
	add(!slices.Contains(seens, c.MarkSeen), "mark_seen %q is none of %s", s.MarkSeen, strings.Join(seens, ", "))
	add(slices.ContainsFunc(s.InboxAppIDs, func(id string) bool { return !number.MatchString(id) }), "inbox_app_ids has one that is not the number of an app")
	var err error
	c.timeout, err = ccsp.Duration("timeout", cmp.Or(s.Timeout, "20s"), 100*time.Millisecond, 5*time.Minute)
	errs = append(errs, err)
	c.maxAge, err = ccsp.Duration("max_age", cmp.Or(s.MaxAge, "168h"), time.Hour, 10*365*24*time.Hour)
	errs = append(errs, err)
	c.waitForControl, err = ccsp.Duration("wait_for_control", cmp.Or(s.WaitForControl, "1h"), time.Minute, 24*time.Hour)
	errs = append(errs, err)
	c.base, err = ccsp.Server("base_url", cmp.Or(s.BaseURL, "https://graph.facebook.com"), "https://graph.facebook.com", "version and page_id")
	if errs = append(errs, err); errors.Join(errs...) != nil {
		return config{}, errors.Join(errs...)
	}
	c.base = c.base.JoinPath(c.Version)
	c.keys = [][]byte{[]byte(s.AppSecret)}
	if s.PreviousAppSecret != "" {
		c.keys = append(c.keys, []byte(s.PreviousAppSecret))
	}
	return c, nil
}

// Capabilities implements sdk.Capable: the rate, and whether agents have longer.
func (s settings) Capabilities(of sdk.Capabilities) sdk.Capabilities {
	if s.HumanAgent {
		of.Window.Agent = agentWindow
	}
	if s.MessagesPerSecond > 0 {
		of.Rate, of.Burst = float64(s.MessagesPerSecond), s.MessagesPerSecond
	}
	return of
}

// window is what an act of a customer other than a message allows.
func (c config) window() *sdk.ReplyWindow {
	w := c.Capabilities(capabilities()).Window
	return &w
}

// The sides that can control a thread, or write in it.
const (
	us    = "us"
	inbox = "inbox" // of the page, at Meta
	other = "app"   // any other app
)

// side is whose app that is, "" if there is none.
func (c config) side(app string) string {
	switch {
	case app == "":
		return ""
	case app == c.AppID:
		return us
	case slices.Contains(c.InboxAppIDs, app):
		return inbox
	}
	return other
}

func notPrintable(r rune) bool { return r <= ' ' || r > '~' }
