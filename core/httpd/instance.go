package httpd

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core/store"
)

// Instances are what gateway.hcl sets up. Settings
// are not among it, so that no secret can be.
type Instances interface {
	Integrations() []Instance
	Channels() []Instance
	Services() []Service
}

// Instance is a channel or an integration.
type Instance struct {
	Name        string    `json:"name"`
	Driver      string    `json:"driver"`
	Type        string    `json:"channel_type,omitempty"`
	Services    []string  `json:"services,omitempty"`
	Plugin      string    `json:"plugin,omitempty"` // id
	Provisioned bool      `json:"provisioned"`      // it stands in gateway.hcl: read-only here
	State       string    `json:"state"`            // waiting, opening, open, failed
	OK          bool      `json:"ok"`
	Health      string    `json:"health,omitempty"` // what is wrong
	Since       time.Time `json:"since,omitzero"`   // of State
	HookURL     string    `json:"hook_url,omitempty"`
	Draining    *Draining `json:"draining,omitempty"` // it was taken out of gateway.hcl
}

// Service maps channels to an integration.
type Service struct {
	Name            string   `json:"name"`
	Integration     string   `json:"integration,omitempty"`
	Bot             string   `json:"bot,omitempty"`
	Channels        []string `json:"channels,omitempty"`
	Forward         string   `json:"forward"`
	Timezone        string   `json:"timezone,omitempty"`
	IdleAfter       string   `json:"idle_after,omitempty"` // durations, such as "10m"
	UnattendedAfter []string `json:"unattended_after,omitempty"`
	CloseAfter      string   `json:"close_after,omitempty"`
	BotResumes      bool     `json:"bot_resumes,omitempty"` // of a service with a bot
	Copies          string   `json:"copies,omitempty"`
	Transcript      int      `json:"transcript,omitempty"` // lines
	ReopenWithin    string   `json:"reopen_within,omitempty"`
	Provisioned     bool     `json:"provisioned"`
	OK              bool     `json:"ok"`
	Health          string   `json:"health,omitempty"`
}

// listIntegrations answers GET /v1/integrations.
//
//	200 {"items":[{"name":"enghouse","driver":"enghouse","provisioned":true,"state":"running","ok":true}]}
func (a *Admin) listIntegrations(_ context.Context, r *fasthttp.RequestCtx) error {
	return writeAll(r, a.gateway.Integrations())
}

// listChannels answers GET /v1/channels.
func (a *Admin) listChannels(_ context.Context, r *fasthttp.RequestCtx) error {
	return writeAll(r, a.gateway.Channels())
}

// listServices answers GET /v1/services.
func (a *Admin) listServices(_ context.Context, r *fasthttp.RequestCtx) error {
	return writeAll(r, a.gateway.Services())
}

// writeAll writes a list that configuration bounds, in one piece.
func writeAll[T any](r *fasthttp.RequestCtx, items []T) error {
	return writeList(r, store.Page[T]{Items: items}, func(t T) T { return t })
}
