package httpd

import (
	"bytes"
	"context"
	_ "embed" // the API's description
	"runtime"

	"github.com/prometheus/common/expfmt"
	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
)

//go:embed openapi.json
var openAPI []byte

// getHealth answers GET /healthz: the process lives.
//
//	200 {"ok":true}
func (a *Admin) getHealth(_ context.Context, r *fasthttp.RequestCtx) error {
	writeJSON(r, fasthttp.StatusOK, map[string]bool{"ok": true})
	return nil
}

type readyBody struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons,omitempty"`
}

// getReady answers GET /readyz.
//
//	200 {"ready":true}
//	503 {"ready":false,"reasons":["webshop is opening"]}
func (a *Admin) getReady(_ context.Context, r *fasthttp.RequestCtx) error {
	reasons := a.ready()
	code := fasthttp.StatusOK
	if len(reasons) > 0 {
		code = fasthttp.StatusServiceUnavailable
	}
	writeJSON(r, code, readyBody{Ready: len(reasons) == 0, Reasons: reasons})
	return nil
}

// getMetrics answers GET /metrics in Prometheus' text format.
func (a *Admin) getMetrics(_ context.Context, r *fasthttp.RequestCtx) error {
	families, err := a.gatherer.Gather()
	if err != nil && len(families) == 0 {
		return err
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			return err
		}
	}
	r.SetContentType(string(expfmt.FmtText))
	r.Response.SetBodyRaw(text.Bytes())
	return nil
}

type versionBody struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Format  int    `json:"format"` // of the store
}

// getVersion answers GET /v1/version.
func (a *Admin) getVersion(_ context.Context, r *fasthttp.RequestCtx) error {
	writeJSON(r, fasthttp.StatusOK, versionBody{core.Version, runtime.Version(), state.Format})
	return nil
}

// getOpenAPI answers GET /v1/openapi.json.
func (a *Admin) getOpenAPI(_ context.Context, r *fasthttp.RequestCtx) error {
	r.SetContentType("application/json")
	r.Response.SetBodyRaw(openAPI)
	return nil
}
