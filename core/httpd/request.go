package httpd

import (
	"bytes"
	"crypto/tls"
	"net/netip"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	hooksPrefix   = "/hooks/"
	oauthPrefix   = "/oauth/"
	oauthCallback = "/callback"
	widgetPath    = "/widget.js" // of a page's chat, at the gateway and below a channel's hook
)

// describe fills in where r came from and went to, and returns the instance.
// All strings are copies.
func (p *Public) describe(req *pluginv1.WebhookRequest, r *fasthttp.RequestCtx) (instance string, err error) {
	req.Url = p.calledURL(r)
	target := req.Url[len(req.Url)-len(r.RequestURI()):]
	path, query, _ := strings.Cut(target, "?")
	switch {
	case path == widgetPath:
		instance, err = p.widgetOf(string(r.QueryArgs().Peek("channel")))
		req.Path = widgetPath
	case strings.HasPrefix(path, oauthPrefix):
		instance, req.Path, err = splitOAuth(path)
	default:
		instance, req.Path, err = splitHook(path)
	}
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(path, oauthPrefix) && !r.IsGet() {
		return "", &core.Error{Code: badMethod, Message: "a browser comes here with GET"}
	}
	req.Method, req.Query = string(r.Method()), query
	if addr := p.peer(r); addr.IsValid() {
		req.RemoteAddr = addr.String()
	}
	return instance, nil
}

// widgetOf returns the channel whose widget is asked for: the one that is named,
// or the only one.
func (p *Public) widgetOf(channel string) (instance string, err error) {
	if channel == "" {
		return p.hooks.OnlyWidget()
	}
	if !isName(channel) {
		return "", core.Errorf(core.NotFound, "no such channel")
	}
	return channel, nil
}

// splitHook takes /hooks/<instance>/<rest> apart. The rest is unescaped; what
// would leave the hook's own tree is refused.
func splitHook(path string) (instance, rest string, err error) {
	path, ok := strings.CutPrefix(path, hooksPrefix)
	if !ok {
		return "", "", core.Errorf(core.NotFound, "nothing here")
	}
	instance = path
	if i := strings.IndexByte(path, '/'); i >= 0 {
		instance, rest = path[:i], path[i:]
	}
	if !isName(instance) {
		return "", "", core.Errorf(core.NotFound, "no such hook")
	}
	if strings.IndexByte(rest, '%') >= 0 {
		if rest, err = url.PathUnescape(rest); err != nil {
			return "", "", core.Errorf(core.Invalid, "the path has a broken escape")
		}
	}
	if strings.Contains(rest, "/.") || strings.ContainsAny(rest, "\x00\\#") {
		if hasDots(rest) || strings.ContainsAny(rest, "\x00\\#") {
			return "", "", core.Errorf(core.Invalid, "the path is ambiguous")
		}
	}
	return instance, rest, nil
}

// splitOAuth takes /oauth/<instance>/callback apart, to which a platform sends the
// browser of an administrator who has authorized the gateway. For the driver it is
// the path /oauth/callback of its hook.
func splitOAuth(path string) (instance, rest string, err error) {
	instance, ok := strings.CutSuffix(strings.TrimPrefix(path, oauthPrefix), oauthCallback)
	if !ok || !isName(instance) {
		return "", "", core.Errorf(core.NotFound, "nothing here")
	}
	return instance, "/oauth" + oauthCallback, nil
}

func hasDots(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}

const maxName = 128 // bytes of an instance name in a path

// isName says whether s can be an instance's name: no escapes, no separators.
func isName(s string) bool {
	if s == "" || len(s) > maxName || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// peer returns the address of the client: the last one in X-Forwarded-For that
// is not a trusted proxy's, if a trusted proxy calls.
func (p *Public) peer(r *fasthttp.RequestCtx) netip.Addr {
	addr := addrOf(r.Conn())
	if c, ok := r.Conn().(*conn); ok {
		addr = c.addr
	}
	if !p.proxies.trust(addr) {
		return addr
	}
	lines := r.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor)
	hops := strings.Split(string(bytes.Join(lines, []byte{','})), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return addr // what stands before it is not to be believed
		}
		if addr = hop.Unmap(); !p.proxies.trust(addr) {
			return addr
		}
	}
	return addr
}

// calledURL returns the URL as the platform called it; it ends with the
// request's target.
func (p *Public) calledURL(r *fasthttp.RequestCtx) string {
	if p.publicURL != "" {
		return p.publicURL + string(r.RequestURI())
	}
	return p.scheme(r) + "://" + string(r.Host()) + string(r.RequestURI())
}

func (p *Public) scheme(r *fasthttp.RequestCtx) string {
	c, ok := r.Conn().(*conn)
	if !ok {
		return "http"
	}
	_, secure := c.Conn.(*tls.Conn)
	if secure || p.proxies.trust(c.addr) && string(r.Request.Header.Peek(fasthttp.HeaderXForwardedProto)) == "https" {
		return "https"
	}
	return "http"
}

// copyHeaders copies all header fields, in three allocations.
func copyHeaders(h *fasthttp.RequestHeader) []*pluginv1.Header {
	n, size := 0, 0
	for k, v := range h.All() {
		n, size = n+1, size+len(k)+len(v)
	}
	var text strings.Builder
	text.Grow(size)
	fields := make([]pluginv1.Header, n)
	list := make([]*pluginv1.Header, 0, n)
	for k, v := range h.All() {
		start := text.Len()
		text.Write(k)
		text.Write(v)
		s := text.String()[start:] // Grow has reserved all of it: it does not move
		f := &fields[len(list)]
		f.Name, f.Value = s[:len(k)], s[len(k):]
		list = append(list, f)
	}
	return list
}
