package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	uploadTries = 3 // of a message; then the agent gets the file's own address
	maxLoads    = 4 // files in memory at a time
)

// upload brings a customer's file to the contact center and returns its address
// there. Nobody sees a file that was uploaded and not told of, so that to do it
// twice is harmless: the error is no sdk.AmbiguousError.
func (c *connector) upload(ctx context.Context, f sdk.Attachment) (string, error) {
	select {
	case c.loads <- struct{}{}:
		defer func() { <-c.loads }()
	case <-ctx.Done():
		return "", sdk.Retry(ctx.Err(), 0)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeout)
	defer cancel()
	file, err := c.load(ctx, f)
	if err != nil {
		return "", err
	}
	a, err := c.client.save(ctx, file)
	if err == nil {
		err = c.client.refused("saveFile", a)
	}
	if err != nil {
		return "", ccsp.AsRetry(err)
	}
	return c.savedAt(a)
}

// file is a file on its way through memory.
type file struct {
	name, mime string
	body       []byte
}

// load has the gateway give out a file: one that it keeps, or one that it fetches.
func (c *connector) load(ctx context.Context, a sdk.Attachment) (file, error) {
	limit := c.cfg.Upload.MaxBytes
	if a.Bytes > limit {
		return file{}, tooLarge(limit)
	}
	r, a, err := c.host.OpenMedia(ctx, a)
	if err != nil {
		return file{}, err
	}
	defer func() { _ = r.Close() }()
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return file{}, err
	}
	if int64(len(body)) > limit {
		return file{}, tooLarge(limit)
	}
	return file{cmp.Or(a.Name, "file"), cmp.Or(a.MIME, "application/octet-stream"), body}, nil
}

func tooLarge(limit int64) error {
	return sdk.Rejected("file_too_large", fmt.Sprintf("it has more than %d bytes", limit))
}

// savedAt reads where saveFile put a file.
func (c *connector) savedAt(a ccsp.Answer) (string, error) {
	var saved struct{ FilePath loose }
	if err := json.Unmarshal(a.Body, &saved); a.Err != nil || err != nil {
		return "", sdk.Retry(errors.New("saveFile: the answer is not a JSON object"), 0)
	}
	u, err := url.Parse(string(saved.FilePath))
	if err != nil || u.Path == "" || u.Host == "" && u.Path[0] != '/' {
		return "", sdk.Rejected("file_path", "saveFile answered with no address")
	}
	if u = c.cfg.upload.ResolveReference(u); u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", sdk.Rejected("file_path", "saveFile answered with no http or https address")
	}
	return u.String(), nil
}

// save posts a file as a browser's form does.
func (c *client) save(ctx context.Context, f file) (ccsp.Answer, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	sum := sha256.Sum256(f.body) // no file holds its own hash, and the same file is the same bytes
	if err := w.SetBoundary(hex.EncodeToString(sum[:])); err != nil {
		return ccsp.Answer{}, fmt.Errorf("saveFile: %w", err)
	}
	if _, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("file", f.name)}, "Content-Type": {f.mime},
	}); err != nil {
		return ccsp.Answer{}, fmt.Errorf("saveFile: %w", err)
	}
	end := "\r\n--" + w.Boundary() + "--\r\n"
	body := io.MultiReader(bytes.NewReader(form.Bytes()), bytes.NewReader(f.body), bytes.NewReader([]byte(end)))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.upload.String(), body)
	if err != nil {
		return ccsp.Answer{}, errors.New("saveFile: request cannot be made")
	}
	r.ContentLength = int64(form.Len() + len(f.body) + len(end))
	if c.cfg.upload.Scheme == c.cfg.endpoint.Scheme && c.cfg.upload.Host == c.cfg.endpoint.Host {
		r.Header = c.cfg.header.Clone() // its credentials are for that server alone
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return c.do(r, "saveFile")
}
