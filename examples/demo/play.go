package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/openccsp/gateway/examples/internal/agent"
)

// play is the conversation, step by step.
type play struct {
	*stage
	out      io.Writer
	began    time.Time
	steps    int
	customer *customer // of the webshop
	guest    *customer // of the club
}

// all plays every step. The first that fails ends the play.
func (p *play) all(ctx context.Context) error {
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"the programs start", p.programs},
		{"the customer registers and connects", p.arrives},
		{"the customer writes, the agent takes the chat and answers", p.firstWords},
		{"typing is seen on both sides", p.typing},
		{"3,000 characters to the agent", p.longToAgent},
		{"100 kB to the customer", p.longToCustomer},
		{"a rule file is saved while the gateway runs", p.newRule},
		{"a rule file with a mistake is saved", p.badRule},
		{"the agent puts the chat on hold and resumes", p.hold},
		{"the customer is away and comes back", p.away},
		{"the gateway is killed while both write", p.killed},
		{"the agent closes the chat", p.closes},
		{"the history", p.history},
		{"the contact center is down while the customer writes", p.outage},
		{"a bot answers a guest of the club", p.botAnswers},
		{"the bot hands the guest over to an agent at IMIchat", p.handOver},
		{"the agent gives the guest back to the bot", p.handBack},
		{"the guest asks for a person again, and the agent closes the chat", p.botReturns},
	}
	for _, s := range steps {
		p.steps++
		_, _ = fmt.Fprintf(p.out, "%2d. %s\n", p.steps, s.name)
		if err := s.do(ctx); err != nil {
			if cause := ctx.Err(); cause != nil {
				err = cause // the rest follows from it
			}
			return fmt.Errorf("step %d, %s: %w", p.steps, s.name, err)
		}
	}
	return nil
}

// say prints one line of a step, with the time since the start.
func (p *play) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, "    %6.2f s  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

