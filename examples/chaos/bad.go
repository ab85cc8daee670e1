package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// badHCL is what the gateway of badInput has more: a channel of a first-party
// plugin, and room for very many slow clients of one address.
const badHCL = smallBallast + `
limits {
  connections_per_ip = 5000
}
channel "rtm" "web" {
  settings {
    app_id               = "web"
    messages_per_minute  = 100000000
    registers_per_minute = 100000000
  }
}
service "web" {
  integration = "desk"
  channels    = ["web"]
}
`

// badInput sends what nobody should send, while others write.
func badInput(ctx context.Context, r *run) error {
	r.rate = 100
	a, err := r.open(r.dir, setup{more: badHCL})
	if err != nil {
		return err
	}
	if err := rig.CopyFile(a.home.Path("plugins", "rtm"), filepath.Join(filepath.Dir(r.programs.Gateway), "plugins", "rtm")); err != nil {
		return err
	}
	defer func() { a.close(r) }()
	b := &bad{attacked: a, r: r, client: http.Client{
		Timeout: bar(15 * time.Second), Transport: &http.Transport{MaxIdleConnsPerHost: badWriters}}}
	err = r.underLoad(ctx, a, func() error {
		plugins := rig.Children(a.process.PID)
		for _, attack := range []func(context.Context) error{b.malformed, b.oversized, b.strangeIDs, b.slowClients} {
			if err := attack(ctx); err != nil {
				return err
			}
		}
		for _, p := range plugins {
			if !p.Alive() {
				a.problem("plugin process %d did not live through it", p.PID)
			}
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d bodies at each of %d routes, %d oversized, %d ids, %d slow clients", r.doses(10_000), b.routes, 6*r.doses(1000), r.doses(1000), r.doses(2000))
	log, logErr := os.ReadFile(a.home.Path("gateway.log"))
	if logErr == nil && bytes.Contains(log, []byte("panic")) {
		a.problem("the log tells of a panic, see %s", a.home.Path("gateway.log"))
	}
	return err
}

const badWriters = 8

// bad is a gateway that gets bad input.
type bad struct {
	*attacked
	r      *run
	client http.Client
	routes int
}

// post returns the answer's code, and the token in it if there is one.
func (b *bad) post(ctx context.Context, url, token string, body []byte) (code int, access string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		AccessToken string `json:"accessToken"`
	}
	_ = json.NewDecoder(resp.Body).Decode(&answer)
	return resp.StatusCode, answer.AccessToken, nil
}

// malformed posts bodies that are no message. Each is refused with a 4xx, and
// leaves no conversation.
func (b *bad) malformed(ctx context.Context) error {
	web := b.home.Hook("web")
	code, token, err := b.post(ctx, web+"/register", "", []byte("{}"))
	if err != nil || token == "" {
		return fmt.Errorf("register: %d %w", code, err)
	}
	before, err := b.conversations(ctx)
	if err != nil {
		return err
	}
	urls := []string{b.home.Hook("phone"), b.home.Hook("desk"), web + "/register", web + "/mo", web + "/deliveryupdate", web + "/typing"}
	b.routes = len(urls)
	n := b.r.doses(10_000)
	var took []time.Duration
	var mu sync.Mutex
	var wrong atomic.Int64
	var all sync.WaitGroup
	for w := range badWriters {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := w; i < n*len(urls) && ctx.Err() == nil; i += badWriters {
				body := malformedBody(random)
				began := time.Now()
				code, _, err := b.post(ctx, urls[i%len(urls)], token, body)
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
				if (err != nil || code < 400 || code >= 500) && wrong.Add(1) <= 5 {
					b.problem("%s %.60q: %d %v, want 4xx", urls[i%len(urls)], body, code, err)
				}
			}
		})
	}
	all.Wait()
	after, err := b.conversations(ctx)
	if err != nil {
		return err
	}
	if after != before {
		b.problem("%d conversations after malformed bodies, %d before", after, before)
	}
	slices.Sort(took)
	b.r.note("%d malformed bodies, %d not refused; an answer took %v (median of %d at a time), %v at most", len(took), wrong.Load(),
		took[len(took)/2].Round(time.Microsecond), badWriters, took[len(took)-1].Round(time.Millisecond))
	return ctx.Err()
}

