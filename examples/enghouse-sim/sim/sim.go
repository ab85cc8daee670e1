// Package sim is a contact center that speaks Enghouse's chat protocol: the
// verbs of ChatExtension.DLL for the gateway, a JSON API and a page for the
// agent. It keeps everything in memory. It is for demos and tests.
//
//	s := sim.New(sim.Options{})
//	defer s.Close()
//	srv := httptest.NewServer(s)
//	defer srv.Close()
package sim

import (
	"io"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// BodyLimit is how many bytes a request may have.
const BodyLimit = 1 << 20

// Fault is one way to misbehave.
type Fault = desk.Fault

// Options are what can be chosen. The zero value is a contact center where
// nobody answers until the agent API is called.
type Options struct {
	desk.Options
	Queues []string // the queues there are; none: every name is one
	Skills []string // the skills there are; none: every name is one
}

// Sim is a contact center. It is safe for concurrent use.
type Sim struct {
	*desk.Desk[*chat, Chat, Args]
	queues, skills []string
}

// New returns a contact center without chats. Close ends it.
func New(o Options) *Sim {
	s := &Sim{queues: o.Queues, skills: o.Skills}
	s.Desk = desk.New(o.Options, desk.Vendor[*chat, Chat, Args]{
		Page: page, Acts: s.acts(), Commands: commands,
		Wire: desk.Wire{At: isWire, Serve: s.serveWire, MaxBody: BodyLimit, Write: write, Half: `{"Connection_ID":"half`},
	})
	return s
}

var page = desk.Page{
	Vendor: "Enghouse", Take: "take", Open: stateTaken, Held: stateHeld,
	Buttons: []desk.Button{
		{Act: "take", Label: "Take chat", Class: "primary", In: "queued"},
		{Act: "reject", Label: "Refuse", In: "queued"},
		{Act: "hold", Label: "Hold", In: "taken"},
		{Act: "resume", Label: "Resume", Class: "primary", In: "held"},
		{Act: "event", Label: "Back to bot", In: "taken held", Args: `{"name":"control_passed"}`},
	},
	URL:   desk.URL{Act: "push", Label: "Page to push", Hint: "page to push"},
	Group: desk.Group{Arg: "queue", Label: "Queue", In: "queued taken held"},
	Endings: []desk.Ending{
		{Label: "Closed by the agent", Args: `{}`},
		{Label: "6 unknown", Args: `{"reason":6}`},
		{Label: "7 out of memory", Args: `{"reason":7}`},
		{Label: "8 no suitable agents", Args: `{"reason":8}`},
		{Label: "9 invalid queue", Args: `{"reason":9}`},
		{Label: "10 no primary connection server", Args: `{"reason":10}`},
		{Label: "11 no call id", Args: `{"reason":11}`},
		{Label: "12 invalid external queue", Args: `{"reason":12}`},
		{Label: "13 unknown skill", Args: `{"reason":13}`},
		{Label: "14 stream with this reference exists", Args: `{"reason":14}`},
		{Label: "15 call not found by reference", Args: `{"reason":15}`},
		{Label: "16 cannot be accepted by the agent", Args: `{"reason":16}`},
		{Label: "17 no connection available now", Args: `{"reason":17}`},
		{Label: "18 agent refused", Args: `{"reason":18}`},
	},
	Estimates: true,
}

// commands are what a script can do: !hold, !resume, !close, !transfer [QUEUE],
// !typing, !push URL, !note TEXT and !event NAME.
var commands = desk.Commands[Args]{
	Names: []string{"hold", "resume", "close", "transfer", "typing", "push", "note", "event"},
	Read: func(name, arg string) (string, Args, error) {
		a := Args{Agent: arg, URL: arg, Name: arg, Queue: arg, On: true}
		if name == "say" || name == "note" {
			a.Text = arg
		}
		return name, a, nil
	},
}

// ReadScript reads the automatic agent's answers; bot.txt is an example.
func ReadScript(r io.Reader, name string) (desk.Script, error) {
	return desk.ReadScript(r, name, commands)
}
