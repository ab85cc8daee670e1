package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// verdict is what the far side's log says of a run.
type verdict struct {
	acked, delivered int
	lost, disordered int
	repeats          int // the same message again
	wrong            int // of them with another key, without the flag, or more than one of a lane after a kill
	ambiguous        int
	orphaned         int      // of chats whose opening is ambiguous: nobody knows their customer
	violations       []string // in words
	more             int      // violations beyond those listed
}

const maxListed = 20

// violation counts and describes what must not happen.
func (v *verdict) violation(n *int, format string, args ...any) {
	*n++
	if len(v.violations) >= maxListed {
		v.more++
		return
	}
	v.violations = append(v.violations, fmt.Sprintf(format, args...))
}

// verify compares what was acknowledged with what arrived, and adds to v.
func (l *load) verify(ctx context.Context, v *verdict) error {
	letters, err := l.home.DeadLetters(ctx)
	if err != nil {
		return err
	}
	dead := map[string]rig.Dead{}
	for _, d := range letters {
		id, _, _ := strings.Cut(d.Command.Message.Text, " ")
		dead[id] = d
		dead[d.Command.ID] = d
	}
	l.compare(v, dead)
	return nil
}

// compare judges by the far side's log and the dead letters, by message and by
// key.
func (l *load) compare(v *verdict, dead map[string]rig.Dead) {
	l.far.mu.Lock()
	defer l.far.mu.Unlock()
	for _, c := range l.conversations {
		for agent, n := range c.acked {
			ids := make([]string, n)
			for i := range ids {
				ids[i] = messageID(c, agent, i+1)
			}
			l.compareLane(v, c, agent, ids, dead)
		}
	}
	for _, c := range l.waiters {
		l.compareLane(v, c, 0, []string{messageID(c, 0, 1)}, dead)
		l.compareLane(v, c, 0, []string{firedID(c)}, dead)
	}
}

// compareLane looks at one direction of a conversation.
func (l *load) compareLane(v *verdict, c *conversation, agent int, ids []string, dead map[string]rig.Dead) {
	last, lastID := int64(0), ""
	repeated := map[int64]int{} // repeats by the gateway's life
	for i, id := range ids {
		v.acked++
		took := l.far.took[id]
		letter, isDead := dead[id]
		switch {
		case isDead && c.side.idempotent:
			v.violation(&v.lost, "%s: dead letter (%s), although the far side knows ids", id, letter.Reason)
		case isDead && letter.Reason == "ambiguous":
			v.ambiguous++
		case isDead:
			v.violation(&v.lost, "%s: dead letter, reason %s", id, letter.Reason)
		case len(took) == 0 && agent == 1 && !c.side.idempotent && dead[l.far.opens[c.chats[i]]].Reason == "ambiguous":
			v.orphaned++
		case len(took) == 0:
			v.violation(&v.lost, "%s: acknowledged and lost", id)
		default:
			v.delivered++
		}
		if len(took) == 0 {
			continue
		}
		if took[0].order < last {
			v.violation(&v.disordered, "%s: first delivered before %s", id, lastID)
		}
		last, lastID = took[0].order, id
		for _, again := range took[1:] {
			v.repeats++
			repeated[again.life]++
			switch {
			case again.key != took[0].key:
				v.violation(&v.wrong, "%s: delivered again with another key, %s and %s", id, took[0].key, again.key)
			case !c.side.idempotent && !again.resent:
				v.violation(&v.wrong, "%s: delivered again and not flagged, key %s", id, again.key)
			case l.onlyKills && repeated[again.life] > 1:
				v.violation(&v.wrong, "%s: the second repeat in this lane after one kill", id)
			}
		}
	}
}
