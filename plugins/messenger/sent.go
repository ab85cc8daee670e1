package main

import (
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	maxSent  = 10_000      // pieces
	ourWords = "openccsp:" // how the metadata of our messages begins
)

// sent remembers which pieces of messages Meta has taken, by our key: from its
// answer, or from the echo where the answer was lost. So what is sent again goes on
// where it stood still. It is lost on a restart.
type sent struct{ mids *lru.Cache[string, string] }

func newSent() (sent, error) {
	mids, err := lru.New[string, string](maxSent)
	return sent{mids}, err
}

// mid is Meta's id of a piece, "" if it is not known to have gone.
func (s sent) mid(key string) string {
	mid, _ := s.mids.Get(key)
	return mid
}

func (s sent) took(key, mid string) {
	if key != "" && mid != "" {
		s.mids.Add(key, mid)
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
