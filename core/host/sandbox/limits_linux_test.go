package sandbox_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openccsp/gateway/core/host/sandbox"
)

func TestLimits(t *testing.T) {
	_, own, _ := folders(t)
	spec := sandbox.Spec{DataDirs: []string{own}, MaxFiles: 64, MaxFileSize: 1 << 20}
	isOn(t, expect(t, spec, []outcome{
		{fmt.Sprintf("file_of %s/small %d", own, 1<<20), ok},
		{fmt.Sprintf("file_of %s/large %d", own, 1<<21), "file too large"},
		{"open_many 32", ok},
		{"open_many 128", "too many open files"},
	}), sandbox.Files)
}

func TestPrivileges(t *testing.T) {
	const override, lowPorts = 1 << unix.CAP_DAC_OVERRIDE, 1 << unix.CAP_NET_BIND_SERVICE
	own, err := attempts["status"]("CapEff")
	if err != nil {
		t.Fatal(err)
	}
	has, err := strconv.ParseUint(own, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		listen []uint16
		keep   uint64
	}{
		{[]uint16{8080, 0}, override},
		{[]uint16{8080, 443}, override | lowPorts},
		{nil, override | lowPorts},
	} {
		r := expect(t, sandbox.Spec{Listen: c.listen}, []outcome{
			{"status NoNewPrivs", "1"},
			{"status CapEff", fmt.Sprintf("%016x", has&c.keep)},
			{"status CapPrm", fmt.Sprintf("%016x", has&c.keep)},
		})
		isOn(t, r, sandbox.NoNewPrivs, sandbox.Capabilities)
	}
}

// nobody runs a command as an ordinary user that has no other process.
func nobody(t *testing.T) (change func(*exec.Cmd), own string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	own, err := os.MkdirTemp("", "nobody") //nolint:usetesting // whose folder only root can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(own) })
	const uid = 64123
	if err := os.Chown(own, uid, uid); err != nil {
		t.Fatal(err)
	}
	return func(c *exec.Cmd) { c.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid} }, own
}

func TestOrdinaryUser(t *testing.T) {
	needABI(t, 6)
	as, own := nobody(t)
	spec := sandbox.Spec{
		Command: []string{"sh", "-c", "echo hello > file && cat file; cat /proc/$PPID/environ; id -u"}, Dir: own,
		DataDirs: []string{own}, Connect: []uint16{}, MaxProcs: 50, Env: []string{"PATH=/bin:/usr/bin"},
	}
	r := start(t, spec, as)
	if got, want := r.output(t), "hello\n64123\n"; got != want {
		t.Errorf("output %q, want %q; %s", got, want, r.stderr)
	}
	isOn(t, r.report, sandbox.NoNewPrivs, sandbox.Capabilities, sandbox.Files, sandbox.Processes,
		sandbox.LandlockFS, sandbox.LandlockTCP, sandbox.Scope, sandbox.Environment)
}

func TestForkBombIsBounded(t *testing.T) {
	as, own := nobody(t)
	spec := sandbox.Spec{
		Command: []string{"/bin/sh", "-c", `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			sleep 60 >/dev/null 2>&1 & echo $i; done`},
		Dir: own, DataDirs: []string{own}, MaxProcs: 12, Env: []string{"PATH=/bin:/usr/bin"},
	}
	r := start(t, spec, as)
	n := len(strings.Fields(r.output(t)))
	_ = unix.Kill(-r.cmd.Process.Pid, unix.SIGKILL) // the sleepers
	if n == 0 || n > 12 {
		t.Errorf("%d processes were started, want some, and 12 at most", n)
	}
	if !strings.Contains(strings.ToLower(r.stderr.String()), "fork") {
		t.Errorf("standard error %q, want a word on fork", r.stderr)
	}
}

func TestProcessesOfRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("about root")
	}
	r := expect(t, sandbox.Spec{MaxProcs: 100}, []outcome{{"cwd", mustWd(t)}})
	if e := r.Entry(sandbox.Processes); e.On || e.Detail != "rlimits do not bind root" {
		t.Errorf("%+v", e)
	}
}

func mustWd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A plugin's descendant that has left its process group is known yet.
func TestConfined(t *testing.T) {
	if own, _ := attempts["status"]("NoNewPrivs"); own != "0" {
		t.Skip("all processes are confined here")
	}
	free := exec.Command("/bin/sleep", "60")
	if err := free.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = free.Wait() }()
	defer func() { _ = free.Process.Kill() }()
	if sandbox.Confined(free.Process.Pid) {
		t.Error("an ordinary process is confined")
	}
	spec := sandbox.Spec{
		Command: []string{"/bin/sh", "-c", "setsid sh -c 'echo $$; exec sleep 60' & wait"},
		Env:     []string{"PATH=/bin:/usr/bin"},
	}
	r := start(t, spec, nil)
	line, err := bufio.NewReader(r.stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err, r.err, r.stderr)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !sandbox.Confined(pid) || !sandbox.Confined(r.cmd.Process.Pid) {
		t.Error("a plugin's processes are not confined")
	}
	_ = unix.Kill(pid, unix.SIGKILL)
	_ = r.cmd.Wait()
	if !sandbox.Confined(r.cmd.Process.Pid) {
		t.Error("an ended process is not confined")
	}
}
