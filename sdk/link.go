package sdk

import (
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	maxBatchFrames = 64
	maxBatchBytes  = 256 << 10
	// maxFrameBytes limits what a driver may hand over at once.
	maxFrameBytes = 3 << 20
	// maxMessageBytes limits what comes: a batch with one large frame.
	maxMessageBytes = 4 << 20

	manyCredits = 1 << 62
)

var errLinkLost = errors.New("connection to the gateway lost")

// link is one Exchange stream.
type link struct {
	s      *server
	ctx    context.Context // of the stream; parent of all calls that came on it
	cancel context.CancelFunc

	out     chan *pluginv1.PluginFrame
	pongs   chan uint64
	credits *semaphore.Weighted // held: what the gateway has not granted
	asking  chan struct{}       // holds one: who queues a frame under a new number
	seq     uint64              // of the last such frame
	inHand  gauge               // frames of the gateway whose answer is not yet written

	mu      sync.Mutex
	open    map[uint64]*task                    // by the gateway's seq
	waiting map[uint64]chan *pluginv1.HostFrame // by our seq
	hearing context.Context                     // ends when nothing more will be read
	deafen  context.CancelFunc
}

func newLink(ctx context.Context, s *server) *link {
	l := &link{
		s:       s,
		out:     make(chan *pluginv1.PluginFrame, 4*maxBatchFrames),
		pongs:   make(chan uint64, 1),
		credits: semaphore.NewWeighted(manyCredits),
		asking:  make(chan struct{}, 1),
		open:    make(map[uint64]*task),
		waiting: make(map[uint64]chan *pluginv1.HostFrame),
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.hearing, l.deafen = context.WithCancel(l.ctx)
	l.credits.TryAcquire(manyCredits)
	return l
}

// Exchange implements pluginv1.LinkServer. When the gateway half-closes the
// stream, what is in hand is still answered.
func (s *server) Exchange(stream pluginv1.Link_ExchangeServer) error {
	l := newLink(stream.Context(), s)
	defer l.cancel()
	s.attach(l)
	written := make(chan error, 1)
	go func() {
		defer l.cancel()
		written <- l.write(stream)
	}()

	var err error
	s.background.run(func() { // ends at the latest when Exchange has returned
		defer l.deafen()
		if rerr := l.read(stream); !errors.Is(rerr, io.EOF) {
			l.cancel()
		}
	})
	<-l.hearing.Done()
	s.detach(l)
	if l.inHand.wait(l.ctx) != nil {
		err = status.Error(codes.Aborted, "the stream was given up")
	}
	l.cancel()
	if werr := <-written; werr != nil {
		err = werr
	}
	return err
}

func (l *link) read(stream grpc.ServerStream) error {
	batch := new(pluginv1.HostBatch)
	for {
		frames := batch.Frames[:0]
		clear(batch.Frames)
		batch.Reset()
		batch.Frames = frames
		if err := stream.RecvMsg(batch); err != nil {
			return err
		}
		if batch.Credits > 0 {
			l.credits.Release(int64(batch.Credits))
		}
		if batch.Ping != 0 {
			l.pong(batch.Ping)
		}
		for _, f := range batch.Frames {
			l.frame(f)
		}
	}
}

// frame takes one frame of the gateway. It never blocks on a driver.
func (l *link) frame(f *pluginv1.HostFrame) {
	switch b := f.Body.(type) {
	case *pluginv1.HostFrame_Call, *pluginv1.HostFrame_Webhook, *pluginv1.HostFrame_Poll:
		l.accept(f)
	case *pluginv1.HostFrame_Reply:
		l.deliver(b.Reply.GetSeq(), f)
	case *pluginv1.HostFrame_Ack:
		l.deliver(b.Ack.GetSeq(), f)
	case *pluginv1.HostFrame_Cancel:
		l.mu.Lock()
		t := l.open[b.Cancel.GetSeq()]
		l.mu.Unlock()
		if t != nil {
			t.cancel()
		}
	}
}

func (l *link) accept(f *pluginv1.HostFrame) {
	t := newTask(l, f)
	l.mu.Lock()
	_, twice := l.open[f.Seq]
	full := len(l.open) >= maxInFlight
	if !twice && !full {
		l.open[f.Seq] = t
	}
	l.mu.Unlock()
	if twice {
		t.cancel()
		l.s.log.Warn("frame repeats the number of an open one", "seq", f.Seq)
		return
	}
	l.inHand.add(1)
	switch {
	case full:
		t.refuse("busy")
	case l.s.draining.Load():
		t.refusal = "draining" // not before the answers that its conversation awaits
		fallthrough
	default:
		l.s.work.submit(t)
	}
}

// settle waits until all is answered and returns what is not, when ctx or the
// stream ends.
func (l *link) settle(ctx context.Context) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	if l.inHand.wait(ctx) == nil {
		return 0 // what comes from now on is refused, which is an answer
	}
	return l.inHand.count()
}

