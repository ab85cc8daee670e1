package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/openccsp/gateway/core/host/sandbox"
)

// TestMain makes the test binary a shim, a plugin that tries things, or a
// gateway.
func TestMain(m *testing.M) {
	sandbox.Main()
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "probe":
			probe(os.Args[2:])
			return
		case "eat":
			eat()
			return
		case "gateway":
			gateway()
			return
		case "old kernel":
			oldKernel(os.Args[2])
			return
		}
	}
	os.Exit(m.Run())
}

// probe does each of ops and prints what became of it, as a JSON object: "ok",
// something it read, or an error.
func probe(ops []string) {
	out := make(map[string]string)
	for _, op := range ops {
		verb, arg, _ := strings.Cut(op, " ")
		text, err := attempts[verb](arg)
		switch {
		case err != nil:
			text = reason(err)
		case text == "":
			text = "ok"
		}
		out[op] = text
	}
	_ = json.NewEncoder(os.Stdout).Encode(out)
}

// reason is the innermost of an error, where the kernel says what it thinks.
func reason(err error) string {
	for _, e := range []error{syscall.EACCES, syscall.EPERM, syscall.EXDEV, syscall.EFBIG, syscall.EMFILE, syscall.EBADF,
		syscall.EPROTONOSUPPORT, syscall.EOPNOTSUPP, syscall.ECONNREFUSED, syscall.ENOSYS} {
		if strings.HasSuffix(err.Error(), e.Error()) {
			return e.Error()
		}
	}
	return err.Error()
}

var attempts = map[string]func(string) (string, error){
	"read": func(path string) (string, error) {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		if st, err := f.Stat(); err == nil && st.IsDir() {
			_, err = f.ReadDir(1)
			return "", err
		}
		_, err = io.CopyN(io.Discard, f, 1)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return "", err
	},
	"write":  func(path string) (string, error) { return "", os.WriteFile(path, []byte("x"), 0o755) },
	"remove": func(path string) (string, error) { return "", os.Remove(path) },
	"mkdir":  func(path string) (string, error) { return "", os.Mkdir(path, 0o700) },
	"mknod":  func(path string) (string, error) { return "", unix.Mknod(path, unix.S_IFBLK|0o600, 0x0700) },
	"link":   func(pair string) (string, error) { return "", os.Link(two(pair)) },
	"rename": func(pair string) (string, error) { return "", os.Rename(two(pair)) },
	"symlink": func(pair string) (string, error) {
		return "", os.Symlink(two(pair))
	},
	"exec": func(path string) (string, error) { return "", exec.Command(path).Run() },
	"copy": func(pair string) (string, error) {
		from, to := two(pair)
		text, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		return "", os.WriteFile(to, text, 0o755)
	},
	"dial": func(address string) (string, error) {
		c, err := net.Dial("tcp", address)
		return "", closed(c, err)
	},
	"mptcp":    func(port string) (string, error) { return "", dialProtocol(unix.IPPROTO_MPTCP, port) },
	"fastopen": func(port string) (string, error) { return "", fastOpen(port) },
	"ring": func(string) (string, error) {
		var params [120]byte
		_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
		return "", errorOf(errno)
	},
	"listen": func(address string) (string, error) {
		l, err := net.Listen("tcp", address)
		return "", closed(l, err)
	},
	"listen_unix": func(path string) (string, error) {
		l, err := net.Listen("unix", path)
		return "", closed(l, err)
	},
	"dial_unix": func(path string) (string, error) {
		c, err := net.Dial("unix", path)
		return "", closed(c, err)
	},
	"signal": func(pid string) (string, error) { return "", unix.Kill(number(pid), 0) },
	"ptrace": func(pid string) (string, error) {
		runtime.LockOSThread()
		return "", unix.PtraceSeize(number(pid))
	},
	"fd": func(n string) (string, error) {
		_, err := unix.FcntlInt(uintptr(number(n)), unix.F_GETFD, 0)
		return "", err
	},
	"open_many": func(n string) (string, error) {
		for range number(n) {
			if _, err := os.Open("/dev/null"); err != nil {
				return "", err
			}
		}
		return "", nil
	},
	"file_of": func(pair string) (string, error) {
		path, size := two(pair)
		return "", os.WriteFile(path, make([]byte, number(size)), 0o600)
	},
	"env": func(string) (string, error) { return strings.Join(os.Environ(), "|"), nil },
	"cwd": func(string) (string, error) { return os.Getwd() },
	"status": func(field string) (string, error) {
		text, err := os.ReadFile("/proc/thread-self/status")
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, field+":"); ok {
				return strings.TrimSpace(value), nil
			}
		}
		return "", err
	},
	"child": func(string) (string, error) { // its own are its own
		c := exec.Command("/bin/sleep", "60")
		if err := c.Start(); err != nil {
			return "", err
		}
		err := c.Process.Signal(syscall.SIGKILL)
		_ = c.Wait()
		return "", err
	},
}

func two(pair string) (string, string) {
	a, b, _ := strings.Cut(pair, " ")
	return a, b
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func closed(c io.Closer, err error) error {
	if err == nil {
		_ = c.Close()
	}
	return err
}

func errorOf(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func dialProtocol(protocol int, port string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrInet4{Port: number(port), Addr: [4]byte{127, 0, 0, 1}})
}

func fastOpen(port string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN,
		&unix.SockaddrInet4{Port: number(port), Addr: [4]byte{127, 0, 0, 1}})
}

// eat takes 96 MiB in a process of its own group, and says when it is done.
func eat() {
	if os.Getenv("EATER") == "" {
		c := exec.Command("/proc/self/exe", "eat")
		c.Env = append(os.Environ(), "EATER=1")
		c.Stdin, c.Stdout, c.SysProcAttr = os.Stdin, os.Stdout, &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		runtime.LockOSThread()
		_ = c.Run()
		return
	}
	food := make([]byte, 96<<20)
	for i := 0; i < len(food); i += 4096 {
		food[i] = 1
	}
	fmt.Println("eaten")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the end
	runtime.KeepAlive(food)
}

// gateway starts a sandboxed plugin that would live for ever, prints its pid
// and waits to be killed. Its own file is gone by then.
func gateway() {
	runtime.LockOSThread()
	self, err := os.Readlink("/proc/self/exe")
	must(err)
	must(os.Remove(self))
	w, err := sandbox.Wrap(sandbox.Spec{Command: []string{"/bin/sleep", "600"}, Dir: filepath.Dir(self)})
	must(err)
	cmd := w.Command()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(cmd.Start())
	w.Started()
	_, err = w.Report(context.Background())
	must(err)
	fmt.Println(cmd.Process.Pid)
	_ = cmd.Wait()
}

// oldKernel becomes the shim on a kernel without Landlock.
func oldKernel(job string) {
	runtime.LockOSThread()
	must(sandbox.WithoutLandlock())
	must(syscall.Exec("/proc/self/exe", []string{sandbox.ShimName, job}, os.Environ()))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
