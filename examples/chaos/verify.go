package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// verdict is what the far side's log says of a run.
type verdict struct {
	acked, delivered, ambiguous, repeats int
	orphaned                             int // of chats whose opening is ambiguous: nobody knows their customer
	violations                           []string
	more                                 int // violations beyond those listed
}

const maxListed = 20

func (v *verdict) violation(format string, args ...any) {
	if len(v.violations) >= maxListed {
		v.more++
		return
	}
	v.violations = append(v.violations, fmt.Sprintf(format, args...))
}

// verify compares what was acknowledged with what arrived.
func (l *load) verify(ctx context.Context) (*verdict, error) {
	letters, err := l.home.DeadLetters(ctx)
	if err != nil {
		return nil, err
	}
	dead := map[string]rig.Dead{}
	for _, d := range letters {
		id, _, _ := strings.Cut(d.Command.Message.Text, " ")
		dead[id] = d
		dead[d.Command.ID] = d
	}
	return l.compare(dead), nil
}

// compare judges by the far side's log and the dead letters, by message and by
// key.
func (l *load) compare(dead map[string]rig.Dead) *verdict {
	v := &verdict{}
	l.far.mu.Lock()
	defer l.far.mu.Unlock()
	for _, c := range l.conversations {
		for agent, n := range c.acked {
			l.verifyOne(v, c, agent, n, dead)
		}
	}
	return v
}

// verifyOne looks at one direction of a conversation: its messages 1 to n.
func (l *load) verifyOne(v *verdict, c *conversation, agent, n int, dead map[string]rig.Dead) {
	last, lastID := int64(0), ""
	for i := 1; i <= n; i++ {
		id := messageID(c, agent, i)
		v.acked++
		took := l.far.took[id]
		letter, isDead := dead[id]
		switch {
		case isDead && c.side.idempotent:
			v.violation("%s: dead letter (%s), although the far side knows ids", id, letter.Reason)
		case isDead && letter.Reason == "ambiguous":
			v.ambiguous++
		case isDead:
			v.violation("%s: dead letter, reason %s", id, letter.Reason)
		case len(took) == 0 && agent == 1 && !c.side.idempotent && dead[l.far.opens[c.chats[i-1]]].Reason == "ambiguous":
			v.orphaned++
		case len(took) == 0:
			v.violation("%s: acknowledged and lost", id)
		default:
			v.delivered++
		}
		if len(took) == 0 {
			continue
		}
		if took[0].order < last {
			v.violation("%s: first delivered before %s", id, lastID)
		}
		last, lastID = took[0].order, id
		for _, again := range took[1:] {
			v.repeats++
			if again.key != took[0].key {
				v.violation("%s: delivered again with another key, %s and %s", id, took[0].key, again.key)
			}
			if !c.side.idempotent && !again.resent {
				v.violation("%s: delivered again and not flagged, key %s", id, again.key)
			}
		}
	}
}
