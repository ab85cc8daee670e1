package httpd

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core/diag"
)

// Configuration says how the last save of gateway.hcl went, and ends what was
// taken out of it.
type Configuration interface {
	Config() Config
	// RemoveInstance ends an instance that was taken out of gateway.hcl without
	// waiting for its chats: they are closed. kind is channel or integration.
	// Errors: core.NotFound, and core.Conflict if it stands in gateway.hcl.
	RemoveInstance(ctx context.Context, kind, name string) error
}

// Config is how gateway.hcl stands.
type Config struct {
	File      string          `json:"file"`
	AppliedAt time.Time       `json:"applied_at"`         // of what is in force
	TriedAt   time.Time       `json:"tried_at"`           // when a change was last seen
	Problems  []*diag.Problem `json:"problems"`           // of that attempt; none: it is in force
	Warnings  []*diag.Problem `json:"warnings,omitempty"` // of what is in force
	Restart   []Change        `json:"restart_needed"`     // what the next start will change
	More      int             `json:"more,omitempty"`     // problems that are not shown
}

// Change is a setting that only a start applies.
type Change struct {
	Setting string   `json:"setting"`
	At      diag.Pos `json:"at"`
}

// Draining is what an instance that was taken out of gateway.hcl still has.
type Draining struct {
	Since    time.Time `json:"since"`
	Counted  bool      `json:"counted"`  // false: the next two are not known yet
	Chats    int       `json:"chats"`    // open
	Commands int       `json:"commands"` // waiting
	Forced   bool      `json:"forced,omitempty"`
}

// getConfig answers GET /v1/config.
//
//	200 {"file":"gateway.hcl","applied_at":"…","tried_at":"…","restart_needed":[{"setting":"listen","at":{…}}],
//	     "problems":[{"file":"gateway.hcl","line":6,"column":11,"summary":"…","hint":"…"}]}
func (a *Admin) getConfig(_ context.Context, r *fasthttp.RequestCtx) error {
	c := a.gateway.Config()
	if c.Problems == nil {
		c.Problems = []*diag.Problem{}
	}
	if c.Restart == nil {
		c.Restart = []Change{}
	}
	if n := len(c.Problems); n > maxProblems {
		c.Problems, c.More = c.Problems[:maxProblems], n-maxProblems
	}
	writeJSON(r, fasthttp.StatusOK, c)
	return nil
}

// deleteChannel answers DELETE /v1/channels/{id}, the id being its name.
//
//	202 {}
//	409 {"error":{"code":"conflict","message":"channel \"webshop\" stands in gateway.hcl; take it out there first"}}
func (a *Admin) deleteChannel(ctx context.Context, r *fasthttp.RequestCtx) error {
	return a.removeInstance(ctx, r, "channel")
}

// deleteIntegration answers DELETE /v1/integrations/{id} in the same way.
func (a *Admin) deleteIntegration(ctx context.Context, r *fasthttp.RequestCtx) error {
	return a.removeInstance(ctx, r, "integration")
}

func (a *Admin) removeInstance(ctx context.Context, r *fasthttp.RequestCtx, kind string) error {
	name, err := param(r, "id")
	if err != nil {
		return err
	}
	if err := a.gateway.RemoveInstance(ctx, kind, name); err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusAccepted, struct{}{})
	return nil
}
