package delivery_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/delivery"
)

func TestRate(t *testing.T) {
	r := delivery.NewRate(10, 3)
	at := now
	for i := range 3 {
		if wait := r.Take(at); wait != 0 {
			t.Fatalf("message %d of the burst waits %v", i, wait)
		}
	}
	for range 5 { // asking counts nothing
		if wait := r.Take(at); wait <= 0 || wait > 100*time.Millisecond {
			t.Fatalf("the next one waits %v", wait)
		}
	}
	sent := 0
	for range 100 {
		at = at.Add(10 * time.Millisecond)
		if r.Take(at) == 0 {
			sent++
		}
	}
	if sent != 10 {
		t.Errorf("%d messages in a second of 10", sent)
	}
	wait := r.Take(at)
	if r.Take(at.Add(wait)) != 0 {
		t.Errorf("it waited %v and may still not go", wait)
	}
}

func TestNoRate(t *testing.T) {
	for _, perSecond := range []float64{0, -1} {
		r := delivery.NewRate(perSecond, 0)
		for range 1000 {
			if wait := r.Take(now); wait != 0 {
				t.Fatalf("waits %v without a limit", wait)
			}
		}
	}
	if r := delivery.NewRate(1, 0); r.Take(now) != 0 {
		t.Error("a burst of none lets nothing through")
	}
}

func TestPause(t *testing.T) {
	for _, perSecond := range []float64{0, 5} {
		r := delivery.NewRate(perSecond, 1)
		r.Pause(now, time.Minute)
		r.Pause(now, time.Second) // a shorter one does not shorten it
		if wait := r.Take(now.Add(10 * time.Second)); wait != 50*time.Second {
			t.Errorf("waits %v", wait)
		}
		if wait := r.Take(now.Add(time.Minute)); wait != 0 {
			t.Errorf("waits %v after the pause", wait)
		}
	}
}

// TestAfterAPause: those that waited do not come all at once.
func TestAfterAPause(t *testing.T) {
	for _, perSecond := range []float64{0, 10_000} {
		r := delivery.NewRate(perSecond, 10_000)
		r.Pause(now, 5*time.Second)
		at := now.Add(5 * time.Second)
		went := 0
		all := func() (wait time.Duration) {
			for {
				if wait = r.Wait(at, 1); wait != r.Take(at) || wait > 0 || went > 5000 {
					return wait
				}
				went++
			}
		}
		for i := range 10 {
			if wait := all(); went != 1<<i || wait != 500*time.Millisecond {
				t.Fatalf("%d went by step %d, the next waits %v", went, i, wait)
			}
			at = at.Add(500 * time.Millisecond)
		}
		if all(); went < 5000 {
			t.Errorf("%d went when all is well again", went)
		}
		r.Pause(at, time.Second)
		at = at.Add(time.Second)
		went = 0
		if all(); went != 1 {
			t.Errorf("%d went after another pause", went)
		}
	}
}

func TestRateOfMany(t *testing.T) {
	r := delivery.NewRate(1, 50)
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if r.Take(now) == 0 {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() != 50 {
		t.Errorf("%d of a burst of 50 went", taken.Load())
	}
}

// Another pace does not end the quiet that the far side has asked for.
func TestPaceChangesInAPause(t *testing.T) {
	r := delivery.NewRate(1, 1)
	r.Pause(now, time.Minute)
	r.Set(100, 10)
	if wait := r.Take(now); wait != time.Minute {
		t.Errorf("in a pause of a minute the next one waits %v", wait)
	}
	at := now.Add(2 * time.Minute)
	r.Take(at)
	if wait := r.Take(at.Add(10 * time.Second)); wait != 0 {
		t.Errorf("at the new pace the next one waits %v", wait)
	}
}
