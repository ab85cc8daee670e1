package app_test

import (
	"context"
	"io"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// bring has the files of an event kept: one at save:TEXT holds the text, one at
// fetch:URL is fetched. One that is not taken is a note in the message.
func (a *able) bring(ctx context.Context, ev *sdk.Event) {
	var kept []sdk.Attachment
	for _, f := range ev.Attachments {
		var err error
		if text, ok := strings.CutPrefix(f.URL, "save:"); ok {
			f, err = a.host.SaveMedia(ctx, f.Name, f.MIME, strings.NewReader(text))
		} else if url, ok := strings.CutPrefix(f.URL, "fetch:"); ok {
			f, err = a.host.FetchMedia(ctx, url, nil)
		}
		if err != nil {
			ev.Text += " [" + err.Error() + "]"
			continue
		}
		kept = append(kept, f)
	}
	ev.Attachments = kept
}

// fetch has files fetched that are called needed.
func (a *able) fetch(ctx context.Context, m sdk.Message) error {
	for _, f := range m.Attachments {
		if !strings.HasPrefix(f.Name, "needed.") {
			continue
		}
		body, _, err := a.host.OpenMedia(ctx, f)
		if err != nil {
			return err
		}
		_ = body.Close()
	}
	return nil
}

// read tells of the files of a message that the gateway keeps.
func (a *able) read(ctx context.Context, m sdk.Message) {
	for _, f := range m.Attachments {
		if f.MediaID == "" {
			continue
		}
		body, known, err := a.host.OpenMedia(ctx, f)
		if err != nil {
			a.did("no file: %v", err)
			continue
		}
		text, err := io.ReadAll(body)
		_ = body.Close()
		a.did("read %s (%s, %d bytes, %v): %s at %s", known.Name, known.MIME, known.Bytes, err, text, f.URL)
	}
}
