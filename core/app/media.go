package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/core/media/fetch"
	"github.com/openccsp/gateway/core/media/files"
	"github.com/openccsp/gateway/core/media/inspect"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// kept are the files of messages: where they are, how they come, and links to them.
type kept struct {
	*files.Store
	fetcher *fetch.Fetcher
	links   *media.Links
	fetches *prometheus.CounterVec
}

func (g *gateway) openMedia(context.Context) error {
	c := g.config.Media
	s, err := files.Open(files.Options{
		Dir: filepath.Join(g.config.DataDir, "media"), MaxFile: c.MaxFile, MaxTotal: c.MaxTotal, Retention: g.mediaRetention(),
		Full: func() bool { return g.store.Health().Full }, Log: g.log, Metrics: g.metrics,
	})
	if err != nil {
		return err
	}
	g.media = &kept{
		Store: s, fetcher: fetch.New(fetch.Config{AllowPrivate: c.AllowPrivate}), links: media.NewLinks(g.key),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_media_fetches_total", Help: "Files that drivers asked for, by outcome (ok, refused, failed).",
		}, []string{"outcome"}),
	}
	g.metrics.MustRegister(g.media.fetches)
	g.onClose("media", func() error { g.media.fetcher.Close(); return nil })
	return nil
}

// mediaRetention is how long files are kept: as long as history, unless
// gateway.hcl says otherwise.
func (g *gateway) mediaRetention() time.Duration {
	return cmp.Or(g.config.Media.Retention, g.config.Store.Retention)
}

// wanted is what may come through an instance.
func (g *gateway) wanted(instance, name, mime string) (files.Want, error) {
	var own config.InstanceMedia
	for _, i := range g.now().instances() {
		if i.Name == instance {
			own = i.Media
		}
	}
	types := media.Narrowed(g.config.Media.Types, own.Types)
	if types != nil && len(types) == 0 {
		return files.Want{}, media.Refused(core.Invalid, media.WrongType, "no files are taken here")
	}
	return files.Want{Name: name, MIME: mime, Instance: instance, MaxFile: own.MaxFile, Policy: inspect.Policy{Types: types}}, nil
}

// FetchMedia implements host.Core.
func (g *gateway) FetchMedia(ctx context.Context, instance string, f *pluginv1.MediaFetch) (*pluginv1.Attachment, error) {
	w, err := g.wanted(instance, f.Name, "")
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, h := range f.Headers {
		header.Add(h.GetName(), h.GetValue())
	}
	var file files.File
	err = g.media.fetcher.Get(ctx, instance, f.Url, header, func(b fetch.Body) (err error) {
		most := cmp.Or(w.MaxFile, g.config.Media.MaxFile)
		if b.Size > most {
			return media.Refused(core.TooLarge, media.TooLarge, "the file has more than %d bytes", most)
		}
		w.Name, w.MIME = cmp.Or(w.Name, b.Name), b.MIME
		file, err = g.media.Save(ctx, w, b)
		return err
	})
	g.media.fetches.WithLabelValues(outcomeOf(err)).Inc()
	if err != nil {
		g.log.InfoContext(ctx, "file not fetched", "instance", instance, "reason", core.ReasonOf(err), "err", err)
		return nil, err
	}
	return attachmentOf(file), nil
}

func outcomeOf(err error) string {
	switch core.CodeOf(err) {
	case "":
		return "ok"
	case core.Invalid, core.TooLarge, core.NotFound:
		return "refused"
	}
	return "failed"
}

// PutMedia implements host.Core.
func (g *gateway) PutMedia(_ context.Context, instance string, p *pluginv1.MediaPut) (upload string, a *pluginv1.Attachment, err error) {
	var u *files.Upload
	if p.Upload != "" {
		u, err = g.media.Upload(instance, p.Upload)
	} else {
		var w files.Want
		if w, err = g.wanted(instance, p.Name, p.Mime); err == nil {
			u, err = g.media.Begin(w)
		}
	}
	if err != nil {
		return "", nil, err
	}
	if err := u.Write(p.Data); err != nil {
		return "", nil, err
	}
	if !p.Last {
		return u.ID, nil, nil
	}
	file, err := u.Finish()
	if err != nil {
		return "", nil, err
	}
	return u.ID, attachmentOf(file), nil
}

// GetMedia implements host.Core.
func (g *gateway) GetMedia(_ context.Context, _ string, get *pluginv1.MediaGet) ([]byte, *pluginv1.Attachment, error) {
	body, file, err := g.media.Open(get.MediaId)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = body.Close() }()
	if get.Offset >= uint64(file.Bytes) {
		return nil, attachmentOf(file), nil
	}
	part := make([]byte, min(uint64(get.Limit), uint64(file.Bytes)-get.Offset))
	if _, err := body.ReadAt(part, int64(get.Offset)); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("file %s: %w", file.ID, err)
	}
	return part, attachmentOf(file), nil
}

func attachmentOf(f files.File) *pluginv1.Attachment {
	return &pluginv1.Attachment{MediaId: f.ID, Mime: f.MIME, Name: f.Name, Bytes: uint64(f.Bytes)}
}

// keptFile is what the engine is told of a file, with a link to it if platforms
// can reach the gateway; nil if it is not there.
func (g *gateway) keptFile(id string) *pluginv1.Attachment {
	f, err := g.media.Stat(id)
	if err != nil {
		if core.CodeOf(err) != core.NotFound {
			g.log.Warn("a file of a message cannot be read", "media", id, "err", err)
		}
		return nil
	}
	a := attachmentOf(f)
	a.Url = g.linkTo(id)
	return a
}

// linkTo returns a link to a file, made now; "" without public_url.
func (g *gateway) linkTo(id string) string {
	if g.config.PublicURL == "" {
		return ""
	}
	return g.config.PublicURL + "/media/" + g.media.links.Token(id, time.Now().Add(g.config.Media.LinkTTL))
}

// openLink returns the file that the token of a link leads to.
func (g *gateway) openLink(token string) (httpd.KeptFile, error) {
	id := g.media.links.ID(token, time.Now())
	body, f, err := g.media.Open(id)
	if err != nil {
		return httpd.KeptFile{}, err
	}
	return httpd.KeptFile{Body: body, Name: f.Name, MIME: f.MIME, Bytes: f.Bytes, Hash: f.Hash}, nil
}

// MediaStore implements httpd.Gateway.
func (g *gateway) MediaStore() httpd.MediaStore {
	u, c := g.media.Usage(), g.config.Media
	return httpd.MediaStore{
		Files: u.Files, Lost: u.Lost, Bytes: u.Bytes, MaxFile: u.MaxFile, MaxTotal: u.MaxTotal, Retention: g.mediaRetention(), LinkTTL: c.LinkTTL,
		AllowPrivate: c.AllowPrivate, Types: slices.Clone(c.Types),
	}
}

// MediaFile implements httpd.Gateway.
func (g *gateway) MediaFile(_ context.Context, id string) (httpd.MediaFile, error) {
	f, err := g.media.Stat(id)
	if err != nil {
		return httpd.MediaFile{}, err
	}
	return httpd.MediaFile{
		ID: f.ID, Name: f.Name, MIME: f.MIME, SHA256: f.Hash, Instance: f.Instance, Bytes: f.Bytes, At: f.At, URL: g.linkTo(id),
	}, nil
}

// DeleteMedia implements httpd.Gateway.
func (g *gateway) DeleteMedia(ctx context.Context, id string) error {
	if err := g.media.Delete(id); err != nil {
		return err
	}
	g.log.InfoContext(ctx, "a file was erased", "media", id)
	return nil
}
