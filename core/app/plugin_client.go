package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/httpd"
)

// adminAPI is the API of the gateway that runs with a configuration, if one
// does.
type adminAPI struct {
	http    *http.Client
	dataDir string
}

func newAdmin(c *config.Config) *adminAPI { return &adminAPI{adminClient(c.DataDir), c.DataDir} }

func (a *adminAPI) close() { a.http.CloseIdleConnections() }

// isStopped says that err is that no gateway runs.
func isStopped(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// do sends a request with a JSON body, or none if it is nil. The answer is a
// good one; the caller closes its body. What the gateway answers instead is a
// *core.Error.
func (a *adminAPI) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		send = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://gateway"+path, send)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.http.Do(r)
	if isStopped(err) {
		return nil, &stoppedError{a.dataDir, err}
	}
	if err != nil {
		return nil, fmt.Errorf("ask the running gateway: %w", err)
	}
	if resp.StatusCode >= 400 {
		defer func() { _ = resp.Body.Close() }()
		return nil, answeredError(method, path, resp)
	}
	return resp, nil
}

// stoppedError is that no gateway runs.
type stoppedError struct {
	dataDir string
	err     error
}

func (e *stoppedError) Error() string { return "no gateway is running with data_dir " + e.dataDir }
func (e *stoppedError) Unwrap() error { return e.err }

func answeredError(method, path string, resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var body struct {
		Error struct {
			Code    core.Code
			Message string
		}
	}
	if err != nil || json.Unmarshal(b, &body) != nil || body.Error.Message == "" {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return &core.Error{Code: body.Error.Code, Message: printable(body.Error.Message)}
}

// call is do for one answer in JSON; nil does not look at it.
func (a *adminAPI) call(ctx context.Context, method, path string, body, answer any) error {
	resp, err := a.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (a *adminAPI) plugins(ctx context.Context) (list pluginList, err error) {
	return list, a.call(ctx, http.MethodGet, "/v1/plugins", nil, &list)
}

func pluginURL(id, rest string) string { return "/v1/plugins/" + url.PathEscape(id) + rest }

// pluginList is what there is to choose from.
type pluginList httpd.PluginList

// file returns what is known of a path, nil if nothing is.
func (l pluginList) file(path string) *httpd.Plugin {
	for i := range l.Items {
		if l.Items[i].Path == path && l.Items[i].File != "" {
			return &l.Items[i]
		}
	}
	return nil
}

// of returns all entries of the plugin that p is one of.
func (l pluginList) of(p *httpd.Plugin) (all []httpd.Plugin) {
	for _, q := range l.Items {
		if keyOf(&q) == keyOf(p) {
			all = append(all, q)
		}
	}
	return all
}

// keyOf is what the API calls a plugin.
func keyOf(p *httpd.Plugin) string {
	if p.ID == "" {
		return p.Path
	}
	return p.ID
}

// find returns the first entry of the one plugin that name means: its id, the
// end of one ("enghouse"), or the path of a file, or the end of that.
func (l pluginList) find(name string) (*httpd.Plugin, error) {
	if name == "" {
		return nil, core.Errorf(core.Invalid, "a plugin's name is empty")
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	for _, fits := range []func(p *httpd.Plugin) bool{
		func(p *httpd.Plugin) bool { return p.ID == name },
		func(p *httpd.Plugin) bool { return p.Path == path },
		func(p *httpd.Plugin) bool { return strings.HasSuffix(p.ID, "."+name) },
		func(p *httpd.Plugin) bool { return p.ID == "" && filepath.Base(p.Path) == name },
	} {
		var found []*httpd.Plugin
		for i := range l.Items {
			p := &l.Items[i]
			if fits(p) && !slices.ContainsFunc(found, func(q *httpd.Plugin) bool { return keyOf(q) == keyOf(p) }) {
				found = append(found, p)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			var keys []string
			for _, p := range found {
				keys = append(keys, printable(keyOf(p)))
			}
			return nil, core.Errorf(core.Invalid, "%q is one of %s; write more of it", clip(name), strings.Join(keys, ", "))
		}
	}
	return nil, l.unknown(name)
}

func (l pluginList) unknown(name string) error {
	var known, ends []string
	whole := map[string]string{} // by end
	for _, p := range l.Items {
		key := keyOf(&p)
		if slices.Contains(known, key) {
			continue
		}
		known = append(known, key)
		for end := key; ; end = end[strings.IndexAny(end, "./")+1:] {
			ends, whole[end] = append(ends, end), key
			if !strings.ContainsAny(end, "./") {
				break
			}
		}
	}
	hint := diag.DidYouMean(name, known)
	if near := diag.Suggest(name, ends); near != "" {
		hint = fmt.Sprintf("did you mean %q?", whole[near])
	}
	if hint == "" {
		return core.Errorf(core.NotFound, "no plugin %q", clip(name))
	}
	return core.Errorf(core.NotFound, "no plugin %q; %s", clip(name), printable(hint))
}

// printable returns s without what a terminal would take for a command, or what
// would make it read differently.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexFunc(s, func(r rune) bool { return !isPlain(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isPlain(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

func isPlain(r rune) bool { return unicode.IsPrint(r) || r == '\t' }
