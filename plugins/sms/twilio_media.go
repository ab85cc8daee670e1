package main

import (
	"context"
	"errors"
	"mime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// twilioFetchFor is how long the files of a message may take, all together: Twilio
// waits for the answer, and the message must not wait for a file.
const twilioFetchFor = 3 * time.Second

// addFiles fetches the files of a message, side by side. The text says of those
// that cannot be had that they were there.
func (p *twilioProvider) addFiles(ctx context.Context, w twilio.Webhook, e *sdk.Event) {
	n, err := strconv.Atoi(w.Get("NumMedia"))
	if err != nil || n <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, twilioFetchFor)
	defer cancel()
	n = min(n, twilioFiles)
	files, notes := make([]sdk.Attachment, n), make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		at := strconv.Itoa(i)
		wg.Go(func() { files[i], notes[i] = p.file(ctx, w.Get("MediaUrl"+at), w.Get("MediaContentType"+at)) })
	}
	wg.Wait()
	var text strings.Builder
	ccsp.AddLine(&text, e.Text)
	for i, note := range notes {
		if note == "" {
			e.Attachments = append(e.Attachments, files[i])
		}
		ccsp.AddLine(&text, note)
	}
	e.Text = text.String()
}

// file fetches one, or notes what it was and why it is not there. Its address is
// of no use to others: it takes the account's credentials.
func (p *twilioProvider) file(ctx context.Context, address, declared string) (sdk.Attachment, string) {
	kind, _, err := mime.ParseMediaType(declared) // it comes into a line of text
	if err != nil {
		kind = "unknown type"
	}
	a, err := p.host.FetchMedia(ctx, address, p.client.MediaHeader(address))
	if err == nil {
		return a, ""
	}
	if r, ok := errors.AsType[*sdk.RejectedError](err); ok {
		return a, "[a file was refused: " + kind + ", " + r.Detail + "]"
	}
	p.host.Log().Warn("a file could not be fetched", "err", err)
	return a, "[a file could not be fetched: " + kind + "]"
}
