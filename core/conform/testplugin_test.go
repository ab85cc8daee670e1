package conform_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// asPlugin is the first argument that makes the test binary a plugin. The
// second is the case whose rule it breaks, the third its manifest's handover.
const asPlugin = "serve-a-test-plugin"

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == asPlugin {
		servePlugin(os.Args[2], os.Args[3])
	}
	os.Exit(m.Run())
}

// servePlugin is a plugin that speaks the protocol by hand and keeps all rules
// but one. It ends with syscall.Exit: os.Exit takes a second with -race.
func servePlugin(breaks, handover string) {
	p := &plugin{breaks: breaks, exclusive: handover == "exclusive", out: make(chan *pluginv1.PluginFrame, 64),
		tails: map[string]chan struct{}{}, asked: map[uint64]chan *pluginv1.Ack{}, calls: map[uint64]context.CancelFunc{}}
	p.settled = sync.NewCond(&p.mu)
	p.stderr, p.stdout = os.Stderr, os.Stdout // go-plugin bends them
	p.handshake()
	if !p.is("output/closed") {
		signal.Ignore(syscall.SIGPIPE)
	}
	go p.watch()
	size := 4 << 20
	if p.is("flow/large-frame") {
		size = 512 << 10
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{ProtocolVersion: pluginv1.ProtocolVersion,
			MagicCookieKey: pluginv1.MagicCookieKey, MagicCookieValue: pluginv1.MagicCookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{1: {"plugin": p}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.ForceServerCodecV2(pluginv1.Codec{}), grpc.MaxRecvMsgSize(size))...)
		},
	})
	if p.is("end/shutdown") {
		select {}
	}
	syscall.Exit(0)
}

// handshake breaks the rules of the first line.
func (p *plugin) handshake() {
	socket := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "s")
	line := ""
	switch {
	case p.is("handshake/line"):
		line = "starting up\n"
	case p.is("handshake/connect"):
		line = "1|1|unix|" + socket + "|grpc\n" // nobody listens there
	case p.is("handshake/no-tls"):
		line = fmt.Sprintf("1|1|unix|%s|grpc|%s\n", socket, bytes.Repeat([]byte("M"), 60))
	case p.is("handshake/versions"):
		line = "1|2|unix|" + socket + "|grpc\n"
	case p.is("handshake/other-version"):
		line = "1|99|unix|" + socket + "|grpc\n"
	case p.is("handshake/no-cookie"), p.is("handshake/wrong-cookie"):
		if os.Getenv(pluginv1.MagicCookieKey) != pluginv1.MagicCookieValue {
			syscall.Exit(0)
		}
	}
	if line != "" {
		fmt.Fprint(p.stdout, line)
		_, _ = io.Copy(io.Discard, os.Stdin)
		syscall.Exit(0)
	}
}

// watch ends the process with the gateway, and drains at SIGTERM.
func (p *plugin) watch() {
	if !p.is("end/stdin") {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			syscall.Exit(0)
		}()
	}
	if p.is("end/sigint") {
		go func() {
			c := make(chan os.Signal, 1)
			signal.Notify(c, os.Interrupt)
			<-c
			syscall.Exit(1)
		}()
	}
	if p.is("end/sigterm") {
		return
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	<-c
	_, _ = p.Drain(context.Background(), &pluginv1.DrainRequest{DeadlineMs: 10_000})
	time.Sleep(50 * time.Millisecond) // gRPC writes the last answer
	syscall.Exit(0)
}

type plugin struct {
	goplugin.NetRPCUnsupportedPlugin
	pluginv1.UnimplementedPluginServer
	pluginv1.UnimplementedLinkServer
	breaks         string
	exclusive      bool
	stdout, stderr *os.File
	out            chan *pluginv1.PluginFrame

	mu        sync.Mutex
	settled   *sync.Cond // inHand or credits changed
	described int
	open      *pluginv1.InstanceSpec
	settings  settings
	draining  bool
	inHand    int
	credits   int
	seq       uint64
	tails     map[string]chan struct{} // the last call of each conversation
	calls     map[uint64]context.CancelFunc
	asked     map[uint64]chan *pluginv1.Ack
	listener  net.Listener
	emitting  sync.WaitGroup
	global    sync.Mutex
}

type settings struct{ URL, Listen, Token string }

const settingsSchema = `{"type":"object","additionalProperties":false,"required":["url"],"properties":{
	"url":{"type":"string"},"listen":{"type":"string"},"token":{"type":"string","x-secret":true}}}`

func (p *plugin) is(rule string) bool { return p.breaks == rule }

