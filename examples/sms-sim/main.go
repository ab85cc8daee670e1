// Command sms-sim is an SMS center to try the gateway with: it speaks SMPP 3.4, and has
// a small HTTP interface by which customers write and things go wrong.
//
//	sms-sim -listen 127.0.0.1:2775 -control 127.0.0.1:8093
//	sms-sim -system-id shop -password secret -tps 10 -hex-ids
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/openccsp/gateway/examples/internal/desk"
	"github.com/openccsp/gateway/examples/sms-sim/sim"
)

func main() { desk.Main("sms-sim", run) }

// run serves until ctx ends. Once it listens it prints the addresses.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o sim.Options
	f := flag.NewFlagSet("sms-sim", flag.ContinueOnError)
	f.SetOutput(stderr)
	listen := f.String("listen", "127.0.0.1:2775", "`address` for SMPP")
	control := f.String("control", "127.0.0.1:8093", "`address` for HTTP")
	f.StringVar(&o.SystemID, "system-id", "", "the only system id that may bind; empty: any")
	f.StringVar(&o.Password, "password", "", "its password; empty: any")
	f.IntVar(&o.TPS, "tps", 0, "messages a second before it throttles; 0: any number")
	f.BoolVar(&o.HexIDs, "hex-ids", false, "write ids in receipts in hex")
	f.BoolVar(&o.NoTLVs, "no-tlvs", false, "write receipts as texts alone")
	f.BoolVar(&o.Early, "early", false, "send a receipt before the answer to its message")
	f.BoolVar(&o.NoReceipts, "no-receipts", false, "send no receipts")
	if err := f.Parse(args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	c, err := net.Listen("tcp", *control)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	_, _ = fmt.Fprintf(stdout, "listening on %s, control on http://%s\n", l.Addr(), c.Addr())
	return serve(ctx, sim.New(o), l, c)
}

// serve serves both addresses.
func serve(ctx context.Context, s *sim.SMSC, l, control net.Listener) error {
	web := &http.Server{Handler: s.Control(), ReadHeaderTimeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { defer cancel(); served <- web.Serve(control) }()
	err := s.Serve(ctx, l)
	closed := web.Close()
	if webErr := <-served; !errors.Is(webErr, http.ErrServerClosed) {
		err = errors.Join(err, webErr)
	}
	return errors.Join(err, closed)
}
