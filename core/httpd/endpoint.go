package httpd

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"
)

// Endpoints are where rules send notifications.
type Endpoints interface {
	Endpoints() []Endpoint
	// EnableEndpoint lets notifications go to it again; core.NotFound.
	EnableEndpoint(ctx context.Context, name string) error
}

// Endpoint is a URL that rules may notify, and how it does.
type Endpoint struct {
	Name   string    `json:"name"`
	Host   string    `json:"host"` // the URL without its path, which may hold a token
	Format string    `json:"format"`
	State  string    `json:"state"` // ok, failing, disabled
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"` // why it is so, where it is known
}

// listEndpoints answers GET /v1/endpoints.
func (a *Admin) listEndpoints(_ context.Context, r *fasthttp.RequestCtx) error {
	return writeAll(r, a.gateway.Endpoints())
}

// enableEndpoint answers POST /v1/endpoints/{id}/enable.
func (a *Admin) enableEndpoint(ctx context.Context, r *fasthttp.RequestCtx) error {
	return order(r, func(name string) error { return a.gateway.EnableEndpoint(ctx, name) })
}
