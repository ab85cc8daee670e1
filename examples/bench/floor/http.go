package main

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// newServer returns a server with the settings of core/httpd's and the default
// limits of gateway.hcl.
func newServer(f *floor) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      f.handle,
		Concurrency:                  10_000,
		ReadBufferSize:               16 << 10,
		MaxRequestBodySize:           1 << 20,
		ReadTimeout:                  5 * time.Second,
		WriteTimeout:                 10 * time.Second,
		IdleTimeout:                  time.Minute,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
	}
}

// handle answers /hooks/<instance>, and /busy with the number of messages that
// are under way.
func (f *floor) handle(r *fasthttp.RequestCtx) {
	path := string(r.Path())
	if path == "/busy" {
		r.SetBodyString(strconv.FormatInt(f.busy.Load(), 10))
		return
	}
	body := append([]byte(nil), r.Request.Body()...)
	if f.part == "http" {
		f.relay(r, body)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req := &pluginv1.WebhookRequest{Method: string(r.Method()), Body: body, RemoteAddr: r.RemoteIP().String()}
	for k, v := range r.Request.Header.All() {
		req.Headers = append(req.Headers, &pluginv1.Header{Name: string(k), Value: string(v)})
	}
	answer, err := f.host.Webhook(ctx, strings.TrimPrefix(path, "/hooks/"), req)
	if err != nil {
		f.ok(err)
		r.SetStatusCode(fasthttp.StatusServiceUnavailable)
		return
	}
	r.SetStatusCode(max(int(answer.Status), fasthttp.StatusOK))
	r.SetBody(answer.Body)
}

func newClient() *fasthttp.Client { return &fasthttp.Client{MaxConnsPerHost: maxFlying} }

// relay is the part http: a request in, an answer, and a request out.
func (f *floor) relay(r *fasthttp.RequestCtx, body []byte) {
	var in struct{ ID, From, Text string }
	if err := json.Unmarshal(body, &in); err != nil {
		r.SetStatusCode(fasthttp.StatusBadRequest)
		return
	}
	out, err := json.Marshal(map[string]string{"key": in.ID, "to": in.From, "text": in.Text, "op": "send"})
	if err != nil {
		r.SetStatusCode(fasthttp.StatusInternalServerError)
		return
	}
	f.busy.Add(1)
	f.flying.Go(func() {
		defer f.busy.Add(-1)
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(resp)
		req.SetRequestURI(f.far)
		req.Header.SetMethod(fasthttp.MethodPost)
		req.SetBody(out)
		f.ok(f.client.Do(req, resp))
	})
}
