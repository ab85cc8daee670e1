// Command demo is `make demo`: it plays one conversation through the gateway, a
// contact center and a customer's page, all of them real processes, and checks
// every step of it. It needs no browser and leaves nothing behind.
//
//	demo          play, and exit 0 if every step came out as it should
//	demo -keep    leave the folder there to look at
//
// The programs are those that lie beside it: ../gateway, enghouse-sim, webchat.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// limit bounds the whole demo. It takes about 10 s.
const limit = 10 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends this process, and with it the children
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	keep := flag.Bool("keep", false, "leave the folder with configuration, data and logs there")
	flag.Parse()
	self, err := os.Executable()
	if err == nil {
		err = run(ctx, os.Stdout, filepath.Dir(self), *keep)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run sets up a stage with the programs in bin, plays on it, and takes it down,
// whatever happens.
func run(ctx context.Context, out io.Writer, bin string, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "gateway-demo-")
	if err != nil {
		return err
	}
	p := &play{out: out, began: time.Now()}
	defer func() {
		if keep {
			p.say("everything is in %s", dir)
		} else {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	s, err := newStage(dir, bin)
	if err != nil {
		return err
	}
	p.stage = s
	defer func() {
		if err != nil && ctx.Err() == nil {
			_, _ = fmt.Fprintf(out, "\nThe end of the gateway's log:\n%s\n\n", s.home.LogTail())
		}
		err = errors.Join(err, s.stop())
	}()
	if err := p.all(ctx); err != nil {
		return err
	}
	p.say("all %d steps came out as they should, in %.1f s", p.steps, time.Since(p.began).Seconds())
	return nil
}
