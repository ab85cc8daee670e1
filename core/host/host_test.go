package host_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// fakeCore records what plugins ask.
type fakeCore struct {
	mu     sync.Mutex
	events []string // "instance customer text"
	ups    []string // "+instance", "-instance"
	accept func(instance string, e []*pluginv1.Event) error
	file   []byte // that plugins put
}

func (c *fakeCore) Accept(_ context.Context, instance string, events []*pluginv1.Event) error {
	if c.accept != nil {
		if err := c.accept(instance, events); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range events {
		c.events = append(c.events, instance+" "+e.Customer.GetAddress()+" "+e.Text)
	}
	return nil
}

func (c *fakeCore) State(context.Context, string, string) ([]byte, error) {
	return []byte("stored"), nil
}
func (c *fakeCore) SetState(context.Context, string, string, []byte, []byte) error {
	return nil
}
func (c *fakeCore) SaveSecret(context.Context, string, string, []byte) error { return nil }
func (c *fakeCore) Undelivered(context.Context, string, string, string, int) ([]*pluginv1.Message, error) {
	return nil, nil
}
func (c *fakeCore) FetchMedia(ctx context.Context, instance string, f *pluginv1.MediaFetch) (*pluginv1.Attachment, error) {
	switch f.Url {
	case "slow":
		<-ctx.Done()
		return nil, ctx.Err()
	case "refused":
		return nil, &core.Error{Code: core.Invalid, Reason: "media_type", Message: "no such files"}
	case "later":
		return nil, core.Errorf(core.Unavailable, "try again")
	}
	return &pluginv1.Attachment{MediaId: instance, Name: f.Headers[0].Name + "=" + f.Headers[0].Value}, nil
}
func (c *fakeCore) PutMedia(_ context.Context, _ string, p *pluginv1.MediaPut) (string, *pluginv1.Attachment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file = append(c.file, p.Data...)
	if !p.Last {
		return "u1", nil, nil
	}
	return "", &pluginv1.Attachment{MediaId: p.Upload, Bytes: uint64(len(c.file))}, nil
}
func (c *fakeCore) GetMedia(_ context.Context, _ string, g *pluginv1.MediaGet) ([]byte, *pluginv1.Attachment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := min(g.Offset, uint64(len(c.file)))
	return c.file[from:min(from+uint64(g.Limit), uint64(len(c.file)))], &pluginv1.Attachment{Bytes: uint64(len(c.file))}, nil
}
func (c *fakeCore) Typing(string, *pluginv1.Typing) {}
func (c *fakeCore) InstanceUp(i string)             { c.note("+" + i) }
func (c *fakeCore) InstanceChanged(i string)        { c.note("*" + i) }
func (c *fakeCore) InstanceDown(i string)           { c.note("-" + i) }

func (c *fakeCore) note(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ups = append(c.ups, s)
}

func (c *fakeCore) seen() (events, ups []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.events...), append([]string(nil), c.ups...)
}

// logBuffer is a log that tests can read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	on func(line string) // see each
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on != nil {
		l.on(string(p))
	}
	return l.b.Write(p)
}

