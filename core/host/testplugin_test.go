package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/openccsp/gateway/core/host/sandbox"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// TestMain makes the test binary a plugin if it is started as one. What the
// plugin does follows from its first argument: "mode", or "mode_version_id". The
// second is a folder that it shares with the test.
func TestMain(m *testing.M) {
	sandbox.Main()
	switch {
	case os.Getenv(pluginv1.MagicCookieKey) != "":
		servePlugin(os.Args[1])
	case os.Getenv("HOST_TEST_DEBUG") != "":
		os.Args = []string{"plugin", "", os.Getenv("HOST_TEST_DEBUG"), "--debug"}
		sdkPlugin(&testPlugin{version: "0.1.0"})
	case os.Getenv("HOST_TEST_DIR") != "":
		runHostProcess(os.Getenv("HOST_TEST_DIR"))
	default:
		os.Exit(m.Run())
	}
}

func servePlugin(name string) {
	mode, rest, _ := strings.Cut(name, "_")
	version, id, _ := strings.Cut(rest, "_")
	p := &testPlugin{mode: mode, version: version, id: id, driver: mode}
	if p.version == "" {
		p.version = "1.0.0"
	}
	if p.id == "" {
		p.id = "test." + mode
	}
	key := pluginv1.MagicCookieKey
	switch mode {
	case "exit":
		fmt.Fprintln(os.Stderr, "no licence found")
		os.Exit(3)
	case "hang":
		select {}
	case "garbage":
		fmt.Println("Hello, I am a plugin!")
	case "longline":
		go func() { _, _ = syscall.Write(1, []byte(strings.Repeat("x", 3<<20))) }()
		time.Sleep(time.Hour)
	case "cookie":
		key = "ANOTHER_HOST"
	case "hostile":
		hostileOutput()
		out := os.Stdout
		p.onDescribe = func() { go afterHandshake(out) }
	case "grandchild":
		c := exec.Command("/bin/sleep", "60")
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it leaves the group
		if err := c.Start(); err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(os.Stderr, "grandchild %d\n", c.Process.Pid)
	case "clash":
		p.driver = "echo"
	case "late": // it starts once somebody allows it
		p.driver = "echo"
		if _, err := os.Stat(filepath.Join(os.Args[2], "allowed")); err != nil {
			os.Exit(1)
		}
	case "flood":
		stderr := os.Stderr // Serve replaces it
		go func() {
			for n, err := 0, error(nil); err == nil; n++ {
				_, err = fmt.Fprintln(stderr, "line", n)
			}
		}()
	case "xecho", "xdeaf", "dull", "faulty", "schema", "unwell", "shy", "slow":
		p.driver = "echo"
	case "sdk", "xsdk":
		sdkPlugin(p)
	case "config":
		fmt.Fprintln(os.Stderr, "token is missing")
		os.Exit(78)
	}
	var err error
	if p.seen, err = os.OpenFile("seen", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		log.Fatal(err)
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{ProtocolVersion: pluginv1.ProtocolVersion,
			MagicCookieKey: key, MagicCookieValue: pluginv1.MagicCookieValue},
		Plugins: goplugin.PluginSet{"plugin": p},
		Logger:  hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.ForceServerCodecV2(pluginv1.Codec{}))...)
		},
	})
	os.Exit(0)
}

// hostileOutput writes what has brought hosts down: log lines of the wrong
// types, endless lines, garbage.
func hostileOutput() {
	for _, line := range []string{
		`{"@level":3,"@message":[],"@timestamp":{}}`,
		`{"@message":"good line","@level":"warn","n":7,"nested":{"a":1},"plugin":"forged","pid":-1}`,
		`{"@message":`, "\x00\xff\xfe", "null", "[]",
		"panic: made up", "goroutine 1 [running]:",
	} {
		fmt.Fprintln(os.Stderr, line)
	}
}

// afterHandshake is the second half, on the real standard output.
func afterHandshake(out *os.File) {
	fmt.Fprintln(out, "garbage after the handshake")
	_, _ = out.WriteString(strings.Repeat("y", 3<<20)) // no newline
}

// testPlugin speaks the protocol by hand, so that it can also misbehave.
type testPlugin struct {
	goplugin.NetRPCUnsupportedPlugin
	pluginv1.UnimplementedPluginServer
	pluginv1.UnimplementedLinkServer
	mode, version, id, driver string

	mu     sync.Mutex
	stream pluginv1.Link_ExchangeServer
	seq    uint64
	seen   *os.File
	held   []*pluginv1.PluginFrame // answers that wait for a drain

	ballast    []byte
	receives   atomic.Bool // told to
	onDescribe func()
}

func (p *testPlugin) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	pluginv1.RegisterPluginServer(s, p)
	pluginv1.RegisterLinkServer(s, p)
	return nil
}

