package main

import (
	"context"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxSent  = 10_000           // pieces
	ourWords = "openccsp:"      // how the metadata of our messages begins
	echoFor  = 10 * time.Second // what the echo of a piece gets to come before the piece is sent again
)

// sent remembers which pieces of messages Meta has taken, by our key: from its
// answer, or from the echo where the answer was lost. So what is sent again goes on
// where it stood still, also behind a crash: the journal has it, too.
type sent struct {
	mids    *lru.Cache[string, string]
	doubts  *lru.Cache[string, time.Time] // since when it is asked whether a piece went
	journal *journal

	mu   sync.Mutex
	news chan struct{} // closed with the next piece
}

func newSent(h sdk.Host) (*sent, error) {
	s := &sent{news: make(chan struct{})}
	var err error
	if s.mids, err = lru.New[string, string](maxSent); err != nil {
		return nil, err
	}
	if s.doubts, err = lru.New[string, time.Time](maxSent); err != nil {
		return nil, err
	}
	s.journal = openJournal(h.DataDir(), h.Log(), func(key, mid string) { s.mids.Add(key, mid) })
	return s, nil
}

// mid is Meta's id of a piece, "" if it is not known to have gone.
func (s *sent) mid(key string) string {
	mid, _ := s.mids.Get(key)
	return mid
}

// took notes that Meta has a piece.
func (s *sent) took(key, mid string) {
	if key == "" || mid == "" || s.mid(key) == mid {
		return
	}
	s.mids.Add(key, mid)
	s.journal.add(key, mid)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.news)
	s.news = make(chan struct{})
}

// unsure is how long the echo of a piece, which may have gone before, is to be awaited
// before the piece is sent again.
func (s *sent) unsure(key string, now time.Time) time.Duration {
	since, asked, _ := s.doubts.PeekOrAdd(key, now)
	if !asked {
		since = now
	}
	return echoFor - now.Sub(since)
}

// settled waits until it is known that a piece went, at most for d, and returns Meta's
// id of it.
func (s *sent) settled(ctx context.Context, key string, d time.Duration) string {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		s.mu.Lock()
		news := s.news
		s.mu.Unlock()
		if mid := s.mid(key); mid != "" {
			return mid
		}
		select {
		case <-news:
		case <-t.C:
			return ""
		case <-ctx.Done():
			return ""
		}
	}
}

// metadata is what a piece carries; Meta hands it back with the echo.
func metadata(key string) string { return ourWords + key }

// keyOf is the key in the metadata of an echo; not ok: it is not ours.
func keyOf(metadata string) (key string, ok bool) {
	if key, ok = strings.CutPrefix(metadata, ourWords); !ok {
		return "", false
	}
	return key, true
}
