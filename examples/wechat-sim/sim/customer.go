package sim

import "time"

// customer is somebody who follows the account.
type customer struct {
	gone    bool // unsubscribed
	windows map[time.Duration]*window
}

// window is what a customer's act allows.
type window struct {
	until time.Time
	left  int
}

// opens says what an act allows.
type opens struct {
	long     time.Duration
	messages int
}

var (
	messageOpens = opens{48 * time.Hour, 5}
	actionOpens  = opens{time.Minute, 3}
)

// person returns a customer, who follows the account from now on. The caller holds s.mu.
func (s *Sim) person(id string) *customer {
	p := s.people[id]
	if p == nil {
		p = &customer{windows: map[time.Duration]*window{}}
		s.people[id] = p
	}
	return p
}

func (p *customer) opened(now time.Time, o opens) {
	p.windows[o.long] = &window{now.Add(o.long), o.messages}
}

// take uses up one message. The code is WeChat's if there is none left.
func (p *customer) take(now time.Time) int {
	code := 45015
	for _, long := range []time.Duration{actionOpens.long, messageOpens.long} {
		w := p.windows[long]
		switch {
		case w == nil || !now.Before(w.until):
		case w.left == 0:
			code = 45047
		default:
			w.left--
			return 0
		}
	}
	return code
}

// open reports whether the customer may be written to, whatever the count.
func (p *customer) open(now time.Time) bool {
	for _, w := range p.windows {
		if now.Before(w.until) {
			return true
		}
	}
	return false
}
