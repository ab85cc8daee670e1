package host

import (
	"errors"
	"fmt"
	"time"
)

// past is what is known of a plugin's earlier runs. It outlives processes and
// the gateway.
type past struct {
	Good     string               `json:"good,omitempty"`     // digest that last passed its probation
	Crashes  []crash              `json:"crashes,omitempty"`  // the latest, oldest first
	Rejected map[string]rejection `json:"rejected,omitempty"` // by digest
	Level    int                  `json:"level,omitempty"`    // quarantines in a row
	Until    time.Time            `json:"until,omitzero"`     // of the quarantine
	Operator bool                 `json:"operator,omitempty"` // quarantined until an operator releases it
	Before   map[string]program   `json:"before,omitempty"`   // by path: what ran before what lies there
}

// crash is an end, or a failed start, that nobody asked for.
type crash struct {
	At     time.Time `json:"at"`
	Digest string    `json:"digest"`
	Reason string    `json:"reason"`
}

// rejection says why a program is not tried. It is void once the file has been
// written again, or the gateway is another version.
type rejection struct {
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
	ModTime time.Time `json:"mod_time"`
	Host    string    `json:"host"`
	Version string    `json:"version"`
	Claim   string    `json:"claim,omitempty"` // what was vouched for
}

// Limits of what is remembered.
const (
	maxCrashes  = 64
	maxRejected = 32
	crashMemory = 10 * time.Minute
)

// crashLimits are how many crashes in which time are too many.
var crashLimits = []struct {
	n      int
	within time.Duration
}{{5, time.Minute}, {10, crashMemory}}

func (p *past) addCrash(c crash) {
	p.Crashes = append(p.Crashes, c)
	for len(p.Crashes) > maxCrashes || c.At.Sub(p.Crashes[0].At) > crashMemory {
		p.Crashes = p.Crashes[1:]
	}
}

// tooMany returns why a digest has crashed too often by now, nil if it has not.
func (p *past) tooMany(digest string, now time.Time) error {
	for _, limit := range crashLimits {
		n := 0
		for _, c := range p.Crashes {
			if c.Digest == digest && now.Sub(c.At) <= limit.within {
				n++
			}
		}
		if n >= limit.n {
			return fmt.Errorf("%d crashes within %s", n, limit.within)
		}
	}
	return nil
}

// recent counts the crashes within d.
func (p *past) recent(now time.Time, d time.Duration) (n int) {
	for _, c := range p.Crashes {
		if now.Sub(c.At) <= d {
			n++
		}
	}
	return n
}

// quarantine keeps the plugin down for first, doubled with each one in a row,
// up to 30 min. Then it has one trial.
func (p *past) quarantine(now time.Time, first time.Duration) time.Duration {
	d := min(first<<min(p.Level, 10), 30*time.Minute)
	p.Level++
	p.Until = now.Add(d)
	return d
}

// held says why the plugin must stay down, nil if it need not.
func (p *past) held(now time.Time) error {
	switch {
	case p.Operator:
		return errors.New("quarantined by an operator")
	case now.Before(p.Until):
		return errors.New("quarantined after too many crashes")
	}
	return nil
}

// release forgets what keeps the plugin down.
func (p *past) release() {
	p.Crashes, p.Rejected, p.Level, p.Until, p.Operator = nil, nil, 0, time.Time{}, false
}

func (p *past) reject(o *offer, host, reason string, now time.Time) {
	if p.Rejected == nil {
		p.Rejected = make(map[string]rejection)
	}
	p.Rejected[o.Digest] = rejection{Reason: reason, At: now, ModTime: o.ModTime, Host: host, Version: o.mf.Version,
		Claim: o.claim.Version}
	for len(p.Rejected) > maxRejected {
		oldest := ""
		for d, r := range p.Rejected {
			if oldest == "" || r.At.Before(p.Rejected[oldest].At) {
				oldest = d
			}
		}
		delete(p.Rejected, oldest)
	}
}

// rejected returns why o is not tried, nil if it may be.
func (p *past) rejected(o *offer, host string) *rejection {
	r := p.rejection(o.Digest)
	if r == nil || r.Host != host || !r.ModTime.Equal(o.ModTime) || r.Claim != o.claim.Version {
		return nil
	}
	return r
}

func (p *past) rejection(digest string) *rejection {
	if r, ok := p.Rejected[digest]; ok {
		return &r
	}
	return nil
}