// each has f called for each line from now on.
func (l *logBuffer) each(f func(line string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = f
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// line returns the first log line with all of the texts in it.
func (l *logBuffer) line(texts ...string) string {
	for line := range strings.Lines(l.String()) {
		all := true
		for _, t := range texts {
			all = all && strings.Contains(line, t)
		}
		if all {
			return line
		}
	}
	return ""
}

// patient are the waits of a host whose machine is busy. Only tests that are
// about one of them shorten it.
var patient = host.Timing{Start: time.Minute, Describe: time.Minute, Boot: time.Minute, Hook: time.Minute,
	Gather: time.Minute}

// bench is a running host with its surroundings.
type bench struct {
	t    testing.TB
	h    *host.Host
	core *fakeCore
	log  *logBuffer
	dir  string // of plugins
	data string
	sock string
	reg  *prometheus.Registry
	stop func() time.Duration // stops the host and says how long that took
}

// start runs a host on the plugins named, and instances called "i-<mode>" of
// the drivers given.
func start(t testing.TB, timing host.Timing, plugins []string, drivers ...string) *bench {
	t.Helper()
	return startDir(t, t.TempDir(), timing, plugins, drivers...)
}

// startDir is start with a plugin folder.
func startDir(t testing.TB, dir string, timing host.Timing, plugins []string, drivers ...string) *bench {
	t.Helper()
	return startIn(t, dir, t.TempDir(), timing, plugins, drivers...)
}

// startIn is startDir with a data folder.
func startIn(t testing.TB, dir, data string, timing host.Timing, plugins []string, drivers ...string) *bench {
	t.Helper()
	return startWith(t, dir, data, timing, host.Config{}, plugins, drivers...)
}

// startWith is startIn with more of the configuration.
func startWith(t testing.TB, dir, data string, timing host.Timing, cfg host.Config, plugins []string, drivers ...string) *bench {
	t.Helper()
	b := &bench{t: t, core: &fakeCore{}, log: &logBuffer{}, dir: dir, data: data,
		reg: prometheus.NewRegistry()}
	sock, err := os.MkdirTemp("", "gwt") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	b.sock = sock
	t.Cleanup(func() { os.RemoveAll(sock) })
	for _, name := range plugins {
		b.drop(name)
	}
	cfg.Dirs, cfg.DataDir, cfg.SocketDir = []string{b.dir, filepath.Join(b.dir, "none")}, b.data, sock
	cfg.HostVersion, cfg.Metrics, cfg.Core = "test", b.reg, b.core
	cfg.Log = slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.h = host.New(cfg)
	b.h.SetTiming(patient)
	b.h.SetTiming(timing)
	var want []host.Instance
	for _, d := range drivers {
		want = append(want, host.Instance{Name: "i-" + d, Driver: d, Revision: 1})
	}
	b.h.SetInstances(want)
	if err := b.h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.h.Run(ctx) }()
	b.stop = sync.OnceValue(func() time.Duration {
		begin := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		return time.Since(begin)
	})
	t.Cleanup(func() {
		b.stop()
		if t.Failed() {
			t.Logf("log:\n%.20000s", b.log)
		}
	})
	return b
}

// metric returns the value of a counter or gauge of a plugin.
func (b *bench) metric(name, plugin string) float64 {
	b.t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name && m.Label[len(m.Label)-1].GetValue() == plugin {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// drop puts a plugin into the plugin folder, all of it at once.
func (b *bench) drop(name string) {
	b.t.Helper()
	dropPlugin(b.t, b.dir, name, name, b.data)
}

// dropPlugin makes a plugin file that runs this test binary as one.
func dropPlugin(t testing.TB, dir, file, name, data string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, ".new")
	text := fmt.Sprintf("#!/bin/sh\nexec '%s' '%s' '%s'\n", self, name, data)
	if err := os.WriteFile(tmp, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, file)); err != nil {
		t.Fatal(err)
	}
}

// allow lets a plugin do what it waits for.
func (b *bench) allow() {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.data, "allowed"), nil, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// call sends text and waits for the answer.
func (b *bench) call(instance, text string) (*pluginv1.Result, core.Fate) {
	b.t.Helper()
	return b.callFor(instance, text, time.Minute)
}

func (b *bench) callFor(instance, text string, timeout time.Duration) (*pluginv1.Result, core.Fate) {
	b.t.Helper()
	type answer struct {
		r *pluginv1.Result
		f core.Fate
	}
	got := make(chan answer, 2)
	b.h.Call(instance, core.NewConversationID(instance, "c1"), message(text), timeout,
		func(r *pluginv1.Result, f core.Fate) { got <- answer{r, f} })
	select {
	case a := <-got:
		return a.r, a.f
	case <-time.After(timeout + time.Minute):
		b.t.Fatalf("call %q was never answered", text)
		return nil, 0
	}
}

func message(text string) *pluginv1.Call {
	return &pluginv1.Call{Op: pluginv1.Op_SEND, Message: &pluginv1.Message{Id: "m1", Text: text}}
}

// plugin returns the report of the plugin file called name.
func (b *bench) plugin(name string) host.Plugin {
	b.t.Helper()
	for _, p := range b.h.Plugins() {
		if filepath.Base(p.Path) == name {
			return p
		}
	}
	b.t.Fatalf("no plugin %s in %v", name, b.h.Plugins())
	return host.Plugin{}
}

// eventually waits at a process boundary until ok is true.
func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	b.t.Fatalf("still not: %s", what)
}

