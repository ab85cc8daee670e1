package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"syscall"

	"github.com/openccsp/gateway/core/diag"
)

func (a *App) openListeners(ctx context.Context) (err error) {
	c := a.config
	file := filepath.Base(c.File)
	if a.public, err = a.listen(ctx, "listen", c.Listen, c.ListenAt(), `"listen" in `+file); err != nil {
		return err
	}
	a.admin, err = a.listen(ctx, "admin.listen", c.Admin.Listen, c.AdminListenAt(), `"listen" of the admin block in `+file)
	return err
}

// listen binds address, the value of key. An address that cannot be had is a
// problem at pos that says what to change.
func (a *App) listen(ctx context.Context, key, address string, pos diag.Pos, change string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		a.onClose(key, ln.Close)
		return ln, nil
	}
	p := &diag.Problem{Pos: pos, Hint: "change " + change}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		p.Summary = fmt.Sprintf("%s: %s is in use", key, address)
	case errors.Is(err, syscall.EACCES):
		p.Summary = fmt.Sprintf("%s: %s may not be used by this user", key, address)
	default:
		p.Summary = fmt.Sprintf("%s: %v", key, err)
	}
	return nil, p
}
