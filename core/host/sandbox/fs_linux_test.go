package sandbox_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/openccsp/gateway/core/host/sandbox"
)

func TestFileSystem(t *testing.T) {
	needABI(t, 3)
	data, own, other := folders(t)
	store := t.TempDir()
	module := filepath.Join(store, "module.js")
	if err := os.WriteFile(module, []byte("1"), 0o500); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(data, "gateway.key")
	in := func(name string) string { return filepath.Join(own, name) }
	spec := sandbox.Spec{Dir: own, DataDirs: []string{own}, ReadDirs: []string{store}}
	want := []outcome{
		{"write " + in("file"), ok},
		{"read " + in("file"), ok},
		{"mkdir " + in("folder"), ok},
		{"read " + own, ok},
		{"listen_unix " + in("s"), ok},
		{"cwd", own},
		{"mknod " + in("disk"), denied},
		{"copy /bin/true " + in("program"), ok},
		{"exec " + in("program"), denied},
		{"exec /bin/true", ok},
		{"read " + module, ok},
		{"write " + module, denied},
		{"write " + store + "/more", denied},
		{"remove " + module, denied},
		{"read " + key, denied},
		{"read /proc/self/root" + key, denied},
		{"symlink " + key + " " + in("way"), ok},
		{"read " + in("way"), denied},
		{"link " + key + " " + in("key"), "invalid cross-device link"},
		{"rename " + key + " " + in("key2"), denied},
		{"write " + key, denied},
		{"read " + other + "/state", denied},
		{"read " + data, denied},
		{"read /", denied},
		{"read /etc", denied},
		{"read /etc/shadow", denied},
		{"read /root", denied},
		{"read /tmp", denied},
		{"write /tmp/openccsp-outside", denied},
		{"write /dev/shm/openccsp-outside", denied},
		{"write /usr/openccsp-outside", denied},
		{"write /proc/sys/vm/swappiness", denied},
		{"write /dev/null", ok},
		{"read /dev/urandom", ok},
		{"read /etc/passwd", ok},
		{"read /proc/self/environ", ok},
		{fmt.Sprintf("read /proc/%d/environ", os.Getpid()), denied},
		{fmt.Sprintf("read /proc/%d/root"+key, os.Getpid()), denied},
		{fmt.Sprintf("read /proc/%d/maps", os.Getpid()), denied},
		{fmt.Sprintf("read /proc/%d/cmdline", os.Getpid()), ok},
		{fmt.Sprintf("read /proc/%d/cwd/watch.go", os.Getpid()), denied},
	}
	if _, err := os.Stat("/etc/ssl/private"); err == nil {
		want = append(want, outcome{"read /etc/ssl/private", denied})
	}
	for _, path := range []string{"/etc/resolv.conf", "/etc/ssl/certs", "/etc/localtime"} {
		if _, err := os.Stat(path); err == nil {
			want = append(want, outcome{"read " + path, ok})
		}
	}
	isOn(t, expect(t, spec, want), sandbox.LandlockFS, sandbox.NoNewPrivs)
	if got, _ := os.ReadFile(key); string(got) != "secret" {
		t.Errorf("the key is %q now", got)
	}
}

// A socket in a folder is out of reach only with newer kernels: the report
// must say which it is.
func TestUnixSockets(t *testing.T) {
	data, own, _ := folders(t)
	path := filepath.Join(data, "a")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skip("temporary folder has a long name: ", err)
	}
	defer l.Close()
	got, r := probed(t, sandbox.Spec{DataDirs: []string{own}}, []string{"dial_unix " + path}, nil)
	reached := got["dial_unix "+path] == ok
	if on := r.Entry(sandbox.UnixSockets).On; on == reached {
		t.Errorf("reached %v, but the report says on=%v", reached, on)
	}
}
