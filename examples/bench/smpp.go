package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	"github.com/openccsp/gateway/examples/internal/rig"
	"github.com/openccsp/gateway/examples/sms-sim/sim"
)

// The doses of SMPP: so many customers write in turn, and each message has an answer.
const (
	smppPerSecond = 1000
	smppFor       = time.Minute
	smppCustomers = 2000
	smppPatience  = 30 * time.Second // until all is there
	smppAtOnce    = 400              // messages, and answers, that wait for ours
)

// smppHCL is a gateway between an SMSC and the benchmark's contact center.
func smppHCL(port int, desk string) string {
	return fmt.Sprintf(`
store "badger" {
  ballast = "1MiB"
}
log {
  level = "warn"
}
channel "sms" "mobile" {
  settings {
    provider = "smpp"
    password = "secret"
    smpp = {
      host                = "127.0.0.1"
      port                = %d
      system_id           = "bench"
      source              = "+41790000099"
      window              = 200
      registered_delivery = "none"
    }
  }
}
integration "benchconnector" "desk" {
  settings { url = %q }
}
service "retail" {
  integration = "desk"
  channels    = ["mobile"]
}
`, port, desk)
}

// texters are customers who write over SMPP, an SMSC, and agents who answer each
// message at once.
type texters struct {
	smsc  *sim.SMSC
	home  *rig.Home
	p     *rig.Process
	desk  *fasthttp.Server
	url   string
	sends fasthttp.HostClient // the agents'
	stops []func() error

	answering chan question
	in, out   journey
	failed    atomic.Pointer[error]
}

// question is a message that an agent has to answer.
type question struct {
	id   int64
	chat string
}

// journey is the way of all messages in one direction.
type journey struct {
	mu      sync.Mutex
	began   []time.Time
	took    []time.Duration // 0: not yet there
	arrived int
	repeats int
}

func newJourney(n int) journey {
	return journey{began: make([]time.Time, n), took: make([]time.Duration, n)}
}

func (j *journey) begin(id int64, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.began[id] = at
}

// end counts an arrival, and says whether it is the first one.
func (j *journey) end(id int64, at time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if id < 0 || id >= int64(len(j.took)) || j.took[id] != 0 {
		j.repeats++
		return false
	}
	j.took[id] = max(at.Sub(j.began[id]), 1)
	j.arrived++
	return true
}

// percentiles are those of what has arrived, in microseconds.
func (j *journey) times() times {
	j.mu.Lock()
	defer j.mu.Unlock()
	var us []float64
	for _, d := range j.took {
		if d > 0 {
			us = append(us, float64(d.Nanoseconds())/1e3)
		}
	}
	return percentiles(us)
}

func (j *journey) missing() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.took) - j.arrived
}

// smpp measures the channel sms: messages in and out at a rate, without loss.
func (b *bench) smpp(ctx context.Context) (err error) {
	perSecond, d := smppPerSecond, smppFor
	if b.short {
		perSecond, d = 200, 2*time.Second
	}
	row, err := measureSMPP(ctx, b.programs, filepath.Join(b.dir, "smpp"), perSecond, d)
	if err != nil {
		return fmt.Errorf("smpp: %w", err)
	}
	b.results.smpp = append(b.results.smpp, row)
	fmt.Print(smppTable(b.results.smpp))
	return nil
}

// measureSMPP has customers write for d, and waits until all has arrived.
func measureSMPP(ctx context.Context, programs rig.Programs, dir string, perSecond int, d time.Duration) (row SMPPRow, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d+2*smppPatience, errors.New("it took too long"))
	defer cancel()
	n := int(d.Seconds() * float64(perSecond))
	x := &texters{answering: make(chan question, n), in: newJourney(n), out: newJourney(n)}
	defer func() { err = errors.Join(err, x.stop()) }()
	if err := x.start(ctx, programs, dir); err != nil {
		return row, err
	}
	cpu, began := rig.CPU(x.p.PID), time.Now()
	answers, stop := context.WithCancel(ctx)
	defer stop()
	var agents sync.WaitGroup
	defer agents.Wait()
	defer stop()
	for range smppAtOnce {
		agents.Go(func() { x.answer(answers) })
	}
	if err := x.write(ctx, perSecond, n); err != nil {
		return row, err
	}
	if err := x.await(ctx, smppPatience); err != nil {
		return row, fmt.Errorf("%w\n%s", err, x.home.LogTail())
	}
	return x.row(perSecond, time.Since(began), rig.CPU(x.p.PID)-cpu), nil
}

