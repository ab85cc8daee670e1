package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// sdkPlugin is a plugin made with the SDK.
func sdkPlugin(p *testPlugin) {
	os.Args = append(os.Args[:1:1], os.Args[2:]...)
	sdk.Main(sdk.Plugin{ID: "test.sdk", Version: p.version, Exclusive: p.mode == "xsdk", Drivers: []sdk.Driver{
		sdk.NewChannel("sdk", sdk.Capabilities{ChannelType: "sms"}, func(ctx context.Context, s sdkSettings, h sdk.Host) (*sdkChannel, error) {
			return openSDK(ctx, p.version, s, h)
		}),
	}})
}

type sdkSettings struct {
	Token string `json:"token" jsonschema:"required,minLength=4" jsonschema_extras:"x-secret=true"`
	Limit int    `json:"limit,omitempty"` // of a text; 0: the driver's
}

// Capabilities implements sdk.Capable.
func (s sdkSettings) Capabilities(of sdk.Capabilities) sdk.Capabilities {
	if s.Limit > 0 {
		of.Text.Limit = s.Limit
	}
	return of
}

type sdkChannel struct {
	version string
	host    sdk.Host
	sends   chan string
	port    net.Listener // what only one process can have; nil: it needs none
}

func openSDK(ctx context.Context, version string, s sdkSettings, h sdk.Host) (*sdkChannel, error) {
	v, err := h.State(ctx, "k") // the host serves calls while it opens
	if err != nil {
		return nil, err
	}
	h.Log().Info("opened", "state", string(v), "secret_length", len(s.Token))
	return &sdkChannel{version: version, host: h, sends: make(chan string)}, nil
}

func (c *sdkChannel) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	if verb, text, _ := strings.Cut(m.Text, " "); verb == "emit" {
		select {
		case c.sends <- text:
		case <-ctx.Done():
		}
	} else if verb == "files" {
		c.files(ctx)
	}
	return sdk.Receipt{MessageID: "sdk-" + m.ID}, nil
}

// files keeps and reads a file, has others fetched, and tells how that went.
func (c *sdkChannel) files(ctx context.Context) {
	var slow sync.WaitGroup
	defer slow.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range 60 { // of the 64 that may be under way
		slow.Go(func() { _, _ = c.host.FetchMedia(ctx, "slow", http.Header{"A": {"b"}}) })
	}
	text := strings.Repeat("0123456789", 60_000)
	kept, err := c.host.SaveMedia(ctx, "a.txt", "text/plain", strings.NewReader(text))
	c.host.Log().Info("saved", "id", kept.MediaID, "bytes", kept.Bytes, "err", fmt.Sprint(err))
	body, known, err := c.host.OpenMedia(ctx, sdk.Attachment{MediaID: "u1"})
	if err == nil {
		var got []byte
		got, err = io.ReadAll(body)
		c.host.Log().Info("opened file", "bytes", known.Bytes, "same", string(got) == text, "err", fmt.Sprint(err))
	}
	for _, url := range []string{"https://x", "refused", "later"} {
		got, err := c.host.FetchMedia(ctx, url, http.Header{"Authorization": {"Bearer x"}})
		_, refused := errors.AsType[*sdk.RejectedError](err)
		c.host.Log().Info("fetched", "url", url, "id", got.MediaID, "name", got.Name, "refused", refused, "err", fmt.Sprint(err))
	}
}

func (c *sdkChannel) Webhook(_ context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	e := sdk.Event{Type: sdk.CustomerMessage, ID: "1", Text: string(r.Body), Customer: sdk.Customer{Address: "c1"}}
	return sdk.WebhookResponse{Status: 202, Events: []sdk.Event{e}}, nil
}

// Bind takes the port if the test has made a folder for it. If it has made one
// of that name and the version, too, another program has the port.
func (c *sdkChannel) Bind(context.Context) (err error) {
	port := filepath.Join(os.Args[1], "port")
	if _, err := os.Stat(port); err != nil {
		return nil
	}
	if _, err := os.Stat(port + c.version); err == nil {
		return errors.New("the port is taken")
	}
	c.port, err = net.Listen("unix", filepath.Join(port, "s"))
	return err
}

func (c *sdkChannel) Listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	if c.port != nil {
		defer c.port.Close()
	}
	c.diary("begin")
	defer c.diary("end")
	for n := 0; ; n++ {
		select {
		case text := <-c.sends:
			e := sdk.Event{Type: sdk.CustomerMessage, ID: fmt.Sprint("l", n), Text: text}
			if text != "nobody" {
				e.Customer.Address = "c2"
			}
			c.host.Log().Info("emitted", "text", text, "err", fmt.Sprint(emit(ctx, e)))
		case <-ctx.Done():
			return nil
		}
	}
}