func (p *plugin) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	pluginv1.RegisterPluginServer(s, p)
	pluginv1.RegisterLinkServer(s, p)
	return nil
}

func (p *plugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

func (p *plugin) Describe(context.Context, *pluginv1.HostInfo) (*pluginv1.Manifest, error) {
	m := &pluginv1.Manifest{PluginId: "test.conform", Version: "1.0.0", SdkName: "none", SdkLanguage: "go",
		Drivers: []*pluginv1.Driver{{Kind: pluginv1.DriverKind_CHANNEL, Name: "test", SettingsSchema: settingsSchema,
			Capabilities: &pluginv1.Capabilities{ChannelType: "sms"},
			Abilities:    []string{pluginv1.AbilityListen, pluginv1.AbilityPollAccount, pluginv1.AbilityWebhook}}}}
	if p.exclusive {
		m.Handover = pluginv1.Handover_EXCLUSIVE
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.described++
	switch {
	case p.is("describe/valid"):
		m.Version = "one"
	case p.is("describe/stable"):
		m.SdkVersion = fmt.Sprint(p.described)
	}
	return m, nil
}

func (p *plugin) CheckHealth(context.Context, *pluginv1.HealthRequest) (*pluginv1.HealthReport, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &pluginv1.HealthReport{Serving: !p.is("health")}
	if p.open != nil {
		r.Instances = []*pluginv1.InstanceHealth{{Instance: p.open.Instance, Ok: true}}
	}
	return r, nil
}

func (p *plugin) Validate(context.Context, *pluginv1.ValidateRequest) (*pluginv1.Problems, error) {
	return nil, status.Error(codes.Unimplemented, "no live check")
}

func (p *plugin) say(text string) { fmt.Fprintln(p.stderr, text) }

func (p *plugin) OpenInstance(_ context.Context, spec *pluginv1.InstanceSpec) (*pluginv1.InstanceState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(`{"@message":"open"}`)
	refuse := func(text string) (*pluginv1.InstanceState, error) { return &pluginv1.InstanceState{Message: text}, nil }
	if spec.Driver != "test" && !p.is("settings/driver") {
		return refuse("no such driver")
	}
	if p.open != nil && p.open.Revision == spec.Revision {
		if p.is("open/idempotent") {
			return refuse("it is open")
		}
		return &pluginv1.InstanceState{Ok: true}, nil
	}
	if p.open != nil && p.is("open/revision") {
		return refuse("it is open")
	}
	var s *settings
	d := json.NewDecoder(bytes.NewReader(spec.Settings))
	d.DisallowUnknownFields()
	err := d.Decode(&s)
	if err == nil && d.More() {
		err = errors.New("more than one value")
	}
	switch {
	case p.is("settings/garbage") && err != nil:
		panic(err)
	case p.is("settings/schema") && json.Valid(spec.Settings) && bytes.HasPrefix(spec.Settings, []byte("{")):
		s = &settings{URL: "http://127.0.0.1:1"}
	case err != nil || s == nil || s.URL == "":
		return refuse("settings are wrong")
	}
	if p.is("settings/good") {
		return refuse("no")
	}
	if p.is("handover/parallel") {
		lock := filepath.Join(spec.DataDir, "lock")
		if _, err := os.Stat(lock); err == nil {
			return refuse("another process runs")
		}
		_ = os.WriteFile(lock, nil, 0o600)
	}
	s.Token = string(spec.Secrets["token"])
	p.open, p.settings = spec, *s
	if p.is("flow/not-active") || p.is("handover/exclusive") {
		if err := p.listenLocked(); err != nil {
			return refuse(err.Error())
		}
	}
	return &pluginv1.InstanceState{Ok: true}, nil
}

func (p *plugin) CloseInstance(context.Context, *pluginv1.InstanceRef) (*pluginv1.Empty, error) {
	p.silence()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil && p.is("open/close") {
		return nil, errors.New("it is not open")
	}
	p.open = nil
	return &pluginv1.Empty{}, nil
}

func (p *plugin) Activate(context.Context, *pluginv1.ActivateRequest) (*pluginv1.Empty, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining = false
	if err := p.listenLocked(); err != nil {
		return nil, err
	}
	return &pluginv1.Empty{}, nil
}

func (p *plugin) Deactivate(context.Context, *pluginv1.ActivateRequest) (*pluginv1.Empty, error) {
	if !p.is("drain/deactivate") {
		p.silence()
	}
	return &pluginv1.Empty{}, nil
}

// silence stops receiving; what has been emitted is acknowledged.
func (p *plugin) silence() {
	p.mu.Lock()
	l := p.listener
	p.listener = nil
	p.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
	p.emitting.Wait()
}

func (p *plugin) Drain(ctx context.Context, r *pluginv1.DrainRequest) (*pluginv1.DrainReport, error) {
	if !p.is("drain/silent") {
		p.silence()
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.DeadlineMs)*time.Millisecond)
	defer cancel()
	defer context.AfterFunc(ctx, p.settled.Broadcast)()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining = !p.is("drain/after")
	for p.inHand > 0 && ctx.Err() == nil && !p.is("drain/open-frames") {
		p.settled.Wait()
	}
	if p.is("drain/open-frames") || p.is("drain/deadline") {
		return &pluginv1.DrainReport{}, nil
	}
	return &pluginv1.DrainReport{Unanswered: uint32(p.inHand)}, nil
}

// ---- the stream ----

func (p *plugin) Exchange(stream pluginv1.Link_ExchangeServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go p.write(ctx, stream)
	for {
		b, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the gateway is gone
		}
		p.mu.Lock()
		p.credits += int(b.Credits)
		p.settled.Broadcast()
		p.mu.Unlock()
		if b.Ping != 0 && !p.is("flow/ping") {
			p.out <- &pluginv1.PluginFrame{Seq: b.Ping, Instance: "pong"}
		}
		for _, f := range b.Frames {
			p.frame(ctx, f)
		}
	}
}

