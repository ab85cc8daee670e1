package state

// IsOpen says whether a window is open at ms, for a person's words or for others.
func (w *Window) IsOpen(agent bool, ms int64) bool {
	until := w.UntilMs
	if agent {
		until = w.AgentUntilMs
	}
	return until == 0 || ms < until
}

// Counts says whether a window is for so many messages.
func (w *Window) Counts() bool { return w.GetOf().GetMessages() > 0 }

// Reply says whether a customer can be written to.
type Reply struct {
	Open    bool
	UntilMs int64 // if open; 0: without end
	Left    int   // messages, if open; -1: any number
}

// Reply is what the windows say at ms, for a person's words or for others. No
// windows at all are a channel that takes messages always.
func (w *Windows) Reply(agent bool, ms int64) (r Reply) {
	if w == nil {
		return Reply{Open: true, Left: -1}
	}
	endless := false
	for _, o := range w.Open {
		if !o.IsOpen(agent, ms) || o.Counts() && o.Left == 0 {
			continue
		}
		r.Open = true
		switch {
		case !o.Counts():
			r.Left = -1
		case r.Left >= 0:
			r.Left += int(o.Left)
		}
		until := o.UntilMs
		if agent {
			until = o.AgentUntilMs
		}
		endless = endless || until == 0
		r.UntilMs = max(r.UntilMs, until)
	}
	if endless {
		r.UntilMs = 0
	}
	return r
}
