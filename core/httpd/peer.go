package httpd

import "net"

// ownUser is a unix socket listener that lets in only processes of this one's
// user.
type ownUser struct{ net.Listener }

// Accept implements net.Listener.
func (l ownUser) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if sameUser(nc) {
			return nc, nil
		}
		_ = nc.Close()
	}
}
