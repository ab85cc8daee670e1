package desk

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"
)

// Auto is an agent that takes every chat and answers by a script.
type Auto struct {
	Name   string        // "": "Robin"
	Delay  time.Duration // before the answer
	Script Script        // nil: everything is echoed
}

// job is what the automatic agent will do in answer to one text.
type job struct {
	id, text string
	due      time.Time
}

// schedule lets the automatic agent answer text in time. The desk is locked.
func (d *Desk[C, V, A]) schedule(c *Chat, text string) {
	if d.Auto == nil {
		return
	}
	select {
	case d.todo <- job{c.ID, text, d.Now().Add(d.Auto.Delay)}:
	default:
		d.Log.Warn("automatic agent is overloaded, answer dropped", "chat", c.Number)
	}
}

// answerAll lets the automatic agent act until ctx ends.
func (d *Desk[C, V, A]) answerAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-d.todo:
			if !Sleep(ctx, j.due.Sub(d.Now())) {
				return
			}
			d.answer(j)
		}
	}
}

// answer takes the chat if it waits, and answers.
func (d *Desk[C, V, A]) answer(j job) {
	// A chat that is gone, or that a person has taken or put on hold, is no
	// error: the acts that no longer fit are left out.
	me := cmp.Or(d.Auto.Name, "Robin")
	_ = d.perform(j.id, d.vendor.Page.Take, me)
	c, ok := d.lookUp(j.id)
	if !ok || c.Agent != me {
		return
	}
	fill := strings.NewReplacer("{text}", j.text, "{name}", c.Name, "{number}", strconv.Itoa(c.Number))
	for _, line := range d.Auto.Script.acts(j.text) {
		name, arg := command(line)
		if err := d.perform(j.id, name, fill.Replace(arg)); err != nil {
			d.Log.Debug("act left out", "act", name, "chat", c.Number, "err", err)
		}
	}
}

func (d *Desk[C, V, A]) perform(id, name, arg string) error {
	act, a, err := d.vendor.Commands.Read(name, arg)
	if err != nil {
		return err
	}
	return d.Act(id, act, a)
}

func (d *Desk[C, V, A]) lookUp(id string) (Chat, bool) {
	d.Lock()
	defer d.Unlock()
	c, ok := d.chats[id]
	if !ok {
		return Chat{}, false
	}
	return *c.Common(), true
}
