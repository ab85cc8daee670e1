package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

const maxBody = 512 << 10 // bytes; a text of max_message may be escaped to six times its size

// apiError is a refusal that the client reads.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string { return e.message }

func invalid(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, "invalid", fmt.Sprintf(format, args...)}
}

func unauthorized(message string) error {
	return &apiError{http.StatusUnauthorized, "unauthorized", message}
}

// request is one call, with its path below the instance.
type request struct {
	*sdk.WebhookRequest
	user  string // who calls, on routes that need it
	known identity
}

// reply is the answer to a call, and what it meant.
type reply struct {
	body   any
	raw    *sdk.WebhookResponse // in place of body, if it is no JSON
	events []sdk.Event
}

// route is one entry of the API.
type route struct {
	method, path string
	needs        need
	handle       func(*channel, context.Context, *request) (reply, error)
}

// need is what a request to a route must have.
type need int

const (
	nothing need = 0
	token   need = 1 << iota // an access token
	asJSON                   // a body of JSON
	widely                   // no allowed origin: scripts are for all pages
)

// routes is the whole API below /hooks/<instance>. The vendor's form, with the
// app id as first path element, is the same.
func routes() []route {
	return []route{
		{http.MethodPost, "/register", asJSON, (*channel).register},
		{http.MethodGet, "/config", nothing, (*channel).describe},
		{http.MethodPost, "/mo", token | asJSON, (*channel).message},
		{http.MethodPost, "/form", token | asJSON, (*channel).answerForm},
		{http.MethodPost, "/deliveryupdate", token | asJSON, (*channel).receipts},
		{http.MethodPost, "/typing", token | asJSON, (*channel).typing},
		{http.MethodGet, "/messages", token, (*channel).messages},
		{http.MethodPost, "/media", token, (*channel).upload},
		{http.MethodPut, "/media", token, (*channel).proceed},
		{http.MethodGet, "/media", token, (*channel).progress},
		{http.MethodDelete, "/media", token, (*channel).abandon},
		{http.MethodPost, "/push", token | asJSON, (*channel).registerPush},
		{http.MethodDelete, "/push", token | asJSON, (*channel).unregisterPush},
		{http.MethodPost, "/broker/auth", asJSON, (*channel).brokerAuth},
		{http.MethodPost, "/broker/acl", asJSON, (*channel).brokerACL},
		{http.MethodGet, "/widget.js", widely, (*channel).widget},
	}
}

// Webhook implements sdk.WebhookReceiver.
//
//	200 what the route says
//	4xx {"error":{"code":"invalid","message":"…"}}
func (c *channel) Webhook(ctx context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	header := http.Header{}
	rep, err := c.serve(ctx, &request{WebhookRequest: r}, header)
	if err != nil {
		return c.fail(err, header)
	}
	if rep.raw != nil {
		return *rep.raw, nil
	}
	if rep.body == nil { // a preflight
		return sdk.WebhookResponse{Status: http.StatusNoContent, Header: header}, nil
	}
	body, err := json.Marshal(rep.body)
	if err != nil {
		return sdk.WebhookResponse{}, fmt.Errorf("encode answer: %w", err)
	}
	jsonHeader(header)
	return sdk.WebhookResponse{Status: http.StatusOK, Header: header, Body: body, Events: rep.events}, nil
}

func jsonHeader(h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// fail answers a refusal. Any other error goes to the gateway, which logs it
// and answers for us.
func (c *channel) fail(err error, header http.Header) (sdk.WebhookResponse, error) {
	var e *apiError
	if !errors.As(err, &e) {
		return sdk.WebhookResponse{}, err
	}
	jsonHeader(header)
	switch e.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests:
		header.Set("Retry-After", "10")
	}
	body, err := json.Marshal(map[string]any{"error": map[string]string{"code": e.code, "message": e.message}})
	return sdk.WebhookResponse{Status: e.status, Header: header, Body: body}, err
}

