package host

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// launcher starts processes from one operating system thread that lives as
// long as it does. Linux sends a child its parent-death signal when the
// *thread* that made it ends, so a plain goroutine must not start plugins.
type launcher struct {
	jobs chan func()
	done chan struct{}
}

func newLauncher() *launcher {
	l := &launcher{jobs: make(chan func()), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *launcher) run() {
	defer close(l.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // keep the thread: see close
	for job := range l.jobs {
		job()
	}
}

// close ends the launcher. No process it started may be alive, and no start
// may be under way.
func (l *launcher) close() {
	close(l.jobs)
	<-l.done
}

// start starts cmd. "Text file busy" is tried again for up to 400 ms: another
// goroutine may be forking while a plugin file is still open for writing.
func (l *launcher) start(cmd func() *exec.Cmd) (*exec.Cmd, error) {
	for n := 0; ; n++ {
		c := cmd()
		err := l.once(c)
		if err == nil || n == 20 || !errors.Is(err, syscall.ETXTBSY) {
			return c, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (l *launcher) once(c *exec.Cmd) error {
	result := make(chan error, 1)
	l.jobs <- func() { result <- c.Start() }
	return <-result
}
