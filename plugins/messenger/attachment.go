package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// fetched are the types of attachments that are files. The others are told of in
// words: links, places, posts.
var fetched = []string{"image", "audio", "video", "file", "sticker"}

// maxFiles is how many files of one message are fetched.
const maxFiles = 30

// file is one that a customer sent.
type file struct {
	kind, url string
	got       sdk.Attachment
	err       error
}

// attachments reads each attachment by itself: of one that cannot be read its kind is
// known at most.
func attachments(list json.RawMessage) (all []attachment, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(list, &raw); err != nil {
		return nil, err
	}
	for _, one := range raw {
		var a attachment
		if json.Unmarshal(one, &a) != nil {
			var kind struct {
				Type text `json:"type"`
			}
			_ = json.Unmarshal(one, &kind) // "" is told of, too
			a = attachment{Type: kind.Type}
		}
		all = append(all, a)
	}
	return all, nil
}

// files returns the files among attachments. What is no file becomes words of e.
func (f *fact) files(e *sdk.Event, list json.RawMessage) (all []*file) {
	found, err := attachments(list)
	if err != nil {
		say(e, "[attachments that cannot be shown]")
	}
	for _, a := range found {
		address := string(a.Payload.URL)
		if !slices.Contains(fetched, string(a.Type)) {
			sayOf(e, a)
			continue
		}
		same := func(o *file) bool { return o.url == address } // stickers came twice, once
		switch u, err := url.Parse(address); {
		case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(all) == maxFiles:
			say(e, "["+strings.TrimSpace(string(a.Type)+" without an address")+"]")
		case !slices.ContainsFunc(all, same):
			all = append(all, &file{kind: string(a.Type), url: address})
		}
	}
	return all
}

// sayOf puts an attachment that is no file into words.
func sayOf(e *sdk.Event, a attachment) {
	if at := a.Payload.Coordinates; at != nil {
		place := strconv.FormatFloat(at.Lat, 'f', -1, 64) + "," + strconv.FormatFloat(at.Long, 'f', -1, 64)
		say(e, strings.TrimSpace("[location "+place+"] "+string(a.Title)))
		return
	}
	line := "[" + word(string(a.Type)) + "]"
	if a.Type == "fallback" {
		line = "[link]"
	}
	for _, part := range []text{first(a.Title, a.Payload.Title), first(a.URL, a.Payload.URL)} {
		if part != "" && !strings.Contains(e.Text, string(part)) {
			line += " " + string(part)
		}
	}
	if line != "[link]" { // which was all in the text
		say(e, line)
	}
}

func first(a, b text) text {
	if a != "" {
		return a
	}
	return b
}

func say(e *sdk.Event, line string) {
	if e.Text != "" {
		e.Text += "\n"
	}
	e.Text += line
}

// fetch has the gateway fetch and keep the file: Meta's address expires.
func (f *file) fetch(ctx context.Context, h sdk.Host) {
	if f.err = ctx.Err(); f.err == nil {
		f.got, f.err = h.FetchMedia(ctx, f.url, nil)
	}
}

// put adds the file to e, or, where it was not had, Meta's own address, which works
// for a while; or why it is refused.
func (f *file) put(e *sdk.Event) {
	rejected, refused := errors.AsType[*sdk.RejectedError](f.err)
	switch {
	case f.err == nil:
		e.Attachments = append(e.Attachments, f.got)
	case refused:
		f.note(e, rejected.Detail)
	default:
		name, mime, _ := ccsp.FileAt(f.url)
		e.Attachments = append(e.Attachments, sdk.Attachment{URL: f.url, Name: name, MIME: mime})
	}
}

// note tells of a file in words.
func (f *file) note(e *sdk.Event, what string) {
	if strings.HasPrefix(what, "http") {
		say(e, fmt.Sprintf("[%s] %s", f.kind, what))
		return
	}
	say(e, fmt.Sprintf("[a file could not be fetched: %s: %s]", f.kind, what))
}
