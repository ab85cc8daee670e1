package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// crowd is many customers who have a chat open each, and their agents.
type crowd struct {
	chats     int
	home      *rig.Home
	gateway   *rig.Process
	plugin    int // its process
	sim       *rig.Process
	desk      string // the simulator's address
	customers *far
	list      []deskChat // in random order

	mu      sync.Mutex
	count   int64              // of answers so far
	answers map[string]*answer // by their text's number
	missing int                // answers that have not arrived
	repeats int
	arrived chan struct{} // has a token once none is missing
}

// answer is what an agent wrote.
type answer struct {
	number int64
	sent   time.Time
	took   time.Duration // until the customer's side had it, 0: not yet
}

// writersAtOnce is how many connections write to the hook and to the desk.
const writersAtOnce = 64

// openAll has every customer write once and an agent take every chat.
func (c *crowd) openAll(ctx context.Context) error {
	var err error
	err = each(ctx, c.chats, func(ctx context.Context, i int) error {
		body := fmt.Sprintf(`{"id":"first-%d","from":%q,"text":%q}`, i, customerName(i), firstText(customerName(i)))
		return post(ctx, c.home.Hook("webshop"), body)
	})
	if err != nil {
		return err
	}
	for {
		if c.list, err = c.chatsOfDesk(ctx); err != nil {
			return err
		}
		if len(c.list) >= c.chats {
			break
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d chats were opened: %w", len(c.list), c.chats, err)
		}
	}
	rand.Shuffle(len(c.list), func(i, j int) { c.list[i], c.list[j] = c.list[j], c.list[i] })
	return each(ctx, len(c.list), func(ctx context.Context, i int) error {
		return c.act(ctx, c.list[i].ID, "take", `{"agent":"Ann"}`)
	})
}

// write has the customers of chats write once more.
func (c *crowd) write(ctx context.Context, chats []deskChat) error {
	return each(ctx, len(chats), func(ctx context.Context, i int) error {
		who := chats[i].Name
		return post(ctx, c.home.Hook("webshop"), fmt.Sprintf(`{"id":"second-%s","from":%q,"text":%q}`, who, who, secondText))
	})
}

func customerName(i int) string        { return fmt.Sprintf("crowd%05d", i) }
func firstText(customer string) string { return "hello from " + customer }

const secondText = "still there?"

// each calls one for 0 to n-1, some at the same time.
func each(ctx context.Context, n int, one func(ctx context.Context, i int) error) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(writersAtOnce)
	for i := range n {
		all.Go(func() error { return one(ctx, i) })
	}
	return all.Wait()
}

// answerAt has agents answer at a steady rate, in the chats from first to
// before end in turn, and waits until the customers have it all.
func (c *crowd) answerAt(ctx context.Context, perSecond, first, end int) error {
	c.mu.Lock()
	c.answers = map[string]*answer{}
	c.mu.Unlock()
	every := time.NewTicker(time.Second / time.Duration(perSecond))
	defer every.Stop()
	all, writing := errgroup.WithContext(ctx)
	n := int(answersFor.Seconds()) * perSecond
	for i := range n {
		select {
		case <-every.C:
		case <-writing.Done():
			return errors.Join(all.Wait(), ctx.Err())
		}
		all.Go(func() error { return c.answer(writing, c.list[first+i%(end-first)].ID) })
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return c.await(ctx)
}

func (c *crowd) answer(ctx context.Context, chat string) error {
	c.mu.Lock()
	c.count++
	a := &answer{number: c.count, sent: time.Now()}
	c.answers[fmt.Sprint(a.number)] = a
	c.missing++
	c.mu.Unlock()
	return c.act(ctx, chat, "say", fmt.Sprintf(`{"text":"#%d#"}`, a.number))
}

// took notes that the customer's side has an answer.
func (c *crowd) took(number int64, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.answers[fmt.Sprint(number)]
	if a == nil || a.took != 0 {
		c.repeats++
		return
	}
	a.took = max(at.Sub(a.sent), 1)
	if c.missing--; c.missing == 0 {
		select {
		case c.arrived <- struct{}{}:
		default:
		}
	}
}

// await waits until no answer is missing.
func (c *crowd) await(ctx context.Context) error {
	for {
		c.mu.Lock()
		missing, sent := c.missing, len(c.answers)
		c.mu.Unlock()
		if missing == 0 {
			return nil
		}
		select {
		case <-c.arrived:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d answers of agents did not reach the customer: %w", missing, sent, ctx.Err())
		}
	}
}

// delays are how long the answers of the last round took.
func (c *crowd) delays() Delays {
	c.mu.Lock()
	defer c.mu.Unlock()
	ms := make([]float64, 0, len(c.answers))
	for _, a := range c.answers {
		ms = append(ms, float64(a.took.Microseconds())/1e3)
	}
	return delaysOf(ms)
}

// check says what was lost or came twice.
func (c *crowd) check(ctx context.Context) error {
	letters, err := c.home.DeadLetters(ctx)
	if err != nil {
		return err
	}
	if len(letters) > 0 || c.repeats > 0 {
		return fmt.Errorf("%d dead letters, %d answers came twice or late, want none", len(letters), c.repeats)
	}
	list, err := c.chatsOfDesk(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, chat := range list {
		seen[chat.Name] = true
	}
	if len(seen) != c.chats || len(list) != c.chats {
		return fmt.Errorf("the desk has %d chats of %d customers, want %d of each", len(list), len(seen), c.chats)
	}
	again := map[string]bool{}
	for _, chat := range c.talkers() {
		again[chat.ID] = true
	}
	return each(ctx, len(list), func(ctx context.Context, i int) error { return c.checkChat(ctx, list[i], again[list[i].ID]) })
}

// checkChat says what of a customer's texts the desk does not have, or twice.
func (c *crowd) checkChat(ctx context.Context, chat deskChat, again bool) error {
	want := []string{firstText(chat.Name)}
	if again {
		want = append(want, secondText)
	}
	var transcript struct{ Messages []struct{ From, Text string } }
	if err := get(ctx, c.desk+"/agent/chats/"+chat.ID+"/messages?after=0", &transcript); err != nil {
		return err
	}
	var got []string
	for _, line := range transcript.Messages {
		if line.From == "customer" {
			got = append(got, line.Text)
		}
	}
	if chat.State == "closed" || !slices.Equal(got, want) {
		return fmt.Errorf("the chat of %s is %s and has %q, want it open with %q", chat.Name, chat.State, got, want)
	}
	return nil
}

// deskChat is what the desk says of a chat.
type deskChat struct{ ID, Name, State string }

func (c *crowd) chatsOfDesk(ctx context.Context) ([]deskChat, error) {
	var list struct{ Chats []deskChat }
	err := get(ctx, c.desk+"/agent/chats", &list)
	return list.Chats, err
}

// act is an act of an agent.
func (c *crowd) act(ctx context.Context, chat, what, args string) error {
	return post(ctx, c.desk+"/agent/chats/"+chat+"/"+what, args)
}

// outside are the customers' and the agents' connections.
var outside = http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: writersAtOnce}}

func get(ctx context.Context, url string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := outside.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(answer)
}

func post(ctx context.Context, url, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := outside.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s: %s: %.200s", url, resp.Status, bytes.TrimSpace(said))
	}
	return nil
}
