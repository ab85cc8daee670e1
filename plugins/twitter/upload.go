package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	chunkSize   = 4 << 20        // bytes of one append
	uploadedFor = 20 * time.Hour // X keeps a file for 24 h
	maxCheck    = 10 * time.Second
)

// mediaKind is what X does with files of a type.
type mediaKind struct {
	category string
	limit    int64 // bytes
	chunked  bool
}

func kindOf(contentType string) (mediaKind, bool) {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return mediaKind{}, false
	}
	switch t {
	case "image/jpeg", "image/png", "image/webp":
		return mediaKind{"dm_image", maxImage, false}, true
	case "image/gif":
		return mediaKind{"dm_gif", maxGIF, true}, true
	case "video/mp4", "video/quicktime":
		return mediaKind{"dm_video", maxVideo, true}, true
	}
	return mediaKind{}, false
}

// shown reports whether X shows the file in a message. Of which type an unknown
// one is turns out when it is opened.
func shown(a sdk.Attachment) bool {
	_, ok := kindOf(a.MIME)
	return ok || a.MIME == ""
}

// mediaOf uploads the file that goes with m, and returns X's id of it, "" if none
// does.
func (c *channel) mediaOf(ctx context.Context, m sdk.Message) (string, error) {
	one := slices.IndexFunc(m.Attachments, shown)
	if one < 0 {
		return "", nil
	}
	file := m.Attachments[one]
	if known, ok := c.uploads.find(file.MediaID, c.host.Now()); ok { // X may have put the message off
		return known, nil
	}
	number, err := c.upload(ctx, file)
	if err != nil {
		// An upload does nothing that a customer sees, and knows no recipient.
		if errors.Is(err, sdk.ErrRecipientGone) {
			err = sdk.Rejected("media", "X does not take the file")
		}
		return "", ccsp.AsRetry(err)
	}
	c.uploads.add(file.MediaID, number, c.host.Now().Add(uploadedFor))
	return number, nil
}

func (c *channel) upload(ctx context.Context, file sdk.Attachment) (string, error) {
	r, known, err := c.host.OpenMedia(ctx, file)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	kind, ok := kindOf(known.MIME)
	switch {
	case !ok:
		return "", sdk.Rejected("media_type", known.MIME+" is not shown by X")
	case known.Bytes > kind.limit:
		return "", sdk.Rejected("media_size", fmt.Sprintf("%d bytes; X takes %d", known.Bytes, kind.limit))
	case kind.chunked:
		return c.uploadChunks(ctx, r, known, kind)
	}
	data, err := io.ReadAll(io.LimitReader(r, kind.limit+1))
	if err != nil {
		return "", sdk.Retry(err, 0)
	}
	if int64(len(data)) > kind.limit {
		return "", sdk.Rejected("media_size", fmt.Sprintf("more than the %d bytes that X takes", kind.limit))
	}
	q, err := multipartOf("/2/media/upload", "media_category", kind.category, data)
	if err != nil {
		return "", err
	}
	state, err := c.uploadCall(ctx, q)
	return string(state.Data.ID), err
}

// uploadState is X's answer to all calls about a file.
type uploadState struct {
	Data struct {
		ID         id `json:"id"`
		Processing *struct {
			State string `json:"state"`
			After int    `json:"check_after_secs"`
		} `json:"processing_info"`
	} `json:"data"`
}

func (c *channel) uploadChunks(ctx context.Context, r io.Reader, known sdk.Attachment, kind mediaKind) (string, error) {
	body, err := ccsp.JSON(map[string]any{"media_type": known.MIME, "total_bytes": known.Bytes, "media_category": kind.category})
	if err != nil {
		return "", err
	}
	begun, err := c.uploadCall(ctx, request{method: http.MethodPost, path: "/2/media/upload/initialize",
		contentType: "application/json", body: body})
	if err != nil {
		return "", err
	}
	number := string(begun.Data.ID)
	chunk := make([]byte, min(chunkSize, max(known.Bytes, 1)))
	for i := 0; ; i++ {
		n, err := io.ReadFull(r, chunk)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return "", sdk.Retry(err, 0)
		}
		q, err := multipartOf("/2/media/upload/"+number+"/append", "segment_index", strconv.Itoa(i), chunk[:n])
		if err != nil {
			return "", err
		}
		q.endpoint = "POST /2/media/upload/:id/append"
		if _, err := c.call(ctx, q); err != nil {
			return "", err
		}
	}
	state, err := c.uploadCall(ctx, request{method: http.MethodPost, path: "/2/media/upload/" + number + "/finalize",
		endpoint: "POST /2/media/upload/:id/finalize"})
	if err != nil {
		return "", err
	}
	return number, c.processed(ctx, number, state)
}

// processed waits until X has made of a file what it shows.
func (c *channel) processed(ctx context.Context, number string, s uploadState) error {
	for s.Data.Processing != nil {
		switch s.Data.Processing.State {
		case "succeeded":
			return nil
		case "failed":
			return sdk.Rejected("media_processing", "X cannot show the file")
		}
		t := time.NewTimer(min(time.Duration(max(s.Data.Processing.After, 1))*time.Second, maxCheck))
		select {
		case <-ctx.Done():
			t.Stop()
			return sdk.Retry(ctx.Err(), 0)
		case <-t.C:
		}
		var err error
		s, err = c.uploadCall(ctx, request{method: http.MethodGet, path: "/2/media/upload",
			query: url.Values{"command": {"STATUS"}, "media_id": {number}}})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *channel) uploadCall(ctx context.Context, q request) (s uploadState, err error) {
	a, err := c.call(ctx, q)
	if err != nil {
		return s, err
	}
	if json.Unmarshal(a.Body, &s) != nil || s.Data.ID == "" {
		return s, sdk.Retry(errors.New("no file is named in the answer of X"), ccsp.ResendAfter)
	}
	return s, nil
}

// multipartOf is a call with a field and the bytes of a file.
func multipartOf(path, field, value string, data []byte) (request, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err := w.WriteField(field, value)
	if err != nil {
		return request{}, err
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="media"; filename="media"`}, "Content-Type": {"application/octet-stream"}})
	if err != nil {
		return request{}, err
	}
	if _, err := part.Write(data); err != nil {
		return request{}, err
	}
	if err := w.Close(); err != nil {
		return request{}, err
	}
	return request{method: http.MethodPost, path: path, body: b.Bytes(), contentType: w.FormDataContentType()}, nil
}
