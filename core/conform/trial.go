package conform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// instance is the name of the instance under test. It is long so that answers,
// which repeat it, are large enough to fill the stream while nobody reads.
const instance = "conform-with-a-name-as-long-as-gateway-hcl-lets-people-make-it1"

// longCall is the deadline of calls that are to stay open for a while.
const longCall = 60 * time.Second

// trial is one run of one case.
type trial struct {
	*bench
	ctx      context.Context
	cancel   context.CancelFunc
	vendor   *vendor // its own: what a killed process of the last trial still sends is not taken for this one's
	host     *fakeHost
	places   places
	dataDir  string
	sessions []*session
	procs    []*process // without a session
	conns    []net.Conn // of those who write from outside
	copies   sync.WaitGroup
}

func (b *bench) newTrial() (*trial, error) {
	t := &trial{bench: b, host: newFakeHost()}
	var err error
	if t.vendor, err = startVendor(); err != nil {
		return nil, fmt.Errorf("conform: stand-in for the vendor: %w", err)
	}
	t.ctx, t.cancel = context.WithCancel(b.ctx)
	t.places = places{vendor: t.vendor.url, listen: freeAddress()}
	t.dataDir, _ = os.MkdirTemp(b.scratch, "data") // a plugin that needs it will say so
	return t, nil
}

// freeAddress is a TCP address on loopback that nobody uses just now. Its port
// is none of those that systems give to outgoing connections, so that it is still
// free when the plugin listens.
func freeAddress() string {
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 15_000+rand.IntN(15_000)))
		if err == nil {
			defer l.Close() //nolint:errcheck // it only held the number
			return l.Addr().String()
		}
	}
	return dummyPlaces.listen
}

// end ends all processes and returns which rules the plugin broke beside the
// case's own.
func (t *trial) end() error {
	t.vendor.release()
	var broken []error
	for _, s := range t.sessions {
		s.kill()
		if s.link != nil {
			broken = append(broken, s.link.breaches()...)
		}
	}
	for _, p := range t.procs {
		p.kill()
	}
	for _, c := range t.conns {
		_ = c.Close()
	}
	t.copies.Wait()
	t.vendor.close()
	t.cancel()
	return errors.Join(broken...)
}

// process makes a process that has not been started.
func (t *trial) process() *process {
	dir := t.o.Dir
	if dir == "" {
		dir = t.dataDir
	}
	return newProcess(t.o.Command, dir)
}

// raw makes a process that is started without go-plugin, with an environment
// of its own.
func (t *trial) raw(env ...string) (*process, error) {
	p := t.process()
	var err error
	if p.socketDir, err = os.MkdirTemp(t.sockets, "raw"); err != nil {
		return nil, err
	}
	p.env = append(env, "PLUGIN_UNIX_SOCKET_DIR="+p.socketDir, "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000")
	p.env = append(p.env, t.environment()...)
	if err := p.Start(t.ctx); err != nil {
		return nil, err
	}
	t.procs = append(t.procs, p)
	return p, nil
}

// environment is what a plugin gets beside go-plugin's own: nothing of ours.
func (t *trial) environment() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + t.dataDir, "TMPDIR=" + t.dataDir}
}

func (t *trial) settings() ([]byte, map[string][]byte) { return t.o.fill(t.places) }

// opened starts the plugin, opens the instance and lets it receive.
func (t *trial) opened() (*session, error) {
	if t.blocked != nil {
		return nil, t.blocked
	}
	s, err := t.start()
	if err != nil {
		return nil, err
	}
	return s, t.open(s)
}

func (t *trial) open(s *session) error {
	if err := s.mustOpen(1); err != nil {
		return err
	}
	return s.activate()
}

// channel says whether the driver is a channel.
func (t *trial) channel() bool { return t.driver.GetKind() == pluginv1.DriverKind_CHANNEL }

func (t *trial) has(ability string) bool {
	for _, a := range t.driver.GetAbilities() {
		if a == ability {
			return true
		}
	}
	return false
}

// conversation is the gateway's id of conversation who.
func conversation(who int) []byte {
	sum := sha256.Sum256([]byte("conform " + strconv.Itoa(who)))
	return sum[:16]
}

func (t *trial) customer(who int) *pluginv1.Customer {
	address := t.o.Address
	if who > 0 {
		address += strconv.Itoa(who)
	}
	return &pluginv1.Customer{Address: address, Name: "Ada Lovelace", FirstName: "Ada", LastName: "Lovelace"}
}

