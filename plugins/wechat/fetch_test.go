package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
	"github.com/openccsp/gateway/sdk"
)

// last returns the last event.
func (r *rig) last(t *testing.T) sdk.Event {
	t.Helper()
	all := r.took()
	if len(all) == 0 {
		t.Fatal("no event came")
	}
	return all[len(all)-1]
}

// TestCustomersFiles: all kinds come into the gateway's store.
func TestCustomersFiles(t *testing.T) {
	for _, tt := range []struct {
		name, typ, kind, mime string
		fields                []sim.Field
		text, want            string // MIME
	}{
		{"picture", "image", "image", "image/jpeg", []sim.Field{{K: "PicUrl", V: "http://127.0.0.1:1/p"}}, "", "image/jpeg"},
		{"voice", "voice", "voice", "audio/amr", []sim.Field{{K: "Format", V: "amr"}, {K: "Recognition", V: "腾讯"}}, "腾讯", "audio/amr"},
		{"speex", "voice", "voice", "audio/speex", []sim.Field{{K: "Format", V: "speex"}}, "", "audio/speex"},
		{"video", "video", "video", "video/mp4", []sim.Field{{K: "ThumbMediaId", V: "t"}}, "", "video/mp4"},
		{"short video", "shortvideo", "video", "video/mp4", []sim.Field{{K: "ThumbMediaId", V: "t"}}, "", "video/mp4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connect(t, sim.Options{AESKey: key, Compatible: true})
			id := r.sim.AddMedia(tt.kind, tt.mime, []byte("bytes of a file"))
			if err := r.sim.Message(t.Context(), user, tt.typ, append(tt.fields, sim.Field{K: "MediaId", V: id})...); err != nil {
				t.Fatal(err)
			}
			e := r.last(t)
			if e.Type != sdk.CustomerMessage || e.Text != tt.text || len(e.Attachments) != 1 {
				t.Fatalf("%+v", e)
			}
			if a := e.Attachments[0]; a.MIME != tt.want || string(r.Media(a.MediaID)) != "bytes of a file" || strings.Contains(a.URL, "token") {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestFilesThatAreNotThere: a message is never lost for its file.
func TestFilesThatAreNotThere(t *testing.T) {
	picture := sim.Field{K: "PicUrl", V: "https://mmbiz.example/pic"}
	for _, tt := range []struct {
		name   string
		fault  sim.Fault
		refuse string
		fields []sim.Field
		text   string
		url    string
	}{
		{name: "gone, with status 200", fields: []sim.Field{{K: "MediaId", V: "gone"}, picture},
			text: "[a file could not be fetched: image/jpeg: invalid media_id]"},
		{name: "no id", fields: []sim.Field{picture}, text: "[a file could not be fetched: image/jpeg: there is no MediaId]"},
		{name: "not now", fault: sim.Fault{Verb: "get", Kind: "503"}, fields: []sim.Field{{K: "MediaId", V: "m"}, picture}, url: picture.V},
		{name: "not now, and no address", fault: sim.Fault{Verb: "get", Kind: "503"}, fields: []sim.Field{{K: "MediaId", V: "m"}},
			text: "[a file could not be fetched: image/jpeg]"},
		{name: "no token", fault: sim.Fault{Verb: "token", Kind: "errcode:40125"}, fields: []sim.Field{{K: "MediaId", V: "m"}},
			text: "[a file could not be fetched: image/jpeg]"},
		{name: "reset", fault: sim.Fault{Verb: "get", Kind: "rst"}, fields: []sim.Field{{K: "MediaId", V: "m"}, picture}, url: picture.V},
		{name: "half JSON", fault: sim.Fault{Verb: "get", Kind: "half"}, fields: []sim.Field{{K: "MediaId", V: "m"}, picture}, url: picture.V},
		{name: "quota", fault: sim.Fault{Verb: "get", Kind: "errcode:45009"}, fields: []sim.Field{{K: "MediaId", V: "m"}, picture}, url: picture.V},
		{name: "a type that is not taken", refuse: "image/jpeg is not allowed", text: "[a file could not be fetched: image/jpeg: image/jpeg is not allowed]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connect(t, sim.Options{})
			if tt.fields == nil {
				tt.fields = []sim.Field{{K: "MediaId", V: r.sim.AddMedia("image", "image/jpeg", []byte("a"))}, picture}
			}
			if tt.fault.Kind != "" {
				if err := r.sim.SetFault(tt.fault); err != nil {
					t.Fatal(err)
				}
			}
			if tt.refuse != "" {
				r.RefuseMedia("media_type", tt.refuse)
			}
			if err := r.sim.Message(t.Context(), user, "image", tt.fields...); err != nil {
				t.Fatal(err)
			}
			e := r.last(t)
			url := ""
			if len(e.Attachments) > 0 {
				url = e.Attachments[0].URL
			}
			if e.Text != tt.text || url != tt.url {
				t.Errorf("%q %q, want %q %q", e.Text, url, tt.text, tt.url)
			}
		})
	}
}

// TestFileAfterRotation: a token that another process had renewed is no reason to
// lose a file.
func TestFileAfterRotation(t *testing.T) {
	r := connect(t, sim.Options{})
	r.says(t, "Hello")
	if err := hi(t, r); err != nil {
		t.Fatal(err)
	}
	r.sim.Rotate()
	id := r.sim.AddMedia("image", "image/jpeg", []byte("a"))
	if err := r.sim.Message(t.Context(), user, "image", sim.Field{K: "MediaId", V: id}); err != nil {
		t.Fatal(err)
	}
	if e := r.last(t); len(e.Attachments) != 1 || r.sim.Forced() != 0 {
		t.Errorf("%+v, %d forced", e, r.sim.Forced())
	}
}

// TestVideoElsewhere: WeChat says where a video is; nothing but a web address is
// followed.
func TestVideoElsewhere(t *testing.T) {
	for _, address := range []string{"file:///etc/passwd", "//host", "http://user@host/", "gopher://h/", ""} {
		far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte(`{"video_url":"` + address + `"}`))
		}))
		c := withAPI(t, far.URL, 1e10)
		if m, err := c.api.media(t.Context(), "m"); err == nil {
			t.Errorf("%q leads to %+v", address, m)
		}
		far.Close()
	}
}
