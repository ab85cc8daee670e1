package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// X sends a webhook again for a short while only. What came while there was no
// gateway, or was lost on the way, is read from X's list of messages.
const (
	settled   = time.Minute // age of messages that no webhook brings any more
	firstSize = 10          // messages of the first page: X wants money for each
	pageSize  = 100
	batchSize = 25 // messages that are handed over at a time
	batchTime = 15 * time.Second

	maxFound      = 2000    // messages that are kept while pages are read,
	maxFoundBytes = 8 << 20 // and their bytes
	maxBatchBytes = 1 << 20

	soon       = time.Second      // until the next page or batch
	notNow     = time.Minute      // until it is looked whether there is anything to ask for
	notAllowed = 15 * time.Minute // after a refusal that an operator must end
)

// position is what has been read: the cursor.
type position struct {
	UserID string `json:"user_id"` // whose list it is
	Seen   id     `json:"seen"`    // a message, and all that are older
}

// positionOf reads a cursor. One that cannot be read, or is of another account, is
// none.
func positionOf(cursor []byte, userID string) id {
	var p position
	if json.Unmarshal(cursor, &p) != nil || p.UserID != userID {
		return ""
	}
	return p.Seen
}

// walk goes through X's list, from the newest message back to what is known, and
// then hands over what it found in the order in which it was written. It is lost
// with the process: then it begins anew.
type walk struct {
	seen id // the cursor

	token string // of the next page
	size  int    // of the next page
	small bool   // pages are too large for X's answers
	low   id     // oldest message so far
	done  bool   // all pages are read

	found []dm // the newest first until all pages are read
	bytes int
	top   id   // newest message that has settled
	cut   bool // newer messages had to be left to another walk
	fresh bool // some have not settled
}

// PollAccount implements sdk.AccountPoller. Where there is no cursor yet, it is put
// behind all that is there: the gateway does not begin with old messages.
func (c *channel) PollAccount(ctx context.Context, cursor []byte) (sdk.PollResult, error) {
	switch {
	case c.cfg.catchUp == 0:
		return sdk.PollResult{Next: notNow}, nil // who turns it on again does not get all that came since
	case positionOf(cursor, c.cfg.UserID) == "":
		return sdk.PollResult{Cursor: c.cursor(idAt(c.host.Now())), Next: notNow}, nil
	case c.unauthorized() != "":
		return sdk.PollResult{Cursor: cursor, Next: notNow}, nil
	}
	if !c.walking.TryLock() {
		return sdk.PollResult{Cursor: cursor, Next: soon}, nil // the last poll, for which nobody waited
	}
	defer c.walking.Unlock()
	if seen := positionOf(cursor, c.cfg.UserID); c.walk.seen != seen { // what was handed over last was not kept
		c.walk = walk{seen: seen}
	}
	w := &c.walk
	if !w.done {
		if err := c.nextPage(ctx, w); err != nil {
			return c.notRead(cursor, err)
		}
		if !w.done {
			return sdk.PollResult{Cursor: cursor, Next: soon}, nil
		}
	}
	return c.handOver(ctx, w), nil
}

func (c *channel) cursor(seen id) []byte {
	b, err := json.Marshal(position{c.cfg.UserID, seen})
	if err != nil {
		return nil
	}
	return b
}

// nextPage reads a page.
func (c *channel) nextPage(ctx context.Context, w *walk) error {
	if w.size == 0 {
		w.size, w.top = firstSize, w.seen
	}
	p, err := c.list(ctx, w.token, w.size)
	if errors.Is(err, errPageTooLarge) && w.size > 1 {
		w.size, w.small = max(1, w.size/4), true
		return nil
	}
	if err != nil {
		return err
	}
	if !w.small {
		w.size = pageSize
	}
	before, limit := w.low, idAt(c.host.Now().Add(-settled))
	for _, m := range p.messages {
		w.take(m, limit)
	}
	endless := p.next != "" && (p.next == w.token || len(p.messages) > 0 && w.low == before)
	if endless && !w.done {
		c.host.Log().Warn("X's list of messages goes in circles; what is older is not read")
	}
	w.token, w.done = p.next, w.done || p.next == "" || endless
	return nil
}

// take takes a message of a page. One that is newer than limit may be on its way by
// webhook, which says more of it.
func (w *walk) take(m dm, limit id) {
	if w.low == "" || m.ID.compare(w.low) < 0 {
		w.low = m.ID
	}
	switch {
	case m.ID.compare(w.seen) <= 0:
		w.done = true
		return
	case m.ID.compare(limit) > 0:
		w.fresh = true
		return
	}
	if m.ID.compare(w.top) > 0 {
		w.top = m.ID
	}
	w.found = append(w.found, m)
	w.bytes += len(m.item.raw)
	for len(w.found) > maxFound || w.bytes > maxFoundBytes {
		w.bytes -= len(w.found[0].item.raw)
		w.found[0] = dm{}
		w.found, w.cut = w.found[1:], true
	}
}

// handOver hands over the oldest of what was found. What came by webhook as well is
// known by its id.
func (c *channel) handOver(ctx context.Context, w *walk) sdk.PollResult {
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	w.found = inOrder(w.found)
	batch := w.batch()
	w.found = w.found[len(batch):]
	res := sdk.PollResult{Events: c.messages(ctx, slices.Clone(batch)), Next: soon}
	switch {
	case len(w.found) > 0:
		w.seen = batch[len(batch)-1].ID
	case w.cut:
		c.walk = walk{seen: batch[len(batch)-1].ID}
	default:
		res.Next = c.cfg.catchUp
		if w.fresh && !c.started {
			res.Next = min(res.Next, settled) // what came just before the start
		}
		c.started = true
		c.walk = walk{seen: w.top}
	}
	res.Cursor = c.cursor(c.walk.seen)
	return res
}

// batch returns the first of what was found, as far as one answer has room.
func (w *walk) batch() []dm {
	n, bytes := 0, 0
	for n < min(batchSize, len(w.found)) {
		bytes += len(w.found[n].item.raw)
		if n > 0 && bytes > maxBatchBytes {
			break
		}
		n++
	}
	return w.found[:n]
}

// notRead says when a page is asked for again.
func (c *channel) notRead(cursor []byte, err error) (sdk.PollResult, error) {
	res := sdk.PollResult{Cursor: cursor, Next: notAllowed}
	re, passes := errors.AsType[*sdk.RetryError](err)
	switch {
	case passes && re.Throttled:
		res.Next = re.After
		return res, nil
	case passes:
		c.host.Log().Warn("messages at X were not read, will retry", "err", err)
		return sdk.PollResult{}, ccsp.AsRetry(err)
	case errors.Is(err, sdk.ErrAuthRefreshed):
		res.Next = soon
		return res, nil
	case !errors.Is(err, sdk.ErrAuthConfig):
		c.walk = walk{} // perhaps it is the page's token
	}
	c.host.Log().Warn(`messages at X may not be read; if the app's plan has no such call, write catch_up = "off"`, "err", err)
	return res, nil
}
