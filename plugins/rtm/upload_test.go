package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/sdk"
)

// progressOf is the answer to a request about a file.
type progressOf struct {
	Upload string
	Offset int64
	Bytes  int64
	Media  *mediaItem
}

func (r *rig) put(upload string, offset int, part, auth string) sdk.WebhookResponse {
	r.t.Helper()
	query := url.Values{"upload": {upload}, "offset": {fmt.Sprint(offset)}}
	return r.call("PUT", "/media?"+query.Encode(), part, auth, "Content-Type: image/png")
}

func TestUploadAtOnce(t *testing.T) {
	r := newRig(t, nil)
	alice, eve := "accesstoken: "+r.user("alice").AccessToken, "accesstoken: "+r.user("eve").AccessToken
	got := into[progressOf](t, r.call("POST", "/media?name=cat%20%F0%9F%90%88.png", "bytes of a cat", alice, "Content-Type: image/png"))
	if got.Media == nil || got.Media.Name != "cat 🐈.png" || got.Media.MIME != "image/png" || got.Media.Bytes != 14 {
		t.Fatalf("%+v", got.Media)
	}
	body := `{"tid":"c1","message":"look","media":[{"ref":"` + got.Media.Ref + `","caption":"mine","url":"javascript:x","name":"other"}]}`
	want := []sdk.Attachment{{MediaID: "media1", Name: "cat 🐈.png", MIME: "image/png", Bytes: 14, Caption: "mine"}}
	if diff := cmp.Diff(want, r.call("POST", "/mo", body, alice).Events[0].Attachments); diff != "" {
		t.Error(diff)
	}
	if resp := r.call("POST", "/mo", body, eve); resp.Status != 400 || len(resp.Events) != 0 {
		t.Errorf("another's file: %d %s", resp.Status, resp.Body)
	}
	r.host.setNow(time.Now().Add(refFor + time.Minute))
	auth := "accesstoken: " + r.user("alice").AccessToken
	if resp := r.call("POST", "/mo", body, auth); resp.Status != 400 {
		t.Errorf("an old reference: %d %s", resp.Status, resp.Body)
	}
}

func TestUploadInParts(t *testing.T) {
	r := newRig(t, nil)
	auth, eve := "accesstoken: "+r.user("alice").AccessToken, "accesstoken: "+r.user("eve").AccessToken
	first := into[progressOf](t, r.call("POST", "/media?name=a.bin&bytes=10", "0123", auth, "Content-Type: application/x-thing"))
	if first.Offset != 4 || first.Bytes != 10 || first.Media != nil {
		t.Fatalf("%+v", first)
	}
	up := first.Upload
	for _, tt := range []struct {
		offset       int
		part, auth   string
		status       int
		code, detail string
	}{
		{0, "0123", auth, 409, "conflict", "there are 4 bytes"},
		{5, "5", auth, 409, "conflict", "there are 4 bytes"},
		{4, "4567890", auth, 400, "invalid", "larger than the 10 bytes"},
		{-1, "4", auth, 400, "invalid", "offset"},
		{4, "4", eve, 404, "not_found", "no such upload"},
	} {
		resp := r.put(up, tt.offset, tt.part, tt.auth)
		if resp.Status != tt.status || errorCode(t, resp) != tt.code || !strings.Contains(string(resp.Body), tt.detail) {
			t.Errorf("at %d: %d %s, want %d %s", tt.offset, resp.Status, resp.Body, tt.status, tt.detail)
		}
	}
	if got := into[progressOf](t, r.put(up, 4, "456", auth)); got.Offset != 7 {
		t.Errorf("after the second part: %+v", got)
	}
	if got := into[progressOf](t, r.call("GET", "/media?upload="+url.QueryEscape(up), "", auth)); got.Offset != 7 {
		t.Errorf("progress %+v", got)
	}
	r.host.refuseFiles(fmt.Errorf("the gateway: not now"))
	if resp := r.put(up, 7, "789", auth); resp.Status != 503 {
		t.Errorf("the gateway is busy: %d %s", resp.Status, resp.Body)
	}
	r.host.refuseFiles(nil)
	done := into[progressOf](t, r.put(up, 10, "", auth)) // all is there already
	if done.Media == nil || string(r.host.file("media1")) != "0123456789" {
		t.Fatalf("%+v, %q", done, r.host.file("media1"))
	}
	again := into[progressOf](t, r.put(up, 7, "789", auth)) // the answer was lost
	if again.Media == nil || len(r.host.files) != 1 {
		t.Errorf("once more: %+v, %d files", again, len(r.host.files))
	}
	if resp := r.call("DELETE", "/media?upload="+url.QueryEscape(up), "", auth); resp.Status != 200 {
		t.Errorf("delete: %d", resp.Status)
	}
	if left, _ := os.ReadDir(r.uploads.dir); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
	if got := into[progressOf](t, r.call("GET", "/media?upload="+url.QueryEscape(up), "", auth)); got.Offset != 0 {
		t.Errorf("what was lost begins again at %d", got.Offset)
	}
}

