package desk

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Outage is a time in which the vendor's protocol answers nobody.
//
//	{"how":"503","seconds":30}
//
// How is 503 (or ""), the answer to every call; reset, every connection is; or
// closed: nothing listens any more, the agent's page neither. Without seconds it
// lasts until it is ended, which closed cannot be.
type Outage struct {
	How     string `json:"how"`
	Seconds int    `json:"seconds"`
}

const maxOutage = 24 * 60 * 60 // seconds

// outage is the one that is, if there is one. The desk's lock guards it.
type outage struct {
	how   string // "": none
	until time.Time
	shut  chan time.Duration // to Program.Serve, which has the listener
}

func (o *outage) now(t time.Time) string {
	if o.how != "" && !o.until.IsZero() && !t.Before(o.until) {
		o.how = ""
	}
	return o.how
}

// SetOutage begins an outage; it replaces one that is.
func (d *Desk[C, V, A]) SetOutage(o Outage) error {
	o.How = cmp.Or(o.How, "503")
	if o.Seconds < 0 || o.Seconds > maxOutage {
		return fmt.Errorf("seconds is %d; write 0 to %d", o.Seconds, maxOutage)
	}
	d.Lock()
	defer d.Unlock()
	lasts := time.Duration(o.Seconds) * time.Second
	switch o.How {
	case "503", "reset":
	case "closed":
		if o.Seconds == 0 {
			return fmt.Errorf("an outage that closes the port needs seconds: nobody could end it")
		}
		select {
		case d.outage.shut <- lasts:
		default:
			return fmt.Errorf("the port is not this program's, or is closed already; write 503 or reset")
		}
	default:
		return fmt.Errorf("how is %q; write 503, reset or closed", o.How)
	}
	d.outage.how, d.outage.until = o.How, time.Time{}
	if lasts > 0 {
		d.outage.until = d.Now().Add(lasts)
	}
	d.Log.Info("outage begins", "how", o.How, "seconds", o.Seconds)
	d.Touch()
	return nil
}

// EndOutage ends the outage, if there is one.
func (d *Desk[C, V, A]) EndOutage() {
	d.Lock()
	defer d.Unlock()
	d.outage.how = ""
	d.Touch()
}

// Outages says for how long the port shall be closed. Who serves the desk at a
// port of its own receives from it.
func (d *Desk[C, V, A]) Outages() <-chan time.Duration { return d.outage.shut }

// AwaitUp waits while there is an outage, and reports false if ctx ended before:
// who is down does not call others either.
func (d *Desk[C, V, A]) AwaitUp(ctx context.Context) bool {
	for {
		d.Lock()
		how, until, changed := d.outage.now(d.Now()), d.outage.until, d.changed
		left := until.Sub(d.Now())
		d.Unlock()
		if how == "" {
			return ctx.Err() == nil
		}
		var end <-chan time.Time
		if !until.IsZero() {
			end = time.After(left)
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		case <-end:
		}
	}
}

// serveOutage answers a call in an outage; it reports false if there is none.
func (d *Desk[C, V, A]) serveOutage(w http.ResponseWriter) bool {
	d.Lock()
	how := d.outage.now(d.Now())
	d.Unlock()
	switch how {
	case "":
		return false
	case "503":
		d.vendor.Wire.Write(w, http.StatusServiceUnavailable, "out of service", nil)
	default:
		faults.Reset(w)
	}
	return true
}

func (d *Desk[C, V, A]) setOutage(w http.ResponseWriter, r *http.Request) {
	var o Outage
	if !readJSON(w, r, &o) {
		return
	}
	if err := d.SetOutage(o); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	d.showOutage(w, r)
}

// showOutage answers GET /sim/outage; how is empty if there is none.
func (d *Desk[C, V, A]) showOutage(w http.ResponseWriter, _ *http.Request) {
	d.Lock()
	answer := map[string]any{"how": d.outage.now(d.Now())}
	if answer["how"] != "" && !d.outage.until.IsZero() {
		answer["until"] = d.outage.until.UTC()
	}
	d.Unlock()
	WriteJSON(w, http.StatusOK, answer)
}

func (d *Desk[C, V, A]) endOutage(w http.ResponseWriter, r *http.Request) {
	d.EndOutage()
	d.showOutage(w, r)
}
