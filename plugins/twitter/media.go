package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	fetchLimit = 3 * time.Second // of a webhook's files: X waits 10 s for its answer
	maxFetches = 16              // side by side
	fetchedFor = time.Hour       // the same message may come by another way
)

// media is the file of a message.
type media struct {
	Short string `json:"url"` // as it stands in the text
	HTTPS string `json:"media_url_https"`
	Plain string `json:"media_url"`
	Type  string `json:"type"` // photo, animated_gif, video
	Video struct {
		Variants []variant `json:"variants"`
	} `json:"video_info"`
}

type variant struct {
	Type    string `json:"content_type"`
	URL     string `json:"url"`
	Bitrate int64  `json:"bitrate"`
}

// best returns where the file is, and its type: a video as the best MP4.
func (m media) best() (address, mime string) {
	address = cmp.Or(m.HTTPS, m.Plain)
	switch m.Type {
	case "video", "animated_gif":
		mime = "video/mp4"
	default:
		mime = "image/jpeg"
		if strings.HasSuffix(address, ".png") {
			mime = "image/png"
		}
	}
	rate := int64(-1)
	for _, v := range m.Video.Variants {
		if v.Type == "video/mp4" && v.Bitrate > rate {
			address, rate = v.URL, v.Bitrate
		}
	}
	return address, mime
}

// fetched is a file, or why there is none.
type fetched struct {
	file sdk.Attachment
	note string
}

// fetch has the gateway fetch the files of all, side by side, until ctx ends.
func (c *channel) fetch(ctx context.Context, all []dm) []fetched {
	files := make([]fetched, len(all))
	turn := make(chan struct{}, maxFetches)
	var wg sync.WaitGroup
	for i, m := range all {
		if a := m.Create.Data.Attachment; a != nil {
			if a.Type != "" && a.Type != "media" { // such as location
				files[i].note = "[an attachment of the kind " + shorten(clean(a.Type)) + "]"
				continue
			}
			wg.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				files[i] = c.fetchOnce(ctx, m.ID, a.Media)
			})
		}
	}
	wg.Wait()
	return files
}

// fetchOnce is fetchOne for the file of a message that may have come before.
func (c *channel) fetchOnce(ctx context.Context, message id, m media) fetched {
	if file, ok := c.files.find(string(message), c.host.Now()); ok {
		return fetched{file: file}
	}
	f := c.fetchOne(ctx, m)
	if f.file.MediaID != "" {
		c.files.add(string(message), f.file, c.host.Now().Add(fetchedFor))
	}
	return f
}

func (c *channel) fetchOne(ctx context.Context, m media) fetched {
	address, mime := m.best()
	u, err := url.Parse(address)
	if err != nil || !webAddress(address) {
		return fetched{note: "[a file without an address]"}
	}
	header := http.Header{}
	secret := c.ours(u)
	if secret {
		u = c.forToken(u)
		address = u.String()
		if err := c.authorize(ctx, u, header); err != nil {
			return fetched{note: "[a file could not be fetched: " + mime + "]"}
		}
	}
	file, err := c.host.FetchMedia(ctx, address, header)
	if err == nil {
		return fetched{file: file}
	}
	if r, final := errors.AsType[*sdk.RejectedError](err); final {
		return fetched{note: "[a file was not taken: " + mime + ", " + clean(r.Detail) + "]"}
	}
	if !secret { // anybody can open it, later as well
		return fetched{file: sdk.Attachment{URL: address, MIME: mime}}
	}
	return fetched{note: "[a file could not be fetched: " + mime + "]"}
}

// filePath is how X's server of files names one: message, file, name.
var filePath = regexp.MustCompile(`/dm/([0-9]{1,20}/[0-9]{1,20}/[A-Za-z0-9_-]+\.[a-z0-9]+)$`)

// forToken is where u is for a token of OAuth 2.0, which X's server of files does not
// know: the API has the same file.
func (c *channel) forToken(u *url.URL) *url.URL {
	name := filePath.FindStringSubmatch(u.Path)
	if c.cfg.oauth1() || name == nil {
		return u
	}
	at, err := url.Parse(c.cfg.api + "/2/dm_conversations/media/" + name[1])
	if err != nil {
		return u
	}
	return at
}

// ours reports whether the account's credentials may go to u: to X alone, and not to
// its public servers of pictures.
func (c *channel) ours(u *url.URL) bool {
	if u.Scheme+"://"+u.Host == c.cfg.api {
		return true
	}
	host := strings.ToLower(u.Hostname())
	for _, domain := range []string{"x.com", "twitter.com"} {
		if u.Scheme == "https" && (host == domain || strings.HasSuffix(host, "."+domain)) {
			return true
		}
	}
	return false
}

func (c *channel) authorize(ctx context.Context, u *url.URL, h http.Header) error {
	if c.cfg.oauth1() { // X's servers of files know no other
		c.client.oauth1(http.MethodGet, u, h)
		return nil
	}
	token, err := c.account.token(ctx, c)
	if err == nil {
		bearer(token)(http.MethodGet, u, h)
	}
	return err
}