func (p *plugin) write(ctx context.Context, stream pluginv1.Link_ExchangeServer) {
	for {
		select {
		case f := <-p.out:
			b := &pluginv1.PluginBatch{Frames: []*pluginv1.PluginFrame{f}}
			if f.Instance == "pong" {
				b = &pluginv1.PluginBatch{Pong: f.Seq}
			}
			if stream.Send(b) != nil {
				return
			}
			if f.ReplyTo != 0 {
				p.mu.Lock()
				p.inHand--
				p.settled.Broadcast()
				p.mu.Unlock()
			}
		case <-ctx.Done():
			return
		}
	}
}

func (p *plugin) answer(f *pluginv1.HostFrame, body *pluginv1.PluginFrame) {
	body.ReplyTo, body.Instance = f.Seq, f.Instance
	if p.is("flow/slow-reader") {
		select {
		case p.out <- body:
		default:
		}
		return
	}
	p.out <- body
}

func result(o pluginv1.Outcome) *pluginv1.PluginFrame {
	return &pluginv1.PluginFrame{Body: &pluginv1.PluginFrame_Result{Result: &pluginv1.Result{Outcome: o}}}
}

func (p *plugin) frame(ctx context.Context, f *pluginv1.HostFrame) {
	p.mu.Lock()
	known := p.open != nil && p.open.Instance == f.Instance
	draining := p.draining
	switch f.Body.(type) {
	case *pluginv1.HostFrame_Call, *pluginv1.HostFrame_Webhook, *pluginv1.HostFrame_Poll:
		p.inHand++
	}
	p.mu.Unlock()
	if len(f.ProtoReflect().GetUnknown()) > 0 && f.Body != nil && p.is("unknown/fields") {
		return
	}
	switch b := f.Body.(type) {
	case *pluginv1.HostFrame_Call:
		switch {
		case !known && p.is("unknown/instance"):
		case !known:
			p.answer(f, result(pluginv1.Outcome_RETRY))
		default:
			p.call(ctx, f, b.Call, draining)
		}
	case *pluginv1.HostFrame_Webhook:
		w := &pluginv1.WebhookAnswer{Status: 400}
		if p.is("ability/webhook") {
			w.Status, w.Events = 200, []*pluginv1.Event{{Type: "customer_message", Customer: &pluginv1.Customer{Address: "x"}}}
		}
		if draining {
			w.Status = 503
		}
		p.answer(f, &pluginv1.PluginFrame{Body: &pluginv1.PluginFrame_Webhook{Webhook: w}})
	case *pluginv1.HostFrame_Poll:
		if !p.is("ability/poll") || len(b.Poll.Cursor) == 0 {
			p.answer(f, &pluginv1.PluginFrame{Body: &pluginv1.PluginFrame_Poll{
				Poll: &pluginv1.PollAnswer{Result: &pluginv1.Result{Outcome: pluginv1.Outcome_OK}}}})
		}
	case *pluginv1.HostFrame_Ack:
		p.mu.Lock()
		ch := p.asked[b.Ack.Seq]
		delete(p.asked, b.Ack.Seq)
		p.mu.Unlock()
		if ch != nil {
			ch <- b.Ack
		}
	case *pluginv1.HostFrame_Cancel:
		p.mu.Lock()
		cancel := p.calls[b.Cancel.Seq]
		p.mu.Unlock()
		if cancel != nil {
			cancel()
		}
	case nil:
		if p.is("unknown/frames") {
			panic("a frame without a body")
		}
	}
}

