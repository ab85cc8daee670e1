package httpd

import (
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"
	"golang.org/x/net/http/httpguts"

	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

// ownHeaders are set by the gateway; a driver's are dropped. All but the last
// three are about one connection (RFC 9110, section 7.6.1).
var ownHeaders = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-authenticate": true, "proxy-connection": true,
	"te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"content-length": true, "date": true, "server": true,
}

const maxAnswerHeaders = 64

// writeAnswer writes a driver's answer as it is. An answer that would not be
// one HTTP response is refused whole.
func writeAnswer(r *fasthttp.RequestCtx, a *pluginv1.WebhookAnswer) error {
	code := int(a.GetStatus())
	if code == 0 {
		code = fasthttp.StatusOK
	}
	if code < 200 || code > 599 {
		return fmt.Errorf("answer with status %d", code)
	}
	if len(a.GetHeaders()) > maxAnswerHeaders {
		return fmt.Errorf("answer with %d headers", len(a.GetHeaders()))
	}
	for _, h := range a.GetHeaders() {
		if !httpguts.ValidHeaderFieldName(h.GetName()) || !httpguts.ValidHeaderFieldValue(h.GetValue()) {
			return fmt.Errorf("answer with an invalid header %.40q", h.GetName())
		}
		if !ownHeaders[strings.ToLower(h.GetName())] {
			r.Response.Header.Add(h.GetName(), h.GetValue())
		}
	}
	r.SetStatusCode(code)
	if len(a.GetBody()) > 0 && len(r.Response.Header.ContentType()) == 0 {
		// A browser must not guess: some platforms have what they sent echoed.
		r.SetContentType("text/plain; charset=utf-8")
	}
	r.Response.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	r.Response.SetBodyRaw(a.GetBody())
	return nil
}
