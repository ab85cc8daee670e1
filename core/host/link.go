package host

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Limits of the stream between the gateway and one plugin process.
const (
	maxBatchFrames = 64
	maxBatchBytes  = 256 << 10
	maxFrameBytes  = 3 << 20  // of what a frame carries
	maxMessage     = 4 << 20  // of gRPC, both ways
	maxOpenBytes   = 64 << 20 // of all unanswered frames
	defaultOpen    = 4096     // unanswered frames, written or not
	credits        = 256      // Inbound frames a plugin may have unacknowledged

	// Of acks, replies and cancels that a plugin has not read yet. One that reads
	// has much fewer; one that does not must not fill the memory.
	maxControl      = 16 << 10
	maxControlBytes = 64 << 20
)

var (
	errLinkClosed = errors.New("plugin has ended")
	errLinkFull   = errors.New("too many calls wait for the plugin")
	errFrameSize  = errors.New("larger than the 3 MiB of a frame")
	errUnread     = errors.New("plugin sends, and does not read the answers")
)

// batchStream is the gateway's end of Link.Exchange.
type batchStream interface {
	Send(*pluginv1.HostBatch) error
	Recv() (*pluginv1.PluginBatch, error)
}

// link is the data stream of one generation. Callers append to its queue under
// a short lock; one goroutine writes what has gathered, one reads.
type link struct {
	stream batchStream
	max    int
	stuck  time.Duration // a call that is open so long may say that its instance is
	grace  time.Duration // added to a frame's deadline before it is given up
	log    *slog.Logger
	m      *linkMetrics
	notice func(*pluginv1.PluginFrame) // frames that answer nothing; must not block
	blame  func([]*openFrame)          // what was in hand at a crash, before it is answered; may be nil

	wake chan struct{} // the writer sleeps on it

	mu      sync.Mutex
	idle    bool
	closed  bool
	seq     uint64
	queue   []*openFrame
	head    int                   // of queue
	control []*pluginv1.HostFrame // acks, replies, cancels: see maxControl
	told    int                   // bytes of control
	unread  bool                  // there was more of it
	grant   uint32
	ping    uint64
	pong    uint64
	open    map[uint64]*openFrame
	bytes   int      // of open
	barrier *barrier // since seal
	late    lateness
	calls   int // that have ended
	wrong   int // of them, by the driver's fault or nobody knows whose
}

func newLink(s batchStream, maxOpen int, grace time.Duration, log *slog.Logger, m *linkMetrics,
	notice func(*pluginv1.PluginFrame)) *link {
	return &link{
		stream: s, max: maxOpen, grace: grace, log: log, m: m, notice: notice,
		wake: make(chan struct{}, 1), open: make(map[uint64]*openFrame), grant: credits,
	}
}

// send queues f. After nil, f is answered exactly once.
func (l *link) send(f *openFrame) error {
	f.size = f.frame.SizeVT() + 16 // the seq is not in yet
	if f.size > maxFrameBytes {
		return errFrameSize
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return errLinkClosed
	case l.barrier != nil:
		return errSealed
	}
	if len(l.open) >= l.max || l.bytes+f.size > maxOpenBytes {
		return errLinkFull
	}
	l.seq++
	f.frame.Seq = l.seq
	l.open[l.seq] = f
	l.bytes += f.size
	l.queue = append(l.queue, f)
	l.stir()
	return nil
}

// tell queues a frame that wants no answer and grants more credits.
func (l *link) tell(f *pluginv1.HostFrame, grant uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.grant += grant
	if f != nil {
		l.addControl(f)
	}
	l.stir()
}

func (l *link) addControl(f *pluginv1.HostFrame) {
	l.seq++
	f.Seq = l.seq
	size := f.SizeVT()
	if len(l.control) >= maxControl || l.told+size > maxControlBytes {
		l.unread = true
		return
	}
	l.told += size
	l.control = append(l.control, f)
}

// stir wakes the writer if it sleeps. The caller holds mu.
func (l *link) stir() {
	if l.idle {
		l.idle = false
		l.wake <- struct{}{} // has room: one token per sleep
	}
}

// sendPing asks for a pong and says how many pings wait for one.
func (l *link) sendPing() (missing uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing = l.ping - l.pong
	l.ping++
	l.stir()
	return missing
}

// write sends what is queued, in batches, until ctx ends or the stream breaks.
func (l *link) write(ctx context.Context) error {
	var batch pluginv1.HostBatch
	var pinged uint64
	for {
		if !l.take(&batch, &pinged) {
			select {
			case <-l.wake:
				// Let those run who were made runnable together with us: they
				// have more frames for this batch. Doubles the throughput of 64
				// callers and costs one nothing.
				runtime.Gosched()
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := l.stream.Send(&batch); err != nil {
			return err
		}
		l.m.batch.Observe(float64(len(batch.Frames)))
		l.m.out.Add(float64(len(batch.Frames)))
	}
}

// take fills batch with up to maxBatchFrames frames, control first. If there
// is nothing it returns false, and the next stir wakes the writer.
//
// A frame counts as written from here on, even if Send fails: whoever says
// "not sent" must be sure.
func (l *link) take(batch *pluginv1.HostBatch, pinged *uint64) bool {
	clear(batch.Frames)
	frames := batch.Frames[:0]
	batch.Credits, batch.Ping = 0, 0
	size := 0

	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.control), maxBatchFrames/2)
	for _, f := range l.control[:n] {
		size += f.SizeVT()
		frames = append(frames, f)
		if size >= maxBatchBytes {
			n = len(frames)
			break
		}
	}
	l.control = dropFront(l.control, n)
	l.told -= size
	for l.head < len(l.queue) && len(frames) < maxBatchFrames {
		f := l.queue[l.head]
		if !f.done {
			if size += f.size; size > maxBatchBytes && len(frames) > 0 {
				break
			}
			f.written = true
			frames = append(frames, &f.frame)
		}
		l.queue[l.head] = nil
		l.head++
	}
	l.compact()
	batch.Frames = frames
	batch.Credits, l.grant = l.grant, 0
	if l.ping != *pinged {
		*pinged, batch.Ping = l.ping, l.ping
	}
	if len(frames) == 0 && batch.Credits == 0 && batch.Ping == 0 {
		l.idle = true
		return false
	}
	return true
}

// compact keeps the queue from growing without end.
func (l *link) compact() {
	switch {
	case l.head == len(l.queue):
		l.queue, l.head = l.queue[:0], 0
	case l.head >= 1024:
		l.queue = dropFront(l.queue, l.head)
		l.head = 0
	}
}

// dropFront removes the first n elements in place.
func dropFront[T any](s []T, n int) []T {
	if n == 0 {
		return s
	}
	rest := copy(s, s[n:])
	clear(s[rest:])
	return s[:rest]
}
