package main

import lru "github.com/hashicorp/golang-lru/v2"

const maxSending = 10_000 // messages that went out in part

// progress remembers how much of a message went out, by its id. It is lost with
// the process: then the message is sent whole again.
type progress struct {
	done *lru.Cache[string, int]
}

func newProgress() (*progress, error) {
	done, err := lru.New[string, int](maxSending)
	return &progress{done}, err
}

// sent is how many pieces of the message went out.
func (p *progress) sent(id string) int {
	n, _ := p.done.Get(id)
	return n
}

func (p *progress) note(id string, n int) {
	if id != "" {
		p.done.Add(id, n)
	}
}

func (p *progress) forget(id string) { p.done.Remove(id) }
