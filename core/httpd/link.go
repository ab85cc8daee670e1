package httpd

import (
	"errors"
	"io"
	"mime"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
)

const mediaPrefix = "/media/"

// KeptFile is a file of a message.
type KeptFile struct {
	Body interface {
		io.ReaderAt
		io.Closer
	}
	Name, MIME string
	Bytes      int64
	Hash       string // names what it holds
}

// Bounds of files on their way out.
const (
	maxLinks  = 256     // at once; over it: 503
	ownLinks  = 64      // of them those of one address: who takes files slowly must not keep all others from theirs
	slowest   = 8 << 10 // bytes a second that whoever fetches one takes
	linkGrace = 30 * time.Second
)

var errNoLink = core.Errorf(core.NotFound, "nothing here")

// media answers GET and HEAD /media/<token>: the file to which the token of a
// signed link leads. A browser saves it and runs nothing of it.
//
//	200, 206 the file, whole or the part that Range asks for
//	304      the one that If-None-Match names
//	404      whatever is wrong, also a link that is too old
//	416      there is no such part
func (p *Public) media(r *fasthttp.RequestCtx) error {
	token := strings.TrimPrefix(string(r.RequestURI()), mediaPrefix)
	if p.openLink == nil || !r.IsGet() && !r.IsHead() {
		return errNoLink
	}
	var from netip.Prefix
	if peer := p.peer(r); !p.proxies.trust(peer) {
		from = netOf(peer)
	}
	if !p.links.take(from) {
		return core.Errorf(core.Unavailable, "too many files at once")
	}
	f, err := p.openLink(token)
	if err != nil {
		p.links.leave(from)
		if core.CodeOf(err) == core.NotFound {
			return errNoLink
		}
		return err
	}
	body := &linkBody{f: f, release: func() { p.links.leave(from) }}
	head := &r.Response.Header
	head.Set(fasthttp.HeaderContentType, f.MIME)
	head.Set(fasthttp.HeaderContentDisposition, disposition(f.Name))
	head.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	head.Set(fasthttp.HeaderContentSecurityPolicy, "default-src 'none'; sandbox")
	head.Set(fasthttp.HeaderReferrerPolicy, "no-referrer")
	head.Set(fasthttp.HeaderCacheControl, "private, no-store")
	head.Set(fasthttp.HeaderAcceptRanges, "bytes")
	etag := strconv.Quote(f.Hash)
	head.Set(fasthttp.HeaderETag, etag)
	if string(r.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)) == etag {
		r.SetStatusCode(fasthttp.StatusNotModified)
		return body.Close()
	}
	return sendPart(r, body, etag)
}

// links counts the files on their way out, over all and for each address.
type links struct {
	mu   sync.Mutex
	all  int
	from map[netip.Prefix]int
}

// take counts one more, unless there are too many. A net that is not valid is one
// that is not counted for itself.
func (l *links) take(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxLinks || from.IsValid() && l.from[from] >= ownLinks {
		return false
	}
	l.all++
	l.from[from]++
	return true
}

func (l *links) leave(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.from[from]--; l.from[from] == 0 {
		delete(l.from, from)
	}
}

// sendPart answers with the part of a file that the request asks for.
func sendPart(r *fasthttp.RequestCtx, body *linkBody, etag string) error {
	size, status := body.f.Bytes, fasthttp.StatusOK
	from, to := int64(0), size
	if cond := string(r.Request.Header.Peek(fasthttp.HeaderIfRange)); cond == "" || cond == etag {
		var kind rangeKind
		switch from, to, kind = parseRange(string(r.Request.Header.Peek(fasthttp.HeaderRange)), size); kind {
		case rangePart:
			status = fasthttp.StatusPartialContent
			r.Response.Header.Set(fasthttp.HeaderContentRange, "bytes "+strconv.FormatInt(from, 10)+"-"+strconv.FormatInt(to-1, 10)+"/"+strconv.FormatInt(size, 10))
		case rangeNone:
			r.SetStatusCode(fasthttp.StatusRequestedRangeNotSatisfiable)
			r.Response.Header.Set(fasthttp.HeaderContentRange, "bytes */"+strconv.FormatInt(size, 10))
			return body.Close()
		}
	}
	r.SetStatusCode(status)
	if c, ok := r.Conn().(*conn); ok {
		c.patient.Store(true)
		r.SetConnectionClose() // its writes are bounded one by one from here on
	}
	body.part = io.NewSectionReader(body.f.Body, from, to-from)
	body.until = time.Now().Add(linkGrace + time.Duration((to-from)/slowest)*time.Second)
	r.SetBodyStream(body, int(to-from))
	return nil
}

// disposition has a file saved under its name.
func disposition(name string) string {
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": name}); d != "" && name != "" {
		return d
	}
	return "attachment"
}

// linkBody is the part of a file that goes out. It ends early for whoever takes it
// too slowly.
type linkBody struct {
	f       KeptFile
	part    io.Reader
	until   time.Time
	release func()
	closed  bool
}

// Read implements io.Reader.
func (b *linkBody) Read(p []byte) (int, error) {
	if time.Now().After(b.until) {
		return 0, errors.New("the file is taken too slowly")
	}
	return b.part.Read(p)
}

// Close implements io.Closer.
func (b *linkBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	b.release()
	return b.f.Body.Close()
}

type rangeKind int

const (
	rangeAll  rangeKind = iota // none is asked for, or it is not one that we read
	rangePart                  // from from, before to
	rangeNone                  // there is no such part
)

// parseRange reads a Range of one part (RFC 9110, section 14.1.2).
func parseRange(s string, size int64) (from, to int64, kind rangeKind) {
	first, last, ok := strings.Cut(strings.TrimPrefix(s, "bytes="), "-")
	if !ok || !strings.HasPrefix(s, "bytes=") {
		return 0, size, rangeAll
	}
	a, aerr := strconv.ParseUint(first, 10, 62)
	b, berr := strconv.ParseUint(last, 10, 62)
	switch {
	case first == "" && berr == nil: // the last b bytes
		from, to = max(size-int64(b), 0), size
	case aerr == nil && last == "":
		from, to = int64(a), size
	case aerr == nil && berr == nil && a <= b:
		from, to = int64(a), min(int64(b)+1, size)
	default:
		return 0, size, rangeAll
	}
	if from >= to {
		return 0, 0, rangeNone
	}
	return from, to, rangePart
}
