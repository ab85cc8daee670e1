package sdktest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxMedia limits a file that a driver fetches, in bytes.
const maxMedia = 64 << 20

// media is the gateway's media store. The zero value is empty.
type media struct {
	mu      sync.Mutex
	files   map[string]*mediaFile
	refusal *pluginv1.HostReply // what every file gets, nil: they are taken
}

type mediaFile struct {
	sdk.Attachment
	data []byte
}

// refused is the gateway's answer about a file that it does not take, with the
// codes of sdk.Host.FetchMedia.
func refused(code, why string) *pluginv1.HostReply {
	return &pluginv1.HostReply{Refused: true, Code: code, Message: why}
}

// serve answers a call that is about media, nil if it is not.
func (m *media) serve(c *pluginv1.HostCall) *pluginv1.HostReply {
	switch op := c.Op.(type) {
	case *pluginv1.HostCall_MediaFetch:
		return m.fetch(op.MediaFetch)
	case *pluginv1.HostCall_MediaPut:
		return m.put(op.MediaPut)
	case *pluginv1.HostCall_MediaGet:
		return m.get(op.MediaGet)
	}
	return nil
}

func (m *media) fetch(f *pluginv1.MediaFetch) *pluginv1.HostReply {
	r, err := http.NewRequest(http.MethodGet, f.Url, nil)
	if err != nil {
		return refused("media_blocked", "the URL cannot be used")
	}
	for _, h := range f.Headers {
		r.Header.Add(h.Name, h.Value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r) // it follows no redirect
	if err != nil {
		return &pluginv1.HostReply{Code: "media_unreachable", Message: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return &pluginv1.HostReply{Refused: resp.StatusCode < 500, Code: "media_unreachable", Message: resp.Status}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxMedia+1))
	if err != nil {
		return &pluginv1.HostReply{Code: "media_unreachable", Message: err.Error()}
	}
	if len(data) > maxMedia {
		return refused("media_too_large", fmt.Sprintf("the file has more than %d bytes", maxMedia))
	}
	return m.put(&pluginv1.MediaPut{Name: f.Name, Mime: resp.Header.Get("Content-Type"), Data: data, Last: true})
}

func (m *media) put(p *pluginv1.MediaPut) *pluginv1.HostReply {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refusal != nil {
		return m.refusal
	}
	f := m.files[p.Upload]
	if p.Upload == "" {
		f = m.add(sdk.Attachment{Name: p.Name, MIME: p.Mime}, nil)
	} else if f == nil {
		return &pluginv1.HostReply{Refused: true, Message: "there is no such upload"}
	}
	f.data = append(f.data, p.Data...)
	f.Bytes = int64(len(f.data))
	r := &pluginv1.HostReply{Ok: true, Value: []byte(f.MediaID)}
	if p.Last {
		r.Attachment = attachmentsProto([]sdk.Attachment{f.Attachment})[0]
	}
	return r
}

func (m *media) get(g *pluginv1.MediaGet) *pluginv1.HostReply {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[g.MediaId]
	if f == nil {
		return refused("media_gone", "there is no such file")
	}
	from := min(g.Offset, uint64(len(f.data)))
	to := min(from+uint64(g.Limit), uint64(len(f.data)))
	return &pluginv1.HostReply{Ok: true, Value: f.data[from:to], Attachment: attachmentsProto([]sdk.Attachment{f.Attachment})[0]}
}

// add makes a file. The caller holds m.mu.
func (m *media) add(a sdk.Attachment, data []byte) *mediaFile {
	if m.files == nil {
		m.files = make(map[string]*mediaFile)
	}
	a.MediaID, a.Bytes = fmt.Sprintf("media%d", len(m.files)+1), int64(len(data))
	f := &mediaFile{a, bytes.Clone(data)}
	m.files[a.MediaID] = f
	return f
}

// AddMedia keeps a file as if somebody had sent it, and returns what a message
// with it has. Drivers read it with Host.OpenMedia.
func (g *Gateway) AddMedia(name, mime string, data []byte) sdk.Attachment {
	m := &g.fakes.media
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.add(sdk.Attachment{Name: name, MIME: mime}, data).Attachment
}

// Media returns a file that the driver had fetched or saved, nil if there is none
// of that id.
func (g *Gateway) Media(id string) []byte {
	m := &g.fakes.media
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.files[id]; f != nil {
		return f.data
	}
	return nil
}

// RefuseMedia makes the gateway take no files, with a code of [sdk.Host]'s
// FetchMedia, such as media_type, and say why; code "" takes them again.
func (g *Gateway) RefuseMedia(code, why string) {
	m := &g.fakes.media
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusal = nil
	if code != "" {
		m.refusal = refused(code, why)
	}
}
