// Command push-sim is Firebase Cloud Messaging and Apple's push service, to try the
// gateway with. It writes the credentials into a folder, and prints what it is sent.
//
//	push-sim -dir push-sim
package main

import (
	"context"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/openccsp/gateway/examples/internal/desk"
	"github.com/openccsp/gateway/examples/push-sim/sim"
)

func main() { desk.Main("push-sim", run) }

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("push-sim", flag.ContinueOnError)
	f.SetOutput(stderr)
	listen := f.String("listen", "127.0.0.1:8087", "`address` to listen on")
	dir := f.String("dir", ".", "`folder` for the credentials")
	if err := f.Parse(args); err != nil {
		return err
	}
	s, err := sim.New(sim.Options{Wire: func(what string) { _, _ = fmt.Fprintln(stdout, what) }})
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	srv := httptest.NewUnstartedServer(s) // it has a certificate for loopback
	_ = srv.Listener.Close()
	srv.Listener, srv.EnableHTTP2 = l, true
	srv.StartTLS()
	defer srv.Close()
	if err := credentials(*dir, s, srv); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "listening on %s\n", srv.URL)
	<-ctx.Done()
	return nil
}

// credentials writes what an operator would get from Google and Apple, and the
// certificate to believe.
func credentials(dir string, s *sim.Sim, srv *httptest.Server) error {
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	return errors.Join(
		os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "fcm.json"), []byte(s.ServiceAccount(srv.URL)), 0o600),
		os.WriteFile(filepath.Join(dir, "apns.p8"), []byte(s.AppleKey()), 0o600),
		os.WriteFile(filepath.Join(dir, "ca.pem"), cert, 0o600),
	)
}
