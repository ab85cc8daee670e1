package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/openccsp/gateway/sdk/internal/env"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// diary notes what happens to the instances of a driver.
type diary struct {
	mu      sync.Mutex
	entries []string
	fails   error
}

func (d *diary) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, s)
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.entries, want) {
		t.Errorf("entries %v, want %v", d.entries, want)
	}
}

type noted struct {
	nothing
	name string
	d    *diary
}

func (n *noted) CloseInstance(context.Context) error {
	n.d.note("close " + n.name)
	return nil
}

type notedSettings struct {
	Name string `json:"name"`
}

func (d *diary) server(t *testing.T, exclusive bool) *server {
	s := newServer(Plugin{ID: "org.example.noted", Version: "1.0.0", Exclusive: exclusive, Drivers: []Driver{
		NewChannel("noted", Capabilities{}, func(_ context.Context, set notedSettings, _ Host) (*noted, error) {
			if d.fails != nil && set.Name != "one" {
				return nil, d.fails
			}
			d.note("open " + set.Name)
			return &noted{name: set.Name, d: d}, nil
		}),
	}}, env.Env{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	t.Cleanup(s.closeSoon)
	return s
}

func openNoted(t *testing.T, s *server, revision uint64, name string) *pluginv1.InstanceState {
	t.Helper()
	st, err := s.OpenInstance(t.Context(), &pluginv1.InstanceSpec{
		Instance: "a", Driver: "noted", Revision: revision, Settings: []byte(`{"name":"` + name + `"}`)})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestReplaceOpensFirst(t *testing.T) {
	d := new(diary)
	s := d.server(t, false)
	openNoted(t, s, 1, "one")
	openNoted(t, s, 1, "one")
	openNoted(t, s, 2, "two")
	if err := s.background.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.want(t, "open one", "open two", "close one")
}

func TestReplaceExclusiveClosesFirst(t *testing.T) {
	d := new(diary)
	s := d.server(t, true)
	openNoted(t, s, 1, "one")
	openNoted(t, s, 2, "two")
	d.want(t, "open one", "close one", "open two")
}

// TestReplaceExclusiveFails: settings that cannot be opened leave the old ones in
// force, also where the instance had to be closed first.
func TestReplaceExclusiveFails(t *testing.T) {
	d := &diary{fails: errors.New("no such account")}
	s := d.server(t, true)
	openNoted(t, s, 1, "one")
	if st := openNoted(t, s, 2, "two"); st.Ok || st.Message != "no such account" {
		t.Errorf("%v, want the driver's problem", st)
	}
	in := s.pin("a")
	if in == nil || in.spec.Revision != 1 {
		t.Fatalf("instance %v, want the first revision", in)
	}
	in.pins.drop()
	d.want(t, "open one", "close one", "open one")
}

// TestAwait: nobody waits for an instance that is not being changed, or for one that
// takes too long.
func TestAwait(t *testing.T) {
	s := new(diary).server(t, true)
	if s.await(t.Context(), "a") != nil {
		t.Error("an instance that never was")
	}
	openNoted(t, s, 1, "one")
	if in := s.await(t.Context(), "a"); in == nil {
		t.Error("no open instance")
	} else {
		in.pins.drop()
	}
	sl := s.slot("a", false)
	if err := sl.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.await(t.Context(), "a") != nil {
		t.Error("a closed instance")
	}
	if err := sl.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer sl.unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if s.await(ctx, "a") != nil {
		t.Error("an instance that is being changed for longer than the call has")
	}
}

// TestReplaceFails: settings that cannot be opened leave the old instance.
func TestReplaceFails(t *testing.T) {
	d := new(diary)
	s := d.server(t, false)
	openNoted(t, s, 1, "one")
	for _, test := range []struct {
		err   error
		retry bool
	}{
		{ErrAuthConfig, false},
		{errors.New("no such account"), false},
		{Retry(errors.New("starting"), 0), true},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
	} {
		d.fails = test.err
		if st := openNoted(t, s, 2, "two"); st.Ok || st.Retry != test.retry || st.Message != test.err.Error() {
			t.Errorf("%v: %v, want retry %v", test.err, st, test.retry)
		}
	}
	in := s.pin("a")
	if in == nil || in.spec.Revision != 1 {
		t.Fatalf("instance %v, want the first revision", in)
	}
	in.pins.drop()
	d.want(t, "open one")
}

func TestReleaseAndActivate(t *testing.T) {
	d := new(diary)
	s := d.server(t, true)
	openNoted(t, s, 1, "one")
	if _, err := s.Drain(t.Context(), &pluginv1.DrainRequest{DeadlineMs: 60_000, ReleaseExclusive: true}); err != nil {
		t.Fatal(err)
	}
	d.want(t, "open one", "close one")
	if _, err := s.Activate(t.Context(), &pluginv1.ActivateRequest{Instances: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	d.want(t, "open one", "close one", "open one")
}

// TestCloseWaitsForCalls: the value is closed after its last call.
func TestCloseWaitsForCalls(t *testing.T) {
	d := new(diary)
	s := d.server(t, false)
	openNoted(t, s, 1, "one")
	in := s.pin("a")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.CloseInstance(ctx, &pluginv1.InstanceRef{Instance: "a"}); err == nil {
		t.Error("closed under a call")
	}
	d.want(t, "open one")
	in.pins.drop()
	if err := s.background.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.want(t, "open one", "close one")
	if _, err := s.CloseInstance(t.Context(), &pluginv1.InstanceRef{Instance: "a"}); err != nil {
		t.Errorf("closing what is not there: %v", err)
	}
}

// TestStreams: a half-closed stream still gets its answers, and a new stream
// ends the old one.
func TestStreams(t *testing.T) {
	lis := bufconn.Listen(1 << 16)
	s := nothingServer(t)
	g := grpc.NewServer(s.options()...)
	s.register(g)
	go g.Serve(lis)
	defer g.Stop()
	conn, err := grpc.NewClient("passthrough:x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil { // the standard codec: the bytes are the same
		t.Fatal(err)
	}
	defer conn.Close()
	client := pluginv1.NewLinkClient(conn)
	first, err := client.Exchange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, first)
	second, err := client.Exchange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, second)
	if _, err := first.Recv(); err == nil {
		t.Error("the first stream lives on beside the second")
	}
	if err := second.Send(oneCall(2)); err != nil {
		t.Fatal(err)
	}
	if err := second.CloseSend(); err != nil {
		t.Fatal(err)
	}
	b, err := second.Recv()
	if err != nil || b.Frames[0].ReplyTo != 2 {
		t.Errorf("after the half-close: %v, %v; want the answer", b, err)
	}
}

func oneCall(seq uint64) *pluginv1.HostBatch {
	return &pluginv1.HostBatch{Frames: []*pluginv1.HostFrame{{Seq: seq, Instance: "a",
		Body: &pluginv1.HostFrame_Call{Call: &pluginv1.Call{Op: pluginv1.Op_SEND}}}}}
}

func roundTrip(t *testing.T, stream pluginv1.Link_ExchangeClient) {
	t.Helper()
	if err := stream.Send(oneCall(1)); err != nil {
		t.Fatal(err)
	}
	b, err := stream.Recv()
	if err != nil || b.Frames[0].GetResult().GetOutcome() != pluginv1.Outcome_OK {
		t.Fatalf("%v, %v", b, err)
	}
}

// TestBusy: more calls than were promised are refused, definitely undone.
func TestBusy(t *testing.T) {
	s := nothingServer(t)
	l := newLink(t.Context(), s)
	defer l.cancel()
	for i := range maxInFlight {
		l.open[uint64(i+1)] = nil
	}
	l.frame(oneCall(maxInFlight + 1).Frames[0])
	r := (<-l.out).GetResult()
	if r.GetOutcome() != pluginv1.Outcome_RETRY || r.GetCode() != "busy" {
		t.Errorf("result %v, want RETRY busy", r)
	}
}

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out)
	log.Warn("first", "instance", "a", "err", errors.New("bad \xff"))
	log.Info("second", "text", strings.Repeat("x", 1<<20))
	log.Error("third", "bytes", slices.Repeat([]int{1}, 1<<16))
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		if len(line) > maxLogLine {
			t.Errorf("a line of %d bytes", len(line))
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v in %.100s", err, line)
		}
		lines = append(lines, m)
	}
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3", len(lines))
	}
	if _, err := time.Parse(time.RFC3339Nano, lines[0]["@timestamp"].(string)); err != nil {
		t.Error(err)
	}
	if lines[0]["@level"] != "warn" || lines[0]["@message"] != "first" || lines[0]["err"] != "bad \uFFFD" {
		t.Errorf("line %v", lines[0])
	}
	if lines[2]["@level"] != "error" || lines[2]["@message"] != "third" || lines[2]["cut_from_bytes"] == nil {
		t.Errorf("line %v", lines[2])
	}
}

type unsoundSettings struct{}

func (unsoundSettings) Capabilities(Capabilities) Capabilities { panic("no such provider") }

// Settings whose method panics refuse their instance, and leave the process alone.
func TestCapabilitiesPanic(t *testing.T) {
	s := newServer(Plugin{ID: "org.example.unsound", Version: "1.0.0", Drivers: []Driver{
		NewChannel("unsound", Capabilities{}, func(context.Context, unsoundSettings, Host) (*noted, error) { return &noted{}, nil }),
	}}, env.Env{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	t.Cleanup(s.closeSoon)
	st, err := s.OpenInstance(t.Context(), &pluginv1.InstanceSpec{Instance: "a", Driver: "unsound", Revision: 1, Settings: []byte(`{}`)})
	if err != nil || st.Ok || !strings.Contains(st.Message, "panicked") {
		t.Errorf("opened: %v, %v", st, err)
	}
}
