package main

import (
	"bytes"
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
	file, err := c.files.Fetch(ctx, f)
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
func (c *client) save(ctx context.Context, f ccsp.File) (ccsp.Answer, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	sum := sha256.Sum256(f.Body) // no file holds its own hash, and the same file is the same bytes
	if err := w.SetBoundary(hex.EncodeToString(sum[:])); err != nil {
		return ccsp.Answer{}, fmt.Errorf("saveFile: %w", err)
	}
	if _, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("file", f.Name)}, "Content-Type": {f.MIME},
	}); err != nil {
		return ccsp.Answer{}, fmt.Errorf("saveFile: %w", err)
	}
	end := "\r\n--" + w.Boundary() + "--\r\n"
	body := io.MultiReader(bytes.NewReader(form.Bytes()), bytes.NewReader(f.Body), bytes.NewReader([]byte(end)))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.upload.String(), body)
	if err != nil {
		return ccsp.Answer{}, errors.New("saveFile: request cannot be made")
	}
	r.ContentLength = int64(form.Len() + len(f.Body) + len(end))
	if c.cfg.upload.Scheme == c.cfg.endpoint.Scheme && c.cfg.upload.Host == c.cfg.endpoint.Host {
		r.Header = c.cfg.header.Clone() // its credentials are for that server alone
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return c.do(r, "saveFile")
}
