// Package httpd serves HTTP: the public hooks that platforms and browsers call,
// and the admin API. It alone knows fasthttp.
//
// Requests are taken only if they can be read in one way, whole, and within
// limits; bodies with a Content-Encoding are refused (415). Every error is
//
//	{"error":{"code":"not_found","message":"no channel \"webshop\""}}
//
// and the response to each request that could be read has an X-Request-Id, by
// which the log names it.
package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// Codes that only HTTP knows.
const (
	forbidden    core.Code = "forbidden"          // another site's page asks
	unsupported  core.Code = "unsupported"        // a content type or encoding we do not read
	headTooLarge core.Code = "headers_too_large"  // the request's head is over its limit
	tooSlow      core.Code = "timeout"            // the request did not arrive in time
	badMethod    core.Code = "method_not_allowed" // the path exists, the method does not
)

var status = map[core.Code]int{
	core.Invalid:      fasthttp.StatusBadRequest,
	core.Unauthorized: fasthttp.StatusUnauthorized,
	core.NotFound:     fasthttp.StatusNotFound,
	core.Conflict:     fasthttp.StatusConflict,
	core.Unavailable:  fasthttp.StatusServiceUnavailable,
	core.TooLarge:     fasthttp.StatusRequestEntityTooLarge,
	core.TooMany:      fasthttp.StatusTooManyRequests,
	core.Internal:     fasthttp.StatusInternalServerError,
	forbidden:         fasthttp.StatusForbidden,
	unsupported:       fasthttp.StatusUnsupportedMediaType,
	headTooLarge:      fasthttp.StatusRequestHeaderFieldsTooLarge,
	tooSlow:           fasthttp.StatusRequestTimeout,
	badMethod:         fasthttp.StatusMethodNotAllowed,
}

type errorBody struct {
	Error struct {
		Code    core.Code `json:"code"`
		Message string    `json:"message"`
	} `json:"error"`
}

// classify turns any error into one that a client may read. Details of
// internal errors stay in Err.
func classify(err error) *core.Error {
	if e, ok := errors.AsType[*core.Error](err); ok && e.Code != core.Internal && status[e.Code] != 0 {
		return e
	}
	code, message := core.Internal, "internal error, see the gateway's log"
	switch {
	case errors.Is(err, store.ErrNotFound):
		code, message = core.NotFound, "no such thing"
	case errors.Is(err, store.ErrConflict):
		code, message = core.Conflict, "it changed meanwhile; read it again and retry"
	case errors.Is(err, store.ErrTooLarge):
		code, message = core.TooLarge, "too large to be stored"
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull), errors.Is(err, store.ErrClosed),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		code, message = core.Unavailable, "not possible now, try again"
	}
	return &core.Error{Code: code, Message: message, Err: err}
}

// writeError answers with {"error":{"code":…,"message":…}}.
func writeError(r *fasthttp.RequestCtx, e *core.Error) {
	var body errorBody
	body.Error.Code, body.Error.Message = e.Code, e.Message
	r.Response.Reset()
	if e.Code == core.Unavailable || e.Code == core.TooMany {
		r.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
	}
	writeJSON(r, status[e.Code], body)
}

// writeJSON answers with v. A v that cannot be encoded is a bug.
func writeJSON(r *fasthttp.RequestCtx, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	r.SetStatusCode(code)
	r.SetContentType("application/json")
	r.Response.SetBodyRaw(append(b, '\n'))
}

// setRequestID names the request in its response, as it is named in the log.
func setRequestID(r *fasthttp.RequestCtx, prefix string) {
	var buf [40]byte
	r.Response.Header.SetBytesV("X-Request-Id", appendRequestID(buf[:0], r, prefix))
}

// requestID returns what setRequestID sets. It is unique in one process.
func requestID(r *fasthttp.RequestCtx, prefix string) string {
	return string(appendRequestID(nil, r, prefix))
}

func appendRequestID(b []byte, r *fasthttp.RequestCtx, prefix string) []byte {
	return strconv.AppendUint(append(append(b, prefix...), '-'), r.ID(), 16)
}

// recovered logs a panic of a handler and answers 500.
func recovered(r *fasthttp.RequestCtx, log *slog.Logger, prefix string) {
	v := recover()
	if v == nil {
		return
	}
	log.Error("request panicked", "request", requestID(r, prefix), "panic", v, "stack", string(debug.Stack()))
	writeError(r, classify(errors.New("panic")))
	r.SetConnectionClose()
}

// wireError answers requests that could not be read.
func wireError(m *metrics) func(*fasthttp.RequestCtx, error) {
	return func(r *fasthttp.RequestCtx, err error) {
		writeError(r, wireCause(err))
		m.requests[r.Response.StatusCode()/100].Inc()
		linger(r)
	}
}

func wireCause(err error) *core.Error {
	if small, ok := errors.AsType[*fasthttp.ErrSmallBuffer](err); ok {
		return &core.Error{Code: headTooLarge, Message: "the request's URL and headers are too large", Err: small}
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return &core.Error{Code: tooSlow, Message: "the request did not arrive in time", Err: err}
	}
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		return &core.Error{Code: core.TooLarge, Message: "the body is too large", Err: err}
	}
	return &core.Error{Code: core.Invalid, Message: "the request is not valid HTTP", Err: err}
}

// wireLog is fasthttp's log. What it says is about single connections and may
// quote what a client sent, so it is cut and for debugging only.
type wireLog struct{ log *slog.Logger }

const maxWireLog = 512 // bytes

// Printf implements fasthttp.Logger.
func (l wireLog) Printf(format string, args ...any) {
	ctx := context.Background()
	if !l.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	l.log.DebugContext(ctx, "connection problem", "detail", clip(fmt.Sprintf(format, args...)))
}

func clip(s string) string {
	if len(s) > maxWireLog {
		s = s[:maxWireLog] + "…"
	}
	return s
}
