package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// upload sends a file with its bytes, in the one call that sends the message.
func (l *letter) upload(ctx context.Context, path string, out outgoing, file sdk.Attachment, answer any) error {
	select {
	case l.uploads <- struct{}{}:
		defer func() { <-l.uploads }()
	case <-ctx.Done():
		return sdk.Retry(ctx.Err(), 0)
	}
	data, known, err := l.load(ctx, file)
	if err != nil {
		return err
	}
	out.Message.Attachment = &outFile{Type: kindOf(known.MIME)}
	typ, form, err := encodeForm(out, known, data)
	if err != nil {
		return sdk.Rejected("message", "cannot be encoded")
	}
	return l.graph.do(ctx, http.MethodPost, path, nil, typ, form, answer)
}

// load reads a file. Nothing has been sent yet, so what fails may be tried again.
func (l *letter) load(ctx context.Context, file sdk.Attachment) ([]byte, sdk.Attachment, error) {
	r, known, err := l.host.OpenMedia(ctx, file)
	if err != nil {
		return nil, known, beforeSending(err)
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, known, beforeSending(err)
	}
	if len(data) > maxFile {
		return nil, known, sdk.Rejected("file_too_large", fmt.Sprintf("a file has more than %d bytes", maxFile))
	}
	if known.MIME == "" {
		known.MIME = "application/octet-stream"
	}
	known.Name = cmp.Or(known.Name, "file")
	return data, known, nil
}

func beforeSending(err error) error {
	if rejected, ok := errors.AsType[*sdk.RejectedError](err); ok {
		return rejected
	}
	return sdk.Retry(err, 0)
}

// encodeForm writes the multipart form that Meta takes in place of JSON.
func encodeForm(out outgoing, file sdk.Attachment, data []byte) (typ string, form []byte, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	field := func(name string, v any) {
		text, encodeErr := ccsp.JSON(v)
		if s, ok := v.(string); ok {
			text = []byte(s)
		}
		err = errors.Join(err, encodeErr, w.WriteField(name, string(text)))
	}
	field("recipient", out.Recipient)
	field("messaging_type", out.Type)
	if out.Tag != "" {
		field("tag", out.Tag)
	}
	field("message", out.Message)
	part, partErr := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("filedata", file.Name)}, "Content-Type": {file.MIME},
	})
	if err = errors.Join(err, partErr); err != nil {
		return "", nil, err
	}
	_, err = part.Write(data)
	err = errors.Join(err, w.Close())
	return w.FormDataContentType(), b.Bytes(), err
}