func (p *play) programs(ctx context.Context) error {
	if err := p.start(ctx); err != nil {
		return err
	}
	for _, name := range []string{"gateway", "desk", "club", "bot", "page"} {
		p.say("%-8s is ready after %.2f s, process %d", name, p.procs[name].Took.Seconds(), p.procs[name].PID)
	}
	for _, address := range []string{p.desk, p.club, p.page} {
		if err := agent.Call(ctx, http.MethodGet, "http://"+address+"/", nil, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) arrives(ctx context.Context) error {
	p.customer = newCustomer(p.hook(), "http://"+p.page)
	if err := p.customer.register(ctx, "Ada"); err != nil {
		return err
	}
	p.say("registered as %s", p.customer.me.UserID)
	if err := p.customer.connect(ctx); err != nil {
		return err
	}
	p.say("connected over MQTT and subscribed to %s", p.customer.me.Broker.Topic)
	return nil
}

func (p *play) firstWords(ctx context.Context) error {
	seen := p.customer.count()
	const answer = "Hello Ada, it arrives tomorrow."
	if err := p.openChat(ctx, "Hello, where is my parcel?", answer); err != nil {
		return err
	}
	return p.gets(ctx, seen, answer)
}

// openChat has the customer write, and the agent take the chat and answer.
func (p *play) openChat(ctx context.Context, question, answer string) error {
	if _, err := p.customer.write(ctx, question); err != nil {
		return err
	}
	p.say("customer: %s", question)
	if err := p.agents.Takes(ctx, "Bea"); err != nil {
		return err
	}
	p.say("agent Bea takes the chat")
	return p.agents.Say(ctx, answer)
}

// answer has the agent write text, and the customer get it.
func (p *play) answer(ctx context.Context, text string) error {
	seen := p.customer.count()
	if err := p.agents.Say(ctx, text); err != nil {
		return err
	}
	return p.gets(ctx, seen, text)
}

// gets waits for the agent's text at the customer's.
func (p *play) gets(ctx context.Context, seen int, text string) error {
	began := time.Now()
	list, err := p.customer.next(ctx, seen, 1)
	if err != nil {
		return err
	}
	if d := list[0]; d.Message != text || d.Author != "agent" {
		return fmt.Errorf("the customer got %q from %s, want %q from the agent", brief(d.Message), d.Author, text)
	}
	p.say("agent: %s (at the customer's and confirmed after %v)", text, ms(time.Since(began)))
	return nil
}

// heard waits until the agent has n texts of the customer's, and returns them.
func (p *play) heard(ctx context.Context, n int) (texts []agent.Entry, err error) {
	err = agent.Until(ctx, fmt.Sprintf("%d texts at the agent's", n), func(ctx context.Context) (bool, error) {
		_, all, err := p.agents.Log(ctx)
		texts = slices.DeleteFunc(all, automatic)
		return len(texts) >= n, err
	})
	return texts, err
}

// automatic is a copy of what a rule sent, which the agent sees marked.
func automatic(e agent.Entry) bool { return strings.HasPrefix(e.Text, "[") }

func (p *play) typing(ctx context.Context) error {
	// It is passed on only if no message is on its way.
	err := agent.Until(ctx, "all messages are delivered", func(ctx context.Context) (bool, error) {
		c, err := p.conversation(ctx)
		return len(c.Open) == 0, err
	})
	if err != nil {
		return err
	}
	// Word of it that takes too long is dropped, so both go on typing.
	err = agent.Until(ctx, "the agent sees the customer typing", func(ctx context.Context) (bool, error) {
		if err := p.customer.post(ctx, "/typing", map[string]any{"on": true}, nil); err != nil {
			return false, err
		}
		agent.Pause(ctx, 100*time.Millisecond)
		c, _, err := p.agents.Log(ctx)
		return c.Typing, err
	})
	if err != nil {
		return err
	}
	p.say("the agent sees the customer typing")
	err = agent.Until(ctx, "the customer sees the agent typing", func(ctx context.Context) (bool, error) {
		if err := p.agents.Act(ctx, "typing", map[string]any{"on": true}); err != nil {
			return false, err
		}
		for range 30 { // more than one poll of the contact center
			if p.customer.seesTyping() {
				return true, nil
			}
			agent.Pause(ctx, 100*time.Millisecond)
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	p.say("the customer sees the agent typing")
	return nil
}

func (p *play) longToAgent(ctx context.Context) error {
	text := longText(3000)
	before, err := p.heard(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := p.customer.write(ctx, text); err != nil {
		return err
	}
	p.say("customer: %d characters, %d UTF-16 units, the contact center takes %d at once",
		utf8.RuneCountInString(text), unitsOf(text), deskLimit)
	var parts []agent.Entry
	err = agent.Until(ctx, "the whole text at the agent's", func(ctx context.Context) (bool, error) {
		all, err := p.heard(ctx, 1)
		if err != nil {
			return false, err
		}
		parts = all[len(before):]
		return unitsIn(parts) >= unitsOf(text), nil
	})
	if err != nil {
		return err
	}
	var joined strings.Builder
	for i, e := range parts {
		p.say("part %d: %4d units  %s", i+1, e.Units, ends(e.Text))
		if e.Truncated || e.Units > deskLimit {
			return fmt.Errorf("part %d has %d units, the limit is %d", i+1, e.Units, deskLimit)
		}
		joined.WriteString(e.Text)
	}
	if joined.String() != text {
		return fmt.Errorf("the %d parts joined are not the text that was sent", len(parts))
	}
	p.say("the %d parts joined are the text", len(parts))
	return nil
}

func (p *play) longToCustomer(ctx context.Context) error {
	text := strings.TrimSpace(strings.Repeat("Everything about your parcel and its way to you. ", 2041))
	seen := p.customer.count()
	if err := p.agents.Say(ctx, text); err != nil {
		return err
	}
	p.say("agent: %d bytes", len(text))
	var joined string
	var n int
	err := p.customer.await(ctx, fmt.Sprintf("the %d bytes", len(text)), func(got []downlink) bool {
		var b strings.Builder
		for _, d := range got[seen:] {
			b.WriteString(d.Message)
		}
		joined, n = b.String(), len(got)-seen
		return len(joined) >= len(text)
	})
	if err != nil {
		return err
	}
	if joined != text {
		return fmt.Errorf("the %d bytes that the customer got in %d parts are not those that the agent sent", len(joined), n)
	}
	p.say("the customer has them whole, in %d parts", n)
	return nil
}

func (p *play) away(ctx context.Context) error {
	p.customer.disconnect()
	seen := p.customer.count()
	texts := []string{"Are you still there?", "I leave a note then."}
	for _, text := range texts {
		if err := p.agents.Say(ctx, text); err != nil {
			return err
		}
		p.say("agent: %s (the customer is offline)", text)
	}
	err := agent.Until(ctx, "the agent's messages at the gateway", func(ctx context.Context) (bool, error) {
		c, err := p.conversation(ctx)
		return c.Chat.ByAgent >= p.agents.Said, err
	})
	if err != nil {
		return err
	}
	repeats := p.customer.repeated()
	if err := p.customer.connect(ctx); err != nil {
		return err
	}
	p.say("the customer is back")
	list, err := p.customer.next(ctx, seen, len(texts))
	if err != nil {
		return err
	}
	if err := p.answer(ctx, "Welcome back."); err != nil { // whatever else had waited comes before it
		return err
	}
	for i, want := range texts {
		if list[i].Message != want {
			return fmt.Errorf("missed message %d is %q, want %q", i+1, brief(list[i].Message), want)
		}
	}
	if n := p.customer.count() - seen; n != len(texts)+1 {
		return fmt.Errorf("%d messages came, want %d", n, len(texts)+1)
	}
	if again := p.customer.repeated()[len(repeats):]; len(again) > 0 {
		return fmt.Errorf("messages came that had been confirmed: %q", again)
	}
	p.say("both missed messages came, in order, once")
	return nil
}

// crowd is how many messages either side writes while the gateway is killed.
const crowd = 24

func (p *play) killed(ctx context.Context) error {
	before, err := p.heard(ctx, 1)
	if err != nil {
		return err
	}
	seen := p.customer.count()
	var accepted atomic.Int32
	third := make(chan struct{})
	wrote := make(chan error, 1)
	go func() { wrote <- p.writeMany(ctx, &accepted, third) }()
	for n := range crowd { // to the contact center, which stays up
		if err := p.agents.Say(ctx, fmt.Sprintf("agent's %d of %d", n+1, crowd)); err != nil {
			return err
		}
	}
	select {
	case <-third:
	case err := <-wrote:
		return fmt.Errorf("the customer's messages ended early: %w", err)
	}
	p.procs["gateway"].Kill()
	p.say("gateway killed with SIGKILL after %d of %d messages were acknowledged", accepted.Load(), crowd)
	if err := p.startGateway(ctx); err != nil {
		return err
	}
	p.say("gateway started again, ready after %.2f s", p.procs["gateway"].Took.Seconds())
	if err := <-wrote; err != nil {
		return err
	}
	if err := p.customer.connect(ctx); err != nil {
		return err
	}
	return p.nothingLost(ctx, len(before), seen)
}

// writeMany has the customer write, and closes third after a third of it.
func (p *play) writeMany(ctx context.Context, accepted *atomic.Int32, third chan<- struct{}) error {
	for n := range crowd {
		if _, err := p.customer.write(ctx, fmt.Sprintf("customer's %d of %d", n+1, crowd)); err != nil {
			return err
		}
		if accepted.Add(1) == crowd/3 {
			close(third)
		}
	}
	return nil
}

// nothingLost checks that all of both sides' messages are on the other one, in
// order at their first arrival. What the wire cannot tell apart may repeat.
func (p *play) nothingLost(ctx context.Context, before, seen int) error {
	var order, repeats int
	err := agent.Until(ctx, "all of the customer's messages at the agent's", func(ctx context.Context) (bool, error) {
		all, err := p.heard(ctx, 1)
		if err != nil {
			return false, err
		}
		var texts []string
		for _, e := range all[before:] {
			texts = append(texts, e.Text)
		}
		order, repeats = inOrder(texts, "customer's")
		return order == crowd, nil
	})
	if err != nil {
		return fmt.Errorf("%w; %d of %d are there in order", err, order, crowd)
	}
	m, err := p.home.Metrics(ctx)
	if err != nil {
		return err
	}
	resent := int(m["gateway_delivery_resent_total"])
	p.say("the agent has all %d in order, %d of them twice; the gateway counts %d as resent", crowd, repeats, resent)
	if repeats > resent {
		return fmt.Errorf("%d messages came twice, the gateway knows of %d", repeats, resent)
	}
	err = p.customer.await(ctx, "all of the agent's messages in order", func(got []downlink) bool {
		var texts []string
		for _, d := range got[seen:] {
			texts = append(texts, d.Message)
		}
		order, repeats = inOrder(texts, "agent's")
		return order == crowd
	})
	if err != nil {
		return fmt.Errorf("%w; %d of %d are there in order", err, order, crowd)
	}
	if repeats > 0 {
		return fmt.Errorf("the customer was shown %d messages twice", repeats)
	}
	p.say("the customer has all %d in order, each once", crowd)
	return nil
}

// inOrder returns how far the numbered messages are there in the order of
// their first arrival, and how many came again.
func inOrder(texts []string, whose string) (order, repeats int) {
	for _, text := range texts {
		var n int
		if _, err := fmt.Sscanf(text, whose+" %d of", &n); err != nil {
			continue
		}
		switch {
		case n == order+1:
			order = n
		case n <= order:
			repeats++
		}
	}
	return order, repeats
}

// deskLimit is where the contact center cuts a text, in UTF-16 units.
const deskLimit = 1024

// longText returns n characters of several scripts and emoji, some of them
// made of many code points.
func longText(n int) string {
	const sample = "Where is my parcel? 我的包裹在哪里？我已经等了三天了。 Où est mon colis 📦? Grüße 👩‍👩‍👧‍👦 aus Zürich 🇨🇭! "
	runes := []rune(strings.Repeat(sample, n/utf8.RuneCountInString(sample)+1))
	return string(append(runes[:n-1], '✓'))
}

func unitsOf(text string) int { return len(utf16.Encode([]rune(text))) }

func unitsIn(parts []agent.Entry) (n int) {
	for _, e := range parts {
		n += e.Units
	}
	return n
}

// ends shows how a text begins and ends.
func ends(text string) string {
	r := []rune(text)
	if len(r) <= 40 {
		return string(r)
	}
	return fmt.Sprintf("%s … %s", string(r[:18]), string(r[len(r)-18:]))
}

// brief shortens a text for one line.
func brief(text string) string {
	r := []rune(strings.ReplaceAll(text, "\n", " "))
	if len(r) <= 48 {
		return string(r)
	}
	return string(r[:47]) + "…"
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