func TestCallAndWebhook(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	r, fate := b.call("i-echo", "hello")
	if fate != core.Answered || r.GetOutcome() != pluginv1.Outcome_OK || r.GetMessageId() != "m1" {
		t.Errorf("call = %v, %v, want OK for m1", r, fate)
	}
	if _, fate := b.call("nobody", "hello"); fate != core.NoPlugin {
		t.Errorf("call of no instance = %v, want NoPlugin", fate)
	}
	a, err := b.h.Webhook(t.Context(), "i-echo", &pluginv1.WebhookRequest{Method: "POST", Body: []byte("hi")})
	if err != nil || a.Status != 200 || len(a.Events) != 0 {
		t.Errorf("webhook = %v, %v, want 200 without events", a, err)
	}
	if events, _ := b.core.seen(); len(events) != 1 || events[0] != "i-echo c1 hi" {
		t.Errorf("accepted %q, want the webhook's event", events)
	}
	if _, err := b.h.Webhook(t.Context(), "nobody", &pluginv1.WebhookRequest{}); core.CodeOf(err) != core.NotFound {
		t.Errorf("webhook of no instance = %v, want not_found", err)
	}
	polled := make(chan *pluginv1.PollAnswer, 1)
	b.h.Poll("i-echo", core.ConversationID{1}, &pluginv1.Poll{}, time.Minute,
		func(a *pluginv1.PollAnswer, _ core.Fate) { polled <- a })
	if a := <-polled; string(a.GetCursor()) != "next" {
		t.Errorf("poll = %v, want the cursor next", a)
	}
}

func TestOversizedFrames(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	r, fate := b.call("i-echo", strings.Repeat("x", 3<<20))
	if fate != core.Answered || r.GetOutcome() != pluginv1.Outcome_REJECTED || r.GetCode() != "too_large" {
		t.Errorf("call of 3 MiB = %v, %v, want rejected too_large", r, fate)
	}
	_, err := b.h.Webhook(t.Context(), "i-echo", &pluginv1.WebhookRequest{Body: make([]byte, 3<<20)})
	if core.CodeOf(err) != core.TooLarge {
		t.Errorf("webhook of 3 MiB = %v, want too_large", err)
	}
}

func TestDeadline(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	r, fate := b.callFor("i-echo", "silent", 50*time.Millisecond)
	if fate != core.Lost || r != nil {
		t.Errorf("unanswered call = %v, %v, want Lost", r, fate)
	}
	b.eventually("plugin is told", func() bool { return b.log.line("cancel ") != "" })
}

func TestInboundKeepsOrder(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	const n = 2000 // far more than the credits: the test plugin ignores them, so some are refused
	for _, customer := range []string{"a", "b"} {
		if _, fate := b.call("i-echo", fmt.Sprintf("emit %s %d", customer, 100)); fate != core.Answered {
			t.Fatalf("emit = %v", fate)
		}
	}
	b.eventually("all accepted", func() bool { e, _ := b.core.seen(); return len(e) == 200 })
	next := map[string]int{}
	events, _ := b.core.seen()
	for _, e := range events {
		customer, text, _ := strings.Cut(strings.TrimPrefix(e, "i-echo "), " ")
		if text != fmt.Sprint(next[customer]) {
			t.Fatalf("customer %s: got %s, want %d", customer, text, next[customer])
		}
		next[customer]++
	}
	b.eventually("all acknowledged", func() bool { return strings.Count(b.log.String(), " true") >= 200 })

	release := make(chan struct{})
	b.core.accept = func(string, []*pluginv1.Event) error { <-release; return nil }
	b.call("i-echo", fmt.Sprintf("emit c %d", n))
	b.eventually("too many are refused", func() bool {
		return b.log.line("false more events than credits") != ""
	})
	close(release)
}

func TestRefusedInboundStopsItsConversation(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	release := make(chan struct{})
	b.core.accept = func(_ string, e []*pluginv1.Event) error {
		<-release
		if e[0].Text == "0" {
			return core.Errorf(core.Unavailable, "disk full")
		}
		return nil
	}
	b.call("i-echo", "emit a 5") // its answer comes behind the five frames
	close(release)
	b.eventually("five refusals", func() bool { return strings.Count(b.log.String(), "false disk full") == 5 })
	if events, _ := b.core.seen(); len(events) != 0 {
		t.Errorf("accepted %q behind a refused one", events)
	}
}

