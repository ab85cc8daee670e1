package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/openccsp/gateway/examples/internal/agent"
)

// botLine is one message that the bot got.
type botLine struct {
	Message  string         `json:"message"`
	Metadata map[string]any `json:"metadata"`
}

// botHeard returns what customers said to the bot.
func (p *play) botHeard(ctx context.Context) (texts []string, err error) {
	var answer struct{ Messages []botLine }
	err = agent.Call(ctx, http.MethodGet, "http://"+p.bot+"/sim/messages", nil, nil, &answer)
	for _, m := range answer.Messages {
		texts = append(texts, m.Message)
	}
	return texts, err
}

// guestWrites has the guest write, and waits for an answer by whom that author is.
func (p *play) guestWrites(ctx context.Context, text, author, want string) error {
	seen := p.guest.count()
	if _, err := p.guest.write(ctx, text); err != nil {
		return err
	}
	p.say("guest: %s", text)
	return p.guestGets(ctx, seen, author, want)
}

// guestGets waits for the next message to the guest.
func (p *play) guestGets(ctx context.Context, seen int, author, want string) error {
	list, err := p.guest.next(ctx, seen, 1)
	if err != nil {
		return err
	}
	if d := list[0]; d.Author != author || !strings.Contains(d.Message, want) {
		return fmt.Errorf("the guest got %q from %s, want %q from the %s", brief(d.Message), d.Author, want, author)
	}
	p.say("%s: %s", author, brief(list[0].Message))
	return nil
}

func (p *play) botAnswers(ctx context.Context) error {
	p.guest = newCustomer(p.home.Hook("club"), "http://"+p.page)
	if err := p.guest.register(ctx, "Cleo"); err != nil {
		return err
	}
	if err := p.guest.connect(ctx); err != nil {
		return err
	}
	return p.guestWrites(ctx, "Hello", "bot", "Hello Cleo, I am the shop's bot.")
}

func (p *play) handOver(ctx context.Context) error {
	if err := p.guestWrites(ctx, "I want to talk to a human", "bot", "One moment"); err != nil {
		return err
	}
	if err := p.others.Takes(ctx, "Zoe"); err != nil {
		return err
	}
	p.say("agent Zoe takes the chat at IMIchat")
	if err := p.sawTranscript(ctx, "Hello", "I am the shop's bot."); err != nil {
		return err
	}
	seen := p.guest.count()
	if err := p.others.Say(ctx, "Zoe here, how can I help?"); err != nil {
		return err
	}
	if err := p.guestGets(ctx, seen, "agent", "Zoe here"); err != nil {
		return err
	}
	return p.botIsSilent(ctx, "When are the opening hours?")
}

// sawTranscript checks that the agent can read what the guest and the bot said.
func (p *play) sawTranscript(ctx context.Context, lines ...string) error {
	return agent.Until(ctx, "the talk with the bot at the agent's", func(ctx context.Context) (bool, error) {
		all, err := p.others.Lines(ctx)
		for _, want := range lines {
			if !slices.ContainsFunc(all, func(e agent.Entry) bool { return strings.Contains(e.Text, want) }) {
				return false, err
			}
		}
		p.say("the agent sees what the guest and the bot said before")
		return true, nil
	})
}

// botIsSilent has the guest ask what the bot would answer. Only the agent does.
func (p *play) botIsSilent(ctx context.Context, question string) error {
	if _, err := p.guest.write(ctx, question); err != nil {
		return err
	}
	p.say("guest: %s", question)
	err := agent.Until(ctx, "the question at the agent's", func(ctx context.Context) (bool, error) {
		_, all, err := p.others.Log(ctx)
		return slices.ContainsFunc(all, func(e agent.Entry) bool { return e.Text == question }), err
	})
	if err != nil {
		return err
	}
	seen := p.guest.count()
	if err := p.others.Say(ctx, "From nine to six."); err != nil {
		return err
	}
	if err := p.guestGets(ctx, seen, "agent", "From nine to six."); err != nil {
		return err
	}
	heard, err := p.botHeard(ctx)
	if err == nil && slices.Contains(heard, question) {
		err = fmt.Errorf("the bot was asked %q while the agent had the conversation", question)
	}
	if err == nil {
		p.say("the bot was not asked")
	}
	return err
}

func (p *play) handBack(ctx context.Context) error {
	err := p.others.Act(ctx, "event", map[string]any{"name": "control_passed", "params": map[string]string{"to": "bot"}})
	if err != nil {
		return err
	}
	p.say("agent: back to the bot")
	err = agent.Until(ctx, "the bot has the conversation", func(ctx context.Context) (bool, error) {
		c, err := p.conversationOf(ctx, p.guest)
		return c.Owner == "bot", err
	})
	if err != nil {
		return err
	}
	return p.guestWrites(ctx, "What are the opening hours?", "bot", "We are open from 9 to 18")
}

func (p *play) botReturns(ctx context.Context) error {
	if err := p.guestWrites(ctx, "A human again, please", "bot", "One moment"); err != nil {
		return err
	}
	seen := p.guest.count()
	if err := p.others.Say(ctx, "I am still here. Goodbye, Cleo!"); err != nil {
		return err
	}
	if err := p.guestGets(ctx, seen, "agent", "Goodbye, Cleo!"); err != nil {
		return err
	}
	if err := p.others.Act(ctx, "close", nil); err != nil {
		return err
	}
	p.say("agent: close")
	err := agent.Until(ctx, "the chat closed and the bot back", func(ctx context.Context) (bool, error) {
		c, err := p.conversationOf(ctx, p.guest)
		return c.Chat.State == "closed" && c.Owner == "bot", err
	})
	if err != nil {
		return err
	}
	return p.guestWrites(ctx, "Bye", "bot", "goodbye")
}
