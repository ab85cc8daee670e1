package desk

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// Act is something that an agent can do with a chat.
type Act[C, A any] struct {
	From []string             // the states it fits
	Do   func(c C, a A) error // the desk is locked; an error is about a
}

// errNoChat is returned for an id that no chat has.
var errNoChat = errors.New("no such chat")

// errState is an act that does not fit the chat's state.
type errState struct{ act, is string }

func (e *errState) Error() string { return fmt.Sprintf("cannot %s a chat that is %s", e.act, e.is) }

// TakenBy has agent take the chat, unless it waits for another.
func (c *Chat) TakenBy(agent string) error {
	if c.For != "" && c.For != agent {
		return &errState{"take", "kept for " + c.For}
	}
	c.Agent = agent
	return nil
}

// Act does for the agent what POST /agent/chats/{id}/{act} does.
func (d *Desk[C, V, A]) Act(id, act string, a A) error {
	spec, ok := d.vendor.Acts[act]
	if !ok {
		return fmt.Errorf("unknown act %q", act)
	}
	d.Lock()
	defer d.Unlock()
	c, ok := d.chats[id]
	if !ok {
		return errNoChat
	}
	if state := c.Common().State; !slices.Contains(spec.From, state) {
		return &errState{act, state}
	}
	defer d.Touch()
	return spec.Do(c, a)
}

// Chats returns all chats, the oldest first.
func (d *Desk[C, V, A]) Chats() []V {
	d.Lock()
	defer d.Unlock()
	list := make([]V, 0, len(d.order))
	for _, c := range d.order {
		list = append(list, c.View())
	}
	return list
}

// Messages returns the lines of a chat's transcript with a number above after.
func (d *Desk[C, V, A]) Messages(id string, after int) (v V, list []Entry, err error) {
	d.Lock()
	defer d.Unlock()
	c, ok := d.chats[id]
	if !ok {
		return v, nil, errNoChat
	}
	all := c.Common().entries // numbered without a gap
	from := len(all) - max(0, min(len(all), c.Common().Noted-max(after, 0)))
	return c.View(), append([]Entry{}, all[from:]...), nil
}

// some returns at most so many chats of each state, the oldest first: of those
// that are closed the last ones, of others the first. It also counts all.
func (d *Desk[C, V, A]) some(most int) (list []V, counts map[string]int) {
	d.Lock()
	defer d.Unlock()
	counts = maps.Clone(d.states)
	list = make([]V, 0, min(len(d.order), most))
	skip, taken := max(0, counts[Closed]-most), map[string]int{}
	for _, c := range d.order {
		switch state := c.Common().State; {
		case state == Closed && skip > 0:
			skip--
		case taken[state] < most:
			taken[state]++
			list = append(list, c.View())
		}
	}
	return list, counts
}

// listChats answers GET /agent/chats?most=<n>.
func (d *Desk[C, V, A]) listChats(w http.ResponseWriter, r *http.Request) {
	most, ok := number(w, r, "most", MaxChats)
	if !ok {
		return
	}
	list, counts := d.some(most)
	WriteJSON(w, http.StatusOK, map[string]any{"chats": list, "counts": counts})
}

// number reads a number of the query that is not negative.
func number(w http.ResponseWriter, r *http.Request, name string, standby int) (int, bool) {
	q := r.URL.Query().Get(name)
	if q == "" {
		return standby, true
	}
	n, err := strconv.Atoi(q)
	if err != nil || n < 0 {
		fail(w, http.StatusBadRequest, name+" is not a number")
		return 0, false
	}
	return n, true
}

// listMessages answers GET /agent/chats/{id}/messages?after=<n>.
func (d *Desk[C, V, A]) listMessages(w http.ResponseWriter, r *http.Request) {
	after, ok := number(w, r, "after", 0)
	if !ok {
		return
	}
	id := r.PathValue("id")
	c, list, err := d.Messages(id, after)
	if err != nil {
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	WriteJSON(w, http.StatusOK, map[string]any{"chat": c, "profile": d.profile(id), "messages": list})
}

func (d *Desk[C, V, A]) profile(id string) []Fact {
	c, _ := d.lookUp(id)
	return c.Profile
}

// act answers POST /agent/chats/{id}/{act} with the chat as it is then.
func (d *Desk[C, V, A]) act(w http.ResponseWriter, r *http.Request) {
	var a A
	if !readJSON(w, r, &a) {
		return
	}
	id, act := r.PathValue("id"), r.PathValue("act")
	var err error
	if act == "start" && d.vendor.Start != nil { // the id is the customer's address
		id, err = d.vendor.Start(id, a)
	} else {
		err = d.Act(id, act, a)
	}
	var unfit *errState
	switch {
	case errors.As(err, &unfit):
		fail(w, http.StatusConflict, err.Error())
	case errors.Is(err, errNoChat):
		fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		fail(w, http.StatusBadRequest, err.Error())
	default:
		c, _, _ := d.Messages(id, 1<<30)
		WriteJSON(w, http.StatusOK, map[string]any{"chat": c})
	}
}
