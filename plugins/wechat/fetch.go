package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// fetchLimit is for a customer's file: WeChat wants its answer in five seconds.
const fetchLimit = 3 * time.Second

// file is a file that a customer sent.
type file struct {
	mediaID    string
	name, mime string
	public     string // address where everybody can fetch it, of pictures
}

// fileOf returns the file of a message of type typ.
func fileOf(typ string, x *element) file {
	f := file{mediaID: x.get("MediaId")}
	switch {
	case typ == "image":
		f.name, f.mime, f.public = "image.jpg", "image/jpeg", x.get("PicUrl")
	case typ == "voice" && x.get("Format") == "speex":
		f.name, f.mime = "voice.speex", "audio/speex"
	case typ == "voice":
		f.name, f.mime = "voice.amr", "audio/amr"
	default:
		f.name, f.mime = "video.mp4", "video/mp4"
	}
	return f
}

// bring has the gateway keep a customer's file. What cannot be had leaves a note.
func (c *channel) bring(ctx context.Context, e *sdk.Event, f file) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	a, err := c.fetch(ctx, f)
	if err == nil {
		e.Attachments = []sdk.Attachment{a}
		return
	}
	c.host.Log().Warn("file of a customer was not fetched", "media_type", f.mime, "err", err)
	refused, final := errors.AsType[*sdk.RejectedError](err)
	switch {
	case final:
		e.Text = lines(e.Text, fmt.Sprintf("[a file could not be fetched: %s: %s]", f.mime, refused.Detail))
	case httpURL(f.public):
		e.Attachments = []sdk.Attachment{{URL: f.public, MIME: f.mime, Name: f.name}}
	default:
		e.Text = lines(e.Text, fmt.Sprintf("[a file could not be fetched: %s]", f.mime))
	}
}

// fetch hands a file on from WeChat to the gateway. It is not left to
// Host.FetchMedia: the address holds the access token, and WeChat answers with
// status 200 and JSON where there is no file.
func (c *channel) fetch(ctx context.Context, f file) (sdk.Attachment, error) {
	if f.mediaID == "" {
		return sdk.Attachment{}, sdk.Rejected("no_media_id", "there is no MediaId")
	}
	m, err := c.api.media(ctx, f.mediaID)
	if err != nil {
		return sdk.Attachment{}, err
	}
	if m.elsewhere != "" { // of a video, in public
		return c.host.FetchMedia(ctx, m.elsewhere, nil)
	}
	defer func() { _ = m.body.Close() }()
	return c.host.SaveMedia(ctx, f.name, f.mime, m.body)
}
