// Package httpd serves HTTP: the public hooks that platforms and browsers call,
// and the admin API. It alone knows fasthttp.
package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// Codes that only HTTP knows.
const (
	forbidden   core.Code = "forbidden"   // another site's page asks
	unsupported core.Code = "unsupported" // a content type or encoding we do not read
	tooManyHead core.Code = "headers"     // the request's head is over its limit
	tooSlow     core.Code = "timeout"     // the request did not arrive in time
	badMethod   core.Code = "method"      // the path exists, the method does not
)

var status = map[core.Code]int{
	core.Invalid:      fasthttp.StatusBadRequest,
	core.Unauthorized: fasthttp.StatusUnauthorized,
	core.NotFound:     fasthttp.StatusNotFound,
	core.Conflict:     fasthttp.StatusConflict,
	core.Unavailable:  fasthttp.StatusServiceUnavailable,
	core.TooLarge:     fasthttp.StatusRequestEntityTooLarge,
	core.Internal:     fasthttp.StatusInternalServerError,
	forbidden:         fasthttp.StatusForbidden,
	unsupported:       fasthttp.StatusUnsupportedMediaType,
	tooManyHead:       fasthttp.StatusRequestHeaderFieldsTooLarge,
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
	if e.Code == core.Unavailable {
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
		return &core.Error{Code: tooManyHead, Message: "the request's URL and headers are too large", Err: small}
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
	l.log.DebugContext(ctx, "connection problem", "detail", cut(format, args))
}

// newServer returns a server with the limits that both listeners share. Bodies
// are streams: they cost memory only as they arrive.
func newServer(log *slog.Logger, m *metrics, l Limits, h fasthttp.RequestHandler) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      h,
		ErrorHandler:                 wireError(m),
		Logger:                       wireLog{log},
		SecureErrorLogMessage:        true,
		Concurrency:                  l.Conns,
		ReadBufferSize:               l.Header,
		MaxRequestBodySize:           l.Body,
		ReadTimeout:                  l.Read,
		WriteTimeout:                 l.Write,
		IdleTimeout:                  l.Idle,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		KeepHijackedConns:            true, // sockets close their connections; they are not reused
	}
}

// Limits bound what clients can make the gateway hold. Zero fields take the
// defaults.
type Limits struct {
	Body         int           // bytes of one body; default 1 MiB
	Bodies       int64         // bytes of all bodies in hand; default 256 MiB
	Header       int           // bytes of request line and headers, also the read buffer of a connection; default 8 KiB
	Headers      int           // fields; default 100
	Conns        int           // open connections; default 16384
	ConnsPerAddr int           // open connections of one IPv4 address or IPv6 /64, trusted proxies excepted; default 1000
	InFlight     int           // requests in hand; default 4096
	Sockets      int           // open WebSockets; default 8192
	SocketFrame  int64         // bytes of one WebSocket message; default 256 KiB
	SocketPing   time.Duration // between keepalive pings, two without an answer end the socket; default 30 s
	Read         time.Duration // for head and body of one request to arrive; default 5 s
	Write        time.Duration // for a response to leave; default 5 s
	Idle         time.Duration // between requests; default 60 s
	Request      time.Duration // for a request to be handled; default 10 s
	Drain        time.Duration // for the requests in hand when the server stops; default 4 s
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Body, 1<<20)
	setDefault(&l.Bodies, 256<<20)
	setDefault(&l.Header, 8<<10)
	setDefault(&l.Headers, 100)
	setDefault(&l.Conns, 16<<10)
	setDefault(&l.ConnsPerAddr, 1000)
	setDefault(&l.InFlight, 4096)
	setDefault(&l.Sockets, 8192)
	setDefault(&l.SocketFrame, 256<<10)
	setDefault(&l.SocketPing, 30*time.Second)
	setDefault(&l.Read, 5*time.Second)
	setDefault(&l.Write, 5*time.Second)
	setDefault(&l.Idle, time.Minute)
	setDefault(&l.Request, 10*time.Second)
	setDefault(&l.Drain, 4*time.Second)
	return l
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
