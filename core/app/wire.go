package app

import (
	"context"
	"net"
)

// wire opens the store, the rules, the plugins and the engine, appends their
// parts in the order of start, and sets a.ready.
func (a *App) wire(context.Context) error { return nil }

// wireDoors appends the parts that let requests in. They start last and stop
// first.
func (a *App) wireDoors(context.Context) error {
	a.parts = append(a.parts, shut("admin socket", a.socket), shut("admin", a.admin), shut("hooks", a.public))
	return nil
}

// shut is a door that lets nobody in.
func shut(name string, ln net.Listener) part {
	return part{name, func(ctx context.Context) error {
		<-ctx.Done()
		return ln.Close()
	}}
}