// conversations returns how many conversations of strangers there are.
func (b *bad) conversations(ctx context.Context) (int, error) {
	var page struct{ Items []json.RawMessage }
	err := b.home.Get(ctx, "/v1/conversations?channel=web&limit=100", &page)
	return len(page.Items), err
}

// wellFormed is a message at every route.
const wellFormed = `{"id":"1","from":"stranger","chat":"c","text":"hi","message":"hi","tid":"m1","status":2,"on":true,"data":{"name":"x"}}`

// malformedBody is no message at any route.
func malformedBody(random *rand.Rand) []byte {
	const deep = 10_000
	switch random.IntN(10) {
	case 0:
		return []byte(wellFormed[:1+random.IntN(len(wellFormed)-1)])
	case 1: // wrong types
		return []byte(`{"id":[],"from":{},"chat":1,"text":[1],"message":{"a":1},"tid":{},"status":"x","on":"x","data":7}`)
	case 2:
		return []byte(strings.Repeat("[", deep))
	case 3:
		return []byte(strings.Repeat(`{"text":`, deep) + "1" + strings.Repeat("}", deep))
	case 4:
		return []byte(`{"text":NaN,"message":Infinity,"status":NaN,"on":NaN}`)
	case 5:
		return []byte("from=a&text=b&message=c")
	case 6:
		return []byte("{\"id\":\"\x00\",\"from\":\"a\",\"message\":\"\x01\",\"tid\":\"\x00\"}")
	case 7:
		return fmt.Appendf(nil, "%s%c", wellFormed, "]}x,"[random.IntN(4)])
	case 8:
		if random.IntN(100) == 0 {
			return []byte(`{"text":"` + strings.Repeat("x", 900<<10) + `"}`)
		}
		return []byte("\xff\xfe{}")
	default:
		garbage := make([]byte, 1+random.IntN(200))
		for i := range garbage {
			garbage[i] = byte(random.Uint32())
		}
		return garbage
	}
}

// strangeIDs lets customers write whose ids look like separators, wildcards
// and paths. Each is either refused, or a customer of its own.
func (b *bad) strangeIDs(ctx context.Context) error {
	pieces := []string{"*", ">", ".", "..", "/", "\\", ":", "\x00", "\n", " ", "%00", "%2e%2e%2f", "#", "+", "$", "'", "\"", "{{", "ü", "\u202e", "z", "~"}
	random := rand.New(rand.NewPCG(seed, 8))
	taken := map[string]string{} // customer, by message
	n := b.r.doses(1000)
	seen := map[string]bool{}
	for i := range n {
		who := "s" + strings.Repeat(pieces[random.IntN(len(pieces))], 1+random.IntN(3)) + pieces[random.IntN(len(pieces))]
		if i%100 == 0 {
			who += strings.Repeat("x", 10<<10)
		}
		if seen[who] {
			who += fmt.Sprint(i)
		}
		seen[who] = true
		text := fmt.Sprintf("strange%d", i)
		body, err := json.Marshal(map[string]string{"id": who, "from": who, "text": text})
		if err != nil {
			return err
		}
		for range 2 { // the second is a repetition
			code, _, err := b.post(ctx, b.home.Hook("phone-idempotent"), "", body)
			switch {
			case err != nil || code >= 500:
				b.problem("id %.40q: %d %v", who, code, err)
			case code < 300:
				taken[text] = who
			}
		}
	}
	b.arrived(ctx, taken)
	b.far.mu.Lock()
	defer b.far.mu.Unlock()
	for text, who := range taken {
		if took := b.far.took[text]; len(took) != 1 || took[0].to != who {
			b.problem("message of %.40q: %d arrived, want one", who, len(took))
		}
	}
	b.r.note("%d strange ids, %d refused", n, n-len(taken))
	return nil
}

// arrived waits until all messages have arrived.
func (b *bad) arrived(ctx context.Context, texts map[string]string) {
	missing := func() (n int) {
		b.far.mu.Lock()
		defer b.far.mu.Unlock()
		for text := range texts {
			if len(b.far.took[text]) == 0 {
				n++
			}
		}
		return n
	}
	ctx, cancel := context.WithTimeout(ctx, bar(movesWithin))
	defer cancel()
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for missing() > 0 && ctx.Err() == nil {
		select {
		case <-every.C:
		case <-ctx.Done():
		}
	}
}
