package sim

import (
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"
)

// Call is one that was placed through the account.
type Call struct {
	SID     string   `json:"sid"`
	From    string   `json:"from"`
	To      string   `json:"to"`
	TwiML   string   `json:"twiml"`
	Status  string   `json:"status"`
	Did     []string `json:"did,omitempty"`     // what the phone did, such as say de-DE: Guten Tag
	Pressed string   `json:"pressed,omitempty"` // digits
	Told    []string `json:"told,omitempty"`    // callbacks that were answered as they should be
	Ended   bool     `json:"ended"`             // and all has been told

	callback string
	events   []string
}

const maxTwiML = 4000

var callParams = []string{"To", "From", "Url", "Twiml", "ApplicationSid", "Method", "FallbackUrl", "FallbackMethod", "StatusCallback",
	"StatusCallbackMethod", "Timeout", "Record", "MachineDetection", "MachineDetectionTimeout", "AsyncAmd", "SendDigits",
	"TimeLimit", "SipAuthUsername", "SipAuthPassword", "CallReason", "CallerId"}

func (s *Sim) checkCall(f url.Values) *refusal {
	return first(
		known(f, callParams, "StatusCallbackEvent"),
		s.to(f, 21211),
		checkCaller(f),
		checkTwiML(f),
		s.callback(f, "Url", 21205),
		s.callback(f, "StatusCallback", 21609),
		within(f, "Timeout", 1, 600),
		within(f, "TimeLimit", 1, 14400),
		checkWords(f),
	)
}

func checkCaller(f url.Values) *refusal {
	switch from := f.Get("From"); {
	case from == "":
		return bad(21213, "A 'From' phone number is required")
	case from == "+15005550001":
		return &refusal{http.StatusBadRequest, 21212, "The 'From' number is not valid", false}
	case !e164.MatchString(from):
		return bad(21212, "The 'From' number is not valid")
	}
	return nil
}

func checkTwiML(f url.Values) *refusal {
	switch twiml := f.Get("Twiml"); {
	case f.Get("Url") == "" && twiml == "" && f.Get("ApplicationSid") == "":
		return bad(21205, "Url parameter is required")
	case utf8.RuneCountInString(twiml) > maxTwiML:
		return bad(21240, "Twiml is longer than 4000 characters")
	case twiml != "" && f.Get("Url") == "":
		if _, err := parseTwiML(twiml); err != nil {
			return bad(12100, "Document parse failure: %v", err)
		}
	}
	return nil
}

func checkWords(f url.Values) *refusal {
	for _, event := range f["StatusCallbackEvent"] {
		if !slices.Contains([]string{"initiated", "ringing", "answered", "completed"}, event) {
			return bad(21626, "StatusCallbackEvent %q is none", event)
		}
	}
	for _, name := range []string{"Method", "StatusCallbackMethod"} {
		if f.Has(name) && f.Get(name) != http.MethodPost {
			return bad(21206, "%s is not POST, which is all that this account does", name)
		}
	}
	if m := f.Get("MachineDetection"); f.Has("MachineDetection") && m != "Enable" && m != "DetectMessageEnd" {
		return bad(21627, "MachineDetection %q is none", m)
	}
	return nil
}

func (s *Sim) createCall(w http.ResponseWriter, r *http.Request) {
	f := s.create(w, r, s.checkCall)
	if f == nil {
		return
	}
	s.wire(false, "POST "+r.URL.Path+shown(f))
	c := &Call{SID: newSID("CA"), From: f.Get("From"), To: f.Get("To"), TwiML: f.Get("Twiml"), Status: "queued",
		callback: f.Get("StatusCallback"), events: f["StatusCallbackEvent"]}
	if f.Get("Url") != "" {
		c.TwiML = "" // it is ignored
	}
	s.mu.Lock()
	s.calls = keep(s.calls, c)
	s.touch()
	s.mu.Unlock()
	answer(w, http.StatusCreated, map[string]any{
		"sid": c.SID, "account_sid": s.opts.AccountSID, "to": c.To, "from": c.From, "status": "queued",
		"direction": "outbound-api", "api_version": apiVersion, "uri": r.URL.Path,
	})
	detects := f.Has("MachineDetection")
	s.work.Go(func() { s.ring(c, f.Get("Url"), detects) })
}