func (p *testPlugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

func (p *testPlugin) Describe(context.Context, *pluginv1.HostInfo) (*pluginv1.Manifest, error) {
	if p.onDescribe != nil {
		p.onDescribe()
	}
	var abilities []string
	if p.mode == "doubtful" {
		abilities = []string{pluginv1.AbilityValidate}
	}
	m := &pluginv1.Manifest{PluginId: p.id, Version: p.version, Drivers: []*pluginv1.Driver{{
		Kind: pluginv1.DriverKind_CHANNEL, Name: p.driver, Abilities: abilities,
		SettingsSchema: `{"type":"object","additionalProperties":false,"properties":{
			"size":{"type":"integer"},"token":{"type":"string","minLength":8,"x-secret":true}}}`,
	}}}
	switch p.mode {
	case "xecho", "xdeaf":
		m.Handover = pluginv1.Handover_EXCLUSIVE
	case "schema", "dull", "nodriver":
		m.StateSchema = 7
	}
	return evilManifest(p.mode, m), nil
}

func (p *testPlugin) OpenInstance(_ context.Context, r *pluginv1.InstanceSpec) (*pluginv1.InstanceState, error) {
	if p.mode == "picky" || p.mode == "dull" {
		return &pluginv1.InstanceState{Message: "wrong", Problems: []*pluginv1.Problem{{Pointer: "/size", Message: "too big"}}}, nil
	}
	if string(r.Settings) == `{"size":666}` {
		return &pluginv1.InstanceState{Message: "refused", Problems: []*pluginv1.Problem{{Pointer: "/size", Message: "not this one"}}}, nil
	}
	if p.mode == "shy" { // until somebody allows it
		if _, err := os.Stat(filepath.Join(os.Args[2], "allowed")); err != nil {
			return &pluginv1.InstanceState{Retry: true, Message: "the vendor is away"}, nil
		}
	}
	return &pluginv1.InstanceState{Ok: true}, nil
}

func (p *testPlugin) Validate(_ context.Context, r *pluginv1.ValidateRequest) (*pluginv1.Problems, error) {
	fmt.Fprintf(os.Stderr, "validate %s %s %d\n", r.Driver, r.Settings, len(r.Secrets["token"]))
	if _, err := os.Stat(filepath.Join(os.Args[2], "allowed")); err != nil { // until somebody allows it
		return &pluginv1.Problems{Problems: []*pluginv1.Problem{{Pointer: "/size", Message: "the far side does not know it"}}}, nil
	}
	return &pluginv1.Problems{}, nil
}

func (p *testPlugin) CloseInstance(context.Context, *pluginv1.InstanceRef) (*pluginv1.Empty, error) {
	return &pluginv1.Empty{}, nil
}

func (p *testPlugin) Activate(context.Context, *pluginv1.ActivateRequest) (*pluginv1.Empty, error) {
	if p.mode == "deaf" || p.mode == "xdeaf" { // until somebody allows it
		if _, err := os.Stat(filepath.Join(os.Args[2], "allowed")); err != nil {
			return nil, errors.New("not yet")
		}
		p.receives.Store(true)
	}
	return &pluginv1.Empty{}, nil
}

func (p *testPlugin) Drain(context.Context, *pluginv1.DrainRequest) (*pluginv1.DrainReport, error) {
	p.mu.Lock()
	held := p.held
	p.held = nil
	p.mu.Unlock()
	go func() { // once the drain has been answered, or soon before
		if len(held) > 0 {
			p.send(&pluginv1.PluginBatch{Frames: held})
		}
	}()
	return &pluginv1.DrainReport{}, nil
}

func (p *testPlugin) CheckHealth(ctx context.Context, _ *pluginv1.HealthRequest) (*pluginv1.HealthReport, error) {
	for p.mode == "slow" && ctx.Err() == nil { // until somebody allows it
		if _, err := os.Stat(filepath.Join(os.Args[2], "allowed")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return &pluginv1.HealthReport{Serving: p.mode != "sick" && p.mode != "unwell"}, nil
}

func (p *testPlugin) Exchange(s pluginv1.Link_ExchangeServer) error {
	p.mu.Lock()
	p.stream = s
	p.mu.Unlock()
	for {
		in, err := s.Recv()
		if err != nil {
			return nil
		}
		out := &pluginv1.PluginBatch{Pong: in.Ping}
		for _, f := range in.Frames {
			if r := p.handle(f); r != nil {
				out.Frames = append(out.Frames, r)
			}
		}
		if len(out.Frames) > 0 || out.Pong > 0 {
			if err := p.send(out); err != nil {
				return nil
			}
		}
	}
}

func (p *testPlugin) send(b *pluginv1.PluginBatch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range b.Frames {
		p.seq++
		f.Seq = p.seq
	}
	return p.stream.Send(b)
}

func (p *testPlugin) handle(f *pluginv1.HostFrame) *pluginv1.PluginFrame {
	switch body := f.Body.(type) {
	case *pluginv1.HostFrame_Call:
		return p.call(f, body.Call)
	case *pluginv1.HostFrame_Webhook:
		if string(body.Webhook.Body) == "crash" {
			panic("asked to by a webhook")
		}
		return &pluginv1.PluginFrame{ReplyTo: f.Seq, Instance: f.Instance, Body: &pluginv1.PluginFrame_Webhook{
			Webhook: &pluginv1.WebhookAnswer{Status: 200, Body: body.Webhook.Body, Events: []*pluginv1.Event{
				{Type: "customer_message", Customer: &pluginv1.Customer{Address: "c1"}, Text: string(body.Webhook.Body)}}}}}
	case *pluginv1.HostFrame_Poll:
		return &pluginv1.PluginFrame{ReplyTo: f.Seq, Instance: f.Instance, Body: &pluginv1.PluginFrame_Poll{
			Poll: &pluginv1.PollAnswer{Result: &pluginv1.Result{Outcome: pluginv1.Outcome_OK}, Cursor: []byte("next")}}}
	case *pluginv1.HostFrame_Ack:
		fmt.Fprintf(os.Stderr, "ack %d %v %s\n", body.Ack.Seq, body.Ack.Ok, body.Ack.Message)
	case *pluginv1.HostFrame_Reply:
		fmt.Fprintf(os.Stderr, "reply %v %v %s %s\n", body.Reply.Ok, body.Reply.Conflict, body.Reply.Message, body.Reply.Value)
	case *pluginv1.HostFrame_Cancel:
		fmt.Fprintf(os.Stderr, "cancel %d\n", body.Cancel.Seq)
	}
	return nil
}

// call does what the text of the message says.
func (p *testPlugin) call(f *pluginv1.HostFrame, c *pluginv1.Call) *pluginv1.PluginFrame {
	r := &pluginv1.Result{Outcome: pluginv1.Outcome_OK, MessageId: c.Message.GetId(), Code: p.version}
	if p.mode == "faulty" {
		r.Outcome = pluginv1.Outcome_REJECTED
	}
	answer := &pluginv1.PluginFrame{ReplyTo: f.Seq, Instance: f.Instance, Body: &pluginv1.PluginFrame_Result{Result: r}}
	verb, arg, _ := strings.Cut(c.Message.GetText(), " ")
	switch verb {
	case "silent":
		return nil
	case "crash":
		panic("asked to")
	case "evil": // evil WHAT INSTANCE
		p.evil(arg)
	case "misconfigured":
		os.Exit(78)
	case "read": // read PATH
		_, err := os.ReadFile(arg)
		r.Detail = fmt.Sprint(err)
	case "dial": // dial ADDRESS
		c, err := net.Dial("tcp", arg)
		if err == nil {
			_ = c.Close()
		}
		r.Detail = fmt.Sprint(err)
	case "listen": // listen ADDRESS
		l, err := net.Listen("tcp", arg)
		if err == nil {
			_ = l.Close()
		}
		r.Detail = fmt.Sprint(err)
	case "eat": // eat MIB, and keep them
		var n int
		fmt.Sscan(arg, &n)
		p.ballast = make([]byte, n<<20)
		for i := 0; i < len(p.ballast); i += 4 << 10 { // a page at a time: it is to answer pings meanwhile
			p.ballast[i] = 1
		}
	case "env":
		r.Detail = strings.Join(os.Environ(), "\n")
	case "emit": // emit CUSTOMER COUNT
		var customer string
		var n int
		fmt.Sscan(arg, &customer, &n)
		b := &pluginv1.PluginBatch{}
		for i := range n {
			b.Frames = append(b.Frames, &pluginv1.PluginFrame{Instance: f.Instance, Body: &pluginv1.PluginFrame_Inbound{
				Inbound: &pluginv1.Inbound{Events: []*pluginv1.Event{{Type: "customer_message",
					Customer: &pluginv1.Customer{Address: customer}, Text: fmt.Sprint(i)}}}}})
		}
		p.send(b)
	case "state": // state INSTANCE
		p.send(&pluginv1.PluginBatch{Frames: []*pluginv1.PluginFrame{{Instance: arg, Body: &pluginv1.PluginFrame_Call{
			Call: &pluginv1.HostCall{Op: &pluginv1.HostCall_StateGet{StateGet: &pluginv1.StateGet{Key: "k"}}}}}}})
	case "record": // record ID: the effect, with a trace of it in the working folder
		if _, err := p.seen.WriteString(arg + "\n"); err != nil {
			panic(err)
		}
	case "park": // until somebody allows it
		go func() {
			for {
				if _, err := os.Stat(filepath.Join(os.Args[2], "allowed")); err == nil {
					_ = p.send(&pluginv1.PluginBatch{Frames: []*pluginv1.PluginFrame{answer}})
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		fmt.Fprintln(os.Stderr, "parking")
		return nil
	case "hold": // the answer waits for a drain
		p.mu.Lock()
		p.held = append(p.held, answer)
		p.mu.Unlock()
		fmt.Fprintln(os.Stderr, "holding")
		return nil
	}
	return answer
}

func (p *testPlugin) Socket(s pluginv1.Link_SocketServer) error {
	open, err := s.Recv()
	if err != nil || open.Open == nil {
		return err
	}
	if p.mode == "deaf" && !p.receives.Load() {
		return errors.New("a socket before Activate")
	}
	for {
		c, err := s.Recv()
		if errors.Is(err, io.EOF) || c.GetClose() {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&pluginv1.SocketChunk{Data: []byte(strings.ToUpper(string(c.Data)))}); err != nil {
			return err
		}
	}
}
