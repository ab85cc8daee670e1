package main

import (
	"context"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// How the id in a receipt becomes that of the answer to submit_sm.
const (
	idsAuto    = "auto"
	idsAsIs    = "as-is"
	idsHex2Dec = "hex2dec"
	idsDec2Hex = "dec2hex"
)

func knownIDs(mode string) bool {
	return slices.Contains([]string{idsAuto, idsAsIs, idsHex2Dec, idsDec2Hex}, mode)
}

const maxKnownIDs = 65536

// relearn is how many receipts in a row another way must find, and the learned one
// not. One alone is chance: ids are often counted, and read in another base that of a
// message from before the start is that of a message of now.
const relearn = 20

// ids makes ids of messages comparable. By mode auto it tries all ways with the ids
// that it has seen in answers, and keeps to the way that found one. It is safe for
// concurrent use.
type ids struct {
	mode string

	mu      sync.Mutex
	sentIDs *lru.Cache[string, struct{}] // by auto
	learned string                       // "": nothing yet
	others  int                          // receipts in a row that only another way found
}

func newIDs(mode string) (*ids, error) {
	known, err := lru.New[string, struct{}](maxKnownIDs)
	return &ids{mode: mode, sentIDs: known}, err
}

// canonical ignores case and leading zeros.
func canonical(id string) string {
	id = strings.ToLower(strings.TrimSpace(id))
	if short := strings.TrimLeft(id, "0"); short != "" {
		return short
	}
	return id
}

// convert writes a number of one base in another; what is no such number stays.
func convert(id string, from, to int) string {
	n, ok := new(big.Int).SetString(canonical(id), from)
	if !ok || n.Sign() < 0 {
		return canonical(id)
	}
	return n.Text(to)
}

func by(mode, id string) string {
	switch mode {
	case idsHex2Dec:
		return convert(id, 16, 10)
	case idsDec2Hex:
		return convert(id, 10, 16)
	}
	return canonical(id)
}

// sent returns what a receipt's id is compared with.
func (s *ids) sent(id string) string {
	if s.mode == idsAsIs {
		return id
	}
	id = canonical(id)
	if s.mode == idsAuto {
		s.sentIDs.Add(id, struct{}{})
	}
	return id
}

// receipt returns the id of a receipt as [ids.sent] has it, and whether that is
// certain: by auto it is a guess until an answer with that id has come.
func (s *ids) receipt(id string) (same string, certain bool) {
	switch s.mode {
	case idsAsIs:
		return id, true
	case idsHex2Dec, idsDec2Hex:
		return by(s.mode, id), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, mode := range []string{s.learned, idsAsIs, idsHex2Dec, idsDec2Hex} {
		same := by(mode, id)
		if mode == "" || !s.sentIDs.Contains(same) {
			continue
		}
		if mode != s.learned && s.learned != "" {
			if s.others++; s.others < relearn {
				break
			}
		}
		s.learned, s.others = mode, 0
		return same, true
	}
	return by(s.learned, id), false
}

// way is what auto has learned.
func (s *ids) way() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.learned
}

func (s *ids) learn(mode string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.learned == "" && knownIDs(mode) {
		s.learned = mode
	}
}

// stateIDs is the key of what auto has learned.
const stateIDs = "msgid_mode"

func (p *smppProvider) loadIDs(ctx context.Context) error {
	if p.cfg.MessageIDs != idsAuto {
		return nil
	}
	b, err := p.host.State(ctx, stateIDs)
	p.ids.learn(string(b))
	return err
}

// answerPatience is how long a receipt waits for the answer that it may have overtaken.
const answerPatience = 5 * time.Second

// idOf returns the id of a receipt's message. A receipt can be faster than the answer
// to submit_sm: by auto it waits for that while one is on its way.
func (p *smppProvider) idOf(ctx context.Context, id string) string {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	before := p.ids.way()
	for {
		flying, changed := p.inFlight() // before looking
		known := p.ids.way() != ""
		same, certain := p.ids.receipt(id)
		if certain || !flying || known {
			p.saveIDs(ctx, before)
			return same
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return same
		}
	}
}

// saveIDs keeps what was learned for the next process.
func (p *smppProvider) saveIDs(ctx context.Context, before string) {
	way := p.ids.way()
	if way == before {
		return
	}
	old, err := p.host.State(ctx, stateIDs)
	if err == nil && string(old) != way {
		err = p.host.SetState(ctx, stateIDs, old, []byte(way))
	}
	if err != nil {
		p.host.Log().Warn("how the SMSC writes ids in receipts could not be kept", "err", err)
		return
	}
	p.host.Log().Info("the SMSC's way of writing ids in receipts is known", "msgid_mode", way)
}