// closed forgets a task whose answer has been queued.
func (l *link) closed(t *task) {
	t.cancel()
	l.mu.Lock()
	if l.open[t.f.Seq] == t {
		delete(l.open, t.f.Seq)
	}
	l.mu.Unlock()
}

func (l *link) deliver(seq uint64, f *pluginv1.HostFrame) {
	l.mu.Lock()
	ch := l.waiting[seq]
	delete(l.waiting, seq)
	l.mu.Unlock()
	if ch != nil {
		ch <- f // has room for one
	}
}

// ask sends f under a new number and returns the gateway's answer. If ctx ends
// because r (which may be nil) is being drained, the answer still counts until
// r is given up: the gateway acknowledges what has been emitted.
func (l *link) ask(ctx context.Context, f *pluginv1.PluginFrame, r *receiver) (*pluginv1.HostFrame, error) {
	ch := make(chan *pluginv1.HostFrame, 1)
	if err := l.post(ctx, f, ch); err != nil {
		return nil, err
	}
	defer l.forget(f.Seq)
	select {
	case reply := <-ch:
		return reply, nil
	case <-l.hearing.Done():
		return nil, errLinkLost
	case <-ctx.Done():
	}
	if r == nil || r.ctx.Err() == nil {
		return nil, ctx.Err()
	}
	select {
	case reply := <-ch:
		return reply, nil
	case <-l.hearing.Done():
	case <-r.hard:
	}
	return nil, ctx.Err()
}

// post queues f under a new number. The numbers ascend on the stream, whoever
// asks at the same time. The gateway's answer will come on ch.
func (l *link) post(ctx context.Context, f *pluginv1.PluginFrame, ch chan *pluginv1.HostFrame) error {
	select {
	case l.asking <- struct{}{}:
	case <-l.hearing.Done():
		return errLinkLost
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.asking }()
	l.seq++
	f.Seq = l.seq
	l.mu.Lock()
	l.waiting[f.Seq] = ch
	l.mu.Unlock()
	select {
	case l.out <- f:
		return nil
	case <-l.hearing.Done():
		l.forget(f.Seq)
		return errLinkLost
	case <-ctx.Done():
		l.forget(f.Seq)
		return ctx.Err()
	}
}

// forget waits no longer for the answer to frame seq.
func (l *link) forget(seq uint64) {
	l.mu.Lock()
	delete(l.waiting, seq)
	l.mu.Unlock()
}

// send queues an answer. It blocks while the gateway does not read.
func (l *link) send(f *pluginv1.PluginFrame) {
	select {
	case l.out <- f:
	case <-l.ctx.Done():
	}
}

// offer queues a frame that may be dropped.
func (l *link) offer(f *pluginv1.PluginFrame) {
	select {
	case l.out <- f:
	default:
	}
}

func (l *link) pong(n uint64) {
	for {
		select {
		case l.pongs <- n:
			return
		default:
		}
		select { // only the latest counts
		case <-l.pongs:
		default:
		}
	}
}

// write sends what is queued, as many frames at once as there are; it never
// waits for more.
func (l *link) write(stream grpc.ServerStream) error {
	batch := new(pluginv1.PluginBatch)
	for {
		clear(batch.Frames)
		batch.Frames, batch.Pong = batch.Frames[:0], 0
		select {
		case f := <-l.out:
			l.gather(batch, f)
		case batch.Pong = <-l.pongs:
		case <-l.ctx.Done():
			return nil
		}
		if err := stream.SendMsg(batch); err != nil {
			return err
		}
		answers := 0
		for _, f := range batch.Frames {
			if f.ReplyTo != 0 {
				answers++
			}
		}
		l.inHand.add(-answers)
	}
}

func (l *link) gather(batch *pluginv1.PluginBatch, f *pluginv1.PluginFrame) {
	bytes := 0
	for {
		batch.Frames = append(batch.Frames, f)
		bytes += f.SizeVT()
		if len(batch.Frames) == maxBatchFrames || bytes >= maxBatchBytes {
			return
		}
		select {
		case f = <-l.out:
		default:
			select {
			case batch.Pong = <-l.pongs:
			default:
			}
			return
		}
	}
}

// gauge counts, and can be waited on to become zero.
type gauge struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // closed when n becomes zero; nil: nobody waits
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n += n
	if g.n == 0 && g.zero != nil {
		close(g.zero)
		g.zero = nil
	}
}

// run runs f on a goroutine that is counted.
func (g *gauge) run(f func()) {
	g.add(1)
	go func() {
		defer g.add(-1)
		f()
	}()
}

func (g *gauge) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

func (g *gauge) wait(ctx context.Context) error {
	g.mu.Lock()
	if g.n == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.zero == nil {
		g.zero = make(chan struct{})
	}
	zero := g.zero
	g.mu.Unlock()
	select {
	case <-zero:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
