package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxPart     = 512 << 10 // bytes of one request with a part of a file
	maxFileName = 255       // bytes
	refFor      = 24 * time.Hour
)

// What the notes are about that clients keep for us.
const (
	aboutUpload = "upload" // a file that is not whole yet
	aboutFile   = "file"   // one that the gateway keeps
)

// ticket is an upload under way. The client keeps it, signed.
type ticket struct {
	File  string `json:"file"` // in the folder of uploads
	Name  string `json:"name"`
	MIME  string `json:"mime"`
	Bytes int64  `json:"bytes"` // of the whole file
}

// upload takes a customer's file, or its first part: the body is the file, and
// its content type the file's.
//
//	POST /media?name=cat.jpg              200 {"media":{"ref":"…","name":"cat.jpg","mime":"image/jpeg","bytes":70000}}
//	POST /media?name=cat.jpg&bytes=3000000   200 {"upload":"…","offset":524288,"bytes":3000000}
//
// The rest follows by PUT. A message names the file by its ref.
func (c *channel) upload(ctx context.Context, r *request) (reply, error) {
	t, err := c.ticket(r)
	if err != nil {
		return reply{}, err
	}
	if !c.incoming.allow(r.user) {
		return reply{}, throttled("too many files")
	}
	if !c.fileBytes.allowN(r.user, len(r.Body)) {
		return reply{}, throttled("too many bytes of files")
	}
	if int64(len(r.Body)) == t.Bytes {
		a, err := c.saveFile(ctx, t, bytes.NewReader(r.Body))
		if err != nil {
			return reply{}, err
		}
		return c.fileReply(r.user, a)
	}
	if err := c.uploads.begin(t.File, r.Body, c.host.Now()); err != nil {
		return reply{}, err
	}
	return c.ticketReply(r.user, t, int64(len(r.Body)))
}

// ticket reads what the first request says of the file.
func (c *channel) ticket(r *request) (ticket, error) {
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return ticket{}, invalid("the query cannot be read")
	}
	t := ticket{File: randomID(""), Name: query.Get("name"), Bytes: int64(len(r.Body))}
	if len(t.Name) > maxFileName || !utf8.ValidString(t.Name) {
		return t, invalid("name: want at most %d bytes", maxFileName)
	}
	if text := query.Get("bytes"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < int64(len(r.Body)) {
			return t, invalid("bytes: want the size of the whole file")
		}
		t.Bytes = n
	}
	switch {
	case len(r.Body) == 0:
		return t, invalid("the body is empty; it is the file, or its first part")
	case t.Bytes > int64(c.cfg.MaxFile):
		return t, &apiError{http.StatusRequestEntityTooLarge, "too_large", "the file is too large; at most " + strconv.Itoa(c.cfg.MaxFile) + " bytes"}
	}
	if t.MIME, _, err = mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil {
		return t, &apiError{http.StatusUnsupportedMediaType, "unsupported_media_type", "Content-Type: want the type of the file, such as image/jpeg"}
	}
	return t, nil
}

// proceed takes the next part of a file. Offset is how much is there already.
//
//	PUT /media?upload=…&offset=524288   200 {"upload":"…","offset":1048576,"bytes":3000000}, after the last part {"media":{…}}
//	                                    409 another offset is due; GET says which
func (c *channel) proceed(ctx context.Context, r *request) (reply, error) {
	t, query, err := c.ticketOf(r)
	if err != nil {
		return reply{}, err
	}
	offset, err := strconv.ParseInt(query.Get("offset"), 10, 64)
	if err != nil || offset < 0 {
		return reply{}, invalid("offset: want a number")
	}
	if offset+int64(len(r.Body)) > t.Bytes {
		return reply{}, invalid("the file becomes larger than the %d bytes that were announced", t.Bytes)
	}
	if !c.fileBytes.allowN(r.user, len(r.Body)) {
		return reply{}, throttled("too many bytes of files")
	}
	if len(r.Body) == 0 && !c.read.allow(r.user) { // each time the whole file may be checked
		return reply{}, throttled("too many questions")
	}
	u, err := c.uploads.open(t.File)
	if err != nil {
		return reply{}, err
	}
	defer u.release()
	if a := u.kept(); a != nil { // the answer to the last part was lost
		return c.fileReply(r.user, *a)
	}
	size, err := u.add(offset, r.Body, c.host.Now())
	if err != nil {
		return reply{}, err
	}
	if size < t.Bytes {
		return c.ticketReply(r.user, t, size)
	}
	whole, err := u.file()
	if err != nil {
		return reply{}, err
	}
	defer whole.Close() //nolint:errcheck // it was read
	a, err := c.saveFile(ctx, t, whole)
	if err != nil {
		return reply{}, err
	}
	u.keep(a)
	return c.fileReply(r.user, a)
}

