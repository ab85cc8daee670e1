// Command demo-channels is `make demo-channels`: it plays one conversation on each
// channel through the real gateway, against a program that speaks the platform's
// own protocol, and prints what went over the wire.
//
//	demo-channels             play all
//	demo-channels sms rtm     play some
//	demo-channels -keep       leave the folder with configuration, data and logs there
//
// The programs are those that lie beside it: ../gateway and enghouse-sim.
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
	"slices"
	"syscall"
	"time"
)

// limit bounds the whole play.
const limit = 10 * time.Minute

// scene is the conversation on one channel.
type scene struct {
	name  string // of the channel
	apart bool   // its blocks have a service for it; else it is in the common one

	// prepare starts what is outside the gateway, and returns blocks for
	// gateway.hcl. What it starts ends by s.atEnd. It may write rule files.
	prepare func(ctx context.Context, s *stage) (hcl string, err error)
	// play plays, the gateway running.
	play func(ctx context.Context, s *stage) error
}

// scenes are all there are, in the order in which they are played.
func scenes() []scene {
	return []scene{rtmScene(), smsScene(), smsHTTPScene(), messengerScene(), twitterScene(), wechatScene(), voiceScene(), pushScene()}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends this process, and with it the children
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	keep := flag.Bool("keep", false, "leave the folder with configuration, data and logs there")
	flag.Parse()
	chosen, err := choose(flag.Args())
	if err == nil {
		var self string
		if self, err = os.Executable(); err == nil {
			err = run(ctx, os.Stdout, filepath.Dir(self), chosen, *keep)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo-channels:", err)
		os.Exit(1)
	}
}

// choose returns the scenes of these names, all if there are none.
func choose(names []string) ([]scene, error) {
	all := scenes()
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s scene) bool { return s.name == name }) {
			return nil, fmt.Errorf("there is no scene %q", name)
		}
	}
	if len(names) == 0 {
		return all, nil
	}
	return slices.DeleteFunc(all, func(s scene) bool { return !slices.Contains(names, s.name) }), nil
}

// run sets up a stage with the programs in bin, plays the scenes on it, and takes
// it down, whatever happens.
func run(ctx context.Context, out io.Writer, bin string, chosen []scene, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "gateway-channels-")
	if err != nil {
		return err
	}
	began := time.Now()
	s := &stage{bin: bin, out: &wire{to: out, began: began}}
	defer func() {
		if keep {
			_, _ = fmt.Fprintln(out, "everything is in", dir)
		} else {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	defer func() {
		if err != nil && ctx.Err() == nil && s.home != nil {
			_, _ = fmt.Fprintf(out, "\nThe end of the gateway's log:\n%s\n\n", s.home.LogTail())
		}
		err = errors.Join(err, s.stop())
	}()
	if err := s.start(ctx, dir, chosen); err != nil {
		return err
	}
	for _, sc := range chosen {
		s.out.head(sc.name)
		if err := sc.play(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", sc.name, errors.Join(ctx.Err(), err))
		}
	}
	_, _ = fmt.Fprintf(out, "\nall %d channels did as they should, in %.1f s\n", len(chosen), time.Since(began).Seconds())
	return nil
}