func TestHostCalls(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo", "other"}, "echo", "other")
	b.call("i-echo", "state i-echo")
	b.eventually("own state", func() bool { return b.log.line("reply true false", "stored") != "" })
	b.call("i-echo", "state i-other")
	b.eventually("state of another plugin's instance is refused", func() bool {
		return b.log.line("reply false false instance is not this plugin's") != ""
	})
}

func TestSocket(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	b.talk("i-echo", "ABC", func() {})
}

// talk sends abc over a socket, and wants the answer. meanwhile is called when
// the socket has been asked for.
func (b *bench) talk(instance, want string, meanwhile func()) {
	b.t.Helper()
	client, gateway := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- b.h.Socket(b.t.Context(), instance, &pluginv1.WebhookRequest{}, "mqtt", gateway) }()
	meanwhile()
	if _, err := client.Write([]byte("abc")); err != nil {
		b.t.Errorf("write: %v", err)
	}
	got := make([]byte, 3)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
		b.t.Errorf("read %q, %v, want %s", got, err, want)
	}
	client.Close()
	if err := <-done; err != nil {
		b.t.Errorf("Socket = %v, want nil after the client left", err)
	}
}

// TestSocketWaitsUntilTheInstanceReceives opens a WebSocket before the plugin
// has been told to let the outside in, which takes it more than one call.
func TestSocketWaitsUntilTheInstanceReceives(t *testing.T) {
	b := start(t, host.Timing{}, []string{"deaf"}, "deaf")
	b.eventually("refusal", func() bool { return b.log.line("instance does not receive", "not yet") != "" })
	if _, fate := b.call("i-deaf", "hello"); fate != core.Answered {
		t.Errorf("call = %v, want callers to be let in before the outside", fate)
	}
	b.talk("i-deaf", "ABC", b.allow)
}

func TestInstances(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo", "picky"}, "echo", "picky", "nodriver")
	b.h.SetInstances([]host.Instance{
		{Name: "i-echo", Driver: "echo", Revision: 2, Settings: []byte(`{"size":"big","token":"x"}`),
			Secrets: map[string][]byte{"token": []byte("short")}},
		{Name: "i-picky", Driver: "picky", Revision: 1},
		{Name: "i-nodriver", Driver: "nodriver", Revision: 1},
	})
	state := func(name string) host.InstanceStatus {
		for _, i := range b.h.Instances() {
			if i.Name == name {
				return i
			}
		}
		return host.InstanceStatus{}
	}
	b.eventually("wrong settings are refused", func() bool { return state("i-echo").State == host.Refused })
	got := fmt.Sprint(state("i-echo").Problems)
	want := "[size: got string, want integer token: this secret does not match the driver's schema]"
	if got != want {
		t.Errorf("problems = %s\nwant %s", got, want)
	}
	b.eventually("the log names instance and settings", func() bool {
		return b.log.line("settings of an instance are wrong", "instance=i-echo", "size: got string, want integer; token: this") != ""
	})
	if strings.Contains(b.log.String(), "short") {
		t.Error("the secret is in the log")
	}
	if _, fate := b.call("i-echo", "hello"); fate != core.Answered {
		t.Errorf("call = %v, want the last good settings to go on", fate)
	}
	if s := state("i-picky"); s.State != host.Refused || len(s.Problems) != 1 {
		t.Errorf("picky = %+v, want the driver's problem", s)
	}
	if s := state("i-nodriver"); s.State != host.Waiting || !strings.Contains(s.Message, `"nodriver"`) {
		t.Errorf("nodriver = %+v, want waiting for the driver", s)
	}
	b.h.SetInstances(nil)
	b.eventually("removed", func() bool { _, ups := b.core.seen(); return len(ups) == 2 })
	if _, ups := b.core.seen(); fmt.Sprint(ups) != "[+i-echo -i-echo]" {
		t.Errorf("up and down = %v", ups)
	}
	if _, fate := b.call("i-echo", "hello"); fate != core.NoPlugin {
		t.Errorf("call = %v, want NoPlugin", fate)
	}
}

