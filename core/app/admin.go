package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
)

// adminAPI is the API of the gateway that runs with a configuration, if one
// does.
type adminAPI struct {
	http    *http.Client
	dataDir string
}

func newAdmin(c *config.Config) *adminAPI { return &adminAPI{adminClient(c.DataDir), c.DataDir} }

// adminClient returns a client of the gateway that runs with dataDir.
func adminClient(dataDir string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialAdmin(ctx, dataDir) },
	}}
}

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
	if resp.StatusCode >= 400 && path != readyPath {
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

// readyPath answers 503 with a body to read.
const readyPath = "/readyz"

// ask is call without a body.
func (a *adminAPI) ask(ctx context.Context, path string, answer any) error {
	return a.call(ctx, http.MethodGet, path, nil, answer)
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
	return list, a.ask(ctx, "/v1/plugins", &list)
}

func pluginURL(id, rest string) string { return "/v1/plugins/" + url.PathEscape(id) + rest }

// maxAnswer is how many bytes of an answer the command line reads.
const maxAnswer = 4 << 20
