package sdk_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// TestMain lets the test binary be a plugin.
func TestMain(m *testing.M) {
	if os.Getenv("SDK_TEST_PLUGIN") != "" {
		sdk.Main(sdk.Plugin{ID: "org.example.noisy", Version: "1.0.0", Drivers: []sdk.Driver{
			sdk.NewChannel("noisy", sdk.Capabilities{ChannelType: "sms"}, openNoisy),
		}})
	}
	os.Exit(m.Run())
}

// noisy prints wherever it can.
type noisy struct{}

func openNoisy(context.Context, struct{}, sdk.Host) (*noisy, error) {
	fmt.Println("garbage on stdout")
	return &noisy{}, nil
}

func (*noisy) Send(ctx context.Context, _ sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	fmt.Println(strings.Repeat("garbage ", 40<<10)) // more than a pipe holds
	fmt.Fprintln(os.Stderr, "garbage on stderr")
	_, _ = syscall.Write(1, []byte("raw garbage\n"))
	if m.Text == "wait" {
		fmt.Fprintln(os.Stderr, "waiting")
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return sdk.Receipt{MessageID: "far-" + m.ID}, nil
}

// child is a plugin process.
type child struct {
	cmd       *exec.Cmd
	stdin     io.WriteCloser
	handshake []string
	stderr    *lines
	exit      chan error
}

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func startChild(t *testing.T) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0]), stderr: new(lines), exit: make(chan error, 1)}
	dir := t.TempDir()
	c.cmd.Env = []string{
		"SDK_TEST_PLUGIN=1", pluginv1.MagicCookieKey + "=" + pluginv1.MagicCookieValue,
		"PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR=" + dir, "TMPDIR=" + dir,
		"GORACE=atexit_sleep_ms=0",
	}
	c.cmd.Stderr = c.stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		<-c.exit
	})
	out := bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	if err != nil {
		t.Errorf("handshake: %v; stderr: %s", err, c.stderr)
	}
	c.handshake = strings.Split(strings.TrimSuffix(line, "\n"), "|")
	go func() {
		io.Copy(io.Discard, out)
		err := c.cmd.Wait()
		c.exit <- err
		close(c.exit)
	}()
	return c
}

func (c *child) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.handshake[3])
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(pluginv1.Codec{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// exchange opens an instance and returns a stream to it.
func (c *child) exchange(t *testing.T) pluginv1.Link_ExchangeClient {
	t.Helper()
	conn := c.dial(t)
	stream, err := pluginv1.NewLinkClient(conn).Exchange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state, err := pluginv1.NewPluginClient(conn).OpenInstance(t.Context(),
		&pluginv1.InstanceSpec{Instance: "a", Driver: "noisy", Revision: 1})
	if err != nil || !state.Ok {
		t.Fatalf("open: %v %v; stderr: %s", state, err, c.stderr)
	}
	return stream
}

func (c *child) wantExit(t *testing.T) {
	t.Helper()
	select {
	case err := <-c.exit:
		if err != nil {
			t.Errorf("exit: %v; stderr: %s", err, c.stderr)
		}
	case <-time.After(time.Minute):
		t.Error("the process lives on")
	}
}

// wantStderr waits until the process has written text.
func (c *child) wantStderr(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(c.stderr.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("standard error lacks %q", text)
		}
	}
}

func send(seq uint64, text string) *pluginv1.HostBatch {
	return &pluginv1.HostBatch{Frames: []*pluginv1.HostFrame{{
		Seq: seq, Instance: "a", Conversation: []byte("0123456789abcdef"), DeadlineMs: 60_000,
		Body: &pluginv1.HostFrame_Call{Call: &pluginv1.Call{
			Op: pluginv1.Op_SEND, Customer: &pluginv1.Customer{Address: "x"},
			Message: &pluginv1.Message{Id: "m", Text: text}}},
	}}}
}

func wantOK(t *testing.T, stream pluginv1.Link_ExchangeClient, seq uint64) {
	t.Helper()
	b, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	f := b.Frames[0]
	if f.ReplyTo != seq || f.GetResult().GetOutcome() != pluginv1.Outcome_OK {
		t.Errorf("answer %v, want OK to %d", f, seq)
	}
}

func TestHandshake(t *testing.T) {
	c := startChild(t)
	if len(c.handshake) != 6 {
		t.Fatalf("handshake %q, want six fields", c.handshake)
	}
	for i, want := range []string{"1", "1", "unix", "", "grpc", ""} {
		if got := c.handshake[i]; got != want && i != 3 {
			t.Errorf("field %d = %q, want %q", i+1, got, want)
		}
	}
	if fi, err := os.Stat(c.handshake[3]); err != nil || fi.Mode()&os.ModeSocket == 0 {
		t.Errorf("address %q is no socket: %v", c.handshake[3], err)
	}
}

// TestGarbageOnStdout: what a driver prints, and be it much, breaks nothing and
// comes out as log lines.
func TestGarbageOnStdout(t *testing.T) {
	c := startChild(t)
	stream := c.exchange(t)
	for seq := uint64(1); seq <= 3; seq++ {
		if err := stream.Send(send(seq, "hello")); err != nil {
			t.Fatal(err)
		}
		wantOK(t, stream, seq)
	}
	c.wantStderr(t, "garbage on stdout")
	c.wantStderr(t, "garbage on stderr")
}

func TestStdinEndsTheProcess(t *testing.T) {
	c := startChild(t)
	c.exchange(t)
	c.stdin.Close()
	c.wantExit(t)
	if _, err := os.Stat(c.handshake[3]); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestInterruptIsIgnored(t *testing.T) {
	c := startChild(t)
	stream := c.exchange(t)
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(send(1, "hello")); err != nil {
		t.Fatal(err)
	}
	wantOK(t, stream, 1)
}

// TestTermDrains: a call under way is answered before the process ends.
func TestTermDrains(t *testing.T) {
	c := startChild(t)
	stream := c.exchange(t)
	if err := stream.Send(send(1, "wait")); err != nil {
		t.Fatal(err)
	}
	c.wantStderr(t, "waiting")
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantOK(t, stream, 1)
	c.wantExit(t)
}

func TestStartedByHand(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"SDK_TEST_PLUGIN=1", "GORACE=atexit_sleep_ms=0"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit %v, want code 1", err)
	}
	if !strings.HasPrefix(string(out), "org.example.noisy 1.0.0 is a plugin of the OpenCCSP gateway") {
		t.Errorf("output %q", out)
	}
}

func TestDescribe(t *testing.T) {
	cmd := exec.Command(os.Args[0], "--describe")
	cmd.Env = []string{"SDK_TEST_PLUGIN=1", "GORACE=atexit_sleep_ms=0"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		PluginID string `json:"pluginId"`
		Drivers  []struct{ Name, SettingsSchema string }
	}
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if m.PluginID != "org.example.noisy" || len(m.Drivers) != 1 || m.Drivers[0].Name != "noisy" {
		t.Errorf("manifest %s", out)
	}
}
