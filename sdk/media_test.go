package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// A file of more than a few frames is the same when it is read again.
func TestMedia(t *testing.T) {
	f := &fake{}
	g := sdktest.Start(t, f.plugin(), "shop", "fake", fakeSettings{})
	for _, size := range []int{0, 1, 256 << 10, 700_000} {
		want := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
		a, err := f.host.SaveMedia(t.Context(), "a.bin", "application/x", bytes.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		if a.Bytes != int64(size) || a.Name != "a.bin" || a.MIME != "application/x" || !bytes.Equal(g.Media(a.MediaID), want) {
			t.Errorf("%d bytes: saved %+v", size, a)
		}
		got, known := readMedia(t, f.host, sdk.Attachment{MediaID: a.MediaID, Caption: "look"})
		if !bytes.Equal(got, want) || known.Bytes != a.Bytes || known.Name != a.Name || known.Caption != "look" {
			t.Errorf("%d bytes: read %d, %+v", size, len(got), known)
		}
	}
}

// readMedia opens a and reads it to its end.
func readMedia(t *testing.T, h sdk.Host, a sdk.Attachment) ([]byte, sdk.Attachment) {
	t.Helper()
	r, known, err := h.OpenMedia(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return got, known
}

func TestFetchMedia(t *testing.T) {
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer x" && r.URL.Path != "/open" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "picture")
	}))
	defer far.Close()
	f := &fake{}
	g := sdktest.Start(t, f.plugin(), "shop", "fake", fakeSettings{})
	a, err := f.host.FetchMedia(t.Context(), far.URL+"/a", http.Header{"Authorization": {"Bearer x"}})
	if err != nil || string(g.Media(a.MediaID)) != "picture" || a.MIME != "image/png" || a.Bytes != 7 {
		t.Errorf("fetch: %+v, %v", a, err)
	}
	_, err = f.host.FetchMedia(t.Context(), far.URL+"/a", nil)
	if r, ok := errors.AsType[*sdk.RejectedError](err); !ok || r.Code != "media_unreachable" {
		t.Errorf("without the header: %v, want media_unreachable", err)
	}
	got, known := readMedia(t, f.host, sdk.Attachment{URL: far.URL + "/open", Caption: "c"})
	if string(got) != "picture" || known.MIME != "image/png" || known.URL != far.URL+"/open" || known.Caption != "c" {
		t.Errorf("by its URL: %q, %+v", got, known)
	}
	g.RefuseMedia("media_type", "no files today")
	_, err = f.host.SaveMedia(t.Context(), "a", "", bytes.NewReader(nil))
	if r, ok := errors.AsType[*sdk.RejectedError](err); !ok || r.Code != "media_type" || r.Detail != "no files today" {
		t.Errorf("refused: %v", err)
	}
}

// capable has capabilities that depend on it.
type capable struct {
	Provider string `json:"provider"`
}

func (c capable) Capabilities(of sdk.Capabilities) sdk.Capabilities {
	of.Receipts = c.Provider == "good"
	return of
}

// sender sends nothing.
type sender struct{}

func (sender) Send(context.Context, sdk.Customer, sdk.Message) (sdk.Receipt, error) {
	return sdk.Receipt{}, nil
}

func TestCapabilitiesOfSettings(t *testing.T) {
	p := onePlugin(sdk.NewChannel("capable", sdk.Capabilities{ChannelType: "sms", MaxQuickReplies: 3},
		func(context.Context, capable, sdk.Host) (sender, error) { return sender{}, nil }))
	for provider, want := range map[string]bool{"good": true, "bad": false} {
		c := sdktest.Start(t, p, "shop", "capable", capable{provider}).Capabilities()
		if c == nil || c.Receipts != want || c.MaxQuickReplies != 3 || c.ChannelType != "sms" {
			t.Errorf("%s: got %v", provider, c)
		}
	}
}
