package main

import (
	"bytes"
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

func TestUpload(t *testing.T) {
	for _, tt := range []struct {
		mime, category string
		bytes          int
	}{
		{"image/jpeg", "dm_image", 10}, {"image/png", "dm_image", maxImage}, {"image/webp", "dm_image", 1}, {"image/gif", "dm_gif", 9},
		{"video/mp4", "dm_video", 2*chunkSize + 3}, {"video/mp4; codecs=avc1", "dm_video", chunkSize},
	} {
		t.Run(tt.mime, func(t *testing.T) {
			t.Parallel()
			r := dial(t, byOAuth2)
			data := bytes.Repeat([]byte("0123456789"), tt.bytes/10+1)[:tt.bytes]
			m := sdk.Message{Text: "See", Attachments: []sdk.Attachment{r.host.add("f", tt.mime, data)}}
			if _, err := r.Send(t.Context(), toAda, m); err != nil {
				t.Fatal(err)
			}
			sent := r.x.Sent()[0]
			if sent.MediaType != tt.category || !bytes.Equal(sent.Media, data) {
				t.Errorf("%s of %d bytes, want %s of %d", sent.MediaType, len(sent.Media), tt.category, len(data))
			}
			r.sound(t)
		})
	}
}

func TestNotUploaded(t *testing.T) {
	for _, tt := range []struct {
		name, mime, said string
		bytes            int
		fault            sim.Fault
		want             string
	}{
		{"too large", "image/png", "image/png", maxImage + 1, sim.Fault{}, "rejected media_size"},
		{"too large a GIF", "image/gif", "image/gif", maxGIF + 1, sim.Fault{}, "rejected media_size"},
		{"another type than was said", "application/pdf", "image/png", 1, sim.Fault{}, "rejected media_type"},
		{"of unknown type", "text/plain", "", 1, sim.Fault{}, "rejected media_type"},
		{"X is down", "image/png", "image/png", 1, sim.Fault{Path: "/2/media", Status: 503}, "retry"},
		{"a proxy gives up", "image/png", "image/png", 1, sim.Fault{Path: "/2/media", Status: 504}, "retry"},
		{"the answer is lost", "image/png", "image/png", 1, sim.Fault{Path: "/2/media", Lose: true}, "retry"},
		{"limited", "image/png", "image/png", 1, sim.Fault{Path: "/2/media", Status: 429}, "throttled 1m0s"},
		{"forbidden", "image/png", "image/png", 1, sim.Fault{Path: "/2/media", Status: 403}, "rejected media"},
		{"not taken", "image/png", "image/png", 1, sim.Fault{Path: "/2/media", Status: 400}, "rejected http_400"},
		{"no id", "image/png", "image/png", 1, sim.Fault{Path: "/2/media", Status: 200, Body: "{}"}, "retry"},
		{"lost half way", "video/mp4", "video/mp4", 9, sim.Fault{Path: "/2/media/upload/", Status: 500}, "retry"},
		{"a file that X has forgotten", "image/gif", "image/gif", 9, sim.Fault{Path: "/2/media/upload/initialize", Status: 200,
			Body: `{"data":{"id":"7"}}`}, "rejected http_400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, byOAuth1)
			a := r.host.add("f", tt.mime, make([]byte, tt.bytes))
			a.MIME = tt.said
			if tt.fault.Path != "" {
				r.x.Fail(tt.fault)
			}
			if _, err := r.Send(t.Context(), toAda, sdk.Message{Text: "See", Attachments: []sdk.Attachment{a}}); plugintest.Verdict(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if sent := r.x.Sent(); len(sent) != 0 {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

func TestProcessingFails(t *testing.T) {
	r := dial(t, byOAuth1)
	r.x.Fail(sim.Fault{Path: "/2/media/upload/initialize", Status: 200, Body: `{"data":{"id":"7"}}`},
		sim.Fault{Path: "/2/media/upload/7/append", Status: 200, Body: `{}`},
		sim.Fault{Path: "/2/media/upload/7/finalize", Status: 200, Body: `{"data":{"id":"7","processing_info":{"state":"failed"}}}`})
	m := sdk.Message{Text: "See", Attachments: []sdk.Attachment{r.host.add("f", "video/mp4", make([]byte, 9))}}
	if _, err := r.Send(t.Context(), toAda, m); plugintest.Verdict(err) != "rejected media_processing" {
		t.Errorf("%v", err)
	}
}

// TestProcessingTakesLong: a call ends with its ctx, and nothing was sent.
func TestProcessingTakesLong(t *testing.T) {
	r := dial(t, byOAuth1)
	m := sdk.Message{Text: "See", Attachments: []sdk.Attachment{r.host.add("f", "video/mp4", make([]byte, 9))}}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := r.Send(ctx, toAda, m); plugintest.Verdict(err) != "retry" || len(r.x.Sent()) != 0 {
		t.Errorf("%v", err)
	}
}

// TestUploadedOnce: a message that X puts off does not have its file uploaded again,
// until X has forgotten it.
func TestUploadedOnce(t *testing.T) {
	r := dial(t, byOAuth1)
	m := sdk.Message{Text: "See", Attachments: []sdk.Attachment{r.host.add("f", "image/png", []byte("picture"))}}
	r.x.Fail(sim.Fault{Path: "/2/dm", Status: 503})
	if _, err := r.Send(t.Context(), toAda, m); plugintest.Verdict(err) != "retry" {
		t.Fatal(err)
	}
	r.x.Fail(sim.Fault{Path: "/2/media", Status: 400}) // it would be seen
	if _, err := r.Send(t.Context(), toAda, m); err != nil {
		t.Fatal(err)
	}
	r.pass(25 * time.Hour)
	if _, err := r.Send(t.Context(), toAda, m); plugintest.Verdict(err) != "rejected http_400" {
		t.Errorf("a day later: %v, want another upload", err)
	}
	r.sound(t)
}

// TestIncomingFiles: files are fetched as X wants it, with the account's credentials
// where they are X's, and a message is never lost for its file.
func TestIncomingFiles(t *testing.T) {
	for _, tt := range []struct {
		name   string
		by     func(string) settings
		want   sdk.Event
		note   string
		before func(*rig)
	}{
		{name: "by OAuth 1.0a", by: byOAuth1}, {name: "by OAuth 2.0", by: byOAuth2},
		{name: "not now", by: byOAuth1, note: "[a file could not be fetched: image/jpeg]", before: func(r *rig) { r.host.refuse = sdk.Retry(context.DeadlineExceeded, 0) }},
		{name: "not taken", by: byOAuth1, note: "[a file was not taken: image/jpeg, too large]", before: func(r *rig) { r.host.refuse = sdk.Rejected("size", "too large") }},
		{name: "nobody has authorized", by: func(url string) settings { s := byOAuth2(url); s.RefreshToken = ""; return s },
			note: "[a file could not be fetched: image/jpeg]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, tt.by)
			number := r.x.AddFile("image/jpeg", []byte("picture"))
			if tt.before != nil {
				tt.before(r)
			}
			res := r.take(t, string(r.x.Account(listMessages, r.x.Message(sim.Said{From: ada, Text: "Look", File: number, Base: r.url, ID: "7"}))))
			if len(res.Events) != 1 {
				t.Fatalf("%+v", res)
			}
			e := res.Events[0]
			wantText, wantFiles := "Look", []sdk.Attachment{{MediaID: "m1", MIME: "image/jpeg", Bytes: 7}}
			if tt.note != "" {
				wantText, wantFiles = "Look\n"+tt.note, nil
			}
			if d := cmp.Diff(wantFiles, e.Attachments); d != "" || e.Text != wantText {
				t.Errorf("%q %s", e.Text, d)
			}
			r.sound(t)
		})
	}
}

// TestFilesForTokens: X's server of files knows no token of OAuth 2.0; the API does.
func TestFilesForTokens(t *testing.T) {
	two, one := at(t, byOAuth2("https://api.x.com")), at(t, byOAuth1("https://api.x.com"))
	for address, want := range map[string]string{
		"https://ton.twitter.com/1.1/ton/data/dm/95/44/hVJQTwig.jpg": "https://api.x.com/2/dm_conversations/media/95/44/hVJQTwig.jpg",
		"https://ton.x.com/i/a.jpg":                                  "https://ton.x.com/i/a.jpg",
		"https://ton.x.com/dm/95/../a.jpg":                           "https://ton.x.com/dm/95/../a.jpg",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := two.forToken(u).String(); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
		if got := one.forToken(u).String(); got != address {
			t.Errorf("%s by OAuth 1.0a: %s", address, got)
		}
	}
}

// TestOthersFiles: credentials go to X alone; what anybody can fetch stays a link if
// it cannot be fetched now.
func TestOthersFiles(t *testing.T) {
	r := bare(t)
	r.host.refuse = sdk.Retry(context.DeadlineExceeded, 0)
	at := func(media string) string {
		return with(`"message_data":{`, `"message_data":{"attachment":{"type":"media","media":`+media+`},`)
	}
	for media, want := range map[string]struct {
		file   sdk.Attachment
		note   string
		secret bool
	}{
		`{"media_url_https":"https://ton.x.com/i/a.jpg","type":"photo"}`:   {note: "Hello\n[a file could not be fetched: image/jpeg]", secret: true},
		`{"media_url_https":"https://pbs.twimg.com/a.png","type":"photo"}`: {file: sdk.Attachment{URL: "https://pbs.twimg.com/a.png", MIME: "image/png"}},
		`{"media_url_https":"https://evil-x.com/a.jpg","type":"photo"}`:    {file: sdk.Attachment{URL: "https://evil-x.com/a.jpg", MIME: "image/jpeg"}},
		`{"media_url_https":"http://ton.x.com/a.jpg","type":"photo"}`:      {file: sdk.Attachment{URL: "http://ton.x.com/a.jpg", MIME: "image/jpeg"}},
		`{"media_url_https":"file:///etc/passwd"}`:                         {note: "Hello\n[a file without an address]"},
		`{}`: {note: "Hello\n[a file without an address]"},
		`{"media_url_https":"https://pbs.twimg.com/a.jpg","type":"video","video_info":{"variants":[{"content_type":"application/x-mpegURL","url":"https://video.twimg.com/a.m3u8"},` +
			`{"content_type":"video/mp4","bitrate":1,"url":"https://video.twimg.com/l.mp4"},{"content_type":"video/mp4","bitrate":2,"url":"https://video.twimg.com/h.mp4"}]}}`: {
			file: sdk.Attachment{URL: "https://video.twimg.com/h.mp4", MIME: "video/mp4"}},
	} {
		r.host.fetched = nil
		e := r.take(t, accountBody(listMessages, at(media))).Events[0]
		if want.note == "" {
			want.note = "Hello"
		}
		var file sdk.Attachment
		if len(e.Attachments) == 1 {
			file = e.Attachments[0]
		}
		if file != want.file || e.Text != want.note {
			t.Errorf("%s: %+v %q", media, file, e.Text)
		}
		for _, q := range r.host.fetched {
			if (q.Header.Get("Authorization") != "") != want.secret {
				t.Errorf("%s: credentials %v", media, q.Header)
			}
		}
	}
}