// progress says how much of a file is there.
//
//	GET /media?upload=…   200 {"upload":"…","offset":524288,"bytes":3000000}, or {"media":{…}} if it is whole
func (c *channel) progress(_ context.Context, r *request) (reply, error) {
	if !c.read.allow(r.user) {
		return reply{}, throttled("too many questions")
	}
	t, _, err := c.ticketOf(r)
	if err != nil {
		return reply{}, err
	}
	u, err := c.uploads.open(t.File)
	if err != nil {
		return reply{}, err
	}
	defer u.release()
	if a := u.kept(); a != nil {
		return c.fileReply(r.user, *a)
	}
	return c.ticketReply(r.user, t, u.size())
}

// abandon forgets an upload.
//
//	DELETE /media?upload=…   200 {}
func (c *channel) abandon(_ context.Context, r *request) (reply, error) {
	if !c.read.allow(r.user) {
		return reply{}, throttled("too many questions")
	}
	t, _, err := c.ticketOf(r)
	if err != nil {
		return reply{}, err
	}
	u, err := c.uploads.open(t.File)
	if err != nil {
		return reply{}, err
	}
	defer u.release()
	u.remove()
	return reply{body: struct{}{}}, nil
}

func (c *channel) ticketOf(r *request) (t ticket, query url.Values, err error) {
	if query, err = url.ParseQuery(r.Query); err != nil {
		return t, nil, invalid("the query cannot be read")
	}
	if _, err := c.signer.open(aboutUpload, r.user, query.Get("upload"), &t); err != nil {
		return t, nil, &apiError{http.StatusNotFound, "not_found", "there is no such upload; begin again"}
	}
	return t, query, nil
}

func (c *channel) ticketReply(user string, t ticket, offset int64) (reply, error) {
	note, err := c.signer.seal(aboutUpload, user, "", t, keepUploads)
	return reply{body: map[string]any{"upload": note, "offset": offset, "bytes": t.Bytes}}, err
}

// fileReply names a file that the gateway keeps, by a reference that only this
// customer can use.
func (c *channel) fileReply(user string, a sdk.Attachment) (reply, error) {
	ref, err := c.signer.seal(aboutFile, user, "", a, refFor)
	return reply{body: map[string]any{"media": mediaItem{Ref: ref, MIME: a.MIME, Name: a.Name, Bytes: a.Bytes}}}, err
}

// saveFile hands a whole file to the gateway, which checks it.
func (c *channel) saveFile(ctx context.Context, t ticket, r io.Reader) (sdk.Attachment, error) {
	a, err := c.host.SaveMedia(ctx, t.Name, t.MIME, r)
	var refused *sdk.RejectedError
	switch {
	case err == nil:
		return a, nil
	case errors.As(err, &refused) && refused.Code == "media_too_large":
		return a, &apiError{http.StatusRequestEntityTooLarge, "too_large", "the file is too large: " + refused.Detail}
	case errors.As(err, &refused):
		return a, &apiError{http.StatusUnsupportedMediaType, "refused", "the file is not taken: " + refused.Detail}
	case errors.Is(err, sdk.ErrUnsupported):
		return a, &apiError{http.StatusUnsupportedMediaType, "refused", "files are not taken here"}
	}
	c.host.Log().Warn("a customer's file was not kept", "err", err)
	return a, &apiError{http.StatusServiceUnavailable, "unavailable", "try again"}
}

// attachment is the file that a message names: one that was uploaded, or one
// that is elsewhere.
func (c *channel) attachment(user string, f mediaItem) (sdk.Attachment, error) {
	switch {
	case len(f.Caption) > maxCaption:
		return sdk.Attachment{}, fmt.Errorf("caption: want at most %d bytes", maxCaption)
	case f.Bytes < 0:
		return sdk.Attachment{}, errors.New("bytes: are less than none")
	case len(f.Name) > maxFileName || len(f.MIME) > maxFileName:
		return sdk.Attachment{}, fmt.Errorf("name: want at most %d bytes, and of mime, too", maxFileName)
	}
	if f.Ref != "" {
		var a sdk.Attachment
		if _, err := c.signer.open(aboutFile, user, f.Ref, &a); err != nil {
			return a, errors.New("ref: is not that of a file of this user, or too old; upload it again")
		}
		a.Caption = f.Caption
		return a, nil
	}
	u, err := url.Parse(f.URL)
	if err != nil || len(f.URL) > maxURL || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return sdk.Attachment{}, errors.New("url: want an http or https address")
	}
	return sdk.Attachment{URL: f.URL, MIME: f.MIME, Name: f.Name, Bytes: f.Bytes, Caption: f.Caption}, nil
}
