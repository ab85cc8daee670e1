package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const trafficSeeds = 5

// TestTraffic sends the messages of many customers, and their agents' answers,
// through the engine's real goroutines while calls fail in all ways, plugins
// come and go, and the gateway dies. Nothing is lost, first deliveries are in
// order, a repetition is flagged.
func TestTraffic(t *testing.T) {
	for seed := range uint64(trafficSeeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { traffic(t, seed) })
	}
}

func traffic(t *testing.T, seed uint64) {
	const customers, messages = 20, 12
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 7))
	dice := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rnd.IntN(n)
	}
	refs := map[string]string{} // of open's keys: the vendor knows them again
	arrived := map[string][]string{}
	seen := map[string]bool{}
	chats := map[string]chan struct{}{} // those the vendor has
	effect := func(c *call) *pluginv1.Result {
		mu.Lock()
		defer mu.Unlock()
		res := &pluginv1.Result{Outcome: pluginv1.Outcome_OK}
		if c.Op == pluginv1.Op_OPEN {
			if refs[c.Key] == "" {
				refs[c.Key] = "ref-" + c.Customer.GetAddress()
				select {
				case chats[c.Customer.GetAddress()] <- struct{}{}:
				default:
				}
			}
			res.ChatRef = refs[c.Key]
		}
		if seen[c.Key] && !c.Resent {
			t.Errorf("%s came again, not flagged", c.Message.GetText())
		}
		to := c.instance + " " + c.Customer.GetAddress()
		if !seen[c.Key] && c.Message.GetAuthor() != pluginv1.AuthorKind_AUTHOR_SYSTEM {
			seen[c.Key] = true
			arrived[to] = append(arrived[to], c.Message.GetText())
		}
		return res
	}
	engine(t, nil, func(r *rig) {
		for k := range customers {
			chats[fmt.Sprint("c", k)] = make(chan struct{}, 1)
		}
		calm := false
		r.answer(func(c *call) {
			later := func(d time.Duration, res *pluginv1.Result, fate core.Fate) {
				time.AfterFunc(d, func() { c.done(res, fate) })
			}
			mu.Lock()
			quiet := calm
			mu.Unlock()
			roll := dice(30)
			if quiet {
				roll = 29
			}
			switch roll {
			case 0:
				later(0, nil, core.NotSent)
			case 1:
				later(0, nil, core.NoPlugin)
				e := r.running()
				time.AfterFunc(50*time.Millisecond, func() { e.InstanceUp(c.instance) })
			case 2, 3:
				later(0, &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY, AfterMs: 20}, core.Answered)
			case 4:
				later(0, &pluginv1.Result{Outcome: pluginv1.Outcome_THROTTLED, AfterMs: 30}, core.Answered)
			case 5:
				if c.Resent {
					later(0, effect(c), core.Answered)
					return
				}
				effect(c)
				later(10*time.Millisecond, nil, core.Lost)
			case 6: // the answer comes twice
				res := effect(c)
				later(0, res, core.Answered)
				later(5*time.Millisecond, res, core.Answered)
			default:
				later(time.Duration(dice(5))*time.Millisecond, effect(c), core.Answered)
			}
		})
		until := func(instance string, ev func() *pluginv1.Event) { // as a sender does
			for {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				err := r.running().Accept(ctx, instance, []*pluginv1.Event{ev()})
				cancel()
				if err == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		var wg sync.WaitGroup
		for k := range customers {
			name := fmt.Sprint("c", k)
			wg.Go(func() {
				for i := range messages {
					text := fmt.Sprint(name, ".", i)
					until("chan", func() *pluginv1.Event { return from(name, text, text) })
					time.Sleep(time.Duration(dice(30)) * time.Millisecond)
				}
			})
			wg.Go(func() { // an agent, once the vendor has a chat
				select { // before the gateway knows
				case <-chats[name]:
				case <-time.After(time.Minute):
					return
				}
				for i := range messages {
					text := fmt.Sprint(name, ".answer", i)
					until("desk", func() *pluginv1.Event { return said("ref-"+name, text, text) })
					time.Sleep(time.Duration(dice(30)) * time.Millisecond)
				}
			})
		}
		for range 3 {
			time.Sleep(time.Duration(50+dice(100)) * time.Millisecond)
			r.swap()
		}
		wg.Wait()
		mu.Lock()
		calm = true
		mu.Unlock()
		r.after(10 * time.Minute)
		ambiguous, _ := r.dead()
		mu.Lock()
		defer mu.Unlock()
		checked := 0
		for k := range customers {
			name := fmt.Sprint("c", k)
			checkStream(t, arrived["desk "+name], numbersFrom(name+".", messages), ambiguous)
			known := !slices.ContainsFunc(ambiguous, func(letter string) bool { // the answer to each open came
				return strings.HasPrefix(letter, name+".") && !strings.Contains(letter, ".answer")
			})
			if known {
				checkStream(t, arrived["chan "+name], numbersFrom(name+".answer", messages), ambiguous)
				checked++
			}
		}
		if checked < customers/4 {
			t.Errorf("only the agents of %d of %d customers could be checked", checked, customers)
		}
		r.idle()
	})
}

func numbersFrom(prefix string, n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprint(prefix, i))
	}
	return texts
}

// checkStream compares what arrived first with what was sent. What is missing
// must be an ambiguous dead letter.
func checkStream(t *testing.T, got, want, ambiguous []string) {
	t.Helper()
	want = slices.DeleteFunc(want, func(text string) bool {
		return !slices.Contains(got, text) && slices.Contains(ambiguous, text+": ambiguous")
	})
	if !slices.Equal(got, want) {
		t.Errorf("arrived %q, want %q", got, want)
	}
}