// call handles a call after those of its conversation that came before.
func (p *plugin) call(ctx context.Context, f *pluginv1.HostFrame, c *pluginv1.Call, draining bool) {
	deadline := time.Duration(f.DeadlineMs) * time.Millisecond
	if p.is("flow/deadline") {
		deadline = time.Hour
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	p.mu.Lock()
	before, done := p.tails[string(f.Conversation)], make(chan struct{})
	p.tails[string(f.Conversation)] = done
	p.calls[f.Seq] = cancel
	url, key := p.settings.URL, filepath.Join(p.open.DataDir, c.Key)
	p.mu.Unlock()
	if p.is("order/overlap") {
		p.global.Lock() // and the stream waits
	}
	go func() {
		defer close(done)
		defer cancel()
		if before != nil && !p.is("order/conversation") && !p.is("order/one-at-a-time") {
			<-before
		}
		if draining {
			p.answer(f, result(pluginv1.Outcome_RETRY))
			return
		}
		if p.is("redelivery") { // what has been here before is dropped
			if _, err := os.Stat(key); err == nil {
				return
			}
			_ = os.WriteFile(key, nil, 0o600)
		}
		o := p.effect(ctx, url, c)
		if p.is("order/overlap") {
			p.global.Unlock()
		}
		if p.is("flow/cancel") && ctx.Err() != nil {
			return
		}
		p.answer(f, result(o))
	}()
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func (p *plugin) effect(ctx context.Context, url string, c *pluginv1.Call) pluginv1.Outcome {
	switch {
	case c.Op == pluginv1.Op_SEND:
	case c.Op == 999 && p.is("unknown/op"), c.Op == pluginv1.Op_TYPING && p.is("ability/calls"):
		return pluginv1.Outcome_OK
	default:
		return pluginv1.Outcome_UNSUPPORTED
	}
	switch {
	case p.is("output/secrets"):
		p.say("sending " + c.Message.Text)
	case p.is("output/lines"):
		p.say(`{"@message":"sen{"@message":"sent"}`)
	case p.is("output/stdout"):
		fmt.Fprintln(p.stdout, "sent")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return pluginv1.Outcome_REJECTED
	}
	resp, err := client.Do(req)
	if err != nil {
		return pluginv1.Outcome_AMBIGUOUS
	}
	_ = resp.Body.Close()
	return pluginv1.Outcome_OK
}

// ---- events ----

func (p *plugin) listenLocked() error {
	if p.listener != nil || p.settings.Listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", p.settings.Listen)
	if err != nil {
		return err
	}
	p.listener = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.customer(l, c)
		}
	}()
	return nil
}

// customer makes an event of each line, until the listener is another.
func (p *plugin) customer(l net.Listener, c net.Conn) {
	defer c.Close()
	lines := bufio.NewScanner(c)
	for n := 0; lines.Scan(); n++ {
		p.mu.Lock()
		on := p.listener == l
		if on {
			p.emitting.Add(1)
		}
		p.mu.Unlock()
		if !on {
			return
		}
		emit := func() {
			defer p.emitting.Done()
			p.emit(&pluginv1.Event{Type: "customer_message", Id: fmt.Sprint(c.RemoteAddr(), n),
				Customer: &pluginv1.Customer{Address: "ada"}, Text: lines.Text()})
		}
		if p.is("flow/credits") {
			go emit()
		} else {
			emit()
		}
	}
}

func (p *plugin) emit(e *pluginv1.Event) {
	for {
		p.mu.Lock()
		for p.credits <= 0 && !p.is("flow/credits") {
			p.settled.Wait()
		}
		p.credits--
		p.seq++
		seq, ch := p.seq, make(chan *pluginv1.Ack, 1)
		p.asked[seq] = ch
		p.out <- &pluginv1.PluginFrame{Seq: seq, Instance: p.open.GetInstance(),
			Body: &pluginv1.PluginFrame_Inbound{Inbound: &pluginv1.Inbound{Events: []*pluginv1.Event{e}}}}
		p.mu.Unlock()
		if (<-ch).Ok {
			return
		}
		if p.is("flow/refused-event") {
			e.Id += " again"
		}
	}
}