// told is a callback that is due.
type told struct {
	event string
	form  url.Values
}

// ring is the phone that was called. Callbacks that come in disorder do so after
// the call.
func (s *Sim) ring(c *Call, document string, detects bool) {
	fate := s.fateOf(c.To, "completed")
	began := time.Now()
	var due []told
	n := 0
	tell := func(event, status string) {
		form := s.callForm(c, status)
		form.Set("SequenceNumber", itoa(n))
		form.Set("CallbackSource", "call-progress-events")
		form.Set("Timestamp", time.Now().UTC().Format(time.RFC1123Z))
		if event == "completed" {
			form.Set("CallDuration", itoa(int(time.Since(began).Seconds())+1))
			if fate.Code != "" {
				form.Set("SipResponseCode", fate.Code)
			}
		}
		if detects && fate.AnsweredBy != "" && (event == "answered" || status == "completed") {
			form.Set("AnsweredBy", fate.AnsweredBy)
		}
		n++
		switch {
		case c.callback == "" || !slices.Contains(c.events, event) && (len(c.events) > 0 || event != "completed"):
		case s.opts.Disorder:
			due = append(due, told{event, form})
		default:
			s.tellCall(c, told{event, form})
		}
	}
	tell("initiated", "initiated")
	tell("ringing", "ringing")
	if fate.Status == "completed" {
		tell("answered", "in-progress")
		s.talk(c, document, fate.Press)
	}
	tell("completed", fate.Status)
	slices.Reverse(due)
	for _, t := range due {
		s.tellCall(c, t)
	}
	s.change(func() { c.Status, c.Ended = fate.Status, true })
}

func (s *Sim) tellCall(c *Call, t told) {
	times := 1
	if s.opts.Duplicate {
		times = 2
	}
	for range times {
		if s.told(c.callback, t.form) {
			s.change(func() { c.Told = append(c.Told, t.event) })
		}
	}
}

func (s *Sim) callForm(c *Call, status string) url.Values {
	return url.Values{"CallSid": {c.SID}, "AccountSid": {s.opts.AccountSID}, "From": {c.From}, "To": {c.To}, "Caller": {c.From},
		"Called": {c.To}, "CallStatus": {status}, "Direction": {"outbound-api"}, "ApiVersion": {apiVersion}}
}

// talk does what the TwiML of a call says.
func (s *Sim) talk(c *Call, document, press string) {
	twiml := c.TwiML
	if document != "" {
		var err error
		if twiml, err = s.post(document, s.callForm(c, "in-progress")); err != nil {
			s.breach("11200 the document of a call: " + err.Error())
			return
		}
		s.change(func() { c.TwiML = twiml })
	}
	p := &phone{sim: s, call: c, press: press}
	for depth := 0; twiml != "" && depth < 10; depth++ {
		doc, err := parseTwiML(twiml)
		if err != nil {
			s.breach("12100 " + err.Error())
			return
		}
		twiml = p.do(doc.Verbs)
	}
}

// Calls returns those that were placed.
func (s *Sim) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Call, 0, len(s.calls))
	for _, c := range s.calls {
		d := *c
		d.Did, d.Told = slices.Clone(c.Did), slices.Clone(c.Told)
		out = append(out, d)
	}
	return out
}

// Ring is a customer who rings one of the numbers, whose webhook is hook. It
// returns the TwiML that the phone gets.
func (s *Sim) Ring(hook, from, to string) (string, error) {
	c := &Call{SID: newSID("CA"), From: from, To: to}
	form := s.callForm(c, "ringing")
	form.Set("Direction", "inbound")
	twiml, err := s.post(hook, form)
	if err == nil {
		_, err = parseTwiML(twiml)
	}
	return twiml, err
}