// start starts the SMSC, the contact center, and the gateway between them.
func (x *texters) start(ctx context.Context, programs rig.Programs, dir string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	x.smsc = sim.New(sim.Options{Window: 400, Arrived: x.customerReads, Response: smppPatience})
	served, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- x.smsc.Serve(served, l) }()
	x.stops = append(x.stops, func() error { stop(); return <-done })

	desk, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	x.desk = &fasthttp.Server{Handler: x.agentReads, Concurrency: 100_000, NoDefaultServerHeader: true}
	go func() { done <- x.desk.Serve(desk) }()
	x.stops = append(x.stops, func() error { return errors.Join(x.desk.Shutdown(), <-done) })

	x.home, err = rig.NewHome(dir, programs, nil, smppHCL(l.Addr().(*net.TCPAddr).Port, "http://"+desk.Addr().String()+"/"))
	if err != nil {
		return err
	}
	plugin := filepath.Join(filepath.Dir(programs.Gateway), "plugins", "sms")
	if err := rig.CopyFile(x.home.Path("plugins", "sms"), plugin); err != nil {
		return fmt.Errorf("%w; run make build", err)
	}
	x.url = x.home.Hook("desk")
	x.sends = fasthttp.HostClient{Addr: x.home.Listen, MaxConns: 2 * smppAtOnce, ReadTimeout: smppPatience,
		WriteTimeout: smppPatience, MaxIdleConnDuration: time.Minute}
	if x.p, err = x.home.Start(ctx, nil, nil); err != nil {
		return fmt.Errorf("%w\n%s", err, x.home.LogTail())
	}
	x.stops = append(x.stops, func() error { _, err := x.p.Terminate(15 * time.Second); return err })
	return x.smsc.Until(ctx, func() bool { return x.smsc.Bound() > 0 })
}

func (x *texters) stop() (err error) {
	for _, f := range slices.Backward(x.stops) {
		err = errors.Join(err, f())
	}
	x.sends.CloseIdleConnections()
	return err
}

// write has the customers write, each message when it is due.
func (x *texters) write(ctx context.Context, perSecond, n int) error {
	writers, ctx := errgroup.WithContext(ctx)
	writers.SetLimit(smppAtOnce)
	began := time.Now()
	for id := range n {
		due := began.Add(time.Duration(id) * time.Second / time.Duration(perSecond))
		if err := pause(ctx, time.Until(due)); err != nil {
			break
		}
		writers.Go(func() error {
			x.in.begin(int64(id), due)
			return x.smsc.Deliver(ctx, sim.Post{From: fmt.Sprintf("4179%07d", id%smppCustomers), To: "41790000099",
				Text: fmt.Sprintf("#%d#%s", id, padding[:80])})
		})
	}
	return writers.Wait()
}

// agentReads takes what the gateway brings to the contact center.
func (x *texters) agentReads(r *fasthttp.RequestCtx) {
	at := time.Now()
	id, ok := number(string(r.Request.Body()))
	if ok && x.in.end(id, at) {
		_, rest, _ := strings.Cut(string(r.Request.Body()), `"chat":"`)
		chat, _, _ := strings.Cut(rest, `"`)
		x.answering <- question{id, chat}
	}
	r.SetStatusCode(fasthttp.StatusOK)
}

// answer answers one question after the other.
func (x *texters) answer(ctx context.Context) {
	for {
		select {
		case q := <-x.answering:
			x.out.begin(q.id, time.Now())
			if err := x.say(q); err != nil {
				x.failed.CompareAndSwap(nil, &err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// say is the agent's act.
func (x *texters) say(q question) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(x.url)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.Header.SetContentType("application/json")
	req.SetBodyRaw(fmt.Appendf(nil, `{"chat":%q,"id":"a%d","text":"#%d#%s"}`, q.chat, q.id, q.id, padding[:80]))
	if err := x.sends.Do(req, resp); err != nil {
		return err
	}
	if resp.StatusCode() != fasthttp.StatusOK {
		return fmt.Errorf("an agent's message: %d %.200s", resp.StatusCode(), resp.Body())
	}
	return nil
}

// customerReads takes what the SMSC got.
func (x *texters) customerReads(m sim.Message) {
	at := time.Now()
	if id, ok := number(m.Text); ok {
		x.out.end(id, at)
	}
}

// number finds the id in a text.
func number(s string) (int64, bool) {
	_, rest, _ := strings.Cut(s, "#")
	digits, _, ok := strings.Cut(rest, "#")
	id, err := strconv.ParseInt(digits, 10, 64)
	return id, ok && err == nil
}

// await waits until nothing is missing.
func (x *texters) await(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := x.smsc.Until(ctx, func() bool { return x.in.missing() == 0 && x.out.missing() == 0 })
	if err != nil {
		err = fmt.Errorf("lost: %d of those in, %d of those out", x.in.missing(), x.out.missing())
	}
	if f := x.failed.Load(); f != nil {
		err = errors.Join(err, *f)
	}
	if b := x.smsc.Breaches(); len(b) > 0 {
		err = errors.Join(err, fmt.Errorf("the contract was broken: %s", b[0]))
	}
	return err
}