// TestRefusedByTheDriver: settings that the driver of an open instance refuses
// leave it as it was, and the problem is shown until they change.
func TestRefusedByTheDriver(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	status := func() host.InstanceStatus { return b.h.Instances()[0] }
	b.eventually("open", func() bool { return status().State == host.Opened })
	set := func(revision uint64, settings string) {
		b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: revision, Settings: []byte(settings)}})
	}
	set(2, `{"size":666}`)
	b.eventually("refused", func() bool { return status().State == host.Refused })
	s := status()
	if got := host.ProblemText(s.Problems); got != "size: not this one" {
		t.Errorf("problems %q, want the driver's", got)
	}
	if want := "the settings before stay in force until the plugin restarts: refused"; s.Message != want {
		t.Errorf("message %q, want %q", s.Message, want)
	}
	if _, fate := b.call("i-echo", "hello"); fate != core.Answered {
		t.Errorf("call = %v, want the last good settings to go on", fate)
	}
	set(1, "")
	b.eventually("back to what it was", func() bool { return status().State == host.Opened && status().Message == "" })
	set(2, `{"size":666}`)
	b.eventually("refused once more", func() bool { return status().State == host.Refused })
	set(3, `{"size":7}`)
	b.eventually("open again", func() bool { return status().State == host.Opened })
	if _, ups := b.core.seen(); fmt.Sprint(ups) != "[+i-echo]" {
		t.Errorf("up and down = %v, want it up all the time", ups)
	}
}

func TestVersionsAndClashes(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo_1.2.0", "echo_1.10.0", "clash_1.0.0_zzz.clash", ".hidden", "echo_2.0.0.tmp"}, "echo")
	if p := b.plugin("echo_1.10.0"); p.State != host.Running || p.ID != "test.echo" {
		t.Errorf("higher version = %+v, want running", p)
	}
	if p := b.plugin("echo_1.2.0"); p.State != host.Standby || p.PID != 0 {
		t.Errorf("lower version = %+v, want standby", p)
	}
	p := b.plugin("clash_1.0.0_zzz.clash")
	if len(p.Clashes) != 1 || p.Clashes[0] != "echo" || len(p.Drivers) != 0 {
		t.Errorf("clashing plugin = %+v, want driver echo refused", p)
	}
	b.eventually("a log line names both plugins", func() bool { // it comes after the report
		return b.log.line("offered by two plugins", "driver=echo", "kept_by=test.echo") != ""
	})
	if n := len(b.h.Plugins()); n != 3 {
		t.Errorf("%d plugins, want 3: %v", n, b.h.Plugins())
	}
	all, err := host.LoadManifests(b.data)
	if err != nil || len(all) != 2 || all[0].PluginId != "test.echo" || all[0].Version != "1.10.0" {
		t.Errorf("cached manifests = %v, %v, want those of the two active plugins", all, err)
	}
}

// TestStateIsSaidLast: who waits for the state of a plugin or an instance finds
// all that is said of it.
func TestStateIsSaidLast(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	states := make(chan string, 3)
	b.log.each(func(line string) {
		for text, id := range map[string]string{"offered by two plugins": "zzz.clash", "has been replaced": "test.echo"} {
			if strings.Contains(line, text) {
				states <- id + " " + b.running(id).State
			}
		}
		if strings.Contains(line, "settings of an instance are wrong") {
			states <- "i-echo " + b.h.Instances()[0].State
		}
	})
	b.drop("clash_1.0.0_zzz.clash")
	b.awaitVersion("zzz.clash", "1.0.0")
	b.replace("echo", "echo_2.0.0")
	b.awaitVersion("test.echo", "2.0.0")
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 2, Settings: []byte(`{"size":"big"}`)}})
	b.eventually("refused", func() bool { return b.h.Instances()[0].State == host.Refused })
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 3}})
	for _, want := range []string{"zzz.clash starting", "test.echo swapping", "i-echo open"} {
		if got := <-states; got != want {
			t.Errorf("when it is logged the state is %s, want %s", got, want)
		}
	}
	if p := b.running("test.echo"); len(p.Swaps) != 1 || p.Restarts != 0 {
		t.Errorf("plugin = %+v, want one swap and no restart", p)
	}
	b.crash()
	b.eventually("one restart", func() bool {
		p := b.running("test.echo")
		return p.State == host.Running && p.Restarts == 1
	})
}
