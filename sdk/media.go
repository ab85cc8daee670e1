package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// mediaChunk is how many bytes of a file travel in one frame.
const mediaChunk = 256 << 10

// FetchMedia implements Host.
func (h *host) FetchMedia(ctx context.Context, url string, header http.Header) (Attachment, error) {
	return h.fetchMedia(ctx, url, "", header)
}

// fetchMedia is FetchMedia for a file whose name may be known.
func (h *host) fetchMedia(ctx context.Context, url, name string, header http.Header) (Attachment, error) {
	r, err := h.ask(ctx, &pluginv1.HostCall{Op: &pluginv1.HostCall_MediaFetch{
		MediaFetch: &pluginv1.MediaFetch{Url: valid(url), Name: valid(name), Headers: headersProto(header)}}})
	if err != nil {
		return Attachment{}, fmt.Errorf("fetch media: %w", err)
	}
	return attachmentFrom(r.Attachment), nil
}

// SaveMedia implements Host.
func (h *host) SaveMedia(ctx context.Context, name, mime string, r io.Reader) (Attachment, error) {
	put := &pluginv1.MediaPut{Name: valid(name), Mime: valid(mime)}
	for chunk := make([]byte, mediaChunk); ; {
		n, err := io.ReadFull(r, chunk)
		put.Last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !put.Last {
			return Attachment{}, fmt.Errorf("save media: %w", err)
		}
		put.Data = chunk[:n]
		reply, err := h.ask(ctx, &pluginv1.HostCall{Op: &pluginv1.HostCall_MediaPut{MediaPut: put}})
		if err != nil {
			return Attachment{}, fmt.Errorf("save media: %w", err)
		}
		if put.Last {
			return attachmentFrom(reply.Attachment), nil
		}
		put = &pluginv1.MediaPut{Upload: string(reply.Value)}
	}
}

// OpenMedia implements Host.
func (h *host) OpenMedia(ctx context.Context, a Attachment) (io.ReadCloser, Attachment, error) {
	if a.MediaID == "" {
		kept, err := h.fetchMedia(ctx, a.URL, a.Name, nil)
		if err != nil {
			return nil, a, err
		}
		kept.URL, kept.Caption = a.URL, a.Caption
		a = kept
	}
	m := &mediaReader{ctx: ctx, h: h, id: a.MediaID}
	known, err := m.next()
	if err != nil {
		return nil, a, err
	}
	a.MIME, a.Name, a.Bytes = known.MIME, known.Name, known.Bytes
	return m, a, nil
}

// mediaReader reads a kept file chunk by chunk.
type mediaReader struct {
	ctx   context.Context
	h     *host
	id    string
	at    uint64
	chunk []byte
	ended bool
}

// next asks for the chunk at m.at.
func (m *mediaReader) next() (Attachment, error) {
	r, err := m.h.ask(m.ctx, &pluginv1.HostCall{Op: &pluginv1.HostCall_MediaGet{
		MediaGet: &pluginv1.MediaGet{MediaId: m.id, Offset: m.at, Limit: mediaChunk}}})
	if err != nil {
		return Attachment{}, fmt.Errorf("media %s: %w", m.id, err)
	}
	m.chunk, m.ended = r.Value, len(r.Value) == 0
	m.at += uint64(len(r.Value))
	return attachmentFrom(r.Attachment), nil
}

// Read implements io.Reader.
func (m *mediaReader) Read(b []byte) (int, error) {
	if len(m.chunk) == 0 && !m.ended {
		if _, err := m.next(); err != nil {
			return 0, err
		}
	}
	if len(m.chunk) == 0 {
		return 0, io.EOF
	}
	n := copy(b, m.chunk)
	m.chunk = m.chunk[n:]
	return n, nil
}

// Close implements io.Closer.
func (m *mediaReader) Close() error {
	m.chunk, m.ended = nil, true
	return nil
}
