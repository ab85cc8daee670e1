package sdktest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

var errStreamEnded = errors.New("the plugin ended the stream")

// wire is the gateway's end of the Exchange stream.
type wire struct {
	instance string
	stream   pluginv1.Link_ExchangeClient
	fakes    *fakes
	done     chan struct{} // closed when reading has ended

	sending sync.Mutex // guards stream.Send and the order of seq
	seq     uint64

	mu      sync.Mutex
	waiting map[uint64]chan *pluginv1.PluginFrame
	order   []uint64 // of answers, as they came
	pongs   chan uint64
}

func newWire(stream pluginv1.Link_ExchangeClient, instance string, f *fakes) *wire {
	w := &wire{
		instance: instance, stream: stream, fakes: f, done: make(chan struct{}),
		waiting: make(map[uint64]chan *pluginv1.PluginFrame), pongs: make(chan uint64, 16),
	}
	go w.read()
	w.batch(&pluginv1.HostBatch{Credits: 64})
	return w
}

// end half-closes the stream and waits for the plugin to do the same.
func (w *wire) end() {
	w.sending.Lock()
	_ = w.stream.CloseSend()
	w.sending.Unlock()
	select {
	case <-w.done:
	case <-time.After(patience):
	}
}

func (w *wire) batch(b *pluginv1.HostBatch) {
	w.sending.Lock()
	defer w.sending.Unlock()
	_ = w.stream.Send(b) // an error shows when reading
}

// post sends f under a new number; the answer comes on the channel.
func (w *wire) post(f *pluginv1.HostFrame) (uint64, <-chan *pluginv1.PluginFrame) {
	ch := make(chan *pluginv1.PluginFrame, 1)
	w.sending.Lock()
	defer w.sending.Unlock()
	w.seq++
	f.Seq, f.Instance = w.seq, w.instance
	w.mu.Lock()
	w.waiting[f.Seq] = ch
	w.mu.Unlock()
	_ = w.stream.Send(&pluginv1.HostBatch{Frames: []*pluginv1.HostFrame{f}})
	return f.Seq, ch
}

// ask sends f with ctx's deadline and waits for the answer. If ctx ends first
// the frame is cancelled.
func (w *wire) ask(ctx context.Context, f *pluginv1.HostFrame) (*pluginv1.PluginFrame, error) {
	if d, ok := ctx.Deadline(); ok {
		f.DeadlineMs = uint32(max(time.Until(d).Milliseconds(), 1))
	}
	seq, ch := w.post(f)
	select {
	case a := <-ch:
		return a, nil
	case <-w.done:
		return nil, errStreamEnded
	case <-ctx.Done():
	}
	w.cancel(seq)
	return nil, ctx.Err()
}

func (w *wire) cancel(seq uint64) {
	w.batch(&pluginv1.HostBatch{Frames: []*pluginv1.HostFrame{{
		Body: &pluginv1.HostFrame_Cancel{Cancel: &pluginv1.Cancel{Seq: seq}}}}})
}

func (w *wire) read() {
	defer close(w.done)
	for {
		b, err := w.stream.Recv()
		if err != nil {
			return
		}
		if b.Pong != 0 {
			select {
			case w.pongs <- b.Pong:
			default:
			}
		}
		for _, f := range b.Frames {
			w.frame(f)
		}
	}
}

func (w *wire) frame(f *pluginv1.PluginFrame) {
	if f.ReplyTo != 0 {
		w.mu.Lock()
		ch := w.waiting[f.ReplyTo]
		delete(w.waiting, f.ReplyTo)
		w.order = append(w.order, f.ReplyTo)
		w.mu.Unlock()
		if ch != nil {
			ch <- f
		}
		return
	}
	out := &pluginv1.HostBatch{}
	switch b := f.Body.(type) {
	case *pluginv1.PluginFrame_Inbound:
		ack := w.fakes.inbound(b.Inbound)
		ack.Seq = f.Seq
		out.Credits = 1
		out.Frames = []*pluginv1.HostFrame{{Instance: f.Instance, Body: &pluginv1.HostFrame_Ack{Ack: ack}}}
	case *pluginv1.PluginFrame_Call:
		r := w.fakes.serve(b.Call)
		if r == nil {
			return
		}
		r.Seq = f.Seq
		out.Frames = []*pluginv1.HostFrame{{Instance: f.Instance, Body: &pluginv1.HostFrame_Reply{Reply: r}}}
	default:
		return
	}
	w.batch(out)
}

// answered returns the numbers of the answered frames in their order.
func (w *wire) answered() []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]uint64(nil), w.order...)
}
