package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	keepUploads = 2 * 24 * time.Hour // WeChat keeps a file for three days
	maxUploads  = 10_000
	uploadLimit = 25 * time.Second // at least: ten megabytes go a long way; the gateway gives a message half a minute
	thumbKey    = "thumb"
)

// mediaKind is what WeChat makes of a type of file.
type mediaKind struct {
	kind, ext string
	most      int64 // bytes
}

var mediaKinds = map[string]mediaKind{
	"image/jpeg": {"image", ".jpg", maxFile}, "image/png": {"image", ".png", maxFile}, "image/gif": {"image", ".gif", maxFile},
	"audio/amr": {"voice", ".amr", 2 << 20}, "audio/mpeg": {"voice", ".mp3", 2 << 20},
	"video/mp4": {"video", ".mp4", maxFile},
}

// mediaTypes are the types of files that can be shown. The gateway writes the address
// of others into the text.
func mediaTypes() []string { return slices.Sorted(maps.Keys(mediaKinds)) }

// uploads knows the files that WeChat has already.
type uploads struct {
	c    *channel
	have *lru.Cache[string, uploaded] // by the gateway's id, or the address
}

// uploaded is a file at WeChat.
type uploaded struct {
	kind, id string
	at       time.Time
}

func newUploads(c *channel) (*uploads, error) {
	have, err := lru.New[string, uploaded](maxUploads)
	return &uploads{c, have}, err
}

// known returns a file that WeChat still has.
func (u *uploads) known(key string) (uploaded, bool) {
	f, ok := u.have.Get(key)
	return f, ok && u.c.host.Now().Sub(f.at) < keepUploads
}

// all uploads the files of a message. Customers see nothing of that.
func (u *uploads) all(ctx context.Context, files []sdk.Attachment) (pieces []piece, err error) {
	for _, a := range files {
		p, err := u.piece(ctx, a)
		if err != nil {
			return nil, ccsp.AsRetry(err)
		}
		pieces = append(append(pieces, p), textPieces(chop(plain(a.Caption)))...)
	}
	return pieces, nil
}

// piece is what shows a file to the customer.
func (u *uploads) piece(ctx context.Context, a sdk.Attachment) (piece, error) {
	f, err := u.file(ctx, a)
	if err != nil {
		return nil, err
	}
	content := map[string]string{"media_id": f.id}
	if f.kind == "video" {
		thumb, err := u.thumb(ctx)
		if err != nil {
			return nil, err
		}
		content["thumb_media_id"], content["title"], content["description"] = thumb.id, plain(a.Name), ""
	}
	return piece{"msgtype": f.kind, f.kind: content}, nil
}

// file brings a file to WeChat, unless it is there.
func (u *uploads) file(ctx context.Context, a sdk.Attachment) (uploaded, error) {
	key := keyOf(a)
	if f, ok := u.known(key); ok {
		return f, nil
	}
	r, a, err := u.c.host.OpenMedia(ctx, a)
	if err != nil {
		return uploaded{}, err
	}
	defer func() { _ = r.Close() }()
	typ, _, err := mime.ParseMediaType(a.MIME)
	k, ok := mediaKinds[typ]
	if err != nil || !ok {
		return uploaded{}, sdk.Rejected("file_type", fmt.Sprintf("WeChat shows no files of the type %.60q", a.MIME))
	}
	data, err := io.ReadAll(io.LimitReader(r, k.most+1))
	if err != nil {
		return uploaded{}, sdk.Retry(fmt.Errorf("read a file: %w", err), 0)
	}
	if int64(len(data)) > k.most {
		return uploaded{}, sdk.Rejected("file_too_large", fmt.Sprintf("WeChat takes %d bytes of a file of the kind %s", k.most, k.kind))
	}
	return u.put(ctx, key, k.kind, "file"+k.ext, typ, data)
}

// put uploads a file and remembers it.
func (u *uploads) put(ctx context.Context, key, kind, name, typ string, data []byte) (uploaded, error) {
	id, err := u.c.api.upload(ctx, kind, name, typ, data)
	f := uploaded{kind, id, u.c.host.Now()}
	if err == nil {
		u.have.Add(key, f)
	}
	return f, err
}

// keyOf is what a file is remembered by.
func keyOf(a sdk.Attachment) string { return cmp.Or(a.MediaID, a.URL) }

// thumb is the picture that stands for a video: WeChat wants one.
func (u *uploads) thumb(ctx context.Context) (uploaded, error) {
	if f, ok := u.known(thumbKey); ok {
		return f, nil
	}
	var picture bytes.Buffer
	if err := jpeg.Encode(&picture, playButton(), nil); err != nil {
		return uploaded{}, sdk.Rejected("thumb", "the picture of a video cannot be made")
	}
	return u.put(ctx, thumbKey, "thumb", "video.jpg", "image/jpeg", picture.Bytes())
}

// playButton draws a light triangle on dark ground.
func playButton() image.Image {
	const size = 160
	m := image.NewGray(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			shade := uint8(0x30)
			if left, far := x-size/3, y-size/2; left >= 0 && left < size/2 && max(far, -far) < (size/2-left)/2 {
				shade = 0xe0
			}
			m.SetGray(x, y, color.Gray{Y: shade})
		}
	}
	return m
}

// forgetIf forgets files that WeChat no longer knows.
func (u *uploads) forgetIf(err error, files []sdk.Attachment) {
	if !isCode(err, "40007") && !isCode(err, "40004") {
		return
	}
	u.have.Remove(thumbKey)
	for _, a := range files {
		u.have.Remove(keyOf(a))
	}
}

// upload sends a file and returns WeChat's id of it.
func (a *api) upload(ctx context.Context, kind, name, typ string, data []byte) (id string, err error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="media"; filename="%s"; filelength=%d`, name, len(data))},
		"Content-Type":        {typ},
	})
	if err == nil {
		_, err = part.Write(data)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return "", fmt.Errorf("write a form: %w", err)
	}
	var got struct {
		MediaID string `json:"media_id"`
		Thumb   string `json:"thumb_media_id"`
	}
	err = a.withToken(ctx, max(a.cfg.timeout, uploadLimit), func(ctx context.Context, q url.Values) error {
		q.Set("type", kind)
		res, err := a.do(ctx, http.MethodPost, "/cgi-bin/media/upload", q, form.FormDataContentType(), body.Bytes()) //nolint:bodyclose // read closes it
		if err != nil {
			return err
		}
		return a.read(res, &got)
	})
	if id = cmp.Or(got.MediaID, got.Thumb); err == nil && id == "" {
		err = sdk.Retry(fmt.Errorf("WeChat gave no media_id"), 0)
	}
	return id, err
}
