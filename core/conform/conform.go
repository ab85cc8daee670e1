// Package conform runs a plugin process of any language through the protocol
// between gateway and plugins, as the gateway would and worse, and reports
// which rules it keeps. It tests the real program: what it prints, how it
// answers, and how it ends.
package conform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Options say what Run tests, and how patiently.
type Options struct {
	Target
	Setup

	// Only are the names of the cases to run, or how they begin; none: all.
	Only []string

	// Patience is how long conform waits for what should take milliseconds.
	// 0: 15 s.
	Patience time.Duration

	// StopWithin is how long the process may live on when its standard input
	// has ended. 0: 2 s, which is what the gateway promises.
	StopWithin time.Duration

	// Done is called after each case, if it is set.
	Done func(Result)
}

// quiet is how long conform watches for something that must not happen.
const quiet = 300 * time.Millisecond

// oneCase is one rule of the protocol.
type oneCase struct {
	name string
	what string // for people
	run  func(*trial) error
}

// cases are all cases in the order in which they run.
func cases() []oneCase {
	return slices.Concat(handshakeCases, describeCases, settingsCases, openCases, orderCases,
		flowCases, unknownCases, abilityCases, drainCases, handoverCases, outputCases, endCases)
}

// Names returns the names of all cases, in the order in which they run.
func Names() []string {
	var names []string
	for _, c := range cases() {
		names = append(names, c.name)
	}
	return names
}

// notApplicable is why a case says nothing about a plugin.
type notApplicable string

func (n notApplicable) Error() string { return string(n) }

// bench is what all cases share.
type bench struct {
	o       Options
	ctx     context.Context
	scratch string // folder of the plugin's files
	sockets string // folder of sockets: its name is short

	manifest *pluginv1.Manifest // nil: it did not come that far
	driver   *pluginv1.Driver
	blocked  error // why there is no instance to test with
	alien    bool  // it does not even begin as a plugin does
	reaches  bool  // a send calls the vendor
}

// Run runs all cases, one after the other, each with processes of its own; of a
// program that is no plugin only those until the first that fails. Its
// error is one of conform itself or of ctx: what is wrong with the plugin is
// in the report. When Run returns, no process is left.
func Run(ctx context.Context, o Options) (Report, error) {
	if len(o.Command) == 0 {
		return Report{}, errors.New("conform: no command")
	}
	if o.Patience <= 0 {
		o.Patience = 15 * time.Second
	}
	if o.StopWithin <= 0 {
		o.StopWithin = 2 * time.Second
	}
	chosen := slices.DeleteFunc(cases(), func(c oneCase) bool { return !o.wants(c.name) })
	if len(chosen) == 0 {
		return Report{}, fmt.Errorf("conform: no case is called %s", strings.Join(o.Only, " or "))
	}
	b := &bench{o: o, ctx: ctx}
	if err := b.prepare(); err != nil {
		return Report{}, fmt.Errorf("conform: %w", err)
	}
	defer b.clean()
	b.probe()
	r := b.report()
	for _, c := range chosen {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		one := b.try(c)
		r.Cases = append(r.Cases, one)
		if o.Done != nil {
			o.Done(one)
		}
		if b.alien && one.Verdict == Fail { // so would all others, and for the same reason
			r.NotRun = len(chosen) - len(r.Cases)
			break
		}
	}
	return r, ctx.Err()
}

func (o *Options) wants(name string) bool {
	return len(o.Only) == 0 || slices.ContainsFunc(o.Only, func(p string) bool { return strings.HasPrefix(name, p) })
}

func (b *bench) prepare() (err error) {
	if b.scratch, err = os.MkdirTemp("", "conform"); err == nil {
		b.sockets, err = os.MkdirTemp("", "cf")
	}
	if err != nil {
		b.clean()
	}
	return err
}

func (b *bench) clean() {
	for _, dir := range []string{b.scratch, b.sockets} {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
}

// probe learns what the cases need to know of the plugin: what it is, whether
// an instance opens, and whether a send reaches the vendor.
func (b *bench) probe() {
	t, err := b.newTrial()
	if err != nil {
		b.blocked = err
		return
	}
	defer func() { _ = t.end() }() // the cases find what is broken
	s, err := t.start()
	if err != nil {
		b.blocked = fmt.Errorf("the process does not get as far as that: %w", err)
		b.alien = t.sessions[0].proc.alien()
		return
	}
	b.manifest = proto.CloneOf(s.manifest)
	if b.driver, err = b.o.chooseDriver(b.manifest); err != nil {
		b.blocked = err
		return
	}
	if err := b.o.complete(b.driver); err != nil {
		b.blocked = err
		return
	}
	if err := t.open(s); err != nil {
		b.blocked = fmt.Errorf("no instance to test with: %w", err)
		return
	}
	before := t.vendor.seen()
	_, err = s.ask(t.message(0, "probe", "hello"))
	b.reaches = err == nil && t.vendor.seen() > before
}

// try runs one case.
func (b *bench) try(c oneCase) Result {
	r := Result{Name: c.name, What: c.what, Verdict: Pass}
	began := time.Now()
	t, err := b.newTrial()
	if err == nil {
		err = errors.Join(c.run(t), t.end())
	}
	r.Seconds = time.Since(began).Seconds()
	if reason, ok := errors.AsType[notApplicable](err); ok {
		r.Verdict, r.Detail = NotApplicable, string(reason)
	} else if err != nil {
		r.Verdict, r.Detail = Fail, err.Error()
	}
	return r
}

func (b *bench) report() Report {
	r := Report{Command: b.o.Command, Plugin: b.manifest.GetPluginId(), Version: b.manifest.GetVersion(),
		Driver: b.driver.GetName()}
	if b.blocked != nil {
		r.Blocked = b.blocked.Error()
	}
	return r
}
