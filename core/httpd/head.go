package httpd

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
)

var (
	hdrTransferEncoding = []byte("Transfer-Encoding")
	hdrContentLength    = []byte("Content-Length")
	hdrContentEncoding  = []byte("Content-Encoding")
	identity            = []byte("identity")
	http10              = []byte("HTTP/1.0")
)

// checkHead refuses what a proxy in front could read in another way than we
// do (RFC 9112, sections 2.2, 5.2, 6.1): bare line feeds, folded lines, a
// length beside a transfer encoding, an encoding other than chunked. fasthttp
// has refused the rest. Encoded bodies are refused too: none is unpacked, so
// none can be a bomb.
func checkHead(h *fasthttp.RequestHeader, maxFields int) error {
	fields, length, chunked, ok := scan(h.RawHeaders())
	switch {
	case !ok || length && chunked || chunked != (h.ContentLength() == -1):
		return core.Errorf(core.Invalid, "the request's framing is ambiguous")
	case !h.IsHTTP11() && !bytes.Equal(h.Protocol(), http10):
		return core.Errorf(core.Invalid, "this version of HTTP is not spoken here")
	case fields > maxFields:
		return core.Errorf(headTooLarge, "more than %d header fields", maxFields)
	case len(h.RequestURI()) == 0 || h.RequestURI()[0] != '/':
		return core.Errorf(core.Invalid, "the request's target is not a path")
	}
	if enc := h.PeekBytes(hdrContentEncoding); len(enc) > 0 && !bytes.EqualFold(enc, identity) {
		return core.Errorf(unsupported, "Content-Encoding is not supported; send the body as it is")
	}
	return nil
}

// scan reads the raw header lines. Not ok are line ends other than CR LF, stray
// CRs, folded lines and lines that are no field.
func scan(raw []byte) (fields int, length, chunked, ok bool) {
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return fields, length, chunked, false
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			return fields, length, chunked, len(raw) == 0
		}
		fields++
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || line[0] == ' ' || line[0] == '\t' || bytes.IndexByte(line, '\r') >= 0 {
			return fields, length, chunked, false
		}
		name := line[:colon]
		if bytes.IndexByte(name, ' ') >= 0 {
			return fields, length, chunked, false
		}
		switch colon {
		case len(hdrContentLength):
			length = length || bytes.EqualFold(name, hdrContentLength)
		case len(hdrTransferEncoding):
			chunked = chunked || bytes.EqualFold(name, hdrTransferEncoding)
		}
	}
	return fields, length, chunked, true
}
