package httpd

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"
)

// Media is what the API shows and does with the files of messages. What there is
// not is core.NotFound.
type Media interface {
	MediaStore() MediaStore
	MediaFile(ctx context.Context, id string) (MediaFile, error)
	// DeleteMedia erases a file for good. Links to it lead nowhere.
	DeleteMedia(ctx context.Context, id string) error
}

// MediaStore is how full the store of files is, and what it takes.
type MediaStore struct {
	Files        int
	Lost         int   // of what they hold, what is not on the disk any more
	Bytes        int64 // on disk
	MaxFile      int64
	MaxTotal     int64
	Retention    time.Duration
	LinkTTL      time.Duration
	AllowPrivate bool
	Types        []string // empty: all but those that can do harm
}

// MediaFile is what is known of a file.
type MediaFile struct {
	ID, Name, MIME, SHA256, Instance string
	Bytes                            int64
	At                               time.Time
	URL                              string // a link to it, made now; "": there is no public_url
}

type mediaStoreBody struct {
	Files        int      `json:"files"`
	Lost         int      `json:"lost,omitempty"`
	Bytes        int64    `json:"bytes"`
	MaxFile      int64    `json:"max_file"`
	MaxTotal     int64    `json:"max_total"`
	Retention    string   `json:"retention"`
	LinkTTL      string   `json:"link_ttl"`
	AllowPrivate bool     `json:"allow_private,omitempty"`
	Types        []string `json:"types,omitempty"`
}

type mediaFileBody struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	MIME     string    `json:"mime"`
	Bytes    int64     `json:"bytes"`
	SHA256   string    `json:"sha256"`
	Instance string    `json:"instance"`
	At       time.Time `json:"at"`
	URL      string    `json:"url,omitempty"`
}

// getMedia answers GET /v1/media.
//
//	200 {"files":3,"bytes":12288,"max_file":26214400,…}
func (a *Admin) getMedia(_ context.Context, r *fasthttp.RequestCtx) error {
	s := a.gateway.MediaStore()
	writeJSON(r, fasthttp.StatusOK, mediaStoreBody{
		Files: s.Files, Lost: s.Lost, Bytes: s.Bytes, MaxFile: s.MaxFile, MaxTotal: s.MaxTotal, Retention: s.Retention.String(),
		LinkTTL: s.LinkTTL.String(), AllowPrivate: s.AllowPrivate, Types: s.Types,
	})
	return nil
}

// getMediaFile answers GET /v1/media/{id}, with a link to the file.
//
//	200 {"id":"9f…","name":"photo.jpg","mime":"image/jpeg",…}
func (a *Admin) getMediaFile(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	f, err := a.gateway.MediaFile(ctx, id)
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusOK, f.body())
	return nil
}

func (f MediaFile) body() mediaFileBody {
	return mediaFileBody{
		ID: f.ID, Name: f.Name, MIME: f.MIME, Bytes: f.Bytes, SHA256: f.SHA256, Instance: f.Instance, At: f.At.UTC(), URL: f.URL,
	}
}

// deleteMedia answers DELETE /v1/media/{id} with 204.
func (a *Admin) deleteMedia(ctx context.Context, r *fasthttp.RequestCtx) error {
	return remove(ctx, r, a.gateway.DeleteMedia)
}