func (t *trial) chat(who int) *pluginv1.Chat {
	return &pluginv1.Chat{Conversation: hex.EncodeToString(conversation(who)), Number: 1,
		Ref: "conform-" + strconv.Itoa(who), Customer: t.customer(who), Channel: "shop", ChannelType: "sms", Service: "conform"}
}

// call makes a frame of c for conversation who.
func (t *trial) call(who int, c *pluginv1.Call) *pluginv1.HostFrame {
	c.Attempt = max(c.Attempt, 1)
	c.Customer = t.customer(who)
	if !t.channel() {
		c.Chat = t.chat(who)
	}
	return &pluginv1.HostFrame{Instance: instance, Conversation: conversation(who),
		DeadlineMs: uint32(longCall.Milliseconds()), Body: &pluginv1.HostFrame_Call{Call: c}}
}

// message makes a frame that sends a text in conversation who.
func (t *trial) message(who int, key, text string) *pluginv1.HostFrame {
	author := pluginv1.AuthorKind_AUTHOR_CUSTOMER
	if t.channel() {
		author = pluginv1.AuthorKind_AUTHOR_AGENT
	}
	return t.call(who, &pluginv1.Call{Op: pluginv1.Op_SEND, Key: key, Message: &pluginv1.Message{
		Id: key, Text: text, Author: author, AtMs: time.Now().UnixMilli()}})
}

// needVendor returns why a case that holds calls open does not apply.
func (t *trial) needVendor() error {
	if t.blocked == nil && !t.reaches {
		return notApplicable("a send does not call the stand-in for the vendor, so that no call can be held open; " +
			"put {{vendor}} into the settings if the driver has such an address")
	}
	return nil
}

// needEvents returns why a case that needs events does not apply.
func (t *trial) needEvents() error {
	switch {
	case t.blocked != nil:
		return nil
	case !t.has(pluginv1.AbilityListen):
		return notApplicable("the driver emits nothing unasked: it has no ability " + pluginv1.AbilityListen)
	case t.o.Inbound == nil:
		return notApplicable("nobody said how the driver is made to emit events: inbound in " + setupFile)
	}
	return nil
}

// outside writes to the plugin from outside, so that it emits events.
type outside struct {
	conn net.Conn
	each string
	n    int
}

// dial connects as somebody outside. With patient it waits for the listener.
func (t *trial) dial(patient bool) (*outside, error) {
	in := t.o.Inbound
	address := t.places.in(in.Dial)
	until := time.Now().Add(t.o.Patience)
	for {
		c, err := (&net.Dialer{Timeout: t.o.Patience}).DialContext(t.ctx, "tcp", address)
		if err == nil {
			t.conns = append(t.conns, c)
			t.copies.Go(func() { _, _ = io.Copy(io.Discard, c) })
			_, err = io.WriteString(c, t.places.in(in.First))
			return &outside{conn: c, each: t.places.in(in.Each)}, err
		}
		if !patient || time.Now().After(until) {
			return nil, fmt.Errorf("nobody listens at %s: %w", address, err)
		}
		time.Sleep(5 * time.Millisecond) // another process starts to listen
	}
}

// provoke makes the plugin emit n events. It does not wait for the plugin to
// read more than fits into the socket.
func (o *outside) provoke(n int) error {
	var b strings.Builder
	for range n {
		o.n++
		b.WriteString(strings.ReplaceAll(o.each, "{{n}}", strconv.Itoa(o.n)))
	}
	_, err := io.WriteString(o.conn, b.String())
	return err
}

// idOf names the events of a frame.
func idsOf(f *pluginv1.PluginFrame) (ids []string) {
	for _, e := range f.GetInbound().GetEvents() {
		ids = append(ids, e.GetId())
	}
	return ids
}

// silent watches for events for a while and returns those that came.
func (s *session) silent(d time.Duration) []string {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var ids []string
	for {
		select {
		case f := <-s.link.events:
			ids = append(ids, idsOf(f)...)
		case <-timer.C:
			return ids
		}
	}
}

// nextEvents waits for one frame of events.
func (s *session) nextEvents() (*pluginv1.PluginFrame, error) {
	timer := time.NewTimer(s.t.o.Patience)
	defer timer.Stop()
	select {
	case f := <-s.link.events:
		return f, nil
	case <-s.link.done:
		return nil, fmt.Errorf("the stream ended%s", s.died())
	case <-timer.C:
		return nil, fmt.Errorf("no events within %s", s.t.o.Patience)
	}
}

// size is the memory of the process in bytes, 0 where that is not known.
func (p *process) size() int64 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.pid()), "statm"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