func TestUploadRefusals(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.MaxFile, s.FileBytesPerHour = 100, 250 })
	auth := "accesstoken: " + r.user("alice").AccessToken
	png := "Content-Type: image/png"
	for _, tt := range []struct {
		name, path, body string
		headers          []string
		refuse           error
		status           int
		code             string
	}{
		{"no token", "/media", "x", []string{png}, nil, 401, "unauthorized"},
		{"empty", "/media", "", []string{auth, png}, nil, 400, "invalid"},
		{"too large", "/media", strings.Repeat("x", 101), []string{auth, png}, nil, 413, "too_large"},
		{"announced too large", "/media?bytes=101", "x", []string{auth, png}, nil, 413, "too_large"},
		{"announced too small", "/media?bytes=1", "xx", []string{auth, png}, nil, 400, "invalid"},
		{"no number", "/media?bytes=x", "xx", []string{auth, png}, nil, 400, "invalid"},
		{"long name", "/media?name=" + strings.Repeat("n", 256), "x", []string{auth, png}, nil, 400, "invalid"},
		{"no type", "/media", "x", []string{auth, "Content-Type: "}, nil, 415, "unsupported_media_type"},
		{"compressed", "/media", "x", []string{auth, png, "Content-Encoding: gzip"}, nil, 415, "unsupported_media_type"},
		{"bad query", "/media?name=%zz", "x", []string{auth, png}, nil, 400, "invalid"},
		{"the operator's policy", "/media", "x", []string{auth, png}, sdk.Rejected("media_type", "no pictures"), 415, "refused"},
		{"the operator's limit", "/media", "x", []string{auth, png}, sdk.Rejected("media_too_large", "at most 1 byte"), 413, "too_large"},
		{"a gateway without files", "/media", "x", []string{auth, png}, sdk.ErrUnsupported, 415, "refused"},
		{"forged upload", "/media?upload=x&offset=0", "", []string{auth}, nil, 404, "not_found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.host.refuseFiles(tt.refuse)
			defer func() { r.host.refuseFiles(nil) }()
			method := "POST"
			if strings.Contains(tt.path, "upload=") {
				method = "PUT"
			}
			resp := r.call(method, tt.path, tt.body, tt.headers...)
			if resp.Status != tt.status || errorCode(t, resp) != tt.code {
				t.Errorf("%d %s, want %d %s", resp.Status, resp.Body, tt.status, tt.code)
			}
		})
	}
	status := 0
	for range 3 {
		status = r.call("POST", "/media", strings.Repeat("x", 90), auth, png).Status
	}
	if status != 429 {
		t.Errorf("more than 250 bytes in an hour: %d, want 429", status)
	}
	if resp := r.call("POST", "/media", "x", "accesstoken: "+r.user("bob").AccessToken, png); resp.Status != 200 {
		t.Errorf("another user: %d %s", resp.Status, resp.Body)
	}
}

func TestUploadsAreSwept(t *testing.T) {
	u := newUploads(t.TempDir())
	now := time.Now()
	for _, name := range []string{"a", "b"} {
		if err := u.begin(name, []byte("x"), now); err != nil {
			t.Fatal(err)
		}
	}
	held, err := u.open("b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.open("b"); err == nil {
		t.Error("two requests have one upload")
	}
	if err := u.begin("c", []byte("x"), now.Add(keepUploads+time.Minute)); err != nil {
		t.Fatal(err)
	}
	var names bytes.Buffer
	left, _ := os.ReadDir(u.dir)
	for _, e := range left {
		names.WriteString(e.Name())
	}
	if names.String() != "bc" {
		t.Errorf("%s are left, want b, which is in use, and c", names.String())
	}
	held.release()
}

// TestUploadsHaveRoom: parts count as well as beginnings, and so do files.
func TestUploadsHaveRoom(t *testing.T) {
	u := newUploads(t.TempDir())
	u.most, u.files = 10, 3
	now := time.Now()
	for _, name := range []string{"a", "b"} {
		if err := u.begin(name, []byte("1234"), now); err != nil {
			t.Fatal(err)
		}
	}
	held, err := u.open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer held.release()
	if _, err := held.add(4, []byte("567"), now); err == nil {
		t.Error("a part went beyond what all may have")
	}
	if size, err := held.add(4, []byte("56"), now); size != 6 || err != nil {
		t.Errorf("what there is room for: %d, %v", size, err)
	}
	later := now.Add(keepUploads + time.Minute)
	if size, err := held.add(6, []byte("789"), later); size != 9 || err != nil {
		t.Errorf("when the other is too old: %d, %v", size, err)
	}
	if err := u.begin("c", nil, now); err != nil {
		t.Fatal(err)
	}
	if err := u.begin("d", nil, now); err != nil {
		t.Fatal(err)
	}
	if err := u.begin("e", nil, now); err == nil {
		t.Error("there are more files than may be")
	}
}

// TestUploadsAreCounted: small files cost more than their bytes.
func TestUploadsAreCounted(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.MessagesPerMinute = 2 })
	auth, png := "accesstoken: "+r.user("alice").AccessToken, "Content-Type: image/png"
	for n, path := range []string{"/media", "/media?bytes=10", "/media", "/media?bytes=10"} {
		want := 200
		if n >= 2 {
			want = 429
		}
		if resp := r.call("POST", path, "x", auth, png); resp.Status != want {
			t.Errorf("file %d: %d, want %d", n+1, resp.Status, want)
		}
	}
}
