package host

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// isFinal says that another start would end the same way.
func isFinal(err error) bool {
	if _, ok := errors.AsType[*manifestError](err); ok {
		return true
	}
	return errors.Is(err, syscall.ENOEXEC) || errors.Is(err, syscall.EACCES) ||
		err != nil && strings.HasPrefix(err.Error(), "incompatible ")
}

// restartWait is the wait before each restart: none, then 100 ms doubling to
// 30 s, give or take a fifth.
type restartWait struct {
	first bool
	b     backoff.ExponentialBackOff
}

func newRestartWait() *restartWait {
	w := &restartWait{b: backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond,
		Multiplier: 2, RandomizationFactor: 0.2, MaxInterval: 30 * time.Second}}
	w.reset()
	return w
}

func (w *restartWait) reset() {
	w.first = true
	w.b.Reset()
}

func (w *restartWait) next() time.Duration {
	if w.first {
		w.first = false
		return 0
	}
	return w.b.NextBackOff()
}
