package ccsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"code.dny.dev/ssrf"

	"github.com/openccsp/gateway/sdk"
)

// File is a file that was fetched.
type File struct {
	Name string // without folders and control characters, never ""
	MIME string // never ""
	Body []byte
}

// Files fetches the files that customers send. Their addresses come from
// outside, so it goes to public places only, also where an address leads to
// another one, except for the hosts that the operator trusts.
type Files struct {
	Max     int64        // bytes of one file
	Trusted []string     // host or host:port; these may be in a private network
	Within  *http.Client // for those: Host.HTTP

	public *http.Client
}

// NewFiles makes a Files.
func NewFiles(maxBytes int64, trusted []string, within *http.Client) *Files {
	d := &net.Dialer{Timeout: 10 * time.Second, Control: ssrf.New(ssrf.WithAnyPort()).Safe}
	return &Files{Max: maxBytes, Trusted: trusted, Within: within, public: &http.Client{
		Transport: &http.Transport{
			DialContext: d.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
			IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close lets go of connections.
func (f *Files) Close() { f.public.CloseIdleConnections() }

const maxHops = 5 // redirects of one file

// Fetch gets the file of a. The error is an sdk.RetryError if another try may
// help, else an sdk.RejectedError; neither names the address, which may hold a
// key.
func (f *Files) Fetch(ctx context.Context, a sdk.Attachment) (File, error) {
	if a.Bytes > f.Max {
		return File{}, tooLarge(f.Max)
	}
	at, err := url.Parse(a.URL)
	if err != nil {
		return File{}, sdk.Rejected("file_address", "it cannot be read")
	}
	for range maxHops {
		res, err := f.get(ctx, at)
		if err != nil {
			return File{}, err
		}
		if to := res.Header.Get("Location"); to != "" && res.StatusCode >= 300 && res.StatusCode < 400 {
			_ = res.Body.Close()
			if at, err = at.Parse(to); err != nil {
				return File{}, sdk.Rejected("file_address", "it leads to one that cannot be read")
			}
			continue
		}
		file, err := f.read(res, a)
		_ = res.Body.Close()
		if file.Name == "" {
			file.Name = fileName(a.Name, at, file.MIME)
		}
		return file, err
	}
	return File{}, sdk.Rejected("file_redirects", fmt.Sprintf("it leads on more than %d times", maxHops))
}

func (f *Files) get(ctx context.Context, at *url.URL) (*http.Response, error) {
	if at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.User != nil {
		return nil, sdk.Rejected("file_address", "it is not a plain http or https address")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, sdk.Rejected("file_address", "it cannot be asked")
	}
	client := f.public
	if slices.Contains(f.Trusted, at.Host) || slices.Contains(f.Trusted, at.Hostname()) {
		within := *f.Within
		within.CheckRedirect = f.public.CheckRedirect
		client = &within
	}
	res, err := client.Do(r)
	switch {
	case err == nil:
		return res, nil
	case forbidden(err):
		return nil, sdk.Rejected("file_place", "it is in a private network; trust its host if that is right")
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return nil, sdk.Retry(fmt.Errorf("fetch a file: %w", err), 0)
}

func forbidden(err error) bool {
	for _, e := range []error{ssrf.ErrProhibitedIP, ssrf.ErrProhibitedNetwork, ssrf.ErrProhibitedPort, ssrf.ErrInvalidHostPort} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (f *Files) read(res *http.Response, a sdk.Attachment) (File, error) {
	switch s := res.StatusCode; {
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s >= 500:
		return File{}, sdk.Retry(fmt.Errorf("fetch a file: HTTP %d", s), 0)
	case s != http.StatusOK:
		return File{}, sdk.Rejected("file_gone", fmt.Sprintf("HTTP %d", s))
	case res.ContentLength > f.Max:
		return File{}, tooLarge(f.Max)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, f.Max+1))
	if err != nil {
		return File{}, sdk.Retry(fmt.Errorf("fetch a file: %w", err), 0)
	}
	if int64(len(body)) > f.Max {
		return File{}, tooLarge(f.Max)
	}
	return File{MIME: mimeOf(a.MIME, res.Header.Get("Content-Type")), Body: body}, nil
}

func tooLarge(limit int64) error {
	return sdk.Rejected("file_too_large", fmt.Sprintf("it has more than %d bytes", limit))
}

// mimeOf returns the first type that is one.
func mimeOf(given ...string) string {
	for _, s := range given {
		if t, _, err := mime.ParseMediaType(s); err == nil && strings.Contains(t, "/") {
			return t
		}
	}
	return "application/octet-stream"
}

const maxFileName = 100 // bytes

// fileName returns a name that can do no harm: that of the file, else the last
// part of its address.
func fileName(name string, at *url.URL, mimeType string) string {
	for _, s := range []string{name, path.Base(at.Path)} {
		s = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.C, r) || strings.ContainsRune(`"<>|:*?;%`, r) || r == unicode.ReplacementChar {
				return -1 // also what turns the direction of writing
			}
			return r
		}, path.Base(strings.ReplaceAll(s, `\`, "/")))
		s = strings.Trim(s, ". /")
		if len(s) > maxFileName {
			ext := path.Ext(s)
			if len(ext) > 10 {
				ext = ""
			}
			s = strings.ToValidUTF8(s[:maxFileName-len(ext)], "") + ext
		}
		if s != "" {
			return s
		}
	}
	return "file" + extension(mimeType)
}
