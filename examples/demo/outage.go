package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/openccsp/gateway/examples/internal/agent"
)

// waiting is how many messages the customer writes while the contact center is down.
const waiting = 5

func (p *play) outage(ctx context.Context) error {
	seen := p.customer.count()
	const answer = "Hello again, Ada."
	if err := p.openChat(ctx, "Hello again", answer); err != nil {
		return err
	}
	if err := p.gets(ctx, seen, answer); err != nil {
		return err
	}
	before, err := p.heard(ctx, 1)
	if err != nil {
		return err
	}
	if err := agent.Call(ctx, http.MethodPost, "http://"+p.desk+"/sim/outage", nil, map[string]any{"how": "reset"}, nil); err != nil {
		return err
	}
	p.say("the contact center resets every connection")
	for n := range waiting {
		if _, err := p.customer.write(ctx, fmt.Sprintf("outage's %d of %d", n+1, waiting)); err != nil {
			return err
		}
	}
	err = agent.Until(ctx, "the messages wait", func(ctx context.Context) (bool, error) {
		c, err := p.conversation(ctx)
		return len(c.Open) >= waiting, err
	})
	if err != nil {
		return err
	}
	p.say("%d messages of the customer are acknowledged and wait", waiting)
	if err := agent.Call(ctx, http.MethodDelete, "http://"+p.desk+"/sim/outage", nil, nil, nil); err != nil {
		return err
	}
	var order, repeats int
	err = agent.Until(ctx, "the messages at the agent's", func(ctx context.Context) (bool, error) {
		all, err := p.heard(ctx, 1)
		if err != nil {
			return false, err
		}
		var texts []string
		for _, e := range all[len(before):] {
			texts = append(texts, e.Text)
		}
		order, repeats = inOrder(texts, "outage's")
		return order == waiting, nil
	})
	if err != nil {
		return fmt.Errorf("%w; %d of %d are there in order", err, order, waiting)
	}
	p.say("it is back: the agent has all %d in order, %d of them twice", waiting, repeats)
	return p.answer(ctx, "I have them all.")
}
