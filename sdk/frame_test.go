package sdk

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/openccsp/gateway/sdk/internal/env"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// nothing is a driver that takes everything.
type nothing struct{}

func (nothing) Send(context.Context, Customer, Message) (Receipt, error) { return Receipt{}, nil }

func (nothing) Webhook(context.Context, *WebhookRequest) (WebhookResponse, error) {
	return WebhookResponse{}, nil
}

func (nothing) Poll(_ context.Context, _ Chat, cursor []byte) (PollResult, error) {
	return PollResult{Cursor: cursor}, nil
}

func nothingServer(t testing.TB) *server {
	t.Helper()
	s := newServer(Plugin{ID: "org.example.nothing", Version: "1.0.0", Drivers: []Driver{
		NewChannel("nothing", Capabilities{}, func(context.Context, struct{}, Host) (nothing, error) {
			return nothing{}, nil
		}),
	}}, env.Env{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	state, err := s.OpenInstance(t.Context(), &pluginv1.InstanceSpec{Instance: "a", Driver: "nothing", Revision: 1})
	if err != nil || !state.Ok {
		t.Fatal(state, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.close(ctx)
		if ctx.Err() != nil {
			t.Error("the server does not close")
		}
	})
	return s
}

// sink counts the answers that are written.
type sink struct {
	grpc.ServerStream
	answers chan *pluginv1.PluginFrame
}

func (s sink) SendMsg(m any) error {
	for _, f := range m.(*pluginv1.PluginBatch).Frames {
		s.answers <- f
	}
	return nil
}

// FuzzFrame: whatever a batch holds, nothing panics, and each call, webhook
// and poll is answered exactly once.
func FuzzFrame(f *testing.F) {
	add := func(frames ...*pluginv1.HostFrame) {
		b, err := (&pluginv1.HostBatch{Frames: frames, Credits: 1, Ping: 1}).MarshalVT()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	call := &pluginv1.HostFrame_Call{Call: &pluginv1.Call{Op: pluginv1.Op_SEND}}
	add(&pluginv1.HostFrame{Seq: 1, Instance: "a", Conversation: []byte("0123456789abcdef"), Body: call},
		&pluginv1.HostFrame{Seq: 2, Instance: "a", Conversation: []byte("0123456789abcdef"), Body: call},
		&pluginv1.HostFrame{Seq: 2, Instance: "a", Body: call})
	add(&pluginv1.HostFrame{Seq: 3, Instance: "b", Body: &pluginv1.HostFrame_Call{}},
		&pluginv1.HostFrame{Seq: 4, Instance: "a", Body: &pluginv1.HostFrame_Webhook{}},
		&pluginv1.HostFrame{Seq: 5, Instance: "a", Body: &pluginv1.HostFrame_Poll{Poll: &pluginv1.Poll{Chat: &pluginv1.Chat{}}}})
	add(&pluginv1.HostFrame{Seq: 6, Body: &pluginv1.HostFrame_Ack{Ack: &pluginv1.Ack{Seq: 9}}},
		&pluginv1.HostFrame{Body: &pluginv1.HostFrame_Cancel{Cancel: &pluginv1.Cancel{Seq: 1}}},
		&pluginv1.HostFrame{Body: &pluginv1.HostFrame_Reply{}}, &pluginv1.HostFrame{})
	s := nothingServer(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var batch pluginv1.HostBatch
		if batch.UnmarshalVT(b) != nil {
			return
		}
		l := newLink(t.Context(), s)
		defer l.cancel()
		out := sink{answers: make(chan *pluginv1.PluginFrame, len(batch.Frames))}
		go func() { _ = l.write(out) }()
		want := make(map[uint64]bool)
		for _, fr := range batch.Frames {
			switch fr.Body.(type) {
			case *pluginv1.HostFrame_Call, *pluginv1.HostFrame_Webhook, *pluginv1.HostFrame_Poll:
				if fr.Seq != 0 && !want[fr.Seq] {
					want[fr.Seq] = true
					fr.DeadlineMs = 60_000
					l.frame(fr)
				}
			default:
				l.frame(fr)
			}
		}
		for range len(want) {
			a := <-out.answers
			if !want[a.ReplyTo] {
				t.Fatalf("frame %d was answered twice", a.ReplyTo)
			}
			want[a.ReplyTo] = false
		}
	})
}

// BenchmarkFrame is the way of a call through the SDK, without the wire.
func BenchmarkFrame(b *testing.B) {
	s := nothingServer(b)
	l := newLink(b.Context(), s)
	defer l.cancel()
	out := sink{answers: make(chan *pluginv1.PluginFrame, 1024)}
	go func() { _ = l.write(out) }()
	b.ReportAllocs()
	go func() {
		for i := range b.N {
			l.frame(&pluginv1.HostFrame{Seq: uint64(i + 1), Instance: "a",
				Conversation: []byte{byte(i), byte(i >> 8), 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5}, DeadlineMs: 30_000,
				Body: &pluginv1.HostFrame_Call{Call: &pluginv1.Call{Op: pluginv1.Op_SEND, Message: &pluginv1.Message{Id: "m"}}}})
		}
	}()
	for range b.N {
		<-out.answers
	}
}
