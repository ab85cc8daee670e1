package desk

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Refusal is an answer other than 200.
type Refusal struct {
	Status int
	What   string
	// Late is a call that came too late, or for something that there is not: a
	// good client makes such calls at times. Any other one breaks the contract.
	Late   bool
	Answer any // what comes with it, nil: nothing
}

func (e *Refusal) Error() string { return e.What }

// Refuse returns the refusal of a call that breaks the contract.
func Refuse(status int, format string, args ...any) error {
	return &Refusal{Status: status, What: fmt.Sprintf(format, args...)}
}

// Late returns the refusal of a call that does not fit what is there now.
func Late(status int, format string, args ...any) error {
	return &Refusal{Status: status, What: fmt.Sprintf(format, args...), Late: true}
}

// RefusedCall is a call of the vendor's protocol that was refused.
type RefusedCall struct {
	At     time.Time `json:"at"`
	Verb   string    `json:"verb"`
	Status int       `json:"status"`
	What   string    `json:"what"`
	Late   bool      `json:"late"`
}

const maxRefused = 500

// refused are the last calls that were refused, and the numbers of all. The
// desk's lock guards it.
type refused struct {
	list        []RefusedCall
	wrong, late int
}

// noteRefusal remembers that a call was refused, if err says so.
func (d *Desk[C, V, A]) noteRefusal(verb string, err error) *Refusal {
	var no *Refusal
	if !errors.As(err, &no) {
		return nil
	}
	d.Log.Warn("call refused", "verb", verb, "status", no.Status, "late", no.Late, "err", no.What)
	d.Lock()
	defer d.Unlock()
	r := &d.refused
	if no.Late {
		r.late++
	} else {
		r.wrong++
	}
	if len(r.list) == maxRefused {
		r.list = slices.Delete(r.list, 0, 1)
	}
	r.list = append(r.list, RefusedCall{d.Now(), cmp.Or(verb, "?"), no.Status, no.What, no.Late})
	d.Touch()
	return no
}

// Refused returns the last calls that were refused because they break the
// contract, and with late also those that came too late.
func (d *Desk[C, V, A]) Refused(late bool) []RefusedCall {
	d.Lock()
	defer d.Unlock()
	list := []RefusedCall{}
	for _, c := range d.refused.list {
		if late || !c.Late {
			list = append(list, c)
		}
	}
	return list
}

// listRefused answers GET /sim/refused.
func (d *Desk[C, V, A]) listRefused(w http.ResponseWriter, _ *http.Request) {
	list := d.Refused(true)
	d.Lock()
	wrong, late := d.refused.wrong, d.refused.late
	d.Unlock()
	WriteJSON(w, http.StatusOK, map[string]any{"refused": list, "wrong": wrong, "late": late})
}

// clearRefused answers DELETE /sim/refused.
func (d *Desk[C, V, A]) clearRefused(w http.ResponseWriter, r *http.Request) {
	d.Lock()
	d.refused = refused{}
	d.Touch()
	d.Unlock()
	d.listRefused(w, r)
}
