package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Chaos is how webhooks may come.
type Chaos struct {
	Duplicate bool // each twice
	Disorder  bool // in any order
}

// PostAll sends webhooks, and returns an error unless each was taken.
func (s *Sim) PostAll(ctx context.Context, bodies [][]byte, c Chaos) error {
	var all [][]byte
	for _, b := range bodies {
		all = append(all, b)
		if c.Duplicate {
			all = append(all, b)
		}
	}
	if c.Disorder {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	for _, b := range all {
		status, err := s.Post(ctx, b)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("the hook answers with status %d", status)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errInvalid: X sends nothing to a hook that does not answer its challenge.
var errInvalid = errors.New("the hook is not valid")

// Watch challenges the hook again and again until ctx ends. One that does not
// answer as it should gets no webhooks until it does.
func (s *Sim) Watch(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.Recheck(ctx)
		}
	}
}

// Recheck challenges the hook now, and returns whether it is valid.
func (s *Sim) Recheck(ctx context.Context) bool {
	s.mu.Lock()
	to := s.hook.url
	s.mu.Unlock()
	err := s.Challenge(ctx, to)
	if err != nil {
		s.opts.Log.Warn("the hook is not valid", "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook.valid = err == nil
	return s.hook.valid
}

// control is what a person, or a test of another process, has X do.
func (s *Sim) control() {
	s.mux.HandleFunc("POST /sim/write", s.act(func(r *http.Request, in order) error {
		m := s.Message(Said{From: in.From, Text: in.Text, Reply: in.Reply})
		body := s.Account("direct_message_events", m)
		switch {
		case in.Lost:
			return nil
		case in.Activity:
			body = s.Activity("dm.received", map[string]any{"direct_message_events": []any{m}})
		}
		return s.PostAll(r.Context(), [][]byte{body}, Chaos{Duplicate: in.Duplicate})
	}))
	s.mux.HandleFunc("POST /sim/typing", s.act(func(r *http.Request, in order) error {
		return s.PostAll(r.Context(), [][]byte{s.Typing(in.From)}, Chaos{})
	}))
	s.mux.HandleFunc("POST /sim/read", s.act(func(r *http.Request, in order) error {
		return s.PostAll(r.Context(), [][]byte{s.Read(in.From, s.ID())}, Chaos{})
	}))
	s.mux.HandleFunc("POST /sim/encrypted", s.act(func(r *http.Request, in order) error {
		return s.PostAll(r.Context(), [][]byte{s.Encrypted(in.From)}, Chaos{})
	}))
	s.mux.HandleFunc("POST /sim/revoke", s.act(func(r *http.Request, _ order) error {
		return s.PostAll(r.Context(), [][]byte{s.Revoked()}, Chaos{})
	}))
	s.mux.HandleFunc("POST /sim/faults", s.act(func(_ *http.Request, in order) error {
		s.Fail(Fault{Path: in.Path, Status: in.Status, Hang: in.Hang, Lose: in.Lose})
		return nil
	}))
	s.mux.HandleFunc("GET /sim/state", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{"sent": s.Sent(), "asides": s.Asides(), "breaks": s.Breaks()})
	})
}

// order is the body of a control.
type order struct {
	From      string `json:"from"`
	Text      string `json:"text"`
	Reply     string `json:"reply"`
	Activity  bool   `json:"activity"` // in the envelope of the X Activity API
	Duplicate bool   `json:"duplicate"`
	Lost      bool   `json:"lost"` // no webhook tells of it

	Path   string `json:"path"`
	Status int    `json:"status"`
	Hang   bool   `json:"hang"`
	Lose   bool   `json:"lose"`
}

func (s *Sim) act(f func(*http.Request, order) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in := order{From: "30"}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		if err := f(r, in); err != nil {
			reply(w, http.StatusBadGateway, map[string]string{"error": err.Error()})
			return
		}
		reply(w, http.StatusOK, map[string]string{})
	}
}
