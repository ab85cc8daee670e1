package phone

import (
	"context"
	"strings"
	"sync"
	"time"
)

// talk plays and listens until one side ends the call.
func (c *call) talk() (reason string) {
	ctx, cancel := context.WithTimeout(c.ctx, c.p.Most)
	defer cancel()
	played := make(chan struct{})
	var playing sync.WaitGroup
	playing.Go(func() { c.play(ctx, played) })
	defer playing.Wait()
	defer cancel()
	digits := c.listen(ctx, played)
	if digits != "" {
		c.tell(Event{Digits: digits})
	}
	select {
	case <-c.over: // by the other side
		return Completed
	default:
	}
	c.bye()
	if c.ctx.Err() != nil {
		return Canceled
	}
	return Completed
}

// play plays all there is, with a little silence first: it opens the way through
// translators of addresses, and nobody holds the telephone to the ear at once. Then
// there is silence until ctx ends: many hang up on who is not heard at all.
func (c *call) play(ctx context.Context, played chan<- struct{}) {
	none := make([]int16, silence)
	for range max(c.Repeat, 1) {
		if c.audio.play(ctx, none) != nil || c.audio.play(ctx, c.Samples) != nil {
			return
		}
	}
	close(played)
	for c.audio.play(ctx, none) == nil {
	}
}

// listen collects keys: as many as are awaited, or until # is pressed, or nothing
// more comes. It returns when the call has had its time.
func (c *call) listen(ctx context.Context, played <-chan struct{}) string {
	var digits strings.Builder
	var wait <-chan time.Time
	byEvents := c.audio.keys
	for {
		var key byte
		select {
		case <-c.over:
			return digits.String()
		case <-ctx.Done():
			return digits.String()
		case <-wait:
			return digits.String()
		case <-played:
			played = nil
			if c.Digits == 0 {
				return ""
			}
			if digits.Len() == 0 {
				wait = time.After(c.Wait)
			}
			continue
		case k, ok := <-byEvents:
			if !ok {
				byEvents = nil
				continue
			}
			key = k
		case key = <-c.pressed:
		}
		if c.Digits == 0 {
			continue
		}
		if key == '#' && digits.Len() > 0 {
			return digits.String()
		}
		digits.WriteByte(key)
		if digits.Len() >= c.Digits {
			return digits.String()
		}
		wait = time.After(c.Wait)
	}
}