// diary notes when which process listens.
func (c *sdkChannel) diary(what string) {
	f, err := os.OpenFile(filepath.Join(os.Args[1], "diary"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintln(f, what, os.Getpid())
}

func (c *sdkChannel) Subprotocols() []string { return []string{"mqtt"} }

func (c *sdkChannel) ServeSocket(_ context.Context, _ *sdk.WebhookRequest, conn net.Conn) error {
	defer conn.Close()
	_, err := io.Copy(conn, conn)
	return err
}

func startSDK(t testing.TB) *bench {
	t.Helper()
	b := start(t, host.Timing{Healthy: time.Nanosecond, Served: time.Nanosecond, Stop: time.Hour}, []string{"sdk"})
	b.h.SetInstances([]host.Instance{{Name: "i-sdk", Driver: "sdk", Revision: 1,
		Secrets: map[string][]byte{"token": []byte("hunter2")}}})
	b.eventually("instance is open", func() bool { return b.h.Instances()[0].State == host.Opened })
	return b
}

// TestSDKPlugin shows that both halves of the protocol fit.
func TestSDKPlugin(t *testing.T) {
	b := startSDK(t)
	b.eventually("log of the driver", func() bool {
		return b.log.line("msg=opened", "plugin=test.sdk", "instance=i-sdk", "state=stored", "secret_length=7") != ""
	})
	r, fate := b.call("i-sdk", "hello")
	if fate != core.Answered || r.GetOutcome() != pluginv1.Outcome_OK || r.GetMessageId() != "sdk-m1" {
		t.Errorf("call = %v, %v, want OK with the driver's id", r, fate)
	}
	a, err := b.h.Webhook(t.Context(), "i-sdk", &pluginv1.WebhookRequest{Method: "POST", Body: []byte("hi")})
	if err != nil || a.Status != 202 {
		t.Errorf("webhook = %v, %v, want 202", a, err)
	}
	b.call("i-sdk", "emit from the listener")
	b.eventually("durable emit returns", func() bool { return b.log.line("emitted", "listener", "err=<nil>") != "" })
	if events, _ := b.core.seen(); !slices.Equal(events, []string{"i-sdk c1 hi", "i-sdk c2 from the listener"}) {
		t.Errorf("events = %q", events)
	}
	b.call("i-sdk", "emit nobody")
	b.eventually("an event of nobody is refused for good", func() bool {
		return b.log.line("emitted", "text=nobody", "names neither a customer nor a ref") != ""
	})

	kill9(t, b.plugin("sdk").PID)
	b.eventually("restart", func() bool { return b.plugin("sdk").Restarts == 1 })
	if _, err := b.h.Webhook(t.Context(), "i-sdk", &pluginv1.WebhookRequest{Method: "POST"}); err != nil {
		t.Errorf("webhook after the crash = %v", err)
	}
	if took := b.stop(); took > time.Minute {
		t.Errorf("stop took %s", took)
	}
	if line := b.log.line("did not drain"); line != "" {
		t.Error(line)
	}
}

// TestSDKFiles: a file goes both ways in parts, refusals are told from what may
// pass, and slow fetches do not keep other calls waiting.
func TestSDKFiles(t *testing.T) {
	b := startSDK(t)
	b.call("i-sdk", "files")
	for _, line := range [][]string{
		{"msg=saved", "id=u1", "bytes=600000", "err=<nil>"},
		{"msg=\"opened file\"", "bytes=600000", "same=true", "err=<nil>"},
		{"msg=fetched", "url=https://x", "id=i-sdk", "name=\"Authorization=Bearer x\"", "err=<nil>"},
		{"msg=fetched", "url=refused", "refused=true", "refused: media_type no such files"},
		{"msg=fetched", "url=later", "refused=false", "try again"},
	} {
		b.eventually(strings.Join(line, " "), func() bool { return b.log.line(line...) != "" })
	}
}

// What an instance can do with its settings is known from when it is open, also
// while its plugin restarts; another setting is told while it stays up.
func TestOwnCapabilities(t *testing.T) {
	b := start(t, host.Timing{Healthy: time.Nanosecond, Served: time.Nanosecond, Stop: time.Hour}, []string{"sdk"})
	limited := func(revision uint64, settings string) {
		b.h.SetInstances([]host.Instance{{Name: "i-sdk", Driver: "sdk", Revision: revision, Settings: []byte(settings),
			Secrets: map[string][]byte{"token": []byte("hunter2")}}})
	}
	is := func(limit uint32) func() bool {
		return func() bool {
			own := b.h.Own()["i-sdk"]
			return own.GetName() == "sdk" && own.GetCapabilities().GetToOutside().GetLimit() == limit &&
				own.GetCapabilities().GetChannelType() == "sms"
		}
	}
	limited(1, `{"limit":70}`)
	b.eventually("the limit of the settings", is(70))
	b.eventually("instance is open", func() bool { return b.h.Instances()[0].State == host.Opened })
	kill9(t, b.plugin("sdk").PID)
	b.eventually("instance is down", func() bool { _, ups := b.core.seen(); return slices.Contains(ups, "-i-sdk") })
	if !is(70)() {
		t.Errorf("while the plugin restarts: %v", b.h.Own())
	}
	b.eventually("instance is open again", func() bool { return b.h.Instances()[0].State == host.Opened })
	limited(2, `{"limit":300}`)
	b.eventually("the new limit", is(300))
	b.eventually("it is told", func() bool {
		_, ups := b.core.seen()
		return slices.Equal(ups, []string{"+i-sdk", "-i-sdk", "+i-sdk", "*i-sdk"})
	})
	b.stop()
}

// Over a restart of the gateway as well, until the instance is open again and has
// the say; with other settings it may be able to do other things, which nobody
// knows before.
func TestOwnCapabilitiesAfterARestart(t *testing.T) {
	first := start(t, host.Timing{}, []string{"sdk"})
	spec := host.Instance{Name: "i-sdk", Driver: "sdk", Revision: 1, Settings: []byte(`{"limit":70}`),
		Secrets: map[string][]byte{"token": []byte("hunter2")}}
	first.h.SetInstances([]host.Instance{spec})
	first.eventually("instance is open", func() bool { return first.h.Instances()[0].State == host.Opened })
	first.stop()

	renewed, other, foreign := spec, spec, spec
	renewed.Revision, renewed.Secrets = 2, map[string][]byte{"token": []byte("hunter3")}
	other.Revision, other.Settings = 3, []byte(`{"limit":71}`)
	foreign.Revision, foreign.Driver = 4, "echo"
	for what, tt := range map[string]struct {
		spec host.Instance
		want uint32
	}{
		"the same": {spec, 70}, "with a new secret": {renewed, 70}, "with other settings": {other, 0}, "of another driver": {foreign, 0},
	} {
		h := host.New(host.Config{Dirs: []string{t.TempDir()}, DataDir: first.data, HostVersion: "test", Core: first.core,
			Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
		h.SetTiming(host.Timing{})
		h.SetInstances([]host.Instance{tt.spec})
		if err := h.Open(t.Context()); err != nil { // its plugin is not there
			t.Fatal(err)
		}
		if got := h.Own()["i-sdk"].GetCapabilities().GetToOutside().GetLimit(); got != tt.want {
			t.Errorf("%s: limit %d, want %d", what, got, tt.want)
		}
		own, err := host.LoadOwn(first.data, []host.Instance{tt.spec})
		if got := own["i-sdk"].GetCapabilities().GetToOutside().GetLimit(); got != tt.want || err != nil {
			t.Errorf("%s: limit %d while the gateway is stopped (%v), want %d", what, got, err, tt.want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
	}

	if err := os.WriteFile(filepath.Join(first.data, "capabilities.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := host.LoadOwn(first.data, []host.Instance{spec}); err == nil {
		t.Error("a file that cannot be read is no error")
	}
}

func TestSDKSocket(t *testing.T) {
	b := startSDK(t)
	if got := b.h.SocketProtocols("i-sdk"); !slices.Equal(got, []string{"mqtt"}) {
		t.Errorf("SocketProtocols = %q, want mqtt", got)
	}
	client, gateway := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- b.h.Socket(context.Background(), "i-sdk", &pluginv1.WebhookRequest{}, "mqtt", gateway) }()
	text := strings.Repeat("0123456789", 10_000)
	go io.WriteString(client, text)
	got := make([]byte, len(text))
	if _, err := io.ReadFull(client, got); err != nil || string(got) != text {
		t.Errorf("echo of %d bytes: %v, equal %v", len(text), err, string(got) == text)
	}
	client.Close()
	if err := <-done; err != nil {
		t.Errorf("Socket = %v, want nil", err)
	}
}
