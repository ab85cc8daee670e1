package app

import (
	"log/slog"
	"net"
	"os"
)

// ownListener is a unix socket's that lets in processes of one user, and of
// root. The user's id is their credential: the admin API asks for no token.
type ownListener struct {
	net.Listener
	log *slog.Logger
	uid int
}

func newOwnListener(ln net.Listener, log *slog.Logger) *ownListener {
	return &ownListener{Listener: ln, log: log, uid: os.Geteuid()}
}

// Accept implements net.Listener.
func (l *ownListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && (uid == l.uid || uid == 0) {
			return c, nil
		}
		l.log.Warn("connection to the admin socket refused", "uid", uid, "err", err)
		_ = c.Close()
	}
}
