package sim

import (
	"cmp"
	"encoding/json"
	"net/http"
)

// operate has the platform operated over HTTP, by people and scripts.
//
//	POST /sim/say {"psid":"2002","text":"Hello"}    also payload: of a quick reply
//	POST /sim/press {"psid":"2002","text":"Start","payload":"GET_STARTED"}
//	POST /sim/inbox {"psid":"2002","text":"I take over"}
//	POST /sim/pass {"psid":"2002","app":"9001","text":"metadata"}   take, ask likewise
//	POST /sim/hook {"url":"http://127.0.0.1:8080/hooks/page"}
//	GET  /sim/messages                              what the page sent
//	GET  /sim/breaks                                of the contract
//	GET, POST, DELETE /sim/faults                   see Fault
func (s *Sim) operate(mux *http.ServeMux) {
	type order struct{ PSID, Text, Payload, App string }
	obey := func(do func(order)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var o order
			if err := json.NewDecoder(r.Body).Decode(&o); err != nil || o.PSID == "" {
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": "psid and text are wanted"})
				return
			}
			do(o)
			writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
		}
	}
	mux.HandleFunc("POST /sim/say", obey(func(o order) {
		if o.Payload != "" {
			s.Choose(o.PSID, o.Text, o.Payload)
			return
		}
		s.Say(o.PSID, o.Text)
	}))
	mux.HandleFunc("POST /sim/press", obey(func(o order) { s.Press(o.PSID, o.Text, o.Payload) }))
	mux.HandleFunc("POST /sim/inbox", obey(func(o order) { s.InboxSays(o.PSID, o.Text) }))
	for verb, do := range map[string]func(psid, app, metadata string){"pass": s.Pass, "take": s.Take, "ask": s.Ask} {
		mux.HandleFunc("POST /sim/"+verb, obey(func(o order) { do(o.PSID, cmp.Or(o.App, s.opts.App), o.Text) }))
	}
	mux.HandleFunc("POST /sim/hook", func(w http.ResponseWriter, r *http.Request) {
		var o struct{ URL string }
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "a url is wanted"})
			return
		}
		s.SetHook(o.URL)
		writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
	})
	mux.HandleFunc("GET /sim/messages", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"messages": s.Sent(), "actions": s.Actions()})
	})
	mux.HandleFunc("GET /sim/breaks", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"breaks": s.Breaks()})
	})
	s.faults.Handle(mux)
}
