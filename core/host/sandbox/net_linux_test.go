package sandbox_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/openccsp/gateway/core/host/sandbox"
)

func TestTCP(t *testing.T) {
	needABI(t, 4)
	yes, no := listener(t), listener(t)
	spec := sandbox.Spec{Connect: []uint16{port(yes)}, Listen: []uint16{0}}
	r := expect(t, spec, []outcome{
		{"dial " + yes.Addr().String(), ok},
		{"dial " + no.Addr().String(), denied},
		{fmt.Sprint("fastopen ", port(no)), "operation not supported"},
		{fmt.Sprint("mptcp ", port(no)), "protocol not supported"},
		{"ring", "function not implemented"},
		{"listen 127.0.0.1:0", ok},
		{"listen 127.0.0.1:54321", denied},
	})
	isOn(t, r, sandbox.LandlockTCP)
	want := fmt.Sprintf("connect %d, listen 0", port(yes))
	if got := r.Entry(sandbox.LandlockTCP).Detail; got != want {
		t.Errorf("detail %q, want %q", got, want)
	}

	r = expect(t, sandbox.Spec{Connect: []uint16{}}, []outcome{
		{"dial " + yes.Addr().String(), denied},
		{"listen 127.0.0.1:0", ok},
	})
	if got := r.Entry(sandbox.LandlockTCP).Detail; got != "connect none, listen any" {
		t.Errorf("detail %q", got)
	}

	r = expect(t, sandbox.Spec{}, []outcome{{"dial " + no.Addr().String(), ok}, {"listen 127.0.0.1:0", ok}})
	if e := r.Entry(sandbox.LandlockTCP); e.On || e.Detail != "all ports are allowed" {
		t.Errorf("without ports: %+v", e)
	}
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func port(l net.Listener) uint16 { return uint16(l.Addr().(*net.TCPAddr).Port) }

func TestScope(t *testing.T) {
	needABI(t, 6)
	name := "@openccsp-sandbox-" + strconv.Itoa(os.Getpid())
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pid := strconv.Itoa(os.Getpid())
	isOn(t, expect(t, sandbox.Spec{}, []outcome{
		{"signal " + pid, noPerm},
		{"ptrace " + pid, noPerm},
		{"dial_unix " + name, noPerm},
		{"child", ok},
	}), sandbox.Scope)
}
