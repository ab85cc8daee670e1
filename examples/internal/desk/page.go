package desk

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

// Page is what the agent's page says in the vendor's words.
type Page struct {
	Vendor  string
	Take    string // the act of an agent who takes a chat
	Open    string // the state of a chat with an agent
	Held    string // the state of a chat on hold
	Buttons []Button
	URL     URL
	File    string   // the argument of URL.Act for a file's name; "": it takes none
	Group   Group    // what chats are transferred to, beside agents
	Endings []Ending // how a chat is closed
	// Estimates: those who wait can be told for how long: the act estimate.
	Estimates bool
	Start     *Start // nil: agents begin no chats
}

// Button is an act without a text.
type Button struct {
	Act, Label, Class string
	In                string // the states it is shown in
	Args              string // JSON
}

// ID names the button for tests; two may do the same act.
func (b Button) ID() string {
	if b.Args == "" {
		return "act-" + b.Act
	}
	return "act-" + strings.ReplaceAll(strings.ToLower(b.Label), " ", "-")
}

// URL is an address that goes out, with a text or without.
type URL struct{ Act, Label, Hint string }

// Group is what has agents: a queue or a team.
type Group struct {
	Arg    string // of the act transfer
	Label  string
	Number bool // it is called by a number
	In     string
}

// Ending is a way to close a chat. Args is JSON.
type Ending struct{ Label, Args string }

// Start is what an agent says of a chat to begin.
type Start struct{ Address, Asset string } // labels

var (
	//go:embed page
	pageFiles embed.FS
	//go:embed index.html.tmpl
	indexText string
)

// index serves the page itself.
func index(p Page) http.Handler {
	var b bytes.Buffer
	if err := template.Must(template.New("index").Parse(indexText)).Execute(&b, p); err != nil {
		panic(err) // the template is part of the binary
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(b.Bytes())
	})
}

// files serves the rest of the page; nothing in it is fetched from elsewhere.
func files() http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	return http.FileServerFS(files)
}

// guard forbids what a customer's text could try in the agent's browser, and
// posts from other sites.
func guard(next http.Handler) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "+
			"connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

// streamPause keeps a busy desk from keeping the page busy.
const streamPause = 50 * time.Millisecond

// stream answers GET /agent/changes: one "change" event now and whenever
// something changed, as server-sent events.
func (d *Desk[C, V, A]) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{}) // it would end what is meant to last
	alive := time.NewTicker(15 * time.Second)
	defer alive.Stop()
	for {
		d.Lock()
		changed := d.changed
		d.Unlock()
		if _, err := fmt.Fprint(w, "event: change\ndata: {}\n\n"); err != nil || rc.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
			if !Sleep(r.Context(), streamPause) {
				return
			}
		case <-alive.C:
		}
	}
}