// serve finds the route and checks what all routes have in common.
func (c *channel) serve(ctx context.Context, r *request, header http.Header) (reply, error) {
	path, methods := c.path(r.Path), []string{}
	foreign := c.crossOrigin(r, header)
	for _, rt := range routes() {
		if rt.path != path {
			continue
		}
		if rt.method == r.Method && (foreign == nil || rt.needs&widely != 0) {
			return c.call(ctx, rt, r)
		}
		methods = append(methods, rt.method)
	}
	if foreign != nil {
		return reply{}, foreign
	}
	if len(methods) == 0 {
		return reply{}, &apiError{http.StatusNotFound, "not_found", "there is nothing at this address"}
	}
	if r.Method == http.MethodOptions {
		return reply{}, nil
	}
	header.Set("Allow", strings.Join(methods, ", "))
	return reply{}, &apiError{http.StatusMethodNotAllowed, "method_not_allowed", "use " + strings.Join(methods, " or ")}
}

// path is p without the app id in front.
func (c *channel) path(p string) string {
	if rest, ok := strings.CutPrefix(p, "/"+c.cfg.AppID+"/"); ok {
		return "/" + rest
	}
	return p
}

func (c *channel) call(ctx context.Context, rt route, r *request) (reply, error) {
	if len(r.Body) > maxBody {
		return reply{}, tooLarge()
	}
	if rt.needs&token != 0 {
		if err := c.identify(r); err != nil {
			return reply{}, err
		}
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return reply{}, &apiError{http.StatusUnsupportedMediaType, "unsupported_media_type", "send it uncompressed"}
	}
	if rt.needs&asJSON != 0 {
		if err := checkJSONType(r.Header); err != nil {
			return reply{}, err
		}
	}
	return rt.handle(c, ctx, r)
}

func tooLarge() error {
	return &apiError{http.StatusRequestEntityTooLarge, "too_large", "the request is too large"}
}

// checkJSONType refuses forms. A cross-site form cannot
// have this content type, so it also ends forged requests.
func checkJSONType(h http.Header) error {
	unsupported := &apiError{http.StatusUnsupportedMediaType, "unsupported_media_type",
		"send application/json in UTF-8"}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return unsupported
	}
	if cs := params["charset"]; cs != "" && !strings.EqualFold(cs, "utf-8") {
		return unsupported
	}
	return nil
}

// identify finds out who calls, by the access token.
func (c *channel) identify(r *request) error {
	token, err := bearer(r.Header)
	if err != nil {
		return err
	}
	if token == "" {
		return unauthorized("an access token is missing; register first and send it in the accesstoken header")
	}
	cl, err := c.signer.access(token)
	if err != nil {
		return unauthorized("the access token is not valid here, or not any more; register again")
	}
	r.user, r.known = cl.Subject, cl.identity
	return nil
}

// bearer returns the token of the accesstoken or the Authorization header, ""
// if there is none.
func bearer(h http.Header) (string, error) {
	found := slices.Clone(h.Values("Accesstoken"))
	for _, v := range h.Values("Authorization") {
		scheme, token, _ := strings.Cut(v, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", unauthorized("the Authorization header is not of type Bearer")
		}
		found = append(found, strings.TrimSpace(token))
	}
	if len(found) > 1 {
		return "", unauthorized("there is more than one token")
	}
	if len(found) == 0 {
		return "", nil
	}
	return found[0], nil
}

// crossOrigin applies the origins setting, and answers browsers that they may
// read the response.
func (c *channel) crossOrigin(r *request, header http.Header) error {
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if !c.originAllowed(r.WebhookRequest) {
		return &apiError{http.StatusForbidden, "forbidden", "this page may not use this channel; see its origins setting"}
	}
	header.Set("Access-Control-Allow-Origin", origin)
	if r.Method == http.MethodOptions {
		header.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
		header.Set("Access-Control-Allow-Headers", "accesstoken, authorization, content-type, signature, timestamp")
		header.Set("Access-Control-Max-Age", "600")
	}
	return nil
}

// originAllowed says whether the page that sent r may use this channel: it is
// no page, is served from the same host, or stands in the origins setting.
func (c *channel) originAllowed(r *sdk.WebhookRequest) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	origin := strings.ToLower(origins[0])
	if slices.Contains(c.cfg.Origins, "*") || slices.Contains(c.cfg.Origins, origin) {
		return true
	}
	page, err := url.Parse(origin)
	if err != nil || page.Host == "" {
		return false
	}
	hook, err := url.Parse(r.URL)
	return err == nil && strings.EqualFold(page.Host, hook.Host)
}
