package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

const (
	rtmWithin = 120 * time.Second // all of it
	rtmAtOnce = 64                // customers who register, connect or write at the same time
)

// rtmHCL is a gateway with one channel of RTM, and nobody to forward to. A rule
// answers each customer.
func rtmHCL(mqtt string) string {
	return fmt.Sprintf(`
store "badger" {
  ballast = "1MiB"
}
log {
  level = "warn"
}
channel "rtm" "webshop" {
  settings {
    app_id               = "webshop"
    mqtt_listen          = %q
    registers_per_minute = 1000000
  }
}
service "retail" {
  channels = ["webshop"]
}
`, mqtt)
}

const rtmRule = `rules:
  - name: answer
    on: customer_message
    do:
      - send: Good morning, this is the shop. How can we help you?
`

// RTMRow is the report on connected clients.
type RTMRow struct {
	Clients  int                `json:"clients"`
	Seconds  float64            `json:"seconds"` // from the first word of a customer to the last answer at a client
	Connects float64            `json:"connects_per_second"`
	Answer   Delays             `json:"answer_ms"` // of one customer, from the request to the answer
	Memory   map[string]float64 `json:"kb_per_client"`
}

// shore is a gateway with RTM clients at it.
type shore struct {
	home    *rig.Home
	gateway *rig.Process
	plugin  int // process id
	mqtt    string
	clients []*rtmClient
}

// rtm measures one message to each of many connected clients: each customer
// writes one, and a rule answers.
func (b *bench) rtm(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, rtmWithin, fmt.Errorf("the RTM clients took longer than %v", rtmWithin))
	defer cancel()
	s, err := b.newShore(ctx, filepath.Join(b.dir, "rtm"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	row, err := s.measure(ctx, b.clients)
	if err != nil {
		return fmt.Errorf("%d RTM clients: %w\n%s", b.clients, errors.Join(context.Cause(ctx), err), s.home.LogTail())
	}
	b.results.rtm = &row
	fmt.Print(rtmTable(row))
	return nil
}

func (b *bench) newShore(ctx context.Context, dir string) (*shore, error) {
	addr, err := rig.FreeAddress()
	if err != nil {
		return nil, err
	}
	s := &shore{mqtt: addr}
	if s.home, err = rig.NewHome(dir, b.programs, map[string]string{"answer.yaml": rtmRule}, rtmHCL(addr)); err != nil {
		return nil, err
	}
	err = rig.CopyFile(s.home.Path("plugins", "rtm"), filepath.Join(filepath.Dir(b.programs.Gateway), "plugins", "rtm"))
	if err != nil {
		return nil, fmt.Errorf("%w; run make build", err)
	}
	if s.gateway, err = s.home.Start(ctx, nil, nil); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, s.home.LogTail())
	}
	report, err := s.home.Plugin(ctx, "org.openccsp.rtm")
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.plugin = report.Files[0].PID
	return s, nil
}

func (s *shore) stop() error {
	for _, c := range s.clients {
		c.close()
	}
	_, err := s.gateway.Terminate(30 * time.Second)
	return err
}

func (s *shore) memory() sizes {
	return sizes{"gateway": rig.MemoryOf(s.gateway.PID).Anon * 1024, "plugin": rig.MemoryOf(s.plugin).Anon * 1024}
}

func (s *shore) measure(ctx context.Context, clients int) (row RTMRow, err error) {
	empty := s.memory()
	s.clients = make([]*rtmClient, clients)
	began := time.Now()
	if err := many(ctx, clients, func(i int) (err error) { s.clients[i], err = s.connect(ctx, i); return err }); err != nil {
		return row, err
	}
	row = RTMRow{Clients: clients, Connects: float64(clients) / time.Since(began).Seconds(), Memory: s.memory().less(empty).per(clients)}
	began = time.Now()
	err = many(ctx, clients, func(i int) error {
		c := s.clients[i]
		c.wrote = time.Now()
		return call(ctx, s.home.Hook("webshop")+"/mo", fmt.Sprintf(`{"tid":"c%d","message":"Good morning"}`, i), c.token, nil)
	})
	if err != nil {
		return row, err
	}
	ms := make([]float64, clients)
	for i, c := range s.clients {
		select {
		case at := <-c.got:
			ms[i] = float64(at.Sub(c.wrote).Microseconds()) / 1e3
			row.Seconds = max(row.Seconds, at.Sub(began).Seconds())
		case err := <-c.ended:
			return row, fmt.Errorf("client %d: %w", i, err)
		case <-ctx.Done():
			return row, fmt.Errorf("client %d got nothing", i)
		}
	}
	row.Answer = delaysOf(ms)
	return row, nil
}

// connect registers a customer and connects a client of it.
func (s *shore) connect(ctx context.Context, n int) (*rtmClient, error) {
	var answer struct {
		AccessToken string
		Broker      struct{ Username, ClientID, Topic string }
	}
	if err := call(ctx, s.home.Hook("webshop")+"/register", fmt.Sprintf(`{"deviceId":"d%d"}`, n), "", &answer); err != nil {
		return nil, err
	}
	return dialRTM(ctx, s.mqtt, answer.Broker.ClientID, answer.Broker.Username, answer.AccessToken, answer.Broker.Topic)
}

// many does n things, some at once, and returns the first error.
func many(ctx context.Context, n int, do func(int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var all sync.WaitGroup
	for range min(rtmAtOnce, n) {
		all.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	all.Wait()
	return context.Cause(ctx)
}

func rtmTable(r RTMRow) string {
	memory, err := json.Marshal(r.Memory)
	if err != nil {
		memory = nil
	}
	return fmt.Sprintf("\n%d RTM clients, connected at %.0f a second: a message to each within %.2f s, p50 / p95 / p99 %v ms; kB per client %s\n",
		r.Clients, r.Connects, r.Seconds, r.Answer, memory)
}
