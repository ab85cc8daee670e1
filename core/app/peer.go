package app

import (
	"log/slog"
	"net"
	"os"

	"github.com/openccsp/gateway/core/host/sandbox"
)

// ownListener is a unix socket's that lets in processes of one user, and of
// root. The user's id is their credential: the admin API asks for no token.
// Plugins have that user, too, and are not let in.
type ownListener struct {
	net.Listener
	log      *slog.Logger
	uid      int
	confined func(pid int) bool
}

func newOwnListener(ln net.Listener, log *slog.Logger) *ownListener {
	return &ownListener{Listener: ln, log: log, uid: os.Geteuid(), confined: sandbox.Confined}
}

// Accept implements net.Listener.
func (l *ownListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, pid, err := peerOf(c)
		if err == nil && (uid == l.uid || uid == 0) && !l.confined(pid) {
			return c, nil
		}
		l.log.Warn("connection to the admin socket refused", "uid", uid, "pid", pid, "err", err)
		_ = c.Close()
	}
}
